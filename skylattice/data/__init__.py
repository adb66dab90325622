"""Data that ships with skylattice, in its own store format.

``uppasd-200.zarr``: one 200×200 lattice annealed with UppASD 6 (v6.0.2-143-gd8d6) at D = 0.5, B = 0.15, T = 0.006, Néel
DMI of handedness -1, made for this project.
"""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from skylattice.errors import SchemaError

FOLDER = Path(__file__).parent


def example_path(name: str = "uppasd-200") -> Path:
    """Path of a shipped store.

    Raises
    ------
    SchemaError
        If there is none of that name.
    """
    names = sorted(path.name.removesuffix(".zarr") for path in FOLDER.glob("*.zarr"))
    if name not in names:
        raise SchemaError(f"example: expected one of {names}, found {name!r}.")
    return FOLDER / f"{name}.zarr"


def open_example(name: str = "uppasd-200") -> xr.Dataset:
    """Open a shipped lattice, lazily.

    Examples
    --------
    >>> from skylattice.data import open_example
    >>> ds = open_example("uppasd-200")
    >>> round(float(ds.sky.topological_charge().compute().item()), 6)
    -200.0
    """
    from skylattice.io.store import open_ensemble

    return open_ensemble(example_path(name))
