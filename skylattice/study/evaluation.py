"""What a report needs to know of a model on an ensemble, computed once and kept in the result store."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from skylattice.arrays import lattices
from skylattice.boundary import Sites, check_models_apply
from skylattice.defects.classify import defects
from skylattice.defects.of_spins import of_spins
from skylattice.errors import ModelError, StoreError
from skylattice.io.results import cache_key, cached, match, open_results, write_results
from skylattice.io.store import open_ensemble
from skylattice.latent.pca import PCA, fit_pca, torus_average
from skylattice.latent.prior import LatentSet
from skylattice.schema import GRID_DIMS, PHASE, STATUS
from skylattice.stacking import per_lattice, unstack
from skylattice.study.faults import Fault, fault_flags, faults_in, lattices_at, listed, sound_lattices
from skylattice.vae.refinement import Request, described
from skylattice.vae.spec import ModelSpec

#: Lattices per call of a network.
_BATCH = 16
#: With fewer lattices there is nothing to fit or to resample.
MIN_TEST = 4
#: Errors of the reconstruction that are kept.
_ERRORS = ("mse", "energy_difference", "cos_theta_difference")
#: Columns that tables and figures use, by the name in the results.
_QUANTITIES = {"topological_charge": "Q", "m_z": "m_z", "n_defects": "n_defects", "n_skyrmions": "n_skyrmions"}


@dataclass
class Ensemble:
    """The skyrmion lattices of a store, one after the other.

    Attributes
    ----------
    store
        Path of the store.
    ds
        Lazy dataset along ``sample``; D, B and realization are coordinates.
    frame
        One row per lattice: ``position`` in the store's grid, ``lattice_id``, D, B, realization, Q, m_z, n_defects,
        n_skyrmions, and, after :func:`count_by_thesis_rule`, ``n_defects_thesis``, by the thesis' rule with open
        boundaries.
    faults
        Lattices of the store that are left out since something is wrong with them.
    """

    store: Path
    ds: xr.Dataset
    frame: pd.DataFrame
    faults: list[Fault] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def size(self) -> tuple[int, int]:
        """(ny, nx) in sites."""
        return self.ds.sizes["y"], self.ds.sizes["x"]

    @property
    def identity(self) -> list[list[Any]]:
        """Which lattices these are, for the key of what is computed of all of them."""
        return [self.frame[name].tolist() for name in (*GRID_DIMS, "Q", "lattice_id")]


@dataclass
class Record:
    """A model on an ensemble.

    Attributes
    ----------
    name, spec, metadata
        Of the model.
    frame
        The ensemble's, with ``part`` ("train", "test", "validation", "seeds", or "both" for an ensemble that the model
        was not trained on, which serves as both), ``mse``, ``energy_difference`` and ``cos_theta_difference``.
    mu, log_var
        Latent vectors, shape (n, latents); NaN where not encoded.
    size
        (ny, nx) of the lattices.
    fingerprint
        Of the model.
    """

    name: str
    spec: ModelSpec
    metadata: dict[str, Any]
    frame: pd.DataFrame
    mu: np.ndarray
    log_var: np.ndarray
    size: tuple[int, int]
    fingerprint: str

    @property
    def is_train(self) -> np.ndarray:
        """Lattices that the model was trained on, or those that stand in for them."""
        return self.frame["part"].isin(["train", "both"]).to_numpy() & np.isfinite(self.mu[:, 0])

    @property
    def is_test(self) -> np.ndarray:
        """Lattices that the model never saw."""
        return self.frame["part"].isin(["test", "both"]).to_numpy() & np.isfinite(self.mu[:, 0])

    @property
    def test(self) -> pd.DataFrame:
        """Rows of the test lattices."""
        return self.frame[self.is_test]

    def pca(self, part: str = "test", *, averaged: bool = False) -> PCA:
        """Principal components of the latents of ``"train"`` or ``"test"``, along Q; ``averaged`` over the torus."""
        chosen = self.is_train if part == "train" else self.is_test
        latents = self.vectors(averaged)[chosen]
        return fit_pca(latents, along=self.frame["Q"].to_numpy()[chosen])

    def vectors(self, averaged: bool = False) -> np.ndarray:
        """Latent vectors, flat or averaged over the torus."""
        return torus_average(self.mu, self.spec, self.size) if averaged else self.mu

    @cached_property
    def scores(self) -> np.ndarray:
        """Ẑ of all lattices by the components of the test lattices, as in the thesis."""
        return self.pca().transform(self.mu)

    @cached_property
    def averaged_scores(self) -> np.ndarray:
        """The same for the torus-averaged latents."""
        return self.pca(averaged=True).transform(self.vectors(True))

    @cached_property
    def latent_set(self) -> LatentSet:
        """Latents of the training lattices, to generate from."""
        chosen = self.is_train
        D, B, n_defects = (self.frame[name].to_numpy(dtype=float)[chosen] for name in ("D", "B", "n_defects"))
        return LatentSet(self.mu[chosen], self.log_var[chosen], D, B, n_defects, self.spec, self.size)


def open_lattices(store: str | os.PathLike[str]) -> Ensemble:
    """The skyrmion lattices of a store whose scalars are known; reads, and computes nothing.

    Raises
    ------
    StoreError
        If it was not analysed, or has no lattice in the skyrmion phase.
    SchemaError
        If its lattices are not periodic, or have empty sites.
    """
    ds = open_ensemble(store)
    check_models_apply(ds)
    results, n_stale = match(open_results(store, "observables").compute(), ds)
    if n_stale:
        warnings.warn(
            f"{store}: the results of {n_stale} lattices are those of other spins, and are left out. Compute them anew "
            f"with: skylattice analyse {store}",
            stacklevel=2,
        )
    missing = [name for name in (*_QUANTITIES, "phase") if name not in results]
    if missing:
        raise StoreError(f"{store}: the results lack {missing}. Compute them anew with: skylattice analyse {store}")
    table = results[[*_QUANTITIES, "phase", "status"]].reset_coords(drop=True)
    frame = table.to_dataframe(dim_order=list(GRID_DIMS)).reset_index().rename(columns=_QUANTITIES)
    frame = frame.assign(position=np.arange(len(frame)), lattice_id=_lattice_ids(ds))
    chosen = (frame.pop("status") == STATUS["done"]) & (frame.pop("phase") == PHASE["skyrmion"])
    if not chosen.any():
        reason = f"{store}: no lattice is in the skyrmion phase. Simulate at B between 0.3 and 0.65 D²/J."
        raise StoreError("\n".join([reason, *listed(faults_in(results))]))
    frame = frame[chosen].reset_index(drop=True)
    return Ensemble(Path(store), lattices_at(ds, frame["position"].to_numpy()), frame, faults_in(results))


def leave_out_faulty(ensemble: Ensemble) -> Ensemble:
    """The same without the lattices that something has happened to since they were analysed; reads all spins."""
    grid = open_ensemble(ensemble.store)
    positions, faults = sound_lattices(ensemble.store, grid)
    known = {(fault.D, fault.B, fault.realization) for fault in ensemble.faults}
    faults = ensemble.faults + [fault for fault in faults if (fault.D, fault.B, fault.realization) not in known]
    frame = ensemble.frame[ensemble.frame["position"].isin(positions)].reset_index(drop=True)
    return replace(ensemble, ds=lattices_at(grid, frame["position"].to_numpy(), faults), frame=frame, faults=faults)


def _lattice_ids(ds: xr.Dataset) -> np.ndarray:
    """Fingerprints of the spins of every lattice; stores of 0.1 have none."""
    return per_lattice(ds["lattice_id"] if "lattice_id" in ds else xr.zeros_like(ds["status"]), ds["status"])


def count_by_thesis_rule(ensemble: Ensemble) -> Ensemble:
    """The same with ``n_defects_thesis`` in its frame, from the result store or computed and kept there."""
    key = cache_key(ensemble.identity)
    counted = cached(ensemble.store, "defects_thesis", key, lambda: _thesis_count(ensemble.ds))
    return replace(ensemble, frame=ensemble.frame.assign(n_defects_thesis=counted["n_defects"].values))


def _thesis_count(ds: xr.Dataset) -> xr.Dataset:
    """Defects by the thesis' rule and its open triangulation, whose hull counts as defects."""
    counted = of_spins(
        defects, ds["spin"], ds["B"], Sites.of(ds), rule="dusek2023", boundary="open", exclude_hull=False
    )
    return counted[["n_defects"]].compute()


