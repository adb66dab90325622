"""Plain numpy forms of every observable on lattices with open boundaries and empty sites, site by site. One each."""

import numpy as np
import oracles
import xarray as xr

from skylattice import testing
from skylattice.boundary import Boundary, Sites

TOKENS = ["periodic", "open", "open_y", "open_x"]


def lattice(size, seed, token="open", share=1.0, **parameters):
    """A rough lattice with a boundary, and about a share of its sites."""
    ds = testing.dataset(testing.random_spins(size, seed), **parameters).sky.with_boundary(token)
    if share == 1.0:
        return ds
    mask = np.random.default_rng(seed).random(size) < share
    mask.flat[seed % mask.size] = True
    return ds.assign(spin=ds.spin * mask[..., None], mask=(("y", "x"), mask))


def parts(ds):
    """Unit spins (y, x, 3), where sites are (y, x), and the boundary."""
    spin = ds.spin.values.reshape(*ds.spin.shape[-3:])
    mask = ds.mask.values if "mask" in ds else np.ones(spin.shape[:2], bool)
    length = np.linalg.norm(spin, axis=-1, keepdims=True)
    return spin / np.where(length == 0, 1, length), mask, Boundary.from_attrs(ds.attrs)


def step(site, dy, dx, mask, boundary):
    """The site so far along y and x; None if there is none, or no bond along an axis of one site."""
    y, x = site[0] + dy, site[1] + dx
    ny, nx = mask.shape
    if (dy and not boundary.y and not 0 <= y < ny) or (dx and not boundary.x and not 0 <= x < nx):
        return None
    return (y % ny, x % nx) if mask[y % ny, x % nx] else None


def bonds(ds, hamiltonian, D):
    """Each bond once: its two sites and D_ij."""
    _, mask, boundary = parts(ds)
    for site in map(tuple, np.argwhere(mask)):
        for (dy, dx), vector in zip(
            ((0, 1), (1, 0)), hamiltonian.handedness * D * np.array(oracles.BONDS[hamiltonian.dmi]), strict=True
        ):
            other = step(site, dy, dx, mask, boundary)
            if other is not None and mask.shape[0 if dy else 1] > 1:
                yield site, other, vector


def energies(ds):
    """Energy per site that is there: total, exchange, DMI, Zeeman."""
    spin, mask, _ = parts(ds)
    hamiltonian, D, B = ds.sky.hamiltonian, ds.D.item(), ds.B.item()
    exchange = dmi = 0.0
    for a, b, vector in bonds(ds, hamiltonian, D):
        exchange -= hamiltonian.J * spin[a] @ spin[b]
        dmi -= vector @ np.cross(spin[a], spin[b])
    terms = np.array([exchange, dmi, -B * spin[..., 2].sum()]) / mask.sum()
    return terms.sum(), *terms


def field(ds):
    """-∂H/∂S of each site, 0 where there is none."""
    spin, mask, _ = parts(ds)
    hamiltonian, D, B = ds.sky.hamiltonian, ds.D.item(), ds.B.item()
    h = np.zeros_like(spin)
    h[mask] = [0, 0, B]
    for a, b, vector in bonds(ds, hamiltonian, D):
        h[a] += hamiltonian.J * spin[b] + np.cross(spin[b], vector)
        h[b] += hamiltonian.J * spin[a] + np.cross(vector, spin[a])
    return h


def charge_density(ds, diagonal="main"):
    """Berg-Lüscher charge of the plaquettes whose corners are all there."""
    spin, mask, boundary = parts(ds)
    density = np.zeros(mask.shape)
    for site in map(tuple, np.argwhere(mask)):
        right, above = step(site, 0, 1, mask, boundary), step(site, 1, 0, mask, boundary)
        across = step(site, 1, 1, mask, boundary)
        if None in (right, above, across):
            continue
        o, r, c, u = (spin[s] for s in (site, right, across, above))
        triangles = ((o, r, c), (o, c, u)) if diagonal == "main" else ((o, r, u), (r, c, u))
        density[site] = sum(oracles.triangle_charge(*triangle) for triangle in triangles)
    return density


def sites(ds):
    """What functions of arrays take beside the spins."""
    return Sites.of(ds)


def disc(radius, size):
    """A mask: the sites within a radius around the middle."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return xr.DataArray(np.hypot(y, x) < radius, dims=("y", "x"))
