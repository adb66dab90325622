"""Damaged containers: a dataset of unit spins, or an error of the project that names the file; nothing else."""

import shutil
import warnings

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

from skylattice import testing
from skylattice.errors import FormatError, SchemaError
from skylattice.io.containers import open_container

SPIN = testing.random_spins((2, 3, 4, 4), 1)
B = np.array([0.1, 0.2])


def npz(path):
    np.savez(path, spin=SPIN, B=B)


def packed(path):
    np.savez_compressed(path, spin=SPIN, B=B)


def hdf5(path):
    with h5py.File(path, "w") as file:
        file["spin"], file["B"] = SPIN, B


def netcdf(path):
    dims = ("B", "realization", "y", "x", "component")
    xr.Dataset({"spin": (dims, SPIN)}, {"B": B}).to_netcdf(path, engine="scipy")


KINDS = {"a.npz": npz, "b.npz": packed, "a.h5": hdf5, "a.nc": netcdf, "a.npy": lambda path: np.save(path, SPIN)}


def mutated(data, rng):
    """Some bytes changed, cut, doubled or exchanged for extreme ones; most of them in the headers."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(0, max(min(len(data), 600 if rng.random() < 0.6 else len(data)), 1)))
        kind = rng.integers(0, 5)
        if kind == 0:
            data[place : place + 1] = bytes([rng.integers(0, 256)])
        elif kind == 1:
            del data[place : place + int(rng.integers(1, 40))]
        elif kind == 2:
            data[place:place] = data[place : place + int(rng.integers(1, 40))]
        elif kind == 3:
            data[place : place + 4] = bytes(rng.choice([0, 127, 128, 255], 4).astype(np.uint8))
        else:
            del data[place:]
    return bytes(data)


def check_outcome(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds, refusal = open_container(path).load(), ""
        except FormatError as error:
            ds, refusal = None, str(error)
        except SchemaError:  # of values: lengths and angles, which name the lattice
            return
    if ds is None:
        assert path.name in refusal
        return
    spin = ds.spin.values
    length = np.sqrt((spin.astype(float) ** 2).sum(-1))
    assert (np.isnan(spin).all(axis=(-3, -2, -1))[..., None, None] | (abs(length - 1) < 2e-3)).all()


MANY = [pytest.param(name, 10_000, marks=pytest.mark.long) for name in KINDS]


@pytest.mark.parametrize(("name", "n"), [*((name, 60) for name in KINDS), *MANY])
def test_mutated_file__is_an_error_or_harmless(tmp_path, name, n):
    KINDS[name](tmp_path / name)
    data, rng = (tmp_path / name).read_bytes(), np.random.default_rng(n)
    for _ in range(n):
        (tmp_path / name).write_bytes(mutated(data, rng))
        check_outcome(tmp_path / name)


@pytest.mark.parametrize("version", [2, 3])
def test_mutated_zarr_metadata__is_an_error_or_harmless(tmp_path, version):
    group = zarr.open_group(tmp_path / "good.zarr", mode="w", zarr_format=version)
    for name, values in (("spin", SPIN), ("B", B)):
        group.create_array(name, data=values)
    files = [path.relative_to(tmp_path / "good.zarr") for path in (tmp_path / "good.zarr").rglob("*") if path.is_file()]
    rng = np.random.default_rng(version)
    for k in range(60):
        copy = shutil.copytree(tmp_path / "good.zarr", tmp_path / f"{k}.zarr")
        file = copy / files[rng.integers(0, len(files))]
        file.write_bytes(mutated(file.read_bytes(), rng))
        check_outcome(copy)
        shutil.rmtree(copy)
