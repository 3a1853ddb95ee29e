"""jit, vmap, grad and grad of grad in JAX; agreement with JAX's and PyTorch's own autodiff."""

from __future__ import annotations

import bounds
import entries
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from benchmarks import oracle

import rectifier as rf
from rectifier.ops import on_jax

ALL = entries.ELEMENTWISE + entries.OTHERS
# Ordinary points: everywhere that networks go, kinks and a coarse step far out.
ORDINARY = np.unique(
    np.concatenate([np.linspace(-30, 30, 241), [-400, -120, -90, 90, 120, 400], [-1e4, 1e4]])
).astype(np.float32)


# Where f'' jumps, of those that have one derivative and no more.
BENDS = {
    "elish": (0,),
    "hard_elish": (0,),
    "hard_mish": (0,),
    "relu2": (0,),
    "smelu": (-3, -1, -0.25, 0.25, 1, 3),
    "softsign": (0,),
    "sparse_plus": (-1, 1),
    "symlog": (0,),
}


def away_from_kinks(text: str, points: np.ndarray, by: float = 1e-3) -> np.ndarray:
    kinks = np.array([*rf.get(text).facts.kinks, np.inf])
    return points[np.abs(points[:, None] - kinks).min(axis=1) > by]


@pytest.mark.parametrize("text", ALL)
def test_gradients_are_the_stated_derivative(text):
    act, x = rf.get(text), jnp.asarray(ORDINARY)

    @jax.jit
    def in_every_way(x):
        forward = jax.jvp(lambda z: act(z), (x,), (jnp.full_like(x, 2.0),))[1]
        return (
            jax.vmap(jax.grad(lambda z: act(z)))(x),
            jax.grad(lambda z: act(z).sum())(x),
            forward / 2,
        )

    stated = np.asarray(act.derivative(x))
    for way in in_every_way(x):
        np.testing.assert_allclose(way, stated, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("text", ALL)
def test_jit_and_vmap_change_nothing_but_rounding(text):
    act, x = rf.get(text), jnp.asarray(ORDINARY)
    plain = np.asarray(act(x))
    stacked = jnp.stack([x, x])
    compiled = jax.jit(lambda z, s: (act(z), jax.vmap(lambda r: act(r))(s)[1]))(x, stacked)
    for way in compiled:
        np.testing.assert_allclose(way, plain, rtol=2e-5, atol=1e-30)


@pytest.mark.parametrize("text", ["relu", "gelu", "elu(alpha=0.5)"])
def test_gradients_without_jit(text):
    act, x = rf.get(text), jnp.asarray(ORDINARY)
    one_by_one = jax.vmap(jax.grad(lambda z: act(z)))(x)
    np.testing.assert_allclose(one_by_one, act.derivative(x), rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("text", ALL)
def test_the_second_derivative_is_finite_and_right(text):
    """Every `where` hides a branch, whose infinite slope would turn up as NaN right here."""
    act = rf.get(text)
    second = jax.jit(jax.vmap(jax.grad(jax.grad(lambda z: act(z)))))
    points = ORDINARY if text != "exponential" else ORDINARY[np.abs(ORDINARY) < 88]
    assert np.isfinite(np.asarray(second(jnp.asarray(points)))).all()
    inner = away_from_kinks(text, points[np.abs(points) <= 8])
    inner = inner[~np.isin(inner, BENDS.get(act.name, ()))]
    curvature = act.derivative_formula.diff(oracle.X).replace(sympy.DiracDelta, lambda *_: 0)
    curvature = sympy.lambdify(oracle.X, curvature, "mpmath")
    with np.errstate(all="ignore"):
        true = np.array([float(curvature(float(x))) for x in inner])
    size = max(1.0, float(np.abs(true).max()))
    np.testing.assert_allclose(second(jnp.asarray(inner)), true, rtol=1e-4, atol=2e-6 * size)


@pytest.mark.parametrize("text", ALL)
def test_strict_promotion_finds_nothing_to_promote(text):
    """Promotion is decided while tracing, so nothing needs to be compiled."""
    act = rf.get(text)
    numbers = [*act.parameters.values()]
    gradient = jax.grad(lambda z: act(z).sum())
    for wide in (False, True):  # under x64 a stray Python number would become float64
        with jax.enable_x64(wide), jax.numpy_dtype_promotion("strict"):
            for dtype in (jnp.float16, jnp.bfloat16, jnp.float32):
                x = jax.ShapeDtypeStruct((3,), dtype)
                calls = [(act, ()), (act.derivative, ()), (gradient, ())]
                if numbers and np.isfinite(numbers).all():
                    traced = tuple(jax.ShapeDtypeStruct((), dtype) for _ in numbers)
                    calls += [(act, traced), (act.derivative, traced)]
                for call, parameters in calls:
                    result = jax.eval_shape(lambda z, *p, call=call: call(z, *p), x, *parameters)
                    assert (result.dtype, result.shape) == (dtype, (3,))


PARAMETRIC = [
    t for t in ALL if rf.get(t).parameters and np.isfinite([*rf.get(t).parameters.values()]).all()
]


@pytest.mark.parametrize("text", PARAMETRIC)
def test_gradients_of_traced_parameters_are_jaxs_own(text):
    """Learnt slopes: the gradient through the rule equals autodiff of the value's code."""
    act = rf.get(text)
    points = away_from_kinks(text, ORDINARY[np.abs(ORDINARY) < 9], 1e-2)
    values = tuple(act.parameters.values())
    places = tuple(range(len(values)))
    plain = on_jax.spoken(act.rule.value, on_jax.vocabulary)

    @jax.jit
    def gradients(*p):
        ours = jax.grad(lambda *p: act(jnp.asarray(points), *p).sum(), places)(*p)
        theirs = jax.grad(lambda *p: plain(jnp.asarray(points), *p).sum(), places)(*p)
        half = jax.grad(lambda *p: act(jnp.asarray(points, jnp.float16), *p).sum(), places)(*p)
        return ours, theirs, half

    ours, theirs, half = gradients(*(jnp.float32(v) for v in values))
    learnt = {p.name for p in act.declared if p.derivative is not None}
    for name, a, b, c in zip(act.parameters, ours, theirs, half, strict=True):
        # odd ones cancel in the sum, and what remains is of the terms' rounding
        terms = np.abs(act.derivative(points, wrt=name)).sum() if name in learnt else 0.0
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * (1 + terms))
        if terms < 6e4:  # else the sum is beyond float16
            np.testing.assert_allclose(c, b, rtol=3e-2, atol=1e-2 + 1e-3 * terms)
        assert a.dtype == c.dtype == jnp.float32


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
