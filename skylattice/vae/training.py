"""Training: one run in one folder, checkpointed every epoch, resumable, ending in a saved model with its provenance."""

from __future__ import annotations

import csv
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import ModelError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.guard import replacing
from skylattice.vae import artifact
from skylattice.vae._keras import jit_compile, keras
from skylattice.vae.arrays import read_arrays, write_arrays
from skylattice.vae.calibration import MIN_LATTICES
from skylattice.vae.config import TrainConfig
from skylattice.vae.data import LatticeBatches, Split, data_fingerprint, split_ensemble
from skylattice.vae.mixture import Mixture
from skylattice.vae.model import VAE, build_from_spec
from skylattice.vae.refinement import Refinement, divergence, requested
from skylattice.vae.surprise import calibrate

#: Below so many nats per lattice the latent vector says nothing: the posterior has collapsed onto the prior.
COLLAPSE_NATS = 1.0

EpochHook = Callable[[dict[str, float]], None]
StepHook = Callable[[int, int], None]


def train(
    config: TrainConfig,
    *,
    ds: xr.Dataset | None = None,
    resume: bool = False,
    on_epoch: EpochHook | None = None,
    on_step: StepHook | None = None,
) -> VAE:
    """Train a model as a config says and save it to ``config.output / "model"``.

    Parameters
    ----------
    config
        The run.
    ds
        The ensemble, if it is open already; default opens ``config.store``.
    resume
        Go on from the last checkpoint in the output folder, with the same result as an uninterrupted run; a run
        without a checkpoint starts anew.
    on_epoch
        Called with the row of the history after each epoch.
    on_step
        Called after each step with the number of steps done in the epoch, and of all in it.

    Returns
    -------
    The model of the best validation loss, in float32, with its metadata.

    Raises
    ------
    ModelError
        If the loss is NaN, the ensemble does not fit the model, no lattice is left to train on, or the folder holds
        another run.

    Warns
    -----
    UserWarning
        If the posterior has collapsed.

    Examples
    --------
    >>> import tempfile
    >>> from skylattice import testing
    >>> ds = testing.random(20, realizations=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = {"widths": (4, 8), "blocks": (1, 1)}
    ...     run = TrainConfig("memory", folder, model=options, epochs=1, batch_size=4, test=0.0)
    ...     model = train(run, ds=ds)
    >>> model.metadata["data"]["split"]["n_train"]
    8
    """
    ds = open_data(config.store) if ds is None else ds
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    split = split_ensemble(
        ds,
        test=config.test,
        validation=config.validation,
        test_seeds=config.test_seeds,
        n_train=config.n_train,
        seed=config.seed,
    )
    model = _make_model(config, ds)
    model.unroll(config.passes, config.step)
    batches = {
        name: LatticeBatches(
            ds,
            getattr(split, name),
            batch_size=config.batch_size,
            augment=name == "train",
            rotation_sign=model.spec.hamiltonian.rotation_sign,
            seed=config.seed,
        )
        for name in ("train", "validation")
    }
    _compile(model, config, steps=len(batches["train"]))
    run = _Run(model, config, output, batches["train"], on_epoch, on_step)
    run.start(resume=resume, identity={"config": _identity(config), "split": split.fingerprint()})
    if run.epoch < config.epochs and not run.is_stopped:
        model.fit(
            batches["train"],
            validation_data=batches["validation"] if len(split.validation) else None,
            epochs=config.epochs,
            initial_epoch=run.epoch,
            # The averages stand in for the weights while validating.
            callbacks=[run] if config.average is None else [keras.callbacks.SwapEMAWeights(), run],
            shuffle=False,  # the batches shuffle themselves, reproducibly
            verbose=0,
        )
    trained = _in_float32(model, run.best_arrays())
    metrics = {**evaluate(trained, ds, split, batch_size=config.batch_size), "epochs": run.epoch}
    if metrics["is_collapsed"] and config.kl_ramp(run.epoch - 1) > 0:  # before, there was nothing to collapse it
        warnings.warn(
            f"the posterior has collapsed: {metrics['kl']:.3g} nats per lattice are encoded. Lower beta, or give the "
            "KL weight a longer ramp.",
            stacklevel=2,
        )
    trained.set_metadata(_provenance(config, ds, split, metrics, run.rows))
    refine = requested("default", trained.metadata)
    if len(split.train) >= MIN_LATTICES:
        known = {refine or "none": calibrate(trained, ds, split.train, refine)}
        trained.set_metadata({**trained.metadata, "calibration": known})
    artifact.save(trained, output / "model")
    return artifact.load(output / "model")


