"""jit, vmap, grad and grad of grad in JAX; agreement with JAX's and PyTorch's own autodiff."""

from __future__ import annotations

import bounds
import entries
import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
import sympy

import rectifier as rf
from rectifier.ops import on_jax

ALL = entries.ELEMENTWISE + entries.OTHERS
# Ordinary points: everywhere that networks go, kinks and a coarse step far out.
ORDINARY = np.unique(
    np.concatenate([np.linspace(-30, 30, 241), [-400, -120, -90, 90, 120, 400], [-1e4, 1e4]])
).astype(np.float32)


def away_from_kinks(text: str, points: np.ndarray, by: float = 1e-3) -> np.ndarray:
    kinks = np.array([*rf.get(text).facts.kinks, np.inf])
    return points[np.abs(points[:, None] - kinks).min(axis=1) > by]


@pytest.mark.parametrize("text", ALL)
def test_gradients_are_the_stated_derivative(text):
    act, x = rf.get(text), jnp.asarray(ORDINARY)
    stated = np.asarray(act.derivative(x))
    one_by_one = jax.vmap(jax.grad(lambda z: act(z)))(x)
    np.testing.assert_allclose(one_by_one, stated, rtol=1e-6, atol=1e-30)
    compiled = jax.jit(jax.grad(lambda z: act(z).sum()))(x)
    np.testing.assert_allclose(compiled, stated, rtol=2e-5, atol=1e-7)
    forward = jax.jvp(lambda z: act(z), (x,), (jnp.full_like(x, 2.0),))[1]
    np.testing.assert_allclose(forward, 2 * stated, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("text", ALL)
def test_jit_and_vmap_change_nothing_but_rounding(text):
    act, x = rf.get(text), jnp.asarray(ORDINARY)
    plain = np.asarray(act(x))
    tolerance = {"rtol": 2e-5, "atol": 1e-30}
    np.testing.assert_allclose(jax.jit(lambda z: act(z))(x), plain, **tolerance)
    np.testing.assert_allclose(jax.vmap(lambda z: act(z))(x), plain, **tolerance)
    stacked = jax.vmap(jax.jit(lambda z: act(z)))(jnp.stack([x, x]))
    np.testing.assert_allclose(stacked[1], plain, **tolerance)


@pytest.mark.parametrize("text", ALL)
def test_the_second_derivative_is_finite_and_right(text):
    """Every `where` hides a branch, whose infinite slope would turn up as NaN right here."""
    act = rf.get(text)
    second = jax.jit(jax.vmap(jax.grad(jax.grad(lambda z: act(z)))))
    points = ORDINARY if text != "exponential" else ORDINARY[np.abs(ORDINARY) < 88]
    assert np.isfinite(np.asarray(second(jnp.asarray(points)))).all()
    inner = away_from_kinks(text, points[np.abs(points) <= 8])
    if act.name == "softsign":
        inner = inner[inner != 0]  # f'' jumps there
    curvature = act.derivative_formula.diff(oracle.X).replace(sympy.DiracDelta, lambda *_: 0)
    curvature = sympy.lambdify(oracle.X, curvature, "mpmath")
    with np.errstate(all="ignore"):
        true = np.array([float(curvature(float(x))) for x in inner])
    size = max(1.0, float(np.abs(true).max()))
    np.testing.assert_allclose(second(jnp.asarray(inner)), true, rtol=1e-4, atol=2e-6 * size)


@pytest.mark.parametrize("text", ALL)
def test_strict_promotion_finds_nothing_to_promote(text):
    act = rf.get(text)
    with jax.numpy_dtype_promotion("strict"):
        for dtype in (jnp.float16, jnp.bfloat16, jnp.float32):
            x = jnp.asarray(ORDINARY[::20], dtype)
            arrays = [jnp.asarray(v, dtype) for v in act.parameters.values() if np.isfinite(v)]
            results = [act(x), act.derivative(x), jax.grad(lambda z: act(z).sum())(x)]
            if arrays and len(arrays) == len(act.parameters):
                results += [act(x, *arrays), act.derivative(x, *arrays)]
            assert {r.dtype for r in results} == {jnp.dtype(dtype)}
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        x = jnp.asarray(ORDINARY, jnp.float32)
        assert act(x).dtype == act.derivative(x).dtype == jnp.float32


PARAMETRIC = [
    t for t in ALL if rf.get(t).parameters and np.isfinite([*rf.get(t).parameters.values()]).all()
]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16])
@pytest.mark.parametrize("text", PARAMETRIC)
def test_gradients_of_traced_parameters_are_jaxs_own(text, dtype):
    """Learnt slopes: the gradient through the rule equals autodiff of the value's code."""
    act = rf.get(text)
    values = tuple(jnp.asarray(v, dtype) for v in act.parameters.values())
    x = jnp.asarray(away_from_kinks(text, ORDINARY[np.abs(ORDINARY) < 9], 1e-2), dtype)
    places = tuple(range(len(values)))
    ours = jax.grad(lambda *p: act(x, *p).astype(jnp.float32).sum(), places)(*values)
    plain = on_jax.spoken(act.rule.value, on_jax.vocabulary)
    wide = tuple(v.astype(jnp.float32) for v in values)
    theirs = jax.grad(lambda *p: plain(x.astype(jnp.float32), *p).sum(), places)(*wide)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=2e-2 if dtype == jnp.float16 else 1e-5, atol=1e-6)


