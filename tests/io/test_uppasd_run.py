"""Whole runs: the real one against what UppASD reported, and the options of `open_run`."""

import json
import pickle

import numpy as np
import pytest
import xarray as xr
from uppasd_runs import (
    REAL_RUN,
    copy_real_run,
    es16_8,
    header,
    random_spins,
    reference_charge,
    reference_energy,
    rows,
    write_lines,
    write_restart,
    write_run,
)

from skylattice import Hamiltonian
from skylattice.errors import FormatError, SchemaError
from skylattice.io.doctor import diagnose
from skylattice.io.uppasd import find_runs, open_run, read_run
from skylattice.schema import check_spin, check_values
from skylattice.testing import raise_if_computes

GIVEN = {"D": 0.5, "B": 0.1, "T": 0.02, "dmi": "bloch", "handedness": 1}


@pytest.fixture(scope="module")
def expected():
    return json.loads((REAL_RUN / "expected.json").read_text())


@pytest.fixture(scope="module")
def real_spin():
    return read_run(REAL_RUN, dtype="float64").spin.values[0, 0, 0]


def test_real_run__has_the_parameters_of_its_input(expected):
    ds = open_run(REAL_RUN)
    assert (ds.D.item(), ds.B.item(), ds["T"].item()) == (expected["D"], expected["B"], expected["T"])
    assert Hamiltonian.from_attrs(ds.attrs) == Hamiltonian("neel", -1)
    np.testing.assert_allclose(ds.attrs["B_exact"], expected["B"], rtol=1e-7)
    assert ds.attrs["B_exact"] != expected["B"]  # CODATA has moved on since the run was set up
    np.testing.assert_allclose(ds.attrs["J_meV"], 13.605693, rtol=1e-7)


def test_real_run__has_the_energy_that_uppasd_reported(expected, real_spin):
    energies = reference_energy(real_spin, D=0.5, B=0.125, handedness=-1)
    terms = expected["energy_terms_per_spin_J"]
    np.testing.assert_allclose(energies, [terms["exchange"], terms["dmi"], terms["zeeman"]], atol=1e-8)
    np.testing.assert_allclose(energies.sum(), expected["energy_per_spin_J"], atol=1e-8)


def test_real_run__has_the_magnetization_and_charge_that_uppasd_reported(expected, real_spin):
    np.testing.assert_allclose(real_spin.mean(axis=(0, 1)), expected["mean_m"], atol=1e-9)
    np.testing.assert_allclose(reference_charge(real_spin), expected["Q_uppasd_T_triangulation"], atol=1e-9)


def test_real_run__gives_the_same_through_the_accessor(expected):
    results = read_run(REAL_RUN).sky.observables()
    np.testing.assert_allclose(results.energy.item(), expected["energy_per_spin_J"], atol=1e-6)
    np.testing.assert_allclose(results.m_z.item(), expected["mean_Mz"], atol=1e-6)
    assert round(results.topological_charge.item()) == expected["Q_uppasd_T_triangulation"]


def test_real_run__follows_the_schema():
    ds = read_run(REAL_RUN)
    assert ds.spin.dims == ("D", "B", "realization", "y", "x", "component")
    assert ds.spin.dtype == np.float32
    check_spin(ds.spin)
    check_values(ds.spin.values, where="spin", tolerance=1e-6)
    assert ds.D.attrs["in_units_of"] == "J"
    assert ds.attrs["boundary"] == "periodic"
    assert ds.attrs["source"] == "N64_D0.50_B0.125_s12/restart.skx.out"
    assert (ds.attrs["software"], ds.attrs["tseed"], ds.attrs["iteration"]) == ("UppASD", 12, -1)


def test_folder_and_spin_file__are_the_same_run():
    xr.testing.assert_identical(read_run(REAL_RUN), read_run(REAL_RUN / "restart.skx.out"))
    xr.testing.assert_identical(read_run(REAL_RUN), read_run(REAL_RUN / "inpsd.dat"))


def test_spins__lie_with_x_fastest(tmp_path):
    spin = random_spins(2, 1, 3, 5)
    ds = read_run(write_run(tmp_path, spin), dtype="float64")
    np.testing.assert_allclose(ds.spin.values[0, 0], spin[:, 0], atol=1e-8)
    assert ds.realization.values.tolist() == [0, 1]


