"""From the files of a run to a dataset of the project's schema."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from skylattice.arrays import spin_dataset
from skylattice.errors import SchemaError
from skylattice.hamiltonian import Dmi, Hamiltonian
from skylattice.io.problems import Finding, LocatedError, shown
from skylattice.io.uppasd.couplings import check_cell, moment_muB, read_couplings
from skylattice.io.uppasd.deck import INPUT_NAME, Deck, read_deck
from skylattice.io.uppasd.files import DmiSign, RunFiles, run_files, simid_of
from skylattice.io.uppasd.geometry import Geometry, geometry_of_coordinates, geometry_of_deck, rows_of_layer
from skylattice.io.uppasd.lint import lint
from skylattice.io.uppasd.sign import check_sign
from skylattice.io.uppasd.spins import SpinBlock, SpinFile, open_spin_file
from skylattice.layouts import shape_of
from skylattice.schema import GRID_DIGITS, GRID_DIMS, SPIN_DIMS, check_coordinate

#: Above this deviation of a direction's length from 1, loading warns; the nine digits that UppASD prints leave 1e-8.
ROUNDING = 1e-6

_OVERRIDE = "Correct the line, or give D=, B=, T=, dmi= and handedness= to import the spins anyway."


def read_run(path: str | os.PathLike[str], **options: Any) -> xr.Dataset:
    """Read a run into memory, with all checks; options and errors as :func:`open_run`."""
    return open_run(path, **options).load()


def open_run(
    path: str | os.PathLike[str],
    *,
    D: float | None = None,
    B: float | None = None,
    T: float | None = None,
    dmi: Dmi | None = None,
    handedness: int | None = None,
    dmi_sign: DmiSign | None = None,
    size: int | tuple[int, int] | None = None,
    layer: int | None = None,
    step: int = -1,
    dtype: str = "float32",
) -> xr.Dataset:
    """Open a run lazily: its input and the length of its spin file are checked now, its spins when they are loaded.

    Parameters
    ----------
    path
        A run folder, or a ``restart.*.out`` or ``moment.*.out``; its ``inpsd.dat`` is looked for beside it.
    D, B, T
        Reduced parameters in units of J, in place of those of the input.
    dmi, handedness
        Symmetry and sign of the DMI, in place of those of the input. If all five are given, the couplings are not
        read, so that runs with other interactions, and spin files without input, can be imported.
    dmi_sign
        ``"-"`` if the DMI energy of the program is -D·(S_i × S_j), ``"+"`` for +D·(S_i × S_j), as before 2023-05-25.
        Default: from date and revision in ``uppasd.SIMID.yaml`` if it is there, else ``"-"``; loading then stops if the
        other sign gives lower energy and better alignment with the field, and asks.
    size
        (ny, nx), or N for both, in place of ``ncell``.
    layer
        Which layer of a stack, counted from 0 at the bottom; needed if there are several.
    step
        Which sample of a moment file, counted from 0, or from the end if negative.
    dtype
        Of the spins: ``"float32"`` or ``"float64"``. They are normalised in float64 first, as UppASD does.

    Returns
    -------
    Dataset with ``spin`` of dims (D, B, realization, y, x, component), D and B of length 1, one realization for each
    ensemble of the run, and the coordinate T. D, B and T are rounded to 6 digits; ``D_exact``, ``B_exact`` and
    ``T_exact`` in the attributes are not. Further attributes: the Hamiltonian, ``boundary``, ``J_meV``, ``moment_muB``,
    ``dmi_sign``, seeds and numbers of steps, ``iteration`` or ``time_s``, ``software``, ``source``. With
    ``chunks={}``, each ensemble is a chunk.

    Warns
    -----
    UserWarning
        For what UppASD accepts in silence, such as unknown keywords.

    Raises
    ------
    FormatError
        Naming file and line: missing, truncated or malformed files, counts that disagree, interactions that
        :class:`skylattice.Hamiltonian` does not have. NaN and spins that are not of unit length are found on loading.
    SchemaError
        If an option is out of range.

    Examples
    --------
    >>> ds = open_run("tests/data/uppasd/N64_D0.50_B0.125_s12")
    >>> ds.D.item(), ds.B.item(), ds.T.item(), ds.sizes["x"], ds.attrs["dmi"], ds.attrs["handedness"]
    (0.5, 0.125, 0.006, 64, 'neel', -1)
    """
    files = run_files(path)
    spins = open_spin_file(files.spins)
    deck = read_deck(files.deck) if files.deck else None
    if deck is not None:
        check_cell(deck)  # whatever else is stated in its place: the lattice would be another
    for finding in remarks(files, deck, spins):
        if finding.level == "warning":
            warnings.warn(f"{finding.message} {finding.remedy}", stacklevel=2)
    geometry, rows = site_rows(files, deck, spins, size=size, layer=layer)
    given = {"D": D, "B": B, "T": T, "dmi": dmi, "handedness": handedness}
    parameters = run_parameters(files, deck, given, dmi_sign)
    if parameters.has_interlayer and (geometry.shape[0] > 1 or geometry.is_periodic_z):
        warnings.warn(f"{files.deck}: energies leave out the couplings along z, which the run has.", stacklevel=2)
    array = SpinArray(spins, rows, _frame(spins, step), _dtype(dtype), parameters.attrs.get("moment_muB"))
    if (
        dmi_sign is None
        and not files.states_sign
        and not {"D", "dmi", "handedness"} & {n for n, v in given.items() if v}
    ):
        array.check = (parameters.D, parameters.B, parameters.hamiltonian, geometry.boundary)
    coords = {
        "D": [round(parameters.D, GRID_DIGITS)],
        "B": [round(parameters.B, GRID_DIGITS)],
        "realization": np.arange(spins.n_ensembles),
        "T": round(parameters.T, GRID_DIGITS),
    }
    attrs = {
        "source": os.path.join(files.spins.resolve().parent.name, files.spins.name),
        **parameters.attrs,
        **_provenance(files, deck, spins, array.frame),
    }
    dims, lazy = (*GRID_DIMS, *SPIN_DIMS), indexing.LazilyIndexedArray(array)
    ds = spin_dataset(dims, lazy, coords, parameters.hamiltonian, boundary=geometry.boundary, **attrs)
    chunks = {"D": 1, "B": 1, "realization": 1, **dict(zip(SPIN_DIMS, array.shape[3:], strict=True))}
    ds["spin"].encoding["preferred_chunks"] = chunks
    return ds


class SpinArray(BackendArray):
    """Spins of one frame of a spin file, shape (1, 1, ensemble, y, x, 3), parsed ensemble by ensemble when indexed.

    Parameters
    ----------
    file, frame
        The spin file, and which of its frames.
    rows
        Row of the file for each site, shape (ny, nx).
    dtype
        Of the result.
    moment
        Moment in Bohr magnetons that B was computed with; None if it was not.
    """

    def __init__(self, file: SpinFile, rows: np.ndarray, frame: int, dtype: np.dtype, moment: float | None) -> None:
        self.file, self.rows, self.frame, self.dtype, self.moment = file, rows, frame, dtype, moment
        self.shape = (1, 1, file.n_ensembles, *rows.shape, 3)
        #: What the sign of the DMI is checked with; None where it is stated.
        self.check: tuple[float, float, Hamiltonian, str] | None = None

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> np.ndarray:
        ensembles = np.arange(self.file.n_ensembles)[key[2]]
        spin = np.empty((1, 1, ensembles.size, *self.rows.shape, 3), self.dtype)
        for index, ensemble in enumerate(ensembles.flat):
            spin[0, 0, index] = self._read_ensemble(int(ensemble))
        return spin[(*key[:2], slice(None) if ensembles.ndim else 0, *key[3:])]

    def _read_ensemble(self, ensemble: int) -> np.ndarray:
        block = self.file.read(self.frame, ensemble)
        where = f"{self.file.path} (ensemble {ensemble + 1})"
        check_moments(block, self.moment, where=where)
        if block.deviation > ROUNDING:
            warnings.warn(
                f"{where}: spins were off unit length by up to {block.deviation:.2g}, and have been normalised.",
                stacklevel=2,
            )
        spin = block.direction[self.rows]
        if self.check is not None:
            check_sign(spin, *self.check, where=where)
        return spin


def check_moments(block: SpinBlock, moment: float | None, *, where: str) -> None:
    """Raise if the moments of the spins are not those that B was computed with; None if it was not."""
    if moment is not None and not np.allclose(block.moment, moment, rtol=1e-4):
        raise LocatedError(
            where,
            f"expected moments of {moment:g} Bohr magnetons as the input says, found {block.moment.min():g} to "
            f"{block.moment.max():g}.",
            "The file is of another run, or the moments vary, which is not supported.",
        )


def remarks(files: RunFiles, deck: Deck | None, spins: SpinFile) -> list[Finding]:
    """What is odd about a run though it can be read: :func:`~skylattice.io.uppasd.lint.lint`, and files that differ."""
    if deck is None:
        return []
    findings = lint(deck)
    if files.simid and files.simid != simid_of(deck):
        findings.append(
            Finding(
                "warning",
                f"{deck.path}: simid is {simid_of(deck)!r}, but the spin file is {files.spins.name}.",
                "Check that D, B and T of this input are those of the spin file.",
            )
        )
    (n_ensembles,) = deck.integers("mensemble", (1,))
    if n_ensembles != spins.n_ensembles:
        findings.append(
            Finding(
                "warning",
                f"{deck.where('mensemble')}: the input says {n_ensembles} ensembles, {files.spins.name} has "
                f"{spins.n_ensembles}.",
                "Check that the input is that of the spin file.",
            )
        )
    return findings


def site_rows(
    files: RunFiles,
    deck: Deck | None,
    spins: SpinFile,
    *,
    size: int | tuple[int, int] | None = None,
    layer: int | None = None,
) -> tuple[Geometry, np.ndarray]:
    """The lattice of a run, and the row of the spin file for each site of a layer, shape (ny, nx).

    Raises
    ------
    LocatedError
        If the size is not known, or disagrees with the number of atoms.
    """
    if size is not None:
        geometry = Geometry((1, *shape_of(size)), f"size={size}")
    elif deck is not None:
        geometry = geometry_of_deck(deck)
    elif files.coord.exists():
        geometry, order = geometry_of_coordinates(files.coord, spins.n_atoms)
        return geometry, order[geometry.check_layer(layer)]
    else:
        raise LocatedError(
            files.spins,
            f"expected {INPUT_NAME} or {files.coord.name} beside it, found neither, so that the shape of its "
            f"{spins.n_atoms} atoms is not known.",
            "Copy one of them there, or give size=(ny, nx).",
        )
    coord = files.coord if size is None else None  # who states the size knows better than the files
    return geometry, rows_of_layer(geometry, layer, spins.n_atoms, files.spins, coord)


class Parameters(NamedTuple):
    """Exact reduced parameters of a run, its Hamiltonian, and the attributes that say where they come from."""

    D: float
    B: float
    T: float
    hamiltonian: Hamiltonian
    attrs: dict[str, Any]
    has_interlayer: bool


def run_parameters(
    files: RunFiles, deck: Deck | None, given: dict[str, Any] | None = None, dmi_sign: DmiSign | None = None
) -> Parameters:
    """Reduced parameters and Hamiltonian: those given (D, B, T, dmi, handedness), and the rest from the input.

    Raises
    ------
    LocatedError
        If the input lacks them, or describes another kind of Hamiltonian.
    SchemaError
        If a given one is out of range.
    """
    given = {name: value for name, value in (given or {}).items() if value is not None}
    missing = [name for name in ("D", "B", "T", "dmi", "handedness") if name not in given]
    stated: dict[str, Any] = {}
    attrs: dict[str, Any] = {}
    has_interlayer = False
    if missing and deck is None:
        raise LocatedError(
            files.spins,
            f"expected {INPUT_NAME} beside it for {', '.join(missing)}, found none.",
            f"Copy the input there, or give {', '.join(f'{name}=' for name in missing)}.",
        )
    if missing and deck is not None:
        sign = dmi_sign or files.dmi_sign()
        if sign not in ("-", "+"):
            raise SchemaError(f"dmi_sign: expected '-' or '+', found {dmi_sign!r}.")
        stated, has_interlayer = _stated_parameters(deck, sign)
        attrs = {"J_meV": stated["J_meV"], "moment_muB": stated["moment_muB"], "dmi_sign": sign}
    values = {**stated, **given}
    D, B, T = (float(check_coordinate(name, values[name])) for name in ("D", "B", "T"))
    hamiltonian = Hamiltonian(values["dmi"], values["handedness"])
    return Parameters(D, B, T, hamiltonian, {**attrs, "D_exact": D, "B_exact": B, "T_exact": T}, has_interlayer)


def _stated_parameters(deck: Deck, dmi_sign: DmiSign) -> tuple[dict[str, Any], bool]:
    """What the input says, converted to units of J, and whether it couples layers."""
    couplings = read_couplings(deck, dmi_sign=dmi_sign)
    moment = moment_muB(deck)
    bx, by, bz = deck.floats("hfield", (0.0, 0.0, 0.0))
    (temperature,) = deck.floats("temp", (0.0,))
    if bx or by:
        raise LocatedError(
            deck.where("hfield"), f"expected a field along z, found ({bx:g}, {by:g}, {bz:g}) T.", _OVERRIDE
        )
    if temperature < 0:
        raise LocatedError(deck.where("temp"), f"expected a temperature >= 0, found {temperature:g} K.", _OVERRIDE)
    reduced = couplings.hamiltonian.from_uppasd(
        J_mRy=couplings.J_mRy, D_mRy=couplings.D_mRy, B_tesla=bz, T_kelvin=temperature, moment=moment
    )
    if not np.isfinite(reduced).all():
        raise LocatedError(
            deck.path, f"expected finite D, B and T in units of J = {reduced.J_meV:g} meV, found others.", _OVERRIDE
        )
    stated = {**reduced._asdict(), "moment_muB": moment, **couplings.hamiltonian.to_attrs()}
    return stated, couplings.has_interlayer


def _provenance(files: RunFiles, deck: Deck | None, spins: SpinFile, frame: int) -> dict[str, Any]:
    """Where the spins come from: software, seeds, steps, time."""
    attrs: dict[str, Any] = {"software": f"UppASD {files.about.get('git_revision', '')}".strip()}
    if deck is not None:
        for keyword in ("tseed", "mseed", "mcnstep", "nstep"):
            if keyword in deck:
                with suppress(LocatedError):  # a seed that is no number is no reason to refuse the spins
                    attrs[keyword] = deck.integers(keyword, (0,))[0]
        if deck.ignored:
            attrs["ignored_keywords"] = shown(" ".join(line.keyword for line in deck.ignored), 1000)
    if spins.mode:
        attrs["mode"] = spins.mode
    time = spins.time(frame)
    if spins.form.name == "by time":
        attrs["time_s"] = time
    elif np.isfinite(time):
        attrs["iteration"] = int(time)
    return attrs


def _frame(spins: SpinFile, step: int) -> int:
    """Index of a frame, not negative."""
    if not -spins.n_frames <= step < spins.n_frames:
        raise SchemaError(
            f"step: expected {-spins.n_frames} to {spins.n_frames - 1} for the {spins.n_frames} samples of "
            f"{spins.path}, found {step}."
        )
    return step % spins.n_frames


def _dtype(dtype: str) -> np.dtype:
    if dtype not in ("float32", "float64"):
        raise SchemaError(f"dtype: expected 'float32' or 'float64', found {dtype!r}.")
    return np.dtype(dtype)
