"""Numbers that the thesis publishes, to stand beside ours: never an input of a computation.

Models are named by their C_KL (β). O. Dušek's VAE 1, 200×200 lattices, 286 of them for testing.
"""

from __future__ import annotations

from skylattice.vae.spec import THESIS_BETAS


def _by_beta(*values: float) -> dict[float, float]:
    return dict(zip(THESIS_BETAS, values, strict=False))


#: Table 3.2: reconstruction loss on the test dataset.
TEST_MSE = _by_beta(0.0342, 0.0318, 0.0361, 0.0358, 0.3383, 0.3384)
#: Table 3.3: correlation of the number of defects with the mean MSE of the lattices that have so many.
DEFECT_ERROR = _by_beta(0.88, 0.92, 0.90, 0.84)
#: Tables 3.4 and 3.5: correlation of Ẑ0 with quantities of the test lattices.
COMPONENT = {
    "Q": _by_beta(0.88, 0.85, -0.87, -0.06),
    "m_z": _by_beta(0.85, 0.86, -0.83, -0.15),
    "D": _by_beta(-0.81, -0.77, 0.80, -0.05),
    "B": _by_beta(-0.22, -0.16, 0.20, -0.06),
    "n_defects": _by_beta(-0.50, -0.49, 0.52, -0.03),
}
#: Table 3.6: the same over 600 generated lattices.
GENERATED_COMPONENT = {
    "Q": _by_beta(0.85, 0.79, -0.84, 0.09),
    "m_z": _by_beta(0.90, 0.85, -0.90, 0.03),
    "n_defects": _by_beta(-0.05, -0.37, 0.01, 0.02),
}
#: Section 3.7: correlations over the test lattices.
ENSEMBLE = {("D", "Q"): -0.98, ("D", "m_z"): -0.43, ("m_z", "Q"): 0.55}
#: Picture 3.14, model 5e-05: components that explain 0.999 of the variance.
COMPONENTS_999 = {"train": 342, "test": 230}
#: Section 3.8, model 5e-05: fewest and most defects of generated lattices.
GENERATED_DEFECTS = (68, 161)


def published(table: dict[float, float], beta: float) -> float | None:
    """The thesis' number for its model of this β; None where it has none."""
    return table.get(beta)
