"""What the doctor says: kinds, findings, remedies."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from ovf_files import DATA, header_lines, ovf_file, segment, unit_vectors, write_segments
from uppasd_runs import REAL_RUN, copy_real_run, random_spins, write_lines, write_restart, write_run

from skylattice import testing
from skylattice.errors import FormatError
from skylattice.io.doctor import diagnose
from skylattice.io.importing import import_datasets
from skylattice.io.seals import read_document, write_document
from skylattice.io.uppasd import read_run


def texts(diagnosis, level):
    return [f"{finding.message} | {finding.remedy}" for finding in diagnosis.findings if finding.level == level]


def test_healthy_run__has_no_findings():
    diagnosis = diagnose(REAL_RUN)
    assert (diagnosis.kind, diagnosis.findings, diagnosis.ok) == ("UppASD run", [], True)
    for text in (
        "restart.skx.out",
        "D = 0.5, B = 0.125, T = 0.006 (neel, handedness -1)",
        "64 × 64 sites",
        "1 ensemble,",
    ):
        assert text in diagnosis.summary


@pytest.mark.parametrize(
    ("name", "kind", "summary"),
    [
        ("restart.skx.out", "UppASD spin file", "4096 atoms"),
        ("inpsd.dat", "UppASD input", "D = 0.5"),
        ("jfile", "UppASD input", "named by 'exchange'"),
        ("coord.skx.out", "UppASD output", "coordinates"),
        ("totenergy.skx.out", "UppASD output", "energies"),
    ],
)
def test_files_of_a_run__are_recognised(name, kind, summary):
    diagnosis = diagnose(REAL_RUN / name)
    assert diagnosis.kind == kind
    assert summary in diagnosis.summary
    assert diagnosis.ok


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89HDF\r\n\x1a\n....", "HDF5 file"),
        (b"CDF\x01", "netCDF file"),
        (b"PK\x03\x04", "NumPy archive"),
    ],
)
def test_damaged_containers__are_recognised(tmp_path, content, kind):
    (tmp_path / "file").write_bytes(content)
    diagnosis = diagnose(tmp_path / "file")
    assert diagnosis.kind == kind
    assert not diagnosis.ok


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "the file is empty"), (b"hello\n", "not a file that skylattice reads")]
)
def test_unknown_files__are_errors(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    diagnosis = diagnose(tmp_path / "file")
    assert diagnosis.kind == "unknown"
    assert message in texts(diagnosis, "error")[0]


def test_missing_path__is_an_error(tmp_path):
    assert diagnose(tmp_path / "nowhere").kind == "missing"
    assert not diagnose(tmp_path / "nowhere").ok


def test_folder_without_anything__is_an_error(tmp_path):
    assert diagnose(tmp_path).kind == "unknown"
    assert "found none" in texts(diagnose(tmp_path), "error")[0]


def test_folder_of_runs__is_examined_run_by_run(tmp_path):
    write_run(tmp_path / "good")
    (write_run(tmp_path / "bad") / "jfile").unlink()
    diagnosis = diagnose(tmp_path)
    assert (diagnosis.kind, diagnosis.summary) == ("folder of UppASD runs", "1 of 2 runs can be imported")
    assert ["bad/jfile" in text for text in texts(diagnosis, "error")] == [True]


def test_the_public_skyrmion_run__is_explained(tmp_path):
    """A published run: 15 annealing rows announced as 10, and ipfield for ip_hfield, so that it annealed at B = 0."""
    rows = "\n".join(f"1000 {temperature}" for temperature in range(15, 0, -1))
    table = "ip_mcanneal 2\n3000 157.8875646787\n3000   0.9473253881"
    run = write_run(tmp_path, replace=[(table, f"ip_mcanneal 10\n{rows}"), ("ip_hfield", "ipfield")])
    diagnosis = diagnose(run)
    assert diagnosis.ok
    unknown, stray, field = texts(diagnosis, "warning")
    assert "not known to skylattice: 'ipfield'. | If you meant 'ip_hfield', UppASD ignores the line." in unknown
    assert "5 more rows than 'ip_mcanneal 10' announces" in stray
    assert "Write 'ip_mcanneal 15'" in stray
    assert "the initial phase ran at 0 T, the measurement at 29.3815 T" in field


def test_several_errors__are_all_reported_once(tmp_path):
    run = write_run(tmp_path, replace=[("{nx}", "7")])
    for name in ("jfile", "momfile"):
        (run / name).unlink()
    restart = run / "restart.skx.out"
    restart.write_text(restart.read_text().replace("    1.00000000E+00", "               NaN"))
    errors = texts(diagnose(run), "error")
    assert len(errors) == len(set(errors)) == 4
    for part in ("jfile, found none", "momfile, found none", "= 28 atoms", "expected a finite number, found 'NaN'"):
        assert sum(part in text for text in errors) == 1


def test_errors__have_a_remedy(tmp_path):
    run = write_run(tmp_path)
    (run / "jfile").write_text("")
    (finding,) = diagnose(run).findings
    assert finding.level == "error"
    assert finding.message.endswith("jfile: expected text, found an empty file.")
    assert finding.remedy == "Copy the file again, or repeat the run."


def test_truncated_spins__are_reported_with_the_rest(tmp_path):
    run = copy_real_run(tmp_path / "run")
    content = (run / "restart.skx.out").read_bytes()
    (run / "restart.skx.out").write_bytes(content[: -91 * 3000])
    diagnosis = diagnose(run)
    assert "D = 0.5" in diagnosis.summary
    assert "expected 4096 rows (4096 atoms × 1 ensembles), found 1096" in texts(diagnosis, "error")[0]


def test_spins_off_unit_length__are_a_warning(tmp_path):
    run = write_run(tmp_path)
    write_restart(run / "restart.skx.out", random_spins(1, 24) * (1 + 2e-4))
    diagnosis = diagnose(run)
    assert diagnosis.ok
    assert "deviate from unit length by up to 0.0002" in texts(diagnosis, "warning")[0]


def test_moments_that_disagree_with_the_input__are_an_error(tmp_path):
    run = write_run(tmp_path, random_spins(2, 1, 4, 6))
    file = run / "restart.skx.out"
    file.write_text(file.read_text().replace("    1.00000000E+00", "    1.50000000E+00", 24))
    assert (
        "expected moments of 1 Bohr magnetons as the input says, found 1.5 to 1.5" in texts(diagnose(run), "error")[0]
    )


def test_coordinates_of_another_run__are_an_error(tmp_path):
    run = copy_real_run(tmp_path / "run")
    lines = (run / "coord.skx.out").read_text().splitlines()
    write_lines(run / "coord.skx.out", [lines[1], lines[0], *lines[2:]])
    assert "coord.skx.out: expected the atoms in the order" in texts(diagnose(run), "error")[0]


def test_stack_of_layers__is_described(tmp_path):
    diagnosis = diagnose(write_run(tmp_path, random_spins(1, 3, 4, 6)))
    assert diagnosis.ok
    assert "in 3 layers" in diagnosis.summary
    assert "layer=0" in texts(diagnosis, "info")[0]


def test_spin_file_alone__says_what_to_give(tmp_path):
    diagnosis = diagnose(write_restart(tmp_path / "restart.x.out", random_spins(1, 24)))
    assert diagnosis.ok
    parameters, shape = texts(diagnosis, "info")
    assert "D=, B=, T=, dmi=, handedness=" in parameters
    assert "size=(ny, nx)" in shape


def test_store__is_described(tmp_path):
    store = tmp_path / "ensemble.zarr"
    import_datasets([read_run(write_run(tmp_path / "run"))], store, progress=False)
    diagnosis = diagnose(store)
    assert (diagnosis.kind, diagnosis.ok) == ("ensemble store", True)
    assert "1 × 1 points" in diagnosis.summary
    assert "6 × 4 sites" in diagnosis.summary


def test_store__of_a_newer_version_is_an_error(tmp_path):
    store = tmp_path / "ensemble.zarr"
    import_datasets([read_run(write_run(tmp_path / "run"))], store, progress=False)
    document = read_document(store)
    document["attributes"]["format_version"] = 99
    write_document(store, document)
    assert "99" in texts(diagnose(store), "error")[0]


@pytest.mark.parametrize("attrs", [{}, {"format_version": 1}], ids=str)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_foreign_zarr__is_an_error(tmp_path, attrs, zarr_format):
    ds = xr.Dataset({"spin": ("x", [1.0, 2.0])}, attrs=attrs)
    ds.to_zarr(tmp_path / "foreign.zarr", consolidated=False, zarr_format=zarr_format)
    diagnosis = diagnose(tmp_path / "foreign.zarr")
    assert (diagnosis.kind, diagnosis.ok) == ("zarr group", False)


@pytest.mark.parametrize("metadata", ["{garbage", "[]", "{}", '{"zarr_format": 3}', '{"zarr_format": 7}', ""])
def test_damaged_zarr_metadata__is_an_error(tmp_path, metadata):
    (tmp_path / "zarr.json").write_text(metadata)
    assert not diagnose(tmp_path).ok


def test_ovf_file__says_how_to_read_it():
    diagnosis = diagnose(DATA / "skyrmion.omf")
    assert (diagnosis.kind, diagnosis.ok) == ("OVF file", True)
    assert diagnosis.summary == "OVF 2.0, text, 1 segment, 20 × 20 sites"
    assert "engine='ovf', D=, B=, T=" in texts(diagnosis, "info")[0]


def test_ovf_file__is_known_by_content(tmp_path):
    path = ovf_file(tmp_path / "restart.skx.out", unit_vectors(3, 5))
    assert diagnose(path).kind == "OVF file"


def test_ovf_file__with_layers_says_how_to_choose(tmp_path):
    spins = unit_vectors(3, 4, 5)
    spins[1] = 0
    diagnosis = diagnose(ovf_file(tmp_path / "m.ovf", spins, "Binary 4"))
    assert diagnosis.ok
    assert diagnosis.summary == "OVF 2.0, binary 4, 1 segment, 5 × 4 sites in 3 layers"
    assert "3 layers. | Choose one when reading: z=0 is the lowest." in texts(diagnosis, "info")[0]
    assert ", layer z=1: " in texts(diagnosis, "warning")[0]
    assert "20 of 20 zero vectors (vacuum)" in texts(diagnosis, "warning")[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"# OOMMF OVF 2.0\n# Segment count: 1\n"), "expected 1 segments"),
        (lambda path: ovf_file(path, unit_vectors(3, 5) * [[[0]], [[1]], [[1]]]), "5 of 15 zero vectors"),
        (lambda path: ovf_file(path, np.full((3, 5, 3), np.nan)), "expected a finite number"),
        (lambda path: ovf_file(path, unit_vectors(3, 5), xnodes=4), "12 points, 36 in all, found 45"),
        (
            lambda path: write_segments(
                path, [segment(unit_vectors(6), header_lines(s)) for s in ((1, 2, 3), (1, 3, 2))]
            ),
            "expected 3 × 2 sites as in the first segment, found 2 × 3 in segment 2",
        ),
    ],
)
def test_ovf_file__that_is_not_read_is_an_error(tmp_path, make, message):
    make(tmp_path / "m.ovf")
    diagnosis = diagnose(tmp_path / "m.ovf")
    assert (diagnosis.kind, diagnosis.ok) == ("OVF file", False)
    assert message in texts(diagnosis, "error")[0]
    assert texts(diagnosis, "info") == []


def test_diagnosis__loads_no_kernels():
    """The doctor must answer at once, without anything being compiled."""
    code = "import sys; from skylattice.io.doctor import diagnose; diagnose(sys.argv[1]); print('numba' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code, str(REAL_RUN)], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("shape", "dtype", "says"),
    [
        ((5, 64, 64, 3), "f4", "64 × 64 sites, 5 realization"),
        ((3, 64, 64), "f8", "64 × 64 sites, 1 realization"),
        ((4096, 3), "f4", "64 × 64 sites, 1 realization"),
        ((3, 50, 3), "f4", "dims='y,x,component'"),
        ((64, 64, 3), "c8", "spin='NAME'"),
    ],
)
def test_numpy_files__are_told_how_to_come_in(tmp_path, shape, dtype, says):
    """What the doctor calls readable, the engine reads, and nothing else."""
    path = tmp_path / "spins.npy"
    np.save(path, np.full(shape, 3**-0.5, dtype))
    diagnosis = diagnose(path)
    (finding,) = diagnosis.findings
    assert says in f"{diagnosis.summary} {finding.remedy}"
    if diagnosis.ok:
        assert "D, B, T, the DMI not known. Read it" in f"{finding.message} {finding.remedy}"
        assert xr.open_dataset(path).spin.size == np.prod(shape)
    else:
        with pytest.raises(FormatError):
            xr.open_dataset(path)


def test_numpy_archives__show_each_array(tmp_path):
    np.savez(tmp_path / "a.npz", spin=np.zeros((8, 8, 3)), D=np.array(0.5))
    diagnosis = diagnose(tmp_path / "a.npz")
    assert "spin (8, 8, 3) float64" in diagnosis.summary
    assert "|S| = 0 at y=0, x=0" in texts(diagnosis, "error")[0]
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00junk")
    assert diagnose(tmp_path / "broken.npy").findings[0].level == "error"


def test_folder_of_mixed_files__is_examined_file_by_file(tmp_path):
    write_run(tmp_path / "run")
    np.save(tmp_path / "a.npy", testing.random_spins((4, 6)))
    (tmp_path / "notes.txt").write_text("hello")
    diagnosis = diagnose(tmp_path)
    assert (diagnosis.kind, diagnosis.summary) == ("folder of lattices", "2 of 2 files and runs can be imported")
