"""New lattices from skyrmion positions: particles that settle, decoded in closed form, thermalised by Monte Carlo.

A lattice is its skyrmion positions. Those of a simulated lattice, decoded and thermalised for a few sweeps, have its
energy and its defects again; new ones come from a packing of as many particles with as many defects. No network is
asked, and no lattice of the ensemble is copied.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from skylattice.arrays import spin_dataset
from skylattice.errors import ModelError, SchemaError
from skylattice.hamiltonian import Hamiltonian
from skylattice.latent.packing import STEPS_SPREAD, Packing, pack, spacing_of
from skylattice.latent.recipe import TEMPERATURE, Recipe
from skylattice.layouts import shape_of
from skylattice.schema import SPIN_DIMS, check_coordinate
from skylattice.simulation.engine import anneal, spin_frame
from skylattice.simulation.schedule import Schedule, Stage

#: Sweeps that give a decoded lattice the noise of its temperature: 200 updates per spin.
SWEEPS, OVER_RELAXATION = 20, 9
#: Above it packings, calibrated at 0.006, say less and less of a lattice: far below melting, at about 0.4.
HIGHEST_TEMPERATURE = 0.05


def generate(
    n: int,
    *,
    D: float | np.ndarray,
    B: float | np.ndarray,
    size: int | Sequence[int] = 200,
    T: float = TEMPERATURE,
    hamiltonian: Hamiltonian | None = None,
    defects: str | float = "data",
    seed: int = 0,
    packing: Packing | None = None,
) -> xr.Dataset:
    """New lattices at given D and B, with no ensemble and no model, in about a twentieth of a simulation's time.

    Parameters
    ----------
    n
        How many.
    D, B
        In J: one number each, or one for each lattice. B of either sign.
    size
        Sites: N or (ny, nx).
    T
        Temperature in J / k_B, at most 0.05.
    hamiltonian
        Interaction with J = 1; default Néel, handedness +1.
    defects
        ``"data"`` for as many as annealed lattices have at (D, B), or the wanted mean number per lattice. On small
        lattices (below about 150 skyrmions) it is met roughly: how well they fit the box matters as much.
    seed
        Lattice k depends on (seed, k) alone, and on its D and B.
    packing
        From :func:`skylattice.latent.calibration.calibrate`, to be like an ensemble of one's own; default: the one
        that comes with skylattice, of lattices annealed slowly to T = 0.006.

    Returns
    -------
    Dataset along ``sample``: ``spin`` (sample, y, x, component), float32, D and B per sample. Computed by Dask, on as
    many threads or workers as its configuration says.

    Raises
    ------
    ModelError
        For (D, B), T or J where the packing is not calibrated, or more or fewer defects than packings can have.
    SchemaError
        For a number that is none of what it should be.

    Examples
    --------
    >>> import skylattice
    >>> new = skylattice.generate(2, D=0.5, B=0.12, size=60, seed=1)
    >>> new.spin.sizes["sample"], bool((new.sky.topological_charge() < -15).all())
    (2, True)
    """
    size, packing = shape_of(size), packing or Packing.shipped()
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise SchemaError(f"n: expected a whole number of lattices above 0, found {n!r}.")
    D, B = (_per_lattice(name, values, int(n)) for name, values in (("D", D), ("B", B)))
    check_coordinate("T", T)
    if T > HIGHEST_TEMPERATURE:
        raise ModelError(
            f"generate: expected T up to {HIGHEST_TEMPERATURE}, found {T:g}: simulate lattices as warm as that."
        )
    check_exchange(hamiltonian)
    if (D == 0).any() or (B == 0).any():
        raise SchemaError("generate: expected D > 0 and B other than 0, where skyrmions are, found 0.")
    packing.check(D, B)
    if isinstance(defects, str):
        if defects != "data":
            raise SchemaError(f"defects: expected 'data' or a mean number above 0, found {defects!r}.")
        steps = packing.steps_for(packing.defect_share(D, B), D, B, size, at_least=True)
    else:
        if not defects > 0:
            raise SchemaError(f"defects: expected 'data' or a mean number above 0, found {defects!r}.")
        steps = packing.steps_for(defects / packing.mean_number(D, B, size[0] * size[1]), D, B, size)
    return new_lattices(packing, D, B, steps, size=size, T=T, hamiltonian=hamiltonian, seed=seed)


def check_exchange(hamiltonian: Hamiltonian | None) -> None:
    """Raise :class:`ModelError` unless D, B and T are in units of the exchange, as packings know them."""
    if hamiltonian is not None and hamiltonian.J != 1:
        raise ModelError(
            f"method 'particles': expected J = 1, found {hamiltonian.J:g}. Give D, B and T in units of J instead."
        )


def _per_lattice(name: str, values: float | np.ndarray, n: int) -> np.ndarray:
    values = check_coordinate(name, values)
    if np.size(values) not in (1, n):
        raise SchemaError(f"{name}: expected one number or one for each of {n} lattices, found {np.size(values)}.")
    return np.broadcast_to(np.asarray(values, dtype=float).ravel(), n)


def draw_like(ds: xr.Dataset, packing: Packing, n: int, recipe: Recipe) -> xr.Dataset:
    """Lattices of the size, temperature and interaction of a dataset, by a recipe: at its D and B, or at drawn ones.

    Where T is not known it is that of the thesis' ensemble; where the recipe says no D and B, they are those of
    lattices drawn from the ensemble that the packing was calibrated on, but for those that packings are not like, which
    are left out with a warning.
    """
    D, B, size = recipe.D, recipe.B, (ds.sizes["y"], ds.sizes["x"])
    if D is None or B is None:
        points = _drawn_from(packing, size)
        rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(2**32 - 1,)))
        drawn = rng.choice(len(points), size=n, p=points[:, 2] / points[:, 2].sum())
        D, B = points[drawn, 0], points[drawn, 1]
    T = float(ds["T"]) if "T" in ds.variables else np.nan
    return generate(
        n,
        D=D,
        B=B,
        size=size,
        T=TEMPERATURE if np.isnan(T) else T,
        hamiltonian=Hamiltonian.from_attrs(ds.attrs),
        defects=recipe.defects,
        seed=recipe.seed,
        packing=packing,
    )


def _drawn_from(packing: Packing, size: tuple[int, int]) -> np.ndarray:
    """D, B and number of the ensemble's lattices that packings are like, shape (points, 3)."""
    points = np.array(packing.points)
    reached = packing.reaches(points[:, 0], points[:, 1], size)
    if not reached.any():
        packing.steps_for(packing.defect_share(points[:, 0], points[:, 1]), points[:, 0], points[:, 1], size)
    if not reached.all():
        warnings.warn(
            f"{int(points[~reached, 2].sum())} of {int(points[:, 2].sum())} lattices of the ensemble are next to "
            "stripes or too disordered for particles: new ones are not drawn at their D and B.",
            stacklevel=4,
        )
    return points[reached]


