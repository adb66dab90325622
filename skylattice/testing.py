"""Known configurations and test helpers, public: for tests of skylattice, of code that uses it, and for examples.

Every configuration is a dataset that follows :mod:`skylattice.schema`, with D, B and the Hamiltonian set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr

from skylattice.arrays import spin_dataset
from skylattice.errors import SchemaError
from skylattice.hamiltonian import Hamiltonian
from skylattice.layouts import shape_of
from skylattice.schema import GRID_DIMS, SPIN_DIMS


def dataset(
    spin: np.ndarray,
    *,
    D: float = 0.5,
    B: float = 0.125,
    T: float = 0.006,
    hamiltonian: Hamiltonian | None = None,
) -> xr.Dataset:
    """Wrap realizations of one (D, B) point into a dataset.

    Parameters
    ----------
    spin
        Shape ``(y, x, 3)`` or ``(realization, y, x, 3)``; taken as it is, neither copied nor normalised.
    D, B, T
        Parameters in units of J.
    hamiltonian
        Defaults to ``Hamiltonian()``.

    Returns
    -------
    Dataset with ``spin`` of dims ``(D, B, realization, y, x, component)``, D and B of length 1.
    """
    spin = np.asarray(spin)
    while spin.ndim < 6:
        spin = spin[None]
    coords = {"D": [float(D)], "B": [float(B)], "realization": np.arange(spin.shape[2]), "T": float(T)}
    return spin_dataset((*GRID_DIMS, *SPIN_DIMS), spin, coords, hamiltonian or Hamiltonian())


def random_spins(shape: Sequence[int], seed: int = 0, dtype: str = "float64") -> np.ndarray:
    """Independent spins, uniform on the sphere, of shape ``(*shape, 3)``."""
    spin = np.random.default_rng(seed).normal(size=(*shape, 3))
    return (spin / np.linalg.norm(spin, axis=-1, keepdims=True)).astype(dtype)


def ferromagnet(size: int | Sequence[int] = 16, *, realizations: int = 1, **parameters: Any) -> xr.Dataset:
    """All spins along +z: energy -2 - B per site, cosθ = 1, Q = 0."""
    spin = np.zeros((realizations, *shape_of(size), 3), dtype=np.float32)
    spin[..., 2] = 1.0
    return dataset(spin, **parameters)


def random(size: int | Sequence[int] = 16, *, realizations: int = 1, seed: int = 0, **parameters: Any) -> xr.Dataset:
    """Infinite temperature: every spin independent and uniform on the sphere, float64."""
    return dataset(random_spins((realizations, *shape_of(size)), seed), **parameters)


def spiral(turns: int = 16, size: int | Sequence[int] = 200, *, sense: int = 1, **parameters: Any) -> xr.Dataset:
    """A cycloid along x with ``turns`` turns over the lattice, float64.

    The spins are (s sin qx, 0, cos qx) with s = ``sense`` and q = 2π turns / nx. For Néel DMI of handedness +1 and
    B = 0 the ground state along [10] has s = +1 and tan q = D / J, which is the default D; s = -1 turns the DMI
    energy positive.
    """
    ny, nx = shape_of(size)
    angle = 2 * np.pi * turns / nx * np.arange(nx)
    spin = np.zeros((ny, nx, 3))
    spin[..., 0] = sense * np.sin(angle)
    spin[..., 2] = np.cos(angle)
    return dataset(spin, **{"D": np.tan(2 * np.pi * turns / nx), "B": 0.0, **parameters})


def planted_skyrmions(
    centres: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    *,
    radius: float = 5.0,
    size: int | Sequence[int] = 64,
    vorticity: int = 1,
    helicity: float = np.pi,
    polarity: int = -1,
    **parameters: Any,
) -> xr.Dataset:
    """Skyrmions of compact support on a ferromagnet, float64, at the given centres on the torus.

    Parameters
    ----------
    centres
        (x, y) of each, in sites; may be fractional, and wrap around the torus.
    radius
        Distance in sites at which S_z = 0. The profile θ(r) runs linearly from π to 0 at twice the radius; each
        site belongs to its nearest centre.
    vorticity, helicity
        m and γ of the in-plane angle Φ = m φ - γ: (1, π) is the Néel skyrmion of handedness +1, (1, -π/2) the Bloch
        skyrmion of handedness +1, vorticity -1 is an antiskyrmion.
    polarity
        p, the sign of S_z in the cores; the background points the other way. The charge of each is m p.
    """
    ny, nx = shape_of(size)
    y, x = np.mgrid[:ny, :nx].astype(float)
    distance = np.full((ny, nx), np.inf)
    angle = np.zeros((ny, nx))
    for cx, cy in centres:
        dx = (x - cx + nx / 2) % nx - nx / 2
        dy = (y - cy + ny / 2) % ny - ny / 2
        r = np.hypot(dx, dy)
        closer = r < distance
        distance[closer] = r[closer]
        angle[closer] = np.arctan2(dy, dx)[closer]
    theta = np.pi * np.clip(1 - distance / (2 * radius), 0, 1)
    phi = vorticity * angle - helicity
    spin = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), -polarity * np.cos(theta)], axis=-1)
    return dataset(spin, **parameters)


def hexagonal_points(columns: int = 12, rows: int = 14, spacing: float = 12.0) -> tuple[np.ndarray, tuple[int, int]]:
    """A triangular lattice on a torus of whole sites, slightly strained to fit.

    Parameters
    ----------
    columns, rows
        Points along x, and rows along y; the rows must be even in number to close on the torus.
    spacing
        Lattice constant in sites, before rounding.

    Returns
    -------
    points
        Shape (columns · rows, 2), columns x and y in sites; edges along x.
    size
        (ny, nx) of the torus.

    Examples
    --------
    >>> points, size = hexagonal_points(4, 4, 10)
    >>> len(points), size
    (16, (35, 40))
    """
    if rows % 2:
        raise SchemaError(f"rows: expected an even number to close on the torus, found {rows}.")
    size = (round(rows * spacing * np.sqrt(3) / 2), round(columns * spacing))
    row, column = np.divmod(np.arange(rows * columns), columns)
    return np.column_stack([(column + 0.5 * (row % 2)) * size[1] / columns, row * size[0] / rows]), size


def with_dislocations(
    points: np.ndarray, size: tuple[int, int], start: Sequence[float], stop: Sequence[float], burgers: Sequence[float]
) -> np.ndarray:
    """Points on a torus, sheared by a pair of dislocations: -``burgers`` at ``start`` and +``burgers`` at ``stop``.

    Each point moves by ``burgers`` times the angle under which it sees the line from ``start`` to ``stop`` and its
    nearer images, over 2π. No point is lost or added if the Burgers vector is a lattice vector along the line.
    """
    ny, nx = size
    angle = np.zeros(len(points))
    for shift in np.ndindex(9, 9):
        image = (np.array(shift) - 4) * (nx, ny)
        p, q = points - image - start, points - image - stop
        angle += np.arctan2(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0], (p * q).sum(axis=1))
    return (points + np.outer(angle / (2 * np.pi), burgers)) % (nx, ny)


def relaxed_points(points: np.ndarray, size: tuple[int, int], steps: int = 200) -> np.ndarray:
    """Points on a torus after overdamped motion under a soft repulsion, which evens out planted boundaries."""
    period = np.array(size[::-1], dtype=float)
    scale = np.sqrt(period.prod() / len(points))
    for _ in range(steps):
        apart = points[:, None] - points
        apart -= period * np.round(apart / period)
        push = np.exp(-((apart / scale) ** 2).sum(axis=-1) / 0.5)
        points = (points + 0.5 * (push[..., None] * apart).sum(axis=1)) % period
    return points


def bicrystal_points(
    p: int = 4, q: int = 3, *, periods: int = 2, layers: int = 1, spacing: float = 12.0
) -> tuple[np.ndarray, tuple[int, int], float]:
    """Two grains on a torus, mirror images of each other, with boundaries along x.

    Parameters
    ----------
    p, q
        The lattice vector p·(1, 0) + q·(1/2, √3/2) lies along x in one grain, its mirror image in the other.
    periods
        Length of the boundaries in that vector.
    layers
        Height of a grain in the shortest lattice vector at right angles to it.
    spacing
        Lattice constant in sites, before rounding.

    Returns
    -------
    points
        Shape (n, 2), columns x and y in sites; relaxed.
    size
        (ny, nx) of the torus.
    misorientation
        Angle between the grains in [0, π/6] rad.
    """
    along, across = p + q / 2, q * np.sqrt(3) / 2
    period, turn = np.hypot(along, across), np.arctan2(across, along)
    normal = np.sqrt(3) * period / np.gcd(p + 2 * q, 2 * p + q)
    nx, height = round(periods * period * spacing), round(layers * normal * spacing)
    a = nx / (periods * period)
    reach = 3 * int(max(nx, height) / spacing)
    i, j = np.mgrid[-reach:reach, -reach:reach].reshape(2, -1)
    lattice = a * ((i + 0.5 * j) + 1j * np.sqrt(3) / 2 * j) * np.exp(-1j * turn)
    x, y = lattice.real, lattice.imag * height / (layers * normal * a)
    inside = (x >= -1e-6) & (x < nx - 1e-6) & (y >= -1e-6) & (y <= height + 1e-6)
    x, y = x[inside], y[inside]
    # a point that would come too close to its mirror image goes onto the boundary
    y = np.where(y < 0.4 * a, 0, np.where(y > height - 0.4 * a, height, y))
    mirrored = np.column_stack([x, -y])[(y > 0) & (y < height)]
    points = np.concatenate([np.column_stack([x, y]), mirrored]) % (nx, 2 * height)
    points = relaxed_points(points, (2 * height, nx))
    misorientation = 2 * turn % (np.pi / 3)
    return points, (2 * height, nx), min(misorientation, np.pi / 3 - misorientation)


def hexagonal_skyrmions(
    columns: int = 12, rows: int = 14, spacing: float = 12.0, *, radius: float | None = None, **parameters: Any
) -> xr.Dataset:
    """A perfect lattice of planted skyrmions: :func:`hexagonal_points`, then :func:`planted_skyrmions`.

    ``radius`` defaults to a fifth of the lattice constant; ``parameters`` are those of :func:`planted_skyrmions`.
    """
    points, size = hexagonal_points(columns, rows, spacing)
    return _textured(points, size, 0.2 * spacing if radius is None else radius, **parameters)


def hexagonal_ensemble(columns: int = 12, rows: int = 14, spacing: float = 12.0, **parameters: Any) -> xr.Dataset:
    """Planted defects in lattices of skyrmions: one realization each, named by the coordinate ``planted``.

    "perfect"; "pairs", two dislocations, 5-7 pairs a few lattice constants apart; "vacancy"; "interstitial".
    """
    points, size = hexagonal_points(columns, rows, spacing)
    a, row = size[1] / columns, size[0] / rows
    middle, start = points[len(points) // 2], (a * (columns // 4), row * (rows // 2 - 0.5))
    planted = {
        "perfect": points,
        "pairs": with_dislocations(points, size, start, (start[0] + a * (columns // 2), start[1]), (a, 0)),
        "vacancy": np.delete(points, len(points) // 2, axis=0),
        "interstitial": np.concatenate([points, [middle + np.array([a / 2, 0.3 * row])]]),
    }
    parts = [_textured(where, size, 0.2 * spacing, **parameters) for where in planted.values()]
    ds = xr.concat(parts, "realization", join="override").assign_coords(realization=np.arange(len(parts)))
    return ds.assign_coords(planted=("realization", np.array(list(planted), dtype=object)))


def _textured(points: np.ndarray, size: tuple[int, int], radius: float, **parameters: Any) -> xr.Dataset:
    """Planted skyrmions at the given points."""
    return planted_skyrmions([(x, y) for x, y in points], radius=radius, size=size, **parameters)


def belavin_polyakov(radius: float = 10.0, size: int | Sequence[int] = 200, **parameters: Any) -> xr.Dataset:
    """One skyrmion of m = (2Rx, 2Ry, r²-R²)/(r²+R²) at the middle of the lattice: Q = -1 exactly when periodic."""
    ny, nx = shape_of(size)
    y, x = np.mgrid[:ny, :nx].astype(float)
    x, y = x - nx // 2, y - ny // 2
    r2 = x**2 + y**2
    spin = np.stack([2 * radius * x, 2 * radius * y, r2 - radius**2], axis=-1) / (r2 + radius**2)[..., None]
    return dataset(spin, **parameters)


@contextmanager
def raise_if_computes() -> Iterator[None]:
    """Fail when anything is computed with Dask inside the block: building a graph must not compute.

    Examples
    --------
    >>> ds = ferromagnet().chunk()
    >>> with raise_if_computes():
    ...     lazy = ds.spin.mean()
    """
    import dask

    def scheduler(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a lazy array was computed while its graph was being built")

    with dask.config.set(scheduler=scheduler):
        yield
