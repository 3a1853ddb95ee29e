"""jit, vmap, grad and grad of grad in JAX and PyTorch; agreement with their own functions."""

from __future__ import annotations

import bounds
import entries
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
import torch
from benchmarks import oracle
from benchmarks.accuracy import contenders

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
    """Not compiled: JAX keeps every single operation, so that all entries share them."""
    act, x = rf.get(text), jnp.asarray(ORDINARY)
    forward = jax.jvp(lambda z: act(z), (x,), (jnp.full_like(x, 2.0),))[1]
    ways = [jax.grad(lambda z: act(z).sum())(x), forward / 2]
    if text in entries.ELEMENTWISE:
        ways.append(jax.vmap(jax.grad(lambda z: act(z)))(x))
    stated = np.asarray(act.derivative(x))
    for way in ways:
        np.testing.assert_allclose(way, stated, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("text", [*entries.ELEMENTWISE, *entries.VARIANTS["relu"]])
def test_jit_and_vmap_change_nothing_but_rounding(text):
    act, x = rf.get(text), jnp.asarray(ORDINARY)

    @jax.jit
    def compiled(z):
        row = jax.vmap(lambda r: act(r))(jnp.stack([z, z]))[1]
        return row, jax.grad(lambda z: act(z).sum())(z)

    row, slope = compiled(x)
    np.testing.assert_allclose(row, act(x), rtol=2e-5, atol=1e-30)
    np.testing.assert_allclose(slope, act.derivative(x), rtol=2e-5, atol=1e-7)


def second_by_jax(act: rf.Activation, x: np.ndarray) -> np.ndarray:
    def slope(z):
        return jax.grad(lambda y: act(y).sum())(z)

    return np.asarray(jax.grad(lambda z: slope(z).sum())(jnp.asarray(x)))


def second_by_torch(act: rf.Activation, x: np.ndarray) -> np.ndarray:
    given = torch.tensor(x, requires_grad=True)
    (slope,) = torch.autograd.grad(act(given).sum(), given, create_graph=True)
    if not slope.requires_grad:  # straight lines: autograd has nothing to differentiate
        return np.zeros_like(x)
    (second,) = torch.autograd.grad(slope.sum(), given)
    return second.numpy()


@pytest.mark.parametrize("text", ALL)
def test_the_second_derivative_is_finite_and_right(text):
    """Every `where` hides a branch, whose infinite slope would turn up as NaN right here."""
    act = rf.get(text)
    points = np.where(np.abs(ORDINARY) < 88, ORDINARY, 1) if text == "exponential" else ORDINARY
    inner = np.isin(points, away_from_kinks(text, points[np.abs(points) <= 8]))
    inner &= ~np.isin(points, BENDS.get(act.name, ()))
    curvature = act.derivative_formula.diff(oracle.X).replace(sympy.DiracDelta, lambda *_: 0)
    curvature = sympy.lambdify(oracle.X, curvature, "mpmath")
    with np.errstate(all="ignore"):
        true = np.array([float(curvature(float(x))) for x in points[inner]])
    size = max(1.0, float(np.abs(true).max()))
    for second in (second_by_jax(act, points), second_by_torch(act, points)):
        assert np.isfinite(second).all()
        np.testing.assert_allclose(second[inner], true, rtol=1e-4, atol=2e-6 * size)


@pytest.mark.parametrize("text", [*entries.ELEMENTWISE, *entries.VARIANTS["relu"]])
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
    # as many for each entry, so that JAX compiles its operations once
    points = ORDINARY[np.abs(ORDINARY) < 9]
    points = np.where(np.isin(points, away_from_kinks(text, points, 1e-2)), points, np.float32(2.7))
    values = tuple(act.parameters.values())
    places = tuple(range(len(values)))
    plain = on_jax.spoken(act.rule.value, on_jax.vocabulary)

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


# Every function of torch and JAX that the records of peers name at an entry's default parameters.
# float64 throughout, but for a constant there that has float32's digits.
PEERS = [
    (name, by, compute)
    for name in entries.ELEMENTWISE
    for by, compute in contenders.theirs(name, "derivative")
]
COARSE = {"torch.nn.functional.hardsigmoid": 4e-8}


@pytest.mark.parametrize(("name", "by", "compute"), PEERS, ids=[by for _, by, _ in PEERS])
def test_automatic_differentiation_of_the_frameworks_own_function_agrees(name, by, compute):
    points = away_from_kinks(name, np.linspace(-6, 6, 241))
    with jax.enable_x64(True):
        theirs = compute(points)
    ours = rf.get(name).derivative(points)
    # they take small slopes from terms of 1, and so have them to the digits of those
    np.testing.assert_allclose(ours, theirs, rtol=COARSE.get(by, 1e-9), atol=2e-14)


def test_the_peers_of_both_frameworks_are_held_against_ours():
    """Of those that compute an entry at its defaults none is left out but what has no gradient."""
    named = {
        peer.call
        for name in entries.ELEMENTWISE
        for peer in rf.get(name).peers
        if peer.library in ("torch", "jax") and peer.equals in entries.ELEMENTWISE
    }
    assert named - {by for _, by, _ in PEERS} == {"torch.heaviside"}
    assert len(PEERS) > 50


def test_derivatives_in_the_tails_keep_the_digits_that_autodiff_loses():
    """JAX's own sigmoid' is 0 above 17.3: 1 - y has cancelled. Ours is exact."""
    x = jnp.float32(20.0)
    assert float(jax.grad(lambda z: jax.nn.sigmoid(z))(x)) == 0.0
    ours = np.array([float(jax.grad(lambda z: rf.sigmoid(z))(x))], np.float32)
    far = oracle.derivative("sigmoid", np.array([20.0]))
    assert far.ulps(ours)[0] <= bounds.JAX_FLOAT32["sigmoid"][1]
