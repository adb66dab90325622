"""The command, run as a person runs it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from skylattice import open_ensemble, testing
from skylattice.cli import main as cli
from skylattice.io.results import open_results
from skylattice.simulation.ensemble import simulate_ensemble
from skylattice.simulation.schedule import Schedule

RUN = "tests/data/uppasd/N64_D0.50_B0.125_s12"
COMMAND = Path(sys.executable).with_name("skylattice")  # of this environment, whatever PATH says
SHORT = "--size 16 --T 0.1 --steps 3 --sweeps 2"


def skylattice(*arguments):
    """Exit code and everything printed, of a real process."""
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "small.zarr"
    schedule = Schedule.geometric(1.0, 0.1, steps=3, sweeps=2)
    simulate_ensemble(
        D=[0.4, 0.5], B=[0.1], realizations=2, size=16, T=0.1, schedule=schedule, store=path, progress=False
    )
    return path


@pytest.mark.parametrize("command", ["", "simulate", "import", "export", "info", "analyse", "doctor", "demo"])
def test_help__teaches(command):
    result = CliRunner().invoke(cli.app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_simulate__writes_what_the_library_writes(store, tmp_path):
    code, output = skylattice(
        "simulate", tmp_path / "a.zarr", *["--D", "0.4,0.5", "--B", "0.1", "-n", "2", "--threads", "2"], *SHORT.split()
    )
    assert code == 0, output
    assert "4 done" in output
    np.testing.assert_array_equal(open_ensemble(tmp_path / "a.zarr").spin, open_ensemble(store).spin)


def test_import__of_a_run_beside_a_broken_one_keeps_the_good_one(tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "inpsd.dat").write_text("simid x\nncell 4 4 1\n")
    (broken / "restart.x.out").write_text("")
    code, output = skylattice("import", RUN, broken, tmp_path / "runs.zarr")
    assert code == 3
    assert "left out" in output
    assert "restart.x.out" in output
    assert "1 lattices imported, 0 there already, 1 sources left out" in output
    ds = open_ensemble(tmp_path / "runs.zarr")
    assert (float(ds["D"].item()), float(ds["B"].item()), float(ds["T"])) == (0.5, 0.125, 0.006)
    assert ds.sky.topological_charge().compute().item() == pytest.approx(-20)


def test_import__without_a_store_says_how():
    code, output = skylattice("import", RUN)
    assert code == 2
    assert "SOURCE... STORE" in output


def test_analyse__writes_results_and_a_table(store):
    code, output = skylattice("analyse", store, "--table", store.with_name("t.csv"))
    assert code == 0, output
    table = pd.read_csv(store.with_name("t.csv"))
    assert len(table) == 4
    results = open_results(store, "observables").load()
    ds = open_ensemble(store).load()
    np.testing.assert_allclose(results.m_z, ds.spin.sel(component="z").mean(["y", "x"]), atol=1e-6)
    np.testing.assert_allclose(table.m_z, results.m_z.values.ravel())
    assert set(table.phase) <= {"ferromagnet", "spiral", "skyrmion", "mixed"}
    assert {"topological_charge", "energy", "temperature_ratio", "spin_norm_error"} <= set(table)


def test_analyse__writes_parquet_and_refuses_other_endings(store):
    assert skylattice("analyse", store, "--table", store.with_name("t.parquet"))[0] == 0
    assert len(pd.read_parquet(store.with_name("t.parquet"))) == 4
    code, output = skylattice("analyse", store, "--table", store.with_name("t.xlsx"))
    assert code == 1
    assert ".csv or .parquet" in output


def test_info__shows_the_grid(store):
    code, output = skylattice("info", store)
    assert code == 0
    assert "4 done" in output
    assert "16 × 16" in output


def test_doctor__names_a_run_and_a_broken_file(tmp_path):
    code, output = skylattice("doctor", RUN)
    assert code == 0
    assert "UppASD" in output
    (tmp_path / "restart.x.out").write_text("nonsense")
    code, output = skylattice("doctor", tmp_path / "restart.x.out")
    assert code == 1
    assert "error" in output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["info", "nowhere.zarr"], 1, "there is no ensemble store here"),
        (["simulate", "x.zarr", "--D", "soft", "--B", "0.1"], 2, "0.35:0.6:0.05"),
        (["simulate", "x.zarr", "--D", "0.5", "--B", "0.1", "--size", "0"], 2, "100x200"),
        (["simulate", "x.zarr", "--D", "0.5", "--B", "0.1", "--T", "-1"], 1, "T: expected values >= 0"),
        (["simulate", "x.zarr", "--D", "0.5", "--B", "0.1", "--dmi", "cubic"], 1, "cubic"),
        (["simulate", "x.zarr", "--D", "0.5"], 1, "D with B, or points"),
        (["doctor", "nowhere"], 1, "nowhere"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_errors__are_one_message_without_a_traceback(arguments, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, output = skylattice(*arguments)
    assert found == code, output
    assert message in " ".join(output.split())
    assert "Traceback" not in output


def test_version__is_that_of_the_package():
    import skylattice as package

    assert skylattice("--version") == (0, f"{package.__version__}\n")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.4", [0.4]),
        ("0.4,0.5", [0.4, 0.5]),
        ("0.35:0.6:0.05", [0.35, 0.4, 0.45, 0.5, 0.55, 0.6]),
        ("-1:0:1", [-1, 0]),
    ],
)
def test_values__are_lists_or_ranges_with_their_stop(text, values):
    assert cli.parse_values(text) == pytest.approx(values)


@pytest.mark.parametrize("text", ["", "a", "1:2", "1:2:0", "1:2:-1"])
def test_values__that_are_none_are_refused(text):
    with pytest.raises(typer.BadParameter):
        cli.parse_values(text)


def test_size__is_one_number_or_ny_by_nx():
    assert cli.parse_size("200") == (200, 200)
    assert cli.parse_size("100x200") == (100, 200)
    assert testing.ferromagnet(cli.parse_size("3x4")).spin.shape[-3:] == (3, 4, 3)
