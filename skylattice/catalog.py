"""Catalogs of ensembles and models: Intake YAML files, read without running anything that they say.

A catalog is a version-1 Intake file with ``driver: zarr`` entries, so that ``intake.open_catalog`` opens it as well.
Here it is parsed as plain data: of Intake's templates only ``{{ CATALOG_DIR }}`` is filled in, and no plugin, shell
command or environment variable is looked up. Intake itself is therefore not needed, only for Intake's own interface.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.bundled import bundled
from skylattice.errors import FormatError, StoreError
from skylattice.io.guard import explained
from skylattice.io.store import open_ensemble
from skylattice.schema import STATUS

if TYPE_CHECKING:
    from skylattice.vae.model import VAE

ENSEMBLE_DRIVER = "zarr"
MODEL_DRIVER = "skylattice_model"

_FOLDER_TEMPLATE = re.compile(r"\{\{\s*CATALOG_DIR\s*\}\}")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*(::|://)", re.IGNORECASE)


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
    """

    name: str
    driver: str
    source: str
    description: str = ""
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """Folder of a local ensemble; None for a remote one and for a model."""
        if self.driver != ENSEMBLE_DRIVER or (_SCHEME.match(self.source) and not self.source.startswith("file://")):
            return None
        return Path(self.source.removeprefix("file://"))

    def open(self) -> xr.Dataset | VAE:
        """The ensemble, lazily, or the model.

        Raises
        ------
        StoreError, ModelError
            If it is not there or damaged.
        FormatError
            If the entry has another driver.
        """
        if self.driver == ENSEMBLE_DRIVER:
            return open_ensemble(self.path or self.source, storage_options=dict(self.storage_options) or None)
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


def open_catalog(path: str | os.PathLike[str] | None = None) -> Catalog:
    """Read a catalog; its entries open lazily, one by one.

    Parameters
    ----------
    path
        An Intake YAML file; default: the one that comes with skylattice.

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
    return Catalog(path, {str(name): _entry(path, str(name), source) for name, source in sources.items()})


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
    document: dict[str, Any] = _read(path) if path.exists() else {"metadata": {"version": 1}, "sources": {}}
    metadata = describe(open_ensemble(source, storage_options=dict(storage_options or {}) or None))
    args: dict[str, Any] = {"urlpath": source, "consolidated": False}
    if not _SCHEME.match(source):
        metadata["checksum"] = checksum(source)
        relative = Path(os.path.relpath(source, path.parent)).as_posix()
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
    with explained(path):
        path.write_text(_leading_comments(path) + text, encoding="utf-8")
    return open_catalog(path)[name]


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
            digest.update(file.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def _axis(values: np.ndarray) -> dict[str, Any]:
    return {"min": float(values.min()), "max": float(values.max()), "count": len(values)}


def _read(path: Path) -> dict[str, Any]:
    """The parsed file: its ``sources`` are a mapping of mappings."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FormatError(f"{path}: there is no catalog here. Write one with: skylattice catalog add STORE") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: expected a catalog in YAML, found a file that does not parse: {error}") from None
    sources = document.get("sources") if isinstance(document, dict) else None
    if not isinstance(sources, dict) or not all(isinstance(source, dict) for source in sources.values()):
        raise FormatError(f"{path}: expected an Intake catalog with a mapping 'sources'. See catalogs/template.yaml.")
    return document


def _entry(path: Path, name: str, source: Mapping[str, Any]) -> Entry:
    driver, args = str(source.get("driver")), source.get("args") or {}
    key = "model" if driver == MODEL_DRIVER else "urlpath"
    if driver in (ENSEMBLE_DRIVER, MODEL_DRIVER) and not isinstance(args.get(key), str):
        raise FormatError(f"{path}, entry {name!r}: expected args with a string {key!r}, found {args!r}.")
    folder = path.parent.resolve().as_posix()
    target = _FOLDER_TEMPLATE.sub(lambda _: folder, str(args.get(key, "")))
    if "{{" in target or "{%" in target:
        raise FormatError(
            f"{path}, entry {name!r}: expected no template but {{{{ CATALOG_DIR }}}}, found {args[key]!r}. "
            "Write the path itself."
        )
    return Entry(
        name=name,
        driver=driver,
        source=target,
        description=str(source.get("description") or ""),
        storage_options=dict(args.get("storage_options") or {}),
        metadata=dict(source.get("metadata") or {}),
    )


def _leading_comments(path: Path) -> str:
    """The comment lines at the top of a file, if there is one."""
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    return "".join(lines[:end])
