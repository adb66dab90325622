"""How a code is refined after the encoder's first look: the numbers, without Keras; the runner does it.

A variational encoder is the limit of a trained model, not its decoder: the code that it gives at once is farther from
the lattice than the best code of the same length. Both ways of refining look at the lattice again beside what the
decoder makes of the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from skylattice.errors import ModelError
from skylattice.io.problems import shown
from skylattice.vae.ranges import Range, check_keys, check_type, read_number

#: ``"fast"``: fixed-point passes, no gradients. ``"best"``: these, then gradient steps on the code. ``None``: neither.
Refine = Literal["fast", "best"]
#: What the user may ask for; ``"default"`` is what the model was made for.
Request = Literal["default", "fast", "best"]

#: What the numbers may be.
RANGES = {
    "passes": Range(1, 16, is_whole=True),
    "step": Range(0, 2, is_open=True),
    "steps": Range(1, 10_000, is_whole=True),
    "rate": Range(0, 10, is_open=True),
    "pull": Range(0, 100),
    "most_nats": Range(1, 100),
}


@dataclass(frozen=True)
class Refinement:
    """Numbers of the refinement; part of a saved model, ``metadata["refinement"]``.

    The defaults are those for models of 0.1, which state none: measured on their four, see
    ``benchmarks/results/refinement.json``.

    Parameters
    ----------
    passes, step
        Fast: so many times z ← z + step · (e(x) - e(d(z))), from z = e(x), with e and d the means of encoder and
        decoder. Where it stands still, the reconstruction has the code that the lattice has.
    steps, rate
        Best: so many steps of Adam from the fast code z0, on MSE + pull · C_KL · ½ Σ (z - z0)² / σ² at ε = 0, over the
        latents that carry something.
    pull
        Best: C_KL / σ² is the curvature that the posterior states, so this is a trust region in units of it. The KL
        divergence in its place shrinks the code into its own noise, and nothing in its place lets it grow.
    most_nats
        Best: the code says at most so many times the nats of the plain one; what is beyond is taken back towards it.

    Examples
    --------
    >>> Refinement(passes=1).describe("fast")
    'fast: 1 pass of 0.6'
    """

    passes: int = 2
    step: float = 0.6
    steps: int = 40
    rate: float = 0.05
    pull: float = 0.2
    most_nats: float = 1.15

    def __post_init__(self) -> None:
        for name, allowed in RANGES.items():
            object.__setattr__(self, name, allowed.check(f"refinement: {name}", getattr(self, name)))

    def describe(self, refine: Refine | None) -> str:
        """What was done, for the attributes of results: two results of equal text can be compared."""
        if refine is None:
            return "none"
        fast = f"{self.passes} pass{'es' if self.passes > 1 else ''} of {self.step:g}"
        if refine == "fast":
            return f"fast: {fast}"
        steps = f"{self.steps} steps of {self.rate:g} with a pull of {self.pull:g}"
        return f"best: {fast}, {steps}, at most {self.most_nats:g} of the plain nats"

    def to_config(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Refinement:
        """What a saved model states, or the defaults.

        Raises
        ------
        ModelError
            For unknown options, or values out of range.
        """
        stated = check_type("refinement", metadata.get("refinement", {}), Mapping, noun="options as 'name: value'")
        check_keys(stated, {f.name: f for f in fields(cls)}, where="refinement")
        return cls(**{name: read_number(value) for name, value in stated.items()})


def requested(refine: Request | None, metadata: Mapping[str, Any]) -> Refine | None:
    """What a request means for a model: by default ``"fast"`` if the model states its refinement, else nothing.

    Raises
    ------
    ModelError
        For another word.
    """
    if refine == "default":
        return "fast" if "refinement" in metadata else None
    if refine is not None and refine not in get_args(Refine):
        raise ModelError(
            f"refine: expected 'fast', 'best', 'default' or None, found {shown(repr(refine))}. 'default' is what the "
            "model was made for."
        )
    return refine


def described(refine: Request | None, metadata: Mapping[str, Any]) -> str:
    """What a request does with a model, as the attribute ``model_refine`` of its results says it."""
    return Refinement.from_metadata(metadata).describe(requested(refine, metadata))


def divergence(mu: Any, log_var: Any) -> Any:
    """KL divergence of the posterior of each latent from the prior in nats (2.23), in float64; any kind of array."""
    mu, log_var = mu.astype(np.float64), log_var.astype(np.float64)
    return 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var)


def nats(mu: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    """What codes ``(..., latents)`` say in nats, summed over the latents."""
    return divergence(mu, log_var).sum(axis=-1)


def within_nats(z: np.ndarray, plain: np.ndarray, log_var: np.ndarray, most: float) -> np.ndarray:
    """Codes ``(batch, latents)`` of at most ``most`` times the nats of the plain ones, moved towards these if need be.

    Along the way from the plain code the nats are a quadratic function, so the farthest allowed point is known.
    """
    step = z.astype(np.float64) - plain
    limit = (most - 1) * nats(plain, log_var)
    a, b = 0.5 * (step**2).sum(axis=-1), (plain * step).sum(axis=-1)
    # a t² + b t = limit has one positive root; written so that it is finite where the code has not moved.
    farthest = 2 * limit / np.maximum(b + np.sqrt(b**2 + 4 * a * limit), 1e-300)
    return (plain + np.minimum(farthest, 1.0)[:, None] * step).astype(np.float32)
