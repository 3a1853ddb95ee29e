"""Entries whose definition is not in jax.nn, torch or Keras, against the place they come from."""

from __future__ import annotations

import sympy
import torch

import rectifier as rf


def test_rational_starts_as_the_pade_approximant_of_silu():
    """[5/4] around 0: P - Q x sigmoid(x) has no term below x^10."""
    x = sympy.Symbol("x")
    values = [
        sympy.nsimplify(v, rational=True).limit_denominator(10**5)
        for v in rf.rational.parameters.values()
    ]
    above, below = values[:6], [1, *values[6:]]
    p = sum(a * x**k for k, a in enumerate(above))
    q = sum(b * x**k for k, b in enumerate(below))
    silu = x / 2 + x * sympy.tanh(x / 2) / 2
    difference = sympy.series(p - q * silu, x, 0, 10).removeO()
    assert sympy.expand(difference) == 0
    assert above[5] == sympy.Rational(1, 3360)


def test_sqrt_softplus_is_that_of_transformers():
    from transformers.activations import ACT2FN

    x = torch.linspace(-20, 20, 401, dtype=torch.float64)
    torch.testing.assert_close(rf.sqrt_softplus(x), ACT2FN["sqrtsoftplus"](x))


def test_acon_c_and_srelu_are_their_papers_formulas():
    """As nmaac/acon and keras-contrib write them."""
    x = torch.linspace(-4, 4, 161, dtype=torch.float64)
    p1, p2, beta = 1.3, -0.4, 0.7
    apart = (p1 - p2) * x
    expected = apart * torch.sigmoid(beta * apart) + p2 * x
    torch.testing.assert_close(rf.acon_c(x, p1, p2, beta), expected)
    t_left, a_left, a_right, t_right = -1.0, 0.3, 1.5, 2.0
    middle = torch.clamp(x, t_left, t_right)
    expected = middle + a_left * (x - t_left).clamp(max=0) + a_right * (x - t_right).clamp(min=0)
    torch.testing.assert_close(rf.srelu(x, t_left, a_left, a_right, t_right), expected)


def test_hard_mish_is_that_of_its_readme():
    x = torch.linspace(-4, 4, 161, dtype=torch.float64)
    expected = (x / 2) * torch.clamp(x + 2, 0, 2)
    torch.testing.assert_close(rf.hard_mish(x), expected)
