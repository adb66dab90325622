"""Inference over ensembles: latent vectors, reconstructions and their errors, lazily with Dask.

A task holds the name of a model, or one shared key for a model that is not on disk; each process builds it once. ε = 0
throughout, so results depend on the lattice alone. Holes and lattices with NaN spins stay NaN and are not computed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from skylattice.errors import MissingExtraError, ModelError
from skylattice.hamiltonian import Hamiltonian
from skylattice.kernels.rotation import turn_spins
from skylattice.schema import COMPONENT, SITE_DIMS, SPIN_DIMS, VARIABLES, check_spin, label
from skylattice.vae import artifact
from skylattice.vae.arrays import read_arrays, write_arrays
from skylattice.vae.spec import ModelSpec

if TYPE_CHECKING:
    from skylattice.vae.model import VAE
    from skylattice.vae.runner import Runner

LATENT = "latent"
#: Sites of one batch: 16 lattices of 200×200. More is not faster, and memory grows with it.
_BATCH_SITES = 16 * 200 * 200
#: Models kept per process.
_CACHE_SIZE = 4

_runners: OrderedDict[str, Runner] = OrderedDict()
#: Keras models are not safe to call from several threads; the backend uses all of the process's cores for one call.
_lock = threading.RLock()


@dataclass(frozen=True)
class ModelReference:
    """What a task needs to find or rebuild a model.

    Attributes
    ----------
    name, fingerprint
        For people and for caches.
    spec
        Options of the model.
    folder
        Where it is saved, if it is; workers read it there.
    payload
        ``model.json`` and ``weights.npz`` of a model that is in memory only.
    """

    name: str
    fingerprint: str
    spec: ModelSpec
    folder: str | None = None
    payload: tuple[str, bytes] | None = None


def refer(model: VAE | str | os.PathLike[str]) -> ModelReference:
    """Reference to a model given as a folder, the name of a shipped one, or an object (of which a copy is taken)."""
    if isinstance(model, str | os.PathLike):
        folder = artifact.find(model).resolve()
        document = artifact.read_document(folder)
        spec = ModelSpec.from_config(document["spec"])
        return ModelReference(folder.name, _fingerprint(spec, document["weights_sha256"]), spec, folder=str(folder))
    arrays = artifact.model_arrays(model)
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    buffer = io.BytesIO()
    write_arrays(buffer, arrays)
    text = json.dumps({"spec": model.spec.to_config(), "metadata": dict(model.metadata)})
    fingerprint = _fingerprint(model.spec, digest.hexdigest())
    return ModelReference(model.spec.preset, fingerprint, model.spec, payload=(text, buffer.getvalue()))


def encode(
    spin: xr.DataArray,
    model: VAE | str | os.PathLike[str],
    hamiltonian: Hamiltonian,
    *,
    D: xr.DataArray | float | None = None,
    B: xr.DataArray | float | None = None,
) -> xr.Dataset:
    """Latent vectors of lattices: μ and log σ² of the approximate posterior.

    Parameters
    ----------
    spin
        Unit spins, shape ``(..., y, x, component)``. May be chunked along any leading dimension.
    model
        A model, the folder of one, or the name of a shipped one.
    hamiltonian
        Interaction of the lattices. Spins of the other handedness are turned by π about z first, which is exact, and
        the attributes of the result say so.
    D, B
        In J, broadcast against the leading dims; needed by conditioned models alone.

    Returns
    -------
    Dataset with ``mu`` and ``log_var`` of shape ``(..., latent)``, float32, unit 1; NaN for holes. A periodic model's
    latents are its local map, row by row, then the global part: :meth:`skylattice.vae.ModelSpec.split`. Lazy if
    ``spin`` is lazy.

    Raises
    ------
    ModelError
        If the size does not fit, or the model was trained for another DMI symmetry.
    SchemaError
        If ``spin`` does not follow the schema.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.planted_skyrmions([(10, 10)], size=20)
    >>> encode(ds.spin, "periodic", Hamiltonian()).mu.sizes["latent"]
    104
    """
    reference, turn = _prepare(spin, model, hamiltonian)
    latents = reference.spec.latents((spin.sizes["y"], spin.sizes["x"]))
    both = _map_lattices("encode", spin, reference, turn, D, B, {"part": 2, LATENT: latents})
    result = xr.Dataset({name: label(both.isel(part=k), name) for k, name in enumerate(("mu", "log_var"))})
    return result.assign_attrs(_provenance(reference, hamiltonian, turn))


def reconstruct(
    spin: xr.DataArray,
    model: VAE | str | os.PathLike[str],
    hamiltonian: Hamiltonian,
    *,
    D: xr.DataArray | float | None = None,
    B: xr.DataArray | float | None = None,
) -> xr.DataArray:
    """Lattices encoded and decoded with ε = 0; parameters and errors as :func:`encode`.

    Returns
    -------
    Unit spins of the shape of ``spin``, float32, in the handedness of the input; NaN for holes. Lazy if ``spin`` is.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.planted_skyrmions([(10, 10)], size=20).chunk()
    >>> reconstruct(ds.spin, "periodic", Hamiltonian()).dtype
    dtype('float32')
    """
    reference, turn = _prepare(spin, model, hamiltonian)
    sizes = {dim: spin.sizes[dim] for dim in SPIN_DIMS}
    output = label(_map_lattices("reconstruct", spin, reference, turn, D, B, sizes), "spin")
    if COMPONENT in spin.coords:
        output = output.assign_coords({COMPONENT: spin[COMPONENT]})
    return output.assign_attrs(_provenance(reference, hamiltonian, turn))


def reconstruction_error(
    spin: xr.DataArray,
    model: VAE | str | os.PathLike[str],
    hamiltonian: Hamiltonian,
    *,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
) -> xr.Dataset:
    """How well a model reconstructs each lattice; parameters and errors as :func:`encode`.

    Returns
    -------
    Dataset, NaN for holes, lazy if ``spin`` is: ``mse`` ``(...)``, mean over sites and components; ``squared_error``
    ``(..., y, x)``, summed over the components, in [0, 4]; ``energy_difference`` ``(...)``, J per site, and
    ``cos_theta_difference`` ``(...)``, both output minus input. Compute it as a whole: the parts share the network's
    output.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.planted_skyrmions([(10, 10)], size=20)
    >>> errors = reconstruction_error(ds.spin, "periodic", Hamiltonian(), D=ds.D, B=ds.B)
    >>> sorted(errors.data_vars)
    ['cos_theta_difference', 'energy_difference', 'mse', 'squared_error']
    """
    from skylattice.observables.scalars import observables

    output = reconstruct(spin, model, hamiltonian, D=D, B=B)
    squared = ((output - spin).astype(np.float64) ** 2).sum(COMPONENT, skipna=False)
    before, after = (observables(lattices, D, B, hamiltonian) for lattices in (spin, output))
    variables = {
        "mse": squared.mean(SITE_DIMS, skipna=False) / 3,
        "squared_error": squared,
        "energy_difference": after.energy - before.energy,
        "cos_theta_difference": after.cos_theta - before.cos_theta,
    }
    provenance = {name: output.attrs[name] for name in output.attrs if name not in VARIABLES["spin"].attrs()}
    return xr.Dataset({name: label(array, name) for name, array in variables.items()}, attrs=provenance)


def _fingerprint(spec: ModelSpec, digest: str) -> str:
    return hashlib.sha256((json.dumps(spec.to_config(), sort_keys=True) + digest).encode()).hexdigest()[:16]


def _prepare(spin: xr.DataArray, model: Any, hamiltonian: Hamiltonian) -> tuple[ModelReference, bool]:
    """The model's reference, and whether the spins must be turned to its handedness."""
    from importlib.util import find_spec

    check_spin(spin)
    if find_spec("keras") is None:  # say so here, not in a task
        raise MissingExtraError("keras", "vae", "a variational autoencoder")
    reference = refer(model)
    trained = reference.spec.hamiltonian
    if trained.dmi != hamiltonian.dmi:
        raise ModelError(
            f"model {reference.name}: trained on the {trained.dmi} DMI, the lattices have the {hamiltonian.dmi} one. "
            "No rotation turns one into the other: train a model on such lattices."
        )
    reference.spec.check_size((spin.sizes["y"], spin.sizes["x"]))
    return reference, trained.handedness != hamiltonian.handedness


