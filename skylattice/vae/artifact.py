"""Saved models: a folder with ``model.json`` (spec and provenance) and ``weights-DIGEST.npz`` (arrays, nothing else).

Loading rebuilds the network from the spec with this package's own code and fills in arrays read without pickle: no code
from a file is ever run, and both Keras backends read the same folder.

``model.json`` names the weights by their digest, and carries a fingerprint of itself. It is replaced in one step, after
its weights are there: whoever reads a model while it is saved anew gets the old one or the new one.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skylattice.errors import FormatError, ModelError
from skylattice.io.bounded import file_digest
from skylattice.io.guard import explained, locked, replacing
from skylattice.vae.arrays import read_arrays, write_arrays
from skylattice.vae.document import FORMAT, FORMAT_VERSION, check_document, fingerprint, parse_document
from skylattice.vae.spec import ModelSpec

if TYPE_CHECKING:
    from skylattice.vae.model import VAE

SHIPPED = Path(__file__).parent / "weights"
DEFAULT_MODEL = "periodic"
#: How often a reader begins again when a writer has replaced the model under its hands.
_TRIES = 100


def model_arrays(model: VAE) -> dict[str, np.ndarray]:
    """Weights of a model by path, batch-normalisation statistics included, training state left out."""
    return {w.path: np.asarray(w) for w in _saved_variables(model)}


def set_model_arrays(model: VAE, arrays: Mapping[str, np.ndarray], *, where: str) -> None:
    """Fill the weights of ``model``; every one of them must be there with its shape, and nothing else.

    Raises
    ------
    ModelError
        Naming what is missing, unknown, of another shape, or not finite.
    """
    variables = {w.path: w for w in _saved_variables(model)}
    if set(variables) != set(arrays):
        missing, unknown = sorted(set(variables) - set(arrays)), sorted(set(arrays) - set(variables))
        raise ModelError(
            f"{where}: the weights do not belong to this model: missing {missing[:3]}, unknown {unknown[:3]}. "
            "The file is damaged, or its model.json is another model's."
        )
    for path, variable in variables.items():
        array = arrays[path]
        if array.dtype.kind != "f" or array.shape != tuple(variable.shape) or not np.isfinite(array).all():
            raise ModelError(
                f"{where}: {path}: expected finite floats of shape {tuple(variable.shape)}, found {array.dtype} of "
                f"shape {array.shape}. The file is damaged; train or download the model again."
            )
    for path, variable in variables.items():
        variable.assign(arrays[path].astype(np.float32))


def save(
    model: VAE, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None, half: bool = False
) -> Path:
    """Write a model as a folder.

    Parameters
    ----------
    model
        The model.
    path
        Folder, created or replaced as a whole: a reader never sees half a model.
    metadata
        Provenance to write, JSON-ready; default the model's own. Versions of the software are added.
    half
        Store the weights in float16, half the size. Computations are in float32 either way.

    Returns
    -------
    The folder.

    Raises
    ------
    ModelError
        If ``path`` exists and is not a model.

    Examples
    --------
    >>> import tempfile
    >>> from skylattice.vae import build
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save(build(size=20, widths=(4, 8), blocks=(1, 1)), f"{folder}/mine")
    ...     load(path).spec.widths
    (4, 8)
    """
    path = Path(path)
    dtype = np.float16 if half else np.float32
    arrays = {name: array.astype(dtype) for name, array in model_arrays(model).items()}
    provenance = {**dict(model.metadata if metadata is None else metadata), "versions": versions()}
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path, "model", timeout=60):
            if not path.exists():
                _write_anew(path, model.spec, arrays, provenance)
            elif (path / "model.json").is_file():
                _write(path, model.spec, arrays, provenance)
            else:
                raise ModelError(
                    f"{path}: expected a new path or a model to replace, found something else. Choose another."
                )
    return path


def _write_anew(path: Path, spec: ModelSpec, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write a folder beside ``path`` and rename it when it is whole."""
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        _write(folder, spec, arrays, metadata)
        folder.chmod(0o755)
        folder.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, spec: ModelSpec, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write the weights under a name of their own, then the document that names them, then remove everything else."""
    staged = folder / ".weights.npz"
    with replacing(staged) as file:
        write_arrays(file, arrays)
    digest = file_digest(staged)
    weights = staged.replace(folder / _weights_name(digest))
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "spec": spec.to_config(),
        "weights_sha256": digest,
        "metadata": dict(metadata),
    }
    _write_document(folder, document)
    for other in folder.iterdir():
        if other.name not in ("model.json", weights.name):
            shutil.rmtree(other) if other.is_dir() and not other.is_symlink() else other.unlink()


def annotate(path_or_name: str | os.PathLike[str], **metadata: Any) -> None:
    """Add to what a saved model says of itself, or replace it; its weights stay as they are.

    Raises
    ------
    ModelError
        If there is no such model, or what it would say then is not sound: it keeps its document.
    """
    folder = find(path_or_name)
    with explained(folder), locked(folder, "model", timeout=60):
        document = read_document(folder)
        document = {**document, "format_version": FORMAT_VERSION, "metadata": {**document["metadata"], **metadata}}
        _write_document(folder, document)


def _write_document(folder: Path, document: Mapping[str, Any]) -> None:
    """Replace ``model.json`` in one step, checked and with its fingerprint."""
    written = json.loads(json.dumps(document))  # as it will be read back
    written["document_sha256"] = fingerprint(written)
    check_document(folder / "model.json", written)
    with replacing(folder / "model.json") as file:
        file.write((json.dumps(written, indent=1) + "\n").encode())


def load(path_or_name: str | os.PathLike[str] = DEFAULT_MODEL) -> VAE:
    """A trained model, from a folder or by the name of a shipped one.

    Returns
    -------
    The model in float32, with ``metadata`` as it was written, for example ``model.metadata["metrics"]["test_mse"]``.

    Raises
    ------
    ModelError
        If there is no such model, or the folder is damaged or not one of skylattice.
    MissingExtraError
        If Keras or its backend is not installed.

    Examples
    --------
    >>> load("periodic").metadata["data"]["size"]
    [200, 200]
    """
    folder = find(path_or_name)
    document, arrays = _read(folder)
    return restore(document, arrays, where=str(folder))


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Document and weights of one model: begin again if it was replaced between the two."""
    for _ in range(_TRIES):
        document = read_document(folder)
        digest = document["weights_sha256"]
        try:
            return document, read_arrays(_weights_path(folder, digest), digest=digest)
        except ModelError:
            if read_document(folder)["weights_sha256"] == digest:
                raise
    raise ModelError(f"{folder}: the model is replaced faster than it can be read. Let the writer finish.")


