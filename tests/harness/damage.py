"""A small store with results, and damage of its files: found, and never read as if nothing were."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice import Hamiltonian, open_ensemble, testing
from skylattice.errors import SkylatticeError
from skylattice.io.layout import Layout
from skylattice.io.results import open_results, write_results
from skylattice.io.verify import check_results, check_store
from skylattice.io.writing import create_store, write_point

LAYOUT = Layout((6, 8), 0.006, Hamiltonian())


def lattices(n=2, seed=0):
    return testing.random_spins((n, 6, 8), seed, "float32")


def make_whole(path):
    """A store with a full point, a skipped one and results of two groups."""
    create_store(path, D=[0.5, 0.4], B=[0.1, 0.2], realizations=2, layout=LAYOUT)
    write_point(path, D=0.5, B=0.2, spin=lattices(), seeds=[7, 8])
    write_point(path, D=0.4, B=0.1, spin=np.full((2, 6, 8, 3), np.nan), status=[2, 2])
    ds = open_ensemble(path)
    found = xr.Dataset(
        {"m_z": ds.spin.mean(["y", "x", "component"]), "lattice_id": ds.lattice_id, "name": ("k", ["a"])}
    )
    for group in ("observables", "models/one"):
        write_results(path, group, found.copy())
    return path


def values(path):
    """All that a reader gets: of the store, and of its results."""
    groups = [open_results(path, group).load() for group in ("observables", "models/one")]
    return [open_ensemble(path).load(), *groups]


def files(path):
    return sorted(f for f in path.parent.rglob("*") if f.is_file() and ".skylattice-locks" not in f.parts)


def flip(file, rng):
    data = bytearray(file.read_bytes())
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    file.write_bytes(data)


def flip_spares_nobody(path, before, file, how):
    """The damage is found, and readers see the values of before, or an error with a name."""
    relative = file.relative_to(path.parent)
    found = [*check_store(path), *check_results(path)] if file.is_relative_to(path) else check_results(path)
    if relative.parts[1] != "spin" or file.name == "zarr.json":
        assert found, f"{how} of {relative} was not found"
    try:
        after = values(path)
    except SkylatticeError as error:
        assert str(path.parent) in str(error)  # noqa: PT017
        return found, True
    for one, other in zip(before, after, strict=True):
        xr.testing.assert_identical(one, other)
    return found, False


def kind(file: Path, path: Path) -> str:
    """Of a file: document, spins, or numbers of the store or of its results."""
    owner = "store" if file.is_relative_to(path) else "results"
    if file.name == "zarr.json":
        return f"document of the {owner}"
    return "spins" if file.parent.name == "spin" else f"numbers of the {owner}"


def outcomes(known: set[str], n: int) -> Iterator[dict[str, Any]]:
    """So many files with one bit changed, cut somewhere or removed, one after the other; each as often."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_whole(Path(folder) / "e.zarr")
        before, every = values(path), files(path)
        for k in range(n):
            rng = np.random.default_rng((7, k))
            file = every[k % len(every)]
            how = ("flip", "flip", "flip", "cut", "deletion")[int(rng.integers(5))]
            trial = f"{how} {k}"
            if trial in known:
                continue
            kept = Path(folder) / "kept"
            shutil.copy(file, kept)
            if how == "flip":
                flip(file, rng)
            elif how == "cut":
                file.write_bytes(file.read_bytes()[: int(rng.integers(file.stat().st_size))])
            else:
                file.unlink()
            try:
                flip_spares_nobody(path, before, file, how)
                problem = ""
            except AssertionError as error:
                problem = str(error)[:200]
            shutil.copy(kept, file)
            yield {"what": f"{how}: {kind(file, path)}", "trial": trial, "where": file.name, "problem": problem}
