"""Arrays of a model or a training run in an npz file: plain numbers, uncompressed, of the size that the file has."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np

from skylattice.errors import FormatError, ModelError
from skylattice.io.bounded import file_digest, open_bounded
from skylattice.io.problems import shown

#: Bytes of a file of arrays: the largest model that can be built, with its optimizer's state.
_LIMIT = 8 << 30
#: Most arrays in a file, and most bytes of what stands above an array's numbers.
_MEMBERS, _HEADER = 65_536, 10_000


def read_arrays(path: Path | io.BytesIO, *, digest: str | None = None) -> dict[str, np.ndarray]:
    """Arrays of an npz file, by name; pickled objects are refused, and what unpacks to more than the file holds.

    Parameters
    ----------
    path
        A file as :func:`write_arrays` writes it, or its contents.
    digest
        SHA-256 that the file must have.

    Raises
    ------
    ModelError
        If the file is missing, not the one that ``digest`` belongs to, or not a plain npz file.
    """
    try:
        if isinstance(path, Path) and digest is not None and file_digest(path, limit=_LIMIT, what="weights") != digest:
            raise ModelError(f"{path}: the checksum differs from the one in model.json. Copy or download it again.")
        opened = open_bounded(path, limit=_LIMIT, what="weights") if isinstance(path, Path) else nullcontext(path)
        with opened as file, zipfile.ZipFile(file) as archive:
            size = file.seek(0, io.SEEK_END)
            members = archive.infolist()
            is_plain = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if not is_plain or len(members) > _MEMBERS or sum(member.file_size for member in members) > size:
                raise ValueError("it unpacks to more than it holds; skylattice writes arrays uncompressed")
            return {member.filename.removesuffix(".npy"): _read_member(archive, member) for member in members}
    except FormatError as error:
        if isinstance(path, Path) and not path.exists():
            raise ModelError(f"{path}: the weights are missing. Copy the whole folder of the model.") from None
        raise ModelError(str(error)) from None
    except _DAMAGE as error:
        reason = shown(str(error), 200)
        raise ModelError(
            f"{path}: not an archive of plain arrays ({reason}). The file is damaged or foreign."
        ) from None


#: What zipfile and numpy raise for files that are damaged.
_DAMAGE = (
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    TypeError,
    KeyError,
    AttributeError,
)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array; its header must state as many bytes as there are, before memory is taken for them."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header: Any = getattr(np.lib.format, f"read_array_header_{version[0]}_{version[1]}")
        shape, _, dtype = read_header(file, max_header_size=_HEADER)
        start = file.tell()
        n_bytes = dtype.itemsize * int(np.prod(shape, dtype=object)) if not dtype.hasobject else -1
        if n_bytes != member.file_size - start or any(length < 0 for length in shape):
            raise ValueError(f"{shown(member.filename)}: its header says {shape} of {dtype}, its size another thing")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False, max_header_size=_HEADER)


def write_arrays(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as an npz file that :func:`read_arrays` reads."""
    np.savez(file, **dict(arrays))  # type: ignore[arg-type]