def _provenance(reference: ModelReference, hamiltonian: Hamiltonian, turn: bool) -> dict[str, Any]:
    attrs: dict[str, Any] = {"model": reference.name, "model_fingerprint": reference.fingerprint}
    if turn:
        attrs["model_handedness"] = (
            f"spins of handedness {hamiltonian.handedness:+d} were turned by pi about z for a model trained on "
            f"{-hamiltonian.handedness:+d}"
        )
    return attrs


def _map_lattices(
    task: Literal["encode", "reconstruct"],
    spin: xr.DataArray,
    reference: ModelReference,
    turn: bool,
    D: xr.DataArray | float | None,
    B: xr.DataArray | float | None,
    output_sizes: dict[str, int],
) -> xr.DataArray:
    """Apply a network to every lattice; the output has the leading dims of ``spin`` and those of ``output_sizes``."""
    leading = [dim for dim in spin.dims if dim not in SPIN_DIMS]
    spin = spin.transpose(*leading, *SPIN_DIMS)
    like = spin.isel(dict.fromkeys(SPIN_DIMS, 0), drop=True)
    parameters = _parameters(like, reference, D, B)
    options: dict[str, Any] = {"task": task, "turn": turn, "shape": tuple(output_sizes.values())}
    if spin.chunks is None:
        values = run_block(spin.values, parameters, reference, **options)
    else:
        import dask
        import dask.array as da

        rows = tuple(f"leading_{k}" for k in range(len(leading)))
        sites = tuple(f"site_{dim}" for dim in SPIN_DIMS)
        chunks = spin.data.chunks[: len(leading)]
        values = da.blockwise(
            run_block,
            (*rows, *output_sizes),
            spin.data,
            (*rows, *sites),
            da.from_array(parameters, chunks=(*chunks, 2)),
            (*rows, "parameter"),
            # One key that every worker fetches once, where a literal would travel with each task.
            reference=dask.delayed(reference, name=f"model-{reference.fingerprint}", pure=True, traverse=False),
            new_axes=output_sizes,
            concatenate=True,
            dtype=np.float32,
            meta=np.empty((0,) * (len(leading) + len(output_sizes)), dtype=np.float32),
            **options,
        )
    return xr.DataArray(values, dims=(*leading, *output_sizes), coords=like.coords)


