"""What ``skylattice demo`` does: a small ensemble and a real lattice, from nothing to pictures and a report."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from skylattice.data import open_example
from skylattice.errors import MissingExtraError, SkylatticeError
from skylattice.io.guard import replacing
from skylattice.io.importing import import_datasets
from skylattice.io.store import open_ensemble
from skylattice.report.build import build_report
from skylattice.report.ensemble_figures import phase_diagram
from skylattice.report.lattice_figures import lattice_figure
from skylattice.report.page import Page
from skylattice.report.panels import lattice_maps, reconstruction_maps
from skylattice.schema import PHASE
from skylattice.study.analysis import analyse_store, scalar_table
from skylattice.study.chapter import run_study
from skylattice.study.lattice import analyse_lattice

if TYPE_CHECKING:
    import pandas as pd

#: Stripes at low field, skyrmion lattices in the middle, ferromagnets above.
D = [0.35, 0.4, 0.5, 0.6]
B = [0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28]
REALIZATIONS = 2
SIZE = 100

#: Lattices that the demo's report generates, for table 3.6 and for each row of the quality table.
GENERATED, QUALITY = 32, 8

_COLUMNS = [
    "D",
    "B",
    "realization",
    "phase",
    "topological_charge",
    "n_skyrmions",
    "n_defects",
    "m_z",
    "energy",
    "cos_theta_min",
    "temperature_ratio",
]


def build_demo(folder: str | os.PathLike[str]) -> Path:
    """Simulate, import, analyse, and write ``folder/index.html``; what is there already is not done again.

    Returns the path of the page.
    """
    from skylattice.simulation.ensemble import simulate_ensemble

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    simulated, imported = folder / "ensemble.zarr", folder / "uppasd.zarr"
    start = time.perf_counter()
    simulate_ensemble(D=D, B=B, realizations=REALIZATIONS, size=SIZE, store=simulated)
    seconds = time.perf_counter() - start
    if not imported.exists():
        import_datasets([open_example("uppasd-200")], imported, progress=False)
    results, real = analyse_store(simulated), analyse_store(imported)
    return write_page(folder / "index.html", simulated, imported, results, real, seconds)


def write_page(
    path: Path, simulated: Path, imported: Path, results: xr.Dataset, real: xr.Dataset, seconds: float
) -> Path:
    """Draw the demo's page from its two stores and their results."""
    ensemble = open_ensemble(simulated)
    table = scalar_table(results)
    page = Page(
        "skylattice demo",
        f"{len(table)} lattices of {SIZE}×{SIZE} sites, annealed from random spins to T = {float(ensemble['T']):g} "
        f"J/k_B in {seconds:.0f} s, and one 200×200 lattice from a real UppASD run.",
    )
    page.heading("The ensemble").text(
        "Out-of-plane component S_z of one lattice per point: red along the field, blue against it. From left to right "
        "the field grows: stripes, skyrmion lattice, ferromagnet."
    )
    maps = (
        ensemble["spin"].sel(component="z").isel(realization=0).stack(sample=("D", "B")).transpose("sample", "y", "x")
    )
    titles = [f"D={d:g}, B={b:g}" for d in ensemble["D"].values for b in ensemble["B"].values]
    page.figure(lattice_maps(maps.compute(), titles, columns=len(B)))
    page.heading("Phase diagram").text(
        "Topological charge Q: minus one for each skyrmion. Hover for the numbers; the spread is over realizations."
    )
    page.figure(phase_diagram(results["topological_charge"], title="Topological charge"))
    _add_real_lattice(page, imported, scalar_table(real))
    _add_reconstructions(page, simulated, imported, results["phase"])
    _add_report(page, simulated, path.parent / "report" / "index.html")
    page.heading("Numbers").text("One row per lattice; the same and more is in ensemble.csv beside this page.")
    page.table(table[_COLUMNS])
    with replacing(path.with_name("ensemble.csv")) as file:
        table.to_csv(file, index=False)
    page.heading("What next").code(_next_steps(simulated))
    return page.write(path)


