"""Seals: every metadata document of a store carries a checksum of the rest of itself.

A document and its checksum are one file, replaced at once: no list of checksums beside it can lag behind. What is
summed is the document in canonical JSON, so that another program may write it anew as long as it keeps what it says.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from skylattice.errors import StoreError
from skylattice.io.bounded import read_bounded
from skylattice.io.guard import replacing
from skylattice.schema import FORMAT_VERSION

#: Name of a metadata document, by the format.
DOCUMENT = "zarr.json"
#: The attribute that holds the checksum.
CHECKSUM = "checksum"
#: Bytes of a document, at most: an import names each of its sources there.
LIMIT = 1 << 26


#: Entries of zarr's documents.
_ENTRIES = {
    *("zarr_format", "node_type", "attributes", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "codecs"),
    *("fill_value", "dimension_names", "storage_transformers", "consolidated_metadata"),
}


def canonical(document: dict[str, Any]) -> bytes:
    """A document as it is summed and written: sorted keys, no white space."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def seal(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its checksum, whatever checksum it had.

    Examples
    --------
    >>> sealed = seal({"node_type": "group", "attributes": {"seed": 1}})
    >>> sealed["attributes"]["checksum"]
    'blake2b-64:22e705ee8bd28d69'
    """
    return {**document, "attributes": {**document.get("attributes", {}), CHECKSUM: _digest(document)}}


def _digest(document: dict[str, Any]) -> str:
    rest = {key: value for key, value in document.get("attributes", {}).items() if key != CHECKSUM}
    digest = hashlib.blake2b(canonical({**document, "attributes": rest}), digest_size=8)
    return f"blake2b-64:{digest.hexdigest()}"


def is_sealed(document: dict[str, Any]) -> bool:
    """Whether a document has a checksum of this version, or must have one."""
    attrs = document["attributes"]
    return CHECKSUM in attrs or attrs.get("format_version") == FORMAT_VERSION


def parse(data: bytes, where: str) -> dict[str, Any]:
    """A document from its bytes; it has attributes, if only empty ones.

    Raises
    ------
    StoreError
        If it is no metadata document.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(where, f"it does not parse as JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.setdefault("attributes", {}), dict):
        raise damaged(where, "it is no metadata of zarr")
    if unknown := sorted(set(document) - _ENTRIES):  # a name that lost its meaning would take what it named with it
        raise damaged(where, f"its entries {unknown} are none of zarr's")
    return document


def check(document: dict[str, Any], where: str) -> None:
    """Raise :class:`StoreError` unless a document is as it was sealed."""
    found, expected = document["attributes"].get(CHECKSUM), _digest(document)
    if found != expected:
        raise damaged(where, f"expected the checksum {expected} of what it says, found {found}")


def damaged(where: str, problem: str) -> StoreError:
    """What to say of a document that cannot be trusted."""
    return StoreError(
        f"{where}: the metadata document is damaged: {problem}. Restore it from a copy, or let skylattice verify "
        "--repair look at the store."
    )


def read_document(folder: Path, *, sealed: bool = True) -> dict[str, Any]:
    """The document of an array or group in a local folder, checked."""
    path = folder / DOCUMENT
    document = parse(read_bounded(path, limit=LIMIT, what="metadata"), os.fspath(path))
    if sealed:
        check(document, os.fspath(path))
    return document


def write_document(folder: Path, document: dict[str, Any]) -> None:
    """Seal a document and put it in place of the one that is there, at once."""
    with replacing(folder / DOCUMENT) as file:
        file.write(canonical(seal(document)))


def seal_folder(folder: Path) -> None:
    """Seal all documents in a new folder that nobody else sees yet."""
    for path in folder.rglob(DOCUMENT):
        path.write_bytes(canonical(seal(read_document(path.parent, sealed=False))))