def evaluate_model(
    ensemble: Ensemble,
    model: str | os.PathLike[str],
    *,
    refine: Request | None = "default",
    max_train: int | None = None,
    seed: int = 0,
) -> Record:
    """Encode and reconstruct the lattices of an ensemble with a saved model, unless that is in the result store.

    Parameters
    ----------
    ensemble
        From :func:`open_lattices`.
    model
        Folder of a model, or the name of a shipped one.
    refine
        How to refine the codes: see :func:`skylattice.vae.infer.encode`.
    max_train
        Encode so many training lattices at most, drawn at random.
    seed
        Of that choice.

    Raises
    ------
    ModelError, MissingExtraError
        If the model cannot be read or does not fit the ensemble.
    StoreError
        If there are fewer than :data:`MIN_TEST` lattices that the model was not trained on.
    """
    from skylattice.vae import artifact, infer
    from skylattice.vae.data import data_fingerprint

    reference = infer.refer(model)
    metadata = artifact.read_document(artifact.find(model))["metadata"]
    reference.spec.check_size(ensemble.size)
    grid = open_ensemble(ensemble.store)
    data = data_fingerprint(grid)
    part = _parts(grid, ensemble, metadata, data)
    n_test = int(np.isin(part, ["test", "both"]).sum())
    if n_test < MIN_TEST:
        raise StoreError(
            f"{ensemble.store}: expected at least {MIN_TEST} test lattices of {model_name(model)}, found {n_test}. "
            "Give an ensemble with more skyrmion lattices."
        )
    others = np.flatnonzero(part != "train")
    train = np.random.default_rng(seed).permutation(np.flatnonzero(part == "train"))[:max_train]
    wanted = ensemble.frame["position"].to_numpy()[np.sort(np.concatenate([others, train]))]
    group = f"models/{model_name(model)}"
    results = _known(ensemble, group, wanted, data, reference.fingerprint, described(refine, metadata))
    if results is None:
        results = _encode_into_results(ensemble.store, grid, model, wanted, refine, ensemble.faults)
    position = ensemble.frame["position"].to_numpy()
    values = {name: per_lattice(results[name], grid["status"])[position] for name in ("mu", "log_var", *_ERRORS)}
    frame = ensemble.frame.assign(part=part, **{name: values[name] for name in _ERRORS})
    return Record(
        model_name(model),
        reference.spec,
        metadata,
        frame,
        values["mu"],
        values["log_var"],
        ensemble.size,
        reference.fingerprint,
    )


