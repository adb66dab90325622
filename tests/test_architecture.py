"""The layers of the package: imports point downwards, and `import skylattice` stays light."""

import ast
import operator
import subprocess
import sys
from pathlib import Path

import pytest

import skylattice

PACKAGE = Path(skylattice.__file__).parent

#: From the bottom up; modules of one layer may use each other, without cycles.
LAYERS = [
    {"errors"},
    {"kernels", "schema"},
    {"hamiltonian"},
    {"layouts"},
    {"arrays", "stacking", "progress", "scheduling", "bundled"},
    {"observables", "defects", "simulation", "io", "testing", "data"},
    {"vae", "latent"},
    {"study"},
    {"report", "accessor", "catalog", "intake_driver"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports(path):
    """Second components of all `skylattice.*` imports in a file, with their line numbers."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("skylattice"):
            names = [node.module] if node.module != "skylattice" else [f"skylattice.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("skylattice.")]
        for name in names:
            part = name.split(".")[1] if "." in name else ""
            if (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").is_file():
                yield part, node.lineno


def modules():
    return [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports__point_downwards(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in LEVEL, f"{own} has no layer yet: give it one in LAYERS"
    upward = [f"{path.name}:{line} imports {part}" for part, line in imports(path) if LEVEL[part] > LEVEL[own]]
    assert not upward


@pytest.mark.parametrize("path", sorted((PACKAGE / "kernels").glob("*.py")), ids=lambda path: path.name)
def test_kernels__use_numpy_and_numba_only(path):
    standard = {"__future__", "collections", "contextlib", "math", "os", "tempfile", "typing", "warnings"}
    allowed = standard | {"numpy", "numba", "llvmlite", "filelock", "skylattice"}  # filelock: numba's cache needs it
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            roots = {node.module.split(".")[0]}
        elif isinstance(node, ast.Import):
            roots = {alias.name.split(".")[0] for alias in node.names}
        else:
            continue
        assert roots <= allowed


def test_import__loads_nothing_heavy():
    code = (
        "import sys, xarray; before = set(sys.modules); import skylattice; "
        "print(' '.join({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {
        "numba",
        "keras",
        "tensorflow",
        "sklearn",
        "plotly",
        "streamlit",
        "scipy",
        "dask",
        "zarr",
        "rich",
    }


def test_import__of_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        operator.attrgetter("nonsense")(skylattice)
