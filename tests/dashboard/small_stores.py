"""Stores of small lattices in every state, and where the dashboard's scripts are."""

from pathlib import Path

import numpy as np

from skylattice import Hamiltonian, testing
from skylattice.io.layout import Layout
from skylattice.io.writing import create_store, write_point

DASHBOARD = Path(__file__).parents[2] / "dashboard"
SIZE = (40, 40)
LAYOUT = Layout(SIZE, 0.006, Hamiltonian())


def lattice(seed=0):
    """25 skyrmions of a strained triangular lattice."""
    rng = np.random.default_rng(seed)
    centres = [
        (8 * i + 4 * (j % 2) + rng.normal(0, 0.4), 8 * j + rng.normal(0, 0.4)) for j in range(5) for i in range(5)
    ]
    return testing.planted_skyrmions(centres, radius=2.4, size=SIZE).spin.values[0, 0, 0].astype(np.float32)


def make_store(path, *, write=True):
    """2 × 2 points of two realizations; one point is a hole and one lattice failed."""
    create_store(path, D=[0.4, 0.5], B=[0.1, 0.15], realizations=2, layout=LAYOUT)
    if write:
        write_point(path, D=0.4, B=0.1, spin=np.stack([lattice(0), lattice(1)]))
        write_point(path, D=0.5, B=0.1, spin=np.stack([lattice(2), lattice(3)]))
        hole = np.full((*SIZE, 3), np.nan, dtype=np.float32)
        write_point(path, D=0.5, B=0.15, spin=np.stack([lattice(4), hole]), status=[1, 3])
    return path
