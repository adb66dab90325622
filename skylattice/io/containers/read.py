"""From a container of arrays to a dataset of the project's schema."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice.arrays import from_angles, from_arrays
from skylattice.errors import SchemaError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.containers.contents import Array, Contents
from skylattice.io.containers.kinds import read_contents
from skylattice.io.containers.layout import Label, Reading, choose_reading, find_readings, place_labels
from skylattice.io.containers.names import Field, find_field, labels_of, role_of
from skylattice.io.problems import LocatedError, shown
from skylattice.layouts import SITE, shape_of
from skylattice.schema import COMPONENT, GRID_DIGITS, SITE_DIMS, SPIN_DIMS, VARIABLES, check_coordinate

#: Units in which a number is one of ours; others cannot be converted without J.
_REDUCED = ("", "1", "j", "j/k_b", "j/kb", "dimensionless", "none", "rad")
#: A length that differs from 1 by more is kept as ``moment``; the vectors are normalised then.
_UNIT = 1e-3
_SEVERAL_T = "temperatures"


def open_container(
    path: str | os.PathLike[str],
    *,
    spin: str | None = None,
    D: float | str | None = None,
    B: float | str | None = None,
    T: float | str | None = None,
    hamiltonian: Hamiltonian | None = None,
    boundary: str | None = None,
    dims: str | Sequence[str] | None = None,
    size: int | Sequence[int] | None = None,
) -> xr.Dataset:
    """Open lattices in a npy, npz, HDF5, netCDF or zarr file of any program, lazily.

    Parameters
    ----------
    path
        The file, or the folder of a zarr group.
    spin
        Name of the array of spins; of three with a component each, or of theta and phi, with commas between. Default:
        the one that its name, type and shape tell.
    D, B, T
        DMI magnitude and field in units of J, temperature in J / k_B: numbers, or names of the arrays that hold them.
        Default: what arrays or attributes of these names say; unknown without.
    hamiltonian
        Symmetry and sign of the interaction. Default: what the attributes ``dmi`` and ``handedness`` say.
    boundary
        As :func:`skylattice.from_arrays`. Default: the attribute ``boundary``, else periodic.
    dims
        Names of all axes of the spins, where names and lengths leave them open: ``"D,B,realization,y,x,component"``.
    size
        N or (ny, nx) of lattices whose sites lie in one axis; needed if they are not square.

    Returns
    -------
    Dataset as :func:`skylattice.from_arrays` gives it, with ``source`` and ``file_format`` in the attributes; lazy, in
    chunks of whole lattices. Vectors of another length than 1 are normalised, and the length of the first is the
    coordinate ``moment``. T is a coordinate along its axis where there are several.

    Raises
    ------
    FormatError
        If the file is damaged, holds nothing that may be spins, or has several readings: they are listed, with the
        option that chooses one.
    SchemaError
        If an option or a value is out of range; on loading, if spins are not finite or of no length.
    MissingExtraError
        For HDF5 and netCDF 4 without h5py.

    Examples
    --------
    >>> np.savez("spins.npz", m=np.full((2, 400, 3), [0.0, 0.0, 1.0]), D=0.5, B=[0.1, 0.2])
    >>> ds = open_container("spins.npz", T=0.006)
    >>> dict(ds.spin.sizes), ds.B.values.tolist()
    ({'D': 1, 'B': 2, 'realization': 1, 'y': 20, 'x': 20, 'component': 3}, [0.1, 0.2])
    """
    if not isinstance(path, (str, os.PathLike)):
        raise SchemaError(f"path: expected the path of a file or folder, found {type(path).__name__}.")
    path = Path(path)
    contents = read_contents(path)
    field = find_field(contents, spin)
    labels = {
        name: label
        for name, given in (("D", D), ("B", B), ("T", T), ("realization", None))
        if (label := _label(contents, field, name, given)) is not None
    }
    _check_exchange(contents, field)
    reading = _reading(contents, field, labels, dims, size)
    axes, coords = place_labels(reading, field.shape, labels, path)
    attrs = {**contents.attrs, **field.arrays[0].attrs}
    if hamiltonian is None and isinstance(attrs.get("dmi"), str):
        hamiltonian = Hamiltonian.if_stated(attrs)
    stated = attrs.get("boundary")
    options = {
        "hamiltonian": hamiltonian,
        "boundary": boundary or (stated if isinstance(stated, str) else "periodic"),
        "size": reading.size,
        **{name: xr.DataArray(values, dims=along) for name, (along, values) in coords.items() if name in ("D", "B")},
    }
    # from_arrays knows one T: an axis of temperatures bears another name until its values are there.
    ds = _dataset(contents, field, tuple(_SEVERAL_T if name == "T" else name for name in axes), options)
    if _SEVERAL_T in ds.dims:
        ds = ds.drop_vars("T").rename({_SEVERAL_T: "T"})
    for name in ("T", "realization"):
        if name in coords and set(coords[name][0]) <= set(ds.dims):
            along, values = coords[name]
            if not along and ds.sizes.get(name) == 1:
                along, values = (name,), np.atleast_1d(values)
            ds = ds.assign_coords({name: (along, values, VARIABLES[name].attrs())})
    return _on_grid(ds).assign_attrs(source=_source(path, field), file_format=contents.kind)


def _dataset(contents: Contents, field: Field, axes: tuple[str, ...], options: dict[str, Any]) -> xr.Dataset:
    """Spins with their dims; those of one layer, and of one lattice without a name, go."""
    whole = tuple(k for k, name in enumerate(axes) if name in (*SITE_DIMS, COMPONENT, SITE))
    parts = [_decoded(a, a.lazy(tuple(k for k in whole if k < len(a.shape)), contents.path)) for a in field.arrays]
    dims = axes if field.kind == "vectors" else axes[:-1]
    arrays = [xr.DataArray(part, dims=dims) for part in parts]
    empty = {d: 0 for d in dims if arrays[0].sizes[d] == 1 and (d == "z" or d.startswith("axis"))}
    arrays = [array.isel(empty) for array in arrays]  # one layer, and axes of nothing
    if field.kind == "angles":
        return from_angles(*arrays, **options)
    if field.kind == "components":
        arrays = [xr.concat(arrays, COMPONENT, coords="minimal", compat="override").transpose(..., COMPONENT)]
    (vectors,) = arrays
    moment = _length_of_first(field, axes)
    ds = from_arrays(vectors, normalise=moment is not None, **options)
    if moment is None:
        return ds
    units = str(field.arrays[0].attrs.get("units", ""))
    return ds.assign_coords(moment=((), moment, {"units": units} if units else {}))


def _on_grid(ds: xr.Dataset) -> xr.Dataset:
    """With D and B rounded, so that equal points of different origin meet; single values of them as dims, as always."""
    rounded = {name: ds[name].round(GRID_DIGITS).assign_attrs(ds[name].attrs) for name in ("D", "B") if name in ds}
    ds = ds.assign_coords(rounded)
    if "sample" not in ds.dims:
        ds = ds.expand_dims([name for name in ("D", "B") if name in ds.coords and not ds[name].dims])
        order = [dim for dim in ("T", "D", "B") if dim in ds.spin.dims]
        ds["spin"] = ds.spin.transpose(*order, ...)
        if not set(ds.spin.dims) - {*order, *SPIN_DIMS}:
            ds = ds.assign(spin=ds.spin.expand_dims(realization=[0], axis=len(order)))
    return ds


def _reading(
    contents: Contents,
    field: Field,
    labels: dict[str, Label],
    dims: str | Sequence[str] | None,
    size: int | Sequence[int] | None,
) -> Reading:
    known = None if size is None else shape_of(size)
    if dims is None:
        readings = find_readings(field.shape, field.dims, known)
        if field.kind != "vectors":
            readings = [reading for reading in readings if reading.axes[-1] == COMPONENT]
        return choose_reading(readings, field.shape, labels, contents.path, field.names)
    names = tuple(name.strip() for name in dims.split(",")) if isinstance(dims, str) else tuple(dims)
    names = names if COMPONENT in names or field.kind == "vectors" else (*names, COMPONENT)
    if len(names) != len(field.shape) or len(set(names)) < len(names):
        raise SchemaError(
            f"dims: expected {len(field.shape)} different names for the axes of shape {field.shape}, found {names}."
        )
    readings = [r for r in find_readings(field.shape, names, known) if r.axes == names]
    if not readings:
        raise SchemaError(
            f"dims: expected 'y', 'x' (or 'site') and 'component' of length 3 among the names of shape {field.shape}, "
            f"found {names}" + (" without size=(ny, nx)." if SITE in names else ".")
        )
    return readings[0]


def _label(contents: Contents, field: Field, name: str, given: float | str | None) -> Label | None:
    """Values of D, B, T or realization, given, or from an array or attribute of the file."""
    if given is not None and not isinstance(given, str):
        return Label(check_coordinate(name, given), (None,) * np.ndim(given))
    named = None if given is None else contents.find(given)
    if given is not None and named is None:
        try:
            return Label(check_coordinate(name, float(given)), ())
        except ValueError:
            raise SchemaError(
                f"{name}: expected a number or one of the arrays {list(contents.arrays)[:20]}, found {given!r}."
            ) from None
    arrays = labels_of(contents, name) if named is None else [named]
    if len(arrays) > 1:
        raise LocatedError(
            contents.path,
            f"expected {name} in one array, found {', '.join(a.name for a in arrays)}.",
            " or ".join(f"{name}={a.name!r}" for a in arrays) + " chooses one.",
        )
    if arrays:
        _check_unit(contents, name, arrays[0].name, arrays[0].attrs)
        values = _decoded(arrays[0], arrays[0].values(contents.path))
        if name == "realization":
            return Label(values, arrays[0].dims)
        return Label(_checked(contents, name, arrays[0].name, values), arrays[0].dims)
    if name == "realization":
        return None
    found = _attribute(contents, field, name)
    return None if found is None else Label(_checked(contents, name, found[0], np.asarray(found[1])), ())


def _attribute(contents: Contents, field: Field, role: str) -> tuple[str, Any] | None:
    """Name and value of the attribute of the spins, or of the file, that is named as D, B or T are."""
    for attrs in (field.arrays[0].attrs, contents.attrs):
        found = [
            (str(key), value)
            for key, value in attrs.items()
            if role_of(str(key)) == role and isinstance(value, int | float | np.number) and not isinstance(value, bool)
        ]
        if len(found) == 1:
            return found[0]
    return None


def _checked(contents: Contents, name: str, of: str, values: np.ndarray) -> np.ndarray:
    try:
        return check_coordinate(name, values)
    except SchemaError as error:
        raise LocatedError(f"{contents.path} ({of})", str(error), f"Or state it: {name}=NUMBER.") from None


def _check_unit(contents: Contents, name: str, of: str, attrs: Any) -> None:
    """Raise for a number in tesla, meV or kelvin: without J it is none of ours."""
    unit = attrs.get("units", attrs.get("unit", ""))
    if isinstance(unit, str) and unit.strip().lower() not in _REDUCED:
        raise LocatedError(
            f"{contents.path} ({of})",
            f"expected {name} in units of J, found the unit {shown(unit)!r}.",
            f"Divide by J and state it: {name}=NUMBER.",
        )


def _check_exchange(contents: Contents, field: Field) -> None:
    """Raise for an exchange other than 1: whether D, B and T are in its units cannot be told."""
    arrays = labels_of(contents, "J")
    values = [_decoded(a, a.values(contents.path)) for a in arrays if a.n_bytes <= 8 * 1024]
    found = _attribute(contents, field, "J")
    values += [np.asarray(found[1])] if found else []
    for value in values:
        if not np.allclose(value, 1):
            raise LocatedError(
                contents.path,
                f"expected J = 1, found {np.ravel(value)[:5].tolist()}: D, B and T may or may not be in units of it.",
                "Write a copy without J, with D/J, B/J and k_B T/J.",
            )


def _decoded(array: Array, values: Any) -> Any:
    """Numbers as netCDF means them: scaled, shifted, NaN where there are none."""
    attrs = array.attrs
    for key in ("_FillValue", "missing_value"):
        missing = attrs.get(key)
        if isinstance(missing, int | float | np.number) and array.dtype.kind == "f" and not np.isnan(missing):
            where = values == np.asarray(missing, array.dtype)
            values = _where(where, values)
    scale, offset = attrs.get("scale_factor", 1), attrs.get("add_offset", 0)
    if isinstance(scale, int | float | np.number) and isinstance(offset, int | float | np.number):
        values = values if (scale, offset) == (1, 0) else values * float(scale) + float(offset)
    return values


def _where(is_missing: Any, values: Any) -> Any:
    import dask.array as da

    return (da if hasattr(values, "__dask_graph__") else np).where(is_missing, np.nan, values).astype(values.dtype)


def _length_of_first(field: Field, axes: tuple[str, ...]) -> float | None:
    """Length of the first vector of the first lattice that is there; None if it is 1."""
    for rest in (0, slice(None)):  # the first lattice; if it is a hole, all of them
        rows = _vectors_at(field, axes, rest)
        rows = rows[~np.isnan(rows).any(axis=1)]
        if len(rows):
            length = float(np.sqrt((rows[0] * rows[0]).sum()))
            return length if np.isfinite(length) and length > 0 and abs(length - 1) > _UNIT else None
    return None


def _vectors_at(field: Field, axes: tuple[str, ...], leading: int | slice) -> np.ndarray:
    """The vector at the first site of some lattices, straight from the file, shape (n, 3)."""
    whole = (*SITE_DIMS, SITE)
    key = tuple(slice(None) if name == COMPONENT else 0 if name in whole else leading for name in axes)
    if field.kind == "vectors":
        (array,) = field.arrays
        left = [name for name, part in zip(axes, key, strict=True) if part != 0 or isinstance(part, slice)]
        values = np.asarray(_decoded(array, array.source[key]), np.float64)
        return np.moveaxis(values, left.index(COMPONENT), -1).reshape(-1, 3)
    parts = [np.asarray(_decoded(array, array.source[key[:-1]]), np.float64) for array in field.arrays]
    return np.stack(parts, axis=-1).reshape(-1, 3)


def _source(path: Path, field: Field) -> str:
    name = os.path.join(path.resolve().parent.name, path.name)
    return f"{name}:{field.names}" if field.names else name