def from_positions(
    positions: np.ndarray,
    *,
    size: int | Sequence[int],
    D: float,
    B: float,
    hamiltonian: Hamiltonian | None = None,
    packing: Packing | None = None,
) -> xr.Dataset:
    """The spin lattice around skyrmions at given positions, for instance those seen in an experiment.

    Parameters
    ----------
    positions
        Shape (n, 2), columns x and y in sites.
    size
        Sites: N or (ny, nx); the lattice is periodic.
    D, B
        In J. They set the profile of the skyrmions at their mean distance.
    hamiltonian
        Interaction with J = 1; default Néel, handedness +1.
    packing
        Of another ensemble than the one that comes with skylattice.

    Returns
    -------
    Dataset of one lattice, dims (y, x, component), at T = 0. :func:`skylattice.simulation.engine.anneal` gives it a
    temperature.

    Raises
    ------
    SchemaError
        For positions of another shape, or that are not finite.
    ModelError
        For (D, B) or J where the profile is not calibrated.

    Examples
    --------
    >>> import skylattice
    >>> one = skylattice.from_positions([(10.5, 20.0), (30.0, 21.5), (20.0, 4.0)], size=40, D=0.5, B=0.12)
    >>> round(one.sky.topological_charge().item(), 9)
    -3.0
    """
    packing, size = packing or Packing.shipped(), shape_of(size)
    check_coordinate("D", D), check_coordinate("B", B)
    check_exchange(hamiltonian)
    packing.check(np.array([D], dtype=float), np.array([B], dtype=float))
    hamiltonian = hamiltonian or Hamiltonian()
    spin = decode_positions(positions, size, D=D, B=B, hamiltonian=hamiltonian, packing=packing)
    return spin_dataset(SPIN_DIMS, spin, {"D": float(D), "B": float(B), "T": 0.0}, hamiltonian)


