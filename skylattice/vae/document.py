"""``model.json``: what a saved model is and where it comes from, checked to the last value before anybody uses it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from skylattice.errors import ModelError
from skylattice.io.bounded import read_bounded
from skylattice.io.problems import shown
from skylattice.vae import calibration
from skylattice.vae.refinement import Refinement
from skylattice.vae.spec import ModelSpec

FORMAT = "skylattice-model"
#: Since version 2 the document carries its fingerprint, and the weights are named by theirs.
FORMAT_VERSION = 2

#: Bytes of a document: a history of ten thousand epochs takes 3 MB.
_LIMIT = 16 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = {"format", "format_version", "spec", "weights_sha256", "metadata"}

#: What is known of the provenance, if it is there: who shows it relies on these types.
_METADATA: dict[str, type | tuple[type, ...]] = {
    "config": dict,
    "data": dict,
    "metrics": dict,
    "history": list,
    "versions": dict,
    "evaluation": list,
}
#: What a row of the evaluation says, and of which type.
_EVALUATION: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "refine": (str, type(None)),
    "n": int,
    **dict.fromkeys(("n_defects", "mse", "mse_median", "nats", "miscounted"), (int, float)),
}


def fingerprint(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document's values, its own ``document_sha256`` left out; blanks and the order of keys do not count.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1, "document_sha256": "old"})
    True
    """
    values = {key: value for key, value in document.items() if key != "document_sha256"}
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def parse_document(path: Path) -> dict[str, Any]:
    """The document of a model, as it was written or not at all.

    Raises
    ------
    FormatError
        If it cannot be read.
    ModelError
        If it is no JSON, of another format or version, a value is missing, of a wrong type or out of range, or the
        fingerprint is another one.
    """
    status = path.stat() if path.exists() else None
    return _parse(path, (status.st_mtime_ns, status.st_size, status.st_ino) if status else ())


@lru_cache(maxsize=64)
def _parse(path: Path, version: tuple[int, ...]) -> dict[str, Any]:
    data = read_bounded(path, limit=_LIMIT, what="the document of a model,")
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, a number of 5000 digits
        raise ModelError(
            f"{path}: not JSON ({shown(str(error), 100)}). The model is damaged, or the file is something else."
        ) from None
    check_document(path, document)
    return document


def check_document(path: Path, document: Any) -> None:
    """Raise :class:`ModelError` unless this is the sound document of a model; ``path`` is named in the message."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelError(f"{path}: expected a model of skylattice (format {FORMAT!r}), found another JSON file.")
    version_found = document.get("format_version")
    if type(version_found) is not int or not 1 <= version_found <= FORMAT_VERSION:
        raise ModelError(
            f"{path}: expected format version 1 to {FORMAT_VERSION}, found {shown(repr(version_found))}. "
            "Update skylattice, or train the model again."
        )
    _check_keys(path, document)
    if "document_sha256" in document and document["document_sha256"] != fingerprint(document):
        raise ModelError(f"{path}: the fingerprint differs from the content. Copy or download the model again.")
    _check_values(path, document)


def _check_keys(path: Path, document: Mapping[str, Any]) -> None:
    expected = _KEYS | ({"document_sha256"} if document["format_version"] > 1 else set())
    missing, unknown = expected - set(document), set(document) - expected - {"document_sha256"}
    if missing or unknown or not isinstance(document["spec"], dict) or not isinstance(document["metadata"], dict):
        raise ModelError(
            f"{path}: expected spec, weights_sha256 and metadata, found missing {sorted(missing)}, unknown "
            f"{shown(str(sorted(unknown)))} or others of another type. The model is damaged: copy it again."
        )


def _check_values(path: Path, document: Mapping[str, Any]) -> None:
    digest = document["weights_sha256"]
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ModelError(f"{path}: weights_sha256: expected 64 hexadecimal digits, found {shown(repr(digest))}.")
    try:
        ModelSpec.from_config(document["spec"])
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    metadata = document["metadata"]
    for name, kind in _METADATA.items():
        if name in metadata and not isinstance(metadata[name], kind):
            raise ModelError(f"{path}: metadata: {name}: expected a {kind}, found {shown(repr(metadata[name]))}.")
    try:
        Refinement.from_metadata(metadata)
        for refine in (None, "fast", "best"):
            calibration.of_model(metadata, refine)
    except ModelError as error:
        raise ModelError(f"{path}: metadata: {error}") from None
    check: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "metrics": ("numbers", lambda value: value is None or isinstance(value, int | float)),
        "versions": ("texts", lambda value: isinstance(value, str)),
    }
    for name, (noun, is_good) in check.items():
        for key, value in metadata.get(name, {}).items():
            if not is_good(value):
                raise ModelError(f"{path}: metadata: {name}: expected {noun}, found {key!r}: {shown(repr(value))}.")
    for row in metadata.get("evaluation", []):
        if not isinstance(row, dict) or not all(isinstance(row.get(k), kind) for k, kind in _EVALUATION.items()):
            raise ModelError(
                f"{path}: metadata: evaluation: expected rows of {list(_EVALUATION)}, found {shown(str(row))}."
            )
    if not all(isinstance(row, dict) for row in metadata.get("history", [])):
        raise ModelError(f"{path}: metadata: history: expected a list of rows, found others.")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, which must not name a value twice: of two, nobody can tell which one was meant."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return values
