"""``skylattice import`` and ``export``: lattices of other programs into a store, and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from skylattice.cli.terminal import NOTHING_DONE, PARTLY_DONE, Scheduler, Threads, computing_on, console

_MOST_ROWS = 60


def import_lattices(
    paths: Annotated[
        list[Path], typer.Argument(metavar="SOURCE... STORE", help="Files, run folders or folders of them; the store.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    D: Annotated[str | None, typer.Option("--D", help="DMI in units of J, or the name of the array of it.")] = None,
    B: Annotated[str | None, typer.Option("--B", help="Field in units of J, likewise.")] = None,
    T: Annotated[str | None, typer.Option("--T", help="Temperature in J / k_B, likewise.")] = None,
    pattern: Annotated[
        str | None, typer.Option(help="What names of files say: 'D{D}_B{B}_r{realization}'; {} is anything.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV with columns file, D, B, T, realization, dmi, handedness, boundary.")
    ] = None,
    dmi: Annotated[str | None, typer.Option(help="neel, bloch or antiskyrmion, of sources that state none.")] = None,
    handedness: Annotated[
        int | None, typer.Option(help="+1 or -1: turn lattices of the other sign of DMI by π about z.")
    ] = None,
    dmi_sign: Annotated[
        str | None, typer.Option(help="Sign of UppASD's DMI term, - or +; default: from the run's revision, else -.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="Sites, N or NYxNX, of flat arrays and lone spin files.")] = None,
    spin: Annotated[str | None, typer.Option(help="Name of the array of spins, or MX,MY,MZ, or THETA,PHI.")] = None,
    dims: Annotated[str | None, typer.Option(help="Names of the spins' axes: D,B,realization,y,x,component.")] = None,
    layer: Annotated[int | None, typer.Option(help="Which layer of a stack, counted from 0.")] = None,
    split: Annotated[
        bool, typer.Option("--split", help="Put lattices of another size, T or interaction into stores beside it.")
    ] = False,
    keep_bits: Annotated[
        int | None, typer.Option(min=1, max=23, help="Round the spins of a new store to so many mantissa bits.")
    ] = None,
    threads: Threads = None,
    scheduler: Scheduler = None,
) -> None:
    """Import lattices of any format: skylattice import SOURCE... STORE.

    Reads UppASD runs, OVF, npy, npz, HDF5, netCDF, zarr and stores of skylattice, told by content; folders are
    searched. Lattices at the same (D, B) become realizations; one that the store has already is not added again. What
    cannot be read is listed and left out, and the rest goes on; the exit code is then 3, and 1 if nothing is left.

    [bold]Example[/bold]: skylattice import runs/ extra.npz all.zarr --pattern 'D{D}_B{B}' --dry-run
    """
    from skylattice.cli.main import parse_size, show_info
    from skylattice.io.plan import plan_import

    if len(paths) < 2:
        raise typer.BadParameter("expected at least one source and the store: skylattice import SOURCE... STORE")
    *sources, store = paths
    options: dict[str, Any] = {"dmi_sign": dmi_sign, "spin": spin, "dims": dims, "layer": layer, "z": layer}
    options |= {name: _number(value) for name, value in (("D", D), ("B", B), ("T", T))}
    options["size"] = None if size is None else parse_size(size)
    with computing_on(threads, scheduler):
        plan = plan_import(
            sources,
            store,
            options=options,
            pattern=pattern,
            labels=labels,
            handedness=handedness,
            dmi=dmi,
            split=split,
            keep_bits=keep_bits,
        )
        _show(plan)
        written = [] if dry_run else plan.run()
    there = sum(row.n_lattices - row.n_new for row in plan.rows if row.store is not None)
    verb = "would be imported" if dry_run else "imported"
    console.print(
        f"{plan.n_new} lattices {verb}, {there} there already, {len(plan.failures)} sources left out.", highlight=False
    )
    for path in written:
        show_info(path)
    if plan.failures or not any(row.store for row in plan.rows):
        raise typer.Exit(PARTLY_DONE if any(row.store for row in plan.rows) else NOTHING_DONE)


def _number(value: str | None) -> float | str | None:
    """A number where it is one, else the name of an array."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return value


def _show(plan: Any) -> None:
    """The plan as a table, then what is left out and why, then what reading warned of."""
    table = Table(title="Plan", title_justify="left")
    table.add_column("source", overflow="fold", min_width=16)
    for name in ("format", "new", "of", "D", "B", "T", "DMI", "boundary", "run", "store"):
        table.add_column(name, overflow="fold", min_width=min(len(name), 6))
    rows = [row for row in plan.rows if row.store is not None]
    for row in rows[:_MOST_ROWS]:
        known = row.layout.hamiltonian
        table.add_row(
            escape("/".join(row.path.parts[-2:])),
            row.format,
            str(row.n_new),
            str(row.n_lattices),
            _span(row.D),
            _span(row.B),
            f"{row.layout.T:g}",
            "unknown" if known is None else f"{known.dmi} {known.handedness:+d}",
            row.boundary,
            _span(row.realizations),
            escape(row.store.name),
        )
    if rows:
        console.print(table)
    if len(rows) > _MOST_ROWS:
        console.print(f"… and {len(rows) - _MOST_ROWS} more sources.")
    for row in plan.rows:
        for note in dict.fromkeys(row.notes):
            console.print(f"[yellow]note[/yellow] {escape(note)}", highlight=False, soft_wrap=True)
        if row.reason:
            colour = "red" if row.is_failure else "cyan"
            reason = row.reason if str(row.path) in row.reason else f"{row.path}: {row.reason}"
            console.print(f"[{colour}]left out[/{colour}] {escape(reason)}", highlight=False, soft_wrap=True)


def _span(values: tuple[float, ...]) -> str:
    """One value, or the first and the last of several."""
    if not values:
        return ""
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} … {values[-1]:g}"


def export_lattices(
    store: Annotated[str, typer.Argument(help="An ensemble store, or a file of lattices of any format.")],
    path: Annotated[Path, typer.Argument(help="File to write: .ovf, .npz, .nc, or .out for a UppASD restart.")],
    format: Annotated[
        str | None, typer.Option(help="ovf, npz, netcdf or uppasd; default: by the ending of the file.")
    ] = None,
    D: Annotated[float | None, typer.Option("--D", help="Only lattices at this D.")] = None,
    B: Annotated[float | None, typer.Option("--B", help="Only lattices at this B.")] = None,
) -> None:
    """Write lattices in the format of another program: skylattice export STORE FILE.

    Lattices that are not done are left out; formats that hold a list write one after the other.
    """
    from skylattice.errors import SchemaError
    from skylattice.io.export import export
    from skylattice.io.formats import open_lattices
    from skylattice.io.guard import local_path
    from skylattice.io.sources import is_store
    from skylattice.io.store import open_ensemble
    from skylattice.stacking import stack

    local_path(path)  # a URL is refused before anything is read
    ds = open_ensemble(store) if "://" in store or is_store(Path(store)) else open_lattices(store)
    for name, value in (("D", D), ("B", B)):
        if value is not None:
            near = abs(ds[name].values - value) < 5e-7
            if ds[name].ndim != 1 or not near.any():
                raise SchemaError(f"--{name}: expected one of {ds[name].values.ravel()[:20].tolist()}, found {value}.")
            ds = ds.isel({ds[name].dims[0]: near.nonzero()[0]})
    flat = stack(ds)
    export(flat.reset_index("sample") if "sample" in flat.indexes else flat, path, format=format)
    console.print(f"{flat.sizes['sample']} lattices written to {path}", highlight=False)
