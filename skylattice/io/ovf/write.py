"""OVF 2.0, the vector-field format of OOMMF, mumax3, Ubermag and Spirit: writing lattices."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError, StoreError
from skylattice.io.guard import local_path
from skylattice.io.ovf.scan import CHECK_VALUES
from skylattice.schema import SPIN_DIMS, check_spin, check_values, require, unit_of

Format = Literal["bin4", "bin8", "text"]
_KINDS: dict[str, str] = {"bin4": "Binary 4", "bin8": "Binary 8", "text": "Text"}


def write_ovf(
    ds: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    format: Format = "bin4",
    title: str = "skylattice",
    spacing: float = 1e-9,
) -> None:
    """Write the lattices of a dataset to an OVF 2.0 file, one segment each, in the order of their dims.

    D, B, T, time and other numbers of each lattice go into its description. The file appears when it is complete.

    Parameters
    ----------
    ds
        Dataset with unit ``spin`` of shape ``(..., y, x, component)``; lazy spins are computed lattice by lattice.
    path
        File to write; one that is there is replaced.
    format
        ``"bin4"`` keeps float32 exactly, ``"bin8"`` float64; ``"text"`` has 9 significant digits for float32 spins and
        17 for float64, which give the same numbers again.
    title
        One line of text.
    spacing
        Distance of two sites in metres; spins do not say how large a site is.

    Raises
    ------
    SchemaError
        If spins are missing, not of unit length, or a hole; if an option is out of range.
    StoreError
        If the file cannot be written.

    Examples
    --------
    >>> from skylattice import testing
    >>> from skylattice.io.ovf import read_ovf
    >>> ds = testing.random(8, realizations=3)
    >>> write_ovf(ds, "three.ovf", format="bin8")
    >>> bool((read_ovf("three.ovf").spin.values == ds.spin.values[0, 0]).all())
    True
    """
    if not isinstance(ds, xr.Dataset):
        raise SchemaError(f"ds: expected a dataset with the variable 'spin', found {type(ds).__name__}.")
    require(ds, ["spin"], purpose="write_ovf")
    spin, path = ds["spin"], local_path(path)
    _check_options(spin, format, spacing)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            _write(file, spin, format, title, spacing)
        os.replace(part, path)
    except OSError as error:
        if isinstance(error, StoreError):  # of lazy spins
            raise
        raise StoreError(f"{path}: cannot be written: {error}. Choose a path that can.") from error
    finally:
        part.unlink(missing_ok=True)


def ovf_bytes(spin: xr.DataArray, *, title: str = "skylattice", spacing: float = 1e-9) -> bytes:
    """One lattice as the contents of an OVF 2.0 file, "Data Binary 4".

    Parameters
    ----------
    spin
        Unit spins of one lattice: dims y, x, component, and others of length 1. x runs fastest in the file.
    title, spacing
        As :func:`write_ovf`.

    Raises
    ------
    SchemaError
        For more than one lattice, or a bad ``spin``.

    Examples
    --------
    >>> from skylattice import testing
    >>> ovf_bytes(testing.ferromagnet((1, 2)).spin)[:15]
    b'# OOMMF OVF 2.0'
    """
    _check_options(spin, "bin4", spacing)
    extra = {dim: n for dim, n in spin.sizes.items() if dim not in SPIN_DIMS and n > 1}
    if extra:
        raise SchemaError(f"ovf_bytes: expected one lattice, found {extra}. Choose one, for example with .isel().")
    buffer = io.BytesIO()
    _write(buffer, spin, "bin4", title, spacing)
    return buffer.getvalue()


def _check_options(spin: xr.DataArray, format: str, spacing: float) -> None:
    check_spin(spin)
    if format not in get_args(Format):
        raise SchemaError(f"format: expected one of {get_args(Format)}, found {format!r}.")
    if not (isinstance(spacing, (int, float, np.number)) and math.isfinite(spacing) and spacing > 0):
        raise SchemaError(f"spacing: expected a distance in metres > 0, found {spacing!r}.")


def _write(file: BinaryIO, spin: xr.DataArray, format: str, title: str, spacing: float) -> None:
    """All lattices, one after the other."""
    leading = {dim: n for dim, n in spin.sizes.items() if dim not in SPIN_DIMS}
    count = math.prod(leading.values())
    if not count:
        raise SchemaError(f"spin: expected lattices to write, found none: {dict(spin.sizes)}.")
    file.write(f"# OOMMF OVF 2.0\n# Segment count: {count}\n".encode())
    for index in np.ndindex(*leading.values()):
        place = dict(zip(leading, index, strict=True))
        lattice = spin.isel(place).transpose(*SPIN_DIMS).compute()
        check_values(lattice.values, where=f"lattice {place}")
        if np.isnan(lattice.values).any():
            raise SchemaError(f"lattice {place}: expected spins, found a hole. Leave it out: ds.sky.stack().")
        _write_segment(file, lattice, format, title, spacing)


def _write_segment(file: BinaryIO, lattice: xr.DataArray, format: str, title: str, spacing: float) -> None:
    ny, nx, _ = lattice.shape
    nodes = {"x": nx, "y": ny, "z": 1}
    header = [
        ("Title", " ".join(str(title).replace("#", " ").split())),
        *(("Desc", line) for line in _description(lattice)),
        ("meshtype", "rectangular"),
        ("meshunit", "m"),
        *((f"{axis}min", 0) for axis in nodes),
        *((f"{axis}max", float(n * spacing)) for axis, n in nodes.items()),
        ("valuedim", 3),
        ("valuelabels", "m_x m_y m_z"),
        ("valueunits", "1 1 1"),
        *((f"{axis}base", float(spacing / 2)) for axis in nodes),
        *((f"{axis}nodes", n) for axis, n in nodes.items()),
        *((f"{axis}stepsize", float(spacing)) for axis in nodes),
    ]
    lines = ["# Begin: Segment", "# Begin: Header", *(f"# {label}: {value}" for label, value in header)]
    lines += ["# End: Header", f"# Begin: Data {_KINDS[format]}"]
    file.write(("\n".join(lines) + "\n").encode())
    if format == "text":
        digits = 9 if lattice.dtype.itemsize == 4 else 17
        np.savetxt(file, lattice.values.reshape(-1, 3), fmt=f"%.{digits}g")
    else:
        dtype = np.dtype(f"<f{format[-1]}")
        file.write(
            np.array(CHECK_VALUES[dtype.itemsize], dtype).tobytes() + lattice.values.astype(dtype).tobytes() + b"\n"
        )
    file.write(f"# End: Data {_KINDS[format]}\n# End: Segment\n".encode())


def _description(lattice: xr.DataArray) -> Iterator[str]:
    """The numbers that belong to a lattice, one a line, the time as OOMMF and mumax3 state it."""
    for name, coord in lattice.coords.items():
        value: Any = coord.values[()]
        if coord.ndim or coord.dtype.kind not in "fiu" or np.isnan(value):
            continue
        if name == "time" and coord.attrs.get("units") == "s":
            yield f"Total simulation time: {float(value)!r} s"
        else:
            unit = unit_of(coord)
            yield f"{name} = {value}" + ("" if unit == "1" else f" {unit}")
