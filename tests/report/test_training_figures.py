import pandas as pd
import pytest

from skylattice.errors import SchemaError
from skylattice.report.training_figures import learning_curve, loss_curves

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


def test_learning_curve__is_ordered_by_size():
    figure = learning_curve(pd.DataFrame({"n_train": [100, 10], "test_mse": [0.1, 0.5]}))
    assert list(figure.data[0].y) == [0.5, 0.1]
