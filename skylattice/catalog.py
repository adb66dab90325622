"""Catalogs of ensembles and models: Intake YAML files, read without running anything that they say.

What an entry opens on this machine lies below the catalog's folder, or below folders that the caller names: a catalog
from somebody else does not choose among all files of whoever opens it.

A catalog is a version-1 Intake file with ``driver: zarr`` entries, so that ``intake.open_catalog`` opens it as well.
Here it is parsed as plain data: of Intake's templates only ``{{ CATALOG_DIR }}`` is filled in, and no plugin, shell
command or environment variable is looked up. Intake itself is therefore not needed, only for Intake's own interface.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.bundled import bundled
from skylattice.errors import FormatError, StoreError
from skylattice.io.bounded import open_bounded, read_bounded
from skylattice.io.guard import explained, replacing
from skylattice.io.locations import local_folder
from skylattice.io.plain import read_plain_yaml
from skylattice.io.problems import shown
from skylattice.io.store import open_ensemble
from skylattice.schema import STATUS

if TYPE_CHECKING:
    from skylattice.vae.model import VAE

ENSEMBLE_DRIVER = "zarr"
MODEL_DRIVER = "skylattice_model"

_FOLDER_TEMPLATE = re.compile(r"\{\{\s*CATALOG_DIR\s*\}\}")
#: A model by name is a shipped one.
_PLAIN_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._+-]*")


@dataclass(frozen=True)
class Entry:
    """One entry of a catalog; nothing is opened before :meth:`open`.

    Attributes
    ----------
    name, description, driver
        As in the file; the driver is ``"zarr"`` for an ensemble and ``"skylattice_model"`` for a model.
    source
        Path or URL of an ensemble, name or folder of a model.
    storage_options
        Passed to fsspec for URLs.
    metadata
        What the catalog states: grid, size, number of lattices, checksum.
    roots
        Folders below which local paths must lie; None for an entry that the caller made.
    """

    name: str
    driver: str
    source: str
    description: str = ""
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    roots: tuple[Path, ...] | None = None

    @property
    def path(self) -> Path | None:
        """Folder of a local ensemble, however its address is written; None for a remote one and for a model."""
        return local_folder(self.source) if self.driver == ENSEMBLE_DRIVER else None

    @property
    def is_allowed(self) -> bool:
        """Whether what it opens on this machine, symbolic links followed, lies below one of ``roots``."""
        path = self.path if self.driver == ENSEMBLE_DRIVER else Path(self.source)
        if path is None or self.roots is None or (self.driver == MODEL_DRIVER and _PLAIN_NAME.fullmatch(self.source)):
            return True
        return any(path.resolve().is_relative_to(root) for root in self.roots)

    def open(self) -> xr.Dataset | VAE:
        """The ensemble, lazily, or the model.

        Raises
        ------
        StoreError, ModelError
            If it is not there or damaged.
        FormatError
            If the entry has another driver, or leads out of the catalog's folder.
        """
        if self.driver in (ENSEMBLE_DRIVER, MODEL_DRIVER) and not self.is_allowed:
            raise FormatError(
                f"{self.source}: expected a path below {' or '.join(map(str, self.roots or ()))} in entry "
                f"{self.name!r} of the catalog, found one outside. If you trust it, name its folder: "
                "open_catalog(..., roots=[FOLDER])."
            )
        if self.driver == ENSEMBLE_DRIVER:
            if self.path is not None:
                return open_ensemble(self.path)
            return open_ensemble(self.source, storage_options=dict(self.storage_options) or None)
        if self.driver == MODEL_DRIVER:
            from skylattice.vae import load

            return load(self.source)
        raise FormatError(
            f"{self.name}: expected driver {ENSEMBLE_DRIVER!r} or {MODEL_DRIVER!r}, found {self.driver!r}. "
            "Open this entry with intake.open_catalog."
        )

    def verify(self) -> None:
        """Open the entry and compare it with what the catalog states.

        Raises
        ------
        StoreError
            If grid, size or checksum differ from the entry's.
        """
        opened = self.open()
        if not isinstance(opened, xr.Dataset):
            return
        found = describe(opened)
        if self.path is not None and "checksum" in self.metadata:
            found["checksum"] = checksum(self.path)
        different = {key: value for key, value in found.items() if key in self.metadata and self.metadata[key] != value}
        if different:
            stated = {key: self.metadata[key] for key in different}
            raise StoreError(
                f"{self.source}: expected {stated} as entry {self.name!r} of the catalog says, found {different}. "
                "Copy the store again, or renew its entry: skylattice catalog add."
            )


class Catalog(Mapping[str, Entry]):
    """The entries of one file by name: :func:`open_catalog`."""

    def __init__(self, path: Path, entries: Mapping[str, Entry]) -> None:
        self.path = path
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise KeyError(f"{self.path} has no entry {name!r}; it has {sorted(self._entries)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        lines = [f"  {entry.name}: {entry.description}".rstrip(": ") for entry in self.values()]
        return "\n".join([f"<skylattice.Catalog {self.path}>", *lines])


def shipped_catalog() -> Path:
    """The catalog that comes with skylattice."""
    return bundled("catalogs") / "skylattice.yaml"


def open_catalog(
    path: str | os.PathLike[str] | None = None, *, roots: Iterable[str | os.PathLike[str]] = ()
) -> Catalog:
    """Read a catalog; its entries open lazily, one by one.

    Parameters
    ----------
    path
        An Intake YAML file; default: the one that comes with skylattice.
    roots
        Folders besides the catalog's own whose stores and models its entries may open; ``["/"]`` for all.

    Returns
    -------
    Mapping from names to :class:`Entry`.

    Raises
    ------
    FormatError
        If the file is missing or is not a catalog, or an entry asks for a template other than ``{{ CATALOG_DIR }}``.

    Examples
    --------
    >>> import skylattice
    >>> catalog = skylattice.open_catalog()
    >>> dict(catalog["example"].open().sizes)
    {'D': 5, 'B': 8, 'realization': 2, 'y': 80, 'x': 80, 'component': 3}
    """
    path = shipped_catalog() if path is None else Path(path)
    sources = _read(path)["sources"]
    folders = tuple(Path(root).resolve() for root in (path.resolve().parent, *roots))
    return Catalog(path, {str(name): _entry(path, str(name), source, folders) for name, source in sources.items()})


def add_store(
    catalog: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    name: str | None = None,
    description: str = "",
    storage_options: Mapping[str, Any] | None = None,
) -> Entry:
    """Write an entry for a store into a catalog, replacing one of that name; creates the file if there is none.

    Parameters
    ----------
    catalog
        The YAML file. Comments at its top are kept, others are not.
    store
        Folder of the store, written relative to the catalog, or an fsspec URL.
    name
        Default: the store's name without ``.zarr``.
    description
        A line for people.
    storage_options
        Written as given: leave secrets to the environment of whoever opens the store.

    Returns
    -------
    The entry, with grid, size, number of lattices and, for a local store, its checksum.

    Raises
    ------
    StoreError
        If there is no store.
    FormatError
        If ``catalog`` exists and is no catalog.
    """
    import yaml

    path, source = Path(catalog), os.fspath(store)
    folder = local_folder(source)
    document: dict[str, Any] = _read(path) if path.exists() else {"metadata": {"version": 1}, "sources": {}}
    metadata = describe(open_ensemble(folder or source, storage_options=dict(storage_options or {}) or None))
    args: dict[str, Any] = {"urlpath": source, "consolidated": False}
    if folder is not None:
        metadata["checksum"] = checksum(folder)
        relative = Path(os.path.relpath(folder, path.parent)).as_posix()
        args["urlpath"] = "{{ CATALOG_DIR }}/" + relative
    if storage_options:
        args["storage_options"] = dict(storage_options)
    name = name or Path(source).name.removesuffix(".zarr")
    document["sources"][name] = {
        "driver": ENSEMBLE_DRIVER,
        "description": description or f"{metadata['lattices']} lattices",
        "args": args,
        "metadata": metadata,
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    with explained(path), replacing(path) as file:
        file.write((_leading_comments(path) + text).encode())
    return open_catalog(path, roots=[] if folder is None else [folder])[name]


def describe(ds: xr.Dataset) -> dict[str, Any]:
    """Grid, size and number of lattices of an ensemble, in plain numbers, without reading spins."""
    return {
        "D": _axis(ds["D"].values),
        "B": _axis(ds["B"].values),
        "realizations": int(ds.sizes["realization"]),
        "size": [int(ds.sizes["y"]), int(ds.sizes["x"])],
        "T": float(ds["T"]),
        "dmi": str(ds.attrs.get("dmi", "unknown")),
        "handedness": int(ds.attrs.get("handedness", 0)),
        "lattices": int((ds["status"] == STATUS["done"]).sum()),
    }


def checksum(store: str | os.PathLike[str]) -> str:
    """SHA-256 over names and contents of a local store's files, in the order of their names."""
    digest = hashlib.sha256()
    store = Path(store)
    for file in sorted(store.rglob("*"), key=lambda f: f.relative_to(store).as_posix()):
        if file.is_file():
            digest.update(f"{file.relative_to(store).as_posix()}\0{file.stat().st_size}\0".encode())
            with open_bounded(file, limit=None) as content:
                while block := content.read(1 << 20):
                    digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _axis(values: np.ndarray) -> dict[str, Any]:
    return {"min": float(values.min()), "max": float(values.max()), "count": len(values)}


