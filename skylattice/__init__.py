"""Ensembles of magnetic skyrmion lattices as labelled, zarr-backed xarray datasets.

Importing skylattice registers the ``ds.sky`` accessor and nothing else: compiled kernels, neural networks and plots
are loaded by the call that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skylattice.accessor import SkyAccessor
from skylattice.hamiltonian import Hamiltonian

if TYPE_CHECKING:
    from skylattice.arrays import from_angles, from_arrays
    from skylattice.catalog import open_catalog
    from skylattice.io.store import open_ensemble
    from skylattice.latent.particles import from_positions, generate
    from skylattice.simulation.ensemble import simulate_ensemble

__version__ = "0.1.0"

__all__ = [
    "Hamiltonian",
    "SkyAccessor",
    "__version__",
    "from_angles",
    "from_arrays",
    "from_positions",
    "generate",
    "open_catalog",
    "open_ensemble",
    "simulate_ensemble",
]

_LAZY = {
    "from_angles": "skylattice.arrays",
    "from_arrays": "skylattice.arrays",
    "from_positions": "skylattice.latent.particles",
    "generate": "skylattice.latent.particles",
    "open_catalog": "skylattice.catalog",
    "open_ensemble": "skylattice.io.store",
    "simulate_ensemble": "skylattice.simulation.ensemble",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    try:
        return import_module(f"skylattice.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"skylattice.{name}":
            raise
        raise AttributeError(f"module 'skylattice' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
