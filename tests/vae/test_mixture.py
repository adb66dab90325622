from pathlib import Path

import numpy as np
import pytest

import skylattice.vae
from skylattice.errors import ModelError, StoreError
from skylattice.schema import STATUS
from skylattice.vae.data import LatticeBatches, data_fingerprint, split_ensemble
from skylattice.vae.mixture import Mixture
from skylattice.vae.training import open_data

RECIPES = sorted((Path(skylattice.vae.__file__).parent / "recipes/data").glob("*.yaml"))
PARTS = [
    {"name": "quick", "share": 0.75, "T": 0.006, "steps": 6, "sweeps": 3},
    {"name": "warm", "share": 0.25, "T": 0.05, "steps": 3, "sweeps": 2},
]


def mixture(folder, **changes):
    values = {"folder": str(folder), "size": 40, "n": 8, "seed": 3, "b": [0.4, 0.6], "D": [0.45, 0.6], "parts": PARTS}
    return Mixture.from_dict({**values, **changes})


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    recipe = mixture(tmp_path_factory.mktemp("mixture"))
    recipe.simulate(progress=False)
    return recipe


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_mixture__recipes_of_the_package_are_sound(path):
    recipe = Mixture.from_yaml(path)
    points = recipe.points()
    assert sum(map(len, points.values())) == recipe.n
    D, B = np.array([point for drawn in points.values() for point in drawn]).T
    assert D.min() >= 0.3
    assert D.max() <= 0.7
    assert (abs(B / D**2 - 0.5) < 0.25 + 0.005 / 0.3**2).all()  # rounded to 0.005


def test_mixture__points_depend_on_seed_and_part_alone(tmp_path):
    points = mixture(tmp_path).points()
    assert [len(drawn) for drawn in points.values()] == [6, 2]
    assert mixture(tmp_path, parts=PARTS[::-1]).points() == points
    assert mixture(tmp_path, seed=4).points() != points


def test_mixture__is_one_dataset_with_the_temperature_of_each_part(simulated):
    ds = simulated.open()
    assert ds.spin.dims == ("sample", "y", "x", "component")
    assert (ds.status == STATUS["done"]).all()
    assert ds.attrs["recipe"] == {"quick": int((ds.part == 0).sum()), "warm": int((ds.part == 1).sum())}
    np.testing.assert_array_equal(ds.T, np.where(ds.part == 0, 0.006, 0.05))
    lengths = np.linalg.norm(ds.spin, axis=-1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    assert ds.attrs["dmi"] == "neel"


def test_mixture__goes_on_where_it_was_stopped(simulated):
    before = data_fingerprint(simulated.open())
    simulated.simulate(progress=False)
    assert data_fingerprint(simulated.open()) == before


def test_mixture__is_trained_on_through_its_file(simulated, tmp_path):
    import yaml

    path = tmp_path / "recipe.yaml"
    values = {"folder": simulated.folder, "size": 40, "n": 8, "seed": 3, "b": [0.4, 0.6], "D": [0.45, 0.6]}
    path.write_text(yaml.safe_dump({**values, "parts": PARTS}))
    ds = open_data(str(path))
    split = split_ensemble(ds, test=0.0, validation=0.0, test_seeds=0.0)
    assert len(split.train) == ds.sizes["sample"]
    batches = LatticeBatches(ds, split.train, batch_size=2)
    (batch,) = batches[0]
    np.testing.assert_array_equal(batch["spin"], ds.spin[:2])
    np.testing.assert_allclose(batch["parameters"][:, 0], ds.D[:2], rtol=1e-6)


def test_mixture__names_a_part_that_was_not_simulated(tmp_path):
    with pytest.raises(StoreError, match=r"quick\.zarr"):
        mixture(tmp_path).open()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": PARTS[:1]}, "shares that sum to 1"),
        ({"parts": [{**PARTS[0], "share": 1.0, "name": "../up"}]}, "letters, digits and underscores"),
        ({"parts": [{**PARTS[0], "share": 1.0, "T": 0}]}, "T: expected a number > 0"),
        ({"parts": [{"name": "bare"}]}, r"part 'bare': missing \['T', 'share', 'steps', 'sweeps'\]"),
        ({"b": [0.6, 0.4]}, "b: expected two growing numbers"),
        ({"b": 0.5}, "b: expected two growing numbers"),
        ({"sizes": 40}, r"unknown options \['sizes'\]"),
    ],
)
def test_mixture__refuses_what_is_no_recipe(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        mixture(tmp_path, **changes)
