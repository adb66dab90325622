"""Options of a training run, from YAML and from the command line; no Keras here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from skylattice.errors import MissingExtraError, ModelError
from skylattice.vae.spec import ModelSpec, make_spec


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Everything that decides its result is here and is saved with the model.

    Parameters
    ----------
    store
        Ensemble to train on.
    output
        Folder of the run: ``model/`` (the result), ``history.csv``, ``checkpoint.npz``, ``best.npz``.
    model
        Options of :func:`skylattice.vae.build`: ``preset``, ``latent``, ``beta``, ``condition``, ``physics``, ...
        Size, DMI symmetry and handedness come from the ensemble.
    initial
        Fine-tune this saved model (folder or shipped name) instead of starting anew; ``model`` may then change
        ``beta`` and ``physics`` only.
    epochs, batch_size
        Passes over the training lattices, and lattices per step.
    learning_rate, warmup
        Peak rate, reached linearly over ``warmup`` steps and followed by a cosine to 1 % at the last epoch.
    ramp
        The KL weight grows from 0 to β between these fractions of the run. A full β from the first step collapses the
        posterior: nothing is encoded, and nothing pulls the model out of that.
    patience
        Stop when β-weighted validation loss has not improved for so many epochs after the ramp; None never stops early.
    mixed_precision
        Compute in bfloat16; about twice as fast where the processor knows it.
    test, validation, test_seeds, n_train
        See :func:`skylattice.vae.split_ensemble`.
    seed
        Of the split, the initial weights, the order, the augmentation and the sampling.

    Examples
    --------
    >>> TrainConfig("ensemble.zarr", "run", epochs=40, model={"beta": 1e-4}).kl_ramp(10)
    0.25
    """

    store: str
    output: str
    model: Mapping[str, Any] = field(default_factory=dict)
    initial: str | None = None
    epochs: int = 60
    batch_size: int = 16
    learning_rate: float = 1e-3
    warmup: int = 100
    ramp: tuple[float, float] = (0.15, 0.55)
    patience: int | None = None
    mixed_precision: bool = False
    test: float = 0.1
    validation: float = 0.05
    test_seeds: float = 0.05
    n_train: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name}: expected at least 1, found {getattr(self, name)!r}.")
        if not self.learning_rate > 0:
            raise ModelError(f"learning_rate: expected a rate > 0, found {self.learning_rate!r}.")
        if not 0 <= self.ramp[0] <= self.ramp[1] <= 1:
            raise ModelError(f"ramp: expected two growing fractions of the run, found {self.ramp!r}.")
        for name in ("test", "validation", "test_seeds"):
            if not 0 <= getattr(self, name) < 1:
                raise ModelError(f"{name}: expected a fraction in [0, 1), found {getattr(self, name)!r}.")
        if self.initial is not None and set(self.model) - {"beta", "physics"}:
            raise ModelError(
                f"model: fine-tuning keeps the architecture of {self.initial}; only beta and physics may change, found "
                f"{sorted(self.model)}."
            )

    def kl_ramp(self, epoch: int) -> float:
        """Fraction of β in epoch 0, 1, ..."""
        start, end = (fraction * self.epochs for fraction in self.ramp)
        return 1.0 if epoch >= end else max(0.0, (epoch - start) / (end - start))

    def spec(self, *, size: tuple[int, int], dmi: str, handedness: int) -> ModelSpec:
        """The spec of a model to be trained anew on lattices of this size and Hamiltonian."""
        options = dict(self.model)
        preset = options.pop("preset", "periodic")
        return make_spec(preset, size=size, dmi=dmi, handedness=handedness, **{"seed": self.seed, **options})

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {**asdict(self), "model": dict(self.model), "ramp": list(self.ramp)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Read what :meth:`to_dict` or a YAML file gives.

        Raises
        ------
        ModelError
            For an unknown or missing option or one of the wrong type.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ModelError(f"training config: unknown options {unknown}; known are {sorted(known)}.")
        missing = [name for name in ("store", "output") if not values.get(name)]
        if missing:
            raise ModelError(f"training config: missing {missing}. Give them in the file or as options.")
        converted = {name: _convert(name, value) for name, value in values.items()}
        return cls(**converted)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str] | None, **overrides: Any) -> TrainConfig:
        """Options of a YAML file (or of none), with those given here in their place; None leaves the file's value.

        The overrides under ``model`` are merged into the file's.
        """
        values = read_yaml(path) if path is not None else {}
        model = {**(values.get("model") or {}), **(overrides.pop("model", None) or {})}
        values.update({name: value for name, value in overrides.items() if value is not None})
        return cls.from_dict({**values, "model": model})

    def with_output(self, output: str) -> TrainConfig:
        """The same run in another folder."""
        return replace(self, output=output)


#: How the values of a YAML file or the command line become those of a config.
_CONVERTERS: dict[str, Any] = {
    **dict.fromkeys(("epochs", "batch_size", "warmup", "seed", "patience", "n_train"), int),
    **dict.fromkeys(("learning_rate", "test", "validation", "test_seeds"), float),
    **dict.fromkeys(("store", "output", "initial"), str),
    "ramp": lambda pair: (float(pair[0]), float(pair[1])),
    "model": dict,
    "mixed_precision": bool,
}
_OPTIONAL = ("initial", "patience", "n_train")


def _convert(name: str, value: Any) -> Any:
    if value is None and name in _OPTIONAL:
        return None
    try:
        return _CONVERTERS[name](value)
    except (TypeError, ValueError, IndexError, KeyError):
        raise ModelError(f"training config: {name}: cannot read {value!r}. See skylattice.vae.TrainConfig.") from None


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises
    ------
    ModelError
        If the file cannot be read or is no mapping.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtraError("pyyaml", "vae", "a training config in YAML") from None
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: cannot read the training config: {error}.") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path}: expected options as 'name: value', found {type(values).__name__}.")
    return values
