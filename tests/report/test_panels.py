import numpy as np
import pytest

from skylattice import testing
from skylattice.errors import SchemaError
from skylattice.latent.recipe import Recipe
from skylattice.report.panels import Panel, error_panel, lattice_maps, panel_grid, reconstruction_maps
from skylattice.report.pictures import artefacts, generated
from skylattice.study.generation import Examples
from skylattice.study.lattice import mesh_of_lattice
from skylattice.study.shown import compare

pytest.importorskip("plotly")


def lattice():
    return testing.hexagonal_ensemble(columns=6, rows=6, spacing=10).isel(D=0, B=0).rename(realization="sample")


def test_panel__is_drawn_in_steps_of_its_colour_scale():
    figure = panel_grid([[Panel(np.array([[-1.0, 0.0], [0.5, 1.0]]))]])
    np.testing.assert_array_equal(figure.data[0].z, [[-127, 0], [64, 127]])


def test_error_panel__is_logarithmic():
    figure = panel_grid([[error_panel(np.array([[0.0, 0.01], [0.1, 1.0]]), "", (0.01, 1.0))]])
    np.testing.assert_array_equal(figure.data[0].z, [[-127, -127], [0, 127]])


def test_panel__draws_the_defects_of_its_mesh():
    ds = lattice().isel(sample=2)
    mesh = mesh_of_lattice(ds.spin, float(ds.B))
    _, _, fewer, more = panel_grid([[Panel(ds.spin[..., 2].values, mesh=mesh)]]).data
    assert len(fewer.x) + len(more.x) == ds.sky.defects().n_defects.item()


def test_panel_grid__needs_rows_of_one_length():
    with pytest.raises(SchemaError, match=r"\[1, 2\]"):
        panel_grid([[None], [None, None]])


@pytest.mark.parametrize("n", [1, 2, 7])
def test_panel_grid__anchors_each_y_axis_to_its_own_x_axis(n):
    maps = testing.random(8, realizations=n).spin.sel(component="z").isel(D=0, B=0).rename(realization="sample")
    figure = lattice_maps(maps, [str(k) for k in range(n)], columns=3)
    for trace in figure.data:
        y_axis = figure.layout[f"yaxis{trace.yaxis[1:]}"]
        assert y_axis.scaleanchor == trace.xaxis == y_axis.anchor


def test_panel__bar_says_what_the_steps_mean():
    linear = Panel(np.zeros((2, 2)), limits=(0.0, 0.5), has_bar=True)
    logarithmic = Panel(np.ones((2, 2)), limits=(0.01, 1.0), log=True, has_bar=True)
    first, second = panel_grid([[linear, logarithmic]]).data
    assert first.showscale
    assert list(first.colorbar.ticktext) == ["0", "0.125", "0.25", "0.375", "0.5"]
    assert list(second.colorbar.ticktext) == ["0.01", "0.0316", "0.1", "0.316", "1"]
    np.testing.assert_allclose(first.colorbar.tickvals, [-127, -63.5, 0, 63.5, 127])


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


def test_reconstruction_maps__show_input_output_and_squared_error():
    ds = testing.random(6, realizations=4)
    spin, output = ds.spin[0, 0, :2], ds.spin[0, 0, 2:]
    spin, output = (array.rename(realization="sample").drop_vars("sample") for array in (spin, output))
    figure = reconstruction_maps(spin, output, ["first", "second"], error_limit=4.0)
    images = [np.array(trace.z) / 127 for trace in figure.data]
    np.testing.assert_allclose(images[0], spin[0, ..., 2], atol=0.5 / 127)
    np.testing.assert_allclose(images[4], output[1, ..., 2], atol=0.5 / 127)
    squared = ((output[1] - spin[1]) ** 2).sum("component")
    np.testing.assert_allclose(2 * (images[5] + 1), squared, atol=2 / 127)
    with pytest.raises(SchemaError, match="and 1 titles"):
        reconstruction_maps(spin, output, ["first"])


def test_artefacts__puts_the_planted_one_in_the_middle():
    ds = lattice().isel(sample=[0, 1]).drop_vars("planted")
    output = ds.copy(deep=True)
    output.spin.values[1, 3, 55] = -output.spin.values[1, 3, 55]
    figure = artefacts(compare(ds, output.spin, ["A", "B"]), n=1)
    residual = figure.data[2].z
    assert np.unravel_index(np.argmax(residual), residual.shape) == (residual.shape[0] // 2, residual.shape[1] // 2)


def test_generated__leaves_empty_places_at_the_end():
    ds = lattice().isel(sample=[0, 1, 2]).drop_vars("planted")
    counts = ds.sky.defects()
    drawn = Examples(Recipe(), ds.spin.values, [None] * 3, counts.n_skyrmions.values, counts.n_defects.values)
    figure = generated(drawn, title="t")
    assert sum(trace.type == "heatmap" for trace in figure.data) == 6
