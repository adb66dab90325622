"""One style: colours are named in one place, and every figure carries the template."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import skylattice
from skylattice import testing
from skylattice.report import ensemble_figures, evaluation_figures, panels, style, training_figures

pytest.importorskip("plotly")

PACKAGE = Path(skylattice.__file__).parent
DASHBOARD = PACKAGE.parent / "dashboard"
SHOWING = sorted([*(PACKAGE / "report").rglob("*.py"), *(PACKAGE / "report").rglob("*.html"), *DASHBOARD.rglob("*.py")])
COLOUR = re.compile(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b|rgba?\(|plotly_white|plotly_dark", re.IGNORECASE)


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_colours__are_named_in_style_alone(path):
    if path.name != "style.py":
        assert not COLOUR.findall(path.read_text())


def test_template__is_on_every_figure():
    frame = pd.DataFrame({"mse": [0.1, 0.2], "energy_difference": [0.0, 0.1], "n_defects": [1, 2]})
    ds = testing.random(8)
    maps = ds.spin.sel(component="z").isel(D=0, B=0).rename(realization="sample")
    for figure in (
        ensemble_figures.phase_diagram(ds.sky.topological_charge()),
        evaluation_figures.error_histograms({"m": frame}),
        training_figures.loss_curves([{"epoch": 1, "mse": 0.1, "kl": 1.0}]),
        panels.lattice_maps(maps, [""]),
    ):
        assert tuple(figure.layout.template.layout.colorway) == style.COLOURS


def test_templates__differ_in_their_paper_and_are_registered_when_drawing():
    import plotly.io

    style.graph_objects()
    light, dark = (plotly.io.templates[name].layout.paper_bgcolor for name in (style.LIGHT, style.DARK))
    assert light == style.PAGE_COLOURS["paper"] != dark
    code = "import sys, skylattice, skylattice.report.panels, skylattice.report.page; print('plotly' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_templates__leave_the_default_alone():
    import plotly.io

    before = plotly.io.templates.default
    style.figure()
    assert plotly.io.templates.default == before
