"""The door for JAX: every name, every argument, gradients, transformations."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rectifier as rf
from rectifier import doors
from rectifier import jax as rj
from rectifier.errors import InputError, ParameterError

X = np.linspace(-4, 4, 24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize("name", rf.names())
def test_every_name_is_a_function_that_computes_the_entry(name):
    function = getattr(rj, name)
    assert function is getattr(rj, name)
    assert function.__name__ == name
    assert function.__module__ == "rectifier.jax"
    assert rf.get(name).summary in function.__doc__
    result = function(X)  # a NumPy array in, a JAX array out
    assert isinstance(result, jax.Array)
    assert result.dtype == jnp.float32
    np.testing.assert_array_equal(result, rf.get(name)(jnp.asarray(X)))
    assert pickle.loads(pickle.dumps(function)) is function


ARGUMENTS = [
    (entry.function, argument.name, spelled)
    for entry in doors.listings()
    for argument in entry.arguments
    if not argument.choices
    for spelled in argument.aliases
]


@pytest.mark.parametrize(("name", "argument", "spelled"), ARGUMENTS)
def test_frameworks_names_for_arguments_are_accepted(name, argument, spelled):
    function = getattr(rj, name)
    default = inspect.signature(function).parameters[argument].default
    given = 0 if isinstance(default, int) and argument == "axis" else default
    np.testing.assert_array_equal(function(X, **{spelled: given}), function(X, **{argument: given}))


FLAGS = [
    (entry.function, argument.name, choice)
    for entry in doors.listings()
    for argument in entry.arguments
    for choice in argument.choices
]


@pytest.mark.parametrize(("name", "flag", "choice"), FLAGS)
def test_flags_choose_the_activation_that_the_catalogue_says(name, flag, choice):
    expected = rf.get(rf.get(name).flags[flag][choice] or name)(jnp.asarray(X))
    np.testing.assert_array_equal(getattr(rj, name)(X, **{flag: choice}), expected)


def test_gelu_is_exact_by_default_and_tanh_on_demand_as_in_jax():
    x = np.linspace(-4, 4, 33, dtype=np.float32)
    exact, tanh = jax.nn.gelu(x, approximate=False), jax.nn.gelu(x, approximate=True)
    np.testing.assert_allclose(rj.gelu(x), exact, atol=1e-6)
    np.testing.assert_allclose(rj.gelu(x, approximate=True), tanh, atol=1e-6)
    assert np.max(np.abs(exact - tanh)) > 1e-4


def test_transformations():
    x = jnp.linspace(-2, 2, 9)
    slopes = jax.jit(jax.vmap(jax.grad(lambda v: rj.leaky_relu(v, alpha=0.2))))(x)
    np.testing.assert_allclose(slopes, np.where(np.arange(9) <= 4, 0.2, 1.0))  # 0.2 at the kink
    learnt = jax.grad(lambda a: rj.elu(x, alpha=a).sum())(1.0)
    np.testing.assert_allclose(learnt, np.expm1(np.arange(-2, 0, 0.5)).sum(), rtol=1e-6)


def test_names_are_listed_and_a_wrong_one_names_the_nearest():
    assert set(rf.names()) == set(dir(rj)) == set(rj.__all__)
    space: dict = {}
    exec("from rectifier.jax import *", space)
    assert space["leaky_relu"] is rj.leaky_relu
    with pytest.raises(AttributeError, match=r"'rectifier.jax' has no attribute 'leeky_relu'; n"):
        rj.leeky_relu  # noqa: B018


def test_bad_input_is_one_line():
    with pytest.raises(InputError, match="needs floating-point input, got int32"):
        rj.relu(jnp.arange(3))
    with pytest.raises(ParameterError, match="leaky_relu has no parameter 'slope'"):
        rj.leaky_relu(X, slope=0.2)
    with pytest.raises(InputError, match=r"gelu: approximate must be one of .*, got 'erf'"):
        rj.gelu(X, approximate="erf")


def test_what_define_makes_is_behind_the_door():
    rf.define("for_the_jax_door", "x * tanh(a * x)", a=2.0)
    np.testing.assert_allclose(rj.for_the_jax_door(X, a=1.0), X * np.tanh(X), rtol=1e-5)
    assert "for_the_jax_door" in dir(rj)
    assert "for_the_jax_door" not in doors.stub_text("jax")


def test_without_jax_the_extra_is_named():
    program = (
        "import sys; sys.modules['jax'] = None\n"
        "from rectifier.errors import MissingLibrary\n"
        "try: import rectifier.jax\n"
        "except MissingLibrary as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip().endswith('pip install "rectifier[jax]"')
