"""The thesis' pictures of lattices: which lattices are shown is decided by their defects and errors."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.errors import StoreError
from skylattice.report.panels import Panel, Window, error_panel, panel_grid
from skylattice.schema import COMPONENT, SITE_DIMS
from skylattice.study.lattice import mesh_of_lattice

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from skylattice.defects.triangulate import Mesh
    from skylattice.vae.model import VAE

#: Half width in sites of the squares of Pictures 3.9 and 3.12.
ZOOM = 20
_COS_LIMITS = (1e-6, 1.0)
_ENERGY_LIMITS = (1e-5, 1.0)


@dataclass
class Shown:
    """Lattices side by side with their reconstructions by one model.

    Attributes
    ----------
    names
        A, B, C, ...
    lattices, outputs
        Datasets along ``sample``, computed.
    meshes
        Of the input lattices.
    """

    names: list[str]
    lattices: xr.Dataset
    outputs: xr.Dataset
    meshes: list[Mesh | None]

    def maps(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Of lattices and outputs, shape (sample, y, x): "x" or "z" (a spin component), "cos_theta" or "energy"."""
        pair = []
        for ds in (self.lattices, self.outputs):
            if name in ("x", "z"):
                values = ds["spin"].isel({COMPONENT: "xyz".index(name)})
            else:
                values = ds.sky.cos_theta() if name == "cos_theta" else ds.sky.energy_density()
            pair.append(values.transpose("sample", *SITE_DIMS).values)
        return pair[0], pair[1]

    @property
    def squared_error(self) -> np.ndarray:
        """Summed over components, shape (sample, y, x)."""
        difference = (self.outputs["spin"] - self.lattices["spin"]) ** 2
        return difference.sum(COMPONENT).transpose("sample", *SITE_DIMS).values


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


def show(lattices: xr.Dataset, model: VAE | str | os.PathLike[str], names: Sequence[str]) -> Shown:
    """Reconstruct a few lattices, one at a time."""
    lattices = lattices.compute()
    lattices = lattices.assign(spin=lattices["spin"].chunk(sample=1))
    outputs = lattices.sky.reconstruct(model).compute()
    lattices = lattices.compute()
    meshes = [mesh_of_lattice(lattices["spin"][k], float(lattices["B"][k])) for k in range(len(names))]
    return Shown(list(names), lattices, outputs, meshes)


def reconstructions(shown: Shown, labels: Sequence[str]) -> go.Figure:
    """Input with its mesh, reconstruction, squared error (Picture 3.6), one row per lattice."""
    before, after = shown.maps("z")
    rows = [
        [
            Panel(before[k], f"{name}: M_z, {labels[k]}", mesh=shown.meshes[k]),
            Panel(after[k], "reconstruction", mesh=shown.meshes[k]),
            error_panel(shown.squared_error[k], "squared error (log)"),
        ]
        for k, name in enumerate(shown.names)
    ]
    return panel_grid(rows, title="Reconstructions, from few to many defects")


def fields(shown: Shown) -> go.Figure:
    """M_x and cosθ of lattices and reconstructions (Picture 3.7)."""
    rows = []
    x, cosine = shown.maps("x"), shown.maps("cos_theta")
    for k, name in enumerate(shown.names):
        components = [Panel(part[k], f"{name}: M_x{text}") for part, text in zip(x, ("", ", rec."), strict=True)]
        angles = [
            Panel(part[k], f"cosθ{text}", (0.9, 1.0), "Viridis")
            for part, text in zip(cosine, ("", ", rec."), strict=True)
        ]
        rows.append([*components, *angles])
    return panel_grid(rows, title="In-plane component and alignment with the effective field (cosθ from 0.9 to 1)")


def energies(shown: Shown) -> go.Figure:
    """Squared difference of cosθ, local energies, and their squared difference (Picture 3.8)."""
    cosine, energy = shown.maps("cos_theta"), shown.maps("energy")
    limits = tuple(float(q) for q in np.nanquantile(energy[0], (0.001, 0.999)))
    rows = [
        [
            error_panel((cosine[1][k] - cosine[0][k]) ** 2, f"{name}: (cosθ difference)², log", _COS_LIMITS),
            Panel(energy[0][k], "local energy", (limits[0], limits[1]), "Cividis"),
            Panel(energy[1][k], "local energy, rec.", (limits[0], limits[1]), "Cividis"),
            error_panel((energy[1][k] - energy[0][k]) ** 2, "(energy difference)², log", _ENERGY_LIMITS),
        ]
        for k, name in enumerate(shown.names)
    ]
    return panel_grid(rows, title="Local stability and energy")


