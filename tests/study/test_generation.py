"""Generated lattices measured and kept beside the ensemble."""

import numpy as np
import pandas as pd
import pytest
from planted_ensemble import NETWORK

from skylattice import testing
from skylattice.latent.recipe import Recipe
from skylattice.study import generation
from skylattice.study.evaluation import evaluate_model, open_lattices

pytest.importorskip("keras")


@pytest.fixture
def experiment(store, models):
    from skylattice.vae import load

    ensemble = open_lattices(store)
    return ensemble, evaluate_model(ensemble, models[0]), load(models[0])


def test_experiment__of_another_number_of_lattices_leaves_the_first(experiment, monkeypatch):
    """A quick look with a few lattices must not replace the hundreds that a report has kept."""
    kept = generation.thesis_experiment(*experiment, 4)
    generation.thesis_experiment(*experiment, 2)
    monkeypatch.setattr(generation, "_generate", lambda *args: pytest.fail("drawn again"))
    pd.testing.assert_frame_equal(generation.thesis_experiment(*experiment, 4), kept)


def test_experiment__of_another_model_by_the_same_name_is_made_anew(experiment, tmp_path):
    from skylattice.vae import build, load, save

    ensemble, _, _ = experiment
    first = generation.thesis_experiment(*experiment, 3)
    other = save(build("periodic", seed=5, **NETWORK), tmp_path / "first")
    second = generation.thesis_experiment(ensemble, evaluate_model(ensemble, other), load(other), 3)
    assert not np.allclose(first["z0"], second["z0"])


def test_numbers__are_the_accessors():
    ds = testing.planted_skyrmions([(10, 10), (30, 12), (20, 30)], radius=5, size=40).stack(
        sample=("D", "B", "realization")
    )
    flat = ds.transpose("sample", ...).reset_index("sample")
    numbers = generation.numbers_of(flat)
    assert numbers.n_skyrmions.item() == 3
    assert numbers.topological_charge.item() == pytest.approx(flat.sky.topological_charge().item(), abs=1e-9)
    assert numbers.energy.item() == pytest.approx(flat.sky.energy().energy.item(), rel=1e-12)


def test_examples__are_drawn_by_their_recipe_with_meshes_and_counts(experiment):
    found = generation.examples(*experiment, 3, Recipe("thesis", seed=1))
    assert found.spin.shape == (3, 60, 60, 3)
    np.testing.assert_allclose(np.linalg.norm(found.spin, axis=-1), 1, atol=1e-5)
    for mesh, n in zip(found.meshes, found.n_skyrmions, strict=True):
        assert mesh is None or n >= 3
