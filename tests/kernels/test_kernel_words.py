"""Each word of LLVM's against mpmath, and at the ends of the line against NumPy's."""

from __future__ import annotations

import types

import kernel_points
import mpmath
import numpy as np
import pytest

from rectifier.kernels import cpu
from rectifier.kernels.source import Shape
from rectifier.ops import on_llvm, on_numpy, words
from rectifier.ops.rule import speak

# word -> exact function, float64 arguments, allowed ulp in float64
EXACT = {
    "exp": (mpmath.exp, (-708, 709), 1.0),
    "expm1": (mpmath.expm1, (-708, 709), 1.5),
    "log": (mpmath.log, (1e-300, 1e300), 1.0),
    "log1p": (mpmath.log1p, (-0.999, 1.79e308), 1.5),
    "sin": (mpmath.sin, (-1e30, 1e30), 1.5),
    "cos": (mpmath.cos, (-1e30, 1e30), 1.5),
    "arctan": (mpmath.atan, (-1e300, 1e300), 1.5),
    "tanh": (mpmath.tanh, (-700, 700), 3.0),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), (-700, 700), 2.5),
    "erf": (mpmath.erf, (-6, 6), 2.0),
    "erfc": (mpmath.erfc, (-6, 26), 5.0),
    "normal_cdf": (lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2, (-37, 9), 4.5),
    "normal_density": (
        lambda x: mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi),
        (-37, 37),
        2.0,
    ),
}
OF_ONE = [*EXACT, "absolute", "sign", "sqrt", "isnan", "zeros_like", "ones_like"]
OF_TWO = ["maximum", "minimum", "product", "hypot"]
ENDS = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 5e-324, -1e-310, 800.0, -800.0])


def said(word: str, of: int = 1):
    """``word(x)`` or ``word(x, y)`` as code that is still to be spoken."""
    arguments = "x, y"[: 3 * of - 2]
    text = f"where({word}(x), 1.0, 0.0)" if word == "isnan" else f"{word}({arguments})"
    code = compile(f"lambda {arguments}: {text}", word, "eval").co_consts[0]
    return types.FunctionType(code, {"__builtins__": {}, word: getattr(words, word)}, word)


def run(function, x, digits, *numbers):
    out = np.empty_like(x)
    kernel = cpu.kernel(function, Shape(x.dtype.name, digits, len(numbers)))
    kernel(x.ctypes.data, out.ctypes.data, x.size, *numbers)
    return out


def arguments(word: str) -> np.ndarray:
    rng = np.random.default_rng(9)
    low, high = EXACT[word][1]
    spread = np.exp(rng.uniform(-20, np.log(high), 300))
    near = rng.uniform(max(low, -4), min(high, 4), 300)
    x = np.concatenate([spread, -spread, near])
    return x[(x > low) & (x < high)]


@pytest.mark.parametrize("word", EXACT)
def test_words_are_exact(word):
    function, _, bound = EXACT[word]
    for digits, dtype in (("long", np.float64), ("short", np.float32)):
        x = arguments(word)
        x = x[np.abs(x) < np.finfo(dtype).max].astype(dtype)
        with mpmath.workdps(90):
            true = [function(mpmath.mpf(float(v))) for v in x]
            exact = np.array([float(t) for t in true])
            rest = np.array([float(t - mpmath.mpf(float(t))) for t in true])
        got = run(said(word), x, digits)
        with np.errstate(over="ignore"):
            usual = np.isfinite(exact.astype(dtype)) & (np.abs(exact) > np.finfo(dtype).tiny)
        unit = np.spacing(np.abs(exact[usual]).astype(dtype)).astype(np.float64)
        away = np.abs((got[usual].astype(np.float64) - exact[usual]) - rest[usual]) / unit
        worst = np.argmax(away)
        limit = bound if digits == "long" else 0.51
        assert away[worst] <= limit, (digits, away[worst], x[usual][worst])


@pytest.mark.parametrize("word", OF_ONE)
@pytest.mark.parametrize("digits", ["short", "long"])
def test_words_of_one_at_the_ends_of_the_line(word, digits):
    in_float32 = (np.abs(ENDS) > 1e-45) | (ENDS == 0) | np.isnan(ENDS)
    x = ENDS[in_float32] if digits == "short" else ENDS
    with np.errstate(all="ignore"):
        want = np.asarray(speak(said(word), on_numpy.vocabulary())(x), np.float64)
    got = run(said(word), x, digits)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-300)
    nothing = want == 0
    assert kernel_points.same_bits(got[nothing], want[nothing])  # the sign of zero


