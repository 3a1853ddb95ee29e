"""Who computes what: the kernel for plain arrays, NumPy's words for the rest, and their errors."""

from __future__ import annotations

import sys

import jax.numpy as jnp
import kernel_points
import numpy as np
import pytest

import rectifier as rf
from rectifier import dispatch
from rectifier.errors import InputError
from rectifier.kernels import cpu, threads
from rectifier.ops import on_numpy

NAMES = ("relu", "leaky_relu", "elu", "gelu", "softplus", "sine")


def parts(name: str):
    act = rf.get(name)
    return act.rule, tuple(act.parameters.values())


@pytest.fixture
def kernels_used(monkeypatch):
    """How many elements kernels were asked for."""
    asked = []
    original = cpu.Kernel.__call__

    def counted(self, *arguments):
        asked.append(arguments[self._pointers])
        original(self, *arguments)

    monkeypatch.setattr(cpu.Kernel, "__call__", counted)
    return asked


SIZES = [0, 1, 3, 1000, threads.PARALLEL_FROM - 1, threads.PARALLEL_FROM, threads.PARALLEL_FROM + 1]


@pytest.mark.parametrize("size", SIZES)
def test_every_size(size, at_once, kernels_used):
    rule, parameters = parts("elu")
    for dtype in (np.float16, np.float32, np.float64):
        x = np.resize(np.linspace(-9, 9, 1001).astype(dtype), size)
        got = dispatch.value(rule, x, parameters)
        assert (got.dtype, got.shape) == (x.dtype, x.shape)
        exact = on_numpy.value(rule, x.astype(np.float64), parameters)
        assert np.all(kernel_points.ulps(got, exact) <= (2 if dtype == np.float64 else 0.51))
    assert len(kernels_used) >= 2


def layouts():
    base = np.random.default_rng(0).standard_normal((6, 8, 10)) * 4
    for dtype in (np.float16, np.float32, np.float64):
        x = base.astype(dtype)
        yield "C", x
        yield "Fortran", np.asfortranarray(x)
        yield "transposed", x.transpose(1, 2, 0)
        yield "strided", x[::2, 1:, ::3]
        yield "backwards", x[:, ::-1]
        yield "broadcast", np.broadcast_to(x[0, 0], (4, 10))
        yield "one", np.array(x[0, 0, 0])
        yield "none", x[:0]
        locked = x.copy()
        locked.flags.writeable = False
        yield "read-only", locked


@pytest.mark.parametrize("name", NAMES)
def test_every_layout(name, at_once):
    rule, parameters = parts(name)
    for what, x in layouts():
        before = x.copy()
        for which in ("value", "derivative"):
            got = getattr(dispatch, which)(rule, x, parameters)
            want = getattr(on_numpy, which)(rule, x, parameters)
            assert (got.dtype, got.shape, type(got)) == (want.dtype, want.shape, np.ndarray)
            tolerance = 1e-14 if x.dtype == np.float64 else 1e-3 if x.dtype == np.float16 else 2e-7
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=1e-17, err_msg=what)
            assert not np.may_share_memory(got, x)
            out = np.full_like(want, 7)
            assert getattr(dispatch, which)(rule, x, parameters, out) is out
            np.testing.assert_array_equal(out, got, err_msg=what)
        np.testing.assert_array_equal(x, before)


def test_float16_is_rounded_once(at_once):
    rule, parameters = parts("gelu")
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    got = dispatch.value(rule, x, parameters)
    exact = on_numpy.value(rule, x.astype(np.float64), parameters)
    assert kernel_points.ulps(got, exact).max() <= 0.5001


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_out_may_lie_anywhere(dtype, at_once):
    rule, parameters = parts("elu")
    line = np.linspace(-4, 4, 100).astype(dtype)
    want = dispatch.value(rule, line, parameters)
    x = line.copy()
    assert dispatch.value(rule, x, parameters, x) is x
    np.testing.assert_array_equal(x, want)
    for shift in (1, -3):  # into a neighbour that overlaps
        room = np.zeros(110, dtype)
        x, out = room[5:105], room[5 + shift : 105 + shift]
        x[:] = line
        dispatch.value(rule, x, parameters, out)
        np.testing.assert_array_equal(out, want)
    backwards = line.copy()
    dispatch.value(rule, backwards, parameters, backwards[::-1])
    np.testing.assert_array_equal(backwards[::-1], want)
    columns = np.zeros((100, 3), dtype)
    dispatch.value(rule, line, parameters, columns[:, 1])
    np.testing.assert_array_equal(columns, np.array([0 * want, want, 0 * want]).T)