def test_spins__are_normalised_in_float64(tmp_path):
    lengths = np.linalg.norm(read_run(write_run(tmp_path), dtype="float64").spin.values, axis=-1)
    np.testing.assert_allclose(lengths, 1.0, atol=4e-16)


def test_spins__off_unit_length_are_reported_and_normalised(tmp_path):
    write_run(tmp_path)
    write_restart(tmp_path / "restart.skx.out", random_spins(1, 24) * (1 + 2e-4))
    with pytest.warns(UserWarning, match=r"restart.skx.out \(ensemble 1\): .* by up to 0.0002"):
        ds = read_run(tmp_path, dtype="float64")
    np.testing.assert_allclose(ds.spin.values[0, 0, 0].reshape(24, 3), random_spins(24), atol=1e-7)


def test_opening__does_not_read_spins(tmp_path):
    spin = random_spins(3, 1, 4, 6)
    lines = header(24, 3) + rows(spin.reshape(3, 24, 3))
    lines[-1] = lines[-1].replace("E", "X")
    write_lines(write_run(tmp_path, spin) / "restart.skx.out", lines)
    ds = open_run(tmp_path)  # the third ensemble is damaged, which only reading it can tell
    ds.spin.isel(realization=1).load()
    with pytest.raises(FormatError, match=r"restart.skx.out:79: expected a finite number"):
        ds.spin.load()


def test_lazy__equals_eager_for_any_chunks(tmp_path):
    run = write_run(tmp_path, random_spins(3, 1, 4, 6))
    eager = read_run(run)
    for chunks in ({}, {"realization": 2}, {"realization": -1}):
        with raise_if_computes():
            lazy = xr.open_dataset(run, engine="uppasd", chunks=chunks)
            result = lazy.spin * 1
        xr.testing.assert_identical(lazy.compute(), eager)
        np.testing.assert_array_equal(result, eager.spin)
    assert xr.open_dataset(run, engine="uppasd", chunks={}).spin.chunksizes["realization"] == (1, 1, 1)


@pytest.mark.parametrize(
    "key",
    [
        {"realization": 2},
        {"realization": [2, 0], "y": slice(None, None, -1)},
        {"realization": slice(1, None), "x": 3, "component": 2, "D": 0},
        {"realization": []},
    ],
    ids=str,
)
def test_lazy__indexing_equals_that_of_the_array(tmp_path, key):
    run = write_run(tmp_path, random_spins(3, 1, 4, 6))
    np.testing.assert_array_equal(open_run(run).spin.isel(key).values, read_run(run).spin.isel(key).values)


def test_lazy__survives_pickling(tmp_path):
    ds = open_run(write_run(tmp_path))
    xr.testing.assert_identical(pickle.loads(pickle.dumps(ds)), ds)


def test_given_parameters__replace_those_of_the_input(tmp_path):
    ds = open_run(write_run(tmp_path), D=0.25, B=-0.1)
    assert (ds.D.item(), ds.B.item(), ds["T"].item()) == (0.25, -0.1, 0.006)
    assert ds.attrs["D_exact"] == 0.25


def test_given_parameters__make_the_couplings_unnecessary(tmp_path):
    run = write_run(tmp_path, jfile="1 1 1 1 0 0.5\n")
    with pytest.raises(FormatError, match=r"jfile:1: .*nearest neighbour"):
        open_run(run)
    ds = open_run(run, **GIVEN)
    assert (ds.D.item(), ds["T"].item(), ds.attrs["dmi"]) == (0.5, 0.02, "bloch")


