"""Write docs/licences.md from what is installed: ``python docs/licences.py``."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

PAGE = Path(__file__).with_name("licences.md")
_HEAD = (
    "# Licences of the dependencies\n\n"
    "Written by `python docs/licences.py` from the metadata of the packages that were installed. skylattice itself is "
    "under the MIT licence.\n\n| package | version | licence | needed by |\n|---|---|---|---|\n"
)
_NAME, _EXTRA = re.compile(r"^[A-Za-z0-9._-]+"), re.compile(r"extra == ['\"]([^'\"]+)['\"]")


def direct() -> dict[str, list[str]]:
    """What skylattice asks for itself: package to extras, "" for the core."""
    found: dict[str, list[str]] = {}
    for requirement in requires("skylattice") or ():
        name = _NAME.match(requirement)
        extra = _EXTRA.search(requirement)
        if name and name[0].lower() != "skylattice":
            found.setdefault(name[0].lower(), []).append(extra[1] if extra else "")
    return found


def licence(name: str) -> tuple[str, str] | None:
    """Version and licence of a package; None where it is not installed."""
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return None
    classifiers = [text.split(" :: ")[-1] for text in metadata.get_all("Classifier") or () if "License ::" in text]
    first_line = (metadata.get("License") or "").strip().split("\n")[0]
    stated = metadata.get("License-Expression") or ", ".join(classifiers) or first_line
    return metadata["Version"], stated or "not stated"


def page() -> str:
    """The page, packages in alphabetical order."""
    rows = []
    for name, extras in sorted(direct().items()):
        known = licence(name)
        if known is not None:
            needed = "always" if "" in extras else ", ".join(f"`{extra}`" for extra in sorted(set(extras)))
            rows.append(f"| {name} | {known[0]} | {known[1]} | {needed} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
