"""What is refused is refused in the same words, whatever library the arrays are of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch

import rectifier as rf
from rectifier.errors import InputError

LIBRARIES = {
    "numpy": np.asarray,
    "jax": jnp.asarray,
    "torch": lambda x: torch.from_numpy(np.asarray(x)),
    "tensorflow": tf.constant,
}
X = np.linspace(-2, 2, 6, dtype=np.float32)
# What is asked, as a function of an array's maker, and the one line that answers it.
ASKED = {
    **{
        dtype: (
            lambda made, dtype=dtype: rf.relu(made(np.zeros(2, dtype))),
            f"an activation needs floating-point input, got {dtype}; "
            "convert it first, e.g. x.astype('float32')",
        )
        for dtype in ("int32", "uint8", "bool", "complex64")
    },
    "along an axis": (
        lambda made: rf.softmax(made(np.zeros(2, "int32"))),
        "an activation needs floating-point input, got int32; "
        "convert it first, e.g. x.astype('float32')",
    ),
    "outside": (
        lambda made: rf.elu(made(X), alpha=-1.0),
        "elu: alpha must lie in [0, ∞), got -1",
    ),
    "text": (
        lambda made: rf.elu(made(X), alpha="big"),
        "elu: alpha must be a number, got 'big'",
    ),
    "keyword": (
        lambda made: rf.elu(made(X), slope=1.0),
        None,
    ),
    "too many": (
        lambda made: rf.elu(made(X), 1.0, 2.0),
        None,
    ),
    "shape": (
        lambda made: rf.prelu(made(X), negative_slope=made(X[:4])),
        "parameters must broadcast to the shape of x, (6,), got (4,)",
    ),
    "more axes": (
        lambda made: rf.prelu(made(X), negative_slope=made(np.ones((2, 6), np.float32))),
        "parameters must broadcast to the shape of x, (6,), got (2, 6)",
    ),
    "no such axis": (
        lambda made: rf.softmax(made(X), axis=3),
        None,
    ),
    "odd halves": (
        lambda made: rf.glu(made(X[:5])),
        "axis -1 of shape (5,) has 5 entries, which cannot be dealt into two halves",
    ),
}


def answer(ask, made) -> str:
    with pytest.raises(InputError) as caught:
        ask(made)
    return str(caught.value)


@pytest.mark.parametrize("asked", ASKED)
def test_every_library_refuses_in_the_same_words(asked):
    ask, expected = ASKED[asked]
    said = {name: answer(ask, made) for name, made in LIBRARIES.items()}
    (line,) = set(said.values())
    assert "\n" not in line
    assert expected in (None, line)


def test_under_jit_too():
    assert (
        answer(lambda made: jax.jit(rf.relu)(made(np.zeros(2, "int32"))), jnp.asarray)
        == (ASKED["int32"][1])
    )


@pytest.mark.parametrize("library", ["jax", "torch", "tensorflow"])
def test_out_is_numpys(library):
    said = answer(lambda made: rf.relu(made(X), out=np.empty_like(X)), LIBRARIES[library])
    assert said == (
        f"out= is for NumPy arrays, x is of {library}; assign the result instead, e.g. y = f(x)"
    )


@pytest.mark.parametrize("mine", LIBRARIES)
@pytest.mark.parametrize("other", LIBRARIES)
def test_libraries_do_not_mix(mine, other):
    if other in (mine, "numpy"):  # NumPy's arrays are everybody's constants
        return
    slope = LIBRARIES[other](np.float32([0.1]))
    with pytest.raises(InputError, match=rf"x is of {mine}, a parameter is {other}"):
        rf.leaky_relu(LIBRARIES[mine](X), negative_slope=slope)


def test_a_tracer_is_jaxs():
    with pytest.raises(InputError, match="x is of numpy"):
        jax.grad(lambda slope: rf.leaky_relu(X, negative_slope=slope).sum())(0.1)