@pytest.mark.parametrize("word", OF_TWO)
def test_words_of_two_at_the_ends_of_the_line(word):
    function = said(word, of=2)
    for y in ENDS:
        with np.errstate(all="ignore"):
            want = speak(function, on_numpy.vocabulary())(ENDS, np.full_like(ENDS, y))
        got = run(function, ENDS, "long", float(y))
        undefined = np.isnan(ENDS) | np.isnan(y)
        if word == "hypot":  # C's gives infinity for NaN and infinity; the words' law says NaN
            want = np.where(undefined, np.nan, want)
        np.testing.assert_allclose(got, want, rtol=1e-15)
        if word == "product":  # NumPy's sign of -0.0 is 0.0
            assert np.all(undefined | (np.signbit(got) == (np.signbit(ENDS) != np.signbit(y))))


def test_hypot_neither_overflows_nor_underflows():
    x = np.array([3e200, 3e-200, 3.0, 3e-320])
    for y, want in ((4e200, 5e200), (4e-200, 5e-200)):
        got = run(said("hypot", of=2), x, "long", y)
        assert want == pytest.approx(got[0 if y > 1 else 1], rel=1e-15)


def test_every_word_of_single_numbers_is_said():
    along = {"moveaxis", "eye_like", "concatenate", "fold", "unfold"}
    of_numbers = {word for word in words.WORDS if "along" not in word} - along
    unsaid = of_numbers - {*on_llvm.SAID}
    assert not unsaid, f"LLVM has no word for {unsaid}"


def test_conditions_of_plain_numbers():
    def rule(x):
        inner = where((x > 0) & (1 < 2) | (2 < 1), x, -x)  # noqa: F821
        return where(1 < 2, inner, 0.0)  # noqa: F821

    x = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(run(rule, x, "long"), [2.0, 0.0, 3.0])


def test_a_formula_cannot_branch_on_its_argument():
    def rule(x):
        return x if x > 0 else -x

    with pytest.raises(TypeError, match="use where"):
        on_llvm.written(rule, 0, "long")


def in_float32(text: str) -> bool:
    code = compile(f"lambda x: {text}", "rule", "eval").co_consts[0]
    named = {name: getattr(words, name) for name in code.co_names}
    rule = types.FunctionType(code, {"__builtins__": {}, **named}, "rule")
    return on_llvm.written_in_float32(rule, 0) is not None


def test_float32_does_where_nothing_is_rounded():
    for text in ("x", "-x", "where(x > 0.5, x, 0.25)", "maximum(x, 0) - 0.0", "product(x, 0.0)"):
        assert in_float32(text), text
    # of which float64, rounded once, makes something else
    for text in ("x + 1", "x * 3", "x * x", "x / 2", "x**2", "where(x > 0.1, x, 0.0)", "sqrt(x)"):
        assert not in_float32(text), text
    for text in ("exp(x)", "sigmoid(x)", "log(x)", "sin(x)", "tanh(x)", "product(x, x)", "1e300"):
        assert not in_float32(text), text


@pytest.mark.parametrize(
    "gate", ["sigmoid(y)", "sigmoid(-y)", "normal_cdf(y)", "exp(-absolute(y))"]
)
def test_short_products_with_what_is_finite_lose_no_zero(gate):
    code = compile(f"lambda x, y: product(x, {gate})", "rule", "eval").co_consts[0]
    named = {name: getattr(words, name) for name in code.co_names}
    rule = types.FunctionType(code, {"__builtins__": {}, **named}, "rule")
    x = ENDS.astype(np.float32)
    for y in (np.inf, -np.inf, np.nan, 800.0, -800.0, 1.0, 0.0):
        with np.errstate(all="ignore"):
            want = speak(rule, on_numpy.vocabulary())(x.astype(np.float64), np.full(x.size, y))
            want = want.astype(np.float32)
        np.testing.assert_array_max_ulp(run(rule, x, "short", y), want, 1)
