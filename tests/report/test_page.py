"""Figures by their data, and pages that need nothing beside them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from skylattice import testing
from skylattice.errors import SchemaError
from skylattice.report.ensemble_figures import lattice_maps, phase_diagram
from skylattice.report.page import Page


def charges():
    values = np.array([[[-10.0, -12.0], [np.nan, np.nan]], [[-20.0, np.nan], [0.0, 0.0]]])
    return xr.DataArray(
        values, dims=("D", "B", "realization"), coords={"D": [0.4, 0.5], "B": [0.1, 0.2]}, name="topological_charge"
    )


def test_phase_diagram__has_a_square_per_point_that_is_there():
    trace = phase_diagram(charges()).data[0]
    assert trace.marker.symbol == "square"
    assert list(zip(trace.x, trace.y, trace.marker.color, strict=True)) == [
        (0.4, 0.1, -11.0),
        (0.5, 0.1, -20.0),
        (0.5, 0.2, 0.0),
    ]
    np.testing.assert_allclose(trace.customdata, [[-11, 1, 2], [-20, 0, 1], [0, 0, 2]])


def test_phase_diagram__takes_other_orders_of_dims():
    first = phase_diagram(charges()).data[0]
    second = phase_diagram(charges().transpose("realization", "B", "D")).data[0]
    np.testing.assert_array_equal(first.marker.color, second.marker.color)


def test_phase_diagram__names_dims_it_cannot_draw():
    with pytest.raises(SchemaError, match="Reduce the others first"):
        phase_diagram(charges().expand_dims("y"))


def test_lattice_maps__keep_values_within_a_step_of_the_scale():
    maps = testing.random(8, realizations=3).spin.sel(component="z").isel(D=0, B=0).rename(realization="sample")
    figure = lattice_maps(maps, ["a", "b", "c"], columns=2)
    assert len(figure.data) == 3
    for trace, image in zip(figure.data, maps.values, strict=True):
        np.testing.assert_allclose(np.asarray(trace.z) / 127.0, image, atol=0.5 / 127)
    assert [annotation.text for annotation in figure.layout.annotations] == ["a", "b", "c"]


def test_lattice_maps__need_a_title_each():
    maps = testing.ferromagnet(4).spin.sel(component="z").isel(D=0, B=0).rename(realization="sample")
    with pytest.raises(SchemaError, match=r"1, 4, 4.*2 titles"):
        lattice_maps(maps, ["a", "b"])


def test_page__stands_alone_and_escapes_text(tmp_path):
    page = Page("<title>", "lead").heading("A & B").text("x < y").table(pd.DataFrame({"a": [1.23456]}), decimals=2)
    page.figure(phase_diagram(charges())).figure(phase_diagram(charges()))
    text = page.write(tmp_path / "new" / "page.html").read_text()
    assert "<h1>&lt;title&gt;</h1>" in text
    assert "A &amp; B" in text
    assert "1.23" in text
    assert 'src="http' not in text
    assert text.count("Plotly.newPlot(") == 2
    assert text.count("plotly.js v") == 1