def encode_store(
    store: str | os.PathLike[str], model: str | os.PathLike[str], *, refine: Request | None = "default"
) -> xr.Dataset:
    """Latent vectors and errors of every lattice that is done, of any phase, into the results beside the store.

    ``refine`` says how the codes are refined: see :func:`skylattice.vae.infer.encode`.
    Lattices that are not fit for it do not stop the others: :func:`skylattice.study.faults.faults_in` lists them.

    Returns
    -------
    Dataset over (D, B, realization), NaN for holes: ``mu`` and ``log_var`` (..., latent), ``mse``,
    ``energy_difference``, ``cos_theta_difference`` and ``fault``. Its attributes name model and data.

    Raises
    ------
    ModelError, MissingExtraError
        If the model cannot be read or does not fit the lattices.
    StoreError
        If no lattice can be encoded.
    """
    grid = open_ensemble(store)
    sound, faults = sound_lattices(store, grid)
    if not sound.size:
        raise StoreError("\n".join([f"{store}: expected lattices to encode, found none.", *listed(faults)]))
    return _encode_into_results(Path(store), grid, model, sound, refine, faults)


def is_encoded(store: str | os.PathLike[str], model: str | os.PathLike[str]) -> bool:
    """Whether the results beside a store have the latents of this very model, not of another of its name."""
    from skylattice.vae import infer

    try:
        known = open_results(store, f"models/{model_name(model)}")
    except StoreError:  # never computed
        return False
    return known.attrs.get("model_fingerprint") == infer.refer(model).fingerprint


