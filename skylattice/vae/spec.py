"""What a model is made of, without Keras: its options, the named presets, and the layout of its latent vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from skylattice.errors import ModelError, SkylatticeError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.problems import shown
from skylattice.vae.ranges import Range, check_type

#: Side of a cell of the local latent map, in sites: lattices must be divisible by it, and the map is equivariant to it.
CELL = 20
#: Side of the lattices at which β and the number of latents are defined (the thesis' 200×200).
REFERENCE_SIZE = 200
#: β (C_KL) of the six models of the thesis' Table 3.1, in its order.
THESIS_BETAS = (1.25e-5, 5e-5, 1e-4, 2e-4, 8e-4, 3.2e-3)
#: Most weights of a model: 2 GiB, and four times as much to train it. The thesis' VAE 1 has 38 million.
MAX_WEIGHTS = 2**29

#: What the numbers among the options may be.
RANGES = {
    "size": Range(1, 8192, is_whole=True),
    "latent": Range(1, 100_000, is_whole=True),
    "global_latent": Range(0, 100_000, is_whole=True),
    "beta": Range(0, 1000),
    "physics": Range(0, 1000),
    "widths": Range(1, 8192, is_whole=True),
    "blocks": Range(1, 64, is_whole=True),
    "handedness": Range(-1, 1, is_whole=True),
    "seed": Range(0, 2**31 - 1, is_whole=True),
}


@dataclass(frozen=True)
class ModelSpec:
    """Everything that decides the shape of a model and its loss; written into the saved model as JSON.

    Parameters
    ----------
    preset
        Architecture: ``"periodic"`` or ``"thesis"``.
    size
        (ny, nx) that a ``thesis`` model is built for. A ``periodic`` model takes any size divisible by 20; the size
        says what it was trained on last.
    latent
        Number of latents of a 200×200 lattice.
    global_latent
        How many of them describe the whole lattice (``periodic`` alone); the others are shared out evenly over the
        cells of 20×20 sites, so their number grows with the area.
    beta
        Weight C_KL of the KL divergence at 200×200.
    condition
        Tell encoder and decoder (D, B).
    physics
        Weight of the mean 1 - cosθ of the output under its own D, B in the loss; 0 leaves it out.
    widths, blocks
        Channels and number of residual blocks at each resolution, finest first, the same in encoder and decoder.
    dmi, handedness
        The Hamiltonian family that the model is trained on.
    seed
        Of the initial weights and of the sampling.
    """

    preset: str = "periodic"
    size: tuple[int, int] = (REFERENCE_SIZE, REFERENCE_SIZE)
    latent: int = 500
    global_latent: int = 100
    beta: float = 5e-5
    condition: bool = False
    physics: float = 0.0
    widths: tuple[int, ...] = (64, 128, 192)
    blocks: tuple[int, ...] = (1, 2, 3)
    dmi: str = "neel"
    handedness: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_values()
        if self.preset not in ("periodic", "thesis"):
            raise ModelError(f"preset: expected 'periodic' or 'thesis', found {self.preset!r}.")
        # The levels of a periodic model fold a cell of 20 sites by 2 each, a thesis model halves any size.
        levels = Range(1, 3 if self.preset == "periodic" else 8, is_whole=True)
        levels.check("widths: number of resolutions", len(self.widths))
        if len(self.widths) != len(self.blocks):
            raise ModelError(
                f"widths and blocks: expected one entry of each per resolution, found {self.widths} and {self.blocks}."
            )
        if self.preset == "periodic":
            self._check_split()
        self.check_size(self.size)
        if self.weights_at_least > MAX_WEIGHTS:
            raise ModelError(
                f"widths, blocks, latent: expected a model of at most {MAX_WEIGHTS:.1e} weights, found "
                f"{self.weights_at_least:.1e} with {self.widths}, {self.blocks} and {self.latent} latents for "
                f"{self.size[0]}×{self.size[1]} sites. Make some of them smaller."
            )

    def _check_values(self) -> None:
        """Type and range of each option by itself; nothing may be computed with them before."""
        for name in ("size", "widths", "blocks"):
            values = check_type(name, getattr(self, name), tuple, noun="a tuple of whole numbers")
            object.__setattr__(self, name, tuple(RANGES[name].check(name, value) for value in values))
        if len(self.size) != 2:
            raise ModelError(f"size: expected (ny, nx), found {self.size}.")
        for name in ("latent", "global_latent", "beta", "physics", "handedness", "seed"):
            object.__setattr__(self, name, RANGES[name].check(name, getattr(self, name)))
        check_type("condition", self.condition, bool, noun="True or False")
        for name in ("preset", "dmi"):
            check_type(name, getattr(self, name), str, noun="a text")

    @property
    def weights_at_least(self) -> int:
        """Weights of the large layers: the residual blocks of both networks, and the thesis' dense layers."""
        n = sum(36 * width**2 * blocks for width, blocks in zip(self.widths, self.blocks, strict=True))
        if self.preset == "thesis":
            scale = 2 ** len(self.widths)
            n += 3 * self.latent * self.widths[-1] * (-(-self.size[0] // scale)) * (-(-self.size[1] // scale))
        return n + 2 * self.latent * min(self.widths)

    @property
    def hamiltonian(self) -> Hamiltonian:
        """The interaction that the model is trained on."""
        return Hamiltonian(self.dmi, self.handedness)  # type: ignore[arg-type]

    @property
    def cell_latents(self) -> int:
        """Latents per cell of the local map; 0 for a ``thesis`` model."""
        return 0 if self.preset == "thesis" else (self.latent - self.global_latent) // _REFERENCE_CELLS

    @property
    def global_latents(self) -> int:
        """Latents that describe the whole lattice."""
        return self.latent if self.preset == "thesis" else self.global_latent

    def grid(self, size: Sequence[int]) -> tuple[int, int]:
        """Rows and columns of the local map of a lattice of (ny, nx) sites."""
        return size[0] // CELL, size[1] // CELL

    def latents(self, size: Sequence[int]) -> int:
        """Number of latents of a lattice of (ny, nx) sites: first the local map, row by row, then the global part."""
        return self.local_latents(size) + self.global_latents

    def local_latents(self, size: Sequence[int]) -> int:
        """How many of them are the local map."""
        rows, columns = self.grid(size)
        return rows * columns * self.cell_latents

    def split(self, latents: Any, size: Sequence[int]) -> tuple[Any, Any]:
        """Local map ``(..., rows, columns, latents per cell)`` and global part ``(..., global latents)`` of vectors.

        The flat vector ``(..., latents)`` is the map, row by row, cell by cell, then the global part. A ``thesis``
        model has an empty map: all of its latents are global. The decoder takes them apart alike.

        Raises
        ------
        ModelError
            If the vectors are not of the length that a lattice of (ny, nx) sites has.
        """
        if latents.shape[-1] != self.latents(size):
            raise ModelError(
                f"latents: expected {self.latents(size)} of a lattice of {size[0]}×{size[1]} sites, found "
                f"{latents.shape[-1]}. Check the size."
            )
        local = self.local_latents(size)
        cells = latents[..., :local].reshape(*latents.shape[:-1], *self.grid(size), self.cell_latents)
        return cells, latents[..., local:]

    @staticmethod
    def join(local: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """The flat vectors that :meth:`split` took apart."""
        return np.concatenate([local.reshape(*local.shape[:-3], -1), whole], axis=-1)

    def check_size(self, size: Sequence[int]) -> None:
        """Raise :class:`ModelError` unless the model takes lattices of (ny, nx) sites."""
        ny, nx = size
        if self.preset == "thesis":
            if (ny, nx) != tuple(self.size):
                raise ModelError(
                    f"size: this thesis model takes lattices of {self.size[0]}×{self.size[1]} sites, found {ny}×{nx}. "
                    f"Build one with size=({ny}, {nx}), or use the periodic preset."
                )
        elif ny < CELL or nx < CELL or ny % CELL or nx % CELL:
            raise ModelError(
                f"size: a periodic model takes lattices with sides divisible by {CELL}, found {ny}×{nx}. "
                "Simulate such a size; a lattice cannot be cropped or padded without breaking its periodicity."
            )

    def kl_weight(self, size: Sequence[int]) -> float:
        """Weight of the KL term for lattices of (ny, nx) sites: β scaled so that KL per site always weighs the same."""
        return self.beta * REFERENCE_SIZE**2 / (size[0] * size[1])

    def to_config(self) -> dict[str, Any]:
        """The options as JSON-ready values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelSpec:
        """Read what :meth:`to_config` wrote.

        Raises
        ------
        ModelError
            For unknown or missing options, or values of another type than the defaults'.
        """
        known: dict[str, Any] = {field.name: field.default for field in fields(cls)}
        unknown, missing = sorted(set(config) - set(known)), sorted(set(known) - set(config))
        if unknown or missing:
            raise ModelError(
                f"model config: unknown options {unknown}, missing {missing}. The file is not a model of this version "
                "of skylattice."
            )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in config.items()
        }
        try:
            spec = cls(**values)
            spec.hamiltonian  # noqa: B018  checks dmi and handedness
        except SkylatticeError as error:
            raise ModelError(f"model config: {error}") from None
        return spec

    def _check_split(self) -> None:
        local = self.latent - self.global_latent
        if self.global_latent < 0 or local < _REFERENCE_CELLS or local % _REFERENCE_CELLS:
            raise ModelError(
                f"latent: expected a multiple of {_REFERENCE_CELLS} local latents (the cells of a "
                f"{REFERENCE_SIZE}×{REFERENCE_SIZE} lattice) besides the global ones, found latent={self.latent} with "
                f"global_latent={self.global_latent}. For example latent=500 with global_latent=100."
            )


_REFERENCE_CELLS = (REFERENCE_SIZE // CELL) ** 2

_THESIS = ModelSpec(preset="thesis", global_latent=0, widths=(32, 64, 128, 256, 256), blocks=(3, 3, 3, 3, 3))

#: The named models: ``periodic``, and the six of the thesis.
PRESETS: dict[str, ModelSpec] = {
    "periodic": ModelSpec(),
    "thesis": _THESIS,
    **{f"thesis-{beta:.5g}": replace(_THESIS, beta=beta) for beta in THESIS_BETAS},
}


def make_spec(preset: str = "periodic", *, size: int | Sequence[int] | None = None, **options: Any) -> ModelSpec:
    """The options of ``preset`` with changes; options left at None keep the preset's value.

    Raises
    ------
    ModelError
        For an unknown preset or option, or a combination that cannot be built.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ModelError(f"preset: expected one of {list(PRESETS)}, found {shown(repr(preset))}.")
    changes = {name: value for name, value in options.items() if value is not None}
    unknown = sorted(map(str, set(changes) - {field.name for field in fields(ModelSpec)}))
    if unknown:
        raise ModelError(f"options: unknown {unknown}; a model has {[field.name for field in fields(ModelSpec)]}.")
    if size is not None:
        changes["size"] = (size, size) if isinstance(size, int) else size
    for name in ("size", "widths", "blocks"):
        if isinstance(changes.get(name), Sequence | np.ndarray) and not isinstance(changes[name], str):
            changes[name] = tuple(changes[name])
    return replace(PRESETS[preset], **changes)
