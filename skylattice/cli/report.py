"""Commands ``skylattice report`` and ``skylattice generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from skylattice.cli.terminal import (
    NOTHING_DONE,
    PARTLY_DONE,
    Scheduler,
    Threads,
    computing_on,
    console,
    list_faults,
    stderr,
)

Refined = Annotated[
    Literal["default", "none", "fast", "best"],
    typer.Option(help="Refine the codes: fast (a few passes), best (gradient steps), or what the model was made for."),
]


def report(
    store: Annotated[Path, typer.Argument(help="An ensemble store.")],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Folder of a model, or the name of a shipped one; repeat for more."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report/index.html"),
    generated: Annotated[int, typer.Option(min=0, help="Lattices to generate as in the thesis.")] = 600,
    quality: Annotated[int, typer.Option(min=0, help="Lattices per row of the quality table.")] = 200,
    shown: Annotated[int, typer.Option(min=2, max=26, help="Lattices in the pictures.")] = 5,
    lattice: Annotated[
        list[str] | None,
        typer.Option("--lattice", metavar="D,B,R", help="Show this lattice, by D, B and realization; repeat for more."),
    ] = None,
    refine: Refined = "default",
    max_train: Annotated[int | None, typer.Option(min=8, help="Use so many training lattices at most.")] = None,
    images: Annotated[bool, typer.Option("--images", help="Write figures as PNG and SVG too (needs kaleido).")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
    threads: Threads = None,
    scheduler: Scheduler = None,
) -> None:
    """Rebuild the thesis' tables and pictures for an ensemble and models, with its numbers beside ours.

    What is costly is kept beside the store: run it again to go on, or with more models.

    [bold]Example[/bold]: skylattice report ensemble.zarr --model periodic --model runs/thesis-5e-05/model
    """
    from skylattice.errors import StoreError
    from skylattice.io.results import open_results
    from skylattice.report.build import build_report
    from skylattice.study.analysis import analyse_store
    from skylattice.study.chapter import run_study

    points = [_point(text) for text in lattice or []]
    with computing_on(threads, scheduler):
        try:
            open_results(store, "observables")
        except StoreError:
            analyse_store(store)
        study = run_study(
            store,
            model or ["periodic"],
            n_generated=generated,
            n_quality=quality,
            n_shown=shown,
            chosen=points,
            refine=None if refine == "none" else refine,
            max_train=max_train,
            seed=seed,
            on_step=lambda name: console.print(f"{name} …", style="dim", highlight=False),
        )
    page = build_report(study, output, images=images)
    console.print(f"Open [bold]{page}[/bold] in a browser. Tables: {page.parent / 'tables'}", highlight=False)
    for part, reason in study.missing.items():
        stderr.print(f"[yellow]left out[/yellow] {escape(part)}: {escape(reason)}", highlight=False, soft_wrap=True)
    list_faults(study.ensemble.faults, n_done=len(study.records))
    if study.missing:
        raise typer.Exit(PARTLY_DONE if study.records else NOTHING_DONE)


def _point(text: str) -> tuple[float, float, int]:
    """D, B and realization of a lattice."""
    try:
        D, B, realization = text.split(",")
        return float(D), float(B), int(realization)
    except ValueError:
        message = f"expected D,B,realization like 0.5,0.12,0, found {text!r}"
        raise typer.BadParameter(message, param_hint="--lattice") from None


def generate(
    store: Annotated[Path, typer.Argument(help="Ensemble whose like is wanted.")],
    output: Annotated[Path, typer.Argument(help="Zarr store to write, one lattice per sample.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many lattices.")] = 10,
    model: Annotated[str, typer.Option("--model", "-m", help="Folder of a model, or a shipped name.")] = "periodic",
    method: Annotated[
        str,
        typer.Option(help="particles (no model), learned, neighbourhood, low_defect, conditional, prior or thesis."),
    ] = "learned",
    D: Annotated[float | None, typer.Option("--D", help="Wanted D in J; with --B.")] = None,
    B: Annotated[float | None, typer.Option("--B", help="Wanted B in J; with --D.")] = None,
    novelty: Annotated[float | None, typer.Option(help="How far from the ensemble's own lattices.")] = None,
    relax: Annotated[bool, typer.Option("--relax", help="Quench the lattices with the Monte Carlo engine.")] = False,
    defects: Annotated[
        float | None, typer.Option(min=0, help="Mean defects per lattice, for particles; default: as the ensemble.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same lattices.")] = 0,
    threads: Threads = None,
    scheduler: Scheduler = None,
) -> None:
    """Generate new lattices with a trained model into a store that all commands take.

    Lattices at one (D, B) become its realizations. The methods thesis and prior read D and B off each lattice. With
    particles no model is asked: skyrmions settle, as many and as disordered as the ensemble's, and are thermalised.

    [bold]Example[/bold]: skylattice generate ensemble.zarr new.zarr -n 100 --method particles --D 0.5 --B 0.12
    """
    from skylattice.errors import StoreError
    from skylattice.latent.generate import save_generated
    from skylattice.latent.particles import draw_like
    from skylattice.latent.recipe import Recipe
    from skylattice.study.faults import sound_ensemble
    from skylattice.study.generation import packing_of

    if output.exists():
        raise StoreError(f"{output}: exists already. Choose a new path, or remove it.")
    options: dict[str, Any] = {"method": method, "D": D, "B": B, "novelty": novelty, "relax": relax, "seed": seed}
    with computing_on(threads, scheduler):
        ds, faults = sound_ensemble(store)
        if method == "particles":
            recipe = Recipe(defects="data" if defects is None else defects, **options)
            lattices = draw_like(ds, packing_of(store), n, recipe)
        else:
            lattices = ds.sky.generate(model, n, **options)
        save_generated(lattices, output)
    console.print(f"{n} lattices in [bold]{output}[/bold]: skylattice.open_ensemble({str(output)!r})")
    list_faults(faults, n_done=n)
