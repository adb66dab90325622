"""The dashboard's entry point: ``skylattice dashboard`` serves this script."""

import streamlit as st
from streamlit.runtime.scriptrunner import script_runner

# Streamlit clears Keras' session after every run of a page, and so under the feet of jobs that trace a network just
# then, and of the networks that all pages share.
script_runner._clean_problem_modules = lambda: None

st.set_page_config(page_title="skylattice", page_icon=":material/hexagon:", layout="wide")
PAGES = {
    "Ensemble": "scatter_plot",
    "Lattice": "hexagon",
    "Reconstruction": "compare",
    "Latent space": "bubble_chart",
    "Generate": "auto_awesome",
    "Tables": "table_chart",
    "Jobs": "memory",
}
st.html("<style>.stMainBlockContainer {padding: 4rem 2rem 2rem}</style>")
pages = [
    st.Page(
        f"views/{title.lower().replace(' ', '_')}.py",
        title=title,
        icon=f":material/{icon}:",
        default=title == "Ensemble",
    )
    for title, icon in PAGES.items()
]
st.navigation(pages, position="top").run()
