"""How surprising a lattice is to a model: its error and its code beside those of the lattices it was trained on.

A model reconstructs badly what it has not seen, but it also reconstructs worse near the stripes and with more defects,
all of which it has seen. So the error is compared with that of training lattices of the same b = B/D² and disorder, and
the code with theirs. The numbers are fitted once and saved with the model; no Keras here.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from skylattice.errors import ModelError
from skylattice.vae.ranges import check_keys, check_type
from skylattice.vae.refinement import Refine
from skylattice.vae.spec import ModelSpec

#: Levels of the kept quantiles of the errors, in percent.
LEVELS = np.concatenate([[0.0, 0.5], np.linspace(1, 99, 50), [99.5, 100.0]])
#: A distance beyond which nothing can be read off it, and one that no training lattice comes near.
_FARTHEST, _FAR = 1000.0, 20.0
#: Features of codes that vary less than this over the training lattices say nothing.
_LEAST_VARIANCE = 1e-3
#: Fewest lattices to fit to.
MIN_LATTICES = 40


@dataclass(frozen=True)
class Calibration:
    """Errors and codes of training lattices, in numbers; part of a saved model, ``metadata["calibration"]``.

    Parameters
    ----------
    b, disorder
        Smallest and largest B/D² (J) and share of the skyrmions that are defects, among the lattices.
    coefficients
        Of 1, b, d, b², b d, d² in the mean logarithm of the MSE, with b and the disorder d scaled to [-1, 1].
    residuals
        Quantiles of the logarithm of the MSE beside that mean, at :data:`LEVELS`.
    live
        Which features of a code vary over the lattices.
    mean, whitening
        Mean of these features, shape (n,), and the matrix that makes their deviations uncorrelated and of variance 1,
        (n, n).
    n
        Number of lattices.
    """

    b: tuple[float, ...]
    disorder: tuple[float, ...]
    coefficients: tuple[float, ...]
    residuals: tuple[float, ...]
    live: tuple[int, ...]
    mean: tuple[float, ...]
    whitening: tuple[tuple[float, ...], ...]
    n: int

    def __post_init__(self) -> None:
        lengths = {"b": 2, "disorder": 2, "coefficients": 6, "residuals": len(LEVELS), "mean": len(self.live)}
        for name, length in lengths.items():
            values = _numbers(name, getattr(self, name))
            if values.shape != (length,):
                raise ModelError(f"calibration: {name}: expected {length} numbers, found shape {values.shape}.")
        expected = (len(self.live), len(self.live))
        if expected != (0, 0) and _numbers("whitening", self.whitening).shape != expected:
            raise ModelError(f"calibration: whitening: expected a matrix of {expected}.")
        if not (self.b[0] <= self.b[1] and self.disorder[0] <= self.disorder[1]):
            raise ModelError(f"calibration: expected growing limits, found b {self.b} and disorder {self.disorder}.")
        if not all(type(index) is int and 0 <= index < 100_000 for index in self.live):
            raise ModelError("calibration: live: expected positions of features.")

    def percentile(self, mse: np.ndarray, b: np.ndarray, disorder: np.ndarray) -> np.ndarray:
        """Percentage of training lattices of the same b and disorder that have a smaller error, in [0, 100].

        b and disorder beyond those of the training are taken at its edge. A disorder that is NaN, as of fewer skyrmions
        than make a lattice, is taken for the largest. NaN where the error is, which marks a hole, and nowhere else.
        """
        residual = np.log(np.maximum(mse, 1e-12)) - self._terms(b, disorder) @ np.array(self.coefficients)
        percentile = np.interp(residual, self.residuals, LEVELS)
        return np.where(np.isnan(mse), np.nan, percentile)

    def distance(self, mu: np.ndarray, spec: ModelSpec, size: Sequence[int]) -> np.ndarray:
        """Mahalanobis distance of codes ``(..., latents)`` to those of the training lattices, over what varies there.

        At most 1000; about the square root of the number of features for a lattice like those of the training.
        """
        deviation = features(mu, spec, size)[..., list(self.live)] - np.array(self.mean)
        distance = np.sqrt(((deviation @ np.array(self.whitening).reshape(len(self.live), -1)) ** 2).sum(axis=-1))
        return np.where(np.isnan(mu[..., 0]), np.nan, np.minimum(distance, _FARTHEST))

    def warn_of_far(self, distance: np.ndarray, b: np.ndarray) -> None:
        """Warn of lattices that the numbers do not reach: clipped, and not to be taken at their value."""
        there = np.isfinite(distance)
        low, high = self.b
        slack = 0.05 * (high - low)
        outside = there & ((b < low - slack) | (b > high + slack))
        far = there & (distance > _FAR)
        if outside.any() or far.any():
            warnings.warn(
                f"{int((outside | far).sum())} lattices are far from what the model was trained on "
                f"({int(outside.sum())} with B/D² outside {low:.3g} to {high:.3g} J, {int(far.sum())} by their code): "
                "their surprise is that of the nearest lattices it knows. Train on lattices like these.",
                stacklevel=2,
            )

    def to_config(self) -> dict[str, Any]:
        """JSON-ready values, six digits each."""
        return {name: _rounded(value) for name, value in asdict(self).items()}

    def _terms(self, b: np.ndarray, disorder: np.ndarray) -> np.ndarray:
        return _polynomial(_scaled(b, self.b), _scaled(np.nan_to_num(disorder, nan=np.inf), self.disorder))


def of_model(metadata: Mapping[str, Any], refine: Refine | None) -> Calibration | None:
    """What a saved model knows of its errors with codes refined in one way, or None if it was not calibrated so.

    Raises
    ------
    ModelError
        For values that are none.
    """
    stated = check_type("calibration", metadata.get("calibration", {}), Mapping, noun="a mapping by refinement")
    values = stated.get(refine or "none")
    if values is None:
        return None
    check_type("calibration", values, Mapping, noun="numbers by name")
    known = {f.name: f for f in fields(Calibration)}
    check_keys(values, known, where="calibration")
    missing = sorted(set(known) - set(values))
    if missing:
        raise ModelError(f"calibration: missing {missing}.")
    frozen = {name: _frozen(value) for name, value in values.items()}
    for name in set(known) - {"n"}:
        check_type(f"calibration: {name}", frozen[name], tuple, noun="a list")
    return Calibration(**frozen)


def fit(
    mse: np.ndarray, b: np.ndarray, disorder: np.ndarray, mu: np.ndarray, spec: ModelSpec, size: Sequence[int]
) -> Calibration:
    """The calibration of training lattices.

    Parameters
    ----------
    mse, b, disorder
        Of each lattice, shape (n,): error, B/D², share of the skyrmions that are defects.
    mu
        Codes, shape (n, latents).
    spec, size
        Of the model, and (ny, nx) of the lattices.

    Raises
    ------
    ModelError
        For fewer than :data:`MIN_LATTICES` lattices.
    """
    if len(mse) < MIN_LATTICES:
        raise ModelError(f"calibration: expected at least {MIN_LATTICES} lattices, found {len(mse)}.")
    # Fewer skyrmions than make a lattice are as disordered as any, or all alike.
    most = np.nanmax(disorder) if np.isfinite(disorder).any() else 0.0
    disorder = np.where(np.isnan(disorder), most, disorder)
    limits = {name: (float(x.min()), float(x.max())) for name, x in (("b", b), ("disorder", disorder))}
    terms = _polynomial(_scaled(b, limits["b"]), _scaled(disorder, limits["disorder"]))
    logarithm = np.log(np.maximum(mse, 1e-12))
    coefficients = np.linalg.lstsq(terms, logarithm, rcond=None)[0]
    residuals = np.percentile(logarithm - terms @ coefficients, LEVELS)
    described = features(mu, spec, size)
    live = np.flatnonzero(described.var(axis=0) > _LEAST_VARIANCE)
    covariance = np.atleast_2d(np.cov(described[:, live], rowvar=False)) if len(live) else np.empty((0, 0))
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(np.maximum(values, 1e-6 * values.max(initial=0.0)))
    return Calibration(
        **limits,
        coefficients=_frozen(coefficients.tolist()),
        residuals=_frozen(residuals.tolist()),
        live=tuple(live.tolist()),
        mean=_frozen(described[:, live].mean(axis=0).tolist()),
        whitening=_frozen(whitening.tolist()),
        n=len(mse),
    )


def features(mu: np.ndarray, spec: ModelSpec, size: Sequence[int]) -> np.ndarray:
    """What codes ``(..., latents)`` say of a lattice as a whole, whatever its size and shift by cells.

    Mean and logarithm of the mean square over the cells of each local channel, then the global part.
    """
    local, whole = spec.split(np.asarray(mu, dtype=np.float64), size)
    if not spec.cell_latents:
        return whole
    squares = np.log((local**2).mean(axis=(-3, -2)) + 1e-6)
    return np.concatenate([local.mean(axis=(-3, -2)), squares, whole], axis=-1)


def _polynomial(b: np.ndarray, disorder: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(b), b, disorder, b**2, b * disorder, disorder**2], axis=-1)


def _scaled(values: np.ndarray, limits: Sequence[float]) -> np.ndarray:
    """Limits to -1 and 1, and what is beyond to the nearer of them."""
    low, high = limits
    return 2 * (np.clip(values, low, high) - low) / max(high - low, 1e-12) - 1


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if not np.isfinite(array).all():
        raise ModelError(f"calibration: {name}: expected finite numbers.")
    return array


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
