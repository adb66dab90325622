"""Compiled kernels: arrays in, arrays out. numpy and numba only; no xarray, no validation, no files."""
