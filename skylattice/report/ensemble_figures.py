"""Figures of an ensemble: the (D, B) plane coloured by an observable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.report import style
from skylattice.schema import GRID_DIMS

if TYPE_CHECKING:
    import plotly.graph_objects as go


def phase_diagram(values: xr.DataArray, *, title: str | None = None) -> go.Figure:
    """The (D, B) plane: one square per point, coloured by the mean over realizations.

    Parameters
    ----------
    values
        A scalar per lattice, dims (D, B) and perhaps realization; points that are NaN throughout are left out.
    title
        Defaults to the long name.

    Returns
    -------
    Figure whose hover text gives D, B, mean, spread over realizations and their number.

    Raises
    ------
    SchemaError
        If D or B is missing, or other dims are left.

    Examples
    --------
    >>> from skylattice import testing
    >>> charge = testing.hexagonal_ensemble(columns=4, rows=4, spacing=12).sky.topological_charge()
    >>> len(phase_diagram(charge).data[0].x)
    1
    """
    extra = set(values.dims) - set(GRID_DIMS)
    if extra or not {"D", "B"} <= set(values.dims):
        raise SchemaError(
            f"phase_diagram: expected dims (D, B) and perhaps realization, found {values.dims}. "
            "Reduce the others first, for example with .mean()."
        )
    cube = values.expand_dims("realization") if "realization" not in values.dims else values
    cube = cube.transpose(*GRID_DIMS)
    data = cube.values.astype(float)
    count = np.isfinite(data).sum(axis=2)
    i, j = np.nonzero(count)
    points = data[i, j]
    mean, spread = np.nanmean(points, axis=1), np.nanstd(points, axis=1)
    marker = {
        "symbol": "square",
        "size": 14,
        "color": mean,
        "colorscale": style.QUANTITY_COLOURS,
        "colorbar": {"title": {"text": values.name}},
    }
    squares = style.graph_objects().Scatter(
        x=cube["D"].values[i],
        y=cube["B"].values[j],
        mode="markers",
        marker=marker,
        customdata=np.c_[mean, spread, count[i, j]],
        hovertemplate="D = %{x:g} J<br>B = %{y:g} J<br>%{customdata[0]:.5g} ± %{customdata[1]:.2g} over "
        "%{customdata[2]:d} lattices<extra></extra>",
    )
    name = str(values.attrs.get("long_name", values.name))
    return style.figure([squares], title=title or name, xaxis_title="D / J", yaxis_title="B / J")
