"""Functions along an axis: values, Jacobians, axes, infinities, in every library."""

from __future__ import annotations

import entries
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import rectifier as rf
from rectifier.errors import InputError

# Scores apart by more than the dtypes' rounding: at a tie a projection has two slopes.
ROWS = np.random.default_rng(3).normal(0, 3, (4, 5, 6))
BOTH = pytest.mark.parametrize("name", entries.ALONG_AXIS)
AXES = pytest.mark.parametrize("axis", [-1, 0, 1, -2])


def exact(name: str, row: np.ndarray) -> list[mpmath.mpf]:
    if name == "hardmax":
        return [mpmath.mpf(int(i == np.argmax(row))) for i in range(len(row))]
    if name in ("sparsemax", "entmax15"):
        return projected(row, 1 if name == "sparsemax" else 2)
    if name == "softmin":
        row = -row
    with mpmath.workdps(40):
        grown = [mpmath.exp(mpmath.mpf(float(v))) for v in row]
        shares = [g / sum(grown) for g in grown]
        return shares if name != "log_softmax" else [mpmath.log(s) for s in shares]


def projected(row: np.ndarray, power: int) -> list[mpmath.mpf]:
    """max(x / power - t, 0)**power with t by bisection, so that the sum is 1."""
    with mpmath.workdps(40):
        scores = [mpmath.mpf(float(v)) / power for v in row]
        low, high = max(scores) - 1, max(scores)
        for _ in range(120):
            middle = (low + high) / 2
            total = sum(max(s - middle, 0) ** power for s in scores)
            low, high = (middle, high) if total > 1 else (low, middle)
        return [max(s - low, 0) ** power for s in scores]


@BOTH
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_against_mpmath(name, dtype):
    digits = {np.float16: 2e-3, np.float32: 2e-7, np.float64: 4e-15}[dtype]
    for row in (*ROWS[0], [400.0, -400, 0, 399, 0, 1], [1e4, 1e4, 0, 0, 0, -3e4]):
        row = np.asarray(row, dtype)
        true = np.array([float(v) for v in exact(name, row)])
        with np.errstate(over="ignore"):
            tiny = max(1e-300, float(np.finfo(dtype).smallest_subnormal))
        for library in (np.asarray, jnp.asarray):
            if library is jnp.asarray and dtype == np.float64:
                continue
            got = np.asarray(rf.get(name)(library(row)), np.float64)
            loose = digits if library is np.asarray else max(10 * digits, 1e-6)
            smallest = tiny if library is np.asarray else max(tiny, 1.2e-38)
            if name in ("log_softmax", "sparsemax", "entmax15"):  # small beside 1: its unit
                smallest = loose
            np.testing.assert_allclose(got, true, rtol=loose, atol=smallest)


@BOTH
@AXES
def test_the_axis_is_the_one_asked_for(name, axis):
    along = np.moveaxis(rf.get(name)(np.moveaxis(ROWS, axis, -1)), -1, axis)
    np.testing.assert_array_equal(rf.get(name, axis=axis)(ROWS), along)
    if name == "softmax":
        np.testing.assert_allclose(along.sum(axis), 1, rtol=1e-15)


@BOTH
@AXES
def test_the_jacobian_is_jaxs(name, axis):
    act = rf.get(name, axis=axis)
    with jax.enable_x64(True):
        x = jnp.asarray(ROWS)
        ours = np.asarray(jax.jit(act.derivative)(x))
        np.testing.assert_allclose(ours, act.derivative(ROWS), rtol=1e-12, atol=1e-15)
        last = jnp.moveaxis(x, axis, -1)
        square = jax.jit(jax.vmap(jax.vmap(jax.jacobian(rf.get(name)))))(last)  # [.., .., out, in]
    assert ours.shape == (*ROWS.shape, ROWS.shape[axis])
    expected = np.moveaxis(np.asarray(square), -2, axis if axis >= 0 else axis - 1)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@BOTH
@pytest.mark.parametrize("library", [np.asarray, jnp.asarray])
def test_infinities_and_nan(name, library):
    act, inf = rf.get(name), np.inf
    sign = -1 if name == "softmin" else 1

    def of(*row: float) -> np.ndarray:
        got = np.asarray(act(library(sign * np.array(row, np.float32))))
        return np.exp(got) if name == "log_softmax" else got

    np.testing.assert_array_equal(of(inf, 0, 1), [1, 0, 0])  # one infinite score wins
    if name != "hardmax":  # which gives all to the first
        np.testing.assert_allclose(of(-inf, 0, 0), [0, 0.5, 0.5], rtol=1e-6)  # a masked one loses
        assert np.isnan(of(inf, inf, 0)).any()  # two of them: no limit
        assert np.isnan(of(-inf, -inf)).all()
    assert np.isnan(of(np.nan, 0, 1)).all()
    np.testing.assert_array_equal(of(5), [1])
    np.testing.assert_array_equal(of(-inf), [1])


@BOTH
def test_gradients_go_through_a_masked_score(name):
    def loss(x):
        return rf.get(name)(x)[1]

    sign = -1 if name == "softmin" else 1
    slope = jax.grad(loss)(sign * jnp.asarray([-jnp.inf, 0.5, 1.0]))
    assert np.isfinite(np.asarray(slope)[1:]).all()
    at_tie = jax.grad(loss)(jnp.zeros(3))
    expected = {
        "softmax": [-1 / 9, 2 / 9, -1 / 9],
        "softmin": [1 / 9, -2 / 9, 1 / 9],
        "entmax15": np.array([-1, 2, -1]) / (3 * 3**0.5),
        "hardmax": [0, 0, 0],
    }.get(name, [-1 / 3, 2 / 3, -1 / 3])
    np.testing.assert_allclose(at_tie, expected, rtol=1e-6, atol=1e-9)


@BOTH
@pytest.mark.parametrize("library", [np.asarray, jnp.asarray])
def test_shapes_dtypes_and_out(name, library):
    act = rf.get(name)
    for dtype in (np.float16, np.float32):
        x = library(ROWS.astype(dtype))
        assert (act(x).shape, act(x).dtype) == (x.shape, x.dtype)
        assert (act.derivative(x).shape, act.derivative(x).dtype) == ((*x.shape, 6), x.dtype)
    for shape in ((0,), (0, 3), (3, 0)):
        empty = library(np.empty(shape, np.float32))
        assert act(empty).shape == shape
        assert act.derivative(empty).shape == (*shape, shape[-1])
    if library is np.asarray:
        jacobian = np.empty((*ROWS.shape, 6))
        assert act.derivative(ROWS, out=jacobian) is jacobian


@BOTH
@pytest.mark.parametrize("library", [np.asarray, jnp.asarray])
def test_an_axis_that_is_not_there(name, library):
    x = library(np.zeros((2, 3), np.float32))
    for axis in (2, -3, 100):
        message = rf"^axis {axis} is not one of the 2 axes of shape \(2, 3\)$"
        for call in (rf.get(name), rf.get(name).derivative):
            with pytest.raises(InputError, match=message):
                call(x, axis=axis)
    with pytest.raises(InputError, match="axis -1 is not one of the 0 axes"):
        rf.get(name)(library(np.float32(1)))


def test_they_are_consistent_with_each_other():
    np.testing.assert_allclose(np.exp(rf.log_softmax(ROWS)), rf.softmax(ROWS), rtol=1e-14)
