"""How the shipped packing is made, from nothing: ``python -m skylattice.latent.ship`` in the repository's root.

Simulates 864 lattices of 200×200 sites (minutes on two cores), calibrates the packing on them and writes it to
``skylattice/latent/packing.json``. Resumes where it was stopped.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from skylattice.latent.calibration import corrected, fitted, measure_settling
from skylattice.latent.packing import SHIPPED, Settling

STORE = Path("work/packing.zarr")
#: D in J, b = B J / D², realizations of each point, and the root seed.
GRID = {"D": (0.35, 0.4, 0.45, 0.5, 0.55, 0.6), "b": (0.27, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)}
REALIZATIONS, SEED = 16, 901


def make(store: Path = STORE, target: Path = SHIPPED) -> Path:
    """Simulate, calibrate and write the packing; returns its file."""
    from skylattice.simulation.ensemble import simulate_ensemble

    points = [(D, round(b * D * D, 6)) for D in GRID["D"] for b in GRID["b"]]
    ds = simulate_ensemble(points=points, realizations=REALIZATIONS, size=200, T=0.006, seed=SEED, store=store)
    packing = fitted(ds, Settling((1.0,), (1.0,), (1.0,), (((1.0,),),)))
    target.write_text(
        corrected(replace(packing, settling=measure_settling(packing)), (200, 200), lattices_each=120).to_json() + "\n"
    )
    return target


if __name__ == "__main__":
    print(make())
