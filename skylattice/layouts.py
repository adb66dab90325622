"""Layouts of spin arrays: which axis is what, and which lattice is at which (D, B)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.schema import COMPONENT, SITE_DIMS, SPIN_DIMS, check_coordinate

#: Name of an axis that runs over all sites of a lattice, x fastest.
SITE = "site"
SAMPLE = "sample"

#: Names of an array's axes; None for leading ones that nobody named.
Axes = tuple[str | None, ...]

#: The last axes of an array of spins, in the ways that they are met.
_LAYOUTS = ((*SITE_DIMS, COMPONENT), (COMPONENT, *SITE_DIMS), (SITE, COMPONENT), (COMPONENT, SITE))


def as_array(value: Any, name: str = "spin") -> tuple[Any, Axes | None]:
    """A NumPy or Dask array of native float32 or float64, and the names of its axes if it brings any."""
    axes: Axes | None = None
    if isinstance(value, xr.DataArray):
        value, axes = value.data, tuple(map(str, value.dims))
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(spin_dtype(value.dtype, name)), np.nan)
    array = value if hasattr(value, "__dask_graph__") else np.asarray(value)
    return array.astype(spin_dtype(array.dtype, name), copy=False), axes


def spin_dtype(dtype: np.dtype, name: str = "spin") -> np.dtype:
    """float32 or float64, native: the shorter where it loses nothing.

    Raises
    ------
    SchemaError
        For anything but real numbers.
    """
    if dtype.kind not in "fiu":
        raise SchemaError(
            f"{name}: expected real numbers, found {dtype}. Give Cartesian components, or angles to "
            "skylattice.from_angles."
        )
    return np.dtype(np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64)


def shape_of(size: int | Sequence[int]) -> tuple[int, int]:
    """(ny, nx) of a size given as N or (ny, nx), of whole numbers in any type.

    Raises
    ------
    SchemaError
        Unless it is one or two whole numbers above 0.
    """
    numbers = np.atleast_1d(np.asarray(size))
    if numbers.dtype.kind == "f" and (numbers == np.round(numbers)).all():
        numbers = numbers.astype(np.int64)
    if numbers.dtype.kind not in "iu" or numbers.shape not in ((1,), (2,)) or (numbers < 1).any():
        raise SchemaError(f"size: expected N or (ny, nx) in whole sites, found {size!r}.")
    return int(numbers[0]), int(numbers[-1])


def whole(name: str, value: Any, *, least: int = 0, most: int | None = None) -> int:
    """A whole number of any type: 2, ``numpy.int64(2)`` and 2.0 are one, True and ``"2"`` are none.

    Raises
    ------
    SchemaError
        For anything else, or out of range.

    Examples
    --------
    >>> whole("realizations", 2.0, least=1)
    2
    """
    number = np.asarray(value)
    is_whole = number.ndim == 0 and number.dtype.kind in "iuf" and bool(number == np.round(number))
    if not is_whole or number < least or (most is not None and number > most) or not np.isfinite(number):
        limits = f"from {least} to {most}" if most is not None else f">= {least}"
        raise SchemaError(f"{name}: expected a whole number {limits}, found {value!r}.")
    return int(number)


def find_axes(shape: tuple[int, ...], named: Axes | None, size: tuple[int, int] | None = None) -> Axes:
    """Names of the axes of an array of spins, from names given or from its shape.

    Raises
    ------
    SchemaError
        If the names do not fit, or the shape has no or several meanings.
    """
    if named is not None:
        check_axes(named, shape)
        return named
    found = [layout for layout in _LAYOUTS if _fits(shape, layout, size)]
    if len(found) == 1:
        return (*[None] * (len(shape) - len(found[0])), *found[0])
    leading = ["..."] if len(shape) > 3 else []
    meanings = [f"({', '.join([*leading, *layout])})" for layout in found]
    remedy = (
        "Name the axes: dims=('y', 'x', 'component') with a name for each."
        if found or size is not None
        else "Flat lattices need size=(ny, nx); other layouts a name for each axis, dims=(...)."
    )
    raise SchemaError(
        f"spin: expected a shape (..., y, x, 3), (..., 3, y, x) or, with size, (..., y·x, 3), found {shape}"
        + (f", size {size[0]}×{size[1]}" if size else "")
        + (f", which may be {' or '.join(meanings)}. " if found else ". ")
        + remedy
    )


def check_axes(named: Axes, shape: tuple[int, ...]) -> None:
    """Raise :class:`SchemaError` unless the names are those of the axes of spins."""
    sites = sorted(name for name in named if name in (*SITE_DIMS, SITE))
    given = [name for name in named if name is not None]
    is_whole = sites in (sorted(SITE_DIMS), [SITE])
    if len(named) != len(shape) or len(set(given)) != len(given) or COMPONENT not in named or not is_whole:
        raise SchemaError(
            f"dims: expected a name for each of {len(shape)} axes, with 'y', 'x' (or 'site' for both in one) and "
            f"'component' among them, found {named}."
        )
    if shape[named.index(COMPONENT)] != 3:
        raise SchemaError(
            f"dims: expected three components (S_x, S_y, S_z), found {shape[named.index(COMPONENT)]} along 'component' "
            f"of shape {shape}."
        )


def _fits(shape: tuple[int, ...], layout: tuple[str, ...], size: tuple[int, int] | None) -> bool:
    """Whether the last axes of a shape may be of a layout."""
    if len(shape) < len(layout) or (SITE in layout and size is None):
        return False
    lengths = dict(zip(layout, shape[-len(layout) :], strict=True))
    if lengths.pop(COMPONENT) != 3:
        return False
    if size is None:
        return True
    return lengths == ({SITE: size[0] * size[1]} if SITE in layout else dict(zip(SITE_DIMS, size, strict=True)))


def in_order(array: Any, axes: Axes, size: tuple[int, int] | None) -> tuple[Any, Axes]:
    """The array as ``(..., y, x, component)`` in chunks of whole lattices, and the names of its leading axes.

    Warns
    -----
    UserWarning
        If chunks cut through lattices, and are joined.

    Raises
    ------
    SchemaError
        If sites in one axis are not as many as ``size`` says.
    """
    last = [SITE, COMPONENT] if SITE in axes else list(SPIN_DIMS)
    leading = tuple(k for k, name in enumerate(axes) if name not in last)
    array = array.transpose(*leading, *(axes.index(name) for name in last))
    if SITE in axes:
        n = array.shape[-2]
        if size is None or size[0] * size[1] != n:
            given = "none" if size is None else f"{size[0]}×{size[1]}"
            raise SchemaError(f"size: expected (ny, nx) of lattices of {n} sites, found {given}.")
        if hasattr(array, "__dask_graph__"):
            array = array.rechunk({array.ndim - 2: -1, array.ndim - 1: -1})
        array = array.reshape(*array.shape[:-2], *size, 3)
    elif size is not None and array.shape[-3:-1] != size:
        raise SchemaError(f"size: expected {array.shape[-3]}×{array.shape[-2]} as the spins have it, found {size}.")
    if hasattr(array, "__dask_graph__"):
        pieces = [len(array.chunks[axis]) for axis in (-3, -2)]
        if SITE not in axes and max(pieces) > 1:
            warnings.warn(
                f"spin: its lattices were cut into {pieces[0]} × {pieces[1]} chunks (y × x), which are joined: each is "
                "read as a whole. Chunks of whole lattices are faster: array.rechunk((1, ..., -1, -1, -1)).",
                stacklevel=4,
            )
        array = array.rechunk(dict.fromkeys(range(array.ndim - 3, array.ndim), -1))
    return array, tuple(axes[k] for k in leading)


def place(array: Any, leading: Axes, D: Any, B: Any) -> tuple[Any, tuple[str, ...], dict[str, Any]]:
    """Where the lattices of an array ``(..., y, x, 3)`` lie: the array, its leading dims, and their coordinates."""
    if leading and None not in leading:
        names = tuple(map(str, leading))
        sizes = dict(zip(names, array.shape, strict=False))
        coords = {name: _along_named(name, value, sizes) for name, value in (("D", D), ("B", B)) if value is not None}
        return array, names, coords
    shape, core = array.shape[: len(leading)], array.shape[len(leading) :]
    known = {name: np.asarray(value, float) for name, value in (("D", D), ("B", B)) if value is not None}
    vectors = {name: values for name, values in known.items() if values.ndim}
    if vectors and all(values.shape == shape for values in vectors.values()):
        each = {name: (SAMPLE, np.broadcast_to(values, shape).ravel()) for name, values in known.items()}
        return array.reshape(-1, *core), (SAMPLE,), _samples(math.prod(shape), each)
    along = [name for name, values in vectors.items()]
    fits = [values.shape for values in vectors.values()] == [(n,) for n in shape[: len(along)]]
    if vectors and not (fits and len(shape) - len(along) in (0, 1)):
        raise SchemaError(
            f"D and B: expected a number, or values along the first axes of the leading shape {shape}, or one for each "
            f"lattice, found shapes {[values.shape for values in known.values()]}. Name the axes with dims=."
        )
    for name, values in vectors.items():
        if len(np.unique(values)) < len(values):
            raise SchemaError(f"{name}: expected each value once along its axis, found {values.tolist()}.")
    dims = (*known, "realization")
    lengths = [known[name].size for name in known]
    realizations = math.prod(shape[len(along) :])
    coords = {name: (name, np.atleast_1d(values)) for name, values in known.items()}
    return array.reshape(*lengths, realizations, *core), dims, {**coords, "realization": np.arange(realizations)}


def _along_named(name: str, value: Any, sizes: dict[str, int]) -> Any:
    """The coordinate D or B over leading dims that have names."""
    if isinstance(value, xr.DataArray):
        if set(value.dims) <= set(sizes):
            return value.variable if value.dims else value.item()
        value = value.values
    values = np.asarray(value, float)
    if not values.ndim and sizes.get(name, 1) == 1:
        return (name, values[None]) if name in sizes else float(values)
    matching = [dim for dim, n in sizes.items() if values.shape == (n,)]
    if name in matching or len(matching) == 1:
        return (name if name in matching else matching[0], values)
    if values.shape == tuple(sizes.values()):
        return (tuple(sizes), values)
    raise SchemaError(
        f"{name}: expected a number or values along one of the dims {sizes}, found shape {values.shape}. "
        f"Give a DataArray that names its dim."
    )


def _samples(n: int, coords: dict[str, Any]) -> dict[str, Any]:
    """Coordinates of lattices along ``sample``; those at the same (D, B) get realization numbers."""
    points = np.round(np.stack([values for _, values in coords.values()], axis=-1), 6)
    _, which = np.unique(points, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    counts = np.bincount(which.ravel())
    realization = np.empty(n, dtype=np.int64)
    realization[order] = np.concatenate([np.arange(k) for k in counts]) if n else []
    return {SAMPLE: np.arange(n), **coords, "realization": (SAMPLE, realization)}


def known_value(name: str, value: Any, spin: Any) -> Any:
    """``value`` if given, else the coordinate of that name that the spins bring; checked unless lazy."""
    if value is None and isinstance(spin, xr.DataArray) and name in spin.coords:
        value = spin.coords[name].reset_coords(drop=True)
    if value is not None and not (isinstance(value, xr.DataArray) and value.chunks is not None):
        check_coordinate(name, value)
    return value
