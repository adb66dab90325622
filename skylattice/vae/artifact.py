"""Saved models: a folder with ``model.json`` (spec and provenance) and ``weights.npz`` (arrays, nothing else).

Loading rebuilds the network from the spec with this package's own code and fills in arrays read with
``allow_pickle=False``: no code from a file is ever run, and both Keras backends read the same folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from skylattice.errors import ModelError
from skylattice.vae.spec import ModelSpec

if TYPE_CHECKING:
    from skylattice.vae.model import VAE

FORMAT = "skylattice-model"
FORMAT_VERSION = 1
SHIPPED = Path(__file__).parent / "weights"
DEFAULT_MODEL = "periodic"


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
    if path.exists() and not (path / "model.json").is_file():
        raise ModelError(f"{path}: expected a new path or a model to replace, found something else. Choose another.")
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        dtype = np.float16 if half else np.float32
        with (folder / "weights.npz").open("wb") as file:
            write_arrays(file, {name: array.astype(dtype) for name, array in model_arrays(model).items()})
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "spec": model.spec.to_config(),
            "weights_sha256": _digest(folder / "weights.npz"),
            "metadata": {**dict(model.metadata if metadata is None else metadata), "versions": versions()},
        }
        (folder / "model.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        folder.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        folder.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return path


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
    document = read_document(folder)
    arrays = read_arrays(folder / "weights.npz", digest=document["weights_sha256"])
    return restore(document, arrays, where=str(folder))


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
        f"{path_or_name}: found no model there (a folder with model.json and weights.npz). Shipped models are "
        f"{[name for name, _ in shipped()]}; train one with: skylattice train."
    )


def shipped() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and parsed ``model.json`` of each model in the package, sorted by name."""
    for path in sorted(SHIPPED.glob("*/model.json")):
        yield path.parent.name, read_document(path.parent)


@lru_cache(maxsize=64)
def _parse(path: Path, mtime_ns: int) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: not JSON ({error}). The model is damaged, or the file is something else.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelError(f"{path}: expected a model of skylattice (format {FORMAT!r}), found another JSON file.")
    if document.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{path}: expected format version {FORMAT_VERSION}, found {document.get('format_version')!r}. "
            "Update skylattice, or train the model again."
        )
    missing = [key for key in ("spec", "weights_sha256", "metadata") if key not in document]
    if missing or not isinstance(document["spec"], dict) or not isinstance(document["metadata"], dict):
        raise ModelError(f"{path}: expected spec, weights_sha256 and metadata, found {sorted(document)}.")
    return document


def read_document(folder: Path) -> dict[str, Any]:
    """The checked ``model.json`` of a folder."""
    path = folder / "model.json"
    return _parse(path, path.stat().st_mtime_ns)


def read_arrays(path: Path | io.BytesIO, *, digest: str | None = None) -> dict[str, np.ndarray]:
    """Arrays of an npz file, by name; pickled objects are refused.

    Raises
    ------
    ModelError
        If the file is missing, not the one that ``digest`` belongs to, or not a plain npz file.
    """
    try:
        if digest is not None and isinstance(path, Path) and _digest(path) != digest:
            raise ModelError(f"{path}: the checksum differs from the one in model.json. Copy or download it again.")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise ModelError(f"{path}: the weights are missing. Copy the whole folder of the model.") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, AttributeError) as error:
        raise ModelError(f"{path}: not an archive of plain arrays ({error}). The file is damaged or foreign.") from None


def write_arrays(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as an npz file that :func:`read_arrays` reads."""
    np.savez(file, **dict(arrays))  # type: ignore[arg-type]


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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _saved_variables(model: VAE) -> list[Any]:
    """The weights but for the position in the KL ramp, which belongs to a training run."""
    return [w for w in model.weights if w.path != model.kl_ramp.path]
