"""Every stated fact, at default and other parameter values; and that a wrong one is seen."""

from __future__ import annotations

import math
from dataclasses import replace

import entries
import mpmath
import numpy as np
import pytest
from fact_checker import complaints

import rectifier as rf

ALL = entries.ELEMENTWISE + entries.OTHERS


@pytest.mark.parametrize("text", ALL)
def test_facts_are_facts(text):
    act = rf.get(text)
    assert complaints(act, act.facts) == []


WRONG = {  # text -> fields that are not so
    "silu": {
        "range": (-0.28, math.inf),
        "attained": (False, False),
        "monotone": True,
        "stationary": (),
        "convex": True,
        "smoothness": 1,
        "kinks": (0.0,),
        "lipschitz": 1.1,
        "zero_centred": True,
        "kind": "linear",
        "gain": 1.6,
    },
    "gelu": {"stationary": (-0.7517,)},
    "tanh": {
        "stationary": (0.0,),
        "range": (-1.0, 1.1),
        "attained": (True, True),
        "monotone": False,
        "lipschitz": 0.99,
    },
    "relu": {"kinks": (), "smoothness": math.inf, "convex": False, "attained": (False, False)},
    "elu": {"smoothness": 0, "kinks": (0.0,), "range": (-math.inf, math.inf)},
    "elu(alpha=2)": {"smoothness": 1, "kinks": (), "convex": True, "lipschitz": 1.0},
    "relu(threshold=1)": {"smoothness": 0, "lipschitz": 1.0, "kinks": (0.0,), "convex": True},
    "softsign": {"smoothness": math.inf, "attained": (True, False), "zero_centred": False},
    "binary_step": {"kind": "non-linear", "lipschitz": 0.0, "smoothness": 0, "range": (0.0, 2.0)},
    "exponential": {"lipschitz": 1.0, "range": (-1.0, math.inf), "attained": (True, False)},
    "identity": {"kind": "non-linear", "zero_centred": False, "convex": False, "gain": None},
    "hard_tanh": {"kinks": (-1.0,), "attained": (False, True), "smoothness": 1},
}


@pytest.mark.parametrize(
    ("text", "field"), [(text, field) for text, wrong in WRONG.items() for field in wrong]
)
def test_a_wrong_fact_is_caught(text, field):
    act = rf.get(text)
    assert complaints(act, replace(act.facts, **{field: WRONG[text][field]})), field


def test_every_field_has_been_wrong_once():
    assert {f for wrong in WRONG.values() for f in wrong} == set(rf.Facts.__dataclass_fields__)


def test_gains_of_the_papers():
    assert rf.relu.facts.gain == pytest.approx(math.sqrt(2), rel=1e-8)
    assert rf.selu.facts.gain == pytest.approx(1, rel=1e-8)
    assert rf.identity.facts.gain == pytest.approx(1, rel=1e-8)
    leaky = rf.get("leaky_relu(negative_slope=0.2)").facts.gain
    assert leaky == pytest.approx(math.sqrt(2 / (1 + 0.2**2)), rel=1e-8)


def test_selus_constants_are_the_papers_fixed_point():
    """Equation 14 of Klambauer et al. 2017, in closed form."""
    from rectifier.catalog.exponential import SELU_ALPHA, SELU_SCALE

    with mpmath.workdps(40):
        root, pi, e = mpmath.sqrt, mpmath.pi, mpmath.e
        tail, tail2 = mpmath.erfc(1 / root(2)), mpmath.erfc(root(2))
        alpha = -root(2 / pi) / (tail * root(e) - 1)
        scale = (1 - tail * root(e)) * root(2 * pi)
        scale /= root(2 * tail2 * e**2 + pi * tail**2 * e - 2 * (2 + pi) * tail * root(e) + pi + 2)
    assert float(alpha) == SELU_ALPHA
    assert float(scale) == SELU_SCALE


@pytest.mark.parametrize("name", entries.ALONG_AXIS)
def test_facts_along_an_axis(name):
    """Range of each output, and the Jacobian's spectral norm, over many rows and lengths."""
    act, random = rf.get(name), np.random.default_rng(5)
    norms, outputs = {}, []
    for count in (2, 3, 10, 100):
        rows = random.normal(0, 4, (12, count))
        rows[:2] = 0.0
        rows[1, :2] = 60.0  # two winners: where softmax is steepest
        rows[2, 0] = 700.0  # one winner: where log_softmax is
        outputs.append(act(rows).ravel())
        norms[count] = np.linalg.norm(act.derivative(rows), ord=2, axis=(1, 2)).max()
    if act.facts.kind == "step":
        assert max(norms.values()) == 0
        assert act.facts.lipschitz == math.inf  # it jumps
        return
    low, high = (f(np.concatenate(outputs)) for f in (np.min, np.max))
    assert act.facts.range[0] <= low
    assert high <= act.facts.range[1]
    assert high > act.facts.range[1] - 1e-9
    assert low < (1e-9 if math.isfinite(act.facts.range[0]) else -600)
    if math.isinf(act.facts.lipschitz):
        assert norms[100] > 9
        assert norms[100] > 3 * norms[10] > 3 * norms[3]
    else:
        assert max(norms.values()) == pytest.approx(act.facts.lipschitz, rel=1e-9)
    assert act.facts.gain is None