def artefacts(shown: Shown, n: int = 2) -> go.Figure:
    """The sites where cosθ of the reconstruction is most wrong, enlarged (Picture 3.9)."""
    before, after = shown.maps("z")
    cosine = shown.maps("cos_theta")
    residual = (cosine[1] - cosine[0]) ** 2
    rows, windows = [], []
    for k in np.argsort(residual.max(axis=(1, 2)))[::-1][:n]:
        shift, window = _centred(residual[k])
        maps = [np.roll(image[k], shift, axis=(0, 1)) for image in (before, after, residual)]
        rows.append(
            [
                Panel(maps[0], f"{shown.names[k]}: M_z"),
                Panel(maps[1], f"reconstruction, cosθ down to {cosine[1][k].min():.2f}"),
                error_panel(maps[2], "(cosθ difference)², log", _COS_LIMITS),
            ]
        )
        windows.append(window)
    return panel_grid(rows, title="The worst misalignments", window=windows)


def comparison(shown: Mapping[str, Shown], chosen: Sequence[int]) -> go.Figure:
    """Reconstructions and squared errors of lattices by all models (Pictures 3.10 and 3.11), one row per model."""
    first = next(iter(shown.values()))
    rows: list[list[Panel | None]] = [[]]
    for k in chosen:
        rows[0] += [Panel(first.maps("z")[0][k], f"{first.names[k]}: M_z", mesh=first.meshes[k]), None]
    for model, one in shown.items():
        row: list[Panel | None] = []
        for k in chosen:
            mse = one.squared_error[k].mean() / 3
            row.append(Panel(one.maps("z")[1][k], f"{one.names[k]} by {model}", mesh=one.meshes[k]))
            row.append(error_panel(one.squared_error[k], f"squared error, MSE {mse:.4f}"))
        rows.append(row)
    return panel_grid(rows, title="All models")


def detail(shown: Mapping[str, Shown], k: int) -> go.Figure:
    """The region of a lattice with the largest errors, by all models (Picture 3.12)."""
    from scipy.ndimage import gaussian_filter

    first = next(iter(shown.values()))
    total = sum(one.squared_error[k] for one in shown.values())
    shift, window = _centred(gaussian_filter(total, 5, mode="wrap"))

    def moved(image: np.ndarray) -> np.ndarray:
        return np.roll(image, shift, axis=(0, 1))

    above: list[Panel | None] = [Panel(moved(first.maps("z")[0][k]), f"{first.names[k]}: M_z")]
    below: list[Panel | None] = [None]
    for model, one in shown.items():
        above.append(Panel(moved(one.maps("z")[1][k]), model))
        below.append(error_panel(moved(one.squared_error[k]), "squared error (log)"))
    return panel_grid([above, below], title="Where the models struggle most", window=[window, window])


def generated(ds: xr.Dataset, labels: Sequence[str], *, title: str) -> go.Figure:
    """Generated lattices, four to a row: M_x, and M_z with its mesh (Picture 3.19)."""
    ds = ds[["spin"]].compute()
    pairs = []
    for k, label in enumerate(labels):
        spin = ds["spin"][k]
        pairs.append(
            [
                Panel(spin.isel({COMPONENT: 0}).values, "M_x"),
                Panel(spin.isel({COMPONENT: 2}).values, label, mesh=mesh_of_lattice(spin, float(ds["B"][k]))),
            ]
        )
    rows: list[list[Panel | None]] = [[p for pair in pairs[k : k + 2] for p in pair] for k in range(0, len(pairs), 2)]
    rows[-1] += [None] * (len(rows[0]) - len(rows[-1]))
    return panel_grid(rows, title=title)


def _centred(image: np.ndarray) -> tuple[tuple[int, int], Window]:
    """How to shift a lattice so that the map's largest value is in the middle, and a square around it."""
    ny, nx = image.shape
    y, x = np.unravel_index(np.nanargmax(image), image.shape)
    return (ny // 2 - int(y), nx // 2 - int(x)), (nx // 2, ny // 2, min(ZOOM, nx // 2, ny // 2))
