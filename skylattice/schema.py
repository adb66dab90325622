"""The data model: names of dimensions and variables, what each variable means, and the checks that enforce it.

An ensemble is an :class:`xarray.Dataset` whose variable ``spin`` has dims ``(D, B, realization, y, x, component)``.
Any other leading dims work as well: every function of skylattice takes ``(..., y, x, component)`` and keeps the rest.
x is the column (fastest), y the row; D and B are coordinates in units of J, T is in units of J / k_B.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd

#: Of stores and results on disk; :mod:`skylattice.io.store` says what each version is.
FORMAT_VERSION = 2
#: D and B are rounded to this many digits, so that equal points of different origin meet on one grid.
GRID_DIGITS = 6

COMPONENT = "component"
#: Variable that says where sites are; only there if some are empty.
MASK = "mask"
SITE_DIMS = ("y", "x")
SPIN_DIMS = (*SITE_DIMS, COMPONENT)
GRID_DIMS = ("D", "B", "realization")
SKYRMION = "skyrmion"
COMPONENTS = ("x", "y", "z")

#: Spins count as of unit length if they are to this.
LENGTH_TOLERANCE = 1e-3

#: Meaning of ``status``: one int8 per lattice.
STATUS = {"empty": 0, "done": 1, "skipped": 2, "failed": 3}
#: Meaning of ``phase``: one int8 per lattice; -1 marks a hole.
PHASE = {"empty": -1, "ferromagnet": 0, "spiral": 1, "skyrmion": 2, "mixed": 3, "disordered": 4}
#: Meaning of ``fault``: why a lattice has no results, one int8 per lattice; -1 marks a hole. A crowded one lacks only
#: those of its skyrmions. In words: :data:`skylattice.study.faults.REASONS`.
FAULT = {
    "empty": -1,
    "none": 0,
    "failed": 1,
    "unreadable": 2,
    "missing": 3,
    "not_finite": 4,
    "zero": 5,
    "not_unit": 6,
    "charge": 7,
    "crowded": 8,
}
#: Meaning of ``texture``: one int8 per skyrmion; -1 is padding.
TEXTURE = {"neel": 0, "bloch": 1, "antiskyrmion": 2, "mixed": 3}

#: Meaning of ``on_boundary``: one int8 per skyrmion; -1 is padding.
ON_BOUNDARY = {"inside": 0, "on_boundary": 1}


@dataclass(frozen=True)
class Variable:
    """One variable of the data model.

    Attributes
    ----------
    dims
        The trailing dims; leading dims (D, B, realization, sample, ...) are those of the spins it came from.
    dtype, long_name
        As written to the store.
    units
        For people: "J/site", with J for the exchange constant, k_B, and "site" for the lattice spacing. See
        :meth:`attrs` for what is written.
    flags
        For integer flags: meaning -> value, written as CF ``flag_values`` and ``flag_meanings``.
    is_count
        Whether it is a whole number by its meaning: tables and pages then show it as one.
    """

    dims: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    flags: dict[str, int] | None = None
    is_count: bool = False

    def attrs(self) -> dict[str, Any]:
        """Attributes to write, in CF spelling.

        Numbers are ratios: energies over the exchange constant J, lengths over the lattice spacing. To a program J is
        the joule, and the site no unit at all, so that ``units`` is "1", or "rad" for angles, and ``in_units_of`` says
        what the number was divided by.
        """
        number, scale = ("rad" if self.units.startswith("rad") else "1"), self.units
        attrs: dict[str, Any] = {"long_name": self.long_name, "units": number}
        if scale != number:
            attrs["in_units_of"] = scale
        if self.flags is not None:
            attrs["flag_values"] = np.array(list(self.flags.values()), dtype=np.int8)
            attrs["flag_meanings"] = " ".join(self.flags)
        return attrs


def _scalar(units: str, long_name: str) -> Variable:
    return Variable((), "float64", units, long_name)


def _count(long_name: str) -> Variable:
    return Variable((), "float64", "1", long_name, is_count=True)


def _each(dim: str, units: str, long_name: str) -> Variable:
    return Variable((dim,), "float64", units, long_name)


def _each_count(dim: str, long_name: str) -> Variable:
    return Variable((dim,), "float64", "1", long_name, is_count=True)


def _site(units: str, long_name: str) -> Variable:
    return Variable(SITE_DIMS, "float64", units, long_name)


#: The registry: every variable that skylattice reads or writes, by name.
VARIABLES: dict[str, Variable] = {
    # coordinates
    "D": _scalar("J", "Dzyaloshinskii-Moriya interaction"),
    "B": _scalar("J", "magnetic field along z"),
    "T": _scalar("J/k_B", "temperature"),
    "realization": Variable((), "int64", "1", "independent realization"),
    "seed": Variable((), "uint64", "1", "seed of the lattice's random numbers"),
    "lattice_id": Variable((), "uint64", "1", "fingerprint of the spins as stored; 0 where there are none"),
    "status": Variable((), "int8", "1", "state of the lattice in the store", STATUS),
    "fault": Variable((), "int8", "1", "why the lattice has no results", FAULT),
    # the spins
    "spin": Variable(SPIN_DIMS, "float32", "1", "unit spin"),
    MASK: Variable(SITE_DIMS, "bool", "1", "whether there is a site"),
    "moment": Variable((), "float64", "1", "length of the spins before they were normalised"),
    # scalars of a lattice
    "topological_charge": _count("topological charge"),
    "topological_charge_alt": _count("topological charge, plaquettes cut along the other diagonal"),
    "m_x": _scalar("1", "mean magnetization along x"),
    "m_y": _scalar("1", "mean magnetization along y"),
    "m_z": _scalar("1", "mean magnetization along z"),
    "energy": _scalar("J/site", "energy per site"),
    "energy_exchange": _scalar("J/site", "exchange energy per site"),
    "energy_dmi": _scalar("J/site", "Dzyaloshinskii-Moriya energy per site"),
    "energy_zeeman": _scalar("J/site", "Zeeman energy per site"),
    "cos_theta": _scalar("1", "mean alignment of spin and effective field"),
    "cos_theta_min": _scalar("1", "smallest alignment of spin and effective field"),
    "temperature": _scalar("J/k_B", "spin temperature from the thermometer"),
    "lattice_constant": _scalar("site", "lattice constant from the structure factor's peak"),
    "peak_q": _scalar("rad/site", "wave number of the structure factor's peak"),
    "phase": Variable((), "int8", "1", "magnetic phase", PHASE),
    "spin_norm_error": _scalar("1", "largest deviation of a spin's length from 1"),
    "charge_error": _scalar("1", "distance of the topological charge to the nearest integer"),
    "lid_charge": _scalar("1", "topological charge of triangles that close the free edges"),
    "charge_diagonal_difference": _count("topological charge minus that with the other diagonal"),
    "temperature_ratio": _scalar("1", "spin temperature over the temperature stated with the data"),
    "energy_balance": _scalar("J/site", "energy minus the sum of the local energies, per site"),
    "unexplained_charge": _count("topological charge minus that of the detected skyrmions"),
    # skyrmions, padded with NaN
    "n_skyrmions": _count("number of skyrmions"),
    "n_stripes": _count("number of reversed regions that close around the torus"),
    "stripe_charge": _count("topological charge of the stripes"),
    "detected_charge": _count("topological charge of the skyrmions and stripes"),
    "skyrmion_x": _each(SKYRMION, "site", "position of the skyrmion along x"),
    "skyrmion_y": _each(SKYRMION, "site", "position of the skyrmion along y"),
    "n_spins": _each_count(SKYRMION, "number of spins in the skyrmion"),
    "charge": _each_count(SKYRMION, "topological charge of the skyrmion"),
    "radius": _each(SKYRMION, "site", "radius of the disc with the skyrmion's area"),
    "ellipticity": _each(SKYRMION, "1", "long over short axis of the skyrmion's second moments"),
    "vorticity": _each_count(SKYRMION, "vorticity m, turns of the in-plane angle around the core"),
    "polarity": _each_count(SKYRMION, "polarity p, sign of the core's z component"),
    "helicity": _each(SKYRMION, "rad", "helicity, m times the polar angle minus the in-plane angle"),
    "core_m_z": _each(SKYRMION, "1", "z component of the innermost spin"),
    "texture": Variable((SKYRMION,), "int8", "1", "texture of the skyrmion", TEXTURE),
    "on_boundary": Variable((SKYRMION,), "int8", "1", "whether the skyrmion touches an open boundary", ON_BOUNDARY),
    # defects of the skyrmion lattice
    "triangles": Variable(("triangle", "corner"), "int32", "1", "skyrmions at the corners of each triangle"),
    "n_triangles": _count("number of triangles"),
    "coordination": _each_count(SKYRMION, "number of neighbours in the triangulation"),
    "string": Variable((SKYRMION,), "int32", "1", "connected group of defects that the skyrmion belongs to"),
    "n_defects": _count("number of skyrmions without six neighbours"),
    "n_5": _count("number of skyrmions with five neighbours"),
    "n_7": _count("number of skyrmions with seven neighbours"),
    "n_other": _count("number of skyrmions with fewer than five or more than seven neighbours"),
    "defect_density": _scalar("1", "share of the skyrmions without six neighbours"),
    "n_dislocations": _count("number of dislocations"),
    "n_disclinations": _count("number of unpaired disclinations"),
    "n_vacancies": _count("skyrmions missing in closed groups of defects"),
    "n_interstitials": _count("skyrmions in excess in closed groups of defects"),
    "n_strings": _count("number of connected groups of defects"),
    "dislocation_x": _each("dislocation", "site", "position of the dislocation along x"),
    "dislocation_y": _each("dislocation", "site", "position of the dislocation along y"),
    "burgers_x": _each("dislocation", "site", "Burgers vector along x"),
    "burgers_y": _each("dislocation", "site", "Burgers vector along y"),
    # models
    "mu": Variable(("latent",), "float32", "1", "mean of the approximate posterior"),
    "log_var": Variable(("latent",), "float32", "1", "logarithm of the approximate posterior's variance"),
    "mse": _scalar("1", "mean squared error of the reconstruction over sites and components"),
    "nats": _scalar("1", "information in the code in nats: KL divergence of its posterior from the prior"),
    "elbo": _scalar("1", "evidence lower bound in units of the loss: -(expected MSE + C_KL nats)"),
    "surprise": _scalar("percent", "training lattices like this one that are reconstructed better"),
    "code_distance": _scalar("1", "Mahalanobis distance of the code to those of the training lattices"),
    "squared_error": _site("1", "squared error of the reconstruction, summed over components"),
    "energy_difference": _scalar("J/site", "energy of the reconstruction minus that of the lattice, per site"),
    "cos_theta_difference": _scalar("1", "mean alignment with the field, reconstruction minus lattice"),
    # order of the skyrmion lattice
    "hexatic_order": _scalar("1", "modulus of the mean bond order psi6"),
    "local_order": _scalar("1", "mean modulus of the bond order psi6"),
    "lattice_orientation": _scalar("rad", "orientation of the lattice, modulo 60 degrees"),
    "psi6": _each(SKYRMION, "1", "modulus of the local bond order psi6"),
    "orientation": _each(SKYRMION, "rad", "orientation of the neighbours, modulo 60 degrees"),
    "distance": _each("distance", "site", "distance of two skyrmions"),
    "pair_correlation": _each("distance", "1", "pair correlation of positions"),
    "orientation_correlation": _each("distance", "1", "pair correlation of the bond order psi6"),
    "correlation_length": _scalar("site", "correlation length of the bond order psi6"),
    "n_grains": _count("number of grains"),
    "largest_grain": _scalar("1", "share of the skyrmions in the largest grain"),
    "skyrmion_grain": Variable((SKYRMION,), "int32", "1", "grain that the skyrmion belongs to"),
    "grain_size": _each_count("grain", "number of skyrmions in the grain"),
    "grain_orientation": _each("grain", "rad", "orientation of the grain, modulo 60 degrees"),
    "boundary_grain": _each_count("boundary", "grain on one side of the boundary"),
    "boundary_other_grain": _each_count("boundary", "grain on the other side of the boundary"),
    "misorientation": _each("boundary", "rad", "angle between the grains on the two sides"),
    "boundary_length": _each("boundary", "site", "length of the boundary"),
    "boundary_dislocations": _each_count("boundary", "number of dislocations on the boundary"),
    "dislocation_spacing": _each("boundary", "site", "length of the boundary over its dislocations"),
    "expected_spacing": _each("boundary", "site", "lattice constant over twice the sine of half the misorientation"),
    # maps
    "magnetization": Variable((COMPONENT,), "float64", "1", "mean magnetization"),
    "charge_density": _site("1", "topological charge per plaquette"),
    "energy_density": _site("J/site", "local energy, half of each bond to each end"),
    "cos_theta_map": _site("1", "alignment of spin and effective field"),
    "effective_field": Variable(SPIN_DIMS, "float64", "J", "effective field"),
    "structure_factor": Variable(("q_y", "q_x"), "float64", "1", "spin structure factor"),
    "q_x": Variable(("q_x",), "float64", "rad/site", "wave vector along x"),
    "q_y": Variable(("q_y",), "float64", "rad/site", "wave vector along y"),
}


def unit_of(array: xr.DataArray) -> str:
    """What the numbers of an array are in units of, for people: "J/site", "rad/site", or "1"."""
    return str(array.attrs.get("in_units_of", array.attrs.get("units", "1")))


def label(array: xr.DataArray, name: str) -> xr.DataArray:
    """A copy of ``array`` with the name and the attributes of the registry's variable ``name``; shares the values."""
    array = array.rename(name).copy(deep=False)
    array.attrs = VARIABLES[name].attrs()
    return array


