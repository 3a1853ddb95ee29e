"""The code that the page offers is run, for every entry, and computes the activation."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import rectifier as rf
from rectifier.report.page.snippets import snippets, torch_call

SETTINGS = {"inputs": 3, "hidden": [5]}
BOUND = [
    "leaky_relu(negative_slope=0.2)",
    "relu(max_value=2)",
    "elu(alpha=0.5)",
    "sine(frequency=2)",
]
FORMULAS = {"tanhexp_of_page": "x * tanh(exp(x))", "erfc_of_page": "sqrt(2) * x * erfc(-x)"}
# Every one that a study may recommend.
EVERY = [*(n for n in rf.names() if rf.get(n).elementwise), *BOUND, *FORMULAS]


@pytest.fixture(scope="module", autouse=True)
def defined():
    for name, formula in FORMULAS.items():
        rf.define(name, formula)


def code_for(library: str, name: str) -> str:
    return dict(snippets(name, SETTINGS))[library]


@pytest.mark.parametrize("name", EVERY)
def test_pytorch_code_computes_the_activation(name):
    import torch

    space: dict = {}
    exec(code_for("PyTorch", name), space)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)) * 3
    expected = rf.get(name)(space["dense"](x).detach().numpy())
    np.testing.assert_allclose(space["hidden"](x).detach().numpy(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", EVERY)
def test_jax_code_computes_the_activation(name):
    space: dict = {}
    exec(code_for("JAX", name), space)
    rng = np.random.default_rng(1)
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in ((7, 3), (3, 5), (5,)))
    np.testing.assert_allclose(
        np.asarray(space["hidden"](x, w, b)), rf.get(name)(x @ w + b), rtol=2e-4, atol=2e-5
    )


RUN_KERAS = """
import json, sys
import numpy as np
for name, code in json.load(sys.stdin).items():
    space = {}
    exec(code, space)
    x = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)
    got = np.asarray(space["hidden"](x))
    kernel = np.asarray(space["hidden"].kernel)
    import rectifier
    expected = rectifier.get(name)(x @ kernel)
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5, err_msg=name)
print("all ran")
"""


def test_keras_code_computes_the_activation():
    codes = {name: code_for("Keras", name) for name in EVERY}
    done = subprocess.run(
        [sys.executable, "-c", RUN_KERAS],
        input=json.dumps(codes),
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == "all ran", done.stderr[-2000:]


def test_pytorch_uses_its_own_function_with_exact_parameters():
    call = "torch.nn.functional.leaky_relu(z, negative_slope=0.01)"
    assert torch_call(rf.get("leaky_relu")) == call
    assert torch_call(rf.get("gelu_tanh")) == 'torch.nn.functional.gelu(z, approximate="tanh")'
    assert torch_call(rf.get("squareplus")) is None
    assert torch_call(rf.get("relu(max_value=2)")) is None
    assert torch_call(rf.get("threshold")) is None
    assert 'rectifier.get("squareplus")' in code_for("PyTorch", "squareplus")


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_three_lines(name):
    for _, code in snippets(name, SETTINGS):
        assert len(code.splitlines()) == 3


def test_a_name_that_is_not_known_here_is_quoted_not_run():
    name = 'x"); import os; ("'
    for library, code in snippets(name, SETTINGS):
        compile(code, library, "exec")
        assert json.dumps(name) in code
