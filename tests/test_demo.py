"""The demo at a small size: stores, tables and a page."""

import pandas as pd

from skylattice import demo, open_ensemble
from skylattice.io.results import open_results


def test_demo__builds_a_page_from_nothing_and_again_from_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "D", [0.5])
    monkeypatch.setattr(demo, "B", [0.0, 0.125, 0.5])
    monkeypatch.setattr(demo, "SIZE", 40)
    page = demo.build_demo(tmp_path / "demo")
    assert page == tmp_path / "demo" / "index.html"
    text = page.read_text()
    assert all(f"D=0.5, B={b:g}" in text for b in demo.B)
    assert "1 lattice from UppASD, mean squared error" in text  # the real one, converted to the model's handedness
    table = pd.read_csv(page.with_name("ensemble.csv"))
    assert len(table) == 6
    assert table.phase.tolist()[-2:] == ["ferromagnet", "ferromagnet"]
    assert open_results(tmp_path / "demo" / "uppasd.zarr", "observables").topological_charge.load().item() == -200
    spins = open_ensemble(tmp_path / "demo" / "ensemble.zarr").spin.load()
    demo.build_demo(tmp_path / "demo")
    assert open_ensemble(tmp_path / "demo" / "ensemble.zarr").spin.load().identical(spins)
