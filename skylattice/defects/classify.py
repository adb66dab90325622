"""Defects of a skyrmion lattice: coordination, dislocations and their Burgers vectors, vacancies, strings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from skylattice.boundary import BoundaryLike
from skylattice.defects.triangulate import Mesh, per_mesh
from skylattice.schema import SKYRMION

#: Results of :func:`defects`.
DEFECTS = (
    "n_defects",
    "n_5",
    "n_7",
    "n_other",
    "defect_density",
    "n_dislocations",
    "n_disclinations",
    "n_vacancies",
    "n_interstitials",
    "n_strings",
    "coordination",
    "string",
    "dislocation_x",
    "dislocation_y",
    "burgers_x",
    "burgers_y",
)


@dataclass(frozen=True)
class Defects:
    """Defects of one triangulation.

    Attributes
    ----------
    is_defect
        Points without six neighbours, shape (n,).
    string
        Number, from 1, of the connected group of defects that each point belongs to; 0 for no defect. Shape (n,).
    core
        Number, from 1, of the core that each point belongs to; 0 for no defect. Shape (n,).
    core_charge
        Disclination charge Σ(6 - z) of each core, shape (cores,).
    burgers
        Burgers vector of each core in sites, shape (cores, 2): 0 where the circuit closes, NaN for a charged core.
    excess
        Points too many (interstitials) or too few (vacancies) in each string, shape (strings,); NaN for a string whose
        circuit does not close.
    """

    is_defect: np.ndarray
    string: np.ndarray
    core: np.ndarray
    core_charge: np.ndarray
    burgers: np.ndarray
    excess: np.ndarray

    @property
    def is_dislocation(self) -> np.ndarray:
        """Which cores are dislocations: neutral ones whose circuit does not close, shape (cores,)."""
        return (self.core_charge == 0) & (self.burgers != 0.0).any(axis=1)

    def centres(self, mesh: Mesh) -> np.ndarray:
        """Mean position of each core's points on the torus, shape (cores, 2)."""
        period = np.array(mesh.size[::-1], dtype=float)
        members = np.flatnonzero(self.core)
        core = self.core[members] - 1
        _, first = np.unique(core, return_index=True)
        start = mesh.points[members[first]]
        apart = mesh.points[members] - start[core]
        apart -= period * np.round(apart / period)
        sums = [np.bincount(core, weights=along, minlength=len(start)) for along in apart.T]
        centres = start + np.column_stack(sums) / np.bincount(core, minlength=len(start))[:, None]
        centres %= period
        return np.where(centres < period, centres, 0.0)  # the remainder of a tiny negative number is the period


def find_defects(mesh: Mesh, *, exclude_hull: bool = True) -> Defects:
    """Find the defects of one triangulation and what they form.

    Points with five and seven neighbours (a point with 6 ± k neighbours counts k times) are paired where an edge joins
    them or they face each other across one: as many pairs as possible, and of those the shortest. Paired points form
    cores, as do single points. A core with a net charge is a disclination; a neutral one whose lattice circuit does not
    close is a dislocation, and the gap is its Burgers vector. On the torus the Burgers vectors sum to zero. A string, a
    connected group of defects, whose circuit closes is a point defect: its excess of points tells vacancies from
    interstitials, and 0 is a bound group of dislocations.

    Parameters
    ----------
    mesh
        From :func:`skylattice.defects.triangulate.triangulate`.
    exclude_hull
        Whether points on the boundary of an open triangulation count as no defects.
    """
    from skylattice.kernels.circuits import circuits, connected

    surplus = 6 - mesh.coordination
    if exclude_hull:
        surplus = np.where(mesh.on_boundary, 0, surplus)
    is_defect = surplus != 0
    string = connected(mesh.origin, mesh.end, is_defect)
    core = connected(*_pairs(mesh, surplus), is_defect)
    core_charge = np.bincount(core, weights=surplus, minlength=1)[1:].astype(int)
    burgers, _ = circuits(mesh.origin, mesh.twin, mesh.vector, core, len(core_charge))
    _, excess = circuits(mesh.origin, mesh.twin, mesh.vector, string, string.max(initial=0))
    return Defects(is_defect, string, core, core_charge, burgers, excess)


