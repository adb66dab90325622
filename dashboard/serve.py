"""Streamlit's command, after everything that a first page needs is loaded: nobody waits for imports on the page."""

import logging
import sys

import plotly.io
import pyarrow  # noqa: F401
import stores
from streamlit.web.cli import main

from skylattice.data import open_example
from skylattice.report.ensemble_figures import phase_diagram
from skylattice.report.panels import lattice_maps


def warm_up() -> None:
    """Read and draw the example lattice once, through the libraries that the first page uses."""
    logging.disable(logging.WARNING)  # caches outside a page say so
    stores.sources()
    example = open_example()
    picture = lattice_maps(example.spin[0, 0].sel(component="z").rename(realization="sample").compute(), ["example"])
    for figure in (picture, phase_diagram(example.status.astype(float))):
        plotly.io.to_json(figure)
    logging.disable(logging.NOTSET)


if __name__ == "__main__":
    warm_up()
    sys.exit(main())
