"""Commands that show what there is: ``skylattice dashboard`` and ``skylattice catalog``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from skylattice.bundled import bundled
from skylattice.cli.terminal import console
from skylattice.errors import MissingExtraError, StoreError

catalog_app = typer.Typer(no_args_is_help=True, help="Catalogs: lists of ensembles and models in Intake's YAML.")


@catalog_app.command("add")
def add(
    store: Annotated[str, typer.Argument(help="Folder or fsspec URL of an ensemble store.")],
    catalog: Annotated[Path, typer.Option(help="Catalog to write to; created if there is none.")] = Path(
        "catalog.yaml"
    ),
    name: Annotated[str | None, typer.Option(help="Name of the entry; default: the store's.")] = None,
    description: Annotated[str, typer.Option(help="One line for people.")] = "",
) -> None:
    """Write an entry with grid, size and checksum for a store."""
    from skylattice.catalog import add_store

    entry = add_store(catalog, store, name=name, description=description)
    console.print(f"{catalog}: entry {entry.name!r}, {entry.metadata['lattices']} lattices.", highlight=False)


@catalog_app.command("list")
def list_entries(
    catalog: Annotated[
        Path | None, typer.Argument(help="A catalog; default: the one that comes with skylattice.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Open each entry and compare it with the catalog.")] = False,
    root: Annotated[
        list[Path] | None,
        typer.Option("--root", help="Folder besides the catalog's own that entries may open; repeat for more."),
    ] = None,
) -> None:
    """List the entries of a catalog."""
    from skylattice.catalog import open_catalog

    for entry in open_catalog(catalog, roots=root or []).values():
        if verify:
            entry.verify()
        console.print(f"[bold]{entry.name}[/bold] ({entry.driver}) {entry.description}", highlight=False)
        console.print(f"    {entry.source}", highlight=False, soft_wrap=True)


def dashboard_command(port: int, address: str, open_browser: bool) -> list[str]:
    """The command that serves the dashboard."""
    options = {
        "server.address": address,
        "server.port": port,
        "server.headless": not open_browser,
        "server.maxUploadSize": 1,  # MB; no page takes uploads
        "server.fileWatcherType": "none",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "browser.gatherUsageStats": False,
        "runner.postScriptGC": False,  # pages that watch a job run twice a second
    }
    flags = [f"--{name}={str(value).lower()}" for name, value in options.items()]
    scripts = bundled("dashboard")
    return [sys.executable, str(scripts / "serve.py"), "run", str(scripts / "app.py"), *flags]


def dashboard_environment(source: Path | None, roots: list[Path], scheduler: str | None) -> dict[str, str]:
    """What the pages need to know: which folders may be opened, what is shown first, which scheduler may be joined."""
    if source is not None and not source.exists():
        raise StoreError(f"{source}: there is no store or catalog here. Check the path.")
    allowed = [*roots] if source is None else [source.resolve().parent, *roots]
    return {
        "SKYLATTICE_DASHBOARD_ROOTS": os.pathsep.join(str(root.resolve()) for root in allowed),
        "SKYLATTICE_DASHBOARD_SOURCE": "" if source is None else str(source.resolve()),
        "SKYLATTICE_DASHBOARD_SCHEDULER": scheduler or "",
    }


def dashboard(
    source: Annotated[
        Path | None,
        typer.Argument(help="A store or a catalog; default: the example ensemble.", show_default=False),
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            "--root", help="Folder whose stores may be opened too; repeat for more. SOURCE's own folder always is."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on.")] = 8501,
    address: Annotated[
        str, typer.Option(help="Address to listen on; anyone who reaches it can use the dashboard.")
    ] = "127.0.0.1",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Offer to compute on this dask.distributed scheduler.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Browse ensembles, lattices, reconstructions and tables in the browser.

    Without SOURCE it shows the example ensemble that comes with skylattice.
    """
    from importlib.util import find_spec

    for package in ("streamlit", "plotly"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "dashboard", "the dashboard")
    environment = {**os.environ, **dashboard_environment(source, root or [], scheduler)}
    command = dashboard_command(port, address, browser)
    os.execve(command[0], command, environment)
