"""Options of a training run, from YAML and from the command line; no Keras here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from skylattice.errors import FormatError, ModelError
from skylattice.io.plain import read_plain_yaml
from skylattice.io.problems import shown
from skylattice.vae.ranges import Range, check_keys, check_type, read_number
from skylattice.vae.refinement import RANGES as REFINEMENT_RANGES
from skylattice.vae.spec import RANGES as MODEL_RANGES
from skylattice.vae.spec import ModelSpec, make_spec

#: What the numbers of a training run may be.
RANGES = {
    "epochs": Range(1, 100_000, is_whole=True),
    "batch_size": Range(1, 4096, is_whole=True),
    "learning_rate": Range(0, 10, is_open=True),
    "warmup": Range(0, 10_000_000, is_whole=True),
    "patience": Range(0, 100_000, is_whole=True),
    "test": Range(0, 0.99),
    "validation": Range(0, 0.99),
    "test_seeds": Range(0, 0.99),
    "n_train": Range(1, 2**31 - 1, is_whole=True),
    "seed": Range(0, 2**31 - 1, is_whole=True),
    "passes": Range(0, 8, is_whole=True),
    "step": REFINEMENT_RANGES["step"],
    "average": Range(0, 0.99999),
}
_OPTIONAL = ("initial", "patience", "n_train", "average", "freeze")


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Everything that decides its result is here and is saved with the model.

    Parameters
    ----------
    store
        Ensemble to train on, or the YAML file of a :class:`skylattice.vae.mixture.Mixture` of several.
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
    passes, step
        Train the encoder to look so many times more at what the decoder makes of the code, as ``refine="fast"`` does:
        see :class:`skylattice.vae.refinement.Refinement`. The loss takes the codes on the way and the last one
        together, and the saved model states what it was made for. With 0 passes it is trained for its first look.
    freeze
        Leave ``"encoder"`` or ``"decoder"`` as it is.
    average
        Validate and keep an exponential moving average of the weights that forgets at this rate per step (0.99: over
        a hundred steps), which is what many small steps at a lower learning rate would give; None keeps the weights.
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
    passes: int = 0
    step: float = 0.6
    freeze: str | None = None
    average: float | None = None

    def __post_init__(self) -> None:
        for name, allowed in RANGES.items():
            value = getattr(self, name)
            if not (value is None and name in _OPTIONAL):
                object.__setattr__(self, name, allowed.check(name, value))
        for name in ("store", "output", "initial"):
            if not (getattr(self, name) is None and name in _OPTIONAL):
                check_type(name, getattr(self, name), str, noun="a path as text")
        if self.freeze not in (None, "encoder", "decoder"):
            raise ModelError(f"freeze: expected 'encoder' or 'decoder', found {shown(repr(self.freeze))}.")
        check_type("mixed_precision", self.mixed_precision, bool, noun="true or false")
        check_type("model", self.model, Mapping, noun="options of a model as 'name: value'")
        self._check_ramp()
        self._check_model()

    def _check_ramp(self) -> None:
        ramp = check_type("ramp", self.ramp, tuple, noun="two growing fractions of the run")
        fraction = Range(0, 1)
        if len(ramp) != 2 or fraction.check("ramp", ramp[0]) > fraction.check("ramp", ramp[1]):
            raise ModelError(f"ramp: expected two growing fractions of the run, found {shown(repr(ramp))}.")

    def _check_model(self) -> None:
        """The options of the model, as far as they can be told before the ensemble is known."""
        if self.initial is None:
            given = set(self.model) & {"size", "dmi", "handedness"}
            if given:
                raise ModelError(f"model: {sorted(given)} come from the ensemble. Leave them out.")
            self.spec(size=None, dmi="neel", handedness=1)
            return
        if set(self.model) - {"beta", "physics"}:
            raise ModelError(
                f"model: fine-tuning keeps the architecture of {self.initial}; only beta and physics may change, found "
                f"{sorted(map(str, self.model))}."
            )
        for name, value in self.model.items():
            MODEL_RANGES[name].check(name, value)

    def kl_ramp(self, epoch: int) -> float:
        """Fraction of β in epoch 0, 1, ..."""
        start, end = (fraction * self.epochs for fraction in self.ramp)
        return 1.0 if epoch >= end else max(0.0, (epoch - start) / (end - start))

    def spec(self, *, size: tuple[int, int] | None, dmi: str, handedness: int) -> ModelSpec:
        """The spec of a model to be trained anew on lattices of this size (None: the preset's) and Hamiltonian."""
        options = {str(name): option for name, option in self.model.items()}
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
        check_keys(values, {f.name: f for f in fields(cls)}, where="training config")
        missing = [name for name in ("store", "output") if not values.get(name)]
        if missing:
            raise ModelError(f"training config: missing {missing}. Give them in the file or as options.")
        values = {name: read_number(value) if name in RANGES else value for name, value in values.items()}
        for name, read in (("ramp", _read_ramp), ("model", _read_model)):
            if name in values:
                values[name] = read(values[name])
        return cls(**values)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str] | None, **overrides: Any) -> TrainConfig:
        """Options of a YAML file (or of none), with those given here in their place; None leaves the file's value.

        The overrides under ``model`` are merged into the file's.
        """
        values = read_yaml(path) if path is not None else {}
        stated = check_type("model", values.get("model") or {}, Mapping, noun="options of a model as 'name: value'")
        model = {**stated, **(overrides.pop("model", None) or {})}
        values.update({name: value for name, value in overrides.items() if value is not None})
        return cls.from_dict({**values, "model": model})

    def with_output(self, output: str) -> TrainConfig:
        """The same run in another folder."""
        return replace(self, output=output)


def _read_ramp(value: Any) -> Any:
    return tuple(map(read_number, value)) if isinstance(value, list | tuple) else value


def _read_model(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {str(name): read_number(option) if name in MODEL_RANGES else option for name, option in value.items()}


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises
    ------
    ModelError
        If the file cannot be read or is no mapping.
    """
    try:
        values = read_plain_yaml(Path(path), what="a training config")
    except FormatError as error:
        raise ModelError(str(error)) from None
    if not isinstance(values, dict):
        raise ModelError(f"{path}: expected options as 'name: value', found {type(values).__name__}.")
    return values
