"""``ds.sky``: everything skylattice can do with a dataset of spins. Looks up variables and delegates; no maths here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from skylattice.hamiltonian import Hamiltonian

if TYPE_CHECKING:
    pass


@xr.register_dataset_accessor("sky")
class SkyAccessor:
    """Physics, defects and models of the spin lattices in a dataset.

    Examples
    --------
    >>> import skylattice.testing
    >>> ds = skylattice.testing.spiral(turns=2, size=16)
    >>> float(ds.sky.topological_charge().item())
    0.0
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    @property
    def hamiltonian(self) -> Hamiltonian:
        """The interaction that the dataset's attributes state."""
        return Hamiltonian.from_attrs(self._ds.attrs)

    # Defects and order

    def phase(self, *, spin: str = "spin") -> xr.DataArray:
        """Magnetic phase per lattice: :func:`skylattice.observables.phase.phase`."""
        from skylattice.observables.phase import phase

        return phase(self._ds[spin], self._ds["B"] if "B" in self._ds.coords else 0.0)
