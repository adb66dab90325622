"""OVF 2.0: header, check value and order as the format asks for; read back by an independent parser."""

import numpy as np
import pytest

from skylattice import testing
from skylattice.errors import SchemaError
from skylattice.io.ovf import ovf_bytes


def parse(data):
    """Header and values, by the rules of the format alone."""
    head, _, rest = data.partition(b"# Begin: Data Binary 4\n")
    header = {}
    for line in head.decode().splitlines():
        key, found, value = line.lstrip("# ").partition(":")
        if found:
            header[key.strip().lower()] = value.strip()
    nx, ny, nz = (int(header[f"{axis}nodes"]) for axis in "xyz")
    count = nx * ny * nz * int(header["valuedim"])
    assert rest[:4] == bytes.fromhex("38b49649")
    values = np.frombuffer(rest[4 : 4 + 4 * count], "<f4").reshape(nz, ny, nx, 3)
    assert rest[4 + 4 * count :] == b"\n# End: Data Binary 4\n# End: Segment\n"
    return header, values


def test_ovf__reads_back_with_x_fastest():
    ds = testing.random((3, 5), seed=1)
    header, values = parse(ovf_bytes(ds.spin, title="two\nlines", spacing=5e-10))
    np.testing.assert_array_equal(values[0], ds.spin.values[0, 0, 0].astype("f4"))
    assert header["title"] == "two lines"
    assert float(header["xmax"]) == pytest.approx(2.5e-9)
    assert header["meshtype"] == "rectangular"


def test_ovf__does_not_depend_on_the_order_of_dims():
    spin = testing.random((3, 5)).spin
    assert ovf_bytes(spin) == ovf_bytes(spin.transpose("component", "x", ..., "y"))


def test_ovf__of_two_lattices_is_refused():
    with pytest.raises(SchemaError, match="one lattice"):
        ovf_bytes(testing.random(4, realizations=2).spin)
