import pytest
import typer
from rich.console import Console
from tiny_vae import make_ensemble
from typer.testing import CliRunner

from skylattice import Hamiltonian
from skylattice.cli import train as train_commands
from skylattice.errors import ModelError
from skylattice.io.layout import Layout
from skylattice.io.writing import create_store, write_point
from skylattice.vae import artifact, load, save

app = typer.Typer()
app.command()(train_commands.train)
app.command()(train_commands.models)


def run(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    ds = make_ensemble(D=(0.4, 0.5), b=(0.4,), realizations=6)
    path = tmp_path_factory.mktemp("store") / "e.zarr"
    create_store(path, D=ds.D, B=ds.B, realizations=6, layout=Layout((20, 20), 0.006, Hamiltonian()))
    for point in ds.isel(B=0, realization=slice(5)).spin:
        write_point(path, D=float(point.D), B=0.1, spin=point.values)
    return path


def test_train__writes_model_history_and_curves_and_resumes(store, tmp_path):
    file, folder = tmp_path / "run.yaml", tmp_path / "run"
    file.write_text("model: {widths: [8, 16], blocks: [1, 1]}\nwarmup: 1\ntest: 0\nbatch_size: 4\n")
    options = ("train", file, "--store", store, "--output", folder, "--epochs", 2, "--beta", 1e-7)
    output = run(*options)
    assert "epoch 2: mse" in output
    assert {"model", "history.csv", "checkpoint.npz"} <= {path.name for path in folder.iterdir()}
    model = load(folder / "model")
    assert model.spec.beta == 1e-7
    assert model.metadata["config"]["batch_size"] == 4
    assert "epoch 1: mse" not in run(*options, "--resume")
    if (folder / "loss.html").exists():
        assert "plotly" in (folder / "loss.html").read_text()


def test_train__without_a_store_says_what_is_missing():
    with pytest.raises(ModelError, match=r"missing \['store', 'output'\]"):
        run("train")


def test_models__lists_what_is_shipped(tiny_model, tmp_path, monkeypatch):
    metadata = {"data": {"size": [40, 40], "split": {"n_train": 321}}, "metrics": {"test_mse": 0.01234}}
    save(tiny_model, tmp_path / "periodic", metadata=metadata)
    monkeypatch.setattr(artifact, "SHIPPED", tmp_path)
    monkeypatch.setattr("skylattice.cli.train.console", Console(width=160))  # a narrow one breaks the table's cells
    output = run("models")
    assert "periodic (default)" in output
    assert "321 lattices of 40×40" in output
    assert "0.01234" in output
