"""Detection, triangulation and classification of 200 × 200 lattices with about 200 skyrmions, beside the plain way.

The plain way labels with scipy, joins labels across the border, and triangulates a 3 × 3 tiling of the centres.
"""

import time

import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster
from scipy import ndimage
from scipy.spatial import Delaunay
from timing import median_rate

from skylattice import testing
from skylattice.boundary import TORUS, Boundary
from skylattice.data import open_example
from skylattice.defects.classify import defects, find_defects
from skylattice.defects.detect import _detect, skyrmions
from skylattice.defects.grains import grains_of_mesh
from skylattice.defects.triangulate import _by_qhull, triangulate
from skylattice.kernels.phase import phase
from skylattice.schema import PHASE

N, LATTICES, SCALED = 200, 16, 5000


@pytest.fixture(scope="module")
def lattices():
    """The shipped lattice, shifted on the torus: nothing is the same twice but the answer."""
    ds = open_example().load()
    shifts = np.random.default_rng(0).integers(N, size=(LATTICES, 2))
    rolled = [np.roll(ds.spin.values[0, 0, 0], shift, axis=(0, 1)) for shift in shifts]
    return testing.dataset(np.stack(rolled), D=ds.D.item(), B=ds.B.item())


def plain_centres(spin):
    """Mean positions of reversed clusters with scipy.ndimage; labels that meet across the border are joined."""
    label, n = ndimage.label(spin[..., 2] < 0)
    names = np.arange(n + 1)
    for a, b in ((label[0], label[-1]), (label[:, 0], label[:, -1])):
        for k, m in {(k, m) for k, m in zip(a, b, strict=True) if k and m}:
            names[names == names[m]] = names[k]
    label = names[label]
    y, x = np.indices(label.shape) * 2 * np.pi / N
    present = np.unique(label)[1:]
    weight = -spin[..., 2]
    angles = [
        np.arctan2(ndimage.sum(weight * np.sin(a), label, present), ndimage.sum(weight * np.cos(a), label, present))
        for a in (x, y)
    ]
    return np.column_stack(angles) % (2 * np.pi) * N / (2 * np.pi)


def plain_coordination(points):
    """Neighbours of the middle copy in a Delaunay triangulation of nine."""
    tiled = np.concatenate([points + N * np.array([i, j]) for j in (0, -1, 1) for i in (0, -1, 1)])
    start, _ = Delaunay(tiled).vertex_neighbor_vertices
    return np.diff(start)[: len(points)]


def test_defects_of_a_lattice(rate, benchmark, lattices):
    """Target: 250 lattices per second, 4 ms each, on one core."""
    spin, B = lattices.spin, lattices.B

    def run():
        return defects(skyrmions(spin, B), (N, N))

    fast = rate(run, operations=LATTICES, unit="lattices/s", rounds=7)
    expected = sorted(plain_coordination(plain_centres(spin.values[0, 0, 0])))
    for k in range(LATTICES):
        assert sorted(run().coordination[0, 0, k].dropna("skyrmion")) == expected
    slow = median_rate(lambda: plain_coordination(plain_centres(spin.values[0, 0, 1])), rounds=3)
    benchmark.extra_info |= {"baseline": "scipy.ndimage and 3 × 3 tiles", "ratio": fast / slow}


@pytest.fixture(scope="module")
def meshed(lattices):
    """One lattice's spins, and centres and mesh of its skyrmions."""
    spin = lattices.spin.values[0, 0, 0]
    found = _detect(spin, np.float64(lattices.B.item()), by_charge=True, sites=TORUS.flags)
    points = np.column_stack([found["skyrmion_x"], found["skyrmion_y"]])
    return spin, points, triangulate(points, (N, N))


def test_triangulation_of_a_lattice(rate, benchmark, meshed):
    """Target: .3 ms, beside Qhull with ghosts, which gives as many neighbours to each."""
    _, points, mesh = meshed
    fast = rate(lambda: triangulate(points, (N, N)), operations=1, unit="lattices/s", rounds=200)
    origin, *_ = _by_qhull(points, (N, N), Boundary())
    np.testing.assert_array_equal(np.sort(mesh.origin), np.sort(origin))
    slow = median_rate(lambda: _by_qhull(points, (N, N), Boundary()), rounds=50)
    benchmark.extra_info |= {"baseline": "Qhull with ghosts", "ratio": fast / slow}