def evaluate(model: VAE, ds: xr.Dataset, split: Split, *, batch_size: int = 16) -> dict[str, Any]:
    """Reconstruction errors of each part of a split, with ε = 0, and how much is encoded.

    Returns
    -------
    ``<part>_mse``: mean over lattices, sites and components (None for an empty part); ``kl`` in nats per lattice;
    ``active_latents``: how many have a mean that varies by more than 0.1 over the lattices (variance 0.01);
    ``is_collapsed``; and ``nats_local_K`` and ``nats_global``, the nats of each channel of the local map and of the
    global part. All but the first are from the test part, or from the first part that is not empty.
    """
    model.compile(jit_compile=jit_compile())
    results: dict[str, Any] = {}
    described: dict[str, Any] = {}
    for name in ("test", "test_seeds", "validation", "train"):
        positions = getattr(split, name)
        if name == "train":
            positions = positions[:: max(1, len(positions) // max(len(split.test), 1))]
        errors, mu, nats = _errors(model, LatticeBatches(ds, positions, batch_size=batch_size, cache_bytes=0))
        results[f"{name}_mse"] = float(np.mean(errors)) if len(errors) else None
        if len(errors) and not described:
            local, whole = model.spec.split(nats.mean(axis=0), (ds.sizes["y"], ds.sizes["x"]))
            described = {
                "kl": float(nats.mean(axis=0).sum()),
                "active_latents": int((mu.var(axis=0) > 0.01).sum()),
                "is_collapsed": bool(nats.mean(axis=0).sum() < COLLAPSE_NATS),
                **{f"nats_local_{k}": float(local[..., k].sum()) for k in range(model.spec.cell_latents)},
                "nats_global": float(whole.sum()),
            }
    return {**results, **described}


def _errors(model: VAE, batches: LatticeBatches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """MSE of every lattice, and of every latent of it μ and the KL divergence."""
    errors, means, divergences = [np.empty(0)], [], []
    for index in range(len(batches)):
        (batch,) = batches[index]
        result = model.predict_on_batch(batch)
        errors.append(np.square(result["output"] - batch["spin"], dtype=np.float64).mean(axis=(1, 2, 3)))
        divergences.append(divergence(result["mu"], result["log_var"]))
        means.append(result["mu"].astype(np.float64))
    mu, nats = (np.concatenate(parts) if parts else np.empty((0, 0)) for parts in (means, divergences))
    return np.concatenate(errors), mu, nats


class _Run(keras.callbacks.Callback):
    """State of a run across epochs: KL ramp, history, checkpoints, early stopping, the watch for NaN."""

    def __init__(
        self,
        vae: VAE,
        config: TrainConfig,
        output: Path,
        batches: LatticeBatches,
        on_epoch: EpochHook | None,
        on_step: StepHook | None,
    ) -> None:
        super().__init__()
        self.vae, self.config, self.output, self.batches = vae, config, output, batches
        self.on_epoch, self.on_step = on_epoch, on_step
        self.rows: list[dict[str, float]] = []
        self.identity: dict[str, Any] = {}
        self.best = float("inf")
        self.best_epoch = 0
        self.is_stopped = False
        self._began = 0.0

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return len(self.rows)

    def start(self, *, resume: bool, identity: Mapping[str, Any]) -> None:
        """Read the last checkpoint, or clear what an older run left."""
        self.identity = json.loads(json.dumps(identity))  # as it will be read back
        path = self.output / "checkpoint.npz"
        if not (resume and path.exists()):
            for name in ("checkpoint.npz", "best.npz", "history.csv"):
                (self.output / name).unlink(missing_ok=True)
            return
        arrays = read_arrays(path)
        state = json.loads(str(arrays.pop("state")))
        if state["identity"] != self.identity:
            changed = [key for key in self.identity if state["identity"].get(key) != self.identity[key]]
            raise ModelError(
                f"{path}: the checkpoint belongs to a run with another {' and '.join(changed)}. Resume with the same "
                "options and ensemble, or choose another output folder."
            )
        for variable in self._variables():
            variable[1].assign(arrays[variable[0]])
        self.rows, self.best, self.best_epoch = state["rows"], state["best"], state["best_epoch"]
        self.is_stopped, self.batches.epoch = state["is_stopped"], len(self.rows)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the KL weight of the epoch."""
        self._began = time.perf_counter()
        self.vae.kl_ramp.assign(self.config.kl_ramp(epoch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop at once when the loss is no number: the weights are lost, and later epochs would hide it."""
        if not np.isfinite(float(logs["loss"])):
            raise ModelError(
                f"the loss is {float(logs['loss'])} in epoch {self.epoch + 1}, step {batch + 1}. Lower the learning "
                f"rate (now {self.config.learning_rate:g}); the last checkpoint in {self.output} is of epoch "
                f"{self.epoch}."
            )
        if self.on_step is not None:
            self.on_step(batch + 1, len(self.batches))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write history and checkpoint; stop when validation has not improved for long."""
        self.rows.append(self._row(epoch, logs))
        objective = self.rows[-1].get("val_loss", self.rows[-1]["loss"])
        if self.config.kl_ramp(epoch) >= 1.0 and objective < self.best:
            self.best, self.best_epoch = objective, epoch
            with replacing(self.output / "best.npz") as file:
                write_arrays(file, self._arrays())
        waited = epoch - self.best_epoch
        if self.config.patience is not None and np.isfinite(self.best) and waited >= self.config.patience:
            self.is_stopped = self.vae.stop_training = True
        self._checkpoint()
        if self.on_epoch is not None:
            self.on_epoch(self.rows[-1])

    def best_arrays(self) -> dict[str, np.ndarray]:
        """Weights of the best epoch after the ramp, or the last ones of a run that never got there."""
        path = self.output / "best.npz"
        return read_arrays(path) if path.exists() else self._arrays()

    def _arrays(self) -> dict[str, np.ndarray]:
        """The weights, or their averages where these are kept."""
        arrays = artifact.model_arrays(self.vae)
        if self.config.average is None:
            return arrays
        optimizer = self.vae.optimizer
        averages = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
        return {**arrays, **{variable.path: np.asarray(average) for variable, average in averages}}

    def _row(self, epoch: int, logs: Mapping[str, float]) -> dict[str, float]:
        row = {"epoch": epoch + 1, "seconds": round(time.perf_counter() - self._began, 2)}
        row |= {"learning_rate": float(keras.ops.convert_to_numpy(self.vae.optimizer.learning_rate))}
        row |= {"kl_ramp": self.config.kl_ramp(epoch)}
        names = [name for name in ("loss", *self.vae.trackers) if name in logs]
        row |= {name: float(logs[name]) for name in names}
        row |= {f"val_{name}": float(logs[f"val_{name}"]) for name in names if f"val_{name}" in logs}
        if "val_mse" in row:  # comparable between epochs: the full β, wherever the ramp is
            missing = (1.0 - row["kl_ramp"]) * self.vae.spec.kl_weight(self.vae.spec.size) * row["val_kl"]
            row["val_loss"] += missing
        return row

    def _checkpoint(self) -> None:
        state = {
            "identity": self.identity,
            "rows": self.rows,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "is_stopped": self.is_stopped,
        }
        arrays = {name: np.asarray(variable) for name, variable in self._variables()}
        with replacing(self.output / "checkpoint.npz") as file:
            write_arrays(file, {**arrays, "state": np.array(json.dumps(state))})
        temporary = self.output / "history.csv.partial"
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        temporary.replace(self.output / "history.csv")

    def _variables(self) -> list[tuple[str, Any]]:
        """Everything that the next epoch depends on: weights, the state of the noise, the optimizer."""
        named = [(f"weights/{w.path}", w) for w in self.vae.weights]
        named.append(("sampling", self.vae.sampling.generator.state))
        return named + [(f"optimizer/{i}", v) for i, v in enumerate(self.vae.optimizer.variables)]


def open_data(store: str) -> xr.Dataset:
    """Training data: an ensemble store, or the lattices of a recipe (YAML), simulated where they are missing."""
    if store.endswith((".yaml", ".yml")):
        mixture = Mixture.from_yaml(store)
        mixture.simulate()
        return mixture.open()
    from skylattice.io.store import open_ensemble

    return open_ensemble(store)


def _make_model(config: TrainConfig, ds: xr.Dataset) -> VAE:
    hamiltonian = Hamiltonian.from_attrs(ds.attrs)
    size = (ds.sizes["y"], ds.sizes["x"])
    if config.initial is None:
        spec = config.spec(size=size, dmi=hamiltonian.dmi, handedness=hamiltonian.handedness)
        return build_from_spec(spec, mixed_precision=config.mixed_precision)
    initial = artifact.load(config.initial)
    initial.spec.check_size(size)
    if initial.spec.hamiltonian != hamiltonian:
        raise ModelError(
            f"initial: {config.initial} is a model of {initial.spec.hamiltonian}, the ensemble has {hamiltonian}. "
            "Convert the ensemble with ds.sky.to_handedness, or train anew."
        )
    spec = replace(initial.spec, size=size, seed=config.seed, **dict(config.model))
    model = build_from_spec(spec, mixed_precision=config.mixed_precision)
    artifact.set_model_arrays(model, artifact.model_arrays(initial), where=config.initial)
    return model


def _compile(model: VAE, config: TrainConfig, *, steps: int) -> None:
    total = steps * config.epochs
    warmup = min(config.warmup, total // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 100,
        max(total - warmup, 1),
        alpha=0.01,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    if not warmup:
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, total, alpha=0.01)
    if config.freeze is not None:
        getattr(model, config.freeze).trainable = False
    averaging = {} if config.average is None else {"use_ema": True, "ema_momentum": config.average}
    optimizer = keras.optimizers.Adam(schedule, beta_2=0.99, global_clipnorm=1.0, **averaging)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, jit_compile=jit_compile())


def _in_float32(model: VAE, arrays: Mapping[str, np.ndarray]) -> VAE:
    result = build_from_spec(model.spec)
    artifact.set_model_arrays(result, arrays, where="the trained model")
    result.unroll(model.passes, model.step)
    return result


def _identity(config: TrainConfig) -> dict[str, Any]:
    """The options that a resumed run must share; folders may have moved."""
    values = config.to_dict()
    return {name: values[name] for name in values if name not in ("store", "output")}


def _provenance(
    config: TrainConfig, ds: xr.Dataset, split: Split, metrics: dict[str, Any], rows: list[dict[str, float]]
) -> dict[str, Any]:
    data = {
        "store": Path(config.store).name,
        "fingerprint": data_fingerprint(ds),
        "size": [ds.sizes["y"], ds.sizes["x"]],
        "reversed_below_zero": True,
        "T": float(ds["T"]) if "T" in ds.variables and ds["T"].ndim == 0 else None,
        "hamiltonian": Hamiltonian.from_attrs(ds.attrs).to_attrs(),
        "split": split.describe(ds),
        "earlier": _earlier_data(config.initial),
    }
    recipe = {"recipe": ds.attrs["recipe"]} if "recipe" in ds.attrs else {}
    made_for = {"refinement": Refinement(config.passes, config.step).to_config()} if config.passes else {}
    config_values = {**config.to_dict(), "store": data["store"], "output": Path(config.output).name}
    return {"config": config_values, "data": {**data, **recipe}, "metrics": metrics, "history": rows, **made_for}


def _earlier_data(initial: str | None) -> list[dict[str, Any]]:
    """The data of all trainings that an initial model went through, the latest first: it has seen these as well."""
    if initial is None:
        return []
    data = artifact.read_document(artifact.find(initial))["metadata"].get("data", {})
    return [{name: value for name, value in data.items() if name != "earlier"}, *data.get("earlier", [])]
