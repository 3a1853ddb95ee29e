"""Every word in every library: one set of names, and the laws that words obey."""

from __future__ import annotations

import math
import sys

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy

from rectifier.ops import on_jax, on_numpy, on_sympy, on_tensorflow, words

LIBRARIES = {"numpy": on_numpy, "jax": on_jax, "tensorflow": on_tensorflow}
# NumPy itself turns bfloat16 into float32 beside a Python number; on_numpy never computes in it.
SPOKEN = {
    "numpy": ["float16", "float32", "float64"],
    "jax": ["float16", "bfloat16", "float32", "float64"],
    "tensorflow": ["float32", "float64"],  # on_tensorflow computes the narrow ones in float32
}

# word -> what mpmath calls it, and where it is asked
ONE_ARGUMENT = {
    "absolute": mpmath.fabs,
    "sign": mpmath.sign,
    "sqrt": mpmath.sqrt,
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "arctan": mpmath.atan,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "normal_cdf": mpmath.ncdf,
    "normal_density": mpmath.npdf,
}
TWO_ARGUMENTS = {
    "maximum": max,
    "minimum": min,
    "product": lambda x, y: x * y,
    "hypot": mpmath.hypot,
}
SHAPED = {"where", "isnan", "zeros_like", "ones_like"}
ALONG = {"max_along", "sum_along", "first_max_along", "threshold_along", "moveaxis", "eye_like"}
ALONG |= {"concatenate", "fold", "unfold"}
DOMAIN = {"sqrt": (0, 9), "log": (0.01, 9), "log1p": (-0.9, 9)}

NAN_WORDS = [*ONE_ARGUMENT]
inf = math.inf
AT_INFINITY = {  # word -> value at -inf and inf; None for none
    "absolute": (inf, inf),
    "sign": (-1, 1),
    "sqrt": (None, inf),
    "exp": (0, inf),
    "expm1": (-1, inf),
    "log": (None, inf),
    "log1p": (None, inf),
    "sin": (None, None),
    "cos": (None, None),
    "arctan": (-math.pi / 2, math.pi / 2),
    "tanh": (-1, 1),
    "sigmoid": (0, 1),
    "erf": (-1, 1),
    "erfc": (2, 0),
    "normal_cdf": (0, 1),
    "normal_density": (0, 0),
}


@pytest.fixture(params=[(lib, d) for lib, dtypes in SPOKEN.items() for d in dtypes], ids=str)
def spoken_in(request):
    """A library and one of the dtypes it computes in."""
    library, dtype = request.param
    with jax.enable_x64(dtype == "float64"):
        yield library, jnp.dtype(dtype)


@pytest.fixture
def library(spoken_in):
    return spoken_in[0]


@pytest.fixture
def dtype(spoken_in):
    return spoken_in[1]


def array(library: str, numbers, dtype):
    numbers = np.asarray(numbers).astype(dtype)
    if library == "tensorflow":
        import tensorflow as tf

        return tf.constant(numbers)
    return numbers if library == "numpy" else jnp.asarray(numbers)


def say(library: str, word: str, *arguments):
    with np.errstate(all="ignore"), jax.numpy_dtype_promotion("strict"):
        return LIBRARIES[library].vocabulary()[word](*arguments)


def test_every_library_has_every_word():
    for library in LIBRARIES.values():
        assert set(library.vocabulary()) == set(words.WORDS)
    assert set(on_sympy.vocabulary()) == {*words.WORDS, *words.CONSTANTS}
    assert {*ONE_ARGUMENT, *TWO_ARGUMENTS, *SHAPED, *ALONG} == set(words.WORDS)


def test_a_word_without_a_library_says_so():
    with pytest.raises(RuntimeError, match=r"exp\(\) belongs to a formula; a library has to"):
        words.exp(1.0)
    for word in words.WORDS:
        assert getattr(words, word).__doc__


@pytest.mark.parametrize("word", ONE_ARGUMENT)
def test_one_argument(word, library, dtype):
    low, high = DOMAIN.get(word, (-5, 5))
    x = array(library, np.linspace(low, high, 41), dtype)
    y = say(library, word, x)
    assert y.dtype == dtype
    assert y.shape == x.shape
    true = np.array([float(ONE_ARGUMENT[word](mpmath.mpf(float(v)))) for v in x])
    # a few units of the dtype, once for the value and once for cancellation near zero
    eps = float(jnp.finfo(dtype).eps)
    # (XLA's log1p in float64: 70 units)
    np.testing.assert_allclose(np.asarray(y, np.float64), true, rtol=80 * eps, atol=4 * eps)


