"""Reading a 200 × 200 restart file (3.6 MB of text), beside `np.loadtxt` as the plain way to do it.

Both give the same numbers. The importer cuts the columns by position, so that it also reads what has no blanks between
columns; it checks the counters of every row, and normalises the spins.
"""

import numpy as np
import pytest
from timing import median_rate

from skylattice.io.uppasd import open_run
from skylattice.io.uppasd.spins import open_spin_file
from skylattice.testing import random_spins

N = 200
GIVEN = {"D": 0.5, "B": 0.125, "T": 0.006, "dmi": "neel", "handedness": -1, "size": N}


@pytest.fixture(scope="module")
def restart(tmp_path_factory):
    """A restart file as UppASD writes it."""
    path = tmp_path_factory.mktemp("run") / "restart.bench.out"
    spin = random_spins((N * N,))
    header = ["#" * 80, "# File type: R", "# Simulation type: H", f"# Number of atoms:  {N * N:8d}"]
    header += ["# Number of ensembles:         1", "#" * 80, "  # iter     ens   iatom  |Mom|  M_x  M_y  M_z"]
    rows = [f"{-1:8d}{1:8d}{i:8d}  {1:16.8E}{x:16.8E}{y:16.8E}{z:16.8E}" for i, (x, y, z) in enumerate(spin, 1)]
    path.write_text("\n".join(header + rows) + "\n")
    return path


def plain(path):
    """All columns of the file, then unit spins."""
    spin = np.loadtxt(path)[:, 4:]
    return spin / np.linalg.norm(spin, axis=1, keepdims=True)


def test_uppasd_spin_file(benchmark, rate, restart):
    file = open_spin_file(restart)
    assert file.row_bytes == 91  # the columns are where UppASD puts them: nothing falls back to splitting lines
    lattices = rate(lambda: file.read(), operations=1, unit="lattices/s")
    benchmark.extra_info["baseline"] = "np.loadtxt"
    benchmark.extra_info["ratio"] = lattices / median_rate(lambda: plain(restart))
    np.testing.assert_allclose(file.read().direction, plain(restart), rtol=0, atol=1e-15)


def test_uppasd_run(benchmark, rate, restart):
    """From a path to a dataset in memory."""
    lattices = rate(lambda: open_run(restart, **GIVEN).load(), operations=1, unit="lattices/s")
    benchmark.extra_info["baseline"] = "np.loadtxt"
    benchmark.extra_info["ratio"] = lattices / median_rate(lambda: plain(restart))
    spin = open_run(restart, **GIVEN).spin.values
    np.testing.assert_allclose(spin.reshape(-1, 3), plain(restart), rtol=0, atol=1e-7)
