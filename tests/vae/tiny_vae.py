"""Tiny ensembles and models for these tests: the laws do not depend on size, and Keras compiles each new shape."""

import numpy as np
import xarray as xr

from skylattice import testing


def arrangement(rng, *, D, B, size):
    """Skyrmions on a jittered triangular lattice whose density grows with D and whose radius shrinks with B."""
    spacing = 8.0 / D
    rows, columns = max(2, round(size / (0.866 * spacing))), max(2, round(size / spacing))
    centres = [
        ((i + 0.5 * (j % 2)) * size / columns + rng.normal(0, 0.8), j * size / rows + rng.normal(0, 0.8))
        for j in range(rows)
        for i in range(columns)
    ]
    radius = spacing * (0.36 - 0.5 * B)
    spin = testing.planted_skyrmions(centres, radius=radius, size=size).spin.values[0, 0, 0]
    return np.roll(spin, rng.integers(0, size, 2), axis=(0, 1))


def make_ensemble(*, size=20, D=(0.4, 0.5, 0.6), b=(0.3, 0.6), realizations=3, seed=0, hamiltonian=None):
    """Ensemble over D and B (the same B for every D), with one hole at the last point."""
    rng = np.random.default_rng(seed)
    B = [0.25 * value for value in b]
    points = []
    for d in D:
        row = []
        for field in B:
            spins = np.stack([arrangement(rng, D=d, B=field, size=size) for _ in range(realizations)])
            row.append(testing.dataset(spins.astype(np.float32), D=d, B=field, hamiltonian=hamiltonian))
        points.append(xr.concat(row, dim="B", data_vars="minimal", coords="minimal"))
    ds = xr.concat(points, dim="D", data_vars="minimal", coords="minimal")
    status = np.ones((len(D), len(B), realizations), dtype=np.int8)
    status[-1, -1, -1] = 0
    ds["spin"] = ds.spin.where(xr.DataArray(status == 1, dims=("D", "B", "realization")))
    return ds.assign(status=(("D", "B", "realization"), status))


#: Options of a periodic model that compiles and trains within a second or two.
TINY = {"widths": (8, 16), "blocks": (1, 1)}


def awaken(model, scale=0.2):
    """Replace zeros by small random weights: residual blocks start as the identity, and would hide mistakes."""
    rng = np.random.default_rng(7)
    for variable in model.trainable_variables:
        value = np.asarray(variable)
        if not value.any():
            variable.assign(scale * rng.normal(size=value.shape).astype(np.float32))
    return model
