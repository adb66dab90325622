"""The formats of files and folders that hold lattices: one registry for the engines, import, export and the doctor.

A format is told by content, from a bounded number of bytes, and by names only where content does not tell (a folder, a
legacy file without a header). The first format that recognises something has it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import xarray as xr

from skylattice.errors import SchemaError
from skylattice.io import containers, ovf, uppasd
from skylattice.io.bounded import open_bounded
from skylattice.io.containers.examine import examine as examine_container
from skylattice.io.containers.kinds import kind_of
from skylattice.io.ovf.examine import examine as examine_ovf
from skylattice.io.ovf.scan import is_ovf
from skylattice.io.problems import Diagnosis, LocatedError
from skylattice.io.uppasd.deck import INPUT_NAME
from skylattice.io.uppasd.examine import examine as examine_uppasd
from skylattice.io.uppasd.spins import is_spin_file

#: Bytes of a file that formats are told by.
HEAD = 4096


@dataclass(frozen=True)
class Format:
    """One way in which lattices lie in a file or folder.

    Attributes
    ----------
    name
        As ``engine`` and ``--format`` take it.
    title
        What it is, for people.
    recognises
        Whether a path is of this format, given its first bytes (none of a folder).
    read
        Path and options to a lazy dataset.
    examine
        Path to what the doctor says.
    """

    name: str
    title: str
    recognises: Callable[[Path, bytes], bool]
    read: Callable[..., xr.Dataset]
    examine: Callable[[Path], Diagnosis]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that :attr:`read` takes."""
        return tuple(name for name in signature(self.read).parameters if name != "path")


def _is_run(path: Path, start: bytes) -> bool:
    if path.is_dir():
        return (path / INPUT_NAME).is_file()
    return path.name == INPUT_NAME or is_spin_file(path, start)


def _is_container(path: Path, start: bytes) -> bool:
    return kind_of(path, start) is not None


FORMATS: tuple[Format, ...] = (
    Format("ovf", "OVF of OOMMF, mumax3, Ubermag, Spirit", lambda _, start: is_ovf(start), ovf.open_ovf, examine_ovf),
    Format("uppasd", "UppASD run folder or spin file", _is_run, uppasd.open_run, examine_uppasd),
    Format("arrays", "npy, npz, HDF5, netCDF or zarr", _is_container, containers.open_container, examine_container),
)


def format_of(path: str | os.PathLike[str]) -> Format | None:
    """The format of a file or folder; None if it is none that skylattice reads.

    Raises
    ------
    LocatedError
        If there is nothing, or it cannot be read.

    Examples
    --------
    >>> format_of("tests/data/ovf/skyrmion.omf").name, format_of("tests/data/uppasd/N64_D0.50_B0.125_s12").name
    ('ovf', 'uppasd')
    """
    path, start = Path(path), b""
    if not path.is_dir():
        with open_bounded(path, limit=None) as file:
            start = file.read(HEAD)
    return next((format for format in FORMATS if format.recognises(path, start)), None)


def open_lattices(path: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> xr.Dataset:
    """Open lattices in a file or folder of any format that skylattice reads, lazily.

    Parameters
    ----------
    path
        File or folder.
    format
        Name of its format; told by content by default.
    options
        As the format's own function takes them: :func:`skylattice.io.ovf.open_ovf`,
        :func:`skylattice.io.uppasd.open_run`, :func:`skylattice.io.containers.open_container`. Those that are None are
        not given.

    Returns
    -------
    Dataset of the schema.

    Raises
    ------
    FormatError
        If the format is not known, or as that function.
    SchemaError
        For an option that the format does not have.

    Examples
    --------
    >>> open_lattices("tests/data/ovf/skyrmion.omf", D=0.5).spin.dims
    ('D', 'realization', 'y', 'x', 'component')
    """
    found = format_of(path) if format is None else _named(format)
    if found is None:
        titles = "; ".join(known.title for known in FORMATS)
        raise LocatedError(
            Path(path), f"expected a format that skylattice reads ({titles}), found another.", "Convert it."
        )
    given = {name: value for name, value in options.items() if value is not None}
    if unknown := [name for name in given if name not in found.options]:
        raise SchemaError(
            f"{path}: expected options of the format {found.name!r} ({', '.join(found.options)}), found "
            f"{', '.join(unknown)}. Leave them out."
        )
    return found.read(path, **given)


def _named(name: str) -> Format:
    for known in FORMATS:
        if known.name == name:
            return known
    raise SchemaError(f"format: expected one of {[known.name for known in FORMATS]}, found {name!r}.")
