"""What an ensemble says of its lattices as particles: how many, how disordered, and of which profile, by D and B.

All lengths are in units of the spacing a = √(2/√3 · area / N), and the field enters as b = B J / D²: in these units
lattices of any D look alike. Calibrated on one ensemble, or taken from the one that comes with skylattice.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import ModelError, SchemaError

#: Steepness of the repulsion, time step, the temperatures of the quench from the random start, and the frictions of the
#: quench and of the settling without noise after it: in the units of :mod:`skylattice.kernels.particles`. Chosen on
#: lattices of D = 0.475, b = 0.5 and D = 0.5125, b = 0.45, for the energy at equal numbers of skyrmions and defects.
KAPPA, TIME_STEP = 6.0, 0.1
QUENCH_STEPS, QUENCH_START, QUENCH_STOP = 15, 0.3, 0.003
QUENCH_FRICTION, SETTLING_FRICTION = 1.5, 3.0
#: Standard deviation of the logarithm of the number of settling steps.
STEPS_SPREAD = 0.1
#: The packing that comes with skylattice.
SHIPPED = Path(__file__).with_name("packing.json")
#: A (D, b) this far out of the calibrated range, relative to it, is refused.
_MARGIN = 0.02


def spacing_of(n: Any, size: tuple[int, int]) -> Any:
    """The lattice constant in sites of a perfect hexagonal lattice of ``n`` points on so many sites."""
    return np.sqrt(2 / np.sqrt(3) * size[0] * size[1] / n)


@dataclass(frozen=True)
class Settling:
    """The share of defects in thermalised lattices, by the steps that their packings settled for.

    It depends on the number of particles, since small boxes force order or disorder on them, and on their spacing in
    sites, since the sweeps that thermalise heal the more defects the smaller it is.

    Attributes
    ----------
    steps, numbers, spacings
        Of settling, of particles in a square box, and between them in sites; ascending.
    shares
        By spacing, number and steps; made to fall along the steps.
    """

    steps: tuple[float, ...]
    numbers: tuple[float, ...]
    spacings: tuple[float, ...]
    shares: tuple[tuple[tuple[float, ...], ...], ...]

    def shares_of(self, n: np.ndarray, spacing: np.ndarray) -> np.ndarray:
        """Shares for n particles by the steps, shape (..., steps); out of the table those at its edge."""
        from scipy.interpolate import RegularGridInterpolator

        falling = np.minimum.accumulate(np.array(self.shares), axis=-1) * (1 - 1e-9 * np.arange(len(self.steps)))
        axes = (np.log(self.spacings), np.log(self.numbers))
        at = [np.clip(np.log(v), axis[0], axis[-1]) for v, axis in zip((spacing, n), axes, strict=True)]
        return np.exp(RegularGridInterpolator(axes, np.log(falling))(np.stack(at, axis=-1)))


@dataclass(frozen=True)
class Packing:
    """Skyrmion lattices as packed particles, as functions of D and b = B J / D².

    Attributes
    ----------
    density
        Coefficients of log(skyrmions per site) on 1, log D, log² D, b, b², b³, b log D.
    spread
        Standard deviation of N among lattices of one (D, B), divided by the square root of the sites.
    disorder
        Coefficients of log(share of defects among the skyrmions) on 1, log D, b, b², b³.
    radius, decay
        Coefficients of R/a and ξ/a on 1, b, b²: see :func:`skylattice.kernels.particles.decode`.
    settling
        How the disorder of packings falls while they settle.
    correction
        By which factor lattices of different numbers of particles and steps have more defects than the mean ones.
    D_range, b_range
        Where the ensemble has lattices.
    points
        D, B and the number of lattices of each point of the ensemble.
    """

    density: tuple[float, ...]
    spread: float
    disorder: tuple[float, ...]
    radius: tuple[float, ...]
    decay: tuple[float, ...]
    settling: Settling
    correction: float
    D_range: tuple[float, float]
    b_range: tuple[float, float]
    points: tuple[tuple[float, float, float], ...]

    def check(self, D: np.ndarray, B: np.ndarray) -> None:
        """Raise :class:`ModelError` for a (D, B) beyond the ensemble: a polynomial says nothing there."""
        for name, values, (low, high) in (("D", D, self.D_range), ("|B| J / D²", abs(B) / D**2, self.b_range)):
            outside = (values < low - _MARGIN * max(high - low, low)) | (values > high + _MARGIN * max(high - low, low))
            if outside.any():
                raise ModelError(
                    f"method 'particles': expected {name} from {low:.4g} to {high:.4g}, where it is calibrated, found "
                    f"{float(values[outside][0]):.4g}. Calibrate it on an ensemble that has lattices there."
                )

    def mean_number(self, D: np.ndarray, B: np.ndarray, sites: int) -> np.ndarray:
        """Mean number of skyrmions at (D, B) on so many sites."""
        return sites * np.exp(density_features(D, abs(B) / D**2) @ np.array(self.density))

    def defect_share(self, D: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Mean share of defects among the skyrmions at (D, B)."""
        return np.exp(disorder_features(D, abs(B) / D**2) @ np.array(self.disorder))

    def profile(self, D: float, B: float) -> tuple[float, float]:
        """R/a and ξ/a at (D, B)."""
        powers = (abs(B) / D**2) ** np.arange(3)
        return float(powers @ np.array(self.radius)), float(powers @ np.array(self.decay))

    def steps_for(
        self, share: np.ndarray, D: np.ndarray, B: np.ndarray, size: tuple[int, int], *, at_least: bool = False
    ) -> np.ndarray:
        """Settling steps that leave so large a share of defects among the skyrmions on (ny, nx) sites.

        Parameters
        ----------
        share, D, B, size
            Of each lattice; the size of all.
        at_least
            Whether the fewest defects that packings can have will do where fewer are wanted, with a warning.

        Raises
        ------
        ModelError
            For a share that packings do not have.
        """
        steps, shares = np.array(self.settling.steps), self._shares(D, B, size)
        low, high = shares[:, -1], shares[:, 0]
        if at_least and (share < low).any():
            warnings.warn(
                f"The new lattices have more defects than the ensemble's, {np.max(low):.3f} of the skyrmions at least "
                f"instead of {np.min(share):.3f}: packings of so few do not get more ordered.",
                stacklevel=2,
            )
            share = np.maximum(share, low)
        if (share > high).any() or (share < low).any():
            raise ModelError(
                f"defects: expected a share of {np.max(low):.3f} to {np.min(high):.3f} of the skyrmions, as packings "
                f"have, found {np.min(share):.3f} to {np.max(share):.3f}. Near the stripes, |B| J / D² below about "
                "0.33, skyrmions are stretched, which particles do not describe: ask for fewer defects."
            )
        found = [np.interp(-np.log(s), -np.log(row), np.log(steps)) for s, row in zip(share, shares, strict=True)]
        return np.exp(np.array(found))

    def reaches(self, D: np.ndarray, B: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Whether packings at (D, B) can be as disordered as the ensemble: not where skyrmions are stretched."""
        return self.defect_share(D, B) <= self.range_of_shares(D, B, size)[1]

    def range_of_shares(self, D: np.ndarray, B: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest share of defects that packings at (D, B) have."""
        shares = self._shares(D, B, size)
        return shares[:, -1], shares[:, 0]

    def _shares(self, D: np.ndarray, B: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Shares of defects by the settling steps, shape (n, steps)."""
        n = self.mean_number(D, B, size[0] * size[1])
        return self.settling.shares_of(n, spacing_of(n, size)) * self.correction

    @classmethod
    def shipped(cls) -> Packing:
        """That of lattices of 200×200 sites annealed slowly to T = 0.006, made by :mod:`skylattice.latent.ship`."""
        return cls.from_json(SHIPPED.read_text())

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Packing:
        """From what :meth:`to_json` wrote."""
        known: dict[str, Any] = json.loads(text)
        settling = Settling(**{name: _tuples(value) for name, value in known.pop("settling").items()})
        return cls(settling=settling, **{name: _tuples(value) for name, value in known.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def pack(n: int, steps: int, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Positions (n, 2) in sites, columns x and y, of particles quenched from random places and settled for ``steps``.

    Raises
    ------
    SchemaError
        For no particle.
    """
    from skylattice.kernels import particles

    if n < 1:
        raise SchemaError(f"pack: expected at least one particle, found {n}.")
    a = spacing_of(n, size)
    box = np.array([size[1] / a, size[0] / a])
    places = particles.scatter(rng.random((20 * n, 2)), n, box)
    temperatures = np.geomspace(QUENCH_START, QUENCH_STOP, QUENCH_STEPS)
    frictions = np.r_[np.full(QUENCH_STEPS, QUENCH_FRICTION), np.full(steps, SETTLING_FRICTION)]
    noise = rng.standard_normal((QUENCH_STEPS, n, 2))
    particles.settle(places, box, KAPPA, noise, temperatures, frictions, TIME_STEP)
    return places * a % np.array(size[::-1], dtype=float)


def density_features(D: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What the coefficients of :attr:`Packing.density` multiply, shape (n, 7)."""
    log_D = np.log(D)
    return np.stack([np.ones_like(b), log_D, log_D**2, b, b**2, b**3, b * log_D], axis=-1)


def disorder_features(D: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What the coefficients of :attr:`Packing.disorder` multiply, shape (n, 5)."""
    return np.stack([np.ones_like(b), np.log(D), b, b**2, b**3], axis=-1)
