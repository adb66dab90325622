"""How quantities of lattices go together: correlations and distances with bootstrap intervals, partial correlations,
and what a linear map reads off latent vectors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

import numpy as np

from skylattice.errors import MissingExtraError, SchemaError

Method = Literal["pearson", "spearman"]

#: Fewer pairs than this tell nothing about a correlation.
MIN_PAIRS = 4
CONFIDENCE = 0.95
RESAMPLES = 1000
#: Positions of resampled rows that are held in memory, 32 MiB of them.
_ROWS_AT_ONCE = 2**22


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap confidence interval; NaN where the data do not determine it.

    Attributes
    ----------
    value
        The estimate from all samples.
    low, high
        Ends of the percentile interval over resampled lattices.
    n
        Number of lattices.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def correlation(
    x: np.ndarray,
    y: np.ndarray,
    *,
    method: Method = "pearson",
    given: np.ndarray | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Correlation of two quantities over lattices.

    Parameters
    ----------
    x, y
        One value per lattice, shape (n,). Pairs with a NaN are left out.
    method
        ``"pearson"``, or ``"spearman"``: that of the ranks.
    given
        Quantities to hold fixed, shape (n,) or (n, k): the correlation is that of what a linear fit on them leaves of
        x and y (for Spearman, of the ranks of all).
    confidence
        Of the interval.
    resamples
        Bootstrap samples: lattices drawn with replacement, each computed from scratch.
    seed
        Of the bootstrap.

    Returns
    -------
    Estimate in [-1, 1]; NaN for fewer than 4 pairs, or where x or y does not vary.

    Raises
    ------
    SchemaError
        If the shapes differ, or the method is unknown.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> D = rng.normal(size=200)
    >>> x, y = D + 0.3 * rng.normal(size=200), D + 0.3 * rng.normal(size=200)
    >>> round(correlation(x, y).value, 1), abs(correlation(x, y, given=D).value) < 0.2
    (0.9, True)
    """
    if method not in get_args(Method):
        raise SchemaError(f"method: expected one of {get_args(Method)}, found {method!r}.")
    columns = [np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)]
    if given is not None:
        columns += list(np.asarray(given, dtype=np.float64).reshape(len(given), -1).T)
    if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
        raise SchemaError(f"correlation: expected arrays of one length, found {[c.shape for c in columns]}.")
    table = np.stack(columns, axis=-1)
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < MIN_PAIRS:
        return Estimate(np.nan, np.nan, np.nan, len(table))
    return bootstrap(
        lambda rows: _correlation(rows, method), table, confidence=confidence, resamples=resamples, seed=seed
    )


