"""Nothing that others wrote is unpickled, run, or read but through the bounded door: checked in the source itself."""

import ast
from pathlib import Path

import pytest

import skylattice

PACKAGE = Path(skylattice.__file__).parent
DASHBOARD = PACKAGE.parent / "dashboard"
FILES = [*sorted(PACKAGE.rglob("*.py")), *sorted(DASHBOARD.rglob("*.py"))]

#: The one module that opens files to read them.
DOOR = PACKAGE / "io" / "bounded.py"

#: Functions that read a whole file of a name, and methods of paths that do.
READERS = {
    *("open", "io.open", "os.open", "os.fdopen", "gzip.open", "zipfile.ZipFile", "tarfile.open", "json.load"),
    *("np.load", "np.loadtxt", "np.genfromtxt", "np.fromfile", "np.memmap", "numpy.load"),
    *("yaml.load", "yaml.safe_load", "yaml.full_load", "yaml.unsafe_load"),
}
METHODS = {"read_text", "read_bytes"}

#: Who may: writers, readers of what this process has written or opened through the door, and why.
ALLOWED = {
    ("io/guard.py", "os.open"): "writes, and brings a folder to disk",
    ("io/guard.py", "os.fdopen"): "writes",
    ("io/containers/raw.py", "zipfile.ZipFile"): "of a file that the door has opened",
    ("io/containers/raw.py", ".open"): "a member of it",
    ("io/containers/zarr.py", ".open"): "zarr, of a folder whose metadata came through the door",
    ("latent/packing.py", ".read_text"): "comes with the package",
    ("vae/arrays.py", "zipfile.ZipFile"): "of a file that the door has opened",
    ("vae/arrays.py", ".open"): "a member of it",
    ("io/uppasd/geometry.py", "np.loadtxt"): "of bytes that came through the door",
}


def name_of(node):
    """``np.load`` of a call to it; the attribute alone (``.read_text``) where the object has no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else f".{node.attr}"
    return ""


def mode_of(call, position):
    """The mode that a call opens a file with, as far as it is written there."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"] + call.args[position : position + 1]
    return given[0].value if given and isinstance(given[0], ast.Constant) else "r"


def reads(tree):
    """What a module calls to read files, with line numbers."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = name_of(call.func)
        attribute = name.rsplit(".", 1)[-1] if "." in name else ""
        writes = (name == "open" and set(mode_of(call, 1)) & set("wxa")) or (
            attribute == "open" and name not in READERS and set(str(mode_of(call, 0))) & set("wxa")
        )
        is_path = attribute == "open" and name not in READERS and call.args and isinstance(mode_of(call, 0), str)
        is_path = is_path and set(mode_of(call, 0)) <= set("rbt+wxa")
        if not writes and (name in READERS or attribute in METHODS or is_path):
            yield name if name in READERS else f".{attribute}", call.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE.parent).as_posix())
def test_files__are_opened_by_one_module_alone(path):
    own = path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name
    found = [(name, line) for name, line in reads(ast.parse(path.read_text())) if (own, name) not in ALLOWED]
    assert path == DOOR or not found, "read it with skylattice.io.bounded"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE.parent).as_posix())
def test_nothing__is_unpickled_or_run(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"} & {
                name.split(".")[0] for name in names
            }
        if isinstance(node, ast.Call):
            assert name_of(node.func) not in {"eval", "exec", "os.system", "yaml.load", "yaml.unsafe_load"}
            for keyword in node.keywords:
                is_safe = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                assert keyword.arg not in ("allow_pickle", "shell") or is_safe


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open('a')", ["open"]),
        ("open('a', mode='rb')", ["open"]),
        ("open('a', 'w')", []),
        ("path.open('rb')", [".open"]),
        ("folder.joinpath('a').open('r')", [".open"]),
        ("path.open('wb')", []),
        ("entry.open()", []),
        ("path.read_text()", [".read_text"]),
        ("np.load(path)", ["np.load"]),
        ("yaml.safe_load(text)", ["yaml.safe_load"]),
    ],
)
def test_this_test__sees_what_it_should(code, found):
    assert [name for name, _ in reads(ast.parse(code))] == found
