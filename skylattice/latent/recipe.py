"""How new lattices are drawn from a model: everything about a sample but its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from skylattice.errors import ModelError, SchemaError

if TYPE_CHECKING:
    from skylattice.simulation.schedule import Schedule

Generation = Literal["thesis", "prior", "neighbourhood", "low_defect", "conditional", "learned", "particles"]

#: That of the thesis' ensemble, in J / k_B, where that of the lattices is not known.
TEMPERATURE = 0.006
#: Default novelty of ``"learned"``: see :class:`skylattice.latent.prior.LatentPrior`.
NOVELTY = 0.6


@dataclass(frozen=True)
class Recipe:
    """How to draw lattices; checked when it is made, before an ensemble is encoded for it.

    Attributes
    ----------
    method
        ``"thesis"``: z = μ̄ + σ̄ ε with the training set's mean μ and mean σ (equation 2.20). ``"prior"``: z = ε, what
        the loss pulls the posterior to. ``"neighbourhood"``: z = μ + novelty · σ ε around one lattice (``around``) or
        a random one each. ``"low_defect"``: the same around the tenth of the lattices with the fewest defects, as the
        thesis proposes. ``"conditional"``: z = ε, decoded under the given (D, B) by a model that is told them.
        ``"learned"``: from the density of :mod:`skylattice.latent.prior`, at the given (D, B). ``"particles"``:
        positions that settle like the ensemble's, decoded in closed form and thermalised, with no model:
        :mod:`skylattice.latent.particles`.
    D, B
        Wanted parameters in J, both or neither; default: those of lattices drawn from the ensemble. Methods that cannot
        be told (D, B) draw around lattices with the nearest ones, or (``thesis``, ``prior``) ignore them.
    around
        Position of the lattice for ``"neighbourhood"``.
    novelty
        For ``"learned"`` a share in [0, 1] (default 0.6); for ``"neighbourhood"`` and ``"low_defect"`` a factor >= 0
        (default 1).
    relax
        Quench each lattice with the Monte Carlo engine at its (D, B): True for
        :func:`skylattice.latent.relax.quench_schedule`, or a schedule.
    seed
        All randomness; the same seed gives the same lattices.
    defects
        For ``"particles"``: ``"data"`` for as many as the ensemble has, or the wanted mean number per lattice.

    Raises
    ------
    SchemaError
        For an unknown method, or one of D and B without the other.
    ModelError
        For a novelty out of range.

    Examples
    --------
    >>> Recipe("learned", D=0.5, B=0.12).width
    0.6
    """

    method: Generation = "learned"
    D: float | None = None
    B: float | None = None
    around: int | None = None
    novelty: float | None = None
    relax: bool | Schedule = False
    seed: int = 0
    defects: str | float = "data"

    def __post_init__(self) -> None:
        if self.method not in get_args(Generation):
            raise SchemaError(f"method: expected one of {get_args(Generation)}, found {self.method!r}.")
        if (self.D is None) != (self.B is None):
            raise SchemaError(f"generate: expected both D and B or neither, found D = {self.D!r}, B = {self.B!r}.")
        if self.defects != "data" and self.method != "particles":
            raise SchemaError(f"defects: only method 'particles' can be told how many, not {self.method!r}.")
        if self.method == "particles" and (self.relax or self.novelty is not None or self.around is not None):
            raise SchemaError(
                "method 'particles' thermalises by itself and is around no lattice: leave out relax, "
                "novelty and around."
            )
        if self.novelty is not None:
            if self.method == "learned" and not 0 <= self.novelty <= 1:
                raise ModelError(f"novelty: expected a share in [0, 1], found {self.novelty!r}.")
            if not self.novelty >= 0:
                raise ModelError(f"novelty: expected a factor >= 0, found {self.novelty!r}.")

    @property
    def width(self) -> float:
        """The novelty, or the method's default."""
        return (NOVELTY if self.method == "learned" else 1.0) if self.novelty is None else self.novelty


#: What is drawn unless asked for otherwise.
DEFAULT = Recipe()