def refused(x, out=None, parameters=(1.0,)):
    rule, _ = parts("elu")
    with pytest.raises(InputError) as by_numpy:
        on_numpy.value(rule, x, parameters, out)
    with pytest.raises(InputError) as by_dispatch:
        dispatch.value(rule, x, parameters, out)
    assert str(by_dispatch.value) == str(by_numpy.value)


def test_errors_are_those_of_the_words(at_once):
    x = np.zeros(9, np.float32)
    dispatch.value(*parts("elu")[:1], x, (1.0,))  # compiled
    locked = x.copy()
    locked.flags.writeable = False
    for out in (np.zeros(8, np.float32), np.zeros(9), [0.0] * 9, locked):
        refused(x, out)
    for other in (np.arange(9), np.zeros(9, bool), np.zeros(9, complex), np.ma.zeros(9)):
        refused(other)


def test_what_is_no_plain_array_goes_to_its_library(at_once, kernels_used):
    rule, parameters = parts("elu")
    swapped = np.linspace(-2, 2, 5).astype(">f4")
    np.testing.assert_allclose(
        dispatch.value(rule, swapped, parameters), np.where(swapped > 0, swapped, np.expm1(swapped))
    )
    assert isinstance(dispatch.value(rule, -1.0, parameters), float)
    assert type(dispatch.value(rule, np.float32(-1), parameters)) is np.float32
    assert type(dispatch.value(rule, jnp.zeros(5), parameters)) is type(jnp.zeros(5))
    slopes = np.array([0.5, 1.0], np.float32)
    got = dispatch.value(rule, np.full((3, 2), -1, np.float32), (slopes,))
    np.testing.assert_allclose(got[0], slopes * np.expm1(-1))
    softmax, axis = parts("softmax")
    assert dispatch.value(softmax, np.zeros((2, 4), np.float32), axis)[0, 0] == 0.25
    assert dispatch.derivative(softmax, np.zeros((2, 4)), axis).shape == (2, 4, 4)
    assert not kernels_used


def test_an_integer_parameter_is_a_number(at_once, kernels_used):
    rule, _ = parts("elu")
    got = dispatch.value(rule, np.full(4, -1.0), (2,))
    np.testing.assert_allclose(got, 2 * np.expm1(-1))
    assert kernels_used == [4]


def test_slopes_keep_their_digits_where_they_vanish(at_once):
    for name, root in (("gelu", -0.7518), ("silu", -1.2785), ("mish", -1.1925)):
        rule, parameters = parts(name)
        x = np.arange(root - 1e-4, root + 1e-4, 5e-8).astype(np.float32)
        exact = on_numpy.derivative(rule, x.astype(np.float64), parameters)
        assert np.sign(exact).min() < 0 < np.sign(exact).max()
        got = dispatch.derivative(rule, x, parameters)
        assert kernel_points.ulps(got, exact).max() <= 0.51


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(dispatch, "_KERNELS", {})
    monkeypatch.setattr(dispatch, "_PASSED", {})
    monkeypatch.setattr(dispatch, "_CONSTANTS", {})


def test_few_small_arrays_never_wait_for_a_compiler(fresh, kernels_used):
    rule, parameters = parts("silu")
    x = np.linspace(-3, 3, 1 << 14).astype(np.float32)
    calls = dispatch._WORTH_COMPILING // x.size
    for _ in range(calls - 1):
        dispatch.value(rule, x, parameters)
    assert not kernels_used
    dispatch.value(rule, x, parameters)  # now as much has been computed as compiling is worth
    assert kernels_used == [x.size]
    dispatch.value(rule, x[:3], parameters)
    assert kernels_used == [x.size, 3]


def test_the_first_parameters_are_compiled_in_and_others_share_a_kernel(fresh, at_once):
    rule, _ = parts("leaky_relu")
    x = np.linspace(-3, 3, 50).astype(np.float32)
    for slope in (0.5, 0.25, 0.125, 0.5, -0.25):
        want = on_numpy.value(rule, x, (slope,))
        np.testing.assert_array_equal(dispatch.value(rule, x, (slope,)), want)
    kernels = {key[-1]: kernel.shape for key, kernel in dispatch._KERNELS.items()}
    assert set(kernels) == {(0.5,), None}
    assert kernels[0.5,].constants == (0.5,)
    assert (kernels[None].constants, kernels[None].parameters) == ((), 1)


