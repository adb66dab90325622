"""What Intake needs to open ``driver: skylattice_model`` entries: ``catalog["periodic"].read()`` gives the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intake.source.base import DataSource

if TYPE_CHECKING:
    from skylattice.vae.model import VAE


class ModelSource(DataSource):
    """A trained model, by the name of a shipped one or its folder."""

    name = "skylattice_model"
    container = "python"
    version = "1"

    def __init__(self, model: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(metadata=metadata)
        self.model = model

    def read(self) -> VAE:
        """Load the model: :func:`skylattice.vae.load`."""
        from skylattice.vae import load

        return load(self.model)
