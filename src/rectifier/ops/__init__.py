"""Vocabularies: how each array library says the words of :mod:`rectifier.ops.words`.

One file per library. Each offers the same names:

* ``NAME``                                the library's import name
* ``owns(x)``                             whether ``x`` is one of its arrays; imports nothing
* ``vocabulary()``                        the words, as a dict
* ``value(rule, x, parameters, out)``     a rule applied to an array
* ``derivative(rule, x, parameters, out, by)``  by ``x`` (0) or a parameter (from 1)

(SymPy's file has no arrays, so only the first and the third.) Nothing here knows of
activations: a :class:`Rule` is two functions and a law of shape.
"""

from __future__ import annotations

import types
from typing import Any

from rectifier.errors import InputError
from rectifier.ops import on_jax, on_numpy, on_tensorflow, on_torch
from rectifier.ops.rule import Rule, speak, spoken

__all__ = ["LIBRARIES", "Rule", "library_of", "speak", "spoken"]

LIBRARIES = (on_numpy, on_jax, on_torch, on_tensorflow)


def library_of(x: Any) -> types.ModuleType:
    """The vocabulary module whose arrays ``x`` belongs to.

    Raises:
        InputError: ``x`` is not an array of a library that is spoken here.
    """
    for library in LIBRARIES:
        if library.owns(x):
            return library
    names = ", ".join(library.NAME for library in LIBRARIES)
    raise InputError(
        f"cannot apply an activation to {type(x).__module__}.{type(x).__name__}; "
        f"give a float or a floating-point array of {names}"
    )
