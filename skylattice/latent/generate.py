"""New lattices from a trained model: latent vectors drawn in one of several ways, decoded, and quenched if asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from skylattice.arrays import spin_dataset
from skylattice.errors import ModelError, SchemaError
from skylattice.hamiltonian import Hamiltonian
from skylattice.kernels.rotation import turn_spins
from skylattice.latent.prior import LatentSet
from skylattice.schema import SPIN_DIMS, require

if TYPE_CHECKING:
    from skylattice.simulation.schedule import Schedule
    from skylattice.vae.model import VAE

Generation = Literal["thesis", "prior", "neighbourhood", "low_defect", "conditional", "learned"]
SAMPLE = "sample"
LATENT = "latent"

#: That of the thesis' ensemble, in J / k_B.
TEMPERATURE = 0.006
#: Default novelty of ``"learned"``: see :class:`skylattice.latent.prior.LatentPrior`.
NOVELTY = 0.6
#: ``"low_defect"`` draws around this share of the lattices, those with the fewest defects.
LOW_DEFECT_SHARE = 0.1
#: Sites decoded at once.
_BATCH_SITES = 16 * 200 * 200


def latent_set(ds: xr.Dataset, model: VAE | str | os.PathLike[str], *, spin: str = "spin") -> LatentSet:
    """Encode the lattices of an ensemble and count their defects: what :func:`generate` draws from.

    Lattices that are holes are left out. Results that are known need not be computed again: where ``ds`` has ``mu``
    and ``log_var`` (from ``ds.sky.encode(model)``) or ``n_defects``, they are taken as they are.

    Raises
    ------
    ModelError
        If there is no lattice, or the model does not fit.
    """
    from skylattice.vae import infer

    require(ds, [spin, "D", "B"], purpose="generation")
    missing = []
    if "mu" not in ds or "log_var" not in ds:
        missing.append(ds.sky.encode(model, spin=spin)[["mu", "log_var"]])
    if "n_defects" not in ds:
        missing.append(ds.sky.defects(spin=spin)[["n_defects"]])
    ds = ds.assign({name: part[name] for part in missing for name in part})
    leading = [dim for dim in ds[spin].dims if dim not in SPIN_DIMS]
    like = ds[spin].isel(dict.fromkeys(SPIN_DIMS, 0), drop=True)
    known = ds[["mu", "log_var", "n_defects"]].compute()
    n_latents = known.sizes[LATENT]
    mu, log_var = (known[name].transpose(*leading, LATENT).values.reshape(-1, n_latents) for name in ("mu", "log_var"))
    D, B, n_defects = (
        array.broadcast_like(like).transpose(*leading).values.ravel().astype(np.float64)
        for array in (ds["D"], ds["B"], known["n_defects"])
    )
    present = np.isfinite(mu).all(axis=1)
    spec = infer.refer(model).spec
    size = (ds.sizes["y"], ds.sizes["x"])
    return LatentSet(mu[present], log_var[present], D[present], B[present], n_defects[present], spec, size)


def generate(
    latents: LatentSet,
    model: VAE | str | os.PathLike[str],
    n: int,
    *,
    method: Generation = "learned",
    D: float | None = None,
    B: float | None = None,
    around: int | None = None,
    novelty: float | None = None,
    relax: bool | Schedule = False,
    T: float = TEMPERATURE,
    hamiltonian: Hamiltonian | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Draw new lattices.

    ``"thesis"``: z = μ̄ + σ̄ ε with the training set's mean μ and mean σ (equation 2.20). ``"prior"``: z = ε, what the
    loss pulls the posterior to. ``"neighbourhood"``: z = μ + novelty · σ ε around one lattice (``around``) or a random
    one each. ``"low_defect"``: the same around the tenth of the lattices with the fewest defects, the thesis'
    proposal. ``"conditional"``: z = ε, decoded under the given (D, B) by a model that is told them. ``"learned"``: from
    the density of :mod:`skylattice.latent.prior`, at the given (D, B).

    Parameters
    ----------
    latents
        Of the ensemble, from :func:`latent_set`.
    model
        The model that encoded them.
    n
        How many lattices.
    D, B
        Wanted parameters in J, both or neither; default: those of lattices drawn from the ensemble. Methods that
        cannot be told (D, B) draw around lattices with the nearest ones, or (``thesis``, ``prior``) ignore them.
    around
        Position in ``latents`` of the lattice for ``"neighbourhood"``.
    novelty
        For ``"learned"`` a share in [0, 1] (default 0.6); for ``"neighbourhood"`` and ``"low_defect"`` a factor
        (default 1).
    relax
        Quench each lattice with the Monte Carlo engine at its (D, B): True for
        :func:`skylattice.latent.relax.quench_schedule`, or a schedule.
    T
        Temperature of the quench, in J / k_B.
    hamiltonian
        Interaction of the lattices; default the one that the model is trained on. The other handedness is made by a
        turn by π about z.
    seed
        All randomness; the same seed gives the same lattices.

    Returns
    -------
    Dataset along ``sample``: ``spin`` (sample, y, x, component), float32; ``z`` (sample, latent); coordinates D and B
    per sample, in J. For ``"thesis"`` and ``"prior"``, which know no (D, B), they are read off the new lattice by a
    linear fit of D and B on the latent vectors of its own encoding.

    Raises
    ------
    ModelError
        For ``"conditional"`` with a model that is not told (D, B), or a lattice or novelty out of range.
    SchemaError
        For an unknown method, or one of D and B without the other.
    """
    check_request(n, method, D, B)
    network = _network(model)
    if method == "conditional" and not network.spec.condition:
        raise ModelError(
            "method 'conditional': this model was not told (D, B) in training. Train one with condition=True, or use "
            "method='learned', which asks the ensemble instead."
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    drawn = rng.permutation(np.resize(rng.permutation(len(latents)), n))  # each lattice as often as any other
    wanted = (latents.D[drawn], latents.B[drawn]) if D is None or B is None else (np.full(n, D), np.full(n, B))
    z, d, b = _DRAW[method](latents, wanted, rng, around=around, novelty=novelty)
    spin = decode(network, z, np.stack([d, b], axis=-1), latents.size)
    if method in ("thesis", "prior"):
        d, b = _read_parameters(latents, network, spin)
    target = hamiltonian or network.spec.hamiltonian
    if target.dmi != network.spec.dmi:
        raise ModelError(f"generate: the model was trained on the {network.spec.dmi} DMI, not on the {target.dmi} one.")
    if target.handedness != network.spec.handedness:
        spin = turn_spins(spin, 2)
    if relax:
        from skylattice.latent.relax import quench, quench_schedule

        schedule = quench_schedule(T) if relax is True else relax
        spin = quench(spin, schedule, D=d, B=b, hamiltonian=target, seed=seed)
    return _dataset(
        spin, z, d, b, T, target, {"generator": method, "generator_seed": seed, "relaxed": int(bool(relax))}
    )


def check_request(n: int, method: str, D: float | None, B: float | None) -> None:
    """Raise :class:`SchemaError` for what :func:`generate` cannot do, before an ensemble is encoded for it."""
    if method not in get_args(Generation):
        raise SchemaError(f"method: expected one of {get_args(Generation)}, found {method!r}.")
    if (D is None) != (B is None):
        raise SchemaError(f"generate: expected both D and B or neither, found D = {D!r}, B = {B!r}.")
    if n < 1:
        raise SchemaError(f"n: expected at least one lattice, found {n!r}.")


def decode(model: VAE, z: np.ndarray, parameters: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Unit spins (n, y, x, 3) of latent vectors (n, latents) under D and B (n, 2), in batches that fit in memory."""
    step = max(1, _BATCH_SITES // (size[0] * size[1]))
    parts = [model.decode(z[k : k + step], parameters[k : k + step], size=size) for k in range(0, len(z), step)]
    return np.concatenate(parts)


def _network(model: VAE | str | os.PathLike[str]) -> VAE:
    if isinstance(model, str | os.PathLike):
        from skylattice.vae import artifact

        return artifact.load(model)
    return model


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def _thesis(latents: LatentSet, wanted: Any, rng: np.random.Generator, **_: Any) -> Drawn:
    mean, sigma = latents.mu.mean(axis=0), np.exp(latents.log_var / 2).mean(axis=0)
    noise = rng.normal(size=(len(wanted[0]), len(mean)))
    return (mean + sigma * noise).astype(np.float32), *wanted


def _prior(latents: LatentSet, wanted: Any, rng: np.random.Generator, **_: Any) -> Drawn:
    return rng.normal(size=(len(wanted[0]), latents.mu.shape[1])).astype(np.float32), *wanted


def _around(latents: LatentSet, chosen: np.ndarray, rng: np.random.Generator, novelty: float | None) -> Drawn:
    """Draws from the posteriors of the chosen lattices, widened by ``novelty``."""
    width = 1.0 if novelty is None else novelty
    if width < 0:
        raise ModelError(f"novelty: expected a factor >= 0, found {novelty!r}.")
    mu, sigma = latents.mu[chosen], np.exp(latents.log_var[chosen] / 2)
    z = mu + width * sigma * rng.normal(size=mu.shape)
    return z.astype(np.float32), latents.D[chosen], latents.B[chosen]


def _neighbourhood(
    latents: LatentSet, wanted: Any, rng: np.random.Generator, *, around: int | None, novelty: float | None
) -> Drawn:
    if around is None:
        return _around(latents, _nearest(latents, wanted, rng), rng, novelty)
    if not 0 <= around < len(latents):
        raise ModelError(f"around: expected the position of one of {len(latents)} lattices, found {around!r}.")
    return _around(latents, np.full(len(wanted[0]), around), rng, novelty)


def _low_defect(
    latents: LatentSet, wanted: Any, rng: np.random.Generator, *, around: int | None, novelty: float | None
) -> Drawn:
    if latents.n_defects is None:
        raise ModelError(
            "method 'low_defect': the lattices' defects were not counted. Make the latents with latent_set."
        )
    count = np.where(np.isfinite(latents.n_defects), latents.n_defects, np.inf)
    few = latents[np.argsort(count, kind="stable")[: max(1, round(LOW_DEFECT_SHARE * len(latents)))]]
    return _around(few, _nearest(few, wanted, rng), rng, novelty)


def _nearest(latents: LatentSet, wanted: Any, rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.choice(latents.nearest(d, b)) for d, b in zip(*wanted, strict=True)])


def _learned(
    latents: LatentSet, wanted: Any, rng: np.random.Generator, *, around: int | None, novelty: float | None
) -> Drawn:
    D, B = wanted
    return latents.prior.sample(D, B, novelty=NOVELTY if novelty is None else novelty, rng=rng), D, B


_DRAW: dict[str, Callable[..., Drawn]] = {
    "thesis": _thesis,
    "prior": _prior,
    "conditional": _prior,
    "neighbourhood": _neighbourhood,
    "low_defect": _low_defect,
    "learned": _learned,
}


def _read_parameters(latents: LatentSet, model: VAE, spin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """D and B of lattices that were made without any, from a ridge regression on the ensemble's latent vectors."""
    from sklearn.linear_model import RidgeCV

    from skylattice.latent.pca import torus_average

    step = max(1, _BATCH_SITES // (latents.size[0] * latents.size[1]))
    zeros = np.zeros((len(spin), 2))
    mu = np.concatenate([model.encode(spin[k : k + step], zeros[k : k + step])[0] for k in range(0, len(spin), step)])
    known, new = (torus_average(vectors, latents.spec, latents.size) for vectors in (latents.mu, mu))
    fit = RidgeCV(alphas=np.logspace(-3, 4, 15)).fit(known, np.stack([latents.D, latents.B], axis=-1))
    D, B = fit.predict(new).T
    return np.clip(D, latents.D.min(), latents.D.max()), np.clip(B, latents.B.min(), latents.B.max())


def _dataset(
    spin: np.ndarray, z: np.ndarray, D: np.ndarray, B: np.ndarray, T: float, hamiltonian: Hamiltonian, attrs: dict
) -> xr.Dataset:
    coords = {SAMPLE: np.arange(len(spin)), "D": (SAMPLE, D), "B": (SAMPLE, B), "T": T}
    ds = spin_dataset((SAMPLE, *SPIN_DIMS), spin, coords, hamiltonian, **attrs)
    return ds.assign(z=((SAMPLE, LATENT), z))
