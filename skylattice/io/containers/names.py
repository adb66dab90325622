"""Which array of a container is what, by its name: spins, angles, D, B, T."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from skylattice.io.containers.contents import Array, Contents
from skylattice.io.problems import LocatedError

#: Names of what a lattice is at, as they are met; single letters by their case, the rest without it and without signs.
_NAMES: dict[str, tuple[str, ...]] = {
    "D": ("D", "dmi", "dm", "dvalue", "dvalues", "doverj", "dj", "dzyaloshinskiimoriya", "dmiconstant"),
    "B": ("B", "H", "h", "bz", "hz", "field", "bvalue", "bvalues", "boverj", "bj", "magneticfield", "bext", "hext"),
    "T": ("T", "temp", "temperature", "temperatures", "kt", "kbt", "tvalues"),
    "J": ("J", "exchange", "jvalue"),
    "realization": ("realization", "realizations", "realisation", "replica", "replicas", "run", "sampleindex"),
    "theta": ("theta", "θ", "polar", "polarangle"),
    "phi": ("phi", "φ", "ϕ", "azimuth", "azimuthal", "azimuthangle", "azimuthalangle"),
}
#: Names of vectors at the sites.
_SPINS = (
    *("S", "s", "M", "m", "n", "spin", "spins", "mag", "magnetization", "magnetisation", "magneticmoment"),
    *("magneticmoments", "moments", "magnetizations", "lattice", "lattices", "spinconfiguration"),
    *("configuration", "configurations", "configs", "spinlattice", "spinlattices", "sxyz", "mxyz", "mvec"),
)
#: Names of arrays with a last axis of three that are no spins.
_OTHERS = (
    *("labels", "label", "params", "parameters", "targets", "target", "positions", "position", "coords", "coordinates"),
    *("pos", "xyz", "cell", "points", "shape", "size", "beff", "heff", "torque", "field", "kvec", "qvec"),
)
_COMPONENT = re.compile(r"(.*?)[_\-. ]?([xyz])", re.IGNORECASE)


class Field(NamedTuple):
    """Vectors at the sites: one array, three with a component each, or two of angles."""

    kind: str
    arrays: tuple[Array, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """With an axis of components, which is the last one unless it is in the array."""
        return self.arrays[0].shape if self.kind == "vectors" else (*self.arrays[0].shape, 3)

    @property
    def dims(self) -> tuple[str | None, ...]:
        """Names of these axes."""
        return self.arrays[0].dims if self.kind == "vectors" else (*self.arrays[0].dims, "component")

    @property
    def names(self) -> str:
        """Of its arrays, for messages and for the option that chooses it."""
        return ",".join(array.name for array in self.arrays)


def role_of(name: str) -> str | None:
    """What an array of some name is: ``"D"``, ``"B"``, ``"T"``, ``"J"``, ``"realization"``, ``"theta"``, ``"phi"``.

    Examples
    --------
    >>> role_of("run/Temperature"), role_of("B"), role_of("b"), role_of("m_z")
    ('T', 'B', None, None)
    """
    return next((role for role, names in _NAMES.items() if _is_named(name, names)), None)


def labels_of(contents: Contents, role: str) -> list[Array]:
    """The arrays that are named as one of D, B, T, J and realization are, numbers all."""
    return [a for a in contents.arrays.values() if role_of(a.name) == role and a.dtype.kind in "fiu"]


def _is_named(name: str, names: Iterable[str]) -> bool:
    base = name.rsplit("/", 1)[-1]
    bare = re.sub(r"[\W_]", "", base)
    return base in names or (len(bare) > 1 and bare.lower() in names)


def find_field(contents: Contents, chosen: str | None) -> Field:
    """The vectors at the sites.

    Parameters
    ----------
    contents
        The container.
    chosen
        Name of their array, or of three with a component each, or of two of angles, with commas between; None to tell
        by names, types and shapes.

    Raises
    ------
    LocatedError
        If there are none, or several that may be meant.
    """
    if chosen is not None:
        return _chosen(contents, chosen)
    fields = [*_vectors(contents), *_components(contents), *_angles(contents)]
    named = [field for field in fields if field.kind != "vectors" or _is_named(field.arrays[0].name, _SPINS)]
    fields = named or fields
    if len(fields) == 1:
        return fields[0]
    shown = ", ".join(f"{a.name or 'it'} {a.shape} {a.dtype}" for a in list(contents.arrays.values())[:12]) or "none"
    if contents.skipped:
        shown += "; left out: " + ", ".join(f"{name} ({why})" for name, why in list(contents.skipped.items())[:12])
    if not fields:
        raise LocatedError(
            contents.path,
            f"expected spins (..., y, x, 3) or (..., 3, y, x), or angles theta and phi, found arrays: {shown}.",
            "Name them: spin='NAME' (or 'MX,MY,MZ', or 'THETA,PHI'), with dims= or size= where the shape is another.",
        )
    raise LocatedError(
        contents.path,
        f"expected spins in one array, found {len(fields)}: {', '.join(f'{f.names} {f.shape}' for f in fields)}.",
        " or ".join(f"spin={field.names!r}" for field in fields[:6]) + " chooses one.",
    )


def _chosen(contents: Contents, chosen: str) -> Field:
    names = [chosen] if contents.find(chosen) else [name.strip() for name in chosen.split(",")]
    known = [contents.find(name) for name in names]
    missing = [name for name, array in zip(names, known, strict=True) if array is None]
    if missing or len(names) > 3:
        reasons = [f"; {name} is left out: {contents.skipped[name]}" for name in missing if name in contents.skipped]
        raise LocatedError(
            contents.path,
            f"expected arrays {names}, found {list(contents.arrays)[:20]}{''.join(reasons)}.",
            "Name one of them, or three with a component each, or theta and phi.",
        )
    arrays = tuple(array for array in known if array is not None)
    if len({array.shape for array in arrays}) > 1:
        found = ", ".join(f"{array.name} {array.shape}" for array in arrays)
        raise LocatedError(contents.path, f"expected arrays of one shape, found {found}.", "Name others.")
    return Field({1: "vectors", 2: "angles", 3: "components"}[len(arrays)], arrays)


def _vectors(contents: Contents) -> Iterable[Field]:
    """Arrays of real numbers with an axis of three, that are not named as something else."""
    for array in contents.arrays.values():
        is_other = role_of(array.name) is not None or _is_named(array.name, _OTHERS)
        if array.dtype.kind == "f" and not is_other and len(array.shape) > 1 and 3 in array.shape:
            yield Field("vectors", (array,))


def _components(contents: Contents) -> Iterable[Field]:
    """Three arrays of one shape whose names end in x, y and z."""
    groups: dict[str, dict[str, Array]] = defaultdict(dict)
    for array in contents.arrays.values():
        match = _COMPONENT.fullmatch(array.name)
        if match and _is_named(match[1] or " ", _SPINS) and array.dtype.kind == "f" and array.shape:
            groups[match[1]][match[2].lower()] = array
    for group in groups.values():
        if len(group) == 3 and len({array.shape for array in group.values()}) == 1:
            yield Field("components", tuple(group[axis] for axis in "xyz"))


def _angles(contents: Contents) -> Iterable[Field]:
    """Two arrays of one shape that are named theta and phi."""
    theta, phi = (
        [a for a in contents.arrays.values() if role_of(a.name) == role and a.dtype.kind == "f" and a.shape]
        for role in ("theta", "phi")
    )
    if len(theta) == len(phi) == 1 and theta[0].shape == phi[0].shape:
        yield Field("angles", (theta[0], phi[0]))