def _add_real_lattice(page: Page, store: Path, table: pd.DataFrame) -> None:
    page.heading("A real lattice").text(
        "Annealed with UppASD at D = 0.5, B = 0.15, and imported: charge, magnetization and energies are those that "
        "the program itself reported. The thermometer reads the spins' temperature off the lattice alone."
    )
    spin = open_ensemble(store)["spin"].isel(D=0, B=0, realization=0)
    maps = spin.transpose("component", "y", "x").rename(component="sample").compute()
    page.figure(lattice_maps(maps, ["S_x", "S_y", "S_z"], columns=3))
    page.text(
        "Its skyrmions and their neighbours on the torus. Five neighbours (blue) or seven (yellow) instead of six make "
        "a defect, a pair of the two a dislocation with its Burgers vector (green)."
    )
    page.figure(lattice_figure(analyse_lattice(spin, open_ensemble(store)["B"].item())))
    numbers = table[_COLUMNS[3:]].astype(object).iloc[0]  # a row of floats would turn counts into them
    page.table(numbers.to_frame("value").rename_axis("quantity").reset_index())


def _add_reconstructions(page: Page, simulated: Path, imported: Path, phase: xr.DataArray) -> None:
    """Reconstruct every lattice with the shipped model; show some of the skyrmion lattices, and the real one."""
    page.heading("Reconstruction").text(
        "Each lattice passed through the shipped variational autoencoder: at 200×200, 120,000 numbers down to 500 and "
        "back. From left to right: S_z of the lattice, of its reconstruction, and the squared error of each site."
    )
    try:
        for store in (simulated, imported):
            ds = open_ensemble(store)
            errors = ds.sky.reconstruction_error()[["mse"]].compute()
            is_shown = phase == PHASE["skyrmion"] if store == simulated else errors.mse.notnull()
            shown = ds.assign(mse=errors.mse, is_shown=is_shown).sky.stack()
            shown = shown.isel(sample=shown.is_shown.values)
            if not shown.sizes["sample"]:
                continue
            what = "skyrmion lattices of the ensemble" if store == simulated else "lattice from UppASD"
            page.text(f"{shown.sizes['sample']} {what}, mean squared error {shown.mse.mean().item():.4f}.")
            examples = shown.isel(sample=slice(None, None, -(-shown.sizes["sample"] // 3))).load()
            numbers = zip(examples.D.values, examples.B.values, examples.mse.values, strict=True)
            titles = [f"D={D:g}, B={B:g}, MSE {mse:.4f}" for D, B, mse in numbers]
            output = examples.sky.reconstruct().spin
            page.figure(reconstruction_maps(examples.spin, output, titles))
    except MissingExtraError as error:
        page.text(f"Left out: {error}")


def _add_report(page: Page, simulated: Path, path: Path) -> None:
    """Write the report of the skyrmion lattices beside the page, and link to it."""
    page.heading("The report").text(
        "What the shipped model knows about these skyrmion lattices: errors, defects, latent space and lattices that "
        "it generates, as chapter 3 of the thesis has them and beside its numbers. For one's own: skylattice report."
    )
    try:
        study = run_study(simulated, ["periodic"], n_generated=GENERATED, n_quality=QUALITY)
        build_report(study, path)
        page.link(path.relative_to(path.parents[1]).as_posix(), "Open the report")
    except SkylatticeError as error:
        page.text(f"Left out: {error}")


def _next_steps(store: Path) -> str:
    return (
        "import skylattice\n"
        f"ds = skylattice.open_ensemble({os.fspath(store)!r})   # lazy: D, B, realization, y, x, component\n"
        'ds.sky.topological_charge().mean("realization").compute()\n'
        "ds.sky.structure_factor().isel(D=1, B=3).compute()\n\n"
        "# an ensemble of your own\n"
        "skylattice simulate mine.zarr --D 0.35:0.6:0.05 --B-limits 0.3 0.65 --B-step 0.02 --only-phase skyrmion\n"
        "# your UppASD runs\n"
        "skylattice import RUNS runs.zarr && skylattice analyse runs.zarr"
    )
