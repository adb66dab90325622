"""The magnetic phase of each lattice: ferromagnet, spiral, skyrmion lattice, or a mixture."""

from __future__ import annotations

import numpy as np
import xarray as xr

from skylattice.boundary import TORUS, Sites
from skylattice.observables._apply import apply_to_lattices
from skylattice.schema import check_spin, label


def phase(spin: xr.DataArray, B: xr.DataArray | float = 0.0, sites: Sites = TORUS) -> xr.DataArray:
    """Label the magnetic phase of each lattice.

    The rule looks at the regions of 4-connected sites that point against the background, which lies along the field,
    or along the mean S_z where B = 0, or along the mean spin where that lies in the plane. Each region carries an
    integer charge (see :mod:`skylattice.kernels.regions`). A region is a *skyrmion* if its charge is +1 or -1, it does
    not close on itself around the torus, and the sum of its second moments is below 1.4 times that of the disc of the
    same area: an ellipse with axes as 1 to 2.4 has that; a curled stripe, which has gaps, has more than 2. With r the
    reversed share of the sites, f the share of the reversed sites that lie in skyrmions, and a the mean cosine of the
    angles between the spins and the sums of their neighbours, the first that fits:

    ============ ====================================================================
    ferromagnet  no region is charged, and r < 1 % (or > 99 %: reversed as a whole)
    disordered   a < 0.87: molten, at temperatures above about 0.45
    skyrmion     f >= 0.75 and r >= 5 %: a lattice, not a dilute gas
    spiral       f <= 0.25
    mixed        anything else
    ============ ====================================================================

    Parameters
    ----------
    spin
        Unit spins, shape ``(..., y, x, component)``, component = 3, dimensionless. May be chunked along any leading
        dimension; ``y``, ``x``, ``component`` must be one chunk.
    B
        Field along z in units of J, of any shape that broadcasts against the leading dims; only its sign matters.
    sites
        Which sites and bonds there are. Regions end at open boundaries; shares are of the sites that are there.

    Returns
    -------
    Flags of shape ``(...)``, int8, as in :data:`skylattice.schema.PHASE`; -1 for a lattice with a NaN (a hole). Lazy
    if ``spin`` is lazy.

    Raises
    ------
    SchemaError
        If a required dimension is missing or ``component`` is not of length 3.

    Examples
    --------
    >>> from skylattice import testing
    >>> phase(testing.spiral(turns=4, size=64).spin).values.item()
    1
    """
    check_spin(spin)
    return label(apply_to_lattices("phase.phase", spin, B, sites=sites, dtype=np.int8), "phase")