def test_detection_in_a_lattice(rate, benchmark, lattices, meshed):
    """Target: .35 ms, beside scipy.ndimage."""
    spin, points, _ = meshed
    field = np.float64(lattices.B.item())
    fast = rate(
        lambda: _detect(spin, field, by_charge=True, sites=TORUS.flags), operations=1, unit="lattices/s", rounds=200
    )
    plain = plain_centres(spin)
    apart = abs(points[:, None] - plain)
    assert (np.minimum(apart, N - apart).max(axis=-1).min(axis=1) < 1).all()
    slow = median_rate(lambda: plain_centres(spin), rounds=5)
    benchmark.extra_info |= {"baseline": "scipy.ndimage", "ratio": fast / slow}


def test_phase_of_a_lattice(rate, lattices, meshed):
    """Target: .2 ms."""
    spin, _, _ = meshed
    rate(lambda: phase(spin, lattices.B.item(), TORUS.flags), operations=1, unit="lattices/s", rounds=200)
    assert phase(spin, lattices.B.item(), TORUS.flags) == PHASE["skyrmion"]


def test_grains_of_a_lattice(rate, meshed):
    """Target: .2 ms for the boundaries."""
    _, points, mesh = meshed
    found = find_defects(mesh)
    rate(lambda: grains_of_mesh(mesh, found), operations=1, unit="lattices/s", rounds=200)
    assert grains_of_mesh(mesh, found)["grain_size"].sum() == len(points)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory, lattices):
    """An ensemble of many lattices, lazily read from one zarr store again and again."""
    path = tmp_path_factory.mktemp("ensemble") / "lattices.zarr"
    spin = xr.Variable(("realization", "y", "x", "component"), lattices.spin.values[0, 0].astype(np.float32))
    xr.Dataset({"spin": spin}).to_zarr(
        path, zarr_format=3, consolidated=False, encoding={"spin": {"chunks": (LATTICES, N, N, 3)}}
    )
    lazy = xr.open_zarr(path, consolidated=False, chunks={})

    def make(n):
        whole = xr.concat([lazy] * -(-n // LATTICES), dim="realization").isel(realization=slice(n))
        return whole.assign_coords(B=lattices.B.item())

    return make


@pytest.mark.parametrize("workers", ["processes", "threads"])
def test_defects_of_an_ensemble_on_two_workers(benchmark, lattices, repeated, workers):
    """Target: 5000 lattices, two workers at least 1.6 times as fast as one; overhead against the bare loop stated."""
    ds = repeated(2 * LATTICES if benchmark.disabled else SCALED)
    n = ds.sizes["realization"]

    def run(client):
        start = time.perf_counter()
        result = ds.sky.defects()[["n_skyrmions", "n_defects"]].compute()
        return time.perf_counter() - start, result

    def on(count, run=run):
        shape = (count, 1) if workers == "processes" else (1, count)
        options = {"processes": workers == "processes", "dashboard_address": None}
        cluster = LocalCluster(n_workers=shape[0], threads_per_worker=shape[1], **options)
        with cluster, Client(cluster) as client:
            client.run(bare, lattices.spin.values[0, 0, 0], lattices.B.item())  # load the kernels
            return run(client)

    one, first = on(1)
    alone = median_rate(lambda: [bare(image, lattices.B.item()) for image in lattices.spin.values[0, 0]], LATTICES)
    two, second = on(2, lambda client: benchmark.pedantic(run, args=(client,), rounds=1))
    xr.testing.assert_identical(first, second)
    assert len(np.unique(first.n_skyrmions)) == len(np.unique(first.n_defects)) == 1
    benchmark.extra_info |= {"rate": n / two, "unit": "lattices/s on two workers", "baseline": "one worker"}
    benchmark.extra_info |= {"ratio": one / two, "overhead": one * alone / n - 1}


def bare(spin, B):
    """The functions of one lattice alone, without xarray, Dask and zarr."""
    found = _detect(spin, np.float64(B), by_charge=True, sites=TORUS.flags)
    return find_defects(triangulate(np.column_stack([found["skyrmion_x"], found["skyrmion_y"]]), (N, N)))
