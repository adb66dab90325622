"""The xarray engines."""

import inspect

import pytest
import xarray as xr
from ovf_files import DATA, FORMS, ovf_file, unit_vectors
from uppasd_runs import REAL_RUN, write_run

from skylattice.errors import FormatError
from skylattice.io.backends import OvfBackend, UppasdBackend
from skylattice.io.ovf import open_ovf
from skylattice.io.uppasd import open_run, read_run


@pytest.mark.parametrize("path", [REAL_RUN, REAL_RUN / "restart.skx.out"], ids=["folder", "file"])
@pytest.mark.parametrize("engine", ["uppasd", None])
def test_engine__opens_runs_and_spin_files(path, engine):
    ds = xr.open_dataset(path, engine=engine)
    assert ds.sky.hamiltonian.dmi == "neel"
    xr.testing.assert_identical(ds.load(), read_run(path))


ENGINES = [
    pytest.param(UppasdBackend, open_run, "skylattice.io.uppasd.open_run", id="uppasd"),
    pytest.param(OvfBackend, open_ovf, "skylattice.io.ovf.open_ovf", id="ovf"),
]


@pytest.mark.parametrize(("backend", "function", "_name"), ENGINES)
def test_engine__has_the_options_of_its_function(backend, function, _name):
    options = inspect.signature(function).parameters
    engine = inspect.signature(backend().open_dataset).parameters
    assert set(engine) - set(options) == {"filename_or_obj", "drop_variables"}
    assert set(options) - set(engine) == {"path"}
    assert all(engine[name].default == options[name].default for name in set(options) & set(engine))


@pytest.mark.parametrize(("backend", "function", "name"), ENGINES)
def test_engine__passes_every_option_on(monkeypatch, backend, function, name):
    passed = {}

    def record(path, **options):
        passed.update(options)
        return xr.Dataset()

    monkeypatch.setattr(name, record)
    options = {name: name for name in inspect.signature(function).parameters if name != "path"}
    backend().open_dataset(REAL_RUN, **options)
    assert passed == options


def test_engine__options_take_effect():
    ds = xr.open_dataset(REAL_RUN, engine="uppasd", D=0.25, dmi_sign="+", dtype="float64", drop_variables=["T"])
    assert (ds.D.item(), ds.attrs["handedness"], ds.spin.dtype) == (0.25, 1, "float64")
    assert "T" not in ds.coords


def test_engine__reports_bad_runs(tmp_path):
    run = write_run(tmp_path, jfile="nothing")
    with pytest.raises(FormatError, match=r"jfile:1: expected 6 numbers"):
        xr.open_dataset(run, engine="uppasd")


def test_engine__opens_many_files_as_one_grid(tmp_path):
    fields = ("10.0", "20.0", "30.0")
    runs = [write_run(tmp_path / field, replace=[("29.381469375307", field)]) for field in fields]
    ds = xr.open_mfdataset([str(run) for run in runs], engine="uppasd", combine_attrs="override", join="outer")
    assert ds.sizes["B"] == 3
    xr.testing.assert_equal(ds.spin.isel(B=[2]).load(), read_run(runs[2]).spin)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("restart.skx.out", True),
        ("moment.skx.out", True),
        ("restart_if.skx     .out", True),
        ("averages.skx.out", False),
        ("ensemble.nc", False),
        ("", False),
    ],
)
def test_guess__knows_spin_files_by_name(tmp_path, name, expected):
    assert UppasdBackend().guess_can_open(tmp_path / name) is expected


def test_guess__knows_run_folders_and_declines_open_files(tmp_path):
    assert UppasdBackend().guess_can_open(str(write_run(tmp_path)))
    with (tmp_path / "restart.skx.out").open("rb") as file:
        assert not UppasdBackend().guess_can_open(file)


@pytest.mark.parametrize("engine", ["ovf", None])
@pytest.mark.parametrize("name", ["m.ovf", "m.omf", "spins.txt", "restart.skx.out"])
@pytest.mark.parametrize("form", FORMS)
def test_engine__opens_ovf_by_content(tmp_path, engine, name, form):
    """UppASD writes OVF under the names of its own format."""
    path = ovf_file(tmp_path / name, unit_vectors(3, 5), form)
    ds = xr.open_dataset(path, engine=engine, drop_variables="T")
    xr.testing.assert_identical(ds.load(), open_ovf(path).drop_vars("T").load())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"# OOMMF OVF 2.0\n", True),
        (b"#oommf: irregular mesh v1.0\r\n", True),
        (b"# OOMMF OVF 7.0\n", True),  # so that it is refused by name
        (b"# iter\n", False),
        (b"\x89HDF\r\n\x1a\n", False),
        (b"", False),
    ],
)
def test_guess__knows_ovf_by_content(tmp_path, content, expected):
    (tmp_path / "file").write_bytes(content)
    assert OvfBackend().guess_can_open(tmp_path / "file") is expected


def test_guess__of_ovf_declines_what_is_no_file(tmp_path):
    assert not OvfBackend().guess_can_open(tmp_path)
    assert not OvfBackend().guess_can_open("https://example.org/m.ovf")
    with (DATA / "skyrmion.omf").open("rb") as file:
        assert not OvfBackend().guess_can_open(file)
