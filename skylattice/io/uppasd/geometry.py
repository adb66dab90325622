"""Size, boundaries and order of the atoms of a UppASD run: which row of a spin file is site (y, x) of a layer."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skylattice.io.bounded import read_bounded
from skylattice.io.problems import LocatedError
from skylattice.io.uppasd.deck import Deck

#: Bytes for each atom in a file of coordinates: UppASD prints 56, or 72 of a random alloy.
_ROW_LIMIT = 128
#: Bytes of such a file that are read, which is some 19 million atoms.
_COORD_LIMIT = 1 << 30


@dataclass(frozen=True)
class Geometry:
    """The lattice of a run.

    Attributes
    ----------
    shape
        Number of cells (nz, ny, nx).
    where
        Where that is stated, for error messages.
    boundary
        Of the plane: ``"periodic"``, ``"open"``, ``"open_x"`` or ``"open_y"``.
    is_periodic_z
        Whether the stack of layers is periodic.
    block_size
        UppASD numbers the atoms block by block of this edge length; 1 for x fastest, then y, then z.
    """

    shape: tuple[int, int, int]
    where: str
    boundary: str = "periodic"
    is_periodic_z: bool = False
    block_size: int = 1

    def check_layer(self, layer: int | None) -> int:
        """The layer to read: 0 if there is only one.

        Raises
        ------
        LocatedError
            If there are several and none was chosen, or the chosen one does not exist.
        """
        nz = self.shape[0]
        if layer is None and nz > 1:
            raise LocatedError(self.where, f"expected one layer, found {nz}.", "Choose one: layer=0 is the lowest.")
        if not 0 <= (layer or 0) < nz:
            raise LocatedError(self.where, f"expected a layer from 0 to {nz - 1}, found {layer}.", "Choose another.")
        return layer or 0


def geometry_of_deck(deck: Deck) -> Geometry:
    """Geometry from ``ncell``, ``BC`` and ``block_size``.

    Raises
    ------
    LocatedError
        If ``ncell`` is missing or not positive.
    """
    if "ncell" not in deck:
        raise LocatedError(deck.path, "expected the keyword 'ncell', found none.", "Add it, or give size=(ny, nx).")
    shape = deck.integers("ncell", (0, 0, 0))[::-1]
    (block_size,) = deck.integers("block_size", (1,))
    if min(shape) < 1 or block_size < 1:
        keyword = "ncell" if min(shape) < 1 else "block_size"
        raise LocatedError(deck.where(keyword), f"expected counts >= 1 after {keyword!r}.", "Correct the line.")
    entry = deck.entries.get("bc")
    x, y, z = (token.strip("'\"").upper() == "P" for token in (entry.values[:3] if entry else "000"))
    boundary = {(True, True): "periodic", (False, True): "open_x", (True, False): "open_y"}.get((x, y), "open")
    return Geometry((shape[0], shape[1], shape[2]), deck.where("ncell"), boundary, z, block_size)


def geometry_of_coordinates(path: Path, n_atoms: int) -> tuple[Geometry, np.ndarray]:
    """Geometry, and the row of each site with shape (nz, ny, nx), from a ``coord.SIMID.out``.

    Parameters
    ----------
    path
        The file.
    n_atoms
        Atoms of the spin file that it belongs to.

    Raises
    ------
    LocatedError
        If the file is missing or malformed, or its atoms are of another number or do not form a full rectangular
        lattice.
    """
    positions = _read_coordinates(path, n_atoms)
    indices, shape = [], []
    for axis in (2, 1, 0):
        levels, index = np.unique(np.round(positions[:, axis], 4), return_inverse=True)
        indices.append(index)
        shape.append(len(levels))
        if len(levels) > 2 and not np.allclose(np.diff(levels), levels[1] - levels[0], rtol=0, atol=1e-3):
            shape = [0]
            break
    if np.prod(shape) == len(positions):
        order = np.full(len(positions), -1)
        order[np.ravel_multi_index(tuple(indices), shape)] = np.arange(len(positions))
        if (order >= 0).all():
            nz, ny, nx = shape
            return Geometry((nz, ny, nx), str(path)), order.reshape(shape)
    raise LocatedError(
        path,
        f"expected atoms on a full rectangular lattice, found {len(positions)} atoms that are not.",
        "Only simple square lattices with one atom per cell are read.",
    )


def _read_coordinates(path: Path, n_atoms: int) -> np.ndarray:
    """x, y and z of each atom, shape (n_atoms, 3)."""
    limit = min(_ROW_LIMIT * (n_atoms + 1), _COORD_LIMIT)
    data = read_bounded(path, limit=limit, what=f"the coordinates of {n_atoms} atoms,")
    if not data.strip():
        raise LocatedError(
            path, "expected coordinates, found an empty file.", "Copy the file again, or repeat the run."
        )
    try:
        positions = np.loadtxt(io.BytesIO(data), usecols=(1, 2, 3), ndmin=2, comments=None, encoding="latin1")
    except ValueError as error:
        raise LocatedError(path, f"expected columns atom, x, y, z: {error}.", "Repeat the run.") from None
    if len(positions) != n_atoms:
        raise LocatedError(
            path,
            f"expected {n_atoms} atoms as in the spin file, found {len(positions)}.",
            "One of the two files is of another run, or incomplete.",
        )
    if not (np.abs(positions) < 1e8).all():  # the width of UppASD's columns; false for NaN as well
        raise LocatedError(path, "expected coordinates below 1e8, found others.", "Repeat the run.")
    return positions


def rows_of_layer(geometry: Geometry, layer: int | None, n_atoms: int, spins: Path, coord: Path | None) -> np.ndarray:
    """The row of a spin file for each site of a layer, shape (ny, nx), counted within one ensemble.

    Parameters
    ----------
    geometry, layer
        The lattice, and which of its layers; see :meth:`Geometry.check_layer`.
    n_atoms
        Atoms of the spin file.
    spins
        The spin file.
    coord
        The run's coordinates. If there is such a file, it must agree with the geometry; where the atoms are numbered in
        blocks, it decides. None leaves it alone.

    Raises
    ------
    LocatedError
        If the counts or the coordinates disagree, or there is no such layer.
    """
    nz, ny, nx = geometry.shape
    if nz * ny * nx != n_atoms:
        raise LocatedError(
            spins,
            f"expected {nx} × {ny} × {nz} = {nx * ny * nz} atoms as {geometry.where} says, found {n_atoms}.",
            "The file belongs to another run, or the cell has several atoms, which is not supported.",
        )
    layer = geometry.check_layer(layer)
    order = _order_of_blocks(geometry, n_atoms)
    if coord is not None and coord.exists():
        found, stated = geometry_of_coordinates(coord, n_atoms)
        if found.shape != geometry.shape:
            raise LocatedError(
                coord, f"expected {geometry.shape} cells (z, y, x), found {found.shape}.", f"Compare {geometry.where}."
            )
        if geometry.block_size == 1 and (stated != order).any():
            raise LocatedError(
                coord,
                f"expected the atoms in the order that {geometry.where} implies, found another.",
                "One of the two files is of another run.",
            )
        order = stated
    return order[layer]


def _order_of_blocks(geometry: Geometry, n_atoms: int) -> np.ndarray:
    """The row of each site, shape (nz, ny, nx), as UppASD numbers the atoms."""
    order = np.arange(n_atoms)
    if geometry.block_size > 1:
        z, y, x = (index.ravel() for index in np.indices(geometry.shape))
        b = geometry.block_size
        order[np.lexsort((x, y, z, x // b, y // b, z // b))] = np.arange(n_atoms)
    return order.reshape(geometry.shape)
