"""The ``skylattice`` command: simulate, import, look, analyse. Each command is a few calls of the library."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from skylattice.cli import report as report_commands
from skylattice.cli import train as train_commands
from skylattice.cli.dashboard import catalog_app, dashboard
from skylattice.cli.terminal import Scheduler, Threads, computing_on, console, list_faults, stderr
from skylattice.cli.transfer import export_lattices, import_lattices
from skylattice.errors import SkylatticeError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0, all was done; 1, an error, or every lattice failed; 2, the command was not understood; "
        "3, finished, and some lattices or parts, which are listed, were left out; 130, interrupted."
    ),
    help=(
        "Ensembles of magnetic skyrmion lattices: simulate or import them, compute physics over them, look at them.\n\n"
        "Start with [bold]skylattice demo[/bold]: a small ensemble, a real UppASD run, a page of pictures and numbers."
    ),
)
app.command("import")(import_lattices)
app.command("export")(export_lattices)
app.command()(train_commands.train)
app.command()(train_commands.models)
app.command()(report_commands.report)
app.command()(report_commands.generate)
app.add_typer(catalog_app, name="catalog")
app.command()(dashboard)


def main() -> None:
    """Entry point: an error of skylattice becomes one message."""
    try:
        app()
    except SkylatticeError as error:
        stderr.print(f"[red]error[/red]: {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


def parse_values(text: str) -> list[float]:
    """Numbers written as ``0.4,0.5`` or as a range ``start:stop:step`` that includes its stop.

    Examples
    --------
    >>> parse_values("0.4,0.5"), parse_values("0.4:0.5:0.05")
    ([0.4, 0.5], [0.4, 0.45, 0.5])
    """
    try:
        if ":" not in text:
            return [float(part) for part in text.split(",")]
        start, stop, step = (float(part) for part in text.split(":"))
        if not step > 0:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(
            f"expected numbers like 0.4,0.5 or a range like 0.35:0.6:0.05, found {text!r}"
        ) from None
    return [round(start + i * step, 9) for i in range(int((stop - start) / step + 1e-9) + 1)]


def parse_size(text: str) -> tuple[int, int]:
    """``200`` or ``200x100`` (ny × nx)."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"expected a size like 200 or 100x200 (ny x nx), found {text!r}")
    return int(parts[0]), int(parts[-1])


