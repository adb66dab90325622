"""From the segments of an OVF file to a dataset of the project's schema."""

from __future__ import annotations

import math
import operator
import os
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from xarray.core import indexing

from skylattice.arrays import spin_dataset
from skylattice.boundary import Boundary, BoundaryLike
from skylattice.errors import SchemaError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.lazy import LatticeArray
from skylattice.io.ovf.data import first_vector, place_of, read_points
from skylattice.io.ovf.grid import grid_of_points
from skylattice.io.ovf.header import Segment
from skylattice.io.ovf.scan import read_segments
from skylattice.io.problems import LocatedError
from skylattice.schema import GRID_DIGITS, SPIN_DIMS, check_coordinate

#: Spins whose length is 1 up to this are kept as they are, bit for bit; others are normalised.
ROUNDING = 1e-6

#: Lengths that differ by more than this share of them are no rounding: loading warns.
LENGTH_TOLERANCE = 1e-3

#: A vector shorter than this share of the longest is an empty site: its direction is noise.
_VACUUM = 1e-6

#: How OOMMF and mumax3 state the time in the description.
_TIME = re.compile(r"Total simulation time:\s*(\d\S*)\s*s\b")


def read_ovf(path: str | os.PathLike[str], **options: Any) -> xr.Dataset:
    """Read an OVF file into memory, with all checks; options and errors as :func:`open_ovf`.

    Examples
    --------
    >>> read_ovf("tests/data/ovf/skyrmion.omf").spin.values[0, 0, 0].round(6).tolist()
    [-0.000271, -0.000271, -1.0]
    """
    return open_ovf(path, **options).load()


def open_ovf(
    path: str | os.PathLike[str],
    *,
    D: float | None = None,
    B: float | None = None,
    T: float | None = None,
    hamiltonian: Hamiltonian | None = None,
    z: int | None = None,
    boundary: BoundaryLike = "periodic",
) -> xr.Dataset:
    """Open an OVF file lazily: its headers and its length are checked now, its vectors when they are loaded.

    OVF 1.0 and 2.0 are read, with data as text, CSV, Binary 4 or Binary 8, as OOMMF, mumax3, Ubermag and Spirit write
    them. What the description says of fields and times stays text: the file does not say what J is, so that D, B and T
    cannot be told from it.

    Parameters
    ----------
    path
        The file.
    D, B, T
        DMI magnitude and field along z in units of J, and temperature in J / k_B. None where not known.
    hamiltonian
        Symmetry and sign of the interaction; None where not known.
    z
        Which layer of the mesh, counted from 0 at the bottom; needed if there are several.
    boundary
        Where the lattice ends, which OVF does not state: as :meth:`skylattice.boundary.Boundary.parse` takes it.

    Returns
    -------
    Dataset with ``spin`` of dims (D, B, realization, y, x, component): those of D and B that are given, and each of
    length 1. Several segments lie along ``time``, in s, if each states a later time than the one before, else along
    ``segment``, in place of ``realization``. Binary 4 gives float32, all else float64. Vectors are normalised, and
    those of unit length to 1e-6 kept bit for bit; ``moment`` in the attributes is the length in the file, if it is not
    1, in ``moment_units``, if it states them. Further attributes: ``title``, ``description`` (a list if there are
    several segments), ``file_format``, ``source``. With
    ``chunks={}``, each segment is a chunk. The points of irregular meshes are read at once, to tell which site each is.

    Warns
    -----
    UserWarning
        On opening if binary data have the byte order of the other version, which the check value tells; on loading if
        vectors differ in length.

    Raises
    ------
    FormatError
        Naming line or byte: headers that miss or repeat something, data that are shorter or longer than announced,
        check values that are wrong, cells that are not square. On loading: NaN, and zero vectors (empty sites).
    SchemaError
        If an option is out of range.

    Examples
    --------
    >>> ds = open_ovf("tests/data/ovf/skyrmion.omf", D=0.5, B=0.1)
    >>> dict(ds.sizes), round(ds.attrs["moment"]), ds.attrs["moment_units"]
    ({'D': 1, 'B': 1, 'realization': 1, 'y': 20, 'x': 20, 'component': 3}, 1100000, 'A/m')
    """
    if not isinstance(path, (str, os.PathLike)):
        raise SchemaError(f"path: expected the path of an OVF file, found {type(path).__name__}.")
    path, boundary = Path(path), Boundary.parse(boundary)
    given = {name: _scalar(name, value) for name, value in (("D", D), ("B", B), ("T", T)) if value is not None}
    if hamiltonian is not None and not isinstance(hamiltonian, Hamiltonian):
        raise SchemaError(f"hamiltonian: expected a skylattice.Hamiltonian or None, found {hamiltonian!r}.")
    segments = read_segments(path)
    _warn_of_byte_order(segments)
    layers = [choose_layer(segment, z) for segment in segments]
    check_sizes(segments, [layer.size for layer in layers])
    moment = _moment(segments[0], layers[0])
    known = {name: [value] for name, value in given.items() if name != "T"}
    dim, labels = _segments_along(segments)
    array = OvfArray(segments, layers, moment, n_leading=len(known))
    coords = {**known, dim: labels, "T": given.get("T", np.nan)}
    dims, lazy = (*known, dim, *SPIN_DIMS), indexing.LazilyIndexedArray(array)
    attrs = _attributes(segments, moment)
    ds = spin_dataset(
        dims,
        lazy,
        coords,
        hamiltonian,
        boundary=boundary,
        source=os.path.join(path.resolve().parent.name, path.name),
        **attrs,
    )
    ds["spin"].encoding["preferred_chunks"] = dict(zip(dims, (*[1] * (len(known) + 1), *array.shape[-3:]), strict=True))
    return ds


