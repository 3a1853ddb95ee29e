"""Parameters that are learnt: their derivatives, alone and through both frameworks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy
import torch

import rectifier as rf
from rectifier import textbook
from rectifier.errors import ParameterError

LEARNABLE = [
    (name, p.name) for name in rf.names() for p in rf.get(name).declared if p.derivative is not None
]
X = np.concatenate([np.linspace(-9, 9, 181), [-1e-4, -1e-9, 0.0, 1e-9, -40, 40]])


def test_every_learnable_parameter_has_a_derivative():
    stated = {(n, p.name) for n in rf.names() for p in rf.get(n).declared if p.learnable}
    assert stated == set(LEARNABLE)
    assert {"prelu", "swish", "star_relu", "xielu", "rational", "srelu", "acon_c"} <= {
        name for name, _ in LEARNABLE
    }


@pytest.mark.parametrize(("name", "parameter"), LEARNABLE)
def test_it_is_the_formulas_own(name, parameter):
    act = rf.get(name)
    symbols = [sympy.Symbol(p.name, real=True) for p in act.declared]
    form = textbook.expression(act._formula, symbols)
    at = {s: textbook.exact(v) for s, v in zip(symbols, act.parameters.values(), strict=True)}
    slope = form.diff(sympy.Symbol(parameter, real=True)).subs(at)
    exact = sympy.lambdify(sympy.Symbol("x", real=True), slope, "mpmath")
    with mpmath.workdps(60):
        true = [float(exact(mpmath.mpf(float(x)))) for x in X]
    np.testing.assert_allclose(act.derivative(X, wrt=parameter), true, rtol=2e-11, atol=0)


@pytest.mark.parametrize(("name", "parameter"), LEARNABLE)
def test_gradients_reach_it_in_both_frameworks(name, parameter):
    act = rf.get(name)
    value = act.parameters[parameter]
    expected = act.derivative(X, wrt=parameter)
    weight = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    x = torch.tensor(X)
    (got,) = torch.autograd.grad(act(x, **{parameter: weight}).sum(), weight)
    rounding = 1e-12 * np.abs(expected).sum()  # odd ones cancel in the sum
    assert float(got) == pytest.approx(expected.sum(), abs=rounding)
    rows = torch.full((4, 1), float(value), dtype=torch.float64, requires_grad=True)
    tiled = (x + 0.05).repeat(4, 1)  # away from the kink
    assert torch.autograd.gradcheck(
        lambda x, w: act(x, **{parameter: w}), (tiled[:, ::9].detach().requires_grad_(), rows)
    )
    with jax.enable_x64(True):
        got = jax.jacobian(lambda w: act(jnp.asarray(X), **{parameter: w}))(jnp.float64(value))
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-300)


def test_a_slope_for_every_channel():
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 4)).astype(np.float32)
    slopes = np.array([0.1, 0.2, 0.3], np.float32)
    got = rf.prelu(x, slopes[:, None])
    theirs = torch.nn.functional.prelu(torch.tensor(x), torch.tensor(slopes))
    np.testing.assert_allclose(got, theirs, rtol=1e-6)


def test_a_pade_unit_with_corners():
    """S = (x + x² + x³ + x⁴) / 8 changes sign at -1 and 0: two kinks, and no pole between."""
    unit = rf.get("rational(a0=1, b1=0.125, b2=0.125, b3=0.125, b4=0.125)")
    assert unit.facts.kinks == pytest.approx((-1.0, 0.0), abs=1e-14)
    assert unit.facts.smoothness == 0
    x = np.linspace(-2, 2, 41)
    a, s = [*unit.parameters.values()][:6], (x + x**2 + x**3 + x**4) / 8
    by_hand = np.polyval(a[::-1], x) / (1 + np.abs(s))
    np.testing.assert_allclose(unit(x), by_hand, rtol=1e-14)
    left, right = unit.derivative(np.array([-1e-9, 1e-9]))
    assert (left, right) == pytest.approx((0.5 + 0.125, 0.5 - 0.125), abs=1e-7)
    assert unit.derivative(0.0) == 0.5 - 0.125  # |S| counts as S where S is 0


def test_what_has_no_derivative_by_a_parameter_says_so():
    with pytest.raises(ParameterError, match="elu has a derivative by x and none of its param"):
        rf.elu.derivative(1.0, wrt="alpha")
    with pytest.raises(ParameterError, match="prelu has a derivative by x and negative_slope"):
        rf.prelu.derivative(1.0, wrt="beta")


def test_rrelu_draws_between_its_bounds():
    noise = np.random.default_rng(0).random(X.shape)
    got = rf.rrelu(X, noise=noise)
    slope = got[X < 0] / X[X < 0]
    assert slope.min() >= 1 / 8
    assert slope.max() <= 1 / 3
    np.testing.assert_allclose(slope, 1 / 8 + noise[X < 0] * (1 / 3 - 1 / 8), rtol=1e-12)
    evaluated = torch.nn.functional.rrelu(torch.tensor(X))
    np.testing.assert_allclose(rf.rrelu(X), evaluated, rtol=1e-12)
