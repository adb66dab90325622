"""Principal components of latent vectors, and what of a vector does not change when the lattice is shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from skylattice.errors import MissingExtraError, ModelError
from skylattice.vae.spec import ModelSpec


@dataclass(frozen=True)
class PCA:
    """Principal components of latent vectors (thesis 2.8).

    Attributes
    ----------
    mean
        Of the vectors, shape (latents,).
    components
        Unit vectors, the most important first, shape (components, latents).
    explained_variance
        Variance along each, shape (components,), not increasing.
    explained_variance_ratio
        The same over the total variance; sums to at most 1.
    """

    mean: np.ndarray
    components: np.ndarray
    explained_variance: np.ndarray
    explained_variance_ratio: np.ndarray

    def transform(self, latents: np.ndarray) -> np.ndarray:
        """Ẑ, shape (..., components), of latent vectors of shape (..., latents)."""
        return (np.asarray(latents, dtype=np.float64) - self.mean) @ self.components.T

    def components_for(self, ratio: float) -> int:
        """How many components explain at least ``ratio`` of the variance."""
        cumulative = np.cumsum(self.explained_variance_ratio)
        return int(np.searchsorted(cumulative, min(ratio, cumulative[-1]) - 1e-12) + 1)


def fit_pca(latents: np.ndarray, *, n_components: int | None = None, along: np.ndarray | None = None) -> PCA:
    """Principal components of latent vectors, with signs fixed.

    Data leave the sign of each component open. Here it is such that Ẑ grows with ``along``, a quantity of the
    lattices, over the fitted lattices; without one, or where the two are exactly uncorrelated, such that the entry of
    largest modulus is positive.

    Parameters
    ----------
    latents
        Shape (n, latents), n >= 2; vectors with a NaN are left out.
    n_components
        Default: as many as there can be, min(n - 1, latents).
    along
        One value per lattice, shape (n,), such as the topological charge.

    Raises
    ------
    ModelError
        For fewer than two vectors, or another shape.
    MissingExtraError
        Without scikit-learn.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> charge = rng.normal(size=50)
    >>> latents = np.outer(charge, [0.0, -3.0, 0.0]) + 0.1 * rng.normal(size=(50, 3))
    >>> pca = fit_pca(latents, along=charge)
    >>> pca.components[0].round(1) + 0, pca.components_for(0.9)
    (array([ 0., -1.,  0.]), 1)
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", "vae", "a principal component analysis")
    from sklearn.decomposition import PCA as Decomposition

    latents = np.asarray(latents, dtype=np.float64)
    usable = np.isfinite(latents).all(axis=-1) if latents.ndim == 2 else np.zeros(0)
    if usable.sum() < 2:
        raise ModelError(f"PCA: expected at least 2 latent vectors, shape (n, latents), found {latents.shape}.")
    most = min(int(usable.sum()) - 1, latents.shape[1])
    fitted = Decomposition(min(n_components or most, most), svd_solver="full").fit(latents[usable])
    components = fitted.components_
    largest = np.take_along_axis(components, abs(components).argmax(axis=1)[:, None], axis=1)[:, 0]
    sign = np.where(largest < 0, -1.0, 1.0)
    if along is not None:
        quantity = np.asarray(along, dtype=np.float64)[usable]
        quantity = np.where(np.isfinite(quantity), quantity - np.nanmean(quantity), 0.0)
        slope = components @ (latents[usable] - fitted.mean_).T @ quantity
        sign = np.where(slope == 0, sign, np.sign(slope))
    return PCA(fitted.mean_, components * sign[:, None], fitted.explained_variance_, fitted.explained_variance_ratio_)


def torus_average(latents: np.ndarray, spec: ModelSpec, size: Sequence[int]) -> np.ndarray:
    """The part of latent vectors that a shift of the lattice by whole cells leaves unchanged.

    The mean of the local map over its cells, then the global part: shape (..., latents per cell + global latents).
    Where the flat vector says as well where the skyrmions are, this says what lattice it is. A ``thesis`` model's
    vectors come back as they are.
    """
    local, whole = spec.split(np.asarray(latents), size)
    return whole if not spec.cell_latents else np.concatenate([local.mean(axis=(-3, -2)), whole], axis=-1)
