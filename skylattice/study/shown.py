"""A few lattices beside what a model makes of them, with every map that pictures show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.arrays import lattices
from skylattice.boundary import check_models_apply
from skylattice.errors import StoreError
from skylattice.observables.energy import cos_theta, energy, energy_density
from skylattice.schema import COMPONENT, SITE_DIMS
from skylattice.study.lattice import mesh_of_lattice
from skylattice.vae.infer import reconstruct

if TYPE_CHECKING:
    from skylattice.defects.triangulate import Mesh
    from skylattice.vae.model import VAE
    from skylattice.vae.refinement import Request


@dataclass(frozen=True)
class Maps:
    """Of lattices, each of shape (sample, y, x): spin components, cosθ, and the local energy in J per site."""

    x: np.ndarray
    z: np.ndarray
    cos_theta: np.ndarray
    energy: np.ndarray


@dataclass(frozen=True)
class Shown:
    """Lattices side by side with their reconstructions by one model.

    Attributes
    ----------
    names
        A, B, C, ...
    before, after
        Maps of the lattices and of their reconstructions.
    squared_error
        Summed over components, shape (sample, y, x).
    meshes
        Of the input lattices; None for too few skyrmions.
    """

    names: list[str]
    before: Maps
    after: Maps
    squared_error: np.ndarray
    meshes: list[Mesh | None]


def choose(frame: pd.DataFrame, n: int) -> np.ndarray:
    """Rows of ``n`` lattices from the fewest to the most defects: evenly spaced quantiles, without repetition."""
    order = frame["n_defects"].fillna(-1).to_numpy().argsort(kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int))]


def find(frame: pd.DataFrame, wanted: Sequence[tuple[float, float, int]]) -> np.ndarray:
    """Rows of the lattices at the given D, B and realization.

    Raises
    ------
    StoreError
        If one of them is not there.
    """
    rows = []
    for D, B, realization in wanted:
        there = np.isclose(frame["D"], D) & np.isclose(frame["B"], B) & (frame["realization"] == realization)
        if not there.any():
            raise StoreError(
                f"lattices: there is no skyrmion lattice at D = {D:g}, B = {B:g}, realization {realization}. The table "
                "of `skylattice analyse` lists those that are there."
            )
        rows.append(int(np.flatnonzero(there)[0]))
    return np.array(rows)


def show(
    ds: xr.Dataset, model: VAE | str | os.PathLike[str], names: Sequence[str], *, refine: Request | None = "default"
) -> Shown:
    """Reconstruct a few lattices along ``sample``, one at a time, and compute all their maps."""
    ds = ds.compute()
    of = lattices(ds)
    lazy = of.spin.chunk(sample=1)
    output = reconstruct(lazy, model, of.hamiltonian, D=of.D, B=of.B, refine=refine).compute()
    return compare(ds, output, names)


def compare(ds: xr.Dataset, output: xr.DataArray, names: Sequence[str]) -> Shown:
    """Lattices along ``sample`` beside their reconstructions, all in memory."""
    of = lattices(ds)
    squared = ((output - of.spin) ** 2).sum(COMPONENT).transpose("sample", *SITE_DIMS).values
    fields = np.broadcast_to(of.B.values, len(names))
    meshes = [mesh_of_lattice(of.spin[k], float(B), of.sites) for k, B in enumerate(fields)]
    return Shown(list(names), _maps(ds), _maps(ds.assign(spin=output)), squared, meshes)


def _maps(ds: xr.Dataset) -> Maps:
    of = lattices(ds)
    x, z = (of.spin.isel({COMPONENT: k}) for k in (0, 2))
    maps = (x, z, cos_theta(*of), energy_density(*of))
    return Maps(*(array.transpose("sample", *SITE_DIMS).values for array in maps))


def reconstruct_with_maps(ds: xr.Dataset, model: VAE | str | os.PathLike[str]) -> xr.Dataset:
    """Lattices encoded and decoded, with where and by how much they differ.

    Parameters
    ----------
    ds
        Dataset of spins of any leading dims, with D, B and the Hamiltonian.
    model
        A model, the folder of one, or the name of a shipped one.

    Returns
    -------
    Dataset with ``spin`` of the reconstruction; ``squared_error`` (..., y, x), summed over components;
    ``cos_theta_change`` (..., y, x); ``mse`` (...) and ``energy_difference`` (...), J per site. Lazy if ``ds`` is lazy.
    """
    check_models_apply(ds)
    of = lattices(ds)
    output = reconstruct(of.spin, model, of.hamiltonian, D=of.D, B=of.B)
    squared = ((output - of.spin) ** 2).sum(COMPONENT, skipna=False).astype(np.float64)
    return xr.Dataset(
        {
            "spin": output,
            "squared_error": squared,
            "cos_theta_change": cos_theta(output, *of[1:]) - cos_theta(*of),
            "mse": squared.mean(SITE_DIMS, skipna=False) / 3,
            "energy_difference": energy(output, *of[1:])["energy"] - energy(*of)["energy"],
        }
    )
