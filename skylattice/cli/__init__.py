"""The ``skylattice`` command, one module per group of commands."""
