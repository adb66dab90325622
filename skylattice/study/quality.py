"""How good generated lattices are: physics, defects, order and diversity, beside those of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.arrays import lattices
from skylattice.defects.classify import defects
from skylattice.defects.detect import ample_capacity
from skylattice.defects.of_spins import of_spins
from skylattice.latent.correlations import Estimate, kolmogorov_smirnov
from skylattice.observables.energy import cos_theta
from skylattice.observables.scalars import observables
from skylattice.observables.structure import structure_factor
from skylattice.schema import SITE_DIMS

#: At T = 0.006 a spin this far from its field has a chance of 1e-6: an artefact of a network.
ARTEFACT_COS_THETA = 0.98
#: A generated lattice is compared with so many lattices of the data, those of the nearest (D, B).
COMPARED = 50
#: Modes along each direction that the distance of two lattices looks at: far beyond the Bragg peaks.
_MODES = 12

_SCALARS = ("topological_charge", "m_z", "energy", "temperature", "cos_theta_min")
_COUNTS = ("n_skyrmions", "n_defects", "unexplained_charge")


def measure(ds: xr.Dataset, *, spin: str = "spin") -> xr.Dataset:
    """What :func:`quality` compares, of each lattice.

    Parameters
    ----------
    ds
        Dataset of spins along one leading dim, ``(sample, y, x, component)``, with D, B and the Hamiltonian.

    Returns
    -------
    Eager dataset along ``sample``: scalars of ``ds.sky.observables()`` and ``ds.sky.defects()``; ``n_artefacts``, the
    number of sites with cosθ < 0.98; ``ring`` (sample, q), the structure factor averaged over rings one wave number
    wide; ``modes`` (sample, component, k), the low Fourier modes that :func:`nearest_distance` compares.
    """
    of = lattices(ds, spin=spin)
    scalars = observables(*of)[list(_SCALARS)]
    rows = ample_capacity((ds.sizes["y"], ds.sizes["x"]))
    counts = of_spins(defects, of.spin, of.B, of.sites, max_skyrmions=rows)[list(_COUNTS)]
    artefacts = (cos_theta(*of) < ARTEFACT_COS_THETA).sum(SITE_DIMS)
    power = structure_factor(of.spin, of.sites)
    result = xr.merge([scalars, counts], compat="override").assign(n_artefacts=artefacts).compute()
    values = np.asarray(ds[spin].transpose("sample", "y", "x", "component").values, dtype=np.float64)
    size = (ds.sizes["y"], ds.sizes["x"])
    return result.assign(
        ring=(("sample", "q"), _rings(power.compute())),
        modes=(("sample", "component", "k_y", "k_x"), _low_modes(values)),
    ).assign_attrs(size=size)


def nearest_distance(
    modes: np.ndarray, others: np.ndarray, size: tuple[int, int], *, exclude: np.ndarray | None = None
) -> np.ndarray:
    """Distance of each lattice to its nearest among others, whatever their shift.

    The distance of two lattices is the smallest mean squared difference of their low-pass filtered spins, over sites
    and components, over all shifts by whole sites on the torus: 0 for a shifted copy. All shifts come from one Fourier
    transform.

    Parameters
    ----------
    modes
        From :func:`measure`, shape (n, component, k, k).
    others
        Shape (n, m, component, k, k): those to compare each lattice with.
    size
        (ny, nx) of the lattices in sites.
    exclude
        Shape (n, m): pairs to leave out, such as a lattice and itself.

    Returns
    -------
    Shape (n,), unit 1.
    """
    from scipy import fft

    distance = np.empty(len(modes))
    for k, (mine, theirs) in enumerate(zip(modes, others, strict=True)):
        product = np.zeros((len(theirs), *size), dtype=np.complex64)
        rows, columns = (_kept(n) for n in size)
        product[:, rows[:, None], columns] = (mine.conj() * theirs).sum(axis=1)
        overlap = fft.ifft2(product, norm="forward").real.max(axis=(-2, -1))
        squared = (abs(mine) ** 2).sum() + (abs(theirs) ** 2).sum(axis=(1, 2, 3)) - 2 * overlap
        if exclude is not None:
            squared[exclude[k]] = np.inf
        distance[k] = squared.min()
    return np.maximum(distance, 0.0) / modes.shape[1]


class Reference:
    """The data that generated lattices are compared with.

    Parameters
    ----------
    measured
        From :func:`measure`, of lattices of the ensemble.
    seed
        Of the halves that compare the data with themselves, and of the bootstrap.
    """

    def __init__(self, measured: xr.Dataset, *, seed: int = 0) -> None:
        self.measured, self.seed = measured, seed
        self._energy = np.linalg.lstsq(_cubic(measured), measured["energy"].values, rcond=None)[0]
        self._scale = [np.ptp(measured[name].values) or 1.0 for name in ("D", "B")]

    def energy_excess(self, measured: xr.Dataset) -> np.ndarray:
        """Energy per site over that of the data, a cubic function of D and B, in J."""
        return measured["energy"].values - _cubic(measured) @ self._energy

    def row(self, measured: xr.Dataset, *, seconds: float | None = None) -> dict[str, Any]:
        """One row of the quality table for lattices from :func:`measure`; ``seconds`` is the time per lattice."""
        return self._row(measured, self.measured) | {"ms_per_lattice": _milli(seconds)}

    def data_row(self, *, seconds: float | None = None, n: int | None = None) -> dict[str, Any]:
        """The row of the data themselves: one half of them against the other, ``n`` lattices at most."""
        order = np.random.default_rng(self.seed).permutation(self.measured.sizes["sample"])
        half = order[: len(order) // 2][:n]
        rest = self.measured.isel(sample=order[len(order) // 2 :])
        return self._row(self.measured.isel(sample=half), rest) | {"ms_per_lattice": _milli(seconds)}

    def _row(self, measured: xr.Dataset, against: xr.Dataset) -> dict[str, Any]:
        mine, theirs = (self.energy_excess(m) for m in (measured, against))
        defects = kolmogorov_smirnov(measured["n_defects"].values, against["n_defects"].values, seed=self.seed)
        energy = kolmogorov_smirnov(mine, theirs, seed=self.seed)
        nearest = self._nearest(measured, against)
        rings = [m.mean(axis=0) for m in (measured["ring"].values, against["ring"].values[nearest[:, :5].ravel()])]
        return {
            "n": measured.sizes["sample"],
            "n_skyrmions": float(measured["n_skyrmions"].mean()),
            "n_defects": float(measured["n_defects"].mean()),
            "abs_unexplained_charge": float(abs(measured["unexplained_charge"]).mean()),
            "energy_excess": float(mine.mean()),
            "n_artefacts": float(measured["n_artefacts"].mean()),
            "temperature": float(measured["temperature"].mean()),
            "structure_factor_distance": float(abs(rings[0] - rings[1]).sum() / rings[1].sum()),
            "ks_defects": defects,
            "ks_energy": energy,
            "distance_to_data": self._distance(measured, against, nearest),
            "distance_within": self._distance(measured, measured, self._nearest(measured, measured)),
        }

    @staticmethod
    def _distance(measured: xr.Dataset, others: xr.Dataset, chosen: np.ndarray) -> float:
        """Median distance of each lattice to its nearest among the chosen ones, itself left out."""
        size = tuple(measured.attrs["size"])
        itself = chosen == np.arange(len(chosen))[:, None] if others is measured else None
        modes = others["modes"].values[chosen]
        return float(np.median(nearest_distance(measured["modes"].values, modes, size, exclude=itself)))

    def _nearest(self, measured: xr.Dataset, against: xr.Dataset) -> np.ndarray:
        """Positions of the lattices of ``against`` with the nearest (D, B), nearest first, for each lattice."""
        squared = sum(
            ((measured[name].values[:, None] - against[name].values) / scale) ** 2
            for name, scale in zip(("D", "B"), self._scale, strict=True)
        )
        return np.argsort(squared, axis=1, kind="stable")[:, :COMPARED]


def quality_table(rows: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Rows by name of the arm as a table; estimates as text with their intervals."""
    frame = pd.DataFrame.from_dict(
        {name: {k: str(v) if isinstance(v, Estimate) else v for k, v in row.items()} for name, row in rows.items()},
        orient="index",
    )
    return frame.rename_axis("lattices").reset_index()