def bootstrap(
    statistic: Callable[..., float],
    *samples: np.ndarray,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A statistic of samples and its percentile interval, by :func:`scipy.stats.bootstrap`.

    Parameters
    ----------
    statistic
        Takes as many arrays as there are samples.
    samples
        Each is resampled by itself, along its first axis.
    confidence, resamples, seed
        As for :func:`correlation`.

    Returns
    -------
    Estimate. Resamples whose statistic is NaN are left out; the interval is NaN where all are, where the value itself
    is, and where a sample has fewer than two rows.

    Raises
    ------
    SchemaError
        For fewer than two resamples.

    Examples
    --------
    >>> estimate = bootstrap(np.mean, np.tile([0.0, 1.0], 50))
    >>> estimate.value, 0.35 < estimate.low < 0.5 < estimate.high < 0.65
    (0.5, True)
    """
    from scipy import stats

    if resamples < 2:
        raise SchemaError(f"resamples: expected at least 2, found {resamples!r}.")
    value, n = float(statistic(*samples)), min(len(sample) for sample in samples)
    if n < 2 or not np.isfinite(value):
        return Estimate(value, np.nan, np.nan, n)

    def of_rows(*rows: np.ndarray) -> float:
        return statistic(*(sample[chosen] for sample, chosen in zip(samples, rows, strict=True)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # of NaN, which are left out below
        draws = stats.bootstrap(
            [np.arange(len(sample)) for sample in samples],
            of_rows,
            n_resamples=resamples,
            batch=max(1, _ROWS_AT_ONCE // max(len(sample) for sample in samples)),
            vectorized=False,
            method="percentile",
            random_state=np.random.default_rng(seed),
        ).bootstrap_distribution
    tail = 50 * (1 - confidence)
    finite = draws[np.isfinite(draws)]
    low, high = np.percentile(finite, [tail, 100 - tail]) if len(finite) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high), n)


def kolmogorov_smirnov(
    x: np.ndarray, y: np.ndarray, *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Largest distance between the cumulative distributions of two samples, in [0, 1].

    Resampling adds noise to both samples, so the interval lies rather above the distance between the populations;
    compare with that of two halves of one sample.
    """
    x, y = (np.sort(np.asarray(sample, dtype=np.float64)) for sample in (x, y))
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if not len(x) or not len(y):
        return Estimate(np.nan, np.nan, np.nan, 0)
    return bootstrap(_ks, x, y, confidence=confidence, resamples=resamples, seed=seed)


def linear_probe(
    latents: np.ndarray,
    target: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    folds: int = 5,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """How much of a quantity a linear map reads off latent vectors: cross-validated R².

    Ridge regression on standardised latents, its penalty chosen within each training fold; R² is that of the
    predictions for lattices held out.

    Parameters
    ----------
    latents
        Shape (n, latents).
    target
        Shape (n,). Lattices with a NaN are left out.
    groups
        Label of each lattice, shape (n,); a group is held out as a whole. Give one per (D, B) point, so that no
        realization of a point helps to predict another.
    folds
        Parts that take turns in being held out.
    confidence, resamples, seed
        Of the interval, which resamples the lattices' predictions.

    Returns
    -------
    R² of at most 1; 0 for guessing the mean. NaN where the target does not vary, or there are fewer groups than folds.

    Raises
    ------
    MissingExtraError
        Without scikit-learn.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", "vae", "a linear probe")
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    latents, target = np.asarray(latents, dtype=np.float64), np.asarray(target, dtype=np.float64)
    labels = np.arange(len(target)) if groups is None else np.unique(groups, return_inverse=True)[1]
    usable = np.isfinite(latents).all(axis=1) & np.isfinite(target)
    latents, target, labels = latents[usable], target[usable], labels[usable]
    if len(np.unique(labels)) < folds or np.ptp(target) == 0:
        return Estimate(np.nan, np.nan, np.nan, len(target))
    probe = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-2, 5, 15)))
    predicted = cross_val_predict(probe, latents, target, groups=labels, cv=GroupKFold(folds))
    pairs = np.stack([target, predicted], axis=-1)
    return bootstrap(_r_squared, pairs, confidence=confidence, resamples=resamples, seed=seed)


def _correlation(table: np.ndarray, method: Method) -> float:
    """Correlation of the first two columns; partial if there are more."""
    if method == "spearman":
        from scipy.stats import rankdata

        table = rankdata(table, axis=0)
    table = table - table.mean(axis=0)
    first, others = table[:, :2], table[:, 2:]
    scale = np.sqrt((first**2).sum(axis=0))
    if others.shape[1]:
        first = first - others @ np.linalg.lstsq(others, first, rcond=None)[0]
    norm = np.sqrt((first**2).sum(axis=0))
    if (norm <= 1e-10 * scale).any():  # constant, or a linear function of what is held fixed
        return np.nan
    return float(np.clip((first[:, 0] / norm[0]) @ (first[:, 1] / norm[1]), -1.0, 1.0))


def _ks(x: np.ndarray, y: np.ndarray) -> float:
    x, y = np.sort(x), np.sort(y)
    both = np.concatenate([x, y])
    return float(np.abs(np.searchsorted(x, both, "right") / len(x) - np.searchsorted(y, both, "right") / len(y)).max())


def _r_squared(pairs: np.ndarray) -> float:
    target, predicted = pairs.T
    spread = ((target - target.mean()) ** 2).sum()
    return float(1 - ((target - predicted) ** 2).sum() / spread) if spread > 0 else np.nan
