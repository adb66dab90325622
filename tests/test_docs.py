"""The documentation is run: every docstring example, and every Python block of the README, in order."""

import ast
import doctest
import importlib
import os
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
MODULES = sorted(module.name for module in pkgutil.walk_packages(skylattice.__path__, "skylattice."))
NEED = {
    "skylattice.vae": "keras",
    "skylattice.latent": "sklearn",
    "skylattice.study": "sklearn",
    "skylattice.report": "jinja2",
}
SOURCES = sorted([*(ROOT / "skylattice").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")])


@pytest.fixture(autouse=True)
def scratch_folder_with_test_data(tmp_path, monkeypatch):
    """Examples may write files, and read those in tests/data."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", MODULES)
def test_docstrings__examples_run(name):
    for package, extra in NEED.items():
        if name.startswith(package):
            pytest.importorskip(extra)
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings__are_on_everything_public(path):
    tree = ast.parse(path.read_text())
    parts = [("module", tree)]
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            parts.append((node.name, node))
            members = node.body if isinstance(node, ast.ClassDef) else []
            parts += [
                (f"{node.name}.{m.name}", m) for m in members if isinstance(m, ast.FunctionDef) and m.name[0] != "_"
            ]
    bare = [name for name, node in parts if not ast.get_docstring(node)]
    assert not bare


def test_readme__python_blocks_run():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 2
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["run"].sky.energy().energy.item() == pytest.approx(-2.14384579, abs=1e-6)
    assert names["scalars"].topological_charge.max() < 0


def console_lines():
    """Commands of the README's console blocks, without comments."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_readme__console_blocks_run(tmp_path):
    """As they stand, one after the other. Those that install, test or serve are asked for their help instead."""
    assert len(console_lines()) > 5
    folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    makefile = (ROOT / "Makefile").read_text()
    for line in console_lines():
        target = re.match(r"make ([a-z]+)", line)
        if target is not None:
            assert re.search(rf"^{target[1]}:", makefile, re.MULTILINE), line
            continue
        command = f"{line} --help" if line.startswith("skylattice dashboard") else line
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    made = skylattice.open_ensemble(tmp_path / "new.zarr")
    assert made.attrs["generator"] == "learned"
    assert int((made.status == 1).sum()) == 4


def test_readme__commands_exist():
    for command in set(re.findall(r"skylattice ([a-z]+)`", README)):
        subprocess.run([Path(sys.executable).with_name("skylattice"), command, "--help"], check=True)


def test_readme__links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_readme__numbers_are_those_of_the_benchmarks():
    assert runpy.run_path(str(ROOT / "benchmarks/run.py"))["with_tables"](README) == README
