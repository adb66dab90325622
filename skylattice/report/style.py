"""How figures and pages look: every colour, size and margin, and Plotly templates that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skylattice.errors import MissingExtraError

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Names of the templates, for ``figure.update_layout(template=...)``; registered when the first figure is drawn.
LIGHT, DARK = "skylattice", "skylattice_dark"

#: One for each model, group or line.
COLOURS = ("#2b6cb0", "#dd6b20", "#2f855a", "#805ad5", "#c53030", "#718096")
#: Lines to compare with: chance, a threshold.
REFERENCE_COLOUR = "#8a94a6"
#: Around what was chosen in the (D, B) plane.
CHOSEN_COLOUR = "#e8590c"

#: Blue for cores (S_z = -1), white in the plane, red for the background (S_z = +1).
SPIN_COLOURS = "RdBu_r"
#: S_z from -1 to +1 in greys, so that the colours of mesh and defects stand out.
SPIN_GREYS = ((0.0, "#30343b"), (1.0, "#f4f4f4"))
ERROR_COLOURS, QUANTITY_COLOURS = "Inferno", "Viridis"

#: The mesh over spins in greys, and over a map in colours.
MESH_COLOUR, MESH_OVER_COLOURS = "rgba(220, 40, 40, 0.45)", "rgba(20, 20, 20, 0.6)"
#: As in the thesis: yellow for more than six neighbours, blue for fewer.
MORE_COLOUR, FEWER_COLOUR, RIM_COLOUR = "#f5c400", "#1f6fe0", "#ffffff"
BURGERS_COLOUR = "#0a8a4a"
GRAIN_COLOURS = ("#4c9f70", "#c06c9f", "#d98b3a", "#6f7fd0", "#9a8a3c", "#46a7b8", "#b85c4f", "#7d6a9f")

#: Of pages and of the light template.
PAGE_COLOURS = {
    "ink": "#1c2330",
    "muted": "#4a5568",
    "paper": "#ffffff",
    "panel": "#f4f6fa",
    "stripe": "#fafbfd",
    "rule": "#d8dde6",
}
_DARK_COLOURS = {"ink": "#e6e9ef", "muted": "#a8b2c3", "paper": "#14181f", "panel": "#1d232d", "rule": "#343c4a"}

#: Pixels: height of a chart and of a lattice, width that a grid of maps is laid out for, size of small text.
CHART_HEIGHT, LATTICE_HEIGHT, PAGE_WIDTH, SMALL_TEXT = 400, 640, 1100, 11
#: Pixels around a chart, and around maps without axes.
MARGIN = {"l": 60, "r": 20, "t": 60, "b": 50}
MAP_MARGIN = {"l": 5, "r": 5, "t": 60, "b": 5}
#: Below the axes, in a row.
LEGEND_BELOW = {"orientation": "h", "yanchor": "top", "y": -0.12}


def graph_objects() -> Any:
    """:mod:`plotly.graph_objects`, with the templates registered.

    Raises
    ------
    MissingExtraError
        Without Plotly.

    Examples
    --------
    >>> go = graph_objects()
    >>> go.Figure(layout={"template": LIGHT}).layout.template.layout.colorway[0] == COLOURS[0]
    True
    """
    try:
        import plotly.graph_objects as go
        import plotly.io
    except ImportError:
        raise MissingExtraError("plotly", "plot", "drawing a figure") from None
    if LIGHT not in plotly.io.templates:
        plotly.io.templates[LIGHT] = _template(go, PAGE_COLOURS)
        plotly.io.templates[DARK] = _template(go, _DARK_COLOURS)
    return go


def figure(traces: Sequence[Any] = (), *, height: int = CHART_HEIGHT, **layout: Any) -> go.Figure:
    """A figure of the project's style.

    Parameters
    ----------
    traces
        Of :func:`graph_objects`.
    height
        In pixels; the width is that of the page.
    layout
        More of Plotly's layout.

    Raises
    ------
    MissingExtraError
        Without Plotly.

    Examples
    --------
    >>> figure(title="Nothing").layout.height
    400
    """
    go = graph_objects()
    return go.Figure(list(traces)).update_layout(template=LIGHT, height=height, **layout)


def subplots(
    rows: int, columns: int, titles: Sequence[str], *, height: int = CHART_HEIGHT, layout: Any = None, **options: Any
) -> go.Figure:
    """A figure of several panels in the project's style.

    Parameters
    ----------
    rows, columns
        Of panels.
    titles
        Above each, row by row.
    height
        In pixels, of all.
    layout
        More of Plotly's layout.
    options
        Of :func:`plotly.subplots.make_subplots`.

    Raises
    ------
    MissingExtraError
        Without Plotly.

    Examples
    --------
    >>> [text.text for text in subplots(1, 2, ["left", "right"]).layout.annotations]
    ['left', 'right']
    """
    graph_objects()
    from plotly.subplots import make_subplots

    made = make_subplots(rows, columns, subplot_titles=list(titles), **options)
    return made.update_layout(template=LIGHT, height=height, **(layout or {}))


def _template(go: Any, colours: dict[str, str]) -> Any:
    axis = {
        "gridcolor": colours["rule"],
        "linecolor": colours["rule"],
        "zerolinecolor": colours["rule"],
        "ticks": "outside",
        "tickcolor": colours["rule"],
        "automargin": True,
        "title": {"standoff": 8},
    }
    bar = {"outlinewidth": 0, "thickness": 14}
    return go.layout.Template(
        layout={
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": colours["ink"]},
            "title": {"font": {"size": 16}, "x": 0.01, "xanchor": "left"},
            "paper_bgcolor": colours["paper"],
            "plot_bgcolor": colours["paper"],
            "colorway": COLOURS,
            "xaxis": axis,
            "yaxis": axis,
            "margin": MARGIN,
            "hoverlabel": {"align": "left"},
            "colorscale": {"sequential": QUANTITY_COLOURS, "diverging": SPIN_COLOURS},
        },
        data={
            "heatmap": [{"colorbar": bar}],
            "scatter": [{"marker": {"colorbar": bar, "colorscale": QUANTITY_COLOURS}}],
        },
    )
