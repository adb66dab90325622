"""Turns of spins, and of lattices with their spins, by quarters about z: exact, since they only exchange components."""

from __future__ import annotations

import numpy as np


def turn_spins(spin, quarters):
    """Spins, shape (..., 3), turned about z by quarter turns counter-clockwise; the sites stay."""
    order, signs = (
        ((0, 1, 2), (1, 1, 1)),
        ((1, 0, 2), (-1, 1, 1)),
        ((0, 1, 2), (-1, -1, 1)),
        ((1, 0, 2), (1, -1, 1)),
    )[quarters % 4]
    return spin[..., order] * np.array(signs, dtype=spin.dtype)


def rotate_lattices(spin, quarters, rotation_sign):
    """Lattices, shape (..., y, x, 3), turned counter-clockwise, x right and y up: site (y, x) goes to (x, ny - 1 - y).

    The spins go along, or the other way for ``rotation_sign`` -1 (the antiskyrmion DMI), so that energies stay.
    """
    # rows go up along y: numpy's counter-clockwise is ours clockwise
    return turn_spins(np.rot90(spin, -quarters % 4, axes=(-3, -2)), quarters * rotation_sign)
