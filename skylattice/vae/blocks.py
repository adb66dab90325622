"""Networks over blocks of lattices: what a Dask task holds and does.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from skylattice.errors import ModelError
from skylattice.kernels.rotation import turn_spins
from skylattice.vae import artifact
from skylattice.vae.arrays import read_arrays, write_arrays
from skylattice.vae.refinement import Refine
from skylattice.vae.spec import ModelSpec

if TYPE_CHECKING:
    from skylattice.vae.model import VAE
    from skylattice.vae.runner import Runner

Task = Literal["encode", "decode"]
#: D and B in J, or None where they are not known.
Parameters = tuple["xr.DataArray | float | None", "xr.DataArray | float | None"]
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
    metadata
        Provenance of the model.
    payload
        ``model.json`` and ``weights.npz`` of a model that is in memory only.
    """

    name: str
    fingerprint: str
    spec: ModelSpec
    metadata: Mapping[str, Any]
    folder: str | None = None
    payload: tuple[str, bytes] | None = None


def refer(model: VAE | str | os.PathLike[str]) -> ModelReference:
    """Reference to a model given as a folder, the name of a shipped one, or an object (of which a copy is taken)."""
    if isinstance(model, str | os.PathLike):
        folder = artifact.find(model).resolve()
        document = artifact.read_document(folder)
        spec = ModelSpec.from_config(document["spec"])
        fingerprint = _fingerprint(spec, document["weights_sha256"], document["metadata"])
        return ModelReference(folder.name, fingerprint, spec, document["metadata"], folder=str(folder))
    arrays = artifact.model_arrays(model)
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    buffer = io.BytesIO()
    write_arrays(buffer, arrays)
    metadata = dict(model.metadata)
    text = json.dumps({"spec": model.spec.to_config(), "metadata": metadata})
    fingerprint = _fingerprint(model.spec, digest.hexdigest(), metadata)
    return ModelReference(model.spec.preset, fingerprint, model.spec, metadata, payload=(text, buffer.getvalue()))


