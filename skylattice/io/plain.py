"""YAML as plain data: no objects, no references, of bounded size and depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skylattice.io.bounded import TEXT_LIMIT, read_bounded
from skylattice.io.problems import LocatedError, shown

#: How deep mappings and lists may stand in each other.
_DEPTH = 32


def read_plain_yaml(path: Path, *, what: str) -> Any:
    """What a YAML file holds: mappings, lists, texts, numbers, dates.

    Parameters
    ----------
    path
        The file.
    what
        What it should be (``"a catalog"``), for the error messages.

    Raises
    ------
    LocatedError
        If it cannot be read, does not parse, asks for objects, or uses anchors: a few hundred bytes of references to
        references unfold to gigabytes.
    """
    import yaml

    # libyaml where it is there, twenty times as fast; both make plain data only.
    loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data = read_bounded(path, limit=TEXT_LIMIT, what=what)
    try:
        text = data.decode("utf-8")
        _check_events(path, what, yaml.parse(text, Loader=loader), yaml)
        document = loader(text)
        try:
            return document.get_single_data()
        finally:
            document.dispose()
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, a date that is none, a number of 5000 digits
        if isinstance(error, LocatedError):
            raise
        raise LocatedError(
            path,
            f"expected {what} in YAML, found a file that does not parse: {shown(' '.join(str(error).split()), 200)}.",
            "Correct it there.",
        ) from None


def _check_events(path: Path, what: str, events: Any, yaml: Any) -> None:
    """Raise for references, and for what stands too deep, before anything is built."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH or isinstance(event, yaml.AliasEvent):
            found = "a reference (*)" if depth <= _DEPTH else f"more than {_DEPTH} levels"
            raise LocatedError(
                f"{path}:{event.start_mark.line + 1}",
                f"expected {what} of plain values, found {found}.",
                "Write the values out where they are used.",
            )