@app.command()
def simulate(
    store: Annotated[Path, typer.Argument(help="Store to create, extend or resume, e.g. ensemble.zarr.")],
    D: Annotated[str, typer.Option("--D", metavar="VALUES", help="DMI in units of J: 0.4,0.5 or 0.35:0.6:0.05.")],
    B: Annotated[str | None, typer.Option("--B", metavar="VALUES", help="Field in units of J, likewise.")] = None,
    B_limits: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--B-limits", help="Instead of --B: lowest and highest B in units of D² for each D, with --B-step."
        ),
    ] = None,
    B_step: Annotated[float | None, typer.Option("--B-step", help="Step of the common B axis, in units of J.")] = None,
    realizations: Annotated[int, typer.Option("-n", "--realizations", min=1, help="Lattices per (D, B) point.")] = 5,
    size: Annotated[str, typer.Option(help="Sites: N, or NYxNX.")] = "200",
    T: Annotated[float, typer.Option("--T", help="Final temperature in units of J / k_B.")] = 0.006,
    start_T: Annotated[float, typer.Option("--start-T", help="First temperature of the geometric annealing.")] = 1.0,
    steps: Annotated[int, typer.Option(min=1, help="Temperatures of the annealing.")] = 60,
    sweeps: Annotated[int, typer.Option(min=1, help="Heat-bath sweeps per temperature.")] = 20,
    over_relaxation: Annotated[int, typer.Option(min=0, help="Over-relaxation sweeps after each of them.")] = 4,
    dmi: Annotated[str, typer.Option(help="Symmetry of the DMI: neel, bloch or antiskyrmion.")] = "neel",
    handedness: Annotated[int, typer.Option(help="+1 or -1: sign of the DMI vector.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Root of all seeds.")] = 0,
    only_phase: Annotated[
        str | None, typer.Option(help="Keep only lattices of this phase: skyrmion, spiral, ferromagnet or mixed.")
    ] = None,
    keep_bits: Annotated[
        int | None, typer.Option(min=1, max=23, help="Round stored spins to so many mantissa bits.")
    ] = None,
    threads: Threads = None,
    scheduler: Scheduler = None,
) -> None:
    """Anneal lattices over a grid of (D, B) into a store.

    Stop it with Ctrl-C and run it again to go on; a larger grid or more realizations extend the store.

    [bold]Example[/bold]: skylattice simulate ensemble.zarr --D 0.35:0.6:0.05 --B-limits 0.3 0.65 --B-step 0.01
    --only-phase skyrmion
    """
    from skylattice import Hamiltonian, open_ensemble, simulate_ensemble
    from skylattice.schema import STATUS
    from skylattice.simulation.schedule import Schedule
    from skylattice.study.faults import failed_lattices

    schedule = Schedule.geometric(start_T, T, steps=steps, sweeps=sweeps, over_relaxation=over_relaxation)
    with computing_on(threads, scheduler):
        simulate_ensemble(
            D=parse_values(D),
            B=None if B is None else parse_values(B),
            B_limits=B_limits,
            B_step=B_step,
            store=store,
            realizations=realizations,
            size=parse_size(size),
            T=T,
            schedule=schedule,
            hamiltonian=Hamiltonian(dmi, handedness),  # type: ignore[arg-type]
            seed=seed,
            only_phase=only_phase,
            keep_bits=keep_bits,
        )
    show_info(store)
    ds = open_ensemble(store)
    finished = ds["status"].isin([STATUS["done"], STATUS["skipped"]])
    list_faults(failed_lattices(ds), n_done=int(finished.sum()))


@app.command()
def info(store: Annotated[Path, typer.Argument(help="An ensemble store.")]) -> None:
    """What a store holds, without reading spins."""
    show_info(store)


def show_info(store: Path) -> None:
    """Print what a store holds."""
    from skylattice.io.store import info

    facts = info(store)
    table = Table(title=str(store), show_header=False, title_justify="left")
    for name in ("D", "B"):
        values = facts[name]
        table.add_row(name, f"{len(values)} values, {values.min():g} … {values.max():g} J")
    table.add_row("size", "{} × {} sites (y × x)".format(*facts["size"]))
    table.add_row("T", "unknown" if isnan(facts["T"]) else f"{facts['T']:g} J/k_B")
    attrs = facts["attrs"]
    known = "dmi" in attrs
    table.add_row("DMI", f"{attrs['dmi']}, handedness {attrs['handedness']:+d}" if known else "unknown")
    table.add_row(
        "points", f"{facts['points']} of {len(facts['D']) * len(facts['B'])}, {facts['realizations']} realizations"
    )
    table.add_row("lattices", ", ".join(f"{count} {name}" for name, count in facts["lattices"].items() if count))
    table.add_row("on disk", f"{facts['bytes'] / 2**20:.1f} MiB")
    for name in ("software", "cpu", "engine", "seed", "generator", "generator_seed", "relaxed", "model"):
        if name in attrs:
            table.add_row(name, str(attrs[name]))
    console.print(table)


@app.command()
def analyse(
    store: Annotated[Path, typer.Argument(help="An ensemble store.")],
    table: Annotated[
        Path | None, typer.Option(help="Table to write, .csv or .parquet; default: NAME.csv beside the store.")
    ] = None,
    threads: Threads = None,
    scheduler: Scheduler = None,
) -> None:
    """Compute all scalars of every lattice: charge, magnetization, energies, temperature, phase, quality.

    Writes them to NAME.results.zarr beside the store, and as a table with one row per lattice.
    """
    from skylattice.io.results import results_path
    from skylattice.schema import STATUS
    from skylattice.study.analysis import analyse_store, check_table, write_table
    from skylattice.study.faults import faults_in

    target = table or store.with_name(store.name.removesuffix(".zarr") + ".csv")
    check_table(target)
    with computing_on(threads, scheduler):
        results = analyse_store(store)
    write_table(results, target)
    n_done = int((results["status"] == STATUS["done"]).sum())
    console.print(f"{n_done} lattices analysed. Table: {target}. Results: {results_path(store)}", highlight=False)
    if "energy" not in results:
        console.print(
            "No energies: the interaction is not known. State it with ds.sky.with_hamiltonian(...), and import that."
        )
    list_faults(faults_in(results), n_done=n_done)


