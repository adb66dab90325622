"""A density over latent vectors, learned from those of an ensemble: what new lattices are drawn from.

A latent map is a random field on a torus of cells, and every shift of a lattice is as good a lattice. So the Gaussian
part is stationary: one cross-spectrum of the channels per wave vector, the uniform part together with the global
latents. Its mean is a quadratic function of (D, B). A Gaussian knows no crystal: its waves have independent phases.
The density therefore keeps the training vectors as centres and spreads each by the Gaussian, shrunk so that mean and
covariance stay those of the data (the smoothed bootstrap of Silverman and Young [1]_). One number, the novelty, goes
from the training vectors themselves (0) to the Gaussian alone (1).

References
----------
.. [1] B. W. Silverman and G. A. Young, Biometrika 74, 469 (1987).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from skylattice.errors import ModelError
from skylattice.vae.spec import ModelSpec

#: Centres are drawn from so many lattices with the nearest (D, B).
NEIGHBOURS = 20
#: Fewer vectors than this do not tell a spectrum.
_MIN_VECTORS = 8


@dataclass(frozen=True)
class LatentSet:
    """Latent vectors of the lattices of an ensemble.

    Attributes
    ----------
    mu, log_var
        Shape (n, latents).
    D, B
        In J, shape (n,).
    n_defects
        Of each lattice, shape (n,), or None where nobody counted.
    spec, size
        Of the model, and (ny, nx) of the lattices in sites.
    """

    mu: np.ndarray
    log_var: np.ndarray
    D: np.ndarray
    B: np.ndarray
    n_defects: np.ndarray | None
    spec: ModelSpec
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if not len(self.mu):
            raise ModelError("latent vectors: expected those of at least one lattice, found none.")

    def __len__(self) -> int:
        return len(self.mu)

    @cached_property
    def prior(self) -> LatentPrior:
        """The density learned from them, by :func:`fit_prior`, once."""
        return fit_prior(self)

    def __getitem__(self, index: np.ndarray) -> LatentSet:
        parts = {name: getattr(self, name)[index] for name in ("mu", "log_var", "D", "B")}
        defects = None if self.n_defects is None else self.n_defects[index]
        return replace(self, **parts, n_defects=defects)

    def nearest(self, D: float, B: float, k: int = NEIGHBOURS) -> np.ndarray:
        """Positions of the ``k`` lattices nearest to (D, B), in units of the spread of D and of B, and of ties."""
        scale = [np.ptp(values) or 1.0 for values in (self.D, self.B)]
        distance = np.hypot((self.D - D) / scale[0], (self.B - B) / scale[1])
        last = np.partition(distance, min(k, len(distance)) - 1)[min(k, len(distance)) - 1]
        return np.flatnonzero(distance <= last * (1 + 1e-9))


@dataclass(frozen=True)
class LatentPrior:
    """The density of the module's docstring; made by :func:`fit_prior`.

    Attributes
    ----------
    centres
        The vectors it was learned from.
    mean
        Coefficients of the mean's uniform and global part, shape (6, channels + global latents).
    spectrum
        Square roots of the cross-spectra of the map, shape (rows, columns, channels, channels).
    uniform
        Square root of the covariance of uniform part and global latents together, both as orthonormal amplitudes.
    """

    centres: LatentSet
    mean: np.ndarray
    spectrum: np.ndarray
    uniform: np.ndarray

    def sample(self, D: np.ndarray, B: np.ndarray, *, novelty: float, rng: np.random.Generator) -> np.ndarray:
        """Latent vectors of new lattices at the given D and B, shape (n, latents), float32.

        Parameters
        ----------
        D, B
            In J, shape (n,).
        novelty
            Share s in [0, 1]: a centre's deviation from its mean enters with √(1 - s²), the Gaussian with s.
        rng
            Source of random numbers.
        """
        if not 0 <= novelty <= 1:
            raise ModelError(f"novelty: expected a share in [0, 1], found {novelty!r}.")
        spec, size = self.centres.spec, self.centres.size
        chosen = np.array([rng.choice(self.centres.nearest(d, b)) for d, b in zip(D, B, strict=True)])
        centres = self.centres[chosen]
        deviation = centres.mu - self._mean(centres.D, centres.B)
        local, whole = spec.split(deviation, size)
        if spec.cell_latents:
            rows, columns = spec.grid(size)
            shifts = rng.integers(0, (rows, columns), size=(len(local), 2))
            local = np.stack([np.roll(x, shift, axis=(0, 1)) for x, shift in zip(local, shifts, strict=True)])
        kept = np.sqrt(1 - novelty**2) * ModelSpec.join(local, whole)
        return (self._mean(D, B) + kept + novelty * self._gaussian(len(chosen), rng)).astype(np.float32)

    def _mean(self, D: np.ndarray, B: np.ndarray) -> np.ndarray:
        spec, size = self.centres.spec, self.centres.size
        values = _quadratic(np.asarray(D), np.asarray(B)) @ self.mean
        channels = spec.cell_latents
        rows, columns = spec.grid(size)
        local = np.broadcast_to(values[:, None, None, :channels], (len(values), rows, columns, channels))
        return ModelSpec.join(local, values[:, channels:])

    def _gaussian(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Deviations with the covariance of the data averaged over all shifts."""
        rows, columns, channels = self.spectrum.shape[:3]
        whole = rng.normal(size=(n, len(self.uniform))) @ self.uniform
        if not channels:
            return whole
        waves = np.fft.fft2(rng.normal(size=(n, rows, columns, channels)), axes=(1, 2), norm="ortho")
        waves = np.einsum("yxij,nyxj->nyxi", self.spectrum, waves)
        waves[:, 0, 0] = whole[:, :channels]
        return ModelSpec.join(np.fft.ifft2(waves, axes=(1, 2), norm="ortho").real, whole[:, channels:])


