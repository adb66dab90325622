"""From format version 1 to the present one: spins keep their bytes, everything around them is written anew."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from skylattice.errors import StoreError
from skylattice.io.atomic import new_folder
from skylattice.io.checked import key_of, open_group, translated
from skylattice.io.chunks import PER_LATTICE
from skylattice.io.guard import explained, local_path, locked
from skylattice.io.lattices import lattice_ids
from skylattice.io.layout import layout_of
from skylattice.io.seals import read_document, seal_folder, write_document
from skylattice.io.store import check_version, no_store, open_ensemble
from skylattice.io.writing import fill_new_store
from skylattice.schema import FORMAT_VERSION, GRID_DIMS

#: Attributes that the layout writes.
_OF_LAYOUT = ("format_version", "spin_keep_bits", "spin_max_error", "store")


def upgrade_store(path: str | os.PathLike[str]) -> bool:
    """Convert a store of format version 1 in one step: who reads it meanwhile sees the old one or the new one.

    The files of the spins are copied as they are. Lattices that have no ``lattice_id`` yet get one, for which their
    spins are read. Results beside the store stay, and stay readable.

    Parameters
    ----------
    path
        A local store that nobody writes to.

    Returns
    -------
    Whether there was something to do.

    Raises
    ------
    StoreError
        If there is no store, or something in it is damaged; nothing is changed then.
    """
    path = local_path(path)
    try:
        old = open_group(path)
    except FileNotFoundError:
        raise no_store(path) from None
    check_version(old.attrs, path)
    if old.attrs["format_version"] == FORMAT_VERSION:
        return False
    with explained(path), locked(path, "grid", timeout=60), new_folder(path) as folder:
        _convert(path, old, folder)
    return True


def _convert(path: Path, old: Any, folder: Path) -> None:
    import zarr

    ds = open_ensemble(path)
    with translated(str(path)):
        grid = {name: old[name][:] for name in GRID_DIMS}  # in the order of the store, which its files follow
    attrs = {key: value for key, value in ds.attrs.items() if key not in _OF_LAYOUT}
    fill_new_store(folder, grid, layout_of(ds, ds.attrs.get("spin_keep_bits")), attrs)
    new: Any = zarr.open_group(folder, mode="r+")
    document = read_document(path / "spin", sealed=False)
    document |= {"chunk_key_encoding": read_document(folder / "spin", sealed=False)["chunk_key_encoding"]}
    document["attributes"] = new["spin"].attrs.asdict()
    document["shape"] = list(new["spin"].shape)
    write_document(folder / "spin", document)
    new = zarr.open_group(folder, mode="r+")
    _copy_shards(path, old["spin"], new["spin"], folder)
    shape = new["status"].shape
    for name in PER_LATTICE:
        if name in old:
            with translated(str(path), name):
                values = old[name][tuple(map(slice, shape))]
            new[name].with_config({"write_empty_chunks": True})[:] = values
    if "lattice_id" not in old:
        ids = np.zeros(shape, np.uint64)
        for i, j in np.ndindex(shape[:2]):
            with translated(str(path), "spin"):
                ids[i, j] = lattice_ids(new["spin"][i, j])
        new["lattice_id"].with_config({"write_empty_chunks": True})[:] = ids
    seal_folder(folder)


def _copy_shards(path: Path, old: Any, new: Any, folder: Path) -> None:
    """Every file of the spins under its new name."""
    unit = old.shards or old.chunks
    for place in np.ndindex(*(-(-n // u) for n, u in zip(new.shape, unit, strict=True))):
        source = path / key_of(old, place)
        if source.exists():
            if source.is_symlink() or not source.is_file():
                raise StoreError(f"{source}: expected a file of spins, found something else. Copy it there.")
            shutil.copyfile(source, folder / key_of(new, place))