@app.command()
def verify(
    store: Annotated[Path, typer.Argument(help="An ensemble store.")],
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be computed anew.")] = False,
    results: Annotated[bool, typer.Option(help="Look at the results beside it too.")] = True,
    threads: Threads = None,
    scheduler: Scheduler = None,
) -> None:
    """Read everything in a store and name what is damaged, missing or stale; exit code 0 only if nothing is.

    With --repair: results are computed from the lattices, lattices from their seeds where that gives the very bits.
    """
    from skylattice.study.verify import verify_store

    with computing_on(threads, scheduler):
        verification = verify_store(store, repair=repair, results=results)
    for line in (*verification.left, *verification.repaired):
        colour, word = ("red", "error") if line in verification.left else ("green", "repaired")
        console.print(f"[{colour}]{word}[/{colour}] {escape(line)}", highlight=False, soft_wrap=True)
    if not verification.found:
        console.print("[green]Nothing wrong found.[/green]")
    if not verification.ok:
        hint = "" if repair else f" Try: skylattice verify {store} --repair"
        unread = (
            " Spins and results were not looked at: they cannot be told without these." if verification.unread else ""
        )
        console.print(f"Wrong: {len(verification.left)}.{unread}{hint}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


@app.command()
def upgrade(store: Annotated[Path, typer.Argument(help="An ensemble store.")]) -> None:
    """Convert a store of an earlier format version, spins as they are, so that lattices can be added."""
    from skylattice.io.upgrade import upgrade_store

    done = upgrade_store(store)
    console.print(f"{store}: {'converted' if done else 'is of the present version already'}.", highlight=False)


@app.command()
def doctor(path: Annotated[Path, typer.Argument(help="A file or folder.")]) -> None:
    """Say what a file or folder is, and what is wrong with it."""
    from skylattice.io.doctor import diagnose

    diagnosis = diagnose(path)
    console.print(f"[bold]{diagnosis.kind}[/bold]: {diagnosis.summary}", highlight=False)
    colours = {"error": "red", "warning": "yellow", "info": "cyan"}
    for finding in diagnosis.findings:
        colour = colours.get(finding.level, "white")
        console.print(
            f"[{colour}]{finding.level}[/{colour}] {finding.message} {finding.remedy}", highlight=False, soft_wrap=True
        )
    if not diagnosis.findings:
        console.print("[green]Nothing wrong found.[/green]")
    if any(finding.level == "error" for finding in diagnosis.findings):
        raise typer.Exit(1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to write.")] = Path("demo"),
    threads: Threads = None,
    scheduler: Scheduler = None,
) -> None:
    """Simulate a small ensemble, add a real UppASD run, analyse both, write a page of pictures and numbers.

    Takes about a minute on two cores. Run again, it does what is missing and writes the page anew.
    """
    from skylattice.demo import build_demo

    with computing_on(threads, scheduler):
        page = build_demo(folder)
    console.print(f"\nOpen [bold]{page}[/bold] in a browser.")
    console.print(
        "Then try, in Python:\n"
        "    import skylattice\n"
        f"    ds = skylattice.open_ensemble({str(folder / 'ensemble.zarr')!r})\n"
        "    ds.sky.topological_charge().mean('realization').compute()\n"
        f"or simulate your own: skylattice simulate mine.zarr --D 0.4,0.5 --B 0.1:0.2:0.05 -n 2 --size 100",
        highlight=False,
    )


def _version(value: bool) -> None:
    if value:
        from skylattice import __version__

        console.print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> Any:
    pass
