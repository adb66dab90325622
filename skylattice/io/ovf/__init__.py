"""OVF, the vector-field format of OOMMF, mumax3, Ubermag and Spirit: files become datasets of the schema, and back.

======== ===========================================================================================
module   does
======== ===========================================================================================
`scan`   where the segments of a file lie, and whether their data are as long as announced
`header` what the header of a segment says
`data`   the numbers of a segment: text, CSV, binary in either byte order
`grid`   which point of an irregular mesh is which site
`read`   all of it together: a dataset of unit spins
`write`  OVF 2.0, one segment for each lattice
======== ===========================================================================================

``xr.open_dataset(path, engine="ovf")`` calls :func:`open_ovf`.
"""

from skylattice.io.ovf.read import open_ovf, read_ovf
from skylattice.io.ovf.write import ovf_bytes, write_ovf

__all__ = ["open_ovf", "ovf_bytes", "read_ovf", "write_ovf"]