@dataclass(frozen=True)
class Layer:
    """The sites of one layer: ``points`` are those of the file, as a slice where it is possible, else (ny, nx)."""

    size: tuple[int, int]
    points: slice | np.ndarray

    def point(self, y: int, x: int) -> int:
        """The point at a site."""
        if isinstance(self.points, slice):
            return self.points.start + y * self.size[1] + x
        return int(self.points[y, x])

    def read(self, segment: Segment) -> np.ndarray:
        """Its vectors as they are in the file, shape (ny, nx, 3)."""
        if isinstance(self.points, slice):
            return read_points(segment, self.points.start, self.points.stop).reshape(*self.size, 3)
        return self.of(read_points(segment))

    def of(self, points: np.ndarray) -> np.ndarray:
        """Its vectors among all points of the segment, shape (ny, nx, 3)."""
        return points[self.points, -3:].reshape(*self.size, 3)


class Sites(NamedTuple):
    """Nodes (nz, ny, nx) of a segment, and the point at each in an array of that shape; None for x, y, z in order."""

    shape: tuple[int, int, int]
    order: np.ndarray | None

    def layer(self, z: int) -> Layer:
        """One of the layers, counted from the bottom."""
        _, ny, nx = self.shape
        return Layer((ny, nx), slice(z * ny * nx, (z + 1) * ny * nx) if self.order is None else self.order[z])


def sites_of(segment: Segment) -> Sites:
    """The sites of a segment.

    Raises
    ------
    LocatedError
        If the points of an irregular mesh do not form a full square lattice.
    """
    if segment.shape is not None:
        return Sites(segment.shape, None)
    return Sites(*grid_of_points(read_points(segment)[:, :3], where=segment.mesh_where))


def choose_layer(segment: Segment, z: int | None) -> Layer:
    """The layer to read.

    Raises
    ------
    LocatedError
        If there are several and none was chosen, or the chosen one does not exist.
    SchemaError
        If ``z`` is no whole number.
    """
    try:
        chosen = None if z is None else operator.index(z)
    except TypeError:
        raise SchemaError(f"z: expected the whole number of a layer, found {z!r}.") from None
    sites = sites_of(segment)
    nz = sites.shape[0]
    if chosen is None and nz > 1:
        raise LocatedError(segment.mesh_where, f"expected one layer, found {nz}.", "Choose one: z=0 is the lowest.")
    if not 0 <= (chosen or 0) < nz:
        where = segment.mesh_where
        raise LocatedError(where, f"expected a layer from 0 to {nz - 1}, found z={chosen}.", "Choose another.")
    return sites.layer(chosen or 0)


def check_sizes(segments: Sequence[Segment], sizes: Sequence[tuple[int, int]]) -> None:
    """Raise unless the lattices (ny, nx) of all segments are of one size."""
    first_ny, first_nx = sizes[0]
    for segment, (ny, nx) in zip(segments, sizes, strict=True):
        if (ny, nx) != (first_ny, first_nx):
            raise LocatedError(
                segment.mesh_where,
                f"expected {first_nx} × {first_ny} sites as in the first segment, found {nx} × {ny} in segment "
                f"{segment.number}.",
                "Write the segments into files of their own.",
            )