def test_spin_file_alone__needs_parameters_and_size(tmp_path):
    file = write_restart(tmp_path / "restart.skx.out", random_spins(1, 24))
    with pytest.raises(FormatError, match=r"give size=\(ny, nx\)"):
        open_run(file, **GIVEN)
    with pytest.raises(FormatError, match=r"expected inpsd.dat beside it for D, B, T, dmi, handedness"):
        open_run(file, size=(4, 6))
    with pytest.raises(FormatError, match=r"expected 4 × 4 × 1 = 16 atoms as size=4 says, found 24"):
        open_run(file, size=4, **GIVEN)
    ds = read_run(file, size=(4, 6), **GIVEN)
    assert dict(ds.sizes) == {"D": 1, "B": 1, "realization": 1, "y": 4, "x": 6, "component": 3}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"dtype": "int8"}, "dtype: expected"),
        ({"step": 1}, "step: expected -1 to 0 for the 1 samples"),
        ({"dmi_sign": "x"}, "dmi_sign: expected"),
        ({"D": -1.0}, "D: expected values >= 0"),
        ({"dmi": "round"}, "dmi: expected one of"),
    ],
    ids=str,
)
def test_options__out_of_range_are_named(tmp_path, option, message):
    with pytest.raises(SchemaError, match=message):
        open_run(write_run(tmp_path), **option)


def test_layer__must_be_chosen_from_a_stack(tmp_path):
    spin = random_spins(1, 3, 4, 6)
    run = write_run(tmp_path, spin)
    with pytest.raises(FormatError, match=r"inpsd.dat:2: expected one layer, found 3.*layer=0"):
        open_run(run)
    with pytest.raises(FormatError, match=r"expected a layer from 0 to 2, found 3"):
        open_run(run, layer=3)
    np.testing.assert_allclose(read_run(run, layer=1, dtype="float64").spin[0, 0, 0], spin[0, 1], atol=1e-8)


def test_layer__of_a_coupled_stack_warns(tmp_path):
    run = write_run(tmp_path, random_spins(1, 3, 4, 6), jfile="1 1 1 0 0 0.5\n", replace=[("Sym 0", "Sym 1")])
    with pytest.warns(UserWarning, match="couplings along z"):
        open_run(run, layer=0)


def test_dmi_sign__plus_turns_the_handedness(tmp_path):
    run = write_run(tmp_path)
    assert open_run(run).attrs["handedness"] == -1
    assert open_run(run, dmi_sign="+").attrs["handedness"] == +1


@pytest.fixture
def old_run(tmp_path):
    """The real run as the version before 2023-05-25 would have made it: the spins turned by π about z."""
    run = copy_real_run(tmp_path / "old")
    path = run / "restart.skx.out"
    rows_of_file = path.read_text().splitlines()
    turned = [
        row[:42] + "".join(es16_8(-float(row[a : a + 16])) for a in (42, 58)) + row[74:] for row in rows_of_file[7:]
    ]
    write_lines(path, rows_of_file[:7] + turned)
    return run


def test_dmi_sign__is_asked_for_where_the_spins_fit_the_other_one(old_run, expected):
    message = r"found energy -1.\d+ J/site .* against -2.1438\d* and 0.99\d* with the other sign.*dmi_sign='\+'"
    with pytest.raises(FormatError, match=message):
        read_run(old_run)
    assert not diagnose(old_run).ok
    ds = read_run(old_run, dmi_sign="+")
    np.testing.assert_allclose(ds.sky.energy().energy.item(), expected["energy_per_spin_J"], atol=1e-6)
    assert read_run(old_run, dmi_sign="-").sky.energy().energy.item() > expected["energy_per_spin_J"] + 0.1
    (old_run / "uppasd.skx.yaml").write_text("date: 2024-01-31\n")
    read_run(old_run)  # the run says it itself


@pytest.mark.parametrize("seed", range(5))
def test_dmi_sign__is_not_asked_for_by_chance(tmp_path, seed):
    read_run(write_run(tmp_path, random_spins(1, 1, 24, 24, seed=seed)))


def test_cell__that_is_not_square_is_refused_whatever_is_stated(tmp_path):
    run = write_run(tmp_path, replace=[("     0.0 1.0 0.0", "     0.5 0.866 0.0")])
    with pytest.raises(FormatError, match="expected a square cell"):
        open_run(run, size=(4, 6), **GIVEN)


