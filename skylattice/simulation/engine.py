"""One lattice through one schedule, on one thread.

The kernels know a single interaction, Néel with handedness +1. Any other is that one in a spin frame whose in-plane
axes are permuted or reflected, which costs no rounding: see :func:`spin_frame`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skylattice.errors import SimulationError
from skylattice.hamiltonian import Hamiltonian
from skylattice.schema import check_coordinate, check_values
from skylattice.simulation.schedule import Schedule, Stage

#: Raised whenever the same seed gives other lattices than before: a store holds those of one version. Stores of
#: version 1 do not name it. Version 2 computes each update in one loop, with correctly rounded divisions.
ENGINE_VERSION = 2

#: Stands for infinity at T = 0; a larger one would overflow float32 products.
_BETA_MAX = 1e30


def spin_frame(hamiltonian: Hamiltonian) -> np.ndarray:
    """Orthogonal matrix E, shape (3, 3): spins E·S feel the kernels' interaction where S feel `hamiltonian`.

    A bond with D_ij = D (a, b, 0) couples S_z to the in-plane direction (b, -a) across it; E takes that direction of
    the +x bond to x and that of the +y bond to y. All entries are 0 or ±1.
    """
    frame = np.eye(3)
    frame[:2, :2] = hamiltonian.dmi_directions @ np.array([[0.0, -1.0], [1.0, 0.0]])
    return frame


def random_lattice(size: tuple[int, int], seed: np.random.SeedSequence) -> np.ndarray:
    """Independent spins, uniform on the sphere: shape (ny, nx, 3), float64."""
    spin = np.random.default_rng(seed).normal(size=(*size, 3))
    return spin / np.linalg.norm(spin, axis=-1, keepdims=True)


def anneal(
    spin: np.ndarray,
    schedule: Schedule,
    *,
    D: float,
    B: float,
    hamiltonian: Hamiltonian | None = None,
    seed: np.random.SeedSequence | int = 0,
    after_stage: Callable[[Stage, np.ndarray], None] | None = None,
) -> np.ndarray:
    """Run a schedule of Monte Carlo sweeps on one periodic lattice.

    Even sizes run vectorised in float32 over four sublattices; other sizes, and stages of the Metropolis method, visit
    the sites one by one in float64. A given seed gives the same lattice bit by bit on a given machine.

    Parameters
    ----------
    spin
        Start, unit spins of shape (ny, nx, 3); not changed.
    schedule
        Temperatures in units of J / k_B, and sweeps.
    D, B
        In units of J; D >= 0.
    hamiltonian
        Interaction; default ``Hamiltonian()``: Néel, handedness +1, J = 1.
    seed
        Determines all random numbers.
    after_stage
        Called with each stage and a copy of the lattice after it.

    Returns
    -------
    Unit spins, float32, shape (ny, nx, 3).

    Raises
    ------
    SchemaError, SimulationError
        If spins are not of unit length and finite, the shape is not (ny, nx, 3), or D or B is not a valid number.

    Examples
    --------
    >>> from skylattice.simulation.engine import anneal, random_lattice
    >>> start = random_lattice((16, 16), np.random.SeedSequence(1))
    >>> cold = anneal(start, Schedule.geometric(1.0, 0.01, steps=10), D=0.0, B=0.5)
    >>> bool(cold[..., 2].mean() > 0.95)
    True
    """
    hamiltonian = hamiltonian or Hamiltonian()
    spin = np.asarray(spin)
    if spin.ndim != 3 or spin.shape[2] != 3 or 0 in spin.shape:
        raise SimulationError(f"anneal: expected one lattice of shape (ny, nx, 3), found {spin.shape}.")
    check_values(spin, where="anneal")
    check_coordinate("D", D)
    check_coordinate("B", B)
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    words = sequence.generate_state(4, np.uint32)
    coupling = _coupling(spin.shape, hamiltonian.J, D, B)
    frame = spin_frame(hamiltonian)

    state, sweep = spin @ frame.T, 0
    for stage in schedule:
        state, sweep = _run_stage(state, stage, coupling, sweep, words)
        if after_stage is not None:
            after_stage(stage, _unit_spins(state, frame))
    return _unit_spins(state, frame)


def _coupling(shape: tuple[int, ...], J: float, D: float, B: float) -> np.ndarray:
    """(jx, jy, dx, dy, b): no bonds along a dimension of length 1."""
    along_x, along_y = float(shape[1] > 1), float(shape[0] > 1)
    return np.array([J * along_x, J * along_y, D * along_x, D * along_y, B])


def _run_stage(
    state: np.ndarray, stage: Stage, coupling: np.ndarray, sweep: int, words: np.ndarray
) -> tuple[np.ndarray, int]:
    """The state after a stage, as its kernel leaves it: a lattice (ny, nx, 3), or its planes, which stay split."""
    from skylattice.kernels import checkerboard, raster

    beta = min(1.0 / stage.T, _BETA_MAX) if stage.T > 0 else _BETA_MAX
    even = state.ndim == 5 or (state.shape[0] % 2 == 0 and state.shape[1] % 2 == 0)
    if even and stage.method == "heat_bath":
        planes = state if state.ndim == 5 else checkerboard.to_planes(state)
        sweep = checkerboard.run_planes(
            planes, coupling.astype(np.float32), np.float32(beta), sweep, stage.sweeps, stage.over_relaxation, words
        )
        return planes, sweep
    lattice = np.ascontiguousarray(_joined(state), dtype=np.float64)
    method = raster.HEAT_BATH if stage.method == "heat_bath" else raster.METROPOLIS
    sweep = raster.run_raster(lattice, coupling, beta, sweep, stage.sweeps, stage.over_relaxation, words, method)
    return lattice, sweep


def _joined(state: np.ndarray) -> np.ndarray:
    """The lattice (ny, nx, 3) of a state."""
    from skylattice.kernels.checkerboard import from_planes

    return from_planes(state) if state.ndim == 5 else state


def _unit_spins(state: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """The lattice of a state in the frame of the caller, normalised."""
    spin = _joined(state) @ frame.astype(state.dtype)
    length = np.sqrt(np.einsum("...c,...c->...", spin, spin))
    return (spin / length[..., None]).astype(np.float32, copy=False)
