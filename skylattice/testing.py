"""Known configurations and test helpers, public: for tests of skylattice, of code that uses it, and for examples.

Every configuration is a dataset that follows :mod:`skylattice.schema`, with D, B and the Hamiltonian set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr

from skylattice.hamiltonian import Hamiltonian
from skylattice.schema import COMPONENTS, FORMAT_VERSION, GRID_DIMS, SPIN_DIMS, label_dataset


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
    ds = xr.Dataset(
        {"spin": ((*GRID_DIMS, *SPIN_DIMS), spin)},
        coords={
            "D": [float(D)],
            "B": [float(B)],
            "realization": np.arange(spin.shape[2]),
            "component": list(COMPONENTS),
            "T": float(T),
        },
        attrs={**(hamiltonian or Hamiltonian()).to_attrs(), "boundary": "periodic", "format_version": FORMAT_VERSION},
    )
    return label_dataset(ds)


def _shape(size: int | Sequence[int]) -> tuple[int, int]:
    """(ny, nx) of a size given as N or (ny, nx)."""
    ny, nx = (size, size) if isinstance(size, int) else size
    return int(ny), int(nx)


def random_spins(shape: Sequence[int], seed: int = 0, dtype: str = "float64") -> np.ndarray:
    """Independent spins, uniform on the sphere, of shape ``(*shape, 3)``."""
    spin = np.random.default_rng(seed).normal(size=(*shape, 3))
    return (spin / np.linalg.norm(spin, axis=-1, keepdims=True)).astype(dtype)


def ferromagnet(size: int | Sequence[int] = 16, *, realizations: int = 1, **parameters: Any) -> xr.Dataset:
    """All spins along +z: energy -2 - B per site, cosθ = 1, Q = 0."""
    spin = np.zeros((realizations, *_shape(size), 3), dtype=np.float32)
    spin[..., 2] = 1.0
    return dataset(spin, **parameters)


def random(size: int | Sequence[int] = 16, *, realizations: int = 1, seed: int = 0, **parameters: Any) -> xr.Dataset:
    """Infinite temperature: every spin independent and uniform on the sphere, float64."""
    return dataset(random_spins((realizations, *_shape(size)), seed), **parameters)


def spiral(turns: int = 16, size: int | Sequence[int] = 200, *, sense: int = 1, **parameters: Any) -> xr.Dataset:
    """A cycloid along x with ``turns`` turns over the lattice, float64.

    The spins are (s sin qx, 0, cos qx) with s = ``sense`` and q = 2π turns / nx. For Néel DMI of handedness +1 and
    B = 0 the ground state along [10] has s = +1 and tan q = D / J, which is the default D; s = -1 turns the DMI
    energy positive.
    """
    ny, nx = _shape(size)
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
    polarity: int = 1,
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
        In-plane angle Φ = vorticity·φ + helicity: (1, π) is the Néel skyrmion of handedness +1, (1, ±π/2) are
        Bloch, vorticity -1 is an antiskyrmion.
    polarity
        +1 for a background along +z and cores along -z; -1 for the opposite. The charge of each is
        -vorticity·polarity.
    """
    ny, nx = _shape(size)
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
    phi = vorticity * angle + helicity
    spin = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), polarity * np.cos(theta)], axis=-1)
    return dataset(spin, **parameters)


def belavin_polyakov(radius: float = 10.0, size: int | Sequence[int] = 200, **parameters: Any) -> xr.Dataset:
    """One skyrmion of m = (2Rx, 2Ry, r²-R²)/(r²+R²) at the middle of the lattice: Q = -1 exactly when periodic."""
    ny, nx = _shape(size)
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
