"""What packings of particles must be like to be an ensemble's skyrmion lattices, learned in a few seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from skylattice.arrays import Lattices, lattices
from skylattice.boundary import check_torus
from skylattice.defects.classify import defects
from skylattice.defects.detect import ample_capacity
from skylattice.defects.of_spins import of_spins
from skylattice.errors import ModelError
from skylattice.latent.packing import Packing, Settling, density_features, disorder_features, spacing_of
from skylattice.latent.particles import check_exchange, new_lattices
from skylattice.latent.recipe import TEMPERATURE
from skylattice.observables.phase import phase
from skylattice.schema import PHASE, SPIN_DIMS
from skylattice.simulation.engine import spin_frame
from skylattice.stacking import per_lattice, stack

#: Points at which the defects of generated lattices are compared with the ensemble's.
_CORRECTED = 8
#: Largest change of the number of skyrmions by thermalising, as a share.
_LASTING = 0.1
#: Largest factor by which packings may have more or fewer defects than wanted before they are corrected for it.
_FACTOR = 2.0
#: Steps for which packings settle to see how disordered they stay, numbers of particles, and particles for each pair.
_STEPS = (1, 8, 16, 24, 32, 48, 64, 96, 128, 192, 384, 768)
_NUMBERS = (30, 60, 120, 240, 480)
_PARTICLES = 9_000
#: Falling D, so rising spacings of the particles, at one B J / D².
_STRENGTHS, _FIELD = (0.6, 0.47, 0.37), 0.45
#: The profile is fitted to so many lattices at most, evenly spread over b.
_FITTED = 30
#: With fewer lattices nothing is calibrated.
_MIN_LATTICES = 4


def calibrate(ds: xr.Dataset, *, spin: str = "spin") -> Packing:
    """Learn the packing of an ensemble's skyrmion lattices: a pass of detection and a few seconds.

    Parameters
    ----------
    ds
        Dataset of spins with D, B and the Hamiltonian, any leading dims; lattices of other phases and holes are left
        out.
    spin
        Name of the spins.

    Raises
    ------
    ModelError
        If fewer than four lattices are in the skyrmion phase, J is not 1, or packings are not like the lattices.
    SchemaError
        If the lattices have edges or empty sites.
    """
    packing = fitted(ds, Packing.shipped().settling, spin=spin)
    return corrected(packing, (ds.sizes["y"], ds.sizes["x"]))


def fitted(ds: xr.Dataset, settling: Settling, *, spin: str = "spin") -> Packing:
    """What an ensemble itself says of its packing, beside how packings settle; not corrected yet."""
    of = lattices(stack(ds, spin=spin), spin=spin, purpose="generation")
    check_exchange(of.hamiltonian)
    check_torus(of.sites, "method 'particles'", "Packings have no edges.")
    size = (ds.sizes["y"], ds.sizes["x"])
    found = of_spins(defects, of.spin, of.B, max_skyrmions=ample_capacity(size))
    found = found.assign(phase=phase(of.spin, of.B).variable)
    names = ["n_skyrmions", "n_defects", "phase", "skyrmion_x", "skyrmion_y"]
    found = found[names].compute()
    n, n_defects, kind, D, B = (
        per_lattice(array.astype(np.float64), of.spin)
        for array in (found["n_skyrmions"], found["n_defects"], found["phase"], of.D, of.B)
    )
    usable = np.flatnonzero((kind == PHASE["skyrmion"]) & np.isfinite(n_defects) & (D > 0) & (B != 0))
    if len(usable) < _MIN_LATTICES:
        raise ModelError(
            f"method 'particles': expected at least {_MIN_LATTICES} lattices in the skyrmion phase to calibrate it on, "
            f"found {len(usable)}."
        )
    n, n_defects, D, B = (values[usable] for values in (n, n_defects, D, B))
    sites, b = size[0] * size[1], abs(B) / D**2
    density = _fit(density_features(D, b), np.log(n / sites))
    mean = sites * np.exp(density_features(D, b) @ density)
    chosen = np.unique(np.argsort(b)[np.linspace(0, len(b) - 1, min(_FITTED, len(b))).astype(int)])
    profiles = _profiles(of, found, usable[chosen])
    powers = b[chosen, None] ** np.arange(3)
    return Packing(
        density=tuple(density.tolist()),
        spread=_spread(n - mean, D, B) / np.sqrt(sites),
        disorder=tuple(_fit_share(disorder_features(D, b), n_defects, n).tolist()),
        radius=tuple(_fit(powers, profiles[:, 0]).tolist()),
        decay=tuple(_fit(powers, profiles[:, 1]).tolist()),
        settling=settling,
        correction=1.0,
        D_range=(float(D.min()), float(D.max())),
        b_range=(float(b.min()), float(b.max())),
        points=_points(D, B),
    )


def _profiles(of: Lattices, found: xr.Dataset, chosen: np.ndarray) -> np.ndarray:
    """R/a and ξ/a of some lattices along ``sample``, shape (lattices, 2)."""
    chosen_spins = of.spin.isel(sample=chosen).transpose("sample", *SPIN_DIMS).values @ spin_frame(of.hamiltonian).T
    signs = np.sign(per_lattice(of.B, of.spin)[chosen])
    x, y = (per_lattice(found[name], of.spin)[chosen] for name in ("skyrmion_x", "skyrmion_y"))
    return np.array(
        [
            _fit_profile(sign * lattice, at_x[np.isfinite(at_x)], at_y[np.isfinite(at_y)])
            for sign, lattice, at_x, at_y in zip(signs, chosen_spins, x, y, strict=True)
        ]
    )


def corrected(packing: Packing, size: tuple[int, int], *, lattices_each: int = 40) -> Packing:
    """The same with the correction that makes the defects of what it generates those of the ensemble, on the whole."""
    points = np.array(packing.points)
    wanted = packing.defect_share(points[:, 0], points[:, 1])
    lowest, highest = packing.range_of_shares(points[:, 0], points[:, 1], size)
    possible = np.flatnonzero((wanted > lowest) & (wanted < highest))
    if not possible.size:
        return packing
    chosen = np.repeat(possible[np.linspace(0, len(possible) - 1, _CORRECTED).round().astype(int)], lattices_each)
    D, B = points[chosen, 0], points[chosen, 1]
    steps = packing.steps_for(wanted[chosen], D, B, size)
    made = new_lattices(packing, D, B, steps, size=size, T=TEMPERATURE, seed=1)
    found = of_spins(defects, made["spin"], made["B"], max_skyrmions=ample_capacity(size)).compute()
    expected = float((wanted[chosen] * found["n_skyrmions"].values).sum())
    factor = float(found["n_defects"].sum()) / expected
    lasting = float(found["n_skyrmions"].sum()) / packing.mean_number(D, B, size[0] * size[1]).sum()
    if not (abs(lasting - 1) < _LASTING and 1 / _FACTOR < factor < _FACTOR):
        raise ModelError(
            "method 'particles': expected packings like the ensemble's lattices, found "
            f"{lasting:.2f} times their skyrmions and {factor:.2f} times the defects. Either these lattices are not "
            "what their Hamiltonian, D and B make, or they are too small for packings to be like them."
        )
    return replace(packing, correction=packing.correction * factor)


def measure_settling(packing: Packing, *, seed: int = 0) -> Settling:
    """How the disorder of packings falls while they settle, in thermalised lattices; minutes."""
    densities = [packing.mean_number(np.array([D]), np.array([_FIELD * D**2]), 1)[0] for D in _STRENGTHS]
    return Settling(
        steps=tuple(map(float, _STEPS)),
        numbers=tuple(map(float, _NUMBERS)),
        spacings=tuple(float(spacing_of(density, (1, 1))) for density in densities),
        shares=tuple(
            tuple(_settled_shares(packing, D, density, number, seed) for number in _NUMBERS)
            for D, density in zip(_STRENGTHS, densities, strict=True)
        ),
    )


def _settled_shares(packing: Packing, D: float, density: float, number: int, seed: int) -> tuple[float, ...]:
    """Shares of defects by the steps, for so many particles in a square box at D."""
    size = (2 * round(np.sqrt(number / density) / 2),) * 2
    n_lattices, shares = max(24, _PARTICLES // number), []
    for steps in _STEPS:
        each = [np.full(n_lattices, value) for value in (D, _FIELD * D**2, float(steps))]
        made = new_lattices(packing, each[0], each[1], each[2], size=size, T=TEMPERATURE, seed=seed)
        found = of_spins(defects, made["spin"], made["B"], max_skyrmions=ample_capacity(size))
        counted = found[["n_defects", "n_skyrmions"]].compute()
        shares.append(float(counted["n_defects"].sum() / counted["n_skyrmions"].sum()))
    return tuple(shares)


def _points(D: np.ndarray, B: np.ndarray) -> tuple[tuple[float, float, float], ...]:
    points, count = np.unique(np.stack([D, B], axis=-1), axis=0, return_counts=True)
    return tuple((float(d), float(b), float(n)) for (d, b), n in zip(points, count, strict=True))


def _spread(residual: np.ndarray, D: np.ndarray, B: np.ndarray) -> float:
    """Standard deviation among realizations of a point, so that a misfit of the polynomial is not taken for it."""
    _, of_point, count = np.unique(np.stack([D, B], -1), axis=0, return_inverse=True, return_counts=True)
    of_point = of_point.reshape(-1)  # its shape differs between versions of NumPy
    if count.max() < 2:
        return float(residual.std())
    mean = np.bincount(of_point, residual) / count
    return float(np.sqrt(np.square(residual - mean[of_point]).sum() / (count - 1).sum()))


def _fit(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Least squares; of the shortest coefficients where the ensemble does not tell some of them."""
    return np.linalg.lstsq(features, values, rcond=1e-9)[0]


