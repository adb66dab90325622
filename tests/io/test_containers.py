"""Spins in npy, npz, HDF5, netCDF and zarr as others write them: every common layout, and what is not one."""

import pickle
import zipfile

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

from skylattice import Hamiltonian, testing
from skylattice.errors import FormatError, SchemaError
from skylattice.io.containers import open_container
from skylattice.io.containers.hdf5 import read_file
from skylattice.testing import raise_if_computes

SPIN = testing.random_spins((4, 5, 2, 6, 6), 1)
D, B = np.linspace(0.3, 0.6, 4), np.linspace(0.1, 0.2, 5)
GRID = ("D", "B", "realization", "y", "x", "component")


def npz(folder, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return folder / "a.npz"


def compressed(folder, **arrays):
    np.savez_compressed(folder / "a.npz", **arrays)
    return folder / "a.npz"


def hdf5(folder, **arrays):
    with h5py.File(folder / "a.h5", "w") as file:
        group = file.create_group("run/data")
        for name, values in arrays.items():
            group.create_dataset(name, data=values, chunks=True if np.ndim(values) > 1 else None)
    return folder / "a.h5"


def zarr_group(version):
    def write(folder, **arrays):
        group = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=version)
        for name, values in arrays.items():
            group.create_array(name, data=np.asarray(values))
        return folder / "a.zarr"

    return write


@pytest.fixture(params=[npz, compressed, hdf5, zarr_group(2), zarr_group(3)], ids=["npz", "packed", "hdf5", "v2", "v3"])
def write(request):
    return request.param


def test_grid__is_told_by_the_lengths_of_D_and_B(write, tmp_path):
    ds = open_container(write(tmp_path, spins=SPIN, dmi=D, Bz=B, temperature=0.006))
    assert ds.spin.dims == GRID
    np.testing.assert_array_equal(ds.spin, SPIN)
    np.testing.assert_allclose(ds.D, D)
    np.testing.assert_allclose(ds.B, B, atol=1e-6)
    assert float(ds["T"]) == 0.006


def test_grid__in_another_order_is_told_as_well(write, tmp_path):
    ds = open_container(write(tmp_path, spins=np.swapaxes(SPIN, 0, 1), D=D, B=B))
    np.testing.assert_array_equal(ds.spin.transpose(*GRID), SPIN)


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (lambda s: {"S": np.moveaxis(s, -1, -3)}, {}),
        (lambda s: {"m": s.reshape(4, 5, 2, 36, 3)}, {}),
        (lambda s: {"m": np.moveaxis(s.reshape(4, 5, 2, 36, 3), -1, -2)}, {}),
        (lambda s: {"mx": s[..., 0], "my": s[..., 1], "mz": s[..., 2]}, {}),
        (lambda s: {"a": s, "b": s}, {"spin": "b"}),
        (lambda s: {"spin": np.asfortranarray(s), "beff": s}, {}),
        (lambda s: {"spin": s.astype(">f8")}, {}),
        (lambda s: {"vectors": np.moveaxis(s, -1, 0)}, {}),
    ],
    ids=["components first", "flat", "flat, components first", "three arrays", "chosen", "fortran", "big end", "first"],
)
def test_layouts__give_the_same_lattices(write, tmp_path, change, options):
    ds = open_container(write(tmp_path, D=D, B=B, **change(SPIN)), **options)
    np.testing.assert_array_equal(ds.spin.transpose(*GRID), SPIN)


def test_angles__give_the_spins(write, tmp_path):
    theta, phi = np.arccos(SPIN[..., 2]), np.arctan2(SPIN[..., 1], SPIN[..., 0])
    ds = open_container(write(tmp_path, theta=theta, phi=phi, D=D, B=B))
    np.testing.assert_allclose(ds.spin.transpose(*GRID), SPIN, atol=1e-14)
    with pytest.raises(SchemaError, match="degrees"):
        open_container(write(tmp_path, theta=np.rad2deg(theta), phi=phi, D=D, B=B)).load()


def test_labels__for_each_lattice_lie_along_sample(write, tmp_path):
    flat = SPIN.reshape(40, 6, 6, 3)
    ds = open_container(write(tmp_path, spins=flat, D=np.repeat(D, 10), B=np.tile(np.repeat(B, 2), 4)))
    assert ds.spin.dims == ("sample", "y", "x", "component")
    np.testing.assert_array_equal(ds.sky.unstack().spin, SPIN)