@pytest.mark.parametrize("word", TWO_ARGUMENTS)
def test_two_arguments(word, library, dtype):
    x = array(library, np.linspace(-3, 3, 13), dtype)
    y = array(library, np.linspace(2, -1, 13), dtype)
    z = say(library, word, x, y)
    assert z.dtype == dtype
    pairs = zip(np.asarray(x, np.float64), np.asarray(y, np.float64), strict=True)
    true = np.array([float(TWO_ARGUMENTS[word](mpmath.mpf(a), mpmath.mpf(b))) for a, b in pairs])
    eps = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(z, np.float64), true, rtol=4 * eps, atol=eps)
    for number in (0.5, 2.0):
        if word != "product":
            assert say(library, word, x, number).dtype == dtype


def test_shaped_words(library, dtype):
    x = array(library, [-1.0, np.nan, 2.0], dtype)
    for word in ("zeros_like", "ones_like"):
        assert say(library, word, x).dtype == dtype
        np.testing.assert_array_equal(say(library, word, x), [word == "ones_like"] * 3)
    np.testing.assert_array_equal(say(library, "isnan", x), [False, True, False])
    x = array(library, [-1.0, 0.0, 2.0], dtype)
    for other in (0.0, 0, 1.5, say(library, "zeros_like", x)):
        chosen = say(library, "where", x > 0, x, other)
        assert chosen.dtype == dtype
        assert float(chosen[2]) == 2.0
        assert float(chosen[0]) == float(other if isinstance(other, (int, float)) else 0)


def test_python_numbers_take_the_arrays_dtype(library, dtype):
    x = array(library, [0.5, 1.5], dtype)
    with jax.numpy_dtype_promotion("strict"):
        for made in (x + 0.1, 2 * x, x / 3, x**2, 1.0 - x, -x):
            assert made.dtype == dtype


def test_words_along_an_axis(library, dtype):
    x = array(library, np.arange(6.0).reshape(2, 3), dtype)
    assert say(library, "max_along", x, -1).shape == (2, 1)
    np.testing.assert_array_equal(say(library, "sum_along", x, 0), [[3, 5, 7]])
    assert say(library, "moveaxis", x, 0, -1).shape == (3, 2)
    np.testing.assert_array_equal(say(library, "eye_like", x), np.eye(3))
    for word, arguments in (("max_along", (0,)), ("sum_along", (0,)), ("eye_like", ())):
        assert say(library, word, x, *arguments).dtype == dtype


