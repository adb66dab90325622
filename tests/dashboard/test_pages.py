"""Every page on every kind of store: no exception reaches a page, and what is missing is said."""

import shutil
import sys
from types import SimpleNamespace

import pytest
from small_stores import DASHBOARD, make_store
from streamlit.testing.v1 import AppTest

PAGES = sorted(path.stem for path in (DASHBOARD / "views").glob("*.py"))
#: TensorFlow takes its time to load; pages that use it get it.
TIMEOUT = 120


def open_page(name, **query):
    """A page as a browser would show it first."""
    page = AppTest.from_file(str(DASHBOARD / "app.py"), default_timeout=TIMEOUT)
    if name != "ensemble":
        page.switch_page(f"views/{name}.py")
    for key, value in query.items():
        page.query_params[key] = value
    return page.run()


def text(page):
    """All that a page says."""
    blocks = (page.error, page.info, page.warning, page.caption, page.markdown, page.subheader, page.success)
    return "\n".join(str(element.value) for block in blocks for element in block)


def test_every_page__is_in_the_navigation():
    app = (DASHBOARD / "app.py").read_text()
    titles = [name.replace("_", " ").capitalize() for name in PAGES]
    assert all(f'"{title}"' in app for title in titles)


@pytest.mark.parametrize("name", PAGES)
def test_page__shows_data(name, full):
    page = open_page(name)
    assert not page.exception
    assert not page.error
    assert page.query_params["store"] == "full"


@pytest.mark.parametrize("name", PAGES)
def test_page__of_an_empty_store_says_so(name, root, monkeypatch):
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(make_store(root / "empty.zarr", write=False)))
    page = open_page(name)
    assert not page.exception
    assert not page.error
    if name != "jobs":
        assert "No lattice of this store is done yet: 8 empty" in text(page)


@pytest.mark.parametrize("name", PAGES)
def test_page__of_a_half_written_store_says_so(name, root, monkeypatch):
    path = make_store(root / "half.zarr")
    (path / "status" / "zarr.json").write_text('{"zarr_format": 3,')
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(path))
    page = open_page(name)
    assert not page.exception
    assert "skylattice verify" in text(page)


@pytest.mark.parametrize("name", PAGES)
def test_page__of_a_store_deleted_while_open_says_so(name, root, monkeypatch):
    path = make_store(root / "gone.zarr")
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(path))
    page = open_page(name)
    shutil.rmtree(path)
    page.run()
    assert not page.exception
    assert "the store is gone" in text(page)


@pytest.mark.parametrize("name", ["ensemble", "lattice"])
def test_page__of_a_store_with_one_lattice_shows_it(name, root):
    page = open_page(name, store="uppasd-200")
    assert not page.exception
    assert not page.error
    assert "D = 0.5" in text(page)


@pytest.mark.parametrize("name", ["reconstruction", "latent_space", "generate", "tables"])
def test_page__without_keras_says_what_to_install(name, full, monkeypatch):
    import widgets

    monkeypatch.setattr(widgets, "find_spec", lambda package: None)
    page = open_page(name)
    assert not page.exception
    assert "pip install 'skylattice[vae]'" in text(page)


@pytest.mark.parametrize("name", ["reconstruction", "latent_space", "generate", "tables"])
def test_page__without_a_model_says_how_to_train_one(name, root, monkeypatch):
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(make_store(root / "raw.zarr")))
    page = open_page(name)
    assert not page.exception
    assert "skylattice train" in text(page)


@pytest.mark.parametrize("name", PAGES)
def test_url__that_names_a_path_or_nonsense_shows_the_first_store(name, full, tmp_path):
    outside = make_store(tmp_path / "outside.zarr")
    page = open_page(name, store=f"../{outside}", D="nan", B="1e999", realization="x")
    assert not page.exception
    assert page.query_params["store"] == "full"
    assert "There is no store" in text(page)


def test_url__reopens_the_same_lattice(full):
    page = open_page("lattice", store="full", D="0.4", B="0.1", realization="1")
    assert "D = 0.4, B = 0.1, realization 1" in text(page)
    assert page.query_params["realization"] == "1"


def test_url__of_a_hole_moves_to_the_nearest_lattice(full):
    page = open_page("lattice", store="full", D="0.5", B="0.15", realization="1")
    assert "D = 0.5, B = 0.15, realization 0" in text(page)


def test_buttons__step_to_the_next_lattice_that_is_done(full):
    page = open_page("lattice", store="full", D="0.4", B="0.1", realization="0")
    page.button("D1").click().run()
    assert "D = 0.5, B = 0.1, realization 0" in text(page)
    page.button("B1").click().run()
    assert "D = 0.5, B = 0.15, realization 0" in text(page)
    assert page.button("realization1").disabled, "the next one failed"
    assert page.button("D-1").disabled, "there is a hole"


@pytest.mark.parametrize("title", ["M_x", "in-plane angle", "charge density", "cos θ", "local energy"])
def test_lattice_page__draws_every_map_and_layer(title, full):
    page = open_page("lattice")
    page.selectbox("map").set_value(title)
    page.session_state["layers"] = ["mesh", "defects", "Burgers vectors", "grains"]
    page.run()
    assert not page.exception
    assert not page.error


def test_ensemble_page__colours_by_every_scalar(full):
    page = open_page("ensemble")
    box = page.selectbox("colour")
    assert len(box.options) > 20
    for index in (0, 5, len(box.options) - 1):
        box.select_index(index).run()
        assert not page.exception
        assert not page.error


def test_ensemble_page__filters_the_table(full):
    page = open_page("ensemble")
    assert len(page.dataframe[0].value) == 6  # the one that failed included
    page.select_slider("filter_D").set_range(0.5, 0.5).run()
    assert len(page.dataframe[0].value) == 4


def test_ensemble_page__without_results_offers_to_compute_them(root, monkeypatch):
    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(make_store(root / "raw.zarr")))
    page = open_page("ensemble")
    assert not page.exception
    assert "Nothing was computed" in text(page)


def test_jobs_page__computes_what_is_missing(root, monkeypatch):
    import time

    import background

    monkeypatch.setenv("SKYLATTICE_DASHBOARD_SOURCE", str(make_store(root / "raw.zarr")))
    page = open_page("jobs")
    page.button("analyse").click().run()
    (job,) = background.registry().values()
    end = time.monotonic() + 60
    while job.state == "running" and time.monotonic() < end:
        time.sleep(0.05)
    page.run()
    assert "raw: analysis: done" in text(page)
    assert "Compute again" in [button.label for button in page.button]


def test_jobs_page__refuses_a_foreign_scheduler(full):
    page = open_page("jobs")
    page.text_input("scheduler").set_value("tcp://elsewhere:8786").run()
    assert not page.exception
    assert "--scheduler ADDRESS" in text(page)


def test_page__leaves_the_keras_session_of_jobs_alone(full, monkeypatch):
    cleared = []
    backend = SimpleNamespace(clear_session=lambda: cleared.append(1))
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(backend=backend))
    open_page("ensemble")
    assert not cleared