def test_temperatures__may_be_an_axis(write, tmp_path):
    ds = open_container(write(tmp_path, spins=SPIN[:, 0, 0], D=0.5, B=0.1, T=np.array([0.1, 0.2, 0.3, 0.4])))
    assert ds.spin.dims[0] == "T"
    assert ds["T"].values.tolist() == [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(("engine", "unlimited"), [("scipy", ()), ("netcdf4", ()), ("netcdf4", ("D",))])
def test_netcdf__keeps_dims_and_coordinates(tmp_path, engine, unlimited):
    formats = ["NETCDF3_CLASSIC", "NETCDF3_64BIT"] + (["NETCDF3_64BIT_DATA", "NETCDF4"] if engine == "netcdf4" else [])
    attrs = {**Hamiltonian("bloch", -1).to_attrs(), "boundary": "periodic"}
    source = xr.Dataset({"spin": (GRID, SPIN)}, {"D": D.round(6), "B": B.round(6), "T": 0.006}, attrs)
    for kind in formats:
        source.to_netcdf(tmp_path / "a.nc", engine=engine, format=kind, unlimited_dims=unlimited)
        ds = open_container(tmp_path / "a.nc")
        xr.testing.assert_equal(
            ds[["spin", "D", "B", "T"]].drop_vars(["component", "realization"], errors="ignore"), source
        )
        assert ds.sky.hamiltonian == Hamiltonian("bloch", -1)


def test_zarr__of_xarray_keeps_dims_and_coordinates(tmp_path):
    dims = ("rep", "nx", "field", "comp", "ny")
    source = xr.Dataset({"m": (dims, SPIN[0].transpose(1, 3, 0, 4, 2))}, {"field": B})
    for version in (2, 3):
        source.to_zarr(tmp_path / f"{version}", zarr_format=version, consolidated=False)
        ds = open_container(tmp_path / f"{version}", D=0.5)
        np.testing.assert_array_equal(ds.spin.transpose("D", "B", "rep", "y", "x", "component")[0], SPIN[0])


def test_scale_and_missing_values__are_what_netcdf_means_by_them(tmp_path):
    spin = np.concatenate([SPIN[0, 0] * 0.5, np.full((1, 6, 6, 3), -999.0)])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["m"] = spin
        file["m"].attrs.update(_FillValue=-999.0, scale_factor=2.0)
    ds = open_container(tmp_path / "a.h5").load()
    np.testing.assert_allclose(ds.spin[:2], SPIN[0, 0])
    assert bool(ds.spin[2].isnull().all())


def test_length__is_kept_as_moment(write, tmp_path):
    ds = open_container(write(tmp_path, spins=SPIN * 2.5, D=D, B=B))
    np.testing.assert_allclose(ds.spin, SPIN, atol=1e-15)
    assert float(ds["moment"]) == pytest.approx(2.5)


def test_opening__reads_no_spins_and_travels(write, tmp_path):
    path = write(tmp_path, spins=SPIN, D=D, B=B)
    ds = open_container(path)
    with raise_if_computes():
        lazy = open_container(path) if write is not compressed else ds
        part = lazy.spin.isel(D=1) * 1
    np.testing.assert_array_equal(part, SPIN[1])
    xr.testing.assert_identical(pickle.loads(pickle.dumps(ds)).load(), ds.load())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"spins": SPIN[:, :4], "D": D, "B": D}, r"several that fit: D \(4\) along axis \[0, 1\].*dims='D,B,"),
        ({"spins": SPIN, "D": np.ones(7)}, r"expected D for each of the leading axes \[4, 5, 2\].*found shape \(7,\)"),
        (
            {"m": SPIN[0, 0].reshape(2, 36, 3)[:, :25]},
            r"y=2, x=25.*site=25, component\) of 5×5.*dims='y,x,component' or",
        ),
        ({"m": SPIN[0, 0].reshape(2, 36, 3)[:, :30], "D": D[:2], "B": B[:3]}, "expected D for each"),
        ({"a": SPIN, "b": SPIN}, r"found 2: \S*a \(.*spin='\S*a' or spin='\S*b'"),
        ({"a": np.zeros((4, 4))}, r"found arrays: \S*a \(4, 4\) float64"),
        ({"m": SPIN, "D": D, "B": B, "J": 2.0}, r"expected J = 1, found \[2.0\]"),
        ({"m": SPIN, "D": -D, "B": B}, r"\(.*D\): D: expected values >= 0"),
        ({"m": SPIN, "D": D, "dmi": D, "B": B}, r"expected D in one array, found .*D='"),
        ({"m": SPIN[0, 0], "D": [0.5, 0.5], "B": [0.1, 0.1, 0.1]}, "expected B for each"),
    ],
)
def test_what_cannot_be_told__is_asked_for(write, tmp_path, arrays, message):
    with pytest.raises(FormatError, match=message) as caught:
        open_container(write(tmp_path, **arrays))
    assert "a." in str(caught.value)


