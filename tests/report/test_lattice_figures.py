"""The figure of one lattice, by its data."""

import colorsys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from skylattice import testing
from skylattice.defects.detect import capacity
from skylattice.defects.triangulate import triangulate
from skylattice.errors import SchemaError
from skylattice.report import style
from skylattice.report.lattice_figures import angle_map, lattice_figure, site_map
from skylattice.report.layers import mesh_segments
from skylattice.study.lattice import analyse_lattice

ONE = {"D": 0, "B": 0, "realization": 0}


def planted(name):
    """One lattice of the planted ensemble."""
    ds = testing.hexagonal_ensemble().swap_dims(realization="planted")
    return ds.sel(planted=name)


def draw(spin, B=0.0, *, layers=("mesh", "defects", "burgers"), boundary="periodic"):
    """The figure of one lattice."""
    return lattice_figure(analyse_lattice(spin, B, boundary=boundary), layers=layers)


def traces(figure):
    """Traces that have a name, by it."""
    return {trace.name: trace for trace in figure.data if trace.name}


def test_figure__marks_defects_as_the_thesis_does():
    ds = planted("pairs")
    drawn = traces(draw(ds.spin, ds.B))
    fewer, more = drawn["fewer than 6 neighbours"], drawn["more than 6 neighbours"]
    assert len(fewer.x) == len(more.x) == 2
    assert set(fewer.customdata) == {5}
    assert set(more.customdata) == {7}
    assert more.marker.color == style.MORE_COLOUR
    assert fewer.marker.color == style.FEWER_COLOUR
    assert drawn["Delaunay mesh"].line.color == style.MESH_COLOUR
    assert all(trace.showlegend for trace in (fewer, more))


def test_figure__draws_burgers_vectors_of_true_length():
    ds = planted("pairs")
    lengths = traces(draw(ds.spin, ds.B))["Burgers vectors"].customdata[:, 2]
    np.testing.assert_allclose(lengths, 12, rtol=0.05)


def test_figure__colours_grains():
    points, size, _ = testing.bicrystal_points(3, 2, spacing=10)
    ds = testing.planted_skyrmions([tuple(p) for p in points], radius=2, size=size)
    drawn = traces(draw(ds.spin, ds.B, layers=["grains"]))
    assert {name.split(" (")[0] for name in drawn} == {"grain 1", "grain 2"}
    assert sum(len(trace.x) for trace in drawn.values()) == len(points)
    assert len({trace.marker.color for trace in drawn.values()}) == 2


@given(st.integers(0, 2**32 - 1))
def test_mesh_segments__end_at_the_border_and_lose_no_length(seed):
    size = (30, 40)
    mesh = triangulate(np.random.default_rng(seed).uniform(size=(40, 2)) * (40, 30), size)
    start, stop = mesh_segments(mesh)
    for ends in (start, stop):
        assert (ends >= -0.5 - 1e-9).all()
        assert (ends <= np.array([39.5, 29.5]) + 1e-9).all()
    edges = np.hypot(*mesh.vector[mesh.edges].T)
    whole = np.hypot(*(stop - start).T)[: len(edges)]
    assert (whole <= edges + 1e-9).all()
    # an edge over one border is drawn in two pieces that make up its length; over a corner a piece is missing
    inside = np.isclose(whole, edges)
    second = np.zeros(len(edges))
    second[~inside] = np.hypot(*(stop - start)[len(edges) :].T)
    single = ~inside & np.isclose(whole + second, edges, atol=1e-6)
    assert single.sum() >= 0.7 * (~inside).sum() > 0


def test_figure__of_a_lattice_without_a_mesh_shows_the_spins():
    ds = testing.planted_skyrmions([(10.0, 12.0)], radius=4, size=32)
    figure = draw(ds.spin, ds.B)
    assert len(figure.data) == 1
    np.testing.assert_allclose(np.asarray(figure.data[0].z) / 127, ds.spin.values[0, 0, 0, ..., 2], atol=0.5 / 127)
    assert figure.layout.title.text == "1 skyrmions, no triangulation"


def test_figure__of_a_hole_is_empty():
    ds = testing.ferromagnet(16)
    figure = draw(xr.full_like(ds.spin, np.nan), ds.B)
    assert figure.layout.title.text == "0 skyrmions, no triangulation"


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_figure__of_a_lazy_lattice(boundary):
    ds = planted("vacancy").chunk()
    assert "defects" in draw(ds.spin, ds.B, boundary=boundary).layout.title.text


def test_figure__names_what_is_wrong():
    ds = testing.hexagonal_ensemble(4, 4, 10)
    with pytest.raises(SchemaError, match="expected one lattice"):
        draw(ds.spin)
    with pytest.raises(SchemaError, match="layers: expected"):
        draw(ds.spin[0, 0, 0], layers=["edges"])
    with pytest.raises(SchemaError, match="periodic"):
        draw(ds.spin[0, 0, 0], layers=["grains"], boundary="open")


def test_lattice_figure__noise_has_a_mesh_too():
    ds = testing.random(64)
    spin = ds["spin"].isel(dict.fromkeys(ds["spin"].dims[:-3], 0))
    n = int(draw(spin, 0.1).layout.title.text.split()[0])
    assert n > capacity((64, 64)), "more than the usual number of rows: the case that this test is for"


def spins(*vectors):
    return xr.DataArray(np.array([vectors], dtype=float), dims=("y", "x", "component"))


def test_angle_map__is_hsl_of_angle_and_s_z():
    spin = testing.random(8, seed=3).spin.isel(ONE)
    colours = np.asarray(angle_map(spin).data[0].z)
    for (x, y, z), colour in zip(spin.values.reshape(-1, 3), colours.reshape(-1, 3), strict=True):
        expected = colorsys.hls_to_rgb(np.arctan2(y, x) / (2 * np.pi) % 1, (1 + z) / 2, 1)
        np.testing.assert_allclose(colour, 255 * np.array(expected), atol=0.51)


def test_angle_map__turns_its_hues_with_the_spins():
    red, green = angle_map(spins((1, 0, 0), (np.cos(2 * np.pi / 3), np.sin(2 * np.pi / 3), 0))).data[0].z[0]
    assert list(red) == [255, 0, 0]
    assert list(green) == [0, 255, 0]


def test_site_map__is_symmetric_about_zero_where_both_signs_occur():
    values = xr.DataArray(np.linspace(-1, 3, 100).reshape(10, 10), dims=("y", "x"), name="q")
    trace = site_map(values).data[0]
    assert trace.zmin == -trace.zmax
    assert site_map(abs(values) + 1).data[0].zmin > 0.9


def test_site_map__log_colours_the_logarithm_and_hovers_the_value():
    values = xr.DataArray([[1e-3, 10.0], [0.0, 1.0]], dims=("y", "x"))
    trace = site_map(values, name="error", log=True).data[0]
    np.testing.assert_allclose(trace.z, [[-3, 1], [-8, 0]], atol=1e-6)
    np.testing.assert_allclose(trace.customdata, values)
    assert "customdata" in trace.hovertemplate


def test_site_map__of_holes_and_constants_still_has_a_scale():
    for fill in (np.nan, 2.0):
        trace = site_map(xr.DataArray(np.full((4, 4), fill), dims=("y", "x"), name="q")).data[0]
        assert trace.zmin < trace.zmax


@pytest.mark.parametrize("draw", [site_map, angle_map])
def test_map__of_more_than_one_lattice_is_refused(draw):
    with pytest.raises(SchemaError, match="expected dims"):
        draw(testing.random(4).spin)
