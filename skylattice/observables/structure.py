"""Structure factor of spin lattices, the wave number of its peak, and the lattice constant that follows."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.errors import SchemaError
from skylattice.observables._apply import call_kernel
from skylattice.schema import COMPONENTS, LENGTH_TOLERANCE, SITE_DIMS, SPIN_DIMS, check_spin, label

Component = Literal["x", "y", "z"]

_Q_DIMS = ("q_y", "q_x")


def structure_factor(spin: xr.DataArray, sites: Sites = TORUS, *, component: Component | None = None) -> xr.DataArray:
    """Spin structure factor S(q) = |Σ_r S_r exp(-i q·r)|² / N of each lattice of N sites.

    Parameters
    ----------
    spin
        Unit spins, shape ``(..., y, x, component)``, component = 3, dimensionless. May be chunked along any leading
        dimension; ``y``, ``x``, ``component`` must be one chunk.
    sites
        Which sites there are: the sums are over them. The wave numbers are those of a periodic lattice of the same
        size, so that edges of an open one and of holes in it show as power along the directions across them.
    component
        ``"x"``, ``"y"`` or ``"z"`` for that of one spin component; all three summed by default, which no rotation of
        the spins changes.

    Returns
    -------
    Shape ``(..., q_y, q_x)``, unit 1, with coordinates q_y and q_x in rad per site, from -π to π and q = 0 in the
    middle. The mean over all q is the mean |S|², 1 for all components; S(0) = N |M|². NaN for a hole. Lazy if
    ``spin`` is lazy.

    Raises
    ------
    SchemaError
        If ``spin`` does not follow the schema, or ``component`` is unknown.

    Examples
    --------
    >>> from skylattice import testing
    >>> s = structure_factor(testing.spiral(turns=4, size=32).spin).squeeze()
    >>> abs(s.idxmax("q_x").sel(q_y=0).item()) == 2 * np.pi * 4 / 32
    True
    """
    check_spin(spin)
    _check_component(component)
    return _structure_factor(spin, sites, component, about_mean=False)


def _structure_factor(
    spin: xr.DataArray, sites: Sites, component: Component | None, *, about_mean: bool
) -> xr.DataArray:
    """The structure factor; if ``about_mean``, for q != 0 that of the deviations from the mean spin."""
    sizes = {q: spin.sizes[dim] for q, dim in zip(_Q_DIMS, SITE_DIMS, strict=True)}
    power = xr.apply_ufunc(
        _power,
        sites.of_spins(spin),
        input_core_dims=[SPIN_DIMS],
        output_core_dims=[_Q_DIMS],
        kwargs={
            "components": slice(None) if component is None else [COMPONENTS.index(component)],
            "may_be_empty": sites.mask is not None,
            "about_mean": about_mean,
        },
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": sizes},
    )
    waves = {q: label(xr.DataArray(_wave_numbers(n), dims=q), q) for q, n in sizes.items()}
    return label(power.assign_coords(waves), "structure_factor")


def lattice_constant(spin: xr.DataArray, sites: Sites = TORUS, *, component: Component | None = None) -> xr.Dataset:
    """Wave number q* of the structure factor's strongest ring, and the lattice constant 4π / (√3 q*).

    q* is found in two steps: the ring, one wave number wide, of the largest mean power; then the power-weighted mean
    of \\|q\\| within a third of q* around q* itself. The first alone has the resolution of a wave number, 2π over the
    size. The second is exact for a spiral or a perfect lattice, and agrees to 1 % with the density of skyrmions for
    real lattices with defects. The next ring, at √3 q*, stays outside. With open boundaries or empty sites the power is
    that of the deviations from the mean spin, which leaves out the shape of the lattice.

    Parameters
    ----------
    spin, sites, component
        As :func:`structure_factor`.

    Returns
    -------
    Dataset with ``peak_q`` in rad per site and ``lattice_constant`` in sites, both of shape ``(...)``. The lattice
    constant is that of a hexagonal arrangement; the period of a spiral is 2π / q*. NaN for a hole, and for a uniform
    lattice, which has no peak. Lazy if ``spin`` is lazy.

    Raises
    ------
    SchemaError
        If ``spin`` does not follow the schema, or ``component`` is unknown.

    Examples
    --------
    >>> from skylattice import testing
    >>> peak = lattice_constant(testing.spiral(turns=4, size=32).spin).peak_q.item()
    >>> round(peak / (2 * np.pi * 4 / 32), 12)
    1.0
    """
    check_spin(spin)
    _check_component(component)
    power = _structure_factor(spin, sites, component, about_mean=not sites.is_whole)
    peak = xr.apply_ufunc(
        partial(call_kernel, "structure.peak_wave_number"),
        power,
        power["q_y"].variable,
        power["q_x"].variable,
        input_core_dims=[_Q_DIMS, ["q_y"], ["q_x"]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    constant = 4 * np.pi / (np.sqrt(3) * peak)
    return xr.Dataset({"peak_q": label(peak, "peak_q"), "lattice_constant": label(constant, "lattice_constant")})


def _check_component(component: str | None) -> None:
    if component is not None and component not in COMPONENTS:
        raise SchemaError(f"component: expected one of {COMPONENTS} or None for all, found {component!r}.")


def _power(
    spin: np.ndarray, *, components: Any = slice(None), may_be_empty: bool = False, about_mean: bool = False
) -> np.ndarray:
    """Structure factor, shape (..., q_y, q_x), of spins of shape (..., y, x, 3); lattice by lattice to save memory."""
    from scipy import fft

    out = np.full(spin.shape[:-1], np.nan)
    for index in np.ndindex(spin.shape[:-3]):
        lattice = spin[index].astype(np.float64)
        square = np.einsum("yxc,yxc->yx", lattice, lattice)
        is_there = square > 0
        if not (np.isfinite(square).all() and is_there.any() and (may_be_empty or is_there.all())):
            continue
        if (abs(square - 1) > 2 * LENGTH_TOLERANCE).any():
            lattice /= np.sqrt(np.where(is_there, square, 1.0))[..., None]
        lattice, n = lattice[..., components], np.count_nonzero(is_there)
        mean = lattice.sum(axis=(0, 1)) / n if about_mean else 0.0
        amplitude = fft.fft2(lattice - mean * is_there[..., None] if about_mean else lattice, axes=(0, 1))
        if about_mean:
            amplitude[0, 0] = n * mean
        out[index] = fft.fftshift((amplitude.real**2 + amplitude.imag**2).sum(axis=-1) / n)
    return out


def _wave_numbers(n: int) -> np.ndarray:
    """Wave numbers of a dimension of n sites, in rad per site, in increasing order."""
    from scipy import fft

    return 2 * np.pi * fft.fftshift(fft.fftfreq(n))
