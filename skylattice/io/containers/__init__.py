"""Lattices in containers of arrays that other people wrote: npy, npz, HDF5, netCDF, zarr.

=========== ====================================================================================
module      does
=========== ====================================================================================
`contents`  what is in a file or folder: arrays by name, unread
`kinds`     ... and which kind of container it is
`raw`       numbers that lie plainly in a file: npy, npz, netCDF 3
`netcdf`    the header of netCDF 3
`hdf5`      HDF5, and with it netCDF 4
`zarr`      zarr groups of version 2 and 3
`names`     which array is what, by its name
`layout`    which axis is what, by name and length
`read`      all of it together: a dataset of unit spins
`examine`   ... or what stands in its way, for the doctor
=========== ====================================================================================

Such a file says of itself what it likes. What can be told by names and lengths is taken; what has several readings is
an error that lists them, with the option that chooses one.
"""

from skylattice.io.containers.read import open_container

__all__ = ["open_container"]
