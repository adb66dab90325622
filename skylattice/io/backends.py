"""Engines for :func:`xarray.open_dataset`, registered as entry points of the package."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

import xarray as xr
from xarray.backends import BackendEntrypoint

from skylattice.boundary import BoundaryLike
from skylattice.hamiltonian import Dmi, Hamiltonian


class UppasdBackend(BackendEntrypoint):
    """``engine="uppasd"``: run folders and spin files of UppASD; see :func:`skylattice.io.uppasd.open_run`.

    Examples
    --------
    >>> ds = xr.open_dataset("tests/data/uppasd/N64_D0.50_B0.125_s12", engine="uppasd")
    >>> ds.spin.dims
    ('D', 'B', 'realization', 'y', 'x', 'component')
    """

    description: ClassVar[str] = "UppASD run folders, restart.*.out and moment.*.out"

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        D: float | None = None,
        B: float | None = None,
        T: float | None = None,
        dmi: Dmi | None = None,
        handedness: int | None = None,
        dmi_sign: Literal["-", "+"] | None = None,
        size: int | tuple[int, int] | None = None,
        layer: int | None = None,
        step: int = -1,
        dtype: str = "float32",
    ) -> xr.Dataset:
        """Open a run lazily; options and errors as :func:`skylattice.io.uppasd.open_run`."""
        from skylattice.io.uppasd import open_run

        ds = open_run(
            filename_or_obj,
            D=D,
            B=B,
            T=T,
            dmi=dmi,
            handedness=handedness,
            dmi_sign=dmi_sign,
            size=size,
            layer=layer,
            step=step,
            dtype=dtype,
        )
        return ds.drop_vars(drop_variables or [], errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether a path is a run folder or a spin file, by content; one that is not there, by its name."""
        return _is_of("uppasd", filename_or_obj)


class OvfBackend(BackendEntrypoint):
    """``engine="ovf"``: files of OOMMF, mumax3, Ubermag and Spirit; see :func:`skylattice.io.ovf.open_ovf`.

    Examples
    --------
    >>> ds = xr.open_dataset("tests/data/ovf/skyrmion.omf", engine="ovf")
    >>> ds.spin.dims
    ('realization', 'y', 'x', 'component')
    """

    description: ClassVar[str] = "OVF 1.0 and 2.0 files of OOMMF, mumax3, Ubermag and Spirit"

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        D: float | None = None,
        B: float | None = None,
        T: float | None = None,
        hamiltonian: Hamiltonian | None = None,
        z: int | None = None,
        boundary: BoundaryLike = "periodic",
    ) -> xr.Dataset:
        """Open a file lazily; options and errors as :func:`skylattice.io.ovf.open_ovf`."""
        from skylattice.io.ovf import open_ovf

        ds = open_ovf(filename_or_obj, D=D, B=B, T=T, hamiltonian=hamiltonian, z=z, boundary=boundary)
        return ds.drop_vars(drop_variables or [], errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether a path is a file that starts as OVF does, whatever its name."""
        return _is_of("ovf", filename_or_obj)


class LatticesBackend(BackendEntrypoint):
    """``engine="skylattice"``: any format that skylattice reads, told by content.

    It takes all options of :func:`skylattice.io.formats.open_lattices`. Without an engine, xarray leaves npy and npz
    files to it; HDF5, netCDF and zarr have engines of their own, which know nothing of spins.

    Examples
    --------
    >>> xr.open_dataset("tests/data/ovf/skyrmion.omf", engine="skylattice", D=0.5).spin.dims
    ('D', 'realization', 'y', 'x', 'component')
    """

    description: ClassVar[str] = "Spin lattices in files of any kind: UppASD, OVF, npy, npz, HDF5, netCDF, zarr"
    open_dataset_parameters: ClassVar[tuple[str, ...] | None] = ("filename_or_obj", "drop_variables", "format")

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        format: str | None = None,
        **options: Any,
    ) -> xr.Dataset:
        """Open lattices lazily; options and errors as :func:`skylattice.io.formats.open_lattices`."""
        from skylattice.io.formats import open_lattices

        ds = open_lattices(filename_or_obj, format=format, **options)
        return ds.drop_vars(drop_variables or [], errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether a path is a npy or npz file."""
        from skylattice.io.containers.raw import is_npy, is_zip

        start = _start_of(filename_or_obj)
        return is_npy(start) or is_zip(start)


def _is_of(name: str, filename_or_obj: Any) -> bool:
    """Whether the registry tells that format for a path."""
    from skylattice.io.formats import FORMATS, format_of
    from skylattice.io.problems import LocatedError

    if not isinstance(filename_or_obj, (str, os.PathLike)):
        return False
    path = Path(filename_or_obj)
    if not path.exists():
        return next(known for known in FORMATS if known.name == name).recognises(path, b"")
    with suppress(LocatedError):
        found = format_of(path)
        return found is not None and found.name == name
    return False


def _start_of(filename_or_obj: Any) -> bytes:
    """First bytes of a file; none of anything else."""
    from skylattice.io.bounded import open_bounded
    from skylattice.io.problems import LocatedError

    if isinstance(filename_or_obj, (str, os.PathLike)) and Path(filename_or_obj).is_file():
        with suppress(LocatedError), open_bounded(Path(filename_or_obj), limit=None) as file:
            return file.read(16)
    return b""
