"""Commands of the variational autoencoders: ``skylattice train`` and ``skylattice models``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from skylattice.cli.terminal import Scheduler, Threads, computing_on, console


def train(
    config: Annotated[Path | None, typer.Argument(help="Options in YAML; those below replace the file's.")] = None,
    store: Annotated[Path | None, typer.Option(help="Ensemble to train on.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    preset: Annotated[str | None, typer.Option(help="periodic, thesis, or one of the thesis' six.")] = None,
    beta: Annotated[float | None, typer.Option(help="Weight C_KL of the KL divergence at 200×200.")] = None,
    latent: Annotated[int | None, typer.Option(help="Latents of a 200×200 lattice.")] = None,
    condition: Annotated[bool | None, typer.Option(help="Tell the model (D, B).")] = None,
    physics: Annotated[float | None, typer.Option(help="Weight of 1 - cosθ of the output in the loss.")] = None,
    initial: Annotated[str | None, typer.Option(help="Fine-tune this model: a folder or a shipped name.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training lattices.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Lattices per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    mixed_precision: Annotated[bool | None, typer.Option(help="Compute in bfloat16.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without improvement before stopping.")] = None,
    n_train: Annotated[int | None, typer.Option(help="Train on so many lattices only.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of split, weights, order and noise.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch of this run.")] = False,
    threads: Threads = None,
    scheduler: Scheduler = None,
) -> None:
    """Train a variational autoencoder on an ensemble.

    Checkpoints after every epoch: stop it with Ctrl-C and go on with --resume. The folder of the run gets history.csv
    and loss.html, which show how it goes, and at the end model/, for ds.sky.reconstruct(...) and its like. The network
    is trained in this process; lattices that a recipe asks for are simulated on the threads or scheduler given.

    [bold]Example[/bold]: skylattice train --store ensemble.zarr --output run --epochs 40
    """
    from skylattice.vae import TrainConfig
    from skylattice.vae import train as run_training

    model: dict[str, Any] = {
        name: value
        for name, value in {
            "preset": preset,
            "beta": beta,
            "latent": latent,
            "condition": condition,
            "physics": physics,
        }.items()
        if value is not None
    }
    run = TrainConfig.from_yaml(
        config,
        store=None if store is None else str(store),
        output=None if output is None else str(output),
        model=model,
        initial=initial,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        mixed_precision=mixed_precision,
        patience=patience,
        n_train=n_train,
        seed=seed,
    )
    display = _Display(run.epochs, Path(run.output))
    with computing_on(threads, scheduler, again="the same command with --resume"), display.progress:
        trained = run_training(run, resume=resume, on_epoch=display.on_epoch, on_step=display.on_step)
    metrics = trained.metadata["metrics"]
    for name in ("test_mse", "test_seeds_mse", "validation_mse"):
        if metrics[name] is not None:
            console.print(f"{name}: {metrics[name]:.5f}")
    if metrics["is_collapsed"]:
        console.print("[yellow]The posterior has collapsed[/yellow]: lower --beta, or lengthen the ramp of the config.")
    console.print(
        f"Saved [bold]{Path(run.output) / 'model'}[/bold]: ds.sky.reconstruct({str(Path(run.output) / 'model')!r})"
    )


def models(
    model: Annotated[str | None, typer.Argument(help="Show the card of this one: a folder or a shipped name.")] = None,
    curves: Annotated[Path | None, typer.Option(help="Write its loss curves to this HTML file.")] = None,
) -> None:
    """List the trained models that come with skylattice, or show one: what it is, has seen, and how well it does.

    [bold]Example[/bold]: skylattice models periodic-1.25e-05 --curves curves.html
    """
    if model is not None:
        _show_card(model, curves)
        return
    if curves is not None:
        raise typer.BadParameter("expected a model whose curves to write", param_hint="--curves")
    _list_models()


def _show_card(model: str, curves: Path | None) -> None:
    from skylattice.vae.artifact import find, read_document
    from skylattice.vae.card import model_card

    for title, (columns, rows) in model_card(model).items():
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if curves is not None:
        import pandas as pd

        from skylattice.report.training_figures import loss_curves

        history = read_document(find(model))["metadata"].get("history", [])
        loss_curves(pd.DataFrame(history), title=model).write_html(curves, include_plotlyjs=True)
        console.print(f"Loss curves: [bold]{curves}[/bold]", highlight=False)


def _list_models() -> None:
    from skylattice.vae.artifact import DEFAULT_MODEL, shipped

    table = Table(
        "name", "preset", "β", "latents", "trained on", "test MSE", title="Shipped models", title_justify="left"
    )
    for name, document in shipped():
        spec, metadata = document["spec"], document["metadata"]
        size = "×".join(map(str, metadata["data"]["size"]))
        table.add_row(
            f"{name} (default)" if name == DEFAULT_MODEL else name,
            spec["preset"],
            f"{spec['beta']:g}",
            str(spec["latent"]),
            f"{metadata['data']['split']['n_train']} lattices of {size}",
            f"{metadata['metrics']['test_mse']:.5f}",
        )
    console.print(table)


class _Display:
    """A progress bar over steps, a line per epoch, and the loss curves in the run's folder."""

    def __init__(self, epochs: int, folder: Path) -> None:
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
            TimeRemainingColumn(),
            console=console,
        )
        self.folder, self.epochs = folder, epochs
        self.rows: list[dict[str, float]] = []
        self._task = self.progress.add_task("", total=None, epoch=1, epochs=epochs)

    def on_step(self, done: int, total: int) -> None:
        """Move the bar."""
        self.progress.update(self._task, completed=done, total=total)

    def on_epoch(self, row: dict[str, float]) -> None:
        """Print the epoch and draw the curves anew."""
        from skylattice.errors import MissingExtraError
        from skylattice.report.training_figures import loss_curves

        shown = {name: row[name] for name in ("mse", "kl", "val_mse", "val_kl") if name in row}
        numbers = "  ".join(f"{name} {value:.5g}" for name, value in shown.items())
        self.progress.console.print(f"epoch {row['epoch']}: {numbers}  ({row['seconds']:.0f} s)", highlight=False)
        self.progress.update(self._task, completed=0, epoch=min(int(row["epoch"]) + 1, self.epochs))
        import pandas as pd

        try:
            figure = loss_curves(pd.read_csv(self.folder / "history.csv"), title=str(self.folder))
        except MissingExtraError:  # training needs no plots
            return
        figure.write_html(self.folder / "loss.html", include_plotlyjs=True)