@pytest.mark.parametrize(
    ("yaml", "sign"),
    [
        ("date: 2024-01-31\ngit_revision: v6.0.2-143-gd8d6\n", "-"),
        ("date: 2023-05-25\ngit_revision: v6.0.1-400-gabcd\n", "-"),
        ("date: 2023-05-24\ngit_revision: v6.0.1-399-gabcd\n", "+"),
        ("date: 2024-01-31\ngit_revision: v6.0.1\n", "+"),
        ("date: 2024-01-31\ngit_revision: v5.1\n", "+"),
        ("date: 2024-01-31\ngit_revision: unknown\n", "-"),
        ("siminfo:\n", "-"),
    ],
)
def test_dmi_sign__is_read_from_the_revision(tmp_path, yaml, sign):
    run = write_run(tmp_path)
    (run / "uppasd.skx.yaml").write_text("simid: skx     \n" + yaml)
    assert open_run(run).attrs["dmi_sign"] == sign
    assert open_run(run).attrs["handedness"] == (-1 if sign == "-" else +1)
    assert open_run(run, dmi_sign="-").attrs["handedness"] == -1


def test_parameters__are_rounded_to_six_digits_and_kept_exactly(tmp_path):
    ds = open_run(write_run(tmp_path, replace=[("Sym 0", "jij_scale 1.5"), ("temp 0.947", "temp 1.947")]))
    assert ds.D.item() == 0.333333
    for name in ("D", "B", "T"):
        assert ds[name].item() == round(ds.attrs[f"{name}_exact"], 6) != ds.attrs[f"{name}_exact"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.0 0.0 29.381469375307", "1 0 30", r"expected a field along z, found \(1, 0, 30\) T"),
        ("0.0 0.0 29.381469375307", "0 -1 30", r"expected a field along z, found \(0, -1, 30\) T"),
        ("temp 0.947325388072", "temp -1", "expected a temperature >= 0, found -1 K"),
    ],
)
def test_parameters__of_another_model_name_the_line(tmp_path, old, new, message):
    with pytest.raises(FormatError, match=rf"inpsd.dat:\d\d: {message}.*D=, B=, T=, dmi="):
        open_run(write_run(tmp_path, replace=[(old, new)]))


def test_moment__scales_the_field_only(tmp_path):
    ds = read_run(write_run(tmp_path, moment=2.5))
    assert (ds.D.item(), ds.B.item(), ds["T"].item()) == (0.5, 0.3125, 0.006)
    assert ds.attrs["moment_muB"] == 2.5


def test_moment__of_the_spins_must_be_that_of_the_input(tmp_path):
    run = write_run(tmp_path, moment=2.5)
    (run / "momfile").write_text("1 1 2.0 0 0 1\n")
    with pytest.raises(FormatError, match=r"expected moments of 2 Bohr magnetons .* found 2.5 to 2.5"):
        read_run(run)
    read_run(run, **GIVEN)


def test_moment_file__gives_the_last_sample_or_the_chosen_one(tmp_path):
    spin = random_spins(3, 2, 24)
    lines = header(24, 2, kind="M") + [row for i in range(3) for row in rows(spin[i], time=100 * i)]
    run = write_run(tmp_path, random_spins(2, 1, 4, 6))
    write_lines(run / "moment.skx.out", lines)
    for step, frame in ((-1, 2), (0, 0), (1, 1)):
        ds = read_run(run / "moment.skx.out", step=step, dtype="float64")
        np.testing.assert_allclose(ds.spin.values[0, 0].reshape(2, 24, 3), spin[frame], atol=1e-8)
        assert ds.attrs["iteration"] == 100 * frame
    assert open_run(run).attrs["source"].endswith("restart.skx.out")  # of a folder with both, the final state is meant
    (run / "restart.skx.out").unlink()
    assert open_run(run).attrs["source"].endswith("moment.skx.out")


def test_ensembles__that_disagree_with_the_input_warn(tmp_path):
    run = write_run(tmp_path, replace=[("Mensemble {ensembles}", "Mensemble 5")])
    with pytest.warns(UserWarning, match=r"inpsd.dat:12: the input says 5 ensembles, restart.skx.out has 1"):
        open_run(run)


def test_atoms__that_disagree_with_ncell_are_an_error(tmp_path):
    run = write_run(tmp_path, replace=[("{nx}", "7")])
    with pytest.raises(
        FormatError, match=r"restart.skx.out: expected 7 × 4 × 1 = 28 atoms as .*inpsd.dat:2 says, found 24"
    ):
        open_run(run)


