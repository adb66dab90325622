"""What an import of files will do, told before it is done: which lattices go where, which are left out, and why."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError, SkylatticeError
from skylattice.hamiltonian import Hamiltonian
from skylattice.io.fingerprints import Key, fingerprints, keep_bits_of, keys_of, known_keys
from skylattice.io.formats import FORMATS, open_lattices
from skylattice.io.guard import local_path
from skylattice.io.importing import import_datasets, layout_of
from skylattice.io.labelling import Pattern, Table, merged
from skylattice.io.layout import Layout
from skylattice.io.sources import Source, find_sources, is_store
from skylattice.io.store import open_ensemble
from skylattice.schema import GRID_DIGITS, GRID_DIMS, SPIN_DIMS
from skylattice.stacking import stack

#: Attributes of generated lattices: those of different origin do not share a store unasked.
_ORIGIN = ("generator", "model", "model_fingerprint", "relaxed")
#: Leading dims of which each lattice has a place of its own in a store.
_LEADING = (*GRID_DIMS, "T", "sample", "segment", "time")


@dataclass
class Row:
    """One source of a plan, or the part of it at one T.

    Attributes
    ----------
    path, format
        Where it lies, and what it is; empty for what is not read.
    store
        Where its lattices go; None if they are left out.
    n_lattices, n_new
        How many it has, and how many of them the store has not yet.
    reason
        Why it is left out; empty if it is not.
    is_failure
        Whether it was to be imported and cannot be.
    notes
        What reading it warned of.
    dataset
        The lattices that are new, flat and lazy.
    """

    path: Path
    format: str
    layout: Layout | None = None
    origin: dict[str, Any] = field(default_factory=dict)
    store: Path | None = None
    n_lattices: int = 0
    n_new: int = 0
    D: tuple[float, ...] = ()
    B: tuple[float, ...] = ()
    boundary: str = ""
    realizations: tuple[int, ...] = ()
    reason: str = ""
    is_failure: bool = False
    notes: list[str] = field(default_factory=list)
    dataset: xr.Dataset | None = None


@dataclass(frozen=True)
class Plan:
    """All rows, in the order of the sources, and how a new store rounds its spins."""

    rows: list[Row]
    keep_bits: int | None = None

    @property
    def failures(self) -> list[Row]:
        """What was to be imported and cannot be."""
        return [row for row in self.rows if row.is_failure]

    @property
    def n_new(self) -> int:
        """Lattices that will be written."""
        return sum(row.n_new for row in self.rows if row.store is not None)

    def run(self, *, progress: bool = True) -> list[Path]:
        """Do it; returns the stores that have been written to.

        Raises
        ------
        StoreError
            If a store cannot be written, or another process has changed it since.
        """
        stores: dict[Path, list[Row]] = {}
        for row in self.rows:
            if row.store is not None and row.n_new:
                stores.setdefault(row.store, []).append(row)
        for store, rows in stores.items():
            datasets = [row.dataset for row in rows if row.dataset is not None]
            import_datasets(datasets, store, keep_bits=self.keep_bits, attrs=rows[0].origin, progress=progress)
        return list(stores)


def plan_import(
    sources: Iterable[str | os.PathLike[str]],
    store: str | os.PathLike[str],
    *,
    options: Mapping[str, Any] | None = None,
    pattern: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    handedness: int | None = None,
    dmi: str | None = None,
    split: bool = False,
    keep_bits: int | None = None,
) -> Plan:
    """Plan the import of files and folders of any format into a store; every spin is read, nothing is written.

    Parameters
    ----------
    sources
        Files, run folders, stores, and folders that are searched for them.
    store
        Local folder, new or there.
    options
        For the readers (``D``, ``B``, ``T``, ``dmi_sign``, ``size``, ``spin``, ...); each format takes those that it
        has.
    pattern
        Of names: ``"D{D}_B{B}_r{realization}"``; see :class:`skylattice.io.labelling.Pattern`.
    labels
        CSV file of labels; see :class:`skylattice.io.labelling.Table`.
    handedness
        ±1: lattices of the other sign of DMI are turned by π about z.
    dmi
        Symmetry of the DMI of sources that state none; with ``handedness``, or +1.
    split
        Put lattices of another size, T, interaction or boundary into stores of their own, beside ``store``; otherwise
        they are left out.
    keep_bits
        Rounding of a new store.

    Returns
    -------
    What :meth:`Plan.run` will do. A lattice that the store has already is not new, wherever it came from.

    Raises
    ------
    StoreError
        If ``store`` is a URL.
    SchemaError
        If an option is out of range, or known to no format.

    Examples
    --------
    >>> plan = plan_import(["tests/data/uppasd"], "runs.zarr")
    >>> [(row.path.name, row.format, row.D, row.B, row.n_new) for row in plan.rows if row.n_new]
    [('N64_D0.50_B0.125_s12', 'uppasd', (0.5,), (0.125,), 1)]
    """
    target = local_path(store)
    given = {name: value for name, value in (options or {}).items() if value is not None}
    if unknown := set(given) - {name for known in FORMATS for name in known.options}:
        raise SchemaError(
            f"options: expected those of some format, found {', '.join(sorted(unknown))}. Leave them out."
        )
    stated = None if dmi is None else Hamiltonian(dmi, handedness or 1)  # type: ignore[arg-type]
    says = [
        *([Pattern(pattern)] if pattern is not None else []),
        *([Table(Path(labels))] if labels is not None else []),
    ]
    rows: list[Row] = []
    for source in find_sources(sources):
        if source.path.resolve() == target.resolve() and not source.is_asked:
            continue  # the store lies in a folder that is searched
        rows += _rows_of(source, given, says, stated, handedness)
    _choose_stores(rows, target, split)
    _leave_out_known(rows, keep_bits)
    return Plan(rows, keep_bits)


def _rows_of(
    source: Source, given: Mapping[str, Any], says: list[Any], stated: Hamiltonian | None, handedness: int | None
) -> list[Row]:
    """A source as rows, one for each T; one with the reason where it cannot be read."""
    if source.format is None:
        return [Row(source.path, "", reason=source.reason, is_failure=source.is_asked)]
    notes: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            name, ds = _open(source, given)
            labels = merged(*(part.labels_of(source.path) for part in says))
            ds = _labelled(ds, labels, source.path, stated)
            if handedness is not None and "dmi" in ds.attrs and "generator" not in ds.attrs:
                from skylattice.observables.transform import to_handedness

                ds = to_handedness(ds, handedness)
            rows = [_row(source.path, name, part) for part in _by_temperature(ds)]
        notes = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    except SkylatticeError as error:
        return [Row(source.path, source.format.name, reason=str(error), is_failure=True)]
    rows[0].notes += notes
    return rows


def _open(source: Source, given: Mapping[str, Any]) -> tuple[str, xr.Dataset]:
    """Name of the format, and the lattices; those of a store of ours with all that it says."""
    if source.path.is_dir() and is_store(source.path):
        ds = open_ensemble(source.path)
        return "store", ds.assign_attrs(source=source.path.name)
    known = source.format
    assert known is not None
    options = {name: value for name, value in given.items() if name in known.options}
    return known.name, open_lattices(source.path, format=known.name, **options)


def _labelled(ds: xr.Dataset, labels: Mapping[str, Any], path: Path, stated: Hamiltonian | None) -> xr.Dataset:
    """With what a name or a table says of all its lattices."""
    extra = [str(dim) for dim in ds.spin.dims if dim not in (*_LEADING, *SPIN_DIMS) and ds.sizes[dim] > 1]
    if not all(dim.startswith("axis") for dim in extra):
        raise SchemaError(
            f"{path}: expected lattices along D, B, T and realization, found also {', '.join(extra)}. Choose one of "
            "each first: ds.isel(...)."
        )
    for name in ("D", "B", "T"):
        if name in labels:
            if name in ds.dims and ds.sizes[name] > 1:
                raise SchemaError(f"{path}: its lattices are at several {name}, which one label cannot state.")
            ds = ds.squeeze(name) if name in ds.dims else ds
            ds = ds.assign_coords({name: ((), round(labels[name], GRID_DIGITS))})
    if "realization" in labels and "realization" in ds.dims and ds.sizes["realization"] == 1:
        ds = ds.assign_coords(realization=[labels["realization"]])
    if "dmi" in labels or "handedness" in labels:
        known = {**({} if stated is None else stated.to_attrs()), **ds.attrs}
        stated = Hamiltonian(labels.get("dmi", known.get("dmi", "neel")), labels.get("handedness", 1))
        ds = ds.assign_attrs(stated.to_attrs())
    if stated is not None and "dmi" not in ds.attrs:
        ds = ds.assign_attrs(stated.to_attrs())
    if "boundary" in labels:
        ds = ds.assign_attrs(boundary=labels["boundary"])
    if missing := [name for name in ("D", "B") if name not in ds.coords]:
        raise SchemaError(
            f"{path}: expected D and B of its lattices, found none for {' and '.join(missing)}. State them: "
            f"{', '.join(f'--{name} NUMBER' for name in missing)}, a --pattern of the names, or a table of --labels."
        )
    return ds


def _by_temperature(ds: xr.Dataset) -> Iterator[xr.Dataset]:
    """Flat datasets of one T each."""
    flat = stack(ds)
    if "T" not in flat.coords or not flat["T"].dims:
        yield flat
        return
    temperatures = np.round(flat["T"].values, GRID_DIGITS)
    for T in np.unique(temperatures):
        part = flat.isel(sample=np.flatnonzero(temperatures == T))
        names = [name for name in part.coords if name not in ("D", "B", "T", "realization", "component")]
        values = {name: ("sample", part[name].values) for name in ("D", "B", "realization") if name in part.coords}
        yield part.drop_vars([*names, "T", *values]).assign_coords(
            {**{n: v if part[n].dims else part[n] for n, v in values.items()}, "T": float(T)}
        )


def _row(path: Path, name: str, ds: xr.Dataset) -> Row:
    layout = layout_of(ds)
    n = ds.sizes["sample"]
    D, B = (tuple(np.unique(np.round(ds[axis].values, GRID_DIGITS)).tolist()) for axis in ("D", "B"))
    numbers = np.atleast_1d(ds["realization"].values).tolist() if "realization" in ds.coords else []
    origin = {key: ds.attrs[key] for key in _ORIGIN if key in ds.attrs}
    boundary = str(ds.attrs.get("boundary", "periodic"))
    return Row(path, name, layout, origin, None, n, 0, D, B, boundary, tuple(sorted(set(numbers))), dataset=ds)


def _choose_stores(rows: list[Row], target: Path, split: bool) -> None:
    """Where each row goes: lattices of one kind share a store, the first kind the one asked for."""
    kinds: list[tuple[Layout, dict[str, Any], str, Path]] = []
    if target.exists():
        ds = open_ensemble(target)
        layout = replace(layout_of(ds), keep_bits=None)
        origin = {key: ds.attrs[key] for key in _ORIGIN if key in ds.attrs}
        kinds.append((layout, origin, str(ds.attrs.get("boundary", "periodic")), target))
    for row in rows:
        if row.layout is None:
            continue
        layout = replace(row.layout, keep_bits=None)
        for known, origin, boundary, store in kinds:
            differs = _differences(known, layout, origin, row.origin, boundary, row.boundary)
            if not differs:
                row.store = store
                break
        else:
            if kinds and not split:
                first, origin, boundary, _ = kinds[0]
                differs = _differences(first, layout, origin, row.origin, boundary, row.boundary)
                row.reason = (
                    f"of another kind than the store: {'; '.join(differs)}. Import it to another store, or --split"
                )
                row.is_failure = True
                continue
            row.store = target if not kinds else target.with_name(_name(target, row))
            kinds.append((layout, row.origin, row.boundary, row.store))


def _differences(
    one: Layout, other: Layout, origin: dict[str, Any], other_origin: dict[str, Any], boundary: str, other_boundary: str
) -> list[str]:
    found = one.differences(other, "there")
    if boundary != other_boundary and not any(text.startswith("boundary") for text in found):
        found.append(f"boundary: there {boundary}, the new lattices {other_boundary}")
    if origin != other_origin:
        found.append(f"made by: there {origin or 'simulation'}, the new lattices {other_origin or 'simulation'}")
    return found


def _name(target: Path, row: Row) -> str:
    """A name for a store of its own: all that lattices may differ in."""
    layout = row.layout
    assert layout is not None
    ny, nx = layout.size
    parts = [f"{ny}x{nx}", "T-unknown" if np.isnan(layout.T) else f"T{layout.T:g}"]
    known = layout.hamiltonian
    parts.append("dmi-unknown" if known is None else f"{known.dmi}{known.handedness:+d}")
    parts += [] if row.boundary == "periodic" else [row.boundary]
    parts += [str(row.origin["generator"])] if "generator" in row.origin else []
    return f"{target.name.removesuffix('.zarr')}_{'_'.join(parts)}.zarr"


def _leave_out_known(rows: list[Row], keep_bits: int | None) -> None:
    """Read every lattice once: those that their store has, or that stand twice, are not new."""
    known: dict[Path, set[Key]] = {}
    for row in rows:
        if row.store is None or row.dataset is None:
            continue
        if row.store not in known:
            known[row.store] = known_keys(row.store)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                ids = fingerprints(row.dataset, keep_bits_of(row.store, keep_bits))
            row.notes += [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
        except SkylatticeError as error:
            row.store, row.reason, row.is_failure = None, str(error), True
            continue
        keys = keys_of(row.dataset, ids)
        new = [k for k, key in enumerate(keys) if key[2] and key not in known[row.store] and key not in keys[:k]]
        known[row.store] |= set(keys)
        row.n_lattices, row.n_new = int((ids != 0).sum()), len(new)
        row.dataset = row.dataset.isel(sample=new)
