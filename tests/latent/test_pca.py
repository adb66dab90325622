import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylattice.errors import ModelError
from skylattice.latent.pca import fit_pca, torus_average
from skylattice.vae.spec import PRESETS, ModelSpec

SPEC = ModelSpec(latent=300, global_latent=100)


def planted(n=400, seed=0):
    """Latents along known orthogonal directions with variances 9, 4, 1, 0.01, ..."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    scores = rng.normal(size=(n, 8)) * np.sqrt([9, 4, 1] + [0.01] * 5)
    return scores @ axes.T + rng.normal(size=8), axes, scores


def test_pca__finds_planted_directions_and_variances():
    latents, axes, scores = planted(20000)
    pca = fit_pca(latents)
    np.testing.assert_allclose(abs(pca.components[:3] @ axes[:, :3]), np.eye(3), atol=0.02)
    np.testing.assert_allclose(pca.explained_variance[:3], [9, 4, 1], rtol=0.05)
    np.testing.assert_allclose(abs(np.corrcoef(pca.transform(latents)[:, 0], scores[:, 0])[0, 1]), 1, atol=1e-3)


def test_pca__scores_are_uncorrelated_with_the_stated_variance():
    latents, *_ = planted(100)
    pca = fit_pca(latents)
    np.testing.assert_allclose(np.cov(pca.transform(latents).T), np.diag(pca.explained_variance), atol=1e-10)
    assert pca.explained_variance_ratio.sum() == pytest.approx(1)
    assert pca.components_for(0.999999) <= 8
    assert pca.components_for(pca.explained_variance_ratio[0]) == 1


@given(st.integers(0, 2**8 - 1))
def test_pca__signs_do_not_depend_on_those_of_the_latents_when_along_a_quantity(flips):
    latents, _, scores = planted(60)
    quantity = scores[:, 0] + 0.1 * scores[:, 1]
    flip = np.where((flips >> np.arange(8)) & 1, -1.0, 1.0)
    before = fit_pca(latents, along=quantity).transform(latents)
    after = fit_pca(latents * flip, along=quantity).transform(latents * flip)
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-8)
    assert np.corrcoef(before[:, 0], quantity)[0, 1] > 0


def test_pca__largest_loading_is_positive_without_a_quantity():
    pca = fit_pca(planted()[0])
    assert all(row[abs(row).argmax()] > 0 for row in pca.components)


def test_pca__needs_two_vectors():
    with pytest.raises(ModelError, match="at least 2"):
        fit_pca(np.full((5, 3), np.nan))


def test_split__join_gives_back_the_vector():
    z = np.random.default_rng(0).normal(size=(2, SPEC.latents((40, 60))))
    local, whole = SPEC.split(z, (40, 60))
    assert local.shape == (2, 2, 3, 2)
    assert whole.shape == (2, 100)
    np.testing.assert_array_equal(SPEC.join(local, whole), z)


def test_torus_average__is_unchanged_by_shifts_of_the_map():
    rng = np.random.default_rng(1)
    local, whole = rng.normal(size=(3, 4, 5, 2)), rng.normal(size=(3, 100))
    shifted = np.roll(local, (1, 2), axis=(1, 2))
    results = [torus_average(SPEC.join(part, whole), SPEC, (80, 100)) for part in (local, shifted)]
    np.testing.assert_allclose(*results, atol=1e-12)
    assert results[0].shape == (3, 102)


def test_torus_average__leaves_a_thesis_model_as_it_is():
    z = np.random.default_rng(2).normal(size=(3, 500))
    np.testing.assert_array_equal(torus_average(z, PRESETS["thesis"], (200, 200)), z)


def test_split__names_the_length():
    with pytest.raises(ModelError, match="expected 108"):
        SPEC.split(np.zeros((1, 116)), (40, 40))
