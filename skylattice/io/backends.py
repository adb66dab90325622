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
        """Whether a path is a run folder, or has the name of a spin file."""
        from skylattice.io.uppasd.deck import INPUT_NAME
        from skylattice.io.uppasd.spins import SPIN_FILE_NAME

        if not isinstance(filename_or_obj, (str, os.PathLike)):
            return False
        path = Path(filename_or_obj)
        return (path / INPUT_NAME).is_file() or SPIN_FILE_NAME.fullmatch(path.name) is not None


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
        from skylattice.io.bounded import open_bounded
        from skylattice.io.ovf.scan import is_ovf
        from skylattice.io.problems import LocatedError

        if not isinstance(filename_or_obj, (str, os.PathLike)) or not Path(filename_or_obj).is_file():
            return False
        with suppress(LocatedError), open_bounded(Path(filename_or_obj), limit=None) as file:
            return is_ovf(file.read(256))
        return False
