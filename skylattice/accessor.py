"""``ds.sky``: everything skylattice can do with a dataset of spins. Looks up variables and delegates; no maths here."""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from inspect import getdoc
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice import arrays, stacking
from skylattice.boundary import Boundary, BoundaryLike, Sites, check_models_apply
from skylattice.defects import classify, detect, grains, order, table, triangulate
from skylattice.defects.of_spins import of_spins
from skylattice.errors import SchemaError
from skylattice.hamiltonian import Hamiltonian
from skylattice.observables import energy, magnetization, phase, scalars, structure, topology, transform
from skylattice.schema import SPIN_DIMS, require

if TYPE_CHECKING:
    import pandas as pd

    from skylattice.latent.recipe import Generation
    from skylattice.simulation.schedule import Schedule
    from skylattice.vae.model import VAE
    from skylattice.vae.refinement import Request


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

    def __repr__(self) -> str:
        """What the lattices are, and what can be asked of them; reads no spins."""
        return "\n".join([self._summary(), *(f"  {name:22} {text}" for name, text in self._methods())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td><code>.{name}</code></td><td>{escape(text)}</td></tr>" for name, text in self._methods()
        )
        style = "<style>.sky-methods td {text-align: left}</style>"
        return f'{style}<b>{escape(self._summary())}</b><table class="sky-methods">{rows}</table>'

    def _summary(self) -> str:
        sizes = {str(dim): size for dim, size in self._ds.sizes.items()}
        grid = " × ".join(f"{size} {dim}" for dim, size in sizes.items() if dim not in SPIN_DIMS) or "one lattice"
        attrs = self._ds.attrs
        interaction = (
            f"{attrs['dmi']} DMI, handedness {attrs['handedness']:+d}" if "dmi" in attrs else "unknown interaction"
        )
        return f"Spin lattices of {sizes.get('y')} × {sizes.get('x')} sites: {grid}; {interaction}"

    def _methods(self) -> list[tuple[str, str]]:
        """Public methods with the first line of their docstrings, without the cross reference."""
        found = [(name, getdoc(member)) for name, member in vars(type(self)).items() if not name.startswith("_")]
        return [(name, (text or "").split("\n")[0].split(":")[0].rstrip(".")) for name, text in found]

    @property
    def hamiltonian(self) -> Hamiltonian:
        """The interaction that the dataset's attributes state."""
        return Hamiltonian.from_attrs(self._ds.attrs)

    def with_hamiltonian(self, hamiltonian: Hamiltonian) -> xr.Dataset:
        """State the interaction of spins that came without; neither they nor D and B change.

        Raises
        ------
        SchemaError
            If the dataset states another one.

        Examples
        --------
        >>> import skylattice
        >>> from skylattice.testing import random_spins
        >>> ds = skylattice.from_arrays(random_spins((8, 8)), D=0.5, B=0.1)
        >>> ds.sky.with_hamiltonian(skylattice.Hamiltonian("bloch")).attrs["dmi"]
        'bloch'
        """
        stated = Hamiltonian.if_stated(self._ds.attrs)
        if stated not in (None, hamiltonian):
            raise SchemaError(
                f"with_hamiltonian: expected spins of unknown interaction, found {stated}. "
                "ds.sky.to_handedness() turns spins of the other handedness."
            )
        return self._ds.assign_attrs(hamiltonian.to_attrs())

    @property
    def boundary(self) -> Boundary:
        """Where the lattices end, by the dataset's attributes; periodic where they say nothing."""
        return Boundary.from_attrs(self._ds.attrs)

    def with_boundary(self, boundary: BoundaryLike) -> xr.Dataset:
        """State where the lattices end: "periodic", "open", "open_y", "open_x", or a pair for (y, x).

        Examples
        --------
        >>> from skylattice import testing
        >>> ds = testing.ferromagnet(4, B=0.0).sky.with_boundary("open")
        >>> ds.sky.energy().energy.item()  # 24 bonds on 16 sites
        -1.5
        """
        return self._ds.assign_attrs(Boundary.parse(boundary).to_attrs())

    @property
    def _sites(self) -> Sites:
        return Sites.of(self._ds)

    def _spin(self, name: str) -> xr.DataArray:
        require(self._ds, [name], purpose="ds.sky")
        return self._ds[name]

    # Observables

    def observables(self, *, spin: str = "spin") -> xr.Dataset:
        """All scalars per lattice in one pass: :func:`skylattice.observables.scalars.observables`."""
        return scalars.observables(*arrays.lattices(self._ds, spin=spin))

    def qc(self, *, spin: str = "spin") -> xr.Dataset:
        """Quality control per lattice: :func:`skylattice.observables.scalars.qc`."""
        return scalars.qc(*arrays.lattices(self._ds, spin=spin), T=self._ds["T"] if "T" in self._ds.variables else None)

    def magnetization(self, *, spin: str = "spin") -> xr.DataArray:
        """Mean spin per lattice: :func:`skylattice.observables.magnetization.magnetization`."""
        return magnetization.magnetization(self._spin(spin), self._sites)

    def m_z(self, *, spin: str = "spin") -> xr.DataArray:
        """Mean S_z per lattice: :func:`skylattice.observables.magnetization.m_z`."""
        return magnetization.m_z(self._spin(spin), self._sites)

    def topological_charge(
        self,
        *,
        method: topology.Method = "berg-luescher",
        diagonal: topology.Diagonal = "main",
        spin: str = "spin",
    ) -> xr.DataArray:
        """Charge per lattice: :func:`skylattice.observables.topology.topological_charge`."""
        return topology.topological_charge(self._spin(spin), self._sites, method=method, diagonal=diagonal)

    def charge_density(
        self,
        *,
        method: topology.Method = "berg-luescher",
        diagonal: topology.Diagonal = "main",
        spin: str = "spin",
    ) -> xr.DataArray:
        """Charge per plaquette: :func:`skylattice.observables.topology.charge_density`."""
        return topology.charge_density(self._spin(spin), self._sites, method=method, diagonal=diagonal)

    def energy(self, *, spin: str = "spin") -> xr.Dataset:
        """Energy per site and its terms: :func:`skylattice.observables.energy.energy`."""
        return energy.energy(*arrays.lattices(self._ds, spin=spin))

    def energy_density(self, *, spin: str = "spin") -> xr.DataArray:
        """Local energy of each site: :func:`skylattice.observables.energy.energy_density`."""
        return energy.energy_density(*arrays.lattices(self._ds, spin=spin))

    def effective_field(self, *, spin: str = "spin") -> xr.DataArray:
        """Effective field on each site: :func:`skylattice.observables.energy.effective_field`."""
        return energy.effective_field(*arrays.lattices(self._ds, spin=spin))

    def cos_theta(self, *, spin: str = "spin") -> xr.DataArray:
        """Alignment of each spin with its field: :func:`skylattice.observables.energy.cos_theta`."""
        return energy.cos_theta(*arrays.lattices(self._ds, spin=spin))

    def temperature(self, *, spin: str = "spin") -> xr.DataArray:
        """Spin temperature per lattice: :func:`skylattice.observables.energy.temperature`."""
        return energy.temperature(*arrays.lattices(self._ds, spin=spin))

    def structure_factor(self, *, component: structure.Component | None = None, spin: str = "spin") -> xr.DataArray:
        """Structure factor S(q): :func:`skylattice.observables.structure.structure_factor`."""
        return structure.structure_factor(self._spin(spin), self._sites, component=component)

    def lattice_constant(self, *, component: structure.Component | None = None, spin: str = "spin") -> xr.Dataset:
        """Peak of S(q) and lattice constant: :func:`skylattice.observables.structure.lattice_constant`."""
        return structure.lattice_constant(self._spin(spin), self._sites, component=component)

    # Symmetry and shape

    def to_handedness(self, handedness: int, *, spin: str = "spin") -> xr.Dataset:
        """The same lattices under the other sign of D: :func:`skylattice.observables.transform.to_handedness`."""
        return transform.to_handedness(self._ds, handedness, spin=spin)

    def rotate90(self, k: int = 1, *, spin: str = "spin") -> xr.Dataset:
        """Lattices and spins turned by quarters: :func:`skylattice.observables.transform.rotate90`."""
        return transform.rotate90(self._ds, k, spin=spin)

    def roll(self, *, y: int = 0, x: int = 0, spin: str = "spin") -> xr.Dataset:
        """Lattices shifted on the torus: :func:`skylattice.observables.transform.roll`."""
        return transform.roll(self._ds, y=y, x=x, spin=spin)

    def stack(self, *, spin: str = "spin") -> xr.Dataset:
        """Flat view along ``sample`` without holes: :func:`skylattice.stacking.stack`."""
        return stacking.stack(self._ds, spin=spin)

    def unstack(self, *, like: xr.Dataset | None = None) -> xr.Dataset:
        """Back to the grid: :func:`skylattice.stacking.unstack`."""
        return stacking.unstack(self._ds, like=like)

    # Defects and order

    def phase(self, *, spin: str = "spin") -> xr.DataArray:
        """Magnetic phase per lattice: :func:`skylattice.observables.phase.phase`."""
        return phase.phase(self._spin(spin), arrays.field(self._ds), self._sites)

    def skyrmions(
        self, *, rule: detect.Rule = "charge", max_skyrmions: int | None = None, spin: str = "spin"
    ) -> xr.Dataset:
        """Every skyrmion, measured: :func:`skylattice.defects.detect.skyrmions`."""
        return detect.skyrmions(
            self._spin(spin), arrays.field(self._ds), self._sites, rule=rule, max_skyrmions=max_skyrmions
        )

    def triangulation(
        self,
        *,
        boundary: BoundaryLike | None = None,
        rule: detect.Rule = "charge",
        max_skyrmions: int | None = None,
        spin: str = "spin",
    ) -> xr.Dataset:
        """Skyrmions and their neighbours: :func:`skylattice.defects.triangulate.triangulation`."""
        return self._analyse(triangulate.triangulation, spin, rule, max_skyrmions, boundary=boundary)

    def defects(
        self,
        *,
        boundary: BoundaryLike | None = None,
        exclude_hull: bool = True,
        rule: detect.Rule = "charge",
        max_skyrmions: int | None = None,
        spin: str = "spin",
    ) -> xr.Dataset:
        """Skyrmions and defects of their lattice: :func:`skylattice.defects.classify.defects`."""
        return self._analyse(classify.defects, spin, rule, max_skyrmions, boundary=boundary, exclude_hull=exclude_hull)

    def hexatic_order(
        self,
        *,
        boundary: BoundaryLike | None = None,
        rule: detect.Rule = "charge",
        max_skyrmions: int | None = None,
        spin: str = "spin",
    ) -> xr.Dataset:
        """Skyrmions and their sixfold order: :func:`skylattice.defects.order.hexatic_order`."""
        return self._analyse(order.hexatic_order, spin, rule, max_skyrmions, boundary=boundary)

    def pair_correlation(
        self,
        *,
        bin_width: float = 0.5,
        rule: detect.Rule = "charge",
        max_skyrmions: int | None = None,
        spin: str = "spin",
    ) -> xr.Dataset:
        """Skyrmions and their pair correlations: :func:`skylattice.defects.order.pair_correlation`."""
        return self._analyse(order.pair_correlation, spin, rule, max_skyrmions, bin_width=bin_width)

    def grains(
        self,
        *,
        tolerance: float = grains.TOLERANCE,
        min_size: int = grains.MIN_SIZE,
        max_grains: int | None = None,
        rule: detect.Rule = "charge",
        max_skyrmions: int | None = None,
        spin: str = "spin",
    ) -> xr.Dataset:
        """Skyrmions and the grains they form: :func:`skylattice.defects.grains.grains`."""
        return self._analyse(
            grains.grains, spin, rule, max_skyrmions, tolerance=tolerance, min_size=min_size, max_grains=max_grains
        )

    def to_table(self, dim: str = "skyrmion") -> pd.DataFrame:
        """Padded results, one row per entry: :func:`skylattice.defects.table.to_table`."""
        return table.to_table(self._ds, dim)

    def _analyse(
        self,
        analysis: Callable[..., xr.Dataset],
        spin: str,
        rule: detect.Rule,
        max_skyrmions: int | None,
        **options: Any,
    ) -> xr.Dataset:
        """Detection, then an analysis of the positions."""
        return of_spins(
            analysis,
            self._spin(spin),
            arrays.field(self._ds),
            self._sites,
            rule=rule,
            max_skyrmions=max_skyrmions,
            **options,
        )

    # Models

    def encode(
        self,
        model: VAE | str | os.PathLike[str] = "periodic",
        *,
        refine: Request | None = "default",
        spin: str = "spin",
    ) -> xr.Dataset:
        """Latent vectors per lattice: :func:`skylattice.vae.infer.encode`."""
        from skylattice.vae import infer

        check_models_apply(self._ds)
        return infer.encode(self._spin(spin), model, self.hamiltonian, **self._parameters(), refine=refine)

    def reconstruct(
        self,
        model: VAE | str | os.PathLike[str] = "periodic",
        *,
        refine: Request | None = "default",
        spin: str = "spin",
    ) -> xr.Dataset:
        """The dataset with its lattices encoded and decoded: :func:`skylattice.vae.infer.reconstruct`."""
        from skylattice.vae import infer

        check_models_apply(self._ds)
        output = infer.reconstruct(self._spin(spin), model, self.hamiltonian, **self._parameters(), refine=refine)
        provenance = {name: output.attrs[name] for name in output.attrs if name.startswith("model")}
        return self._ds.assign({spin: output.variable}).assign_attrs(provenance)

    def reconstruction_error(
        self,
        model: VAE | str | os.PathLike[str] = "periodic",
        *,
        refine: Request | None = "default",
        spin: str = "spin",
    ) -> xr.Dataset:
        """Errors of the reconstruction per lattice: :func:`skylattice.vae.infer.reconstruction_error`."""
        from skylattice.vae import infer

        check_models_apply(self._ds)
        of = arrays.lattices(self._ds, spin=spin)
        return infer.reconstruction_error(of.spin, model, of.hamiltonian, D=of.D, B=of.B, refine=refine)

    # Generation

    def generate(
        self,
        model: VAE | str | os.PathLike[str] = "periodic",
        n: int = 1,
        *,
        method: Generation = "learned",
        D: float | None = None,
        B: float | None = None,
        around: int | None = None,
        novelty: float | None = None,
        relax: bool | Schedule = False,
        seed: int = 0,
        defects: str | float = "data",
        spin: str = "spin",
    ) -> xr.Dataset:
        """New lattices like those of the dataset: :func:`skylattice.latent.generate.generate`.

        ``method="particles"`` asks no model: :func:`skylattice.latent.particles.generate`, calibrated on the dataset.
        """
        from skylattice.latent import generate
        from skylattice.latent.recipe import TEMPERATURE, Recipe

        recipe = Recipe(method, D, B, around, novelty, relax, seed, defects)
        generate.check_number(n)
        if method == "particles":
            from skylattice.latent.calibration import calibrate
            from skylattice.latent.particles import draw_like

            return draw_like(self._ds, calibrate(self._ds, spin=spin), n, recipe)
        T = float(self._ds["T"]) if "T" in self._ds.variables else np.nan
        return generate.generate(
            generate.latent_set(self._ds, model, spin=spin),
            model,
            n,
            recipe,
            T=TEMPERATURE if np.isnan(T) else T,
            hamiltonian=self.hamiltonian,
        )

    def _parameters(self) -> dict[str, xr.DataArray | None]:
        """D and B, or None where the dataset has none: only some models ask for them."""
        return {name: self._ds[name] if name in self._ds.variables else None for name in ("D", "B")}
