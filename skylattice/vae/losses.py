"""The terms of the loss, in Keras operations, so that both backends train with the same code.

Numbers are means over the batch: the MSE is a mean over sites and components, the KL divergence is summed over the
latents (that is how the thesis' C_KL is meant, see physics of its collapsed models), 1 - cosθ is a mean over sites.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skylattice.vae._keras import keras

ops = keras.ops


def mean_squared_error(spin: Any, output: Any) -> Any:
    """Mean squared difference of two batches ``(batch, y, x, 3)`` over sites, components and batch; in [0, 4/3]."""
    return ops.mean(ops.square(ops.cast(spin, "float32") - ops.cast(output, "float32")))


def kl_divergence(mu: Any, log_var: Any) -> Any:
    """KL divergence of N(μ, σ²) from N(0, 1) in nats (2.23): summed over the latents, mean over the batch."""
    return ops.mean(ops.sum(0.5 * (ops.square(mu) + ops.exp(log_var) - 1.0 - log_var), axis=-1))


def effective_field(spin: Any, parameters: Any, directions: np.ndarray) -> Any:
    """Effective field h_i = -∂H/∂S_i (3.3) on the torus, in J, for J = 1.

    Parameters
    ----------
    spin
        Shape ``(batch, y, x, 3)``.
    parameters
        D and B of each lattice, shape ``(batch, 2)``, in J.
    directions
        D_ij / D of the +x and the +y bond, shape (2, 2): :attr:`skylattice.Hamiltonian.dmi_directions`.

    Returns
    -------
    Shape ``(batch, y, x, 3)``.
    """
    strength, field = parameters[:, 0, None, None, None], parameters[:, 1, None, None, None]
    total = field * np.array([0.0, 0.0, 1.0], dtype=np.float32)
    for axis, (dx, dy) in ((2, directions[0]), (1, directions[1])):
        # A term -D_ij·(S_i × S_j) gives S_j × D_ij at i and D_ij × S_i at j.
        ahead, behind = ops.roll(spin, -1, axis=axis), ops.roll(spin, 1, axis=axis)
        x, y, z = ops.split(ahead - behind, 3, axis=-1)
        total = total + ahead + behind + strength * ops.concatenate([-z * dy, z * dx, x * dy - y * dx], axis=-1)
    return total


def cos_theta(spin: Any, parameters: Any, directions: np.ndarray) -> Any:
    """Alignment cosθ_i = S_i·h_i / |h_i| (3.5) of unit spins, shape ``(batch, y, x)``; arguments as for the field."""
    field = effective_field(spin, parameters, directions)
    length = ops.sqrt(ops.sum(ops.square(field), axis=-1) + 1e-12)
    return ops.sum(spin * field, axis=-1) / length
