"""How kernels are compiled."""

import subprocess
import sys

import numpy as np
import pytest

from skylattice.kernels import _jit


@pytest.fixture
def entries(monkeypatch):
    """How often the lock of the cache was taken."""
    entered = []

    class Recorder:
        def __enter__(self):
            entered.append(True)

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(_jit, "LOCK", Recorder())
    return entered


@pytest.mark.parametrize("compiler", [_jit.jit, _jit.fastjit])
def test_jit__compiles_under_the_lock_and_calls_without(entries, compiler):
    double = compiler(lambda x: 2 * x)
    assert double(2) == 4
    assert entries == [True]
    assert double(3) == 6
    assert entries == [True]
    assert double(1.5) == 3  # another type
    assert entries == [True, True]


def test_gujit__compiles_under_the_lock(entries):
    def first(x, out):
        out[0] = x[0]

    kernel = _jit.gujit(["(float64[:], float64[:])"], "(n)->()")(first)
    assert entries == [True]
    assert kernel(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist() == [1.0, 3.0]


def test_jit__divides_like_numpy():
    assert _jit.jit(lambda x: 1.0 / x)(0.0) == np.inf


def test_lock__lies_beside_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    assert _jit._lock().lock_file.startswith(str(tmp_path / "new"))


@pytest.mark.slow
def test_kernels__compiled_by_processes_at_once_are_not_mixed_up(tmp_path):
    """Without the lock, caches are left now and then whose float32 kernel is the float64 one: it crashes."""
    code = (
        "import numpy as np; from skylattice.kernels.magnetization import magnetization; "
        "spin = np.zeros((9, 9, 3)); spin[..., 2] = 1; "
        "assert all((magnetization(spin.astype(t)) == [0, 0, 1]).all() for t in ('f4', 'f8'))"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "SKYLATTICE_NUMBA_CACHE": "1", "PATH": ""}
    for n_processes in (3, 1):  # at once with an empty cache; then from the cache they left
        runs = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(n_processes)]
        assert [run.wait() for run in runs] == [0] * n_processes
