"""Gated pairs and functions that change the shape: values, slopes, shapes, in every library."""

from __future__ import annotations

import entries
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
import torch

import rectifier as rf
from rectifier.errors import InputError

A, B = np.random.default_rng(4).normal(0, 2, (2, 3, 4))
BOTH = np.concatenate([A, B], axis=-1)
GATED = pytest.mark.parametrize("name", entries.GATED)
LIBRARIES = {"numpy": np.asarray, "jax": jnp.asarray, "torch": torch.tensor}


def exact(form: sympy.Expr) -> np.ndarray:
    """A SymPy form in a and b at A and B, to 17 digits."""
    a, b = sympy.symbols("a b", real=True)
    at = np.vectorize(lambda p, q: float(form.subs({a: p, b: q}).evalf(25)))
    return at(A, B)


@GATED
def test_value_and_slopes_are_those_of_the_formula(name):
    act = rf.get(name)
    np.testing.assert_allclose(act(A, B), exact(act.formula), rtol=1e-14)
    for slope, form in zip(act.derivative(A, B), act.derivative_formula, strict=True):
        np.testing.assert_allclose(slope, exact(form), rtol=1e-13, atol=1e-15)


@GATED
@pytest.mark.parametrize("library", LIBRARIES)
def test_halves_are_two_inputs(name, library):
    act, of = rf.get(name), LIBRARIES[library]
    a, b, both = (of(v.astype(np.float32)) for v in (A, B, BOTH))
    assert type(act(both)) is type(a)
    np.testing.assert_array_equal(np.asarray(act(both)), np.asarray(act(a, b)))
    beside = np.concatenate([np.asarray(v) for v in act.derivative(a, b)], axis=-1)
    np.testing.assert_array_equal(np.asarray(act.derivative(both)), beside)
    first = of(np.concatenate([A, B], axis=0).astype(np.float32))
    np.testing.assert_array_equal(np.asarray(act(first, axis=0)), np.asarray(act(a, b)))


@GATED
@pytest.mark.parametrize("library", LIBRARIES)
def test_both_inputs_get_their_gradient(name, library):
    act = rf.get(name)
    if library == "torch":
        a, b = (torch.tensor(v, requires_grad=True) for v in (A, B))
        got = torch.autograd.grad(act(a, b).sum(), (a, b))
        assert torch.autograd.gradcheck(act, (a, b))
        assert torch.autograd.gradgradcheck(act, (a, b))
    elif library == "jax":
        with jax.enable_x64(True):
            got = jax.grad(lambda a, b: act(a, b).sum(), (0, 1))(jnp.asarray(A), jnp.asarray(B))
    else:
        return
    for ours, theirs in zip(act.derivative(A, B), got, strict=True):
        np.testing.assert_allclose(np.asarray(theirs), ours, rtol=1e-12, atol=1e-14)


@GATED
def test_float32_is_rounded_once(name):
    act = rf.get(name)
    a, b = A.astype(np.float32), B.astype(np.float32)
    wide = act(a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_array_equal(act(a, b), wide.astype(np.float32))
    large = [np.tile(v, (20_000, 1)) for v in (a, b)]  # as many as are computed in blocks
    np.testing.assert_array_equal(act(*large), np.tile(act(a, b), (20_000, 1)))


@GATED
def test_wrong_inputs_are_one_clear_line(name):
    act = rf.get(name)
    with pytest.raises(InputError, match="cannot be dealt into two halves"):
        act(np.zeros((2, 3)))
    with pytest.raises(InputError, match="axis 2 is not one of the 2 axes"):
        act(np.zeros((2, 4)), axis=2)
    with pytest.raises(InputError, match="two inputs of one shape and dtype, got float64"):
        act(np.zeros((2, 4)), np.zeros((2, 3)))
    with pytest.raises(InputError, match="two inputs of one shape and dtype"):
        act(np.zeros(4), np.zeros(4, np.float32))
    with pytest.raises(InputError, match="two inputs, or an array to split"):
        act(1.0)
    assert act(2.0, 3.0) == pytest.approx(float(act(np.float64(2), np.float64(3))))


def test_glu_and_bilinear_are_what_the_frameworks_compute():
    both = torch.tensor(BOTH)
    np.testing.assert_allclose(rf.glu(both), torch.nn.functional.glu(both), rtol=1e-12)
    np.testing.assert_array_equal(rf.bilinear(A, B), A * B)
    np.testing.assert_allclose(
        rf.swiglu(both), torch.nn.functional.silu(torch.tensor(A)) * torch.tensor(B), rtol=1e-12
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_crelu_doubles_and_maxout_divides(library):
    x = LIBRARIES[library](BOTH.astype(np.float32))
    doubled = np.asarray(rf.crelu(x))
    half = doubled.shape[-1] // 2
    np.testing.assert_array_equal(doubled[..., :half] - doubled[..., half:], np.asarray(x))
    assert rf.crelu(x, axis=0).shape == (6, 8)
    for pieces, axis, shape in ((2, -1, (3, 4)), (4, 1, (3, 2)), (3, 0, (1, 8)), (1, 0, (3, 8))):
        largest = np.asarray(rf.maxout(x, num_pieces=pieces, axis=axis))
        assert largest.shape == shape
        groups = np.moveaxis(np.asarray(x), axis, -1)
        groups = groups.reshape(*groups.shape[:-1], -1, pieces).max(-1)
        np.testing.assert_array_equal(largest, np.moveaxis(groups, -1, axis))
        slope = np.asarray(rf.maxout.derivative(x, num_pieces=pieces, axis=axis))
        assert slope.shape == tuple(x.shape)
        assert slope.sum() == largest.size
    with pytest.raises(InputError, match="cannot be dealt into groups of 3"):
        rf.maxout(x, num_pieces=3)
    with pytest.raises(InputError, match=r"num_pieces must lie in \[1, ∞\), got 0"):
        rf.maxout(x, num_pieces=0)


@pytest.mark.parametrize("name", entries.RESHAPING)
def test_gradients_through_a_change_of_shape(name):
    act = rf.get(name)
    x = torch.tensor(BOTH, requires_grad=True)
    assert torch.autograd.gradcheck(act, (x,))
    (got,) = torch.autograd.grad(act(x).sum(), x)
    slope = act.derivative(BOTH)
    expected = slope if name == "maxout" else slope[..., :8] + slope[..., 8:]
    np.testing.assert_array_equal(got, expected)
    with jax.enable_x64(True):
        in_jax = jax.grad(lambda x: act(x).sum())(jnp.asarray(BOTH))
    np.testing.assert_array_equal(in_jax, expected)
    at_tie = jax.grad(lambda x: act(x).sum())(jnp.zeros(2))
    np.testing.assert_array_equal(at_tie, [1, 0] if name == "maxout" else [0, 0])
    assert np.isnan(act(np.array([np.nan, 1.0]))).any()
    assert act(np.empty((0, 4))).shape == (0, 2 if name == "maxout" else 8)