def _read(path: Path) -> dict[str, Any]:
    """The parsed file: its ``sources`` are a mapping of mappings."""
    if not path.exists():
        raise FormatError(f"{path}: there is no catalog here. Write one with: skylattice catalog add STORE")
    document = read_plain_yaml(path, what="a catalog")
    sources = document.get("sources") if isinstance(document, dict) else None
    if not isinstance(sources, dict) or not all(isinstance(source, dict) for source in sources.values()):
        raise FormatError(f"{path}: expected an Intake catalog with a mapping 'sources'. See catalogs/template.yaml.")
    return document


def _entry(path: Path, name: str, source: Mapping[str, Any], roots: tuple[Path, ...]) -> Entry:
    driver, args, metadata = str(source.get("driver")), source.get("args") or {}, source.get("metadata") or {}
    key = "model" if driver == MODEL_DRIVER else "urlpath"
    is_known = driver in (ENSEMBLE_DRIVER, MODEL_DRIVER)
    if (
        not isinstance(args, dict)
        or not isinstance(metadata, dict)
        or (is_known and not isinstance(args.get(key), str))
    ):
        raise FormatError(
            f"{path}, entry {name!r}: expected args with a string {key!r}, and metadata with names, found "
            f"{shown(repr(args))} and {shown(repr(metadata))}."
        )
    options = args.get("storage_options") or {}
    if not isinstance(options, dict):
        raise FormatError(f"{path}, entry {name!r}: expected storage_options with names, found {shown(repr(options))}.")
    folder = path.parent.resolve().as_posix()
    target = _FOLDER_TEMPLATE.sub(lambda _: folder, str(args.get(key, "")))
    if "{{" in target or "{%" in target:
        raise FormatError(
            f"{path}, entry {name!r}: expected no template but {{{{ CATALOG_DIR }}}}, found {shown(args[key])!r}. "
            "Write the path itself."
        )
    return Entry(
        name=name,
        driver=driver,
        source=target,
        description=str(source.get("description") or ""),
        storage_options=options,
        metadata=metadata,
        roots=roots,
    )


def _leading_comments(path: Path) -> str:
    """The comment lines at the top of a file, if there is one."""
    if not path.exists():
        return ""
    lines = read_bounded(path, what="a catalog").decode("utf-8").splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    return "".join(lines[:end])
