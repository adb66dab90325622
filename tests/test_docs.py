"""The documentation is run: every docstring example, and every Python block of the README, in order."""

import doctest
import importlib
import pkgutil
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import skylattice

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(skylattice.__path__, "skylattice.") if ".vae" not in module.name
)
NEED_EXTRAS = ("skylattice.vae", "skylattice.latent", "skylattice.catalog")


@pytest.fixture(autouse=True)
def scratch_folder_with_test_data(tmp_path, monkeypatch):
    """Examples may write files, and read those in tests/data."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith(NEED_EXTRAS)])
def test_docstrings__examples_run(name):
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_readme__python_blocks_run():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 2
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["run"].sky.energy().energy.item() == pytest.approx(-2.14384579, abs=1e-6)
    assert names["scalars"].topological_charge.max() < 0


def test_readme__commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for command in re.findall(r"skylattice ([a-z]+)`", README):
        subprocess.run([Path(sys.executable).with_name("skylattice"), command, "--help"], check=True)


def test_readme__links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_readme__numbers_are_those_of_the_benchmarks():
    assert runpy.run_path(str(ROOT / "benchmarks/run.py"))["with_tables"](README) == README
