"""What a container of arrays holds, and what can be done with it: for the doctor."""

from __future__ import annotations

from pathlib import Path

from skylattice.errors import SkylatticeError
from skylattice.io.bounded import open_bounded
from skylattice.io.containers.contents import Contents
from skylattice.io.containers.kinds import kind_of, read_contents
from skylattice.io.containers.read import open_container
from skylattice.io.problems import Diagnosis, LocatedError

#: Bytes of spins that are checked one by one; a larger file says so.
_READ_LIMIT = 8 << 30


def examine(path: Path) -> Diagnosis:
    """What is in a container, and how its spins come in; all of them are read."""
    diagnosis = Diagnosis(path, "container of arrays")
    with diagnosis.recording():
        diagnosis.kind = _kind_of(path)
        contents = read_contents(path)
        diagnosis.kind, diagnosis.summary = contents.kind, _summary(contents)
        ds = open_container(path)
        sizes = ", ".join(f"{n} {dim}" for dim, n in ds.spin.sizes.items() if dim not in ("y", "x", "component"))
        diagnosis.summary += f"; spins: {ds.sizes['x']} × {ds.sizes['y']} sites, {sizes}"
        unknown = [name for name in ("D", "B", "T") if name not in ds.coords or bool(ds[name].isnull().all())]
        unknown += [] if "dmi" in ds.attrs else ["the DMI"]
        if _spins_are_sound(diagnosis, ds.spin.data):
            what = f"{', '.join(unknown)} not known" if unknown else "everything known"
            diagnosis.add("info", f"{path}: spins; {what}.", "Read it: xr.open_dataset(path, engine='skylattice').")
    return diagnosis


def _kind_of(path: Path) -> str:
    """What it is called, though it may be too damaged to read."""
    start = b""
    if not path.is_dir():
        with open_bounded(path, limit=None) as file:
            start = file.read(16)
    kind = kind_of(path, start)
    return "container of arrays" if kind is None else kind.title


def _summary(contents: Contents) -> str:
    arrays = [f"{name} {array.shape} {array.dtype}".strip() for name, array in contents.arrays.items()]
    arrays += [f"{name} left out ({why})" for name, why in contents.skipped.items()]
    return ", ".join(arrays[:20]) + (f", and {len(arrays) - 20} more" if len(arrays) > 20 else "")


def _spins_are_sound(diagnosis: Diagnosis, spin: object) -> bool:
    """Whether all lattices can be read; a finding for the first that cannot."""
    if spin.nbytes > _READ_LIMIT:  # type: ignore[attr-defined]
        diagnosis.add("info", f"{diagnosis.path}: more than {_READ_LIMIT} bytes of spins, which were not examined.")
        return True
    for block in spin.blocks.ravel():  # type: ignore[attr-defined]
        try:
            block.compute(scheduler="synchronous")
        except SkylatticeError as error:
            where = error if isinstance(error, LocatedError) else LocatedError(diagnosis.path, str(error), "")
            diagnosis.findings.append(where.finding())
            return False
    return True
