"""A short quench of many lattices: the Monte Carlo engine takes out what a network left wrong."""

from __future__ import annotations

import numpy as np

from skylattice.hamiltonian import Hamiltonian
from skylattice.simulation.schedule import Schedule


def quench_schedule(T: float, *, start: float = 0.1, steps: int = 10, sweeps: int = 6) -> Schedule:
    """The default quench: ``steps`` temperatures from ``start`` (below melting) down to T, 300 updates per spin."""
    return Schedule.geometric(max(start, T), T, steps=steps, sweeps=sweeps, over_relaxation=4)


def quench(
    spin: np.ndarray,
    schedule: Schedule,
    *,
    D: np.ndarray,
    B: np.ndarray,
    hamiltonian: Hamiltonian | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Run a schedule on each of many lattices.

    Parameters
    ----------
    spin
        Unit spins, shape (n, y, x, 3).
    schedule
        Temperatures and sweeps.
    D, B
        Of each lattice in J, shape (n,).
    hamiltonian
        Interaction; default Néel, handedness +1.
    seed
        The random numbers of lattice i depend on (seed, i) alone.

    Returns
    -------
    Unit spins, float32, shape (n, y, x, 3); NaN lattices stay NaN. Computed by Dask, on as many threads or workers as
    its configuration says.
    """
    import dask

    from skylattice.simulation.engine import anneal

    tasks = {
        k: dask.delayed(anneal)(
            spin[k],
            schedule,
            D=float(D[k]),
            B=float(B[k]),
            hamiltonian=hamiltonian,
            seed=np.random.SeedSequence(seed, spawn_key=(k,)),
        )
        for k in range(len(spin))
        if np.isfinite(spin[k, 0, 0]).all()
    }
    out = np.full(spin.shape, np.nan, dtype=np.float32)
    for k, lattice in zip(tasks, dask.compute(*tasks.values()), strict=True):
        out[k] = lattice
    return out
