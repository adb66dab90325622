"""Exceptions of skylattice. Each message says what was expected, what was found, where, and what to do."""

from __future__ import annotations


class SkylatticeError(Exception):
    """Base of every error that skylattice raises on purpose."""


class SchemaError(SkylatticeError, ValueError):
    """A dataset, array or parameter does not follow the data model of :mod:`skylattice.schema`."""


class FormatError(SkylatticeError, ValueError):
    """A file is not what its name or header promises. The message starts with the path."""


class StoreError(SkylatticeError, OSError):
    """An ensemble store cannot be created, read or written. Nothing already written is lost."""


class SimulationError(SkylatticeError, ValueError):
    """A simulation was asked for that cannot be run as described."""


class ModelError(SkylatticeError, ValueError):
    """A model file is damaged, foreign, or does not fit the data it is applied to."""


class MissingExtraError(SkylatticeError, ImportError):
    """An optional dependency is needed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. Install it with: pip install 'skylattice[{extra}]'"
        )