def _fit_share(features: np.ndarray, n_defects: np.ndarray, n: np.ndarray, iterations: int = 30) -> np.ndarray:
    """Poisson regression of defects per skyrmion with a logarithmic link: counts may be 0."""
    total = max(n_defects.sum(), 0.5)
    coefficients = _fit(features, np.full(len(n), np.log(total / n.sum())))
    for _ in range(iterations):
        mean = n * np.exp(features @ coefficients)
        root = np.sqrt(mean)[:, None]
        coefficients = coefficients + _fit(features * root, (n_defects - mean) / root[:, 0])
    return coefficients


def _fit_profile(lattice: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """R/a and ξ/a that decode positions to spins nearest to those of a lattice of the kernels' interaction."""
    from scipy.optimize import minimize

    from skylattice.kernels.particles import decode

    a = spacing_of(len(x), lattice.shape[:2])
    spins = np.empty(lattice.shape, np.float32)

    def distance(shape: np.ndarray) -> float:
        if min(shape) < 0.05 or max(shape) > 1:
            return 4.0
        decode(x, y, shape[0] * a, shape[1] * a, spins)
        return float(np.square(spins - lattice).mean())

    fitted = minimize(distance, (0.25, 0.31), method="Nelder-Mead", options={"xatol": 2e-4, "fatol": 1e-7})
    return float(fitted.x[0]), float(fitted.x[1])
