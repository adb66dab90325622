"""``python -m skylattice`` is the ``skylattice`` command."""

from skylattice.cli.main import main

if __name__ == "__main__":
    main()
