"""The one place that imports Keras: quietly, with a clear error where it is missing.

Every module of :mod:`skylattice.vae` that needs Keras takes it from here, so ``KERAS_BACKEND`` alone decides between
TensorFlow (the default) and JAX.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skylattice.errors import MissingExtraError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow greets every import otherwise
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # lattices of another size are traced anew, as they must be


@contextmanager
def _without_greetings() -> Iterator[None]:
    """Keep back what is written to standard error, unless the block fails: libraries greet before they are set up."""
    try:
        stderr = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with tempfile.TemporaryFile() as kept_back:
        os.dup2(kept_back.fileno(), 2)
        try:
            yield
        except BaseException:
            kept_back.seek(0)
            os.write(stderr, kept_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


try:
    with _without_greetings():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.constant(0.0)  # the first operation greets as well
except ModuleNotFoundError as error:
    missing = {"keras": "keras", "tensorflow": "tensorflow", "jax": "jax"}.get(error.name or "")
    if missing is None:
        raise
    raise MissingExtraError(missing, "gpu" if missing == "jax" else "vae", "skylattice.vae") from None

__all__ = ["compiled_gradient", "jit_compile", "keras"]


def jit_compile() -> bool | str:
    """XLA on TensorFlow's CPU leaves out oneDNN's convolutions and is several times slower; JAX has nothing else."""
    return "auto" if keras.backend.backend() == "jax" else False


def compiled_gradient(objective: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function that gives the gradient of a scalar ``objective`` along its first argument.

    Keras has no gradient of its own: this is the one place that asks the backend for it.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(objective))
    import tensorflow as tf

    @tf.function(jit_compile=False)
    def gradient(variable: Any, *others: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(variable)
            value = objective(variable, *others)
        return tape.gradient(value, variable)

    return gradient
