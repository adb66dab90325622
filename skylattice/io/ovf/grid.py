"""Points with coordinates on a square lattice: which point is which site, in whatever order they come."""

from __future__ import annotations

import numpy as np

from skylattice.io.problems import LocatedError

#: Largest accepted distance of a point from its site, in units of the spacing along the axis.
_TOLERANCE = 0.01


def grid_of_points(positions: np.ndarray, *, where: str) -> tuple[tuple[int, int, int], np.ndarray]:
    """The rectangular grid that points form.

    Parameters
    ----------
    positions
        x, y, z of each point, shape (n, 3), finite, in any unit of length.
    where
        What to name in errors.

    Returns
    -------
    (nz, ny, nx), and the point at each site in an array of that shape.

    Raises
    ------
    LocatedError
        If the points are not evenly spaced, some are missing or double, or the spacings along x and y differ.

    Examples
    --------
    >>> import numpy as np
    >>> grid_of_points(np.array([[1.0, 0, 0], [0, 0, 0]]), where="example")
    ((1, 1, 2), array([[[1, 0]]]))
    """
    smallest = 1e-6 * float(np.ptp(positions, axis=0).max())
    axes = [_levels(positions[:, axis], smallest) for axis in range(3)]
    names = "xyz"
    for name, axis in zip(names, axes, strict=True):
        if axis is None:
            raise _no_grid(where, f"found points that are not evenly spaced along {name}")
    (nx, dx, x), (ny, dy, y), (nz, _, z) = (axis for axis in axes if axis is not None)
    if nx > 1 and ny > 1 and abs(dx - dy) > _TOLERANCE * dx:
        raise _no_grid(where, f"found spacings of {dx:g} along x and {dy:g} along y")
    n_points = len(positions)
    order = np.full(min(nx * ny * nz, n_points), -1)
    if nx * ny * nz == n_points:
        order[(z * ny + y) * nx + x] = np.arange(n_points)
    if nx * ny * nz != n_points or (order < 0).any():
        raise _no_grid(where, f"found {n_points} points on {nx} × {ny} × {nz} sites, some of them empty or taken twice")
    return (nz, ny, nx), order.reshape(nz, ny, nx)


def _levels(values: np.ndarray, smallest: float) -> tuple[int, float, np.ndarray] | None:
    """Number of evenly spaced levels, their distance, and the level of each value; None if they are not even.

    Values that lie within ``smallest`` are one level.
    """
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    extent = float(ordered[-1] - ordered[0])
    if extent <= smallest:
        return 1, 0.0, np.zeros(len(values), np.int64)
    n_steps = int((gaps > 0.5 * gaps.max()).sum())  # the others are rounding within a level
    step = extent / n_steps
    level = np.rint((values - ordered[0]) / step)
    is_even = np.abs(values - ordered[0] - level * step).max() <= _TOLERANCE * step
    return (n_steps + 1, step, level.astype(np.int64)) if is_even else None


def _no_grid(where: str, found: str) -> LocatedError:
    return LocatedError(
        where,
        f"expected points on a full rectangular grid of square cells, {found}.",
        "Only full square lattices are read: cut out a part that is one, or resample.",
    )
