"""What the accessor shows of itself."""

import skylattice  # noqa: F401  registers ds.sky
from skylattice import testing


def test_repr__says_what_the_lattices_are_and_what_can_be_asked_without_reading_them():
    ds = testing.random((4, 6), realizations=3).chunk()
    with testing.raise_if_computes():
        text, html = repr(ds.sky), ds.sky._repr_html_()
    for shown in (text, html):
        assert "4 × 6 sites: 1 D × 1 B × 3 realization; neel DMI, handedness +1" in shown
        for method in ("topological_charge", "defects", "reconstruct", "generate"):
            assert method in shown
        assert ":func:" not in shown


def test_repr__works_on_a_dataset_without_spins():
    assert "unknown interaction" in repr(testing.ferromagnet(4).drop_vars("spin").drop_attrs().sky)