def _milli(seconds: float | None) -> float:
    return np.nan if seconds is None else 1e3 * seconds


def _cubic(measured: xr.Dataset) -> np.ndarray:
    """All monomials of D and B up to third order, shape (n, 10)."""
    D, B = (np.broadcast_to(measured[name].values, measured["energy"].shape) for name in ("D", "B"))
    return np.stack([D**i * B**j for i in range(4) for j in range(4 - i)], axis=-1)


def _rings(power: xr.DataArray) -> np.ndarray:
    """Mean of S(q) over rings one wave number wide, without q = 0, shape (sample, rings)."""
    step = 2 * np.pi / max(power.sizes["q_x"], power.sizes["q_y"])
    ring = np.rint(np.hypot(*np.meshgrid(power["q_x"], power["q_y"])) / step).astype(int).ravel()
    flat = power.transpose("sample", "q_y", "q_x").values.reshape(power.sizes["sample"], -1)
    count = np.bincount(ring)
    sums = np.stack([np.bincount(ring, weights=row, minlength=len(count)) for row in flat])
    return (sums / count)[:, 1 : min(power.sizes["q_x"], power.sizes["q_y"]) // 2]


def _kept(n: int) -> np.ndarray:
    """Positions of the modes kept, of n, in the order of a Fourier transform."""
    return np.unique(np.r_[: min(_MODES + 1, n), max(0, n - _MODES) : n])


def _low_modes(spin: np.ndarray) -> np.ndarray:
    """Fourier modes of (n, y, x, 3) up to 12 wave numbers, shape (n, 3, k, k); Σ|mode|² is at most the mean |spin|²."""
    modes = np.fft.fft2(np.moveaxis(spin, -1, 1), norm="forward")
    rows, columns = (_kept(n) for n in spin.shape[1:3])
    return modes[..., rows[:, None], columns].astype(np.complex64)
