"""The layers of the package: imports point downwards, and `import skylattice` stays light."""

import ast
import operator
import subprocess
import sys
from pathlib import Path

import pytest

import skylattice

PACKAGE = Path(skylattice.__file__).parent

DASHBOARD = PACKAGE.parent / "dashboard"

#: From the bottom up; modules of one layer may use each other, without cycles.
LAYERS = [
    {"errors", "bundled"},
    {"kernels", "schema"},
    {"hamiltonian", "boundary"},
    {"layouts"},
    {"arrays", "stacking", "progress", "scheduling"},
    {"observables", "defects", "simulation", "io", "testing", "data"},
    {"vae", "latent"},
    {"study"},
    {"report", "accessor", "catalog", "intake_driver"},
    {"demo"},
    {"cli", "dashboard"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
ACCESSOR = LEVEL["accessor"]


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


def layer_of(path):
    return "dashboard" if path.is_relative_to(DASHBOARD) else path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules():
    own = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE]
    return [*own, *DASHBOARD.rglob("*.py")]


def below(layer):
    return [path for path in modules() if LEVEL[layer_of(path)] < LEVEL[layer]]


def in_layer(*layers):
    return [path for path in modules() if layer_of(path) in layers]


def named(path):
    return str(path.relative_to(PACKAGE.parent))


def imported_modules(path):
    """Full names of everything that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=named)
def test_imports__point_downwards(path):
    own = layer_of(path)
    assert own in LEVEL, f"{own} has no layer yet: give it one in LAYERS"
    upward = [f"{path.name}:{line} imports {part}" for part, line in imports(path) if LEVEL[part] > LEVEL[own]]
    assert not upward


@pytest.mark.parametrize("path", [*below("accessor"), *in_layer("report")], ids=named)
def test_accessor__is_not_called_from_below(path):
    """A call of ``ds.sky`` leads upwards through xarray's registry, where no import shows it."""
    lines = [node.lineno for node in ast.walk(ast.parse(path.read_text())) if getattr(node, "attr", "") == "sky"]
    assert not lines


def reaches(path, *forbidden):
    return sorted({name for name in imported_modules(path) for part in forbidden if f"{name}.".startswith(f"{part}.")})


@pytest.mark.parametrize("path", [*below("report"), *in_layer("study")], ids=named)
def test_studies__draw_nothing(path):
    assert not reaches(path, "plotly", "streamlit", "jinja2")


@pytest.mark.parametrize("path", in_layer("report"), ids=named)
def test_reports__show_only(path):
    """No network, no Monte Carlo, no sampling, no store written: a report gets all that from a study."""
    computing = ("keras", "tensorflow", "sklearn", "dask", "zarr")
    own = [f"skylattice.{name}" for name in ("vae", "simulation", "kernels", "latent.generate", "latent.relax")]
    writing = [f"skylattice.io.{name}" for name in ("importing", "results", "store")]
    types_alone = {"skylattice.vae.spec"}
    assert not set(reaches(path, *computing, *own, *writing)) - types_alone


@pytest.mark.parametrize("path", in_layer("dashboard"), ids=named)
def test_dashboard__shows_only(path):
    """Pages ask the library: no kernel, no Monte Carlo, no layout of a store."""
    own = [f"skylattice.{name}" for name in ("kernels", "simulation", "latent.prior", "latent.relax")]
    writing = [f"skylattice.io.{name}" for name in ("importing", "results.write_results", "store.create_store")]
    assert not reaches(path, "sklearn", "keras", "tensorflow", "zarr", *own, *writing)


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
