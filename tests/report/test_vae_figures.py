import numpy as np
import pandas as pd
import pytest

from skylattice import testing
from skylattice.errors import SchemaError
from skylattice.report.vae_figures import learning_curve, loss_curves, reconstruction_maps

pytest.importorskip("plotly")

HISTORY = [{"epoch": 1, "mse": 0.2, "kl": 5.0, "val_mse": 0.1, "val_kl": 6.0}, {"epoch": 2, "mse": 0.1, "kl": 9.0}]


def test_loss_curves__show_every_column_of_the_history():
    figure = loss_curves(HISTORY)
    lines = {(line.name, line.yaxis): list(line.y) for line in figure.data}
    assert lines["training, ε sampled", "y"] == [0.2, 0.1]
    assert lines["training, ε sampled", "y2"] == [5, 9]
    assert lines["validation, ε = 0", "y2"][0] == 6


def test_loss_curves__work_without_validation():
    assert len(loss_curves([{"epoch": 1, "mse": 0.2, "kl": 5.0}]).data) == 2


def test_loss_curves__name_the_missing_column():
    with pytest.raises(SchemaError, match=r"missing \['kl'\]"):
        loss_curves(pd.DataFrame({"epoch": [1], "mse": [0.1]}))


def test_reconstruction_maps__show_input_output_and_squared_error():
    ds = testing.random(6, realizations=4)
    spin, output = ds.spin[0, 0, :2], ds.spin[0, 0, 2:]
    spin, output = (array.rename(realization="sample").drop_vars("sample") for array in (spin, output))
    figure = reconstruction_maps(spin, output, ["first", "second"])
    images = [np.array(trace.z) for trace in figure.data]
    np.testing.assert_allclose(images[0], spin[0, ..., 2], atol=1e-3)
    np.testing.assert_allclose(images[4], output[1, ..., 2], atol=1e-3)
    np.testing.assert_allclose(images[5], ((output[1] - spin[1]) ** 2).sum("component"), atol=1e-3)
    with pytest.raises(SchemaError, match="and 1 titles"):
        reconstruction_maps(spin, output, ["first"])


def test_learning_curve__is_ordered_by_size():
    figure = learning_curve(pd.DataFrame({"n_train": [100, 10], "test_mse": [0.1, 0.5]}))
    assert list(figure.data[0].y) == [0.5, 0.1]
