"""The docstring examples of the modules that need Keras."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["artifact", "config", "data", "infer", "model", "training"])
def test_docstrings__examples_run(name):
    module = importlib.import_module(f"skylattice.vae.{name}")
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0
    assert results.failed == 0