class OvfArray(LatticeArray):
    """Unit spins of the segments of a file, shape (1, ..., segment, y, x, 3), each read when it is indexed."""

    def __init__(self, segments: Sequence[Segment], layers: Sequence[Layer], moment: float, *, n_leading: int) -> None:
        super().__init__(n_leading, len(segments), layers[0].size, np.result_type(*(s.dtype.type for s in segments)))
        self.segments, self.layers, self.moment = segments, layers, moment

    def read_lattice(self, index: int) -> np.ndarray:
        """The vectors of one segment, normalised, shape (ny, nx, 3)."""
        segment = self.segments[index]
        layer = self.layers[index]
        spin, shortest, longest = unit_spins(layer.read(segment), segment, layer)
        moment = self.moment / abs(segment.multiplier)
        if max(longest - moment, moment - shortest) > LENGTH_TOLERANCE * moment:
            warnings.warn(
                f"{segment.where}: vectors are {shortest:g} to {longest:g} long, and have been normalised; 'moment' in "
                "the attributes is that of the first.",
                stacklevel=2,
            )
        return spin if segment.multiplier > 0 else -spin


def unit_spins(vectors: np.ndarray, segment: Segment, layer: Layer) -> tuple[np.ndarray, float, float]:
    """Vectors (ny, nx, 3) of a layer at unit length, and the smallest and the largest length that they had.

    Raises
    ------
    LocatedError
        If there are zero vectors among them.
    """
    length = np.sqrt(np.einsum("...c,...c->...", vectors, vectors, dtype=np.float64))
    shortest, longest = float(length.min()), float(length.max())
    if shortest <= _VACUUM * longest:
        empty = length <= _VACUUM * longest
        y, x = np.argwhere(empty)[0].tolist()
        raise LocatedError(
            place_of(segment, layer.point(y, x)),
            f"expected a spin on every site, found {int(empty.sum())} of {empty.size} zero vectors (vacuum), the first "
            f"at y={y}, x={x}.",
            "Lattices with empty sites are not supported: cut out a full rectangle, or fill them.",
        )
    if max(longest - 1, 1 - shortest) > ROUNDING:
        vectors = (vectors / length[..., None]).astype(vectors.dtype)
    return vectors, shortest, longest


def _moment(segment: Segment, layer: Layer) -> float:
    """Length of the first vector, in the unit that the header states."""
    return math.hypot(*first_vector(segment, layer.point(0, 0)).tolist()) * abs(segment.multiplier)


def _attributes(segments: Sequence[Segment], moment: float) -> dict[str, Any]:
    """What the headers say, as text, and the length of the vectors."""
    first = segments[0]
    attrs: dict[str, Any] = {"file_format": f"OVF {first.version}.0 {first.form}"}
    if "title" in first.records:
        attrs["title"] = first.records["title"].value
    if any(segment.description for segment in segments):
        descriptions = [segment.description for segment in segments]
        attrs["description"] = descriptions if len(segments) > 1 else descriptions[0]
    if moment > 0 and abs(moment - 1) > LENGTH_TOLERANCE:
        attrs |= {"moment": moment} | ({"moment_units": first.units} if first.units else {})
    return attrs


def _segments_along(segments: Sequence[Segment]) -> tuple[str, Any]:
    """Name and coordinate of the dimension that the segments lie along."""
    if len(segments) == 1:
        return "realization", [0]
    found = [_TIME.findall(segment.description) for segment in segments]
    if all(len(texts) == 1 for texts in found):
        with suppress(ValueError):
            times = [float(text) for (text,) in found]
            if (np.diff(times) > 0).all() and math.isfinite(times[-1]):
                return "time", ("time", times, {"long_name": "time", "units": "s"})
    return "segment", np.arange(len(segments))


def _warn_of_byte_order(segments: Sequence[Segment]) -> None:
    """Warn of binary data that a reader without regard to the check value would take for other numbers."""
    for segment in segments:
        is_little = segment.dtype == np.dtype(f"<f{segment.dtype.itemsize}")
        if segment.form.startswith("binary") and is_little != (segment.version == 2):
            end = "little" if is_little else "big"
            warnings.warn(
                f"{segment.where}: the data have the {end} end first, unlike OVF {segment.version}.0, and are read so, "
                "because their check value says it.",
                stacklevel=3,
            )


def _scalar(name: str, value: Any) -> float:
    """One value of D, B or T, rounded so that equal points of different origin meet on one grid."""
    array = check_coordinate(name, value)
    if array.size != 1:
        raise SchemaError(f"{name}: expected one number, found {array.size}.")
    return round(float(array.item()), GRID_DIGITS)