def new_lattices(
    packing: Packing,
    D: np.ndarray,
    B: np.ndarray,
    steps: np.ndarray,
    *,
    size: tuple[int, int],
    T: float,
    hamiltonian: Hamiltonian | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """As :func:`generate`, without its checks, from packings that settle for a given typical number of steps each."""
    import dask

    hamiltonian = hamiltonian or Hamiltonian()
    mean = packing.mean_number(D, B, size[0] * size[1])
    spread = packing.spread * np.sqrt(size[0] * size[1])
    tasks = [
        dask.delayed(_lattice)(
            packing, d, b, m, spread, s, size, T, hamiltonian, np.random.SeedSequence(seed, spawn_key=(k,))
        )
        for k, (d, b, m, s) in enumerate(zip(D.tolist(), B.tolist(), mean.tolist(), steps.tolist(), strict=True))
    ]
    spin = np.stack(dask.compute(*tasks))
    coords = {"sample": np.arange(len(D)), "D": ("sample", D), "B": ("sample", B), "T": float(T)}
    attrs: dict[str, Any] = {"generator": "particles", "generator_seed": seed, "relaxed": 0}
    return spin_dataset(("sample", *SPIN_DIMS), spin, coords, hamiltonian, **attrs)


def _lattice(
    packing: Packing,
    D: float,
    B: float,
    mean: float,
    spread: float,
    steps: float,
    size: tuple[int, int],
    T: float,
    hamiltonian: Hamiltonian,
    seed: np.random.SeedSequence,
) -> np.ndarray:
    """One lattice (ny, nx, 3), float32."""
    places, noise = seed.spawn(2)
    rng = np.random.default_rng(places)
    n = max(1, round(mean + spread * rng.standard_normal()))
    positions = pack(n, round(steps * np.exp(STEPS_SPREAD * rng.standard_normal())), size, rng)
    spin = decode_positions(positions, size, D=D, B=B, hamiltonian=hamiltonian, packing=packing)
    schedule = Schedule((Stage(T, sweeps=SWEEPS, over_relaxation=OVER_RELAXATION),))
    return anneal(spin, schedule, D=D, B=B, hamiltonian=hamiltonian, seed=noise)


def decode_positions(
    positions: np.ndarray,
    size: int | tuple[int, int],
    *,
    D: float,
    B: float,
    hamiltonian: Hamiltonian | None = None,
    packing: Packing,
) -> np.ndarray:
    """The spins around skyrmions at given positions, at T = 0.

    Parameters
    ----------
    positions
        Shape (n, 2), columns x and y in sites.
    size
        Sites along y and x; the lattice is periodic.
    D, B
        In J.
    hamiltonian
        Interaction; default Néel, handedness +1.
    packing
        Radius and decay of the profile.

    Returns
    -------
    Unit spins (ny, nx, 3), float32.
    """
    from skylattice.kernels import particles

    ny, nx = shape_of(size)
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 2 or not len(positions) or not np.isfinite(positions).all():
        raise SchemaError(
            f"positions: expected finite numbers of shape (n, 2), columns x and y, found shape {positions.shape}."
        )
    a = spacing_of(len(positions), (ny, nx))
    radius, decay = packing.profile(D, B)
    if min(radius, decay) <= 0:
        raise ModelError(f"decode: the calibration gives no profile at D = {D:g}, B = {B:g}.")
    spin = np.empty((ny, nx, 3), np.float32)
    x, y = (positions[:, axis] % length for axis, length in ((0, nx), (1, ny)))
    particles.decode(np.ascontiguousarray(x), np.ascontiguousarray(y), radius * a, decay * a, spin)
    # Reversing all spins turns the field; exchange and DMI stay.
    frame = spin_frame(hamiltonian or Hamiltonian()).astype(np.float32)
    return np.sign(B).astype(np.float32) * (spin @ frame)
