"""Figures of one lattice: its skyrmions with their mesh, defects and grains, and a quantity on every site."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.report import style
from skylattice.report.layers import Layer, layer_traces
from skylattice.schema import SITE_DIMS, SPIN_DIMS
from skylattice.study.lattice import LatticeAnalysis

if TYPE_CHECKING:
    import plotly.graph_objects as go


def lattice_figure(
    found: LatticeAnalysis,
    *,
    layers: Collection[Layer] = ("mesh", "defects", "burgers"),
    title: str | None = None,
) -> go.Figure:
    """S_z of one lattice with the mesh of its skyrmions and the defects in it.

    Parameters
    ----------
    found
        From :func:`skylattice.study.lattice.analyse_lattice`.
    layers
        What to draw over S_z, as for :func:`skylattice.report.layers.layer_traces`.
    title
        Defaults to the numbers of skyrmions and defects.

    Returns
    -------
    Figure in units of sites, positive y up. Edges that wrap around the torus end at the border, on both sides. A
    lattice with too few skyrmions to triangulate shows its spins alone.

    Raises
    ------
    SchemaError
        For an unknown layer, or grains of a lattice with open boundaries.

    Examples
    --------
    >>> from skylattice import testing
    >>> from skylattice.study.lattice import analyse_lattice
    >>> ds = testing.hexagonal_ensemble(columns=6, rows=6, spacing=10).sel(realization=2)
    >>> lattice_figure(analyse_lattice(ds.spin, ds.B)).layout.title.text
    '35 skyrmions, 4 defects'
    """
    steps = np.rint(np.nan_to_num(found.spin.values[..., 2] * 127)).astype(np.int8)
    spins = style.graph_objects().Heatmap(
        z=steps, zmin=-127, zmax=127, colorscale=style.SPIN_GREYS, showscale=False, hoverinfo="skip"
    )
    count = "no triangulation" if found.defects is None else f"{found.defects.is_defect.sum()} defects"
    figure = style.figure(
        [spins, *layer_traces(found, layers)],
        height=style.LATTICE_HEIGHT,
        title=f"{len(found.points)} skyrmions, {count}" if title is None else title,
        legend=style.LEGEND_BELOW,
    )
    return _on_sites(figure, steps.shape)


def site_map(
    values: xr.DataArray,
    *,
    name: str | None = None,
    colours: str = style.SPIN_COLOURS,
    limits: tuple[float, float] | None = None,
    log: bool = False,
) -> go.Figure:
    """A scalar on every site as a map that shows x, y and the value under the pointer.

    Parameters
    ----------
    values
        Dims (y, x).
    name
        Of the colour bar; default: the array's long name.
    colours
        A Plotly colour scale.
    limits
        Values at the ends of the colour scale; default: the 0.5 and 99.5 % quantiles, symmetric about 0 if both signs
        occur.
    log
        Colour the decadic logarithm; values below 1e-8 are drawn as 1e-8. Hover shows the value itself.

    Raises
    ------
    SchemaError
        If the dims are not (y, x).

    Examples
    --------
    >>> from skylattice import testing
    >>> up = testing.ferromagnet(4).sky.cos_theta().isel(D=0, B=0, realization=0)
    >>> site_map(up).data[0].colorbar.title.text == up.long_name
    True
    """
    if values.dims != SITE_DIMS:
        raise SchemaError(f"site_map: expected dims {SITE_DIMS}, found {values.dims}. Choose one lattice with .isel().")
    data = np.asarray(values.values, dtype=np.float32)
    shown = np.log10(np.maximum(data, 1e-8)) if log else data
    low, high = _limits(shown) if limits is None else limits
    label = str(values.attrs.get("long_name", values.name)) if name is None else name
    heatmap = style.graph_objects().Heatmap(
        z=shown,
        customdata=data if log else None,
        zmin=low,
        zmax=high,
        colorscale=colours,
        colorbar={"title": {"text": f"log10 {label}" if log else label, "side": "right"}},
        hovertemplate=f"x = %{{x}}, y = %{{y}}<br>{label} %{{{'customdata' if log else 'z'}:.4g}}<extra></extra>",
    )
    return _on_sites(style.figure([heatmap], height=style.LATTICE_HEIGHT), data.shape)


def angle_map(spin: xr.DataArray) -> go.Figure:
    """Spins as colours: the in-plane angle is the hue, S_z the lightness (black along -z, white along +z).

    Parameters
    ----------
    spin
        Unit spins, dims (y, x, component).

    Raises
    ------
    SchemaError
        If the dims are not (y, x, component).

    Examples
    --------
    >>> from skylattice import testing
    >>> up = testing.ferromagnet(4).spin.isel(D=0, B=0, realization=0)
    >>> angle_map(up).data[0].z[0][0].tolist()
    [255, 255, 255]
    """
    if spin.dims != SPIN_DIMS:
        raise SchemaError(f"angle_map: expected dims {SPIN_DIMS}, found {spin.dims}. Choose one lattice with .isel().")
    values = np.asarray(spin.values, dtype=np.float64)
    angle = np.degrees(np.arctan2(values[..., 1], values[..., 0])) % 360
    image = style.graph_objects().Image(
        z=_colour(angle, values[..., 2]),
        customdata=np.dstack([angle, values[..., 2]]).astype(np.float32),
        hovertemplate="x = %{x}, y = %{y}<br>angle %{customdata[0]:.1f}°, S_z %{customdata[1]:.3f}<extra></extra>",
    )
    return _on_sites(style.figure([image], height=style.LATTICE_HEIGHT), values.shape[:2])


def _limits(data: np.ndarray) -> tuple[float, float]:
    """Where the colour scale ends: quantiles, so that single sites do not wash out the rest."""
    finite = data[np.isfinite(data)]
    if not finite.size:
        return -1.0, 1.0
    low, high = (float(value) for value in np.quantile(finite, [0.005, 0.995]))
    if low < 0 < high:
        reach = max(-low, high)
        return -reach, reach
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _colour(angle: np.ndarray, z: np.ndarray) -> np.ndarray:
    """RGB bytes of hue = ``angle`` in degrees and lightness (1 + z) / 2 at full saturation."""
    light = np.clip((1 + z) / 2, 0, 1)[..., None]
    # f(n) = l - a max(-1, min(k - 3, 9 - k, 1)), k = (n + h / 30°) mod 12, a = min(l, 1 - l): CSS Color 4
    k = (np.array([0, 8, 4]) + angle[..., None] / 30) % 12
    reach = np.minimum(light, 1 - light)
    return np.rint(255 * (light - reach * np.clip(np.minimum(k - 3, 9 - k), -1, 1))).astype(np.uint8)


def _on_sites(figure: go.Figure, shape: tuple[int, ...]) -> go.Figure:
    """Axes in sites, y up, sites square."""
    figure.update_xaxes(range=[-0.5, shape[1] - 0.5], title="x", constrain="domain", showgrid=False)
    return figure.update_yaxes(
        range=[-0.5, shape[0] - 0.5], title="y", scaleanchor="x", constrain="domain", showgrid=False
    )
