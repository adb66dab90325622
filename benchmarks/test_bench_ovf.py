"""Reading a 200 × 200 OVF file of Binary 4, beside `np.fromfile` of the same bytes; and of text, beside `np.loadtxt`.

The reader checks the header, the check value, the length of the data and that of every vector, and makes a dataset.
"""

import numpy as np
import pytest
from timing import median_rate

from skylattice import testing
from skylattice.io.ovf import read_ovf, write_ovf

N = 200


@pytest.fixture(scope="module", params=["bin4", "bin8", "text"])
def written(request, tmp_path_factory):
    """A file, and how NumPy alone reads it."""
    path = tmp_path_factory.mktemp("ovf") / "m.ovf"
    ds = testing.random(N)
    write_ovf(ds, path, format=request.param)
    if request.param == "text":
        return path, "np.loadtxt", lambda: np.loadtxt(path).reshape(N, N, 3)
    start = path.read_bytes().index(b"# Begin: Data") + len("# Begin: Data Binary 4\n") + int(request.param[-1])
    dtype = f"<f{request.param[-1]}"
    return path, "np.fromfile", lambda: np.fromfile(path, dtype, 3 * N * N, offset=start).reshape(N, N, 3)


def test_ovf_file(benchmark, rate, written):
    """From a path to a dataset in memory."""
    path, name, plain = written
    lattices = rate(lambda: read_ovf(path), operations=1, unit="lattices/s")
    benchmark.extra_info["baseline"] = name
    benchmark.extra_info["ratio"] = lattices / median_rate(plain)
    np.testing.assert_array_equal(read_ovf(path).spin.values[0], plain())