def test_a_traced_slope_learns_from_zero():
    """relu's slope may begin at 0 and has a gradient there: the sum of the negative inputs."""
    x = jnp.asarray([-3.0, -1.0, 2.0])
    slope = jax.grad(lambda a: rf.relu(x, negative_slope=a).sum())(0.0)
    assert float(slope) == -4.0
    assert float(jax.jit(jax.grad(lambda a: rf.leaky_relu(x, a).sum()))(0.0)) == -4.0


def test_numbers_and_traced_parameters_mix():
    x = jnp.asarray([-2.0, 0.5, 9.0])
    top = jax.grad(lambda m: rf.relu(x, negative_slope=0.1, max_value=m).sum())(6.0)
    assert float(top) == 1.0
    rates = jax.vmap(lambda a: rf.elu(x, alpha=a))(jnp.asarray([0.5, 1.0]))
    np.testing.assert_allclose(rates[:, 0], [0.5 * np.expm1(-2), np.expm1(-2)], rtol=1e-6)


TORCH = {  # ours -> PyTorch's own function, by its dotted name and further arguments
    "relu": "relu",
    "relu6": "relu6",
    "leaky_relu": "leaky_relu",
    "elu": "elu",
    "selu": "selu",
    "celu": "celu",
    "gelu": "gelu",
    "silu": "silu",
    "mish": "mish",
    "softplus": "softplus",
    "softsign": "softsign",
    "sigmoid": "sigmoid",
    "hard_sigmoid": "hardsigmoid",
    "log_sigmoid": "logsigmoid",
    "tanh": "tanh",
    "hard_tanh": "hardtanh",
    "hard_swish": "hardswish",
}


@pytest.mark.parametrize("name", TORCH)
def test_pytorchs_autograd_agrees(name):
    import torch

    points = away_from_kinks(name, np.linspace(-12, 12, 481))
    x = torch.tensor(points, requires_grad=True)
    y = getattr(torch.nn.functional, TORCH[name])(x)
    y.sum().backward()
    act = rf.get(name)
    np.testing.assert_allclose(act(points), y.detach().numpy(), rtol=1e-12, atol=1e-14)
    # torch's hardsigmoid has 1/6 to float32's digits, whatever the dtype
    tolerance = 4e-8 if name == "hard_sigmoid" else 1e-9
    slopes = act.derivative(points)
    np.testing.assert_allclose(slopes, x.grad.numpy(), rtol=tolerance, atol=1e-14)


def test_pytorchs_tanh_gelu_agrees():
    import torch

    points = np.linspace(-6, 6, 241)
    x = torch.tensor(points, requires_grad=True)
    torch.nn.functional.gelu(x, approximate="tanh").sum().backward()
    slopes = rf.gelu_tanh.derivative(points)
    np.testing.assert_allclose(slopes, x.grad.numpy(), rtol=1e-8, atol=1e-12)


def test_derivatives_in_the_tails_keep_the_digits_that_autodiff_loses():
    """JAX's own sigmoid' is 0 above 17.3: 1 - y has cancelled. Ours is exact."""
    x = jnp.float32(20.0)
    assert float(jax.grad(lambda z: jax.nn.sigmoid(z))(x)) == 0.0
    ours = np.array([float(jax.grad(lambda z: rf.sigmoid(z))(x))], np.float32)
    far = oracle.derivative("sigmoid", np.array([20.0]))
    assert far.ulps(ours)[0] <= bounds.JAX_FLOAT32["sigmoid"][1]