def model_name(model: str | os.PathLike[str]) -> str:
    """Name of a model: that of its folder, or of the run's folder where it is called "model"."""
    path = Path(model)
    return path.resolve().parent.name if path.name == "model" else path.name


def _parts(grid: xr.Dataset, ensemble: Ensemble, metadata: dict[str, Any], fingerprint: str) -> np.ndarray:
    """What each lattice was used for when the model was trained."""
    from skylattice.vae.data import split_ensemble

    data = metadata.get("data", {})
    trained_on = {known.get("fingerprint"): known.get("split") for known in (*data.get("earlier", []), data)}
    options = trained_on.get(fingerprint)
    if options is None:
        return np.full(len(ensemble), "both", dtype=object)
    split = split_ensemble(
        grid,
        n_train=options["n_train_limit"],
        **{name: options[name] for name in ("test", "validation", "test_seeds", "seed")},
    )
    if split.fingerprint() != options["fingerprint"]:
        raise ModelError(f"{ensemble.store}: the split stated by the model cannot be made again from this ensemble.")
    part = np.full(len(ensemble), "unused", dtype=object)
    positions = ensemble.frame["position"].to_numpy()
    for name, label in (("train", "train"), ("validation", "validation"), ("test", "test"), ("test_seeds", "seeds")):
        part[np.isin(positions, getattr(split, name))] = label
    return part


def _known(ensemble: Ensemble, group: str, wanted: np.ndarray, data: str, model: str, refine: str) -> xr.Dataset | None:
    """What the result store has of a model, if model, refinement and data are these, and all wanted lattices there."""
    try:
        known, _ = match(open_results(ensemble.store, group).compute(), open_ensemble(ensemble.store))
    except StoreError:  # never computed
        return None
    same = known.attrs.get("model_fingerprint") == model and known.attrs.get("data_fingerprint", data) == data
    same = same and known.attrs.get("model_refine", "none") == refine  # 0.1 refined nothing
    if not same or {"mu", "log_var", *_ERRORS} - set(known):
        return None
    covered = np.isfinite(per_lattice(known["mse"], known["mse"])[wanted]).all()
    return known if covered else None


def in_batches(lattices: xr.Dataset) -> xr.Dataset:
    """Lattices in chunks of two sizes at most, 16 and 1: the backend compiles a network anew for each size."""
    n = lattices.sizes["sample"]
    batches = n // _BATCH if n >= 4 * _BATCH else 0
    return lattices.assign(spin=lattices["spin"].chunk(sample=(_BATCH,) * batches + (1,) * (n - _BATCH * batches)))


def _encode_into_results(
    store: Path,
    grid: xr.Dataset,
    model: Any,
    wanted: np.ndarray,
    refine: Request | None,
    faults: Sequence[Fault] = (),
) -> xr.Dataset:
    """Latents and errors of the lattices at flat positions, NaN elsewhere; written under the model's name."""
    from skylattice.vae import infer
    from skylattice.vae.data import data_fingerprint

    of = lattices(in_batches(lattices_at(grid, wanted, faults)))
    encoded = infer.encode(of.spin, model, of.hamiltonian, D=of.D, B=of.B, refine=refine)
    errors = infer.reconstruction_error(of.spin, model, of.hamiltonian, D=of.D, B=of.B, refine=refine)
    computed = encoded.assign(errors[list(_ERRORS)]).compute()
    attrs = {**encoded.attrs, "model": model_name(model), "data_fingerprint": data_fingerprint(grid)}
    result = unstack(computed, like=grid).reset_coords(drop=True).assign_attrs(attrs)
    result = result.assign(fault=fault_flags(result["mse"], faults))
    if "lattice_id" in grid:
        there = np.isfinite(result["mse"])
        result = result.assign(lattice_id=grid["lattice_id"].load().where(there, 0).astype(np.uint64))
    write_results(store, f"models/{model_name(model)}", result.copy())
    return result
