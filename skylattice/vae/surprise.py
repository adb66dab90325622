"""The surprise of lattices, lazily: what a calibration says of errors and codes; and the calibration of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.defects.classify import defects
from skylattice.defects.detect import ample_capacity
from skylattice.defects.of_spins import of_spins
from skylattice.hamiltonian import Hamiltonian
from skylattice.schema import SPIN_DIMS
from skylattice.stacking import SAMPLE, take
from skylattice.vae.calibration import Calibration, fit
from skylattice.vae.refinement import Refine
from skylattice.vae.spec import ModelSpec

if TYPE_CHECKING:
    from skylattice.vae.model import VAE

LATENT = "latent"
#: Training lattices that a model is calibrated with.
CALIBRATED_WITH = 200


def surprise(
    known: Calibration,
    spec: ModelSpec,
    spin: xr.DataArray,
    mu: xr.DataArray,
    mse: xr.DataArray,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
) -> dict[str, xr.DataArray]:
    """Percentile of the error among training lattices like these, and distance of the code to theirs.

    Parameters
    ----------
    known, spec
        Of the model.
    spin, mu, mse
        Lattices (..., y, x, component), their codes (..., latent) and errors (...).
    D, B
        In J, broadcast against the leading dims.

    Returns
    -------
    ``surprise`` in percent and ``code_distance``, shape ``(...)``; NaN for holes and nowhere else. Lazy if ``spin`` is.
    """
    size = (spin.sizes["y"], spin.sizes["x"])

    def measure(mu: np.ndarray, mse: np.ndarray, disorder: np.ndarray, b: np.ndarray) -> np.ndarray:
        b = np.broadcast_to(b, mse.shape)
        distance = known.distance(mu, spec, size)
        known.warn_of_far(distance, b)
        return np.stack([known.percentile(mse, b, disorder), distance], axis=-1)

    both = xr.apply_ufunc(
        measure,
        mu,
        mse,
        _disorder(spin, B),
        _reduced_field(D, B),
        input_core_dims=[[LATENT], [], [], []],
        output_core_dims=[["number"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"number": 2}},
    )
    return {name: both.isel(number=k) for k, name in enumerate(("surprise", "code_distance"))}


def calibrate(model: VAE, ds: xr.Dataset, positions: np.ndarray, refine: Refine | None) -> dict[str, Any]:
    """A model's calibration for codes refined in one way, as its metadata keep it.

    Parameters
    ----------
    model
        The trained model.
    ds
        The ensemble it was trained on.
    positions
        Flat positions of the training lattices; up to 200 of them are used, spread evenly.
    refine
        How the codes are refined.
    """
    from skylattice.vae.data import lattice_parameters
    from skylattice.vae.infer import encode, reconstruct

    n = min(CALIBRATED_WITH, len(positions))
    chosen = positions[np.linspace(0, len(positions) - 1, n).round().astype(int)]
    leading = [dim for dim in ds["spin"].dims if dim not in SPIN_DIMS]
    spin = take(ds[["spin"]], chosen, leading)["spin"].reset_coords(drop=True).compute()
    D, B = (xr.DataArray(column, dims=SAMPLE) for column in lattice_parameters(ds)[chosen].T)
    hamiltonian = Hamiltonian.from_attrs(ds.attrs)
    code = encode(spin, model, hamiltonian, D=D, B=B, refine=refine)
    if "mse" in code:
        mse = code["mse"]
    else:
        output = reconstruct(spin, model, hamiltonian, D=D, B=B, refine=refine)
        mse = ((output - spin).astype(np.float64) ** 2).mean(SPIN_DIMS)
    size = (spin.sizes["y"], spin.sizes["x"])
    disorder = _disorder(spin, B).values
    return fit(mse.values, _reduced_field(D, B).values, disorder, code["mu"].values, model.spec, size).to_config()


def _disorder(spin: xr.DataArray, B: xr.DataArray | float) -> xr.DataArray:
    """Share of the skyrmions that are defects."""
    rows = ample_capacity((spin.sizes["y"], spin.sizes["x"]))
    return of_spins(defects, spin, B, max_skyrmions=rows)["defect_density"]


def _reduced_field(D: xr.DataArray | float, B: xr.DataArray | float) -> xr.DataArray:
    """b = |B|/D² in J: large, not infinite, without a Dzyaloshinskii-Moriya interaction."""
    return abs(xr.DataArray(B)) / np.maximum(xr.DataArray(D) ** 2, 1e-9)