def _fingerprint(spec: ModelSpec, digest: str, metadata: Mapping[str, Any]) -> str:
    """Of all that decides a result: architecture, weights, and the refinement if the model states one."""
    parts = json.dumps(spec.to_config(), sort_keys=True) + digest
    if "refinement" in metadata:
        parts += json.dumps(metadata["refinement"], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def map_lattices(
    task: Task,
    data: xr.DataArray,
    core: Sequence[str],
    reference: ModelReference,
    *,
    turn: bool,
    parameters: Parameters,
    output_sizes: dict[str, int],
    refine: Refine | None = None,
) -> xr.DataArray:
    """Apply a network to every lattice, or to every code.

    Parameters
    ----------
    task
        ``"encode"``: spins to μ and log σ²; ``"decode"``: codes to spins.
    data
        With the trailing dims ``core``, any leading dims, chunked along these or not.
    turn
        Whether the spins on this side of the network are those of the model, turned by π about z.
    parameters
        D and B, broadcast against the leading dims. Where B < 0 the network sees -S at -B, which has the same energy.
    output_sizes
        Dims and sizes of the result after the leading dims.
    refine
        How to refine the codes, for the task ``"encode"``.
    """
    leading = [dim for dim in data.dims if dim not in core]
    data = data.transpose(*leading, *core)
    like = data.isel(dict.fromkeys(core, 0), drop=True)
    of_lattices = _parameters(like, reference, parameters)
    options: dict[str, Any] = {"task": task, "turn": turn, "shape": tuple(output_sizes.values()), "refine": refine}
    if data.chunks is None:
        values = run_block(data.values, of_lattices, reference, **options)
    else:
        import dask
        import dask.array as da

        rows = tuple(f"leading_{k}" for k in range(len(leading)))
        chunks = data.data.chunks[: len(leading)]
        values = da.blockwise(
            run_block,
            (*rows, *output_sizes),
            data.data,
            (*rows, *(f"input_{dim}" for dim in core)),
            da.from_array(of_lattices, chunks=(*chunks, 3)),
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


def _parameters(like: xr.DataArray, reference: ModelReference, parameters: Parameters) -> np.ndarray:
    """D and B of every lattice as the model sees them, zeros if it does not look at them, and the sign of its spins.

    Shape ``(..., 3)``; the sign is +1 where the field is not known.
    """
    D, B = (None if value is None else _along(like, value) for value in parameters)
    result = np.zeros((*like.shape, 3), dtype=np.float32)
    result[..., 2] = 1.0
    if B is not None:
        result[..., 2] = field_signs(B, reference.metadata)
        B = B * result[..., 2]
    if reference.spec.condition:
        for k, (name, value) in enumerate((("D", D), ("B", B))):
            if value is None:
                raise ModelError(
                    f"model {reference.name}: it is conditioned on (D, B), and the lattices have no {name}."
                )
            result[..., k] = value
    return result


def _along(like: xr.DataArray, value: xr.DataArray | float) -> np.ndarray:
    return xr.DataArray(value).broadcast_like(like).transpose(*like.dims).values


def field_signs(B: np.ndarray, metadata: Mapping[str, Any]) -> np.ndarray:
    """By what the spins of lattices in fields B are multiplied for a model, and its outputs for them: +1 or -1.

    A model knows fields along +z; a lattice S in a field along -z is the lattice -S in the opposite one. Models that
    0.1 trained in fields along -z took spins as they were, and so they still get them.
    """
    data = metadata.get("data", {})
    split = data.get("split", {})
    points = [point for name in ("validation_points", "test_points") for point in split.get(name, [])]
    as_they_are = not data.get("reversed_below_zero", False) and any(field < 0 for _, field in points)
    return np.where((np.asarray(B) < 0) & (not as_they_are), np.float32(-1), np.float32(1))


def run_block(
    data: np.ndarray,
    parameters: np.ndarray,
    reference: ModelReference,
    *,
    task: Task,
    turn: bool,
    shape: Sequence[int],
    refine: Refine | None,
) -> np.ndarray:
    """Apply a network to a block of lattices or codes, skipping those with NaN: one Dask task."""
    leading = parameters.shape[:-1]
    items = data.reshape(-1, *data.shape[len(leading) :])
    flat, sign = parameters.reshape(-1, 3)[:, :2], parameters.reshape(-1, 3)[:, 2]
    output = np.full((len(items), *shape), np.nan, dtype=np.float32)
    sites = int(np.prod(shape[:2] if task == "decode" else items.shape[1:3]))
    # The first number tells most holes without reading them through.
    present = np.flatnonzero(~np.isnan(items.reshape(len(items), -1)[:, 0]))
    present = present[~np.isnan(items[present]).any(axis=tuple(range(1, items.ndim)))] if len(present) else present
    start = 0
    while start < len(present):
        n = _batch_size(len(present) - start, sites=sites)
        chosen = present[start : start + n]
        batch = items[chosen].astype(np.float32)
        signs = sign[chosen, None, None, None]
        if task == "encode":
            seen = signs * (turn_spins(batch, 2) if turn else batch)
            output[chosen] = _encode(reference, seen, flat[chosen], refine)
        else:
            spin = signs * _decode(reference, batch, flat[chosen], (shape[0], shape[1]))
            output[chosen] = turn_spins(spin, 2) if turn else spin
        start += n
    return output.reshape(*leading, *shape)


def _batch_size(remaining: int, *, sites: int) -> int:
    """The largest power of two that is not above what remains or fits a batch: few shapes to compile, no padding."""
    limit = max(1, min(remaining, _BATCH_SITES // sites))
    return 1 << (limit.bit_length() - 1)


def _encode(reference: ModelReference, spin: np.ndarray, parameters: np.ndarray, refine: Refine | None) -> np.ndarray:
    with _lock:
        return _runner(reference).encode(spin, parameters, refine)


def _decode(reference: ModelReference, z: np.ndarray, parameters: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    with _lock:
        return _runner(reference).decode(z, parameters, size)


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
