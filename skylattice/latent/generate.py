"""New lattices from a trained model: latent vectors drawn in one of several ways, decoded, and quenched if asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.arrays import lattices, spin_dataset, unit_spins
from skylattice.boundary import check_models_apply
from skylattice.defects.classify import defects
from skylattice.defects.of_spins import of_spins
from skylattice.errors import ModelError, SchemaError, StoreError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.atomic import new_folder
from skylattice.io.guard import explained, local_path
from skylattice.io.importing import import_datasets
from skylattice.io.store import open_ensemble
from skylattice.kernels.rotation import turn_spins
from skylattice.latent.prior import LatentSet
from skylattice.latent.recipe import DEFAULT, TEMPERATURE, Recipe
from skylattice.schema import SPIN_DIMS
from skylattice.stacking import per_lattice
from skylattice.vae.blocks import field_signs

if TYPE_CHECKING:
    from skylattice.vae.model import VAE

SAMPLE = "sample"
LATENT = "latent"

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

    check_models_apply(ds)
    of = lattices(ds, spin=spin, purpose="generation")
    missing = []
    if "mu" not in ds or "log_var" not in ds:
        missing.append(infer.encode(of.spin, model, of.hamiltonian, D=of.D, B=of.B)[["mu", "log_var"]])
    if "n_defects" not in ds:
        missing.append(of_spins(defects, of.spin, of.B, of.sites)[["n_defects"]])
    ds = ds.assign({name: part[name].variable for part in missing for name in part})
    known = ds[["mu", "log_var", "n_defects"]].compute()
    mu, log_var = (per_lattice(known[name], ds[spin]) for name in ("mu", "log_var"))
    D, B, n_defects = (per_lattice(known[name].astype(np.float64), ds[spin]) for name in ("D", "B", "n_defects"))
    present = np.isfinite(mu).all(axis=1)
    spec = infer.refer(model).spec
    size = (ds.sizes["y"], ds.sizes["x"])
    return LatentSet(mu[present], log_var[present], D[present], B[present], n_defects[present], spec, size)


def generate(
    latents: LatentSet,
    model: VAE | str | os.PathLike[str],
    n: int,
    recipe: Recipe = DEFAULT,
    *,
    T: float = TEMPERATURE,
    hamiltonian: Hamiltonian | None = None,
) -> xr.Dataset:
    """Draw new lattices.

    Parameters
    ----------
    latents
        Of the ensemble, from :func:`latent_set`.
    model
        The model that encoded them.
    n
        How many lattices.
    recipe
        How to draw them.
    T
        Temperature of the quench, in J / k_B.
    hamiltonian
        Interaction of the lattices; default the one that the model is trained on. The other handedness is made by a
        turn by π about z.

    Returns
    -------
    Dataset along ``sample``: ``spin`` (sample, y, x, component), float32; ``z`` (sample, latent); coordinates D and B
    per sample, in J. For ``"thesis"`` and ``"prior"``, which know no (D, B), they are read off the new lattice by a
    linear fit of D and B on the latent vectors of its own encoding.

    Raises
    ------
    ModelError
        For ``"conditional"`` with a model that is not told (D, B), or a lattice out of range.
    SchemaError
        For fewer lattices than one.
    """
    check_number(n)
    if recipe.method == "particles":
        raise ModelError("method 'particles' asks no model: use skylattice.generate, or ds.sky.generate.")
    network = _network(model)
    if recipe.method == "conditional" and not network.spec.condition:
        raise ModelError(
            "method 'conditional': this model was not told (D, B) in training. Train one with condition=True, or use "
            "method='learned', which asks the ensemble instead."
        )
    rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(0,)))
    drawn = rng.permutation(np.resize(rng.permutation(len(latents)), n))  # each lattice as often as any other
    told = recipe.D is not None and recipe.B is not None
    wanted = (np.full(n, recipe.D), np.full(n, recipe.B)) if told else (latents.D[drawn], latents.B[drawn])
    z, d, b = _DRAW[recipe.method](latents, wanted, rng, recipe)
    of_lattice = recipe.method not in ("thesis", "prior")  # these draw z alone: the lattice then tells its D and B
    spin = decode(network, z, np.stack([d, b if of_lattice else abs(b)], axis=-1), latents.size)
    # Networks bound the length that they divide by: where an output is nearly 0, the spin is shorter than 1.
    spin = unit_spins(spin, normalise=True, where="generated spin")
    if not of_lattice:
        d, b = _read_parameters(latents, network, spin)
        spin = spin * field_signs(b, network.metadata)[:, None, None, None]
    target = hamiltonian or network.spec.hamiltonian
    if target.dmi != network.spec.dmi:
        raise ModelError(f"generate: the model was trained on the {network.spec.dmi} DMI, not on the {target.dmi} one.")
    if target.handedness != network.spec.handedness:
        spin = turn_spins(spin, 2)
    if recipe.relax:
        from skylattice.latent.relax import quench, quench_schedule

        schedule = quench_schedule(T) if recipe.relax is True else recipe.relax
        spin = quench(spin, schedule, D=d, B=b, hamiltonian=target, seed=recipe.seed)
    coords = {SAMPLE: np.arange(n), "D": (SAMPLE, d), "B": (SAMPLE, b), "T": T}
    ds = spin_dataset((SAMPLE, *SPIN_DIMS), spin, coords, target, **_provenance(recipe, model))
    return ds.assign(z=((SAMPLE, LATENT), z))


def save_generated(
    ds: xr.Dataset, store: str | os.PathLike[str], *, attrs: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """Write generated lattices as an ensemble store of their own, in one step; equal (D, B) become realizations.

    Parameters
    ----------
    ds
        From :func:`generate`, or several of them along ``sample``. Latent vectors are not kept.
    store
        A folder that does not exist yet.
    attrs
        Further attributes of the store.

    Returns
    -------
    The store, opened lazily. Its attributes say by which method, model and seed its lattices were made.

    Raises
    ------
    StoreError
        If the folder is there already, or cannot be written.
    """
    if local_path(store).exists():
        raise StoreError(f"{store}: exists already. Choose a new path, or remove it.")
    names = ("generator", "generator_seed", "relaxed", "model", "model_fingerprint")
    origin = {name: ds.attrs[name] for name in names if name in ds.attrs}
    target = local_path(store)
    with explained(target), new_folder(target) as folder:  # half of it would be taken for all that was asked for
        import_datasets([ds], folder / "store", attrs={**origin, **(attrs or {})}, progress=False)
        shutil.rmtree(folder / ".skylattice-locks")
        for part in (folder / "store").iterdir():
            part.rename(folder / part.name)
        (folder / "store").rmdir()
    return open_ensemble(target)


def check_number(n: int) -> None:
    """Raise :class:`SchemaError` unless at least one lattice is asked for."""
    if n < 1:
        raise SchemaError(f"n: expected at least one lattice, found {n!r}.")


def _provenance(recipe: Recipe, model: VAE | str | os.PathLike[str]) -> dict[str, Any]:
    """Attributes that say where new lattices come from."""
    attrs: dict[str, Any] = {
        "generator": recipe.method,
        "generator_seed": recipe.seed,
        "relaxed": int(bool(recipe.relax)),
    }
    if isinstance(model, str | os.PathLike):
        from skylattice.vae import infer

        reference = infer.refer(model)
        attrs |= {"model": reference.name, "model_fingerprint": reference.fingerprint}
    return attrs


def decode(model: VAE, z: np.ndarray, parameters: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Unit spins (n, y, x, 3) of latent vectors (n, latents) under D and B (n, 2), in batches that fit in memory."""
    step = max(1, _BATCH_SITES // (size[0] * size[1]))
    signs = field_signs(parameters[:, 1], model.metadata)
    seen = parameters * np.stack([np.ones_like(signs), signs], axis=-1)
    parts = [model.decode(z[k : k + step], seen[k : k + step], size=size) for k in range(0, len(z), step)]
    return np.concatenate(parts) * signs[:, None, None, None]


def _network(model: VAE | str | os.PathLike[str]) -> VAE:
    if isinstance(model, str | os.PathLike):
        from skylattice.vae import artifact

        return artifact.load(model)
    return model


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def _thesis(latents: LatentSet, wanted: Any, rng: np.random.Generator, recipe: Recipe) -> Drawn:
    mean, sigma = latents.mu.mean(axis=0), np.exp(latents.log_var / 2).mean(axis=0)
    noise = rng.normal(size=(len(wanted[0]), len(mean)))
    return (mean + sigma * noise).astype(np.float32), *wanted


def _prior(latents: LatentSet, wanted: Any, rng: np.random.Generator, recipe: Recipe) -> Drawn:
    return rng.normal(size=(len(wanted[0]), latents.mu.shape[1])).astype(np.float32), *wanted


def _around(latents: LatentSet, chosen: np.ndarray, rng: np.random.Generator, recipe: Recipe) -> Drawn:
    """Draws from the posteriors of the chosen lattices, widened by the novelty."""
    mu, sigma = latents.mu[chosen], np.exp(latents.log_var[chosen] / 2)
    z = mu + recipe.width * sigma * rng.normal(size=mu.shape)
    return z.astype(np.float32), latents.D[chosen], latents.B[chosen]


def _neighbourhood(latents: LatentSet, wanted: Any, rng: np.random.Generator, recipe: Recipe) -> Drawn:
    if recipe.around is None:
        return _around(latents, _nearest(latents, wanted, rng), rng, recipe)
    if not 0 <= recipe.around < len(latents):
        raise ModelError(f"around: expected the position of one of {len(latents)} lattices, found {recipe.around!r}.")
    return _around(latents, np.full(len(wanted[0]), recipe.around), rng, recipe)


def _low_defect(latents: LatentSet, wanted: Any, rng: np.random.Generator, recipe: Recipe) -> Drawn:
    if latents.n_defects is None:
        raise ModelError(
            "method 'low_defect': the lattices' defects were not counted. Make the latents with latent_set."
        )
    count = np.where(np.isfinite(latents.n_defects), latents.n_defects, np.inf)
    few = latents[np.argsort(count, kind="stable")[: max(1, round(LOW_DEFECT_SHARE * len(latents)))]]
    return _around(few, _nearest(few, wanted, rng), rng, recipe)


def _nearest(latents: LatentSet, wanted: Any, rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.choice(latents.nearest(d, b)) for d, b in zip(*wanted, strict=True)])


def _learned(latents: LatentSet, wanted: Any, rng: np.random.Generator, recipe: Recipe) -> Drawn:
    D, B = wanted
    return latents.prior.sample(D, B, novelty=recipe.width, rng=rng), D, B


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