def test_a_large_array_is_worth_it_at_once(fresh, kernels_used):
    rule, parameters = parts("silu")
    dispatch.value(rule, np.zeros(dispatch._WORTH_COMPILING, np.float32), parameters)
    assert kernels_used == [dispatch._WORTH_COMPILING]


def test_functions_that_come_and_go_are_forgotten(fresh, monkeypatch):
    monkeypatch.setattr(dispatch, "_REMEMBERED", 5)
    rule, parameters = parts("silu")
    for _ in range(20):
        other = type(rule)(lambda x: x, rule.derivative)
        dispatch.kernel_for(other.value, other, "float32", 10, parameters)
    assert len(dispatch._PASSED) <= 6


def test_without_a_compiler_numpy_computes(fresh, at_once, kernels_used, monkeypatch):
    monkeypatch.setattr(cpu, "available", lambda: False)
    rule, parameters = parts("silu")
    x = np.linspace(-3, 3, 100).astype(np.float32)
    np.testing.assert_array_equal(
        dispatch.value(rule, x, parameters), on_numpy.value(rule, x, parameters)
    )
    assert not kernels_used


def test_a_compiler_that_is_not_installed_is_not_available(monkeypatch):
    assert cpu.available.__wrapped__()
    for module in ("llvmlite", "llvmlite.binding"):
        monkeypatch.setitem(sys.modules, module, None)
    assert not cpu.available.__wrapped__()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_chain_is_grad_times_derivative(dtype, at_once, kernels_used):
    rule, parameters = parts("gelu")
    rng = np.random.default_rng(2)
    x, grad = (rng.standard_normal((40, 5)).astype(dtype) for _ in range(2))
    exact = on_numpy.derivative(rule, x.astype(np.float64), parameters) * grad
    got = dispatch.chain(rule, x, grad, parameters)
    if dtype == np.float64:
        np.testing.assert_allclose(got, exact, rtol=2e-15, atol=2e-16)
    else:
        assert kernel_points.ulps(got, exact).max() <= 0.51
    for target in (x.copy(), grad.copy()):
        np.testing.assert_array_equal(dispatch.chain(rule, x, grad, parameters, target), got)
    both = grad.copy()
    assert dispatch.chain(rule, x, both, parameters, both) is both
    np.testing.assert_array_equal(both, got)
    strided = dispatch.chain(rule, x.T, grad.T, parameters)
    np.testing.assert_array_equal(strided, got.T)
    assert len(kernels_used) >= 5
    used = len(kernels_used)
    row = dispatch.chain(rule, x, grad[:1], parameters)  # by NumPy: of another shape
    assert len(kernels_used) == used
    assert (row.shape, row.dtype) == (x.shape, x.dtype)


FORMULAS = (
    ("1 - exp(-x*x)", {}),
    ("x * tanh(exp(x))", {}),
    ("where(x > 0, x, a * (exp(x) - 1))", {"a": 0.5}),
    ("x**3 / (1 + x**2)", {}),
    ("max(x, 0) + 0.1 * sin(3 * x)", {}),
    ("abs(x)**1.5", {}),
    ("x * sigmoid(a * x) + softplus(x) / 4", {"a": 1.5}),
    ("arctan(x) + erf(x) + hypot(x, 1)", {}),
)


@pytest.mark.parametrize(("formula", "parameters"), FORMULAS)
def test_formulas_of_the_users_own(formula, parameters, at_once, kernels_used):
    from rectifier.catalog.formulas import activation_from_formula

    act = activation_from_formula("mine", formula, parameters)
    values = tuple(act.parameters.values())
    kernels_used.clear()
    for dtype, tolerance in ((np.float32, 1.2e-7), (np.float64, 4e-15)):
        x = np.concatenate([np.linspace(-30, 30, 2001), np.logspace(-9, 0, 400)]).astype(dtype)
        for which in ("value", "derivative"):
            got = getattr(dispatch, which)(act.rule, x, values)
            want = getattr(on_numpy, which)(act.rule, x.astype(np.float64), values)
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=1e-15)
    assert len(kernels_used) == 4
