"""Annealed lattices for the tests of this folder."""

from functools import lru_cache

import numpy as np

from skylattice import Hamiltonian, testing
from skylattice.simulation.engine import anneal, random_lattice
from skylattice.simulation.schedule import Schedule


@lru_cache
def annealed(D, b, T=0.006, *, dmi="neel", handedness=1, sign=1, size=48):
    """A lattice cooled from T = 1 in the field sign·b·D²: dataset of one lattice."""
    hamiltonian, B = Hamiltonian(dmi, handedness), sign * b * D**2
    seed = np.random.SeedSequence([round(D * 100), round(b * 100), round(T * 1000)])
    spin = anneal(
        random_lattice((size, size), seed),
        Schedule.geometric(1.0, T, steps=30, sweeps=15),
        D=D,
        B=B,
        hamiltonian=hamiltonian,
        seed=seed,
    )
    return testing.dataset(spin, D=D, B=B, T=T, hamiltonian=hamiltonian)
