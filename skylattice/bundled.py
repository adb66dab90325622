"""The folders that come with skylattice beside its modules: ``dashboard`` and ``catalogs``."""

from __future__ import annotations

from pathlib import Path

from skylattice.errors import SkylatticeError


def bundled(name: str) -> Path:
    """Folder ``name``: beside the package in a checkout, inside it in an installed wheel.

    Raises
    ------
    SkylatticeError
        If the installation lacks it.

    Examples
    --------
    >>> bundled("catalogs").joinpath("skylattice.yaml").is_file()
    True
    """
    package = Path(__file__).parent
    folders = [package / name, package.parent / name]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        raise SkylatticeError(
            f"{name}/: expected in {folders[0]}, found nothing: the installation is incomplete. Install skylattice "
            "again."
        )
    return found
