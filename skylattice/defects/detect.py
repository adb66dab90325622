"""Skyrmions in spin lattices: where they are, how large, and of which texture."""

from __future__ import annotations

import threading
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.defects._per_lattice import per_lattice
from skylattice.errors import SchemaError
from skylattice.schema import SKYRMION, SPIN_DIMS, STATUS, check_spin

Rule = Literal["charge", "dusek2023"]

#: Results of one value per lattice.
_SCALARS = ("n_skyrmions", "n_stripes", "stripe_charge", "unexplained_charge", "status")

#: Sites per row of the result; the densest lattice of skyrmions, at D = 1, has one on 70 sites.
_SITES_PER_ROW = 50
_SITES_PER_ROW_OF_NOISE = 8
_MIN_ROWS = 16


def capacity(size: tuple[int, int]) -> int:
    """Default length of the ``skyrmion`` dimension for lattices of ``size`` = (ny, nx)."""
    return max(_MIN_ROWS, size[0] * size[1] // _SITES_PER_ROW)


def ample_capacity(size: tuple[int, int]) -> int:
    """Length of the ``skyrmion`` dimension that noise fits into as well: hot lattices, or those a model made up."""
    return max(_MIN_ROWS, size[0] * size[1] // _SITES_PER_ROW_OF_NOISE)


def skyrmions(
    spin: xr.DataArray,
    B: xr.DataArray | float = 0.0,
    sites: Sites = TORUS,
    *,
    rule: Rule = "charge",
    max_skyrmions: int | None = None,
) -> xr.Dataset:
    """Detect and measure the skyrmions of each lattice.

    ``"charge"`` has no threshold in size or depth: an object is a 4-connected region of sites that point against the
    background, and its charge is the signed number of spherical triangles of the Berg-Lüscher charge, within the
    region, that contain the direction opposite to the background. These integers sum to the topological charge exactly,
    for any texture. Charged regions are skyrmions; a region whose charge is beyond ±1 is cut along the saddles between
    its maxima, and one that closes around the torus is a stripe. The centre is the mean position weighted with -S_z
    (for a background up), which resolves a small fraction of a site.

    ``"dusek2023"`` is the rule of the thesis: at least 7 four-connected spins with S_z < -0.8 (for a background up);
    the centre is their plain mean. It loses small skyrmions, which ``unexplained_charge`` tells.

    Parameters
    ----------
    spin
        Unit spins, shape ``(..., y, x, component)``, component = 3, dimensionless. May be chunked along any leading
        dimension; ``y``, ``x``, ``component`` must be one chunk.
    B
        Field along z in units of J, of any shape that broadcasts against the leading dims. Its sign is the direction
        of the background; where it is 0, the mean S_z decides. Where the mean spin lies in the plane, the background
        is along it, and "-S_z" and "reversed" refer to that direction.
    sites
        Which sites and bonds there are. Regions end at open boundaries and empty sites, and only plaquettes whose
        corners are all there carry charge.
    rule
        ``"charge"`` or ``"dusek2023"``.
    max_skyrmions
        Length of the ``skyrmion`` dimension; by default one for 50 sites, at least 16: more than any lattice of
        skyrmions up to D = 1 has. A lattice with more is an error. With the default it is a warning, and the
        lattice's status failed, so that one hot lattice does not end the run of an ensemble.

    Returns
    -------
    Dataset, lazy if ``spin`` is lazy. Of shape ``(...)``: ``n_skyrmions``; ``n_stripes`` and ``stripe_charge``, number
    and charge of the objects that close around the torus; ``unexplained_charge``, what all of them leave of the
    topological charge; ``status`` (done; empty for a hole; failed for a lattice with some NaN). Of shape
    ``(..., skyrmion)``, padded with NaN: ``skyrmion_x``, ``skyrmion_y`` in [0, N) sites; ``n_spins``; ``charge``;
    ``radius`` in sites, of the disc of the same area; ``ellipticity``, ratio of the axes of the second moments;
    ``vorticity`` m, ``polarity`` p and ``helicity`` γ in (-π, π], with Q = m p and γ = m φ - Φ; ``core_m_z``;
    ``texture`` (int8, -1 where padded); ``on_boundary`` (int8 as well): whether the region touches an open boundary or
    an empty site, which may have cut it.
    Sizes, radii and textures are those of the spins that the rule selects.

    Raises
    ------
    SchemaError
        For a bad ``spin`` or an unknown rule; when computed, for a lattice with more than the given ``max_skyrmions``.

    References
    ----------
    .. [1] B. Berg and M. Lüscher, Nucl. Phys. B 190, 412 (1981).

    Examples
    --------
    >>> from skylattice import testing
    >>> ds = testing.planted_skyrmions([(10.25, 20.5), (63.0, 40.0)], radius=6)
    >>> found = skyrmions(ds.spin, ds.B)
    >>> found.n_skyrmions.item(), found.skyrmion_x.values.ravel()[:2].round(1)
    (2.0, array([10.2, 63. ]))
    """
    from skylattice.kernels.detect import COLUMNS

    check_spin(spin)
    if rule not in get_args(Rule):
        raise SchemaError(f"rule: expected one of {get_args(Rule)}, found {rule!r}.")
    rows = capacity((spin.sizes["y"], spin.sizes["x"])) if max_skyrmions is None else int(max_skyrmions)
    if rows < 1:
        raise SchemaError(f"max_skyrmions: expected at least 1, found {max_skyrmions!r}.")
    found = per_lattice(
        _detect,
        [sites.of_spins(spin), xr.DataArray(B).astype(np.float64)],
        [SPIN_DIMS, ()],
        [*_SCALARS, *COLUMNS],
        {SKYRMION: rows},
        go_on=max_skyrmions is None,
        by_charge=rule == "charge",
        sites=sites.flags,
    )
    return found.assign_attrs(rule=rule)


def detected_charge(spin: xr.DataArray, B: xr.DataArray | float = 0.0) -> xr.DataArray:
    """Charge of all objects that the rule ``"charge"`` detects in each periodic lattice; as :func:`skyrmions`.

    Returns
    -------
    Charge of shape ``(...)``, unit 1; NaN for a hole or a lattice with some NaN. Lazy if ``spin`` is lazy.
    """
    check_spin(spin)
    arguments = [spin, xr.DataArray(B).astype(np.float64)]
    return per_lattice(_detected_charge, arguments, [SPIN_DIMS, ()], ["detected_charge"], {})["detected_charge"]


def _detected_charge(spin: np.ndarray, field: np.ndarray) -> dict[str, Any]:
    """Charge of all objects in one lattice, by name."""
    found = _detect(spin, field, by_charge=True, sites=TORUS.flags)
    return {"detected_charge": found["charge"].sum() + found["stripe_charge"]} if "charge" in found else {}


_local = threading.local()


def _workspace(size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Room for the kernel to work on one lattice, kept by each thread for the next lattice."""
    from skylattice.kernels.detect import scratch

    if getattr(_local, "size", None) != size:
        _local.arrays = scratch(*size)
        _local.size = size
    return _local.arrays


def _detect(spin: np.ndarray, field: np.ndarray, *, by_charge: bool, sites: np.ndarray) -> dict[str, Any]:
    """Everything about the skyrmions of one lattice, by name."""
    from skylattice.kernels.detect import COLUMNS, detect

    if np.isnan(spin[0, 0]).all() and np.isnan(spin).all():
        return {}
    spin = np.ascontiguousarray(spin, dtype=np.float32 if spin.dtype == np.float32 else np.float64)
    table, n_stripes, stripe_charge, charge, is_finite = detect(
        spin, float(field), by_charge, sites, *_workspace(spin.shape[:2])
    )
    if not is_finite:
        return {"status": STATUS["failed"]}
    columns = dict(zip(COLUMNS, table.T, strict=True))
    return {
        "n_skyrmions": len(table),
        "n_stripes": n_stripes,
        "stripe_charge": stripe_charge,
        "unexplained_charge": charge - columns["charge"].sum() - stripe_charge,
        "status": STATUS["done"],
        **columns,
    }
