"""Inference over ensembles: latent vectors, reconstructions and their errors, lazily with Dask.

ε = 0 throughout, so results depend on the lattice alone; :mod:`skylattice.vae.blocks` says what a task does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skylattice.errors import MissingExtraError, ModelError
from skylattice.hamiltonian import Hamiltonian
from skylattice.schema import COMPONENT, SITE_DIMS, SPIN_DIMS, VARIABLES, check_spin, label
from skylattice.vae import calibration
from skylattice.vae.blocks import ModelReference, Parameters, map_lattices, refer
from skylattice.vae.refinement import Refine, Request, described, divergence, requested
from skylattice.vae.surprise import LATENT, surprise

if TYPE_CHECKING:
    from skylattice.vae.model import VAE


def encode(
    spin: xr.DataArray,
    model: VAE | str | os.PathLike[str],
    hamiltonian: Hamiltonian,
    *,
    D: xr.DataArray | float | None = None,
    B: xr.DataArray | float | None = None,
    refine: Request | None = "default",
) -> xr.Dataset:
    """Latent vectors of lattices: μ and log σ² of the approximate posterior.

    Parameters
    ----------
    spin
        Unit spins, shape ``(..., y, x, component)``. May be chunked along any leading dimension.
    model
        A model, the folder of one, or the name of a shipped one.
    hamiltonian
        Interaction of the lattices. Spins of the other handedness are turned by π about z first, which is exact, and
        the attributes of the result say so.
    D, B
        In J, broadcast against the leading dims; needed by conditioned models alone.
    refine
        ``None``: μ as the encoder gives it. ``"fast"``: after a few looks at what the decoder makes of it, for two to
        three times the time. ``"best"``: after gradient steps that make the reconstruction as good as it gets, for
        about a second per lattice of 200×200. ``"default"``: ``"fast"`` with a model that was made for it, else
        ``None``. The numbers are the model's: :class:`skylattice.vae.refinement.Refinement`. log σ² stays the
        encoder's.

    Returns
    -------
    Dataset with ``mu`` and ``log_var`` of shape ``(..., latent)``, float32, unit 1; NaN for holes. A periodic model's
    latents are its local map, row by row, then the global part: :meth:`skylattice.vae.ModelSpec.split`. Refined codes
    come with ``mse`` at ε = 0, ``nats`` and ``elbo`` of shape ``(...)``: a code moved to the least MSE may leave the
    optimum of the evidence lower bound. A model that was calibrated for this refinement adds, where D and B are
    known, ``surprise`` ``(...)``, the percentage of training lattices of the same B/D² and share of defects with a
    smaller error, and ``code_distance`` ``(...)``, the Mahalanobis distance of the code to theirs. Lazy if ``spin`` is
    lazy, and what is not asked for is not computed.

    Raises
    ------
    ModelError
        If the size does not fit, the model was trained for another DMI symmetry, or ``refine`` is another word.
    SchemaError
        If ``spin`` does not follow the schema.

    Warns
    -----
    UserWarning
        When the surprise is computed of lattices that are far from all that the model was trained on.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.planted_skyrmions([(10, 10)], size=20)
    >>> encode(ds.spin, "periodic", Hamiltonian()).mu.sizes["latent"]
    104
    """
    network = _prepare(spin, model, hamiltonian, (D, B), refine)
    both = network.encode(spin)
    variables = {"mu": both.isel(part=0), "log_var": both.isel(part=1)}
    if network.refine is not None:
        variables |= _measures(network, spin, **variables)
    known = calibration.of_model(network.reference.metadata, network.refine)
    if known is not None and D is not None and B is not None:
        mse = variables.get("mse", _mse(network.decode(variables["mu"]), spin))
        variables |= surprise(known, network.reference.spec, spin, variables["mu"], mse, D, B)
    result = xr.Dataset({name: label(array, name) for name, array in variables.items()})
    return result.assign_attrs(network.provenance(hamiltonian))


def reconstruct(
    spin: xr.DataArray,
    model: VAE | str | os.PathLike[str],
    hamiltonian: Hamiltonian,
    *,
    D: xr.DataArray | float | None = None,
    B: xr.DataArray | float | None = None,
    refine: Request | None = "default",
) -> xr.DataArray:
    """Lattices encoded and decoded with ε = 0; parameters and errors as :func:`encode`.

    Returns
    -------
    Unit spins of the shape of ``spin``, float32, in the handedness of the input; NaN for holes. Lazy if ``spin`` is;
    computed together with :func:`encode`, both share the codes.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.planted_skyrmions([(10, 10)], size=20).chunk()
    >>> reconstruct(ds.spin, "periodic", Hamiltonian()).dtype
    dtype('float32')
    """
    network = _prepare(spin, model, hamiltonian, (D, B), refine)
    output = label(network.decode(network.encode(spin).isel(part=0)).transpose(*spin.dims), "spin")
    if COMPONENT in spin.coords:
        output = output.assign_coords({COMPONENT: spin[COMPONENT]})
    return output.assign_attrs(network.provenance(hamiltonian))


def reconstruction_error(
    spin: xr.DataArray,
    model: VAE | str | os.PathLike[str],
    hamiltonian: Hamiltonian,
    *,
    D: xr.DataArray | float,
    B: xr.DataArray | float,
    refine: Request | None = "default",
) -> xr.Dataset:
    """How well a model reconstructs each lattice; parameters and errors as :func:`encode`.

    Returns
    -------
    Dataset, NaN for holes, lazy if ``spin`` is: ``mse`` ``(...)``, mean over sites and components; ``squared_error``
    ``(..., y, x)``, summed over the components, in [0, 4]; ``energy_difference`` ``(...)``, J per site, and
    ``cos_theta_difference`` ``(...)``, both output minus input. Compute it as a whole: the parts share the network's
    output.

    Examples
    --------
    >>> from skylattice import Hamiltonian, testing
    >>> ds = testing.planted_skyrmions([(10, 10)], size=20)
    >>> errors = reconstruction_error(ds.spin, "periodic", Hamiltonian(), D=ds.D, B=ds.B)
    >>> sorted(errors.data_vars)
    ['cos_theta_difference', 'energy_difference', 'mse', 'squared_error']
    """
    from skylattice.observables.scalars import observables

    output = reconstruct(spin, model, hamiltonian, D=D, B=B, refine=refine)
    squared = _squared(output, spin)
    before, after = (observables(lattices, D, B, hamiltonian) for lattices in (spin, output))
    variables = {
        "mse": squared.mean(SITE_DIMS, skipna=False) / 3,
        "squared_error": squared,
        "energy_difference": after.energy - before.energy,
        "cos_theta_difference": after.cos_theta - before.cos_theta,
    }
    provenance = {name: output.attrs[name] for name in output.attrs if name not in VARIABLES["spin"].attrs()}
    return xr.Dataset({name: label(array, name) for name, array in variables.items()}, attrs=provenance)


@dataclass(frozen=True)
class _Network:
    """A model for lattices of one size, handedness and request."""

    reference: ModelReference
    turn: bool
    parameters: Parameters
    size: tuple[int, int]
    refine: Refine | None

    def encode(self, spin: xr.DataArray) -> xr.DataArray:
        """μ and log σ², shape ``(..., part, latent)``."""
        sizes = {"part": 2, LATENT: self.reference.spec.latents(self.size)}
        return map_lattices(
            "encode",
            spin,
            SPIN_DIMS,
            self.reference,
            turn=self.turn,
            parameters=self.parameters,
            output_sizes=sizes,
            refine=self.refine,
        )

    def decode(self, z: xr.DataArray) -> xr.DataArray:
        """Spins of codes ``(..., latent)``."""
        sizes = dict(zip(SPIN_DIMS, (*self.size, 3), strict=True))
        return map_lattices(
            "decode",
            z,
            [LATENT],
            self.reference,
            turn=self.turn,
            parameters=self.parameters,
            output_sizes=sizes,
        )

    def provenance(self, hamiltonian: Hamiltonian) -> dict[str, Any]:
        """What made a result: model, refinement, and what was done to the spins first."""
        attrs: dict[str, Any] = {"model": self.reference.name, "model_fingerprint": self.reference.fingerprint}
        attrs["model_refine"] = described(self.refine, self.reference.metadata)
        if self.turn:
            attrs["model_handedness"] = (
                f"spins of handedness {hamiltonian.handedness:+d} were turned by pi about z for a model trained on "
                f"{-hamiltonian.handedness:+d}"
            )
        return attrs


def _prepare(
    spin: xr.DataArray, model: Any, hamiltonian: Hamiltonian, parameters: Parameters, refine: Request | None
) -> _Network:
    """The model that fits lattices: whether their spins must be turned to its handedness, and how it refines."""
    from importlib.util import find_spec

    check_spin(spin)
    if find_spec("keras") is None:  # say so here, not in a task
        raise MissingExtraError("keras", "vae", "a variational autoencoder")
    reference = refer(model)
    trained = reference.spec.hamiltonian
    if trained.dmi != hamiltonian.dmi:
        raise ModelError(
            f"model {reference.name}: trained on the {trained.dmi} DMI, the lattices have the {hamiltonian.dmi} one. "
            "No rotation turns one into the other: train a model on such lattices."
        )
    size = (spin.sizes["y"], spin.sizes["x"])
    reference.spec.check_size(size)
    turn = trained.handedness != hamiltonian.handedness
    return _Network(reference, turn, parameters, size, requested(refine, reference.metadata))


def _measures(network: _Network, spin: xr.DataArray, mu: xr.DataArray, log_var: xr.DataArray) -> dict[str, Any]:
    """How good codes are: MSE at ε = 0, nats, and the evidence lower bound."""
    weight = network.reference.spec.kl_weight(network.size)
    cost = divergence(mu, log_var).sum(LATENT, skipna=False)
    # One draw of the noise and its opposite, the same for every lattice: without its odd part, and reproducible.
    noise = np.random.default_rng(0).standard_normal(mu.sizes[LATENT]).astype(np.float32)
    step = np.exp(0.5 * log_var) * xr.DataArray(noise, dims=LATENT)
    noisy = sum(_mse(network.decode(z), spin) for z in (mu + step, mu - step)) / 2
    return {"mse": _mse(network.decode(mu), spin), "nats": cost, "elbo": -(noisy + weight * cost)}


def _squared(output: xr.DataArray, spin: xr.DataArray) -> xr.DataArray:
    """Squared difference per site, summed over the components."""
    return ((output - spin).astype(np.float64) ** 2).sum(COMPONENT, skipna=False)


def _mse(output: xr.DataArray, spin: xr.DataArray) -> xr.DataArray:
    return _squared(output, spin).mean(SITE_DIMS, skipna=False) / 3
