"""Writing lattices in formats of other programs; each is read back by :func:`skylattice.io.formats.open_lattices`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.io.guard import explained, local_path, replacing
from skylattice.io.ovf import write_ovf
from skylattice.schema import SPIN_DIMS, check_spin, check_values, require

#: Coordinates that are written where there are any.
_COORDS = ("D", "B", "T", "realization", "moment")


def export(ds: xr.Dataset, path: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> None:
    """Write the lattices of a dataset to a file, which appears when it is complete.

    Parameters
    ----------
    ds
        Dataset with unit ``spin`` of shape ``(..., y, x, component)``.
    path
        File to write; one that is there is replaced.
    format
        ``"ovf"`` (one segment for each lattice), ``"npz"`` (spins and coordinates as arrays of their names),
        ``"netcdf"`` (version 3, with dims, coordinates and attributes), or ``"uppasd"`` (a restart file with an
        ensemble for each lattice, nine digits). Default: by the ending ``.ovf``, ``.omf``, ``.npz``, ``.nc`` or
        ``.out``.
    options
        For ``"ovf"``: as :func:`skylattice.io.ovf.write_ovf`.

    Raises
    ------
    SchemaError
        If the format is not known, spins are missing or not of unit length, or a text format meets a hole.
    StoreError
        If the file cannot be written.

    Examples
    --------
    >>> from skylattice import testing
    >>> from skylattice.io.formats import open_lattices
    >>> export(testing.random(8), "a.npz")
    >>> bool((open_lattices("a.npz").spin.values == testing.random(8).spin.values).all())
    True
    """
    target = local_path(path)
    kind = _kind(target, format)
    require(ds, ["spin"], purpose="export")
    check_spin(ds["spin"])
    if kind == "ovf":
        write_ovf(ds, target, **options)
        return
    if options:
        raise SchemaError(f"export: expected no options of the format {kind!r}, found {', '.join(options)}.")
    with explained(target), replacing(target) as file:
        _WRITERS[kind](ds, file)


def _kind(path: Path, format: str | None) -> str:
    kind = format or _ENDINGS.get(path.suffix.lower())
    if kind != "ovf" and kind not in _WRITERS:
        raise SchemaError(
            f"format: expected one of {['ovf', *_WRITERS]}, or a file that ends in {', '.join(_ENDINGS)}, found "
            f"{format or path.name!r}."
        )
    return kind


def _write_npz(ds: xr.Dataset, file: BinaryIO) -> None:
    """Spins and coordinates as arrays of their names."""
    spin = ds["spin"].transpose(..., *SPIN_DIMS).values
    check_values(spin, where="spin")
    coords = {name: ds[name].values for name in _COORDS if name in ds.coords}
    known: dict[str, Any] = {name: values for name, values in coords.items() if not np.isnan(values).all()}
    np.savez_compressed(file, spin=spin, **known)


def _write_netcdf(ds: xr.Dataset, file: BinaryIO) -> None:
    """Version 3, which every program reads."""
    check_values(ds["spin"].values, where="spin")
    names = [name for name in _COORDS if name in ds.coords and not bool(ds[name].isnull().all())]
    plain = xr.Dataset({"spin": ds["spin"].drop_vars(list(ds["spin"].coords))}, {n: ds[n].variable for n in names})
    plain.attrs = {k: v for k, v in ds.attrs.items() if isinstance(v, str | int | float | np.number)}
    for variable in plain.variables.values():
        variable.encoding = {}
    file.write(bytes(plain.to_netcdf(engine="scipy", format="NETCDF3_64BIT")))


def _write_restart(ds: xr.Dataset, file: BinaryIO) -> None:
    """UppASD's ``restart.SIMID.out``: ensembles outside, atoms inside, x fastest."""
    spin = ds["spin"].transpose(..., *SPIN_DIMS)
    lattices = int(np.prod([n for dim, n in spin.sizes.items() if dim not in SPIN_DIMS], dtype=int))
    n_atoms = spin.sizes["y"] * spin.sizes["x"]
    names = f"{'# iter':>8}{'ens':>8}{'iatom':>8}{'|Mom|':>17}{'M_x':>16}{'M_y':>16}{'M_z':>16}"
    head = ["#" * 80, "# File type: R", "# Simulation type: M", f"# Number of atoms:  {n_atoms:8d}"]
    head += [f"# Number of ensembles:  {lattices:8d}", "#" * 80, names]
    file.write(("\n".join(head) + "\n").encode())
    for ensemble, (where, lattice) in enumerate(_lattices(spin), 1):
        check_values(lattice, where=where)
        if np.isnan(lattice).any():
            raise SchemaError(f"{where}: expected spins, found a hole. Leave it out: ds.sky.stack().")
        rows = lattice.reshape(-1, 3).astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        counters = np.column_stack([np.full(n_atoms, -1), np.full(n_atoms, ensemble), np.arange(1, n_atoms + 1)])
        table = np.column_stack([counters, np.ones(n_atoms), rows])
        np.savetxt(file, table, fmt="%8d%8d%8d  %16.8E%16.8E%16.8E%16.8E")


def _lattices(spin: xr.DataArray) -> Iterator[tuple[str, np.ndarray]]:
    """Each lattice with its place in words, shape (y, x, 3)."""
    leading = {dim: n for dim, n in spin.sizes.items() if dim not in SPIN_DIMS}
    for index in np.ndindex(*leading.values()):
        place = dict(zip(leading, index, strict=True))
        yield f"lattice {place}", spin.isel(place).values


_WRITERS: dict[str, Callable[[xr.Dataset, BinaryIO], None]] = {
    "npz": _write_npz,
    "netcdf": _write_netcdf,
    "uppasd": _write_restart,
}
_ENDINGS = {".ovf": "ovf", ".omf": "ovf", ".npz": "npz", ".nc": "netcdf", ".out": "uppasd"}
