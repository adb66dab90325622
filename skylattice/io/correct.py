"""One byte that changed, put right by the checksum that tells: a chunk by its CRC-32C, a document by its seal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import numpy as np

#: Where a document keeps its checksum; its name may be the byte that changed.
_SEAL = re.compile(rb'"(?P<name>[^"]{8})":"(?P<digest>blake2b-64:[0-9a-f]{16})"(?P<after>,?)')
_DIGEST = re.compile(rb'"checksum":"(?P<digest>[^"]{27})"')


def correct_chunk(data: bytes) -> bytes | None:
    """The chunk, with one byte changed so that its CRC-32C at the end is right; None unless there is one such change.

    A CRC is linear: what a changed byte does to it depends on its place and the change alone, so that all changes are
    looked up at once instead of tried.
    """
    import google_crc32c

    n = len(data) - 4
    if n < 1:
        return None
    stored = int.from_bytes(data[n:], "little")
    wanted = google_crc32c.value(data[:n]) ^ stored
    if wanted == 0:
        return None
    hits = []
    if sum(byte != 0 for byte in wanted.to_bytes(4, "little")) == 1:  # the change is in the checksum itself
        hits.append(data[:n] + (stored ^ wanted).to_bytes(4, "little"))
    table = _table()
    effects: np.ndarray = table[1:]  # of every change of the last byte
    for place in range(n - 1, -1, -1):
        for change in np.flatnonzero(effects == wanted) + 1:
            hits.append(data[:place] + bytes([data[place] ^ int(change)]) + data[place + 1 :])
        effects = table[effects & 0xFF] ^ (effects >> 8)
    return hits[0] if len(hits) == 1 else None


def _table() -> np.ndarray:
    """The checksum's table for one byte (Castagnoli's polynomial, reflected)."""
    table: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(0x82F63B78), np.uint32(0))
    return table


def correct_document(data: bytes) -> bytes | None:
    """The document as it was sealed, if one byte of it changed; None if more did."""
    for candidate in _candidates(data):
        if _is_sealed(candidate):
            return candidate
    return None


def _candidates(data: bytes) -> Iterator[bytes]:
    """The document with another byte at each place, those in the checksum and its name first."""
    seal = _SEAL.search(data)
    if seal is not None and seal["name"] != b"checksum":
        yield data[: seal.start("name")] + b"checksum" + data[seal.end("name") :]
    if (found := _DIGEST.search(data)) is not None:
        start, end = found.span("digest")
        fixed = b"blake2b-64:" + _digest(data, found.start(), end + 1)
        if sum(a != b for a, b in zip(fixed, data[start:end], strict=True)) == 1:
            yield data[:start] + fixed + data[end:]
    for place in range(len(data)):
        for byte in range(256):
            if byte != data[place]:
                yield data[:place] + bytes([byte]) + data[place + 1 :]


def _digest(data: bytes, start: int, end: int) -> bytes:
    """Checksum of a canonical document without the entry at ``start`` to ``end``, with one comma beside it."""
    before, after = data[:start], data[end:]
    rest = before + after[1:] if after[:1] == b"," else before.removesuffix(b",") + after
    return hashlib.blake2b(rest, digest_size=8).hexdigest().encode()


def _is_sealed(data: bytes) -> bool:
    seal = _SEAL.search(data)
    if seal is None or seal["name"] != b"checksum":
        return False
    return seal["digest"] == b"blake2b-64:" + _digest(data, seal.start(), seal.end("digest") + 1)
