"""The thesis' pictures of lattices: which lattices are shown is decided by their defects and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skylattice.report.panels import Panel, Window, error_panel, panel_grid
from skylattice.study.generation import Examples
from skylattice.study.shown import Shown

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Half width in sites of the squares of Pictures 3.9 and 3.12.
ZOOM = 20
_COS_LIMITS = (1e-6, 1.0)
_ENERGY_LIMITS = (1e-5, 1.0)


def reconstructions(shown: Shown, labels: Sequence[str]) -> go.Figure:
    """Input with its mesh, reconstruction, squared error (Picture 3.6), one row per lattice."""
    before, after = shown.before.z, shown.after.z
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
    x, cosine = _pair(shown, "x"), _pair(shown, "cos_theta")
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
    cosine, energy = _pair(shown, "cos_theta"), _pair(shown, "energy")
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
    before, after = shown.before.z, shown.after.z
    cosine = _pair(shown, "cos_theta")
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
        rows[0] += [Panel(first.before.z[k], f"{first.names[k]}: M_z", mesh=first.meshes[k]), None]
    for model, one in shown.items():
        row: list[Panel | None] = []
        for k in chosen:
            mse = one.squared_error[k].mean() / 3
            row.append(Panel(one.after.z[k], f"{one.names[k]} by {model}", mesh=one.meshes[k]))
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

    above: list[Panel | None] = [Panel(moved(first.before.z[k]), f"{first.names[k]}: M_z")]
    below: list[Panel | None] = [None]
    for model, one in shown.items():
        above.append(Panel(moved(one.after.z[k]), model))
        below.append(error_panel(moved(one.squared_error[k]), "squared error (log)"))
    return panel_grid([above, below], title="Where the models struggle most", window=[window, window])


def generated(drawn: Examples, *, title: str) -> go.Figure:
    """Generated lattices, two to a row: M_x, and M_z with its mesh (Picture 3.19)."""
    pairs = []
    for k, (spin, mesh) in enumerate(zip(drawn.spin, drawn.meshes, strict=True)):
        label = f"M_z, {drawn.n_defects[k]:.0f} defects on {drawn.n_skyrmions[k]:.0f}"
        pairs.append([Panel(spin[..., 0], "M_x"), Panel(spin[..., 2], label, mesh=mesh)])
    rows: list[list[Panel | None]] = [[p for pair in pairs[k : k + 2] for p in pair] for k in range(0, len(pairs), 2)]
    rows[-1] += [None] * (len(rows[0]) - len(rows[-1]))
    return panel_grid(rows, title=title)


def _pair(shown: Shown, name: str) -> tuple[np.ndarray, np.ndarray]:
    """One kind of map of the lattices and of their reconstructions."""
    return getattr(shown.before, name), getattr(shown.after, name)


def _centred(image: np.ndarray) -> tuple[tuple[int, int], Window]:
    """How to shift a lattice so that the map's largest value is in the middle, and a square around it."""
    ny, nx = image.shape
    y, x = np.unravel_index(np.nanargmax(image), image.shape)
    return (ny // 2 - int(y), nx // 2 - int(x)), (nx // 2, ny // 2, min(ZOOM, nx // 2, ny // 2))