def _parameters(
    like: xr.DataArray, reference: ModelReference, D: xr.DataArray | float | None, B: xr.DataArray | float | None
) -> np.ndarray:
    """D and B of every lattice, shape ``(..., 2)``; zeros for a model that does not look at them."""
    result = np.zeros((*like.shape, 2), dtype=np.float32)
    if not reference.spec.condition:
        return result
    for k, (name, value) in enumerate((("D", D), ("B", B))):
        if value is None:
            raise ModelError(f"model {reference.name}: it is conditioned on (D, B), and the lattices have no {name}.")
        result[..., k] = xr.DataArray(value).broadcast_like(like).transpose(*like.dims).values
    return result


def run_block(
    spin: np.ndarray,
    parameters: np.ndarray,
    reference: ModelReference,
    *,
    task: Literal["encode", "reconstruct"],
    turn: bool,
    shape: Sequence[int],
) -> np.ndarray:
    """Apply a network to a block of lattices ``(..., y, x, 3)``, skipping those with NaN spins: one Dask task."""
    leading = spin.shape[:-3]
    lattices = spin.reshape(-1, *spin.shape[-3:])
    flat = parameters.reshape(-1, 2)
    output = np.full((len(lattices), *shape), np.nan, dtype=np.float32)
    # The first site tells most holes without reading them through.
    present = np.flatnonzero(~np.isnan(lattices[:, 0, 0, 0]))
    present = present[~np.isnan(lattices[present]).any(axis=(1, 2, 3))] if len(present) else present
    start = 0
    while start < len(present):
        n = _batch_size(len(present) - start, sites=spin.shape[-3] * spin.shape[-2])
        chosen = present[start : start + n]
        batch = lattices[chosen].astype(np.float32)
        result = _predict(reference, task, turn_spins(batch, 2) if turn else batch, flat[chosen])
        output[chosen] = turn_spins(result, 2) if turn and task == "reconstruct" else result
        start += n
    return output.reshape(*leading, *shape)


def _batch_size(remaining: int, *, sites: int) -> int:
    """The largest power of two that is not above what remains or fits a batch: few shapes to compile, no padding."""
    limit = max(1, min(remaining, _BATCH_SITES // sites))
    return 1 << (limit.bit_length() - 1)


def _predict(reference: ModelReference, task: str, spin: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    with _lock:
        runner = _runner(reference)
        return runner.encode(spin, parameters) if task == "encode" else runner.reconstruct(spin, parameters)


def _runner(reference: ModelReference) -> Runner:
    """The model of a reference, built once per process; the caller holds the lock."""
    if reference.fingerprint not in _runners:
        _pin_threads()
        from skylattice.vae.runner import Runner

        if reference.payload is not None:
            document, weights = reference.payload
            arrays = read_arrays(io.BytesIO(weights))
            model = artifact.restore(json.loads(document), arrays, where=reference.name)
        else:
            model = artifact.load(Path(reference.folder or reference.name))
        _runners[reference.fingerprint] = Runner(model)
        while len(_runners) > _CACHE_SIZE:
            _runners.popitem(last=False)
    _runners.move_to_end(reference.fingerprint)
    return _runners[reference.fingerprint]


def _pin_threads() -> None:
    """In a worker process of Dask, give TensorFlow the worker's share of the cores instead of all of them."""
    import multiprocessing

    from skylattice.vae._keras import keras

    if keras.backend.backend() != "tensorflow" or multiprocessing.parent_process() is None:
        return
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(_worker_threads())
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # it is running already, with the threads it was given then
        return


def _worker_threads() -> int:
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            return int(get_worker().state.nthreads)
        except ValueError:  # no worker of distributed: a process of the multiprocessing scheduler has one thread
            pass
    return 1