def _pairs(mesh: Mesh, surplus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Five- and sevenfold point of each pair."""
    from scipy.optimize import linear_sum_assignment

    # candidates: the ends of an edge, and the two points that face each other across one
    inner = np.flatnonzero(mesh.twin >= 0)
    beyond, before = mesh.following[inner], mesh.following[mesh.twin[inner]]
    start = np.concatenate([mesh.origin, mesh.end[before]])
    stop = np.concatenate([mesh.end, mesh.end[beyond]])
    apart = np.concatenate([mesh.vector, mesh.vector[beyond] - mesh.vector[before] + mesh.vector[inner]])
    bond = (surplus[start] > 0) & (surplus[stop] < 0)
    start, stop, length = start[bond], stop[bond], np.hypot(*apart[bond].T)

    fives, sevens = np.flatnonzero(surplus > 0), np.flatnonzero(surplus < 0)
    row, column = np.searchsorted(fives, start), np.searchsorted(sevens, stop)
    # a pair that is no candidate costs more than all candidates together, so that it is the last resort
    cost = np.full((len(fives), len(sevens)), 1.0 + length.sum())
    np.minimum.at(cost, (row, column), length)
    # a point with 6 ± k neighbours takes part k times
    five = np.repeat(np.arange(len(fives)), surplus[fives])
    seven = np.repeat(np.arange(len(sevens)), -surplus[sevens])
    i, j = linear_sum_assignment(cost[np.ix_(five, seven)])
    matched = np.zeros(cost.shape, dtype=bool)
    matched[five[i], seven[j]] = True
    return start[matched[row, column]], stop[matched[row, column]]


def defects(
    positions: xr.Dataset,
    size: tuple[int, int],
    *,
    boundary: BoundaryLike = "periodic",
    mask: xr.DataArray | None = None,
    exclude_hull: bool = True,
) -> xr.Dataset:
    """Classify the defects of each lattice of points: :func:`triangulate`, then :func:`find_defects`.

    Parameters
    ----------
    positions
        ``skyrmion_x`` and ``skyrmion_y`` in sites, shape ``(..., skyrmion)``, padded with NaN, and ``n_skyrmions``, NaN
        for a hole, as from :func:`skylattice.defects.detect.skyrmions`. ``skyrmion`` must be one chunk.
    size
        (ny, nx) of the lattice of spins.
    boundary, mask
        As for :func:`skylattice.defects.triangulate.triangulation`. The thesis triangulates its periodic lattices with
        open boundaries.
    exclude_hull
        Whether skyrmions ``on_boundary`` count as no defects.

    Returns
    -------
    Dataset, lazy if ``positions`` is lazy. Of shape ``(...)``: ``n_defects`` (points without six neighbours), ``n_5``,
    ``n_7``, ``n_other``, ``defect_density`` (per point), ``n_dislocations``, ``n_disclinations``, ``n_vacancies``,
    ``n_interstitials``, ``n_strings``; ``status``: done, empty for a hole, skipped for fewer than 12 points, failed for
    points without a triangulation. Of shape ``(..., skyrmion)``: ``coordination``, ``string`` (-1 padding, 0 none),
    ``on_boundary``. Of
    shape ``(..., dislocation)``: ``dislocation_x``, ``dislocation_y``, ``burgers_x``, ``burgers_y`` in sites.

    Raises
    ------
    SchemaError
        For an unknown boundary.
    """
    rows = positions.sizes[SKYRMION]
    where: dict[str, Any] = {"size": size, "boundary": boundary, "mask": mask}
    return per_mesh(_defects, positions, DEFECTS, defect_sizes(rows), **where, exclude_hull=exclude_hull)


def defect_sizes(rows: int) -> dict[str, int]:
    """Lengths of the padded dims of :func:`defects` for so many skyrmions at most."""
    return {SKYRMION: rows, "dislocation": max(1, rows // 2)}


def _defects(mesh: Mesh, *, exclude_hull: bool) -> dict[str, Any]:
    return defects_of_mesh(mesh, find_defects(mesh, exclude_hull=exclude_hull))


def defects_of_mesh(mesh: Mesh, found: Defects) -> dict[str, Any]:
    """Everything about the defects of one lattice, by the names of :data:`DEFECTS`."""
    z = mesh.coordination
    places, burgers = found.centres(mesh)[found.is_dislocation], found.burgers[found.is_dislocation]
    return {
        "n_defects": found.is_defect.sum(),
        "n_5": (found.is_defect & (z == 5)).sum(),
        "n_7": (found.is_defect & (z == 7)).sum(),
        "n_other": (found.is_defect & (abs(z - 6) > 1)).sum(),
        "defect_density": found.is_defect.mean(),
        "n_dislocations": len(places),
        "n_disclinations": np.count_nonzero(found.core_charge),
        "n_vacancies": np.nansum(np.maximum(-found.excess, 0.0)),
        "n_interstitials": np.nansum(np.maximum(found.excess, 0.0)),
        "n_strings": len(found.excess),
        "coordination": z,
        "string": found.string,
        "dislocation_x": places[:, 0],
        "dislocation_y": places[:, 1],
        "burgers_x": burgers[:, 0],
        "burgers_y": burgers[:, 1],
    }
