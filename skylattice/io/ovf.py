"""OVF 2.0, the vector-field format of OOMMF, mumax3, Ubermag and Spirit: writing one lattice."""

from __future__ import annotations

import numpy as np
import xarray as xr

from skylattice.errors import SchemaError
from skylattice.schema import SPIN_DIMS, check_spin

#: The value that tells a reader the byte order of 4-byte data.
_CHECK = np.float32(1234567.0)


def ovf_bytes(spin: xr.DataArray, *, title: str = "skylattice", spacing: float = 1e-9) -> bytes:
    """One lattice as the contents of an OVF 2.0 file, "Data Binary 4".

    Parameters
    ----------
    spin
        Unit spins of one lattice: dims y, x, component, and others of length 1. x runs fastest in the file.
    title
        One line of text.
    spacing
        Distance of two sites in metres; spins do not say how large a site is.

    Raises
    ------
    SchemaError
        For more than one lattice, or a bad ``spin``.

    Examples
    --------
    >>> from skylattice import testing
    >>> ovf_bytes(testing.ferromagnet((1, 2)).spin)[:15]
    b'# OOMMF OVF 2.0'
    """
    check_spin(spin)
    extra = {dim: n for dim, n in spin.sizes.items() if dim not in SPIN_DIMS and n > 1}
    if extra:
        raise SchemaError(f"ovf_bytes: expected one lattice, found {extra}. Choose one, for example with .isel().")
    lattice = spin.squeeze([dim for dim in spin.dims if dim not in SPIN_DIMS], drop=True).transpose(*SPIN_DIMS)
    ny, nx, _ = lattice.shape
    header = {
        "Title": " ".join(title.split()),
        "meshtype": "rectangular",
        "meshunit": "m",
        **{f"{axis}min": 0 for axis in "xyz"},
        **{f"{axis}max": n * spacing for axis, n in (("x", nx), ("y", ny), ("z", 1))},
        "valuedim": 3,
        "valuelabels": "m_x m_y m_z",
        "valueunits": "1 1 1",
        **{f"{axis}base": spacing / 2 for axis in "xyz"},
        **{f"{axis}nodes": n for axis, n in (("x", nx), ("y", ny), ("z", 1))},
        **{f"{axis}stepsize": spacing for axis in "xyz"},
    }
    lines = [
        "# OOMMF OVF 2.0",
        "# Segment count: 1",
        "# Begin: Segment",
        "# Begin: Header",
        *(f"# {key}: {value}" for key, value in header.items()),
        "# End: Header",
        "# Begin: Data Binary 4",
    ]
    data = _CHECK.astype("<f4").tobytes() + lattice.values.astype("<f4").tobytes()
    return ("\n".join(lines) + "\n").encode() + data + b"\n# End: Data Binary 4\n# End: Segment\n"
