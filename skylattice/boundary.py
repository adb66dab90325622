"""Where a lattice ends: periodic or open along each axis, and sites that are empty.

Across an open boundary, and to an empty site, there are no bonds; a plaquette is there if its four corners are.
Energies, means and shares are per site that is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.schema import COMPONENT, MASK, SITE_DIMS, SPIN_DIMS

#: What an attribute or argument says, and whether it is periodic along y and along x.
_TOKENS = {"periodic": (True, True), "open": (False, False), "open_y": (False, True), "open_x": (True, False)}
_AXIS = {"periodic": True, "open": False}


@dataclass(frozen=True)
class Boundary:
    """Whether a lattice closes on itself along y and along x.

    Parameters
    ----------
    y, x
        True for periodic, False for open.

    Examples
    --------
    >>> from skylattice.boundary import Boundary
    >>> str(Boundary(y=False, x=True))
    'open_y'
    >>> Boundary.parse(("open", "periodic")) == Boundary.parse("open_y")
    True
    """

    y: bool = True
    x: bool = True

    def __post_init__(self) -> None:
        for axis in SITE_DIMS:
            value = getattr(self, axis)
            if not isinstance(value, bool | np.bool_):
                raise SchemaError(f"boundary: expected True (periodic) or False (open) along {axis}, found {value!r}.")
            object.__setattr__(self, axis, bool(value))

    def __str__(self) -> str:
        return next(token for token, axes in _TOKENS.items() if axes == (self.y, self.x))

    @property
    def is_periodic(self) -> bool:
        """Whether the lattice is a torus."""
        return self.y and self.x

    @property
    def open_axes(self) -> str:
        """The open axes in words: "y", "x", "y and x"; empty for a torus."""
        return " and ".join(axis for axis in SITE_DIMS if not getattr(self, axis))

    @classmethod
    def parse(cls, value: BoundaryLike) -> Boundary:
        """A boundary from what people write: a :class:`Boundary`, a token, or a pair for (y, x).

        Raises
        ------
        SchemaError
            For anything but "periodic", "open", "open_y", "open_x" or a pair of "periodic" and "open".
        """
        if isinstance(value, Boundary):
            return value
        if isinstance(value, str) and value in _TOKENS:
            return cls(*_TOKENS[value])
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
            axes: list[Any] = [_AXIS.get(axis, axis) if isinstance(axis, str) else axis for axis in value]
            if all(isinstance(axis, bool | np.bool_) for axis in axes):
                return cls(*axes)
        raise SchemaError(
            f"boundary: expected one of {[*_TOKENS]}, or a pair of 'periodic' and 'open' for (y, x), found {value!r}."
        )

    def of_neighbours(self, asked: BoundaryLike | None) -> Boundary:
        """The boundary for neighbours: this one, or one that is asked for and open wherever this one is.

        Raises
        ------
        SchemaError
            If neighbours are asked for across an open boundary.
        """
        wanted = self if asked is None else Boundary.parse(asked)
        if (wanted.y and not self.y) or (wanted.x and not self.x):
            raise SchemaError(
                f"boundary: expected the lattices' own, {str(self)!r}, or none, found {str(wanted)!r}: there are no "
                "neighbours across an open boundary. ds.sky.with_boundary() corrects what the dataset states."
            )
        return wanted

    def to_attrs(self) -> dict[str, str]:
        """The attribute to write with a dataset."""
        return {"boundary": str(self)}

    @classmethod
    def from_attrs(cls, attrs: Mapping[Any, Any]) -> Boundary:
        """Read what :meth:`to_attrs` wrote; periodic where nothing is stated.

        Raises
        ------
        SchemaError
            If the attribute is no boundary.
        """
        return cls.parse(attrs.get("boundary", "periodic"))


@dataclass(frozen=True, eq=False)
class Sites:
    """Which sites and bonds the lattices of an array have.

    Parameters
    ----------
    boundary
        Of all of them.
    mask
        True where a site is there: bool, dims ``(y, x)``, after any of the spins' leading dims. None if all are.
    """

    boundary: Boundary = Boundary()
    mask: xr.DataArray | None = None

    @classmethod
    def of(cls, ds: xr.Dataset) -> Sites:
        """The sites of a dataset: its attribute ``boundary`` and its variable ``mask``.

        Raises
        ------
        SchemaError
            If one of them is not what it should be.
        """
        mask = ds[MASK] if MASK in ds.variables else None
        if mask is not None and (mask.dtype != bool or not {*SITE_DIMS} <= {*mask.dims} or COMPONENT in mask.dims):
            raise SchemaError(
                f"{MASK}: expected bool with dims (..., y, x), True where a site is there, found {mask.dtype} with "
                f"dims {mask.dims}. Convert it, or rename the variable if it is something else."
            )
        return cls(Boundary.from_attrs(ds.attrs), mask)

    @property
    def is_whole(self) -> bool:
        """Whether every site is there, on a torus."""
        return self.boundary.is_periodic and self.mask is None

    @property
    def flags(self) -> np.ndarray:
        """What kernels take: periodic along y, along x, and whether sites may be empty; bool, shape (3,)."""
        return np.array([self.boundary.y, self.boundary.x, self.mask is not None])

    def of_spins(self, spin: xr.DataArray) -> xr.DataArray:
        """The spins, exactly 0 where no site is; NaN where a site is and its spin is 0, which is none.

        Raises
        ------
        SchemaError
            If the mask does not fit the spins.
        """
        if self.mask is None:
            return spin
        foreign = {dim: n for dim, n in self.mask.sizes.items() if spin.sizes.get(dim) != n}
        if foreign:
            raise SchemaError(
                f"{MASK}: expected the lengths of the spins, {dict(spin.sizes)}, found {dict(self.mask.sizes)}. "
                "Select the same lattices of both."
            )
        return xr.apply_ufunc(
            _with_empty_sites,
            spin,
            self.mask.reset_coords(drop=True),
            input_core_dims=[SPIN_DIMS, SITE_DIMS],
            output_core_dims=[SPIN_DIMS],
            dask="parallelized",
            output_dtypes=[spin.dtype],
            keep_attrs=True,
        )


#: What functions take for a boundary: see :meth:`Boundary.parse`.
BoundaryLike = Boundary | str | Sequence[Any]
#: All sites of a torus.
TORUS = Sites()


def _with_empty_sites(spin: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Spins (..., y, x, 3): 0 where the mask is False, NaN for a spin of length 0 where it is True; NaN stays."""
    is_there = mask[..., None]
    is_zero = (spin == 0).all(axis=-1, keepdims=True)
    return np.where(is_there, np.where(is_zero, np.nan, spin), np.where(np.isnan(spin), np.nan, 0)).astype(spin.dtype)


