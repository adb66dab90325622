"""How kernels are compiled."""

import ctypes
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import skylattice
from skylattice.kernels import _cache, _jit


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
    assert _cache.cache_folder() == str(tmp_path / "new")
    assert _cache.KernelLock(str(tmp_path / "new"))._lock.lock_file.startswith(str(tmp_path / "new"))


def test_cache__is_not_trusted_to_a_folder_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    shared = Path(_cache.temporary_folder())
    shared.mkdir()
    shared.chmod(0o777)
    assert not _cache._is_private(str(shared))
    shared.chmod(0o700)
    assert _cache._is_private(str(shared))
    shared.rename(tmp_path / "elsewhere")
    shared.symlink_to(tmp_path / "elsewhere")
    assert not _cache._is_private(str(shared))


@pytest.fixture
def locked_up(tmp_path_factory):
    """A copy of the package, and an environment, in which a process may write to no folder but the one given."""
    base = Path(tempfile.mkdtemp())
    base.chmod(0o755)
    shutil.copytree(Path(skylattice.__file__).parent, base / "skylattice", ignore=shutil.ignore_patterns("__pycache__"))
    for folder, _, _ in os.walk(base / "skylattice"):
        os.chmod(folder, 0o555)

    def obey():
        """Give up root's right to write everywhere, for the process that is about to start."""
        ctypes.CDLL(None).prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE

    def run(code):
        environment = {"PATH": "", "HOME": "/dev/null/none", "TMPDIR": str(temporary), "PYTHONPATH": str(base)}
        command = [sys.executable, "-B", "-c", code]
        return subprocess.run(command, env=environment, cwd=base, capture_output=True, text=True, preexec_fn=obey)

    temporary = base / "tmp"
    temporary.mkdir()
    yield temporary, run
    for folder, _, _ in os.walk(base):
        os.chmod(folder, 0o755)
    shutil.rmtree(base)


ANALYSE = (
    "import warnings, numpy as np; caught = warnings.catch_warnings(record=True); seen = caught.__enter__(); "
    "from skylattice.kernels.magnetization import magnetization; "
    "spin = np.zeros((9, 9, 3)); spin[..., 2] = 1; "
    "assert (magnetization(spin, [True, True, False]) == [0, 0, 1]).all(); print(len(seen), *[w.message for w in seen])"
)


def test_kernels__of_a_read_only_package_without_a_home_are_kept_in_the_temporary_folder(locked_up):
    temporary, run = locked_up
    done = run(ANALYSE)
    assert done.stdout.split()[:1] == ["0"], done.stderr
    folder = temporary / Path(_cache.temporary_folder()).name
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.rglob("*.nbi"))


def test_kernels__that_can_be_kept_nowhere_are_compiled_with_one_warning(locked_up):
    """A folder for temporary files that somebody else has prepared is not used."""
    temporary, run = locked_up
    planted = temporary / Path(_cache.temporary_folder()).name
    planted.mkdir()
    planted.chmod(0o777)
    done = run(ANALYSE)
    assert done.stdout.startswith("1 compiled kernels cannot be kept"), done.stderr
    assert "set NUMBA_CACHE_DIR" in done.stdout
    assert not list(planted.rglob("*.nbi"))


def test_kernels__used_before_a_fork_compile_after_it(tmp_path):
    code = (
        "import os, numpy as np\n"
        "from skylattice.kernels.magnetization import magnetization\n"
        "magnetization(np.ones((9, 9, 3)), [True, True, False])\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    from skylattice.kernels.structure import peak_wave_number\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
    )
    environment = {**os.environ, "SKYLATTICE_NUMBA_CACHE": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_kernels__compiled_by_processes_at_once_are_not_mixed_up(tmp_path):
    """Without the lock, caches are left now and then whose float32 kernel is the float64 one: it crashes."""
    code = (
        "import numpy as np; from skylattice.kernels.magnetization import magnetization; "
        "spin = np.zeros((9, 9, 3)); spin[..., 2] = 1; "
        "assert all((magnetization(spin.astype(t), [True, True, False]) == [0, 0, 1]).all() for t in ('f4', 'f8'))"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "SKYLATTICE_NUMBA_CACHE": "1", "PATH": ""}
    for n_processes in (3, 1):  # at once with an empty cache; then from the cache they left
        runs = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(n_processes)]
        assert [run.wait() for run in runs] == [0] * n_processes
