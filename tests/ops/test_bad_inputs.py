"""One clear error for each bad input, in the same words in every library.

A shorter list holds TensorFlow to the same: catalog/test_refusals.py.
"""

from __future__ import annotations

import bad_inputs
import jax.numpy as jnp
import numpy as np
import torch

NUMPY = bad_inputs.told("numpy", np.asarray, torch.ones(4))


def test_every_error_is_one_clear_line():
    assert len(NUMPY) > 700
    for name, text in NUMPY.items():
        assert text, name
        assert "\n" not in text, name
        assert len(text) < 200, name
    assert NUMPY["elu of int32"] == (
        "an activation needs floating-point input, got int32; "
        "convert it first, e.g. x.astype('float32')"
    )
    assert NUMPY["elu, alpha below"] == "elu: alpha must lie in [0, ∞), got -1"
    assert NUMPY["elu, unknown keyword"].startswith("elu has no parameter 'gamma'")


def test_torch_says_the_same():
    there = bad_inputs.told("torch", lambda x: torch.from_numpy(np.array(x)), jnp.ones(4))
    compare(there, "jax")


def test_jax_says_the_same():
    compare(bad_inputs.told("jax", jnp.asarray, torch.ones(4)), "torch")


def compare(there: dict[str, str], stranger: str) -> None:
    assert there.pop("out") == (
        "out= is for NumPy arrays, x is of LIBRARY; assign the result instead, e.g. y = f(x)"
    )
    mixed = {name for name in there if name.endswith("mixed")}
    for name in mixed:
        assert there[name].startswith("x is of LIBRARY, "), name
        assert stranger in there[name], name
    assert {n: t for n, t in there.items() if n not in mixed} == {
        n: t for n, t in NUMPY.items() if n not in mixed
    }
