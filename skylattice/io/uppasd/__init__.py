"""Read runs of UppASD: a run folder, or one of its spin files, becomes a dataset of the project's schema.

=========== ====================================================================================
module      reads
=========== ====================================================================================
`files`     which files make a run, and its provenance (``uppasd.SIMID.yaml``)
`deck`      ``inpsd.dat``, as UppASD itself reads it
`lint`      ... and what is odd about it
`couplings` jfile, dmfile, posfile, momfile: J, D, symmetry and handedness of the DMI
`geometry`  ``ncell``, ``coord.SIMID.out``: size, boundaries, order of the atoms
`spins`     ``restart.SIMID.out``, ``moment.SIMID.out``
`fixed`     ... the rows that are printed as always, at once
`sign`      whether the spins fit the sign of the DMI
`sign`      whether the spins fit the sign of the DMI
`run`       all of it together
=========== ====================================================================================

``xr.open_dataset(path, engine="uppasd")`` calls :func:`open_run`.
"""

from skylattice.io.uppasd.files import find_runs
from skylattice.io.uppasd.run import open_run, read_run

__all__ = ["find_runs", "open_run", "read_run"]
