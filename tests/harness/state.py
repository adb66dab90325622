"""What a reader finds in a folder of stores, results and tables: a digest of each thing that can be whole or half."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice.io.results import open_results
from skylattice.io.store import open_ensemble
from skylattice.schema import GRID_DIMS, STATUS

State = dict[str, str]

#: Attributes that differ from run to run.
_PASSING = {"store", "checksum", "created"}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def look(folder: Path) -> State:
    """Open all that is there. A lattice that is done counts with its spins, a group of results as a whole.

    Raises
    ------
    AssertionError
        If something is there that a reader cannot open.
    """
    found: State = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.name.endswith(("results.zarr", "report")):
            for part in _parts(path):
                found |= part
        elif path.suffix == ".zarr":
            found |= _lattices(path)
        elif path.is_file():
            found[path.name] = _digest(path.read_bytes())
    return found


def _lattices(path: Path) -> State:
    ds = open_ensemble(path, load=True)
    found = {}
    for i, j, k in np.argwhere(ds["status"].transpose(*GRID_DIMS).values == STATUS["done"]):
        one = ds.isel(D=i, B=j, realization=k)
        assert np.isfinite(one["spin"]).all(), f"{path.name}: a lattice is done, and has no spins"
        parts = [one[name].values.tobytes() for name in ("spin", "seed", "lattice_id")]
        place = f"D={float(one.D):g}, B={float(one.B):g}, realization {int(one.realization)}"
        found[f"{path.name}: {place}"] = _digest(*parts)
    return found


def _parts(path: Path) -> list[State]:
    if path.name == "report":
        files = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
        return [{f"report/{file.name}": _digest(_UUID.sub("", file.read_text()).encode())} for file in files]
    store = path.with_name(path.name.replace(".results.zarr", ".zarr").replace("-results.zarr", ""))
    found = []
    for document in sorted(path.rglob("zarr.json")):
        group = document.parent.relative_to(path).as_posix()
        if any(part.startswith(".") for part in Path(group).parts) or '"group"' not in document.read_text():
            continue
        if group in (".", "models", "generation"):
            continue
        found.append({f"{path.name}: {group}": _dataset(open_results(store, group).load())})
    return found


def _dataset(ds: xr.Dataset) -> str:
    attrs = {key: value for key, value in ds.attrs.items() if key not in _PASSING}
    parts = [str(sorted(attrs.items(), key=str)).encode()]
    for name in sorted(map(str, ds.variables)):
        array = ds[name].transpose(*sorted(map(str, ds[name].dims)))
        values = array.values.astype(str) if array.dtype.kind in "OUT" else array.values
        parts += [name.encode(), str(array.dims).encode(), np.ascontiguousarray(values).tobytes()]
    return _digest(*parts)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]


def differences(found: State, *allowed: State, complete: bool = False) -> list[str]:
    """What is in none of the allowed states as it is; ``complete``: and what is missing against the last of them."""
    wrong = [f"{key}: neither as before nor as after" for key in found if found[key] not in _values(key, allowed)]
    must = set(allowed[-1]) if complete else set(allowed[0])
    return wrong + [f"{key}: is lost" for key in sorted(must - set(found))]


def _values(key: str, states: tuple[State, ...]) -> set[Any]:
    return {state[key] for state in states if key in state}
