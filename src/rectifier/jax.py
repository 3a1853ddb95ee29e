"""The door for JAX: every activation as a function of JAX arrays.

>>> from rectifier import jax as rj
>>> rj.leaky_relu(x, negative_slope=0.2), rj.gelu(x, approximate=True)

They take whatever ``jax.numpy`` takes for an array and give a JAX array; under ``jit``, ``vmap``
and any order of ``grad`` too. The derivative is the entry's own, with the stated value at each
kink. Names and arguments: :mod:`rectifier.doors`.
"""

from __future__ import annotations

from typing import Any

from rectifier import doors
from rectifier.errors import MissingLibrary

try:
    import jax.numpy as jnp
except ImportError as error:
    raise MissingLibrary("jax", "jax") from error


def _function(listed: doors.Listing) -> Any:
    def function(x: Any, /, *args: Any, **parameters: Any) -> Any:
        activation, rest = doors.chosen(listed.activation, parameters)
        return activation(jnp.asarray(x), *args, **rest)

    return doors.dressed(function, listed, __name__)


__getattr__, __dir__ = doors.entrances(__name__, _function)
