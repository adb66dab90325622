"""The door into the data model: arrays of spins in, a dataset that follows :mod:`skylattice.schema` out; and back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from skylattice.boundary import Boundary, BoundaryLike, Sites, find_mask, with_empty_sites
from skylattice.errors import SchemaError
from skylattice.hamiltonian import Hamiltonian
from skylattice.layouts import SITE, Axes, as_array, check_axes, find_axes, in_order, known_value, place, shape_of
from skylattice.schema import (
    COMPONENT,
    COMPONENTS,
    FORMAT_VERSION,
    LENGTH_TOLERANCE,
    MASK,
    SITE_DIMS,
    SPIN_DIMS,
    check_spin,
    check_values,
    label_dataset,
    require,
)


def from_arrays(
    spin: Any,
    *,
    D: Any = None,
    B: Any = None,
    T: float | None = None,
    hamiltonian: Hamiltonian | None = None,
    boundary: BoundaryLike = "periodic",
    dims: Sequence[str] | None = None,
    size: int | Sequence[int] | None = None,
    normalise: bool = False,
    mask: Any = None,
) -> xr.Dataset:
    """A dataset of spin lattices from an array of any common layout.

    Parameters
    ----------
    spin
        Cartesian spins: a NumPy or Dask array, or a DataArray, of shape ``(..., y, x, 3)`` or ``(..., 3, y, x)``; with
        ``size`` also ``(..., y·x, 3)`` or ``(..., 3, y·x)``, x running fastest. Real numbers of any precision; float32
        and float64 keep theirs. A lattice of NaN throughout is a hole. Lazy arrays stay lazy, in chunks of whole
        lattices; their values are checked when they are computed.
    D, B
        DMI magnitude and field along z, in units of J: numbers; or vectors along the first axes, which then are a grid
        ``(D, B)``, ``(D, B, realization)`` or ``(B, realization)``; or one for each lattice. None where not known.
    T
        Temperature in units of J / k_B; None where it is not known.
    hamiltonian
        Symmetry and sign of the interaction. None where it is not known: charge, skyrmions, defects, order and
        structure factor need none, energies say that they do.
    boundary
        ``"periodic"``, ``"open"``, ``"open_y"`` (open along y, periodic along x), ``"open_x"``, or a pair of
        ``"periodic"`` and ``"open"`` for (y, x).
    dims
        Names of all axes of ``spin``, where the shape leaves them open: ``y``, ``x`` (or ``site`` for both in one) and
        ``component``, and any for the rest.
    size
        N or (ny, nx) in sites.
    normalise
        Divide each spin by its length, and keep the length, if it is not 1, as ``moment``. Otherwise a length off 1 by
        more than 0.001 is an error.
    mask
        Where there are sites: True and False, of shape ``(y, x)`` or as the spins without their components, whatever
        those of ``spin`` are elsewhere. Or True: sites are empty where a spin is 0 or NaN in part of a lattice. None if
        all are there.

    Returns
    -------
    Dataset with ``spin`` of dims ``(D, B, realization, y, x, component)``, those of D and B that are known; or along
    ``sample`` where D or B is given for each lattice, and ``ds.sky.unstack()`` gives the grid. Names from ``dims`` or a
    DataArray are kept. ``mask`` of dims ``(y, x)``, or also the leading ones if lattices differ, is there if a site is
    empty; spins are 0 there. ``moment`` is the mean length of each lattice's spins before they were normalised.

    Raises
    ------
    SchemaError
        If the layout cannot be told from the shape, D or B fits no axis, a value is out of range, or spins are not
        finite vectors of unit length: the largest deviation and its place are named.

    Examples
    --------
    >>> import numpy as np
    >>> spin = np.zeros((2, 3, 16, 16)); spin[:, 2] = 1  # two lattices, components first
    >>> ds = from_arrays(spin, D=0.5, B=[0.1, 0.2])
    >>> ds.spin.dims, ds.B.values.tolist(), ds.sky.topological_charge().values.tolist()
    (('sample', 'y', 'x', 'component'), [0.1, 0.2], [0.0, 0.0])
    """
    array, named = as_array(spin)
    axes = find_axes(array.shape, named if dims is None else tuple(dims), None if size is None else shape_of(size))
    source = spin if dims is None else None
    return _dataset(array, axes, source, D, B, T, hamiltonian, boundary, size, normalise, mask)


def from_angles(
    theta: Any,
    phi: Any,
    *,
    D: Any = None,
    B: Any = None,
    T: float | None = None,
    hamiltonian: Hamiltonian | None = None,
    boundary: BoundaryLike = "periodic",
    dims: Sequence[str] | None = None,
    size: int | Sequence[int] | None = None,
) -> xr.Dataset:
    """A dataset from polar angles: spins (sin θ cos φ, sin θ sin φ, cos θ).

    Parameters
    ----------
    theta, phi
        Angles to the z axis, 0 to π, and, in the plane, to the x axis, in rad; shape ``(..., y, x)``, or
        ``(..., y·x)`` with ``size``.
    D, B, T, hamiltonian, boundary, size
        As :func:`from_arrays`.
    dims
        Names of the axes of the angles.

    Returns
    -------
    As :func:`from_arrays`.

    Raises
    ------
    SchemaError
        If the shapes differ, ``theta`` is out of range (degrees?), or as :func:`from_arrays`.

    Examples
    --------
    >>> import numpy as np
    >>> from_angles(np.zeros((4, 4)), np.zeros((4, 4)), D=0.5, B=0.1).spin.values[0, 0, 0, 0, 0].tolist()
    [0.0, 0.0, 1.0]
    """
    (polar, named), (azimuth, _) = as_array(theta, "theta"), as_array(phi, "phi")
    if polar.shape != azimuth.shape:
        raise SchemaError(f"angles: expected theta and phi of one shape, found {polar.shape} and {azimuth.shape}.")
    if hasattr(polar, "__dask_graph__"):
        polar = polar.map_blocks(_checked_polar, dtype=polar.dtype, meta=np.empty((0,) * polar.ndim, polar.dtype))
    else:
        polar = _checked_polar(polar)
    axes: Axes | None = named if dims is None else tuple(dims)
    if axes is None:
        site = SITE_DIMS if size is None or polar.shape[-2:] == shape_of(size) else (SITE,)
        axes = (*[None] * (polar.ndim - len(site)), *site)
    stack: Callable[..., Any] = np.stack
    if hasattr(polar, "__dask_graph__"):
        import dask.array as da

        stack = da.stack
    spin = stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)
    axes = (*axes, COMPONENT)
    check_axes(axes, spin.shape)
    source = theta if dims is None else None
    return _dataset(spin, axes, source, D, B, T, hamiltonian, boundary, size, False, None)


def spin_dataset(
    dims: Sequence[Hashable],
    spin: Any,
    coords: Mapping[Any, Any],
    hamiltonian: Hamiltonian | None,
    *,
    boundary: BoundaryLike = "periodic",
    **attrs: Any,
) -> xr.Dataset:
    """A dataset of the schema from spins that are in its layout: all that makes one ends here. Values are not read.

    Parameters
    ----------
    dims, spin
        Dims ``(..., y, x, component)``, and the array, lazy or not.
    coords
        D, B, T and others; T is NaN where it is not known.
    hamiltonian
        None where it is not known.
    boundary
        As :func:`from_arrays` takes it.
    attrs
        More of them, such as where the spins come from.
    """
    ds = xr.Dataset(
        {"spin": (tuple(dims), spin)},
        {**coords, COMPONENT: list(COMPONENTS)},
        {**dataset_attrs(hamiltonian, boundary), **attrs},
    )
    check_spin(ds["spin"])
    return label_dataset(ds)


def dataset_attrs(hamiltonian: Hamiltonian | None, boundary: BoundaryLike = "periodic") -> dict[str, Any]:
    """Attributes that every dataset and store of spins has; without an interaction where it is not known."""
    known = {} if hamiltonian is None else hamiltonian.to_attrs()
    return {**known, **Boundary.parse(boundary).to_attrs(), "format_version": FORMAT_VERSION}


class Lattices(NamedTuple):
    """Spins with all that their energies depend on: the first arguments of most functions of skylattice."""

    spin: xr.DataArray
    D: xr.DataArray
    B: xr.DataArray
    hamiltonian: Hamiltonian
    sites: Sites


def lattices(ds: xr.Dataset, *, spin: str = "spin", purpose: str = "ds.sky") -> Lattices:
    """Spins, D, B, the Hamiltonian and the sites of a dataset.

    Raises
    ------
    SchemaError
        If one of them is not there; a Hamiltonian that is not known is named, with what works without.
    """
    require(ds, [spin, "D", "B"], purpose=purpose)
    return Lattices(ds[spin], ds["D"], ds["B"], Hamiltonian.from_attrs(ds.attrs), Sites.of(ds))


def field(ds: xr.Dataset) -> xr.DataArray | float:
    """B, or 0 where the dataset has none: the mean magnetization then tells the background."""
    return ds["B"] if "B" in ds.variables else 0.0


def _dataset(
    array: Any,
    axes: Axes,
    source: Any,
    D: Any,
    B: Any,
    T: Any,
    hamiltonian: Hamiltonian | None,
    boundary: BoundaryLike,
    size: int | Sequence[int] | None,
    normalise: bool,
    mask: Any,
) -> xr.Dataset:
    """The dataset of an array whose axes are known; ``source`` is a DataArray whose other coordinates stay."""
    ends = Boundary.parse(boundary)
    array, leading = in_order(array, axes, None if size is None else shape_of(size))
    D, B, T = (known_value(name, value, source) for name, value in (("D", D), ("B", B), ("T", T)))
    if T is not None and np.size(T) != 1:
        raise SchemaError(f"T: expected one temperature in units of J/k_B, found {np.size(T)} of them.")
    shape = array.shape[:-1]
    array, dims, coords = place(array, leading, D, B)
    if mask is not None:
        mask = find_mask(mask, array, shape)
        array = with_empty_sites(array, mask)
    moment = moments(array) if normalise else None
    labels: dict[Hashable, Any] = dict(source.coords) if isinstance(source, xr.DataArray) else {}
    kept = {name: c for name, c in labels.items() if set(c.dims) <= set(dims) and name not in ("D", "B", "T")}
    everything: dict[Any, Any] = {**kept, **coords, "T": np.nan if T is None else float(np.asarray(T).item())}
    spin = _checked(array, normalise, mask)
    ds = spin_dataset((*dims, *SPIN_DIMS), spin, everything, hamiltonian, boundary=ends)
    if mask is not None and (hasattr(mask, "__dask_graph__") or not mask.all()):
        ds[MASK] = ((*dims, *SITE_DIMS)[-mask.ndim :], mask)
    if moment is not None:
        ds["moment"] = (dims[: moment.ndim], moment)
    return label_dataset(ds)


def _checked_polar(theta: np.ndarray) -> np.ndarray:
    """Angles to +z, which degrees mostly are not."""
    slack = 1e-3
    if (theta < -slack).any() or (theta > np.pi + slack).any():
        raise SchemaError(
            f"theta: expected angles to the z axis from 0 to π rad, found {np.nanmin(theta):.6g} to "
            f"{np.nanmax(theta):.6g}. Convert degrees with numpy.deg2rad."
        )
    return theta


def _checked(array: Any, normalise: bool, mask: Any) -> Any:
    """The array, its lattices checked or normalised; a lazy one when it is computed."""
    if not hasattr(array, "__dask_graph__"):
        return unit_spins(array, normalise=normalise, where="spin", mask=mask)
    meta = np.empty((0,) * array.ndim, array.dtype)
    import dask.array as da

    arrays = [array]
    if mask is not None:
        arrays.append(da.broadcast_to(mask, array.shape[:-1]).rechunk(array.chunks[:-1])[..., None])
    return da.map_blocks(_checked_block, *arrays, normalise=normalise, dtype=array.dtype, meta=meta)


def _checked_block(
    block: np.ndarray, mask: np.ndarray | None = None, *, normalise: bool, block_info: Any = None
) -> np.ndarray:
    start = tuple(int(low) for low, _ in block_info[0]["array-location"][:-3]) if block_info else ()
    where = f"spin, block from {start} on" if start else "spin"
    return unit_spins(block, normalise=normalise, where=where, mask=None if mask is None else mask[..., 0])


def unit_spins(spin: np.ndarray, *, normalise: bool, where: str, mask: np.ndarray | None = None) -> np.ndarray:
    """Lattices ``(..., y, x, 3)`` whose spins are of unit length, or are made so; holes stay, and empty sites 0.

    Raises
    ------
    SchemaError
        Naming ``where`` and the worst spin, if one is not finite or has another length, or is zero.
    """
    if normalise:
        # Scaled before they are squared, so that no length over- or underflows. 0 and inf have no direction: they stay
        # as they are, and are refused below.
        scale = np.abs(spin).max(axis=-1, keepdims=True).astype(np.float64)
        scaled = spin / np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
        length = np.sqrt(np.einsum("...c,...c->...", scaled, scaled))[..., None]
        spin = (scaled / np.where((length > 0) & np.isfinite(length), length, 1.0)).astype(spin.dtype)
    check_values(spin, where=where, mask=mask)
    return spin


def moments(spin: Any) -> Any:
    """Mean length of the spins of each lattice (..., y, x, 3), where there are any; None if all are 1."""
    length = np.hypot(np.hypot(spin[..., 0], spin[..., 1]), spin[..., 2]).astype(np.float64)
    total, n = length.sum(axis=(-2, -1)), (length != 0).sum(axis=(-2, -1))
    mean = total / np.maximum(n, 1)
    if not hasattr(mean, "__dask_graph__") and not (abs(mean - 1) > LENGTH_TOLERANCE).any():
        return None
    return mean