def with_empty_sites(spin: Any, mask: Any) -> Any:
    """Spins (..., y, x, 3), NumPy or Dask, made exactly 0 where the mask (..., y, x) is False; holes stay NaN."""
    hole = np.isnan(spin).all(axis=(-3, -2, -1), keepdims=True)
    return np.where(mask[..., None] | hole, spin, np.zeros((), spin.dtype))


def find_mask(mask: Any, spin: Any, shape: tuple[int, ...]) -> Any:
    """The mask of spins (..., y, x, 3), of shape (y, x) where it is the same for all lattices that are there.

    Parameters
    ----------
    mask
        True and False of shape (y, x) or ``shape``, as which (..., y·x) counts as well; or True, to find it.
    spin
        NumPy or Dask array.
    shape
        (..., y, x) of the spins before their leading dims were put in order.

    Raises
    ------
    SchemaError
        If it is neither.
    """
    sites = spin.shape[-3:-1]
    if mask is True:
        has_none = (spin == 0).all(axis=-1) | np.isnan(spin).any(axis=-1)
        hole = np.isnan(spin).all(axis=(-3, -2, -1), keepdims=True)[..., 0]
        found = ~has_none | hole
        if hasattr(found, "__dask_graph__"):
            return found
        lattices = found.reshape(-1, *sites)[~hole.ravel()]
        return lattices[0] if len(lattices) and (lattices == lattices[0]).all() else found
    given = mask.values if isinstance(mask, xr.DataArray) else mask if hasattr(mask, "shape") else np.asarray(mask)
    flat = int(np.prod(sites))
    if given.dtype == bool and given.shape in (sites, (flat,)):
        return given.reshape(sites)
    if given.dtype == bool and given.shape in (shape, (*shape[:-2], flat)):
        return given.reshape(spin.shape[:-1])
    raise SchemaError(
        f"mask: expected True, or an array of True and False of shape {sites} or {shape}, found {given.dtype} of shape "
        f"{given.shape}. It is True where a site is there."
    )


def check_torus(sites: Sites, purpose: str, remedy: str) -> None:
    """Raise :class:`SchemaError` unless every site is there and the lattice closes on itself along y and x."""
    found = [f"open along {sites.boundary.open_axes}"] if not sites.boundary.is_periodic else []
    found += ["with empty sites"] if sites.mask is not None else []
    if found:
        raise SchemaError(
            f"{purpose}: expected periodic lattices without empty sites, found them {' and '.join(found)}. {remedy}"
        )


def check_models_apply(ds: xr.Dataset) -> None:
    """Raise :class:`SchemaError` where models, which wrap lattices around the torus, see neighbours that are none."""
    remedy = "Models are trained on periodic lattices; observables, skyrmions and defects take any."
    check_torus(Sites.of(ds), "models", remedy)
