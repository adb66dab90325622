"""What decides the bits of a simulation beside its seed: the versions of the software, and the vectors of the CPU."""

from __future__ import annotations

from importlib.metadata import version

#: Packages whose versions a store names.
_PACKAGES = ("numpy", "numba", "zarr")
#: Instruction sets by which the compiler chooses the width of vectors and fuses multiplications.
_VECTORS = ("avx", "avx2", "avx512f", "avx512vl", "fma", "neon", "sve", "sve2")


def software() -> str:
    """Names and versions: "skylattice 1.0, numpy 2.0, ...".

    Examples
    --------
    >>> software().split()[0]
    'skylattice'
    """
    from skylattice import __version__

    return ", ".join([f"skylattice {__version__}", *(f"{name} {version(name)}" for name in _PACKAGES)])


def cpu() -> str:
    """Name of the CPU as the compiler sees it, and its vector instructions."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    return " ".join([binding.get_host_cpu_name(), *(name for name in _VECTORS if features.get(name))])


def provenance() -> dict[str, str]:
    """Attributes of a store whose lattices are simulated here."""
    return {"software": software(), "cpu": cpu()}


def differences(attrs: dict[str, object]) -> list[str]:
    """In what this machine differs from the one that simulated a store, as far as bits may depend on it."""
    here, there = provenance(), {name: str(attrs.get(name, "unknown")) for name in ("software", "cpu")}
    found = []
    if there["cpu"] != here["cpu"]:
        found.append(f"cpu: {there['cpu']}, here {here['cpu']}")
    numba = f"numba {version('numba')}"
    if numba not in there["software"].split(", "):
        found.append(f"software: {there['software']}, here {numba}")
    return found