def test_open_boundaries__are_those_of_the_lattices(tmp_path):
    periodic = read_run(write_run(tmp_path / "periodic"))
    ds = read_run(write_run(tmp_path / "open", replace=[("BC P P 0", "BC 0 P 0")]))
    assert ds.attrs["boundary"] == "open_x"
    expected = periodic.sky.with_boundary(("periodic", "open")).sky.energy()
    np.testing.assert_array_equal(ds.sky.energy().energy, expected.energy)


def test_ignored_keywords__warn_and_stay_with_the_data(tmp_path):
    run = write_run(tmp_path, replace=[("ip_hfield", "ipfield")])
    with (
        pytest.warns(
            UserWarning, match="inpsd.dat:15: a keyword not known to skylattice: 'ipfield'.*If you meant 'ip_hfield'"
        ),
        pytest.warns(UserWarning, match="the initial phase ran at 0 T"),
    ):
        ds = open_run(run)
    assert ds.attrs["ignored_keywords"] == "ipfield"


def test_run_without_spins__says_so(tmp_path):
    run = write_run(tmp_path)
    (run / "restart.skx.out").unlink()
    with pytest.raises(FormatError, match=r"expected a spin file restart.SIMID.out, found none"):
        open_run(run)


def test_several_spin_files__are_told_apart_by_the_simid(tmp_path):
    run = write_run(tmp_path)
    write_restart(run / "restart.other.out", random_spins(1, 24, seed=1))
    write_restart(run / "restart_if.skx.out", random_spins(1, 24, seed=2))
    with pytest.raises(FormatError, match="expected one spin file"):
        open_run(run)
    (run / "restart_if.skx.out").unlink()
    assert open_run(run).attrs["source"].endswith("restart.skx.out")
    with pytest.warns(UserWarning, match="simid is 'skx', but the spin file is restart.other.out"):
        assert open_run(run / "restart.other.out").attrs["source"].endswith("restart.other.out")


def test_missing_path__is_named(tmp_path):
    with pytest.raises(FormatError, match=r"nowhere: expected a run folder or a spin file, found nothing"):
        open_run(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["jfile", "dmfile", "posfile", "momfile"])
def test_missing_table__names_the_line_that_asks_for_it(tmp_path, name):
    run = write_run(tmp_path)
    (run / name).unlink()
    with pytest.raises(FormatError, match=rf"inpsd.dat:\d+ \(\w+\): expected a file .*{name}, found none"):
        open_run(run)


def test_errors__survive_pickling(tmp_path):
    with pytest.raises(FormatError, match="found nothing") as caught:
        open_run(tmp_path / "nowhere")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy)) == (type(caught.value), str(caught.value))


def test_find_runs__yields_folders_and_lone_spin_files(tmp_path):
    write_run(tmp_path / "b" / "deep")
    write_run(tmp_path / "a")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "inpsd.dat").write_text("simid x\n")
    (tmp_path / "loose").mkdir()
    for name in ("restart.2.out", "restart.1.out", "averages.1.out"):
        write_restart(tmp_path / "loose" / name, random_spins(1, 4))
    found = [str(path.relative_to(tmp_path)) for path in find_runs([tmp_path, tmp_path / "a" / "restart.skx.out"])]
    assert found == [
        "a",
        "b/deep",
        "loose/restart.1.out",
        "loose/restart.2.out",
        "unfinished",
        "a/restart.skx.out",
    ]


def test_real_run__order_follows_its_coordinates(tmp_path):
    """With a block size, the coordinates decide; shuffling both leaves the lattice as it was."""
    run = copy_real_run(tmp_path / "run")
    order = np.random.default_rng(0).permutation(64 * 64)
    for name, n_header in (("restart.skx.out", 7), ("coord.skx.out", 0)):
        lines = (run / name).read_text().splitlines()
        shuffled = [lines[n_header:][i] for i in order]
        columns = slice(16, 24) if n_header else slice(0, 7)
        width = columns.stop - columns.start
        renumbered = [
            f"{row[: columns.start]}{number:{width}d}{row[columns.stop :]}" for number, row in enumerate(shuffled, 1)
        ]
        write_lines(run / name, lines[:n_header] + renumbered)
    (run / "inpsd.dat").write_text((run / "inpsd.dat").read_text() + "block_size 8\n")
    np.testing.assert_array_equal(read_run(run).spin, read_run(REAL_RUN).spin)