def fit_prior(latents: LatentSet) -> LatentPrior:
    """Learn a density from latent vectors: closed form, a fraction of a second.

    The covariance of the uniform part and the global latents is shrunk towards a multiple of the identity as far as
    the number of vectors asks for (Ledoit and Wolf).

    Raises
    ------
    ModelError
        For fewer than 8 vectors.
    """
    if len(latents) < _MIN_VECTORS:
        raise ModelError(
            f"learned prior: expected the latents of at least {_MIN_VECTORS} lattices, found {len(latents)}. Encode a "
            "larger ensemble, or use method='neighbourhood'."
        )
    from sklearn.covariance import LedoitWolf

    local, whole = latents.spec.split(latents.mu.astype(np.float64), latents.size)
    channels = latents.spec.cell_latents
    level = np.concatenate([local.mean(axis=(1, 2)), whole], axis=-1) if channels else whole
    features = _quadratic(latents.D, latents.B)
    mean = np.linalg.lstsq(features, level, rcond=None)[0]
    residual = level - features @ mean
    rows, columns = latents.spec.grid(latents.size) if channels else (1, 1)
    residual[:, :channels] *= np.sqrt(rows * columns)  # a constant of 1 is an orthonormal amplitude of √cells
    spectrum = np.zeros((rows, columns, channels, channels), dtype=complex)
    if channels:
        waves = np.fft.fft2(local, axes=(1, 2), norm="ortho")
        spectrum = _root(np.einsum("nyxi,nyxj->yxij", waves, waves.conj()) / len(waves))
    return LatentPrior(latents, mean, spectrum, _root(LedoitWolf(assume_centered=True).fit(residual).covariance_))


def _quadratic(D: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Terms of the mean: all monomials of D and B up to second order, shape (n, 6)."""
    return np.stack([np.ones_like(D), D, B, D * D, D * B, B * B], axis=-1).astype(np.float64)


def _root(covariance: np.ndarray) -> np.ndarray:
    """Hermitian square root of positive semidefinite matrices (..., k, k)."""
    values, vectors = np.linalg.eigh(covariance)
    scaled = vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
    return scaled @ np.swapaxes(vectors, -1, -2).conj()
