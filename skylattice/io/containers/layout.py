"""Which axis of an array is what: sites and components by name or length, the others by D, B and T."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skylattice.io.problems import LocatedError
from skylattice.layouts import SAMPLE, SITE
from skylattice.schema import COMPONENT, SITE_DIMS

#: Names that other programs give to the axes of spins, in lower case.
_AXES = {
    COMPONENT: (
        "component",
        "components",
        "comp",
        "c",
        "vector",
        "xyz",
        "vdim",
        "vdims",
        "direction",
        "spin_component",
    ),
    "y": ("y", "ny", "iy", "row", "rows"),
    "x": ("x", "nx", "ix", "col", "cols", "column", "columns"),
    SITE: ("site", "sites", "n_sites", "atom", "atoms"),
}
_GRID = (*SITE_DIMS, COMPONENT)
#: Names that libraries give to axes that nobody named.
_NO_NAME = re.compile(r"(phony_)?dim_\d+", re.IGNORECASE)

#: A lattice so many times as long as wide is one only if nothing else fits: few lattices of many sites look like it.
_STRIP = 16


class Reading(NamedTuple):
    """One way to take an array: the names of its axes, None for leading ones without, and (ny, nx) of flat lattices."""

    axes: tuple[str | None, ...]
    size: tuple[int, int] | None

    def shown(self, shape: tuple[int, ...]) -> str:
        """The reading with the lengths of its axes, for messages."""
        parts = (
            f"{name or '…'}={n}" if name != COMPONENT else "component" for name, n in zip(self.axes, shape, strict=True)
        )
        return f"({', '.join(parts)})" + (f" of {self.size[0]}×{self.size[1]}" if self.size else "")

    def option(self, shape: tuple[int, ...]) -> str:
        """What chooses it: ``dims='...'``."""
        names = [name or f"axis{k}" for k, name in enumerate(self.axes)]
        size = f", size=({self.size[0]}, {self.size[1]})" if self.size else ""
        return f"dims={','.join(names)!r}{size}"

    def leading(self, shape: tuple[int, ...]) -> dict[int, int]:
        """Lengths of the axes that are no part of a lattice, by their place."""
        return {k: n for k, n in enumerate(shape) if self.axes[k] not in (*_GRID, SITE)}


def find_readings(shape: tuple[int, ...], named: tuple[str | None, ...], size: tuple[int, int] | None) -> list[Reading]:
    """All ways to take an array as spins.

    Parameters
    ----------
    shape, named
        Lengths and names of its axes; None for those without.
    size
        (ny, nx), where it is known.

    Examples
    --------
    >>> [reading.shown((3, 400)) for reading in find_readings((3, 400), (None, None), None)]
    ['(component, site=400) of 20×20']
    """
    axes = tuple(_axis_of(name, n) for name, n in zip(named, shape, strict=True))
    found = [axes.count(name) for name in (COMPONENT, "y", "x", SITE)]
    if found == [1, 1, 1, 0]:
        return [Reading(axes, None)]
    if found == [1, 0, 0, 1] and (square := size or _square(shape[axes.index(SITE)])):
        return [Reading(axes, square)]
    named = tuple(None if name in (*_GRID, SITE) else name for name in axes)
    readings = [_over(named, layout, None) for layout in _layouts(shape, _GRID)]
    readings = [r for r in readings if _fits(r, shape) and (size is None or _size_of(r, shape) == size)]
    if any(len(set(_size_of(r, shape))) == 1 for r in readings):
        return readings  # square lattices are what is mostly meant; a square number of sites in one axis is chance
    strips, readings = readings, [r for r in readings if max(_size_of(r, shape)) < _STRIP * min(_size_of(r, shape))]
    for layout in _layouts(shape, (SITE, COMPONENT)):
        n = shape[layout.index(SITE)]
        square = size or _square(n)
        reading = _over(named, layout, square)
        if square is not None and square[0] * square[1] == n and _fits(reading, shape):
            readings.append(reading)
    readings = readings or strips
    if not readings and len(shape) > 3 and shape[0] == 3:  # three stacked arrays of lattices
        reading = _over(named, (COMPONENT, *[None] * (len(shape) - 3), *SITE_DIMS), None)
        readings = [reading] if size in (None, shape[-2:]) else []
    return readings


def _axis_of(name: str | None, length: int) -> str | None:
    """The name that the schema has for an axis, if its own says so."""
    if name is None or _NO_NAME.fullmatch(name):
        return None
    for own, names in _AXES.items():
        if name.lower() in names and (own != COMPONENT or length == 3):
            return own
    return name


def _layouts(shape: tuple[int, ...], core: tuple[str, ...]) -> list[tuple[str | None, ...]]:
    """Components last, and components before the sites."""
    if len(shape) < len(core):
        return []
    before = (None,) * (len(shape) - len(core))
    return [(*before, *core), (*before, COMPONENT, *core[:-1])]


def _over(named: tuple[str | None, ...], layout: tuple[str | None, ...], size: tuple[int, int] | None) -> Reading:
    return Reading(tuple(place or name for place, name in zip(layout, named, strict=True)), size)


def _fits(reading: Reading, shape: tuple[int, ...]) -> bool:
    return shape[reading.axes.index(COMPONENT)] == 3 and len(set(filter(None, reading.axes))) == len(
        [name for name in reading.axes if name]
    )


def _size_of(reading: Reading, shape: tuple[int, ...]) -> tuple[int, int]:
    return reading.size or (shape[reading.axes.index("y")], shape[reading.axes.index("x")])


def _square(n: int) -> tuple[int, int] | None:
    root = math.isqrt(n)
    return (root, root) if root > 1 and root * root == n else None


class Label(NamedTuple):
    """Values of D, B, T or realization, and the names of their axes in the file."""

    values: np.ndarray
    dims: tuple[str | None, ...]


def choose_reading(
    readings: list[Reading], shape: tuple[int, ...], labels: Mapping[str, Label], where: Path, names: str
) -> Reading:
    """The one reading that there is, or that has axes for all labels.

    Raises
    ------
    LocatedError
        If there is none, or several are left: they are listed, with the option that chooses each.
    """
    if len(readings) > 1:
        vectors = [label.values.shape for label in labels.values() if label.values.size > 1]
        fitting = [r for r in readings if all(_has_room(r.leading(shape).values(), lengths) for lengths in vectors)]
        readings = fitting if vectors and len(fitting) == 1 else readings
    if len(readings) == 1:
        return readings[0]
    if not readings:
        raise LocatedError(
            f"{where} ({names})",
            f"expected a shape (..., y, x, 3), (..., 3, y, x), or (..., y·x, 3) of square lattices, found {shape}.",
            "Flat lattices that are not square need size=(ny, nx); other layouts a name for each axis, "
            "dims='...,y,x,component'.",
        )
    raise LocatedError(
        f"{where} ({names})",
        f"expected one meaning of shape {shape}, found {' or '.join(r.shown(shape) for r in readings)}.",
        f"Choose with {' or '.join(r.option(shape) for r in readings)}.",
    )


def _has_room(leading: object, lengths: tuple[int, ...]) -> bool:
    left = list(leading)  # type: ignore[call-overload]
    for n in lengths:
        if n not in left:
            return False
        left.remove(n)
    return True


def place_labels(
    reading: Reading, shape: tuple[int, ...], labels: Mapping[str, Label], where: Path
) -> tuple[tuple[str, ...], dict[str, tuple[tuple[str, ...], np.ndarray]]]:
    """Names for all axes, and for each label the dims that its values lie along.

    Labels of names that the axes have lie there; others where their length is found. Vectors of one length along one
    axis belong to its lattices one by one; vectors of different lengths make a grid.

    Raises
    ------
    LocatedError
        If a label fits no axis, or several: the readings are listed.
    """
    axes: list[str | None] = list(reading.axes)
    leading = reading.leading(shape)
    coords: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    vectors: dict[str, np.ndarray] = {}
    for name, label in labels.items():
        named = tuple(dim for dim in label.dims if dim is not None)
        if label.values.size == 1:
            is_axis = name in axes  # of one value
            coords[name] = ((name,), label.values.reshape(1)) if is_axis else ((), label.values.reshape(()))
        elif len(named) == label.values.ndim and set(named) <= {axes[k] for k in leading}:
            if len(named) == 1 and named[0] not in labels and len(np.unique(label.values)) == label.values.size:
                axes[axes.index(named[0])] = name
                named = (name,)
            coords[name] = (named, label.values)
        elif label.values.ndim == 1:
            vectors[name] = label.values
        elif label.values.shape == tuple(leading.values()):
            axes = [name if k not in leading or name else f"axis{k}" for k, name in enumerate(axes)]
            coords[name] = (tuple(str(axes[k]) for k in leading), label.values)
        else:
            raise _no_axis(name, label.values.shape, leading, where)
    for name, (k, is_grid) in _axes_of_vectors(vectors, axes, leading, where).items():
        axes[k] = axes[k] or (name if is_grid else SAMPLE)
        coords[name] = ((str(axes[k]),), vectors[name])
    unnamed = [k for k in leading if axes[k] is None]
    longer = [k for k in unnamed if shape[k] > 1]
    for k in unnamed:
        axes[k] = f"axis{k}"
    if len(longer) == 1 or len(unnamed) == 1:
        taken = "realization" in (*axes, *coords)
        axes[(longer or unnamed)[0]] = SAMPLE if taken else "realization"
    return tuple(map(str, axes)), coords


def _axes_of_vectors(
    vectors: Mapping[str, np.ndarray], axes: list[str | None], leading: Mapping[int, int], where: Path
) -> dict[str, tuple[int, bool]]:
    """The axis of each vector, and whether it makes a grid there."""
    fits = {
        name: [k for k, n in leading.items() if n == len(values) and axes[k] in (None, name, SAMPLE)]
        for name, values in vectors.items()
    }
    for name, values in vectors.items():
        if not fits[name]:
            raise _no_axis(name, values.shape, leading, where)
    lengths = {len(values) for values in vectors.values()}
    if len(lengths) == 1 and all(len(places) == 1 for places in fits.values()):
        alone = len(vectors) == 1 and len(np.unique(next(iter(vectors.values())))) == len(next(iter(vectors.values())))
        return {name: (places[0], alone) for name, places in fits.items()}
    if any(len(places) > 1 for places in fits.values()) or len({p[0] for p in fits.values()}) < len(fits):
        meanings = "; ".join(f"{name} ({len(vectors[name])}) along axis {fits[name]}" for name in vectors)
        raise LocatedError(
            where,
            f"expected one axis for each of {list(vectors)} among the leading ones {list(leading.values())}, found "
            f"several that fit: {meanings}.",
            f"Name all axes, for example dims={_example(vectors, leading)!r}.",
        )
    for name, values in vectors.items():
        if len(np.unique(values)) < len(values):
            raise LocatedError(
                where,
                f"expected each value of {name} once along its axis, found {values.tolist()[:20]}.",
                "Give one value for each lattice instead, or name the axes with dims=.",
            )
    return {name: (places[0], True) for name, places in fits.items()}


def _example(vectors: Mapping[str, np.ndarray], leading: Mapping[int, int]) -> str:
    names = [*vectors, *(f"axis{k}" for k in range(len(leading)))][: len(leading)]
    return ",".join([*names, *_GRID])


def _no_axis(name: str, shape: tuple[int, ...], leading: Mapping[int, int], where: Path) -> LocatedError:
    return LocatedError(
        where,
        f"expected {name} for each of the leading axes {list(leading.values())} of the spins, found shape {shape}.",
        f"Give it: {name}=NUMBER, or {name}='NAME' of another array.",
    )