def test_words_that_move_numbers(library, dtype):
    x = array(library, np.arange(12.0).reshape(2, 6), dtype)
    folded = say(library, "fold", x, 3, 1)
    np.testing.assert_array_equal(folded, np.arange(12).reshape(2, 2, 3))
    np.testing.assert_array_equal(say(library, "unfold", folded, 1), x)
    folded = say(library, "fold", x, 2, 0)
    assert folded.shape == (1, 6, 2)
    np.testing.assert_array_equal(say(library, "unfold", folded, 0), x)
    both = say(library, "concatenate", x, -x, -1)
    assert (both.shape, both.dtype) == ((2, 12), dtype)
    row = array(library, [[1.0, 3.0, 3.0], [2.0, 0.0, -1.0]], dtype)
    np.testing.assert_array_equal(say(library, "first_max_along", row, 1), [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(say(library, "first_max_along", row, 0), [[0, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize("power", [1, 2])
def test_a_threshold_leaves_one(power, library, dtype):
    x = array(library, np.random.default_rng(1).normal(0, 1, (5, 4)) + 100, dtype)
    for axis in (0, 1, -1):
        threshold = say(library, "threshold_along", x, power, axis)
        assert threshold.dtype == dtype
        left = np.maximum(np.asarray(x, np.float64) - np.asarray(threshold, np.float64), 0)
        eps = 100 * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose((left**power).sum(axis), 1, atol=4 * eps)


@pytest.mark.parametrize("word", ONE_ARGUMENT)
def test_nan_in_nan_out(word, library, dtype):
    got = say(library, word, array(library, [np.nan, 1.0], dtype))
    assert np.isnan(np.asarray(got, np.float64)).tolist() == [True, False]


@pytest.mark.parametrize("word", TWO_ARGUMENTS)
def test_nan_in_either_is_nan_out(word, library, dtype):
    x = array(library, [np.nan, 1.0, np.nan], dtype)
    y = array(library, [0.0, np.nan, np.nan], dtype)
    assert np.isnan(np.asarray(say(library, word, x, y), np.float64)).all()


@pytest.mark.parametrize("word", AT_INFINITY)
def test_infinity_gives_the_limit(word, library, dtype):
    got = np.asarray(say(library, word, array(library, [-inf, inf], dtype)), np.float64)
    for value, limit in zip(got, AT_INFINITY[word], strict=True):
        if limit is None:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(limit, rel=float(jnp.finfo(dtype).eps), abs=0)


def test_product_lets_the_vanishing_factor_win(library, dtype):
    x = array(library, [-inf, inf, 0.0, 2.0, inf], dtype)
    y = array(library, [0.0, 0.0, inf, 3.0, inf], dtype)
    got = np.asarray(say(library, "product", x, y), np.float64)
    np.testing.assert_array_equal(got, [0, 0, 0, 6, inf])
    assert np.signbit(got).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("word", ["tanh", "sin", "erf", "expm1", "arctan", "log1p"])
def test_odd_words_keep_the_sign_of_zero(word, library, dtype):
    got = np.asarray(say(library, word, array(library, [-0.0, 0.0], dtype)), np.float64)
    assert np.signbit(got).tolist() == [True, False]


def test_sigmoid_is_exact_in_both_tails(library):
    x = array(library, [-80.0, 80.0], np.float32)
    got = np.asarray(say(library, "sigmoid", x), np.float64)
    np.testing.assert_allclose(got, [math.exp(-80), 1.0], rtol=2e-6)


def test_normal_words_are_exact_in_the_tail_of_float64():
    x = np.array([-38.0, -30.0, -12.345, -5.0, -1.0, -0.5, 0.5, 7.0])
    for word in ("normal_cdf", "normal_density"):
        with mpmath.workdps(500):
            exact = ONE_ARGUMENT[word]
            true = np.array([float(exact(mpmath.mpf(v))) for v in x])
        got = on_numpy.vocabulary()[word](x)
        np.testing.assert_allclose(got, true, rtol=1.5e-15)


def test_without_scipy_the_error_functions_are_the_c_librarys(monkeypatch):
    x = np.linspace(-6, 6, 49)
    spoken = on_numpy._error_functions()
    cases = [(w, x.astype(d)) for w in spoken for d in (np.float16, np.float32, np.float64)]
    with_scipy = [spoken[word](points) for word, points in cases]
    monkeypatch.setitem(sys.modules, "scipy", None)  # what Python keeps for a missing module
    monkeypatch.setattr(on_numpy, "_scipy", on_numpy._scipy.__wrapped__)
    assert on_numpy._scipy() is None
    for word, exact in (("erf", math.erf), ("erfc", math.erfc)):
        np.testing.assert_array_equal(spoken[word](x), [exact(v) for v in x])
    for (word, points), theirs in zip(cases, with_scipy, strict=True):
        ours = spoken[word](points)
        assert ours.dtype == points.dtype
        eps = np.finfo(points.dtype).eps
        np.testing.assert_allclose(ours, theirs, rtol=max(2 * eps, 2e-14), atol=eps**2)


@pytest.mark.parametrize("word", [*ONE_ARGUMENT, *TWO_ARGUMENTS])
def test_sympys_words_mean_the_same(word):
    count = 2 if word in TWO_ARGUMENTS else 1
    symbols = sympy.symbols("x y", real=True)[:count]
    form = on_sympy.vocabulary()[word](*symbols)
    for numbers in ((0.3, 1.7), (1.25, 0.5)):
        given = dict(zip(symbols, map(sympy.Rational, map(str, numbers)), strict=False))
        got = float(form.subs(given).evalf(25))
        meant = {**ONE_ARGUMENT, **TWO_ARGUMENTS}[word](*map(mpmath.mpf, map(str, numbers[:count])))
        assert got == pytest.approx(float(meant), rel=1e-14)


def test_sympys_where_and_shaped_words():
    x = sympy.Symbol("x", real=True)
    speaks = on_sympy.vocabulary()
    form = speaks["where"](x > 0, x, speaks["zeros_like"](x))
    assert form.subs(x, 3) == 3
    assert form.subs(x, -3) == 0
    assert speaks["ones_like"](x) == 1
    assert speaks["isnan"](x) == sympy.false
    for word in ("first_max_along", "fold", "moveaxis", "eye_like"):
        with pytest.raises(TypeError, match="textbook formula has no need"):
            speaks[word](x, 0)