def label_dataset(ds: xr.Dataset) -> xr.Dataset:
    """A copy of ``ds`` where all that the registry knows has its attributes beside its own; shares the values."""
    ds = ds.copy(deep=False)
    for name in ds.variables:
        if name in VARIABLES:
            ds[name].attrs = {**ds[name].attrs, **VARIABLES[str(name)].attrs()}
    return ds


def whole_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with counts as integers, where the registry says that a column is one and it is whole to 1e-6.

    Columns with missing values get pandas' nullable integers. Charges of open or rough lattices that are no whole
    numbers stay as they are, but for negative zeros.
    """
    frame = frame.copy(deep=False)
    for name in frame:
        if name in VARIABLES and VARIABLES[name].is_count and frame[name].dtype.kind == "f":
            whole = frame[name].round()
            if (abs(frame[name] - whole) > 1e-6).any():
                frame[name] = frame[name] + 0.0
            else:
                frame[name] = whole.astype("Int64" if whole.isna().any() else "int64")
    return frame


def check_spin(spin: xr.DataArray, *, name: str = "spin") -> None:
    """Check dims, component length, dtype and chunking of a spin array, without touching its values.

    Raises
    ------
    SchemaError
        If a dimension is missing, ``component`` is not of length 3 or not labelled x, y, z, the dtype is not a
        floating one, a site dimension is empty, or a chunk cuts through a lattice.
    """
    if not isinstance(spin, xr.DataArray):
        raise SchemaError(
            f"{name}: expected an xarray.DataArray with dims (..., y, x, component), found {type(spin).__name__}. "
            "Wrap it: xr.DataArray(array, dims=(..., 'y', 'x', 'component'))."
        )
    missing = [dim for dim in SPIN_DIMS if dim not in spin.dims]
    if missing:
        raise SchemaError(
            f"{name}: expected dims (..., y, x, component), found ({', '.join(map(str, spin.dims))}); "
            f"missing {missing}. Rename the dims, for example spin.rename(OLD='{missing[0]}')."
        )
    if spin.sizes[COMPONENT] != 3:
        raise SchemaError(
            f"{name}: expected component of length 3 (S_x, S_y, S_z), found {spin.sizes[COMPONENT]}. "
            "Spins given as angles must be converted to Cartesian components first."
        )
    if COMPONENT in spin.coords and tuple(map(str, spin.coords[COMPONENT].values)) != COMPONENTS:
        raise SchemaError(
            f"{name}: expected the component labels {COMPONENTS}, found "
            f"{tuple(map(str, spin.coords[COMPONENT].values))}. Reorder with spin.sel(component=['x', 'y', 'z'])."
        )
    if spin.dtype.kind != "f" or spin.dtype.itemsize not in (4, 8):
        raise SchemaError(
            f"{name}: expected float32 or float64 spins, found {spin.dtype}. Convert with spin.astype('float32')."
        )
    if min(spin.sizes[dim] for dim in SITE_DIMS) == 0:
        raise SchemaError(f"{name}: expected at least one site along y and x, found sizes {dict(spin.sizes)}.")
    chunks = spin.chunksizes
    cut = [dim for dim in SPIN_DIMS if len(chunks.get(dim, ())) > 1]
    if cut:
        raise SchemaError(
            f"{name}: expected whole lattices in every chunk, found {cut} cut into "
            f"{[len(chunks[dim]) for dim in cut]} chunks. Rechunk with spin.chunk(y=-1, x=-1, component=-1)."
        )


def check_coordinate(name: str, values: Any) -> np.ndarray:
    """Values of a physical coordinate (D, B or T) as float64; D and T must not be negative.

    Raises
    ------
    SchemaError
        If the values are not finite numbers, or D or T is negative.
    """
    unit = VARIABLES[name].units
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise SchemaError(
            f"{name}: expected numbers in units of {unit}, found {values!r}. "
            f"Give {name} as a float or an array of floats."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise SchemaError(
            f"{name}: expected finite numbers in units of {unit}, found {array[~np.isfinite(array)].tolist()}. "
            "A grid point without a lattice is a hole in the spins; its coordinates are still numbers."
        )
    if name in ("D", "T") and (array < 0).any():
        remedy = (
            "The sign of the interaction is the Hamiltonian's handedness: Hamiltonian(handedness=-1)."
            if name == "D"
            else "Temperatures are in units of J / k_B."
        )
        raise SchemaError(f"{name}: expected values >= 0, found {array[array < 0].tolist()}. {remedy}")
    return array


def require(ds: xr.Dataset, names: Iterable[str], *, purpose: str) -> None:
    """Raise :class:`SchemaError` unless ``ds`` has all the named variables or coordinates."""
    missing = [name for name in names if name not in ds.variables]
    if missing:
        raise SchemaError(
            f"{purpose} needs {missing}; the dataset has {sorted(map(str, ds.variables))}. "
            f"Rename what holds it, or add it: ds.assign({missing[0]}=...)."
        )


def check_values(
    spin: np.ndarray, *, where: str, tolerance: float = LENGTH_TOLERANCE, mask: np.ndarray | None = None
) -> None:
    """Check that lattices hold finite unit spins, or are holes (all NaN).

    Parameters
    ----------
    spin
        Shape ``(..., y, x, 3)``.
    where
        What to name in the error: a file, or the lattice's coordinates.
    tolerance
        Largest accepted | |S| - 1 |.
    mask
        Where sites are, shape ``(..., y, x)``; spins are 0 elsewhere. None if all are.

    Raises
    ------
    SchemaError
        Naming the lattice and site that is farthest from unit length, or not finite.
    """
    length = np.sqrt(np.einsum("...c,...c->...", spin, spin, dtype=np.float64))
    hole = np.isnan(spin).all(axis=(-3, -2, -1))
    bad = ~(np.abs(length - 1.0) <= tolerance) & ~hole[..., None, None]
    if mask is not None:
        bad &= mask | (length != 0)
    if bad.any():
        off = np.where(bad, np.nan_to_num(np.abs(length - 1.0), nan=np.inf, posinf=np.inf), -1.0)
        index = tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))
        *lattice, y, x = index
        raise SchemaError(
            f"{where}: expected unit spins, found |S| = {length[index]:.6g} at y={y}, x={x}"
            + (f" of lattice {tuple(lattice)}" if lattice else "")
            + f" ({int(bad.sum())} of {bad.size} spins are off by more than {tolerance:g}). "
            + (
                "Say which sites are empty, with mask=, or leave the lattice out."
                if np.isnan(length[index]) or length[index] == 0
                else "Normalise the spins, or leave the lattice out."
            )
        )
