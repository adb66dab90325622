"""From spins to defects, order and grains of the skyrmion lattice: detection followed by an analysis of positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.defects.detect import Rule, skyrmions
from skylattice.schema import STATUS


def of_spins(
    analysis: Callable[..., xr.Dataset],
    spin: xr.DataArray,
    B: xr.DataArray | float = 0.0,
    sites: Sites = TORUS,
    *,
    rule: Rule = "charge",
    max_skyrmions: int | None = None,
    **options: Any,
) -> xr.Dataset:
    """Detect the skyrmions of each lattice and analyse their positions.

    Parameters
    ----------
    analysis
        :func:`skylattice.defects.triangulate.triangulation`, :func:`skylattice.defects.classify.defects`,
        :func:`skylattice.defects.order.hexatic_order`, :func:`skylattice.defects.order.pair_correlation` or
        :func:`skylattice.defects.grains.grains`.
    spin, B, sites, rule, max_skyrmions
        As for :func:`skylattice.defects.detect.skyrmions`.
    options
        Keywords of the analysis. Its ``boundary`` is that of the sites; on periodic lattices "open" can be asked for.

    Returns
    -------
    Dataset with everything that the detection and the analysis return, lazy if ``spin`` is lazy. ``status`` is the
    analysis', or that of the detection where it failed.

    Raises
    ------
    SchemaError
        As the detection and the analysis do.

    Examples
    --------
    >>> from skylattice import testing
    >>> from skylattice.defects.classify import defects
    >>> ds = testing.hexagonal_skyrmions(columns=4, rows=4, spacing=12)
    >>> of_spins(defects, ds.spin, ds.B).n_defects.item()
    0.0
    """
    found = skyrmions(spin, B, sites, rule=rule, max_skyrmions=max_skyrmions)
    options |= {"boundary": sites.boundary.of_neighbours(options.get("boundary")), "mask": sites.mask}
    analysed = analysis(found, (spin.sizes["y"], spin.sizes["x"]), **options)
    status = xr.where(found["status"] == STATUS["done"], analysed["status"], found["status"])
    status.attrs = found["status"].attrs
    rim = xr.where(analysed["on_boundary"] > found["on_boundary"], analysed["on_boundary"], found["on_boundary"])
    rim.attrs = found["on_boundary"].attrs
    # Variables without coordinates: assigning arrays that carry the levels of a MultiIndex would drop these levels.
    results = {**analysed.data_vars, "status": status, "on_boundary": rim}
    values = {name: array.variable for name, array in results.items()}
    own = {name: coord for name, coord in analysed.coords.items() if name not in found.coords}
    return found.assign(values).assign_coords(own)
