"""What the pages share: which lattice is looked at, kept in the URL, and the widgets that choose it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import background
import models
import numpy as np
import services
import stores
import streamlit as st

from skylattice.errors import SkylatticeError
from skylattice.schema import GRID_DIMS, STATUS

#: For figures too small for Plotly's buttons.
PLAIN = {"displayModeBar": False}

_NAMES = ("store", *GRID_DIMS)


@contextmanager
def explaining() -> Iterator[None]:
    """Show what went wrong as a message on the page: an error of skylattice says what to do."""
    try:
        yield
    except SkylatticeError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except OSError as error:
        st.error(
            plain(f"A file could not be read or written: {error}. It may be changing just now; reload the page."),
            icon=":material/error:",
        )


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join("\\" + c if c in "\\`*_{}[]<>#|$~" else c for c in text)


def selection() -> dict[str, Any]:
    """Store and point looked at: from the URL at first, then from this session."""
    if "selection" not in st.session_state:
        chosen: dict[str, Any] = {}
        for name in _NAMES:
            text = st.query_params.get(name)
            if text is None:
                continue
            value = text if name == "store" else _number(text)
            if value is not None:
                chosen[name] = value
        st.session_state.selection = chosen
    return st.session_state.selection


def _number(text: str) -> float | None:
    """A finite number, or None: a URL may say anything."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def select(**changes: Any) -> None:
    """Look at another store or point."""
    selection().update(changes)


def show_in_url() -> None:
    """Write the selection to the URL, so that a link opens the same view."""
    wanted = {
        name: str(value) if name in ("store", "realization") else f"{value:g}" for name, value in selection().items()
    }
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def choose_store() -> str:
    """The store to look at, chosen in the sidebar."""
    listed = stores.sources()
    if not listed:
        st.info("There is no ensemble here yet. Make one with `skylattice demo`, or start with another --root FOLDER.")
        st.stop()
    wanted = selection().get("store")
    if wanted not in listed:
        if wanted is not None:
            st.warning(plain(f"There is no store {wanted!r} here; showing the first one."))
        wanted = next(iter(listed))
        select(store=wanted)
    st.session_state.store_widget = wanted
    with st.sidebar:
        st.selectbox(
            "Ensemble",
            list(listed),
            key="store_widget",
            on_change=lambda: _changed_store(),
            help="Stores under the folders that the dashboard was started with, and those that come with skylattice.",
        )
        if listed[wanted].description:
            st.caption(plain(listed[wanted].description))
        if st.button("Reload", icon=":material/refresh:", help="Read everything again, if files have changed."):
            st.cache_data.clear()
            st.cache_resource.clear()
            st.rerun()
    return wanted


def _changed_store() -> None:
    st.session_state.selection = {"store": st.session_state.store_widget}


def settle_point(key: str) -> services.Point:
    """The point looked at, moved to the nearest lattice that is done; stops the page if there is none."""
    state = services.status(key)
    done = np.argwhere(state.values == STATUS["done"])
    if not len(done):
        counts = {name: int((state.values == value).sum()) for name, value in STATUS.items()}
        st.info(
            "No lattice of this store is done yet: "
            + ", ".join(f"{count} {name}" for name, count in counts.items() if count)
            + ". Run the simulation again to go on with it, then press Reload."
        )
        st.stop()
    axes = [state[dim].values.astype(float) for dim in GRID_DIMS]
    middle = (len(done) - 1) // 2
    start = (axes[0][done[middle, 0]], axes[1][done[middle, 1]], 0)
    wanted = [float(selection().get(dim, value)) for dim, value in zip(GRID_DIMS, start, strict=True)]
    # another realization of the same point is nearer than any other point
    steps = [np.ptp(axis) or 1.0 for axis in axes[:2]] + [1e6]
    apart = sum(((axis[done[:, n]] - wanted[n]) / steps[n]) ** 2 for n, axis in enumerate(axes))
    i, j, k = done[int(np.argmin(apart))]
    point = services.Point(float(axes[0][i]), float(axes[1][j]), int(axes[2][k]))
    select(D=point.D, B=point.B, realization=point.realization)
    return point


def choose_point(key: str) -> services.Point:
    """The lattice to look at, chosen in the sidebar by sliders, buttons or keys."""
    point = settle_point(key)
    state = services.status(key)
    with st.sidebar:
        for dim in GRID_DIMS:
            _choose_value(key, dim, getattr(point, dim), [value.item() for value in state[dim].values])
    return services.Point(*(selection()[dim] for dim in GRID_DIMS))


#: Keys that step down and up each axis.
_KEYS = {"D": ("A", "D"), "B": ("S", "W"), "realization": ("Q", "E")}


def _choose_value(key: str, dim: str, value: Any, options: list[Any]) -> None:
    """A slider along one axis with a button on each side; with one value there is nothing to choose."""
    if len(options) == 1:
        st.caption(f"{dim} = {options[0]:g}")
        return
    widget = f"{dim}_widget"
    st.session_state[widget] = value
    down, middle, up = st.columns([1, 4, 1], vertical_alignment="bottom", gap="small")
    middle.select_slider(
        dim, options, key=widget, format_func=lambda v: f"{v:g}", on_change=lambda: select(**{dim: _widget(widget)})
    )
    for column, step, sign, shortcut in ((down, -1, "−", _KEYS[dim][0]), (up, 1, "+", _KEYS[dim][1])):
        target = neighbour(key, dim, step)
        column.button(
            sign,
            key=f"{dim}{step}",
            disabled=target is None,
            on_click=select,
            kwargs={dim: target},
            shortcut=shortcut,
            help=f"Next lattice along {dim} (key {shortcut})",
            wrap=False,
        )


def _widget(name: str) -> Any:
    return st.session_state[name]


def neighbour(key: str, dim: str, step: int) -> Any:
    """Coordinate of the next lattice that is done along one axis, or None at the end."""
    chosen = selection()
    line = services.status(key).sel({d: chosen[d] for d in GRID_DIMS if d != dim}, method="nearest")
    done = line[dim].values[line.values == STATUS["done"]]
    beyond = done[done > chosen[dim]][:1] if step > 0 else done[done < chosen[dim]][-1:]
    return beyond.item() if len(beyond) else None


def models_or_stop(key: str) -> list[str]:
    """Names of the models that take this store's lattices; stops the page with a message if there are none."""
    if find_spec("keras") is None:
        st.info("Models need Keras, which is not installed. Install it with: `pip install 'skylattice[vae]'`")
        st.stop()
    fit, unfit = models.fitting(key)
    if not fit and not unfit:
        st.info(
            "There is no trained model here. Train one with `skylattice train` in a folder that the dashboard was "
            "started with, and press Reload."
        )
        st.stop()
    if not fit:
        st.info("No model takes the lattices of this ensemble. Choose another ensemble, or train a model on it.")
        for name, reason in unfit.items():
            st.caption(plain(f"{name}: {reason}"))
        st.stop()
    return sorted(fit, key=lambda name: not models.has_encoded(key, name))  # those that have encoded it come first


@st.fragment(run_every=0.5)
def wait_for(name: str) -> None:
    """How far a job is; runs the page again once it is done."""
    job = background.registry().get(name)
    if job is None:
        return
    if job.state == "failed":
        st.error(plain(job.message), icon=":material/error:")
    elif job.state == "running":
        share = job.done / job.total if job.total else 0.0
        st.progress(share, text=f"{job.done} of {job.total or '…'} after {job.elapsed:.0f} s")
    elif st.session_state.get("seen_jobs", {}).get(name) != job.started:
        st.session_state.setdefault("seen_jobs", {})[name] = job.started
        st.rerun()