def test_answers__are_taken(tmp_path):
    path = npz(tmp_path, spins=SPIN[:, :4], D=D, B=D)
    ds = open_container(path, dims="B,D,realization,y,x,component")
    np.testing.assert_array_equal(ds.spin.transpose(*GRID), np.swapaxes(SPIN[:, :4], 0, 1))
    path = npz(tmp_path, flat=SPIN[0, 0].reshape(2, 36, 3)[:, :30], strength=[0.1, 0.2])
    ds = open_container(path, size=(5, 6), D="strength", B="0.3")
    assert (ds.spin.shape, ds.D.values.tolist(), ds.B.item()) == ((2, 1, 1, 5, 6, 3), [0.1, 0.2], 0.3)


@pytest.mark.parametrize("unit", ["T", "meV", "tesla"])
def test_units__of_another_system_are_refused(tmp_path, unit):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["m"], file["B"] = SPIN, B
        file["B"].attrs["units"] = unit
    with pytest.raises(FormatError, match=f"expected B in units of J, found the unit '{unit}'"):
        open_container(tmp_path / "a.h5")
    open_container(tmp_path / "a.h5", B=0.5)


def test_pickles__are_never_read(tmp_path):
    path = npz(tmp_path, spin=np.array([{}], dtype=object))
    with pytest.raises(FormatError, match="pickled objects, which are never read"):
        open_container(path)
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(FormatError, match="pickled objects, which are never read"):
        open_container(tmp_path / "a.npy")


def test_bombs__are_refused_before_they_unfold(tmp_path):
    """A few hundred kilobytes that unpack to more than a gigabyte, and headers that state more than any machine has."""
    header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 9216, 3), }"
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("m.npy", "w") as file:
        file.write((header % 9999).ljust(128))
        for _ in range(9999):
            file.write(bytes(9216 * 12))
    with pytest.raises(FormatError, match=r"m \(\d+ bytes that unpack to 1105809408"):
        open_container(tmp_path / "a.npz")
    (tmp_path / "a.npy").write_bytes((header % (1 << 60)).ljust(128))
    with pytest.raises(FormatError, match="found 0"):
        open_container(tmp_path / "a.npy")
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array(
        "m", shape=(1 << 40, 1 << 40, 3), chunks=(9, 9, 3), dtype="f4"
    )
    with pytest.raises(FormatError, match="expected lattices of at most"):
        open_container(tmp_path / "a.zarr")


def test_links__out_of_the_file_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["m"] = SPIN
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["link"] = h5py.ExternalLink("other.h5", "/m")
        layout = h5py.VirtualLayout(SPIN.shape, "f8")
        layout[...] = h5py.VirtualSource(tmp_path / "other.h5", "m", SPIN.shape)
        file.create_virtual_dataset("virtual", layout)
    with pytest.raises(FormatError, match=r"found arrays: none; left out: virtual \(its numbers lie in other files\)"):
        open_container(tmp_path / "a.h5")
    zarr_group(3)(tmp_path, spin=SPIN)
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    (tmp_path / "b.zarr" / "spin").symlink_to(tmp_path / "a.zarr" / "spin")
    with pytest.raises(FormatError, match=r"left out: spin \(a link out of the folder\)"):
        open_container(tmp_path / "b.zarr")


def test_flipped_bytes__of_an_archive_are_found(tmp_path):
    path = npz(tmp_path, spin=SPIN)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match="expected the checksum"):
        open_container(path).load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": "y,x"}, "dims: expected 6 different names"),
        ({"dims": "a,b,c,d,e,f"}, "dims: expected 'y', 'x'"),
        ({"D": "nothing"}, "D: expected a number or one of the arrays"),
        ({"D": -1.0}, "D: expected values >= 0"),
        ({"size": "16"}, "size: expected N or"),
        ({"boundary": "soft"}, "boundary"),
    ],
)
def test_options__out_of_range_are_named(tmp_path, options, message):
    with pytest.raises(SchemaError, match=message):
        open_container(npz(tmp_path, spin=SPIN, D=D, B=B), **options)


def test_hdf5__groups_that_hold_themselves_are_visited_once_and_names_that_are_no_text_are_told(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/spin"] = SPIN
        file["deep/again"] = file["deep"]
        file["spin"] = file["deep/spin"]  # one more name for the same numbers
        file[b"m\xff"] = np.arange(3)
    contents = read_file(tmp_path / "a.h5")
    assert list(contents.arrays) == ["deep/spin"]
    assert list(contents.skipped.values()) == ["its name is no text"]
    assert open_container(tmp_path / "a.h5").sizes["component"] == 3