def _weights_name(digest: str) -> str:
    return f"weights-{digest[:16]}.npz"


def _weights_path(folder: Path, digest: str) -> Path:
    """Where the weights of a digest are; models of version 1 have a single name for all."""
    path = folder / _weights_name(digest)
    return path if path.exists() or not (folder / "weights.npz").exists() else folder / "weights.npz"


def restore(document: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, where: str) -> VAE:
    """The model of a parsed ``model.json`` and its arrays."""
    from skylattice.vae.model import build_from_spec

    model = build_from_spec(ModelSpec.from_config(document["spec"]))
    set_model_arrays(model, arrays, where=where)
    model.set_metadata(document["metadata"])
    return model


def find(path_or_name: str | os.PathLike[str]) -> Path:
    """Folder of a saved model given as a path, or of a shipped one given by name."""
    for folder in (Path(path_or_name), SHIPPED / os.fspath(path_or_name)):
        if (folder / "model.json").is_file():
            return folder
    raise ModelError(
        f"{path_or_name}: found no model there (a folder with model.json and its weights). Shipped models are "
        f"{[name for name, _ in shipped()]}; train one with: skylattice train."
    )


def shipped() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and parsed ``model.json`` of each model in the package, sorted by name."""
    for path in sorted(SHIPPED.glob("*/model.json")):
        yield path.parent.name, read_document(path.parent)


def read_document(folder: Path) -> dict[str, Any]:
    """The checked ``model.json`` of a folder; errors as :func:`skylattice.vae.document.parse_document`."""
    try:
        return parse_document(folder / "model.json")
    except FormatError as error:
        raise ModelError(str(error)) from None


def versions() -> dict[str, str]:
    """Versions of the software that matters for a trained model."""
    import keras

    import skylattice

    backend = __import__(keras.backend.backend())
    return {
        "skylattice": skylattice.__version__,
        "keras": keras.__version__,
        "backend": f"{backend.__name__} {backend.__version__}",
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _saved_variables(model: VAE) -> list[Any]:
    """The weights but for the position in the KL ramp, which belongs to a training run."""
    return [w for w in model.weights if w.path != model.kl_ramp.path]
