"""Speaking: code bound to a library's words, and to nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rectifier import catalog, ops
from rectifier.errors import InputError
from rectifier.ops import on_jax, on_numpy
from rectifier.ops.rule import BUILTINS, Rule, speak, spoken
from rectifier.ops.words import exp, pi, where

FACTOR = 3


def helper(x):
    return exp(x) * FACTOR


def formula(x, a=2.0):
    return where(x > 0, helper(x) + a, pi)


def reaching(x):
    return math.exp(x)


def opening(x):
    return open("/etc/passwd")


def attribute(x):
    return x.real


def test_words_numbers_helpers_and_defaults_are_bound():
    said = speak(formula, on_numpy.vocabulary())
    np.testing.assert_allclose(said(np.array([1.0, -1.0])), [3 * math.e + 2, math.pi])
    np.testing.assert_allclose(said(np.array([1.0]), 5.0), [3 * math.e + 5])


def test_numbers_may_become_something_else():
    said = speak(helper, on_numpy.vocabulary(), lambda name, value: {"FACTOR": 10}[name])
    assert float(said(np.float64(0))) == 10


@pytest.mark.parametrize("function", [reaching, opening, attribute])
def test_whatever_is_no_word_is_refused(function):
    with pytest.raises(TypeError, match="which is no word"):
        speak(function, on_numpy.vocabulary())


def test_closures_are_refused():
    hidden = 3.0

    def closed(x):
        return x * hidden

    with pytest.raises(TypeError, match="closure over hidden"):
        speak(closed, on_numpy.vocabulary())


def test_spoken_functions_have_no_builtins():
    """Python lends a function its own builtins unless its globals say otherwise."""
    said = speak(formula, on_numpy.vocabulary())
    assert said.__builtins__ == BUILTINS
    assert said.__globals__["__builtins__"] == BUILTINS
    assert said.__globals__["helper"].__builtins__ == BUILTINS
    lent = type(formula)(formula.__code__, {})
    assert "open" in lent.__builtins__, "this test can fail"


@pytest.mark.parametrize("name", catalog.names())
def test_every_entry_is_written_in_words_alone(name):
    rule = catalog.get(name).rule
    for function in (rule.value, rule.derivative):
        for library in (on_numpy, on_jax):
            assert spoken(function, library.vocabulary).__builtins__ == BUILTINS


def test_spoken_once():
    assert spoken(formula, on_numpy.vocabulary) is spoken(formula, on_numpy.vocabulary)


def test_a_rule_is_made_into_a_function_once():
    rule = Rule(formula, formula)
    assert on_jax.function(rule) is on_jax.function(rule)
    assert on_jax.function(rule) is not on_jax.function(Rule(formula, helper))


def test_library_of():
    import jax.numpy as jnp

    for x in (1.0, 1, np.float32(1), np.ones(2), 1j, True):
        assert ops.library_of(x) is on_numpy
    assert ops.library_of(jnp.ones(2)) is on_jax
    with pytest.raises(InputError, match=r"builtins\.list; give a float or a floating-point array"):
        ops.library_of([1.0])
