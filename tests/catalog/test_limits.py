"""Infinities, NaN and signed zeros, in every library and dtype."""

from __future__ import annotations

from functools import cache

import entries
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
import torch
from benchmarks import oracle

import rectifier as rf

LIBRARIES = ["numpy", "torch", "jax"]
DTYPES = ["float16", "bfloat16", "float32", "float64"]
ALL = entries.ELEMENTWISE + entries.OTHERS
ENDS = {"-inf": -sympy.oo, "inf": sympy.oo}

# SymPy 1.14 cannot take these limits; worked out by hand: 0 at -inf, and f ~ x at inf.
BY_HAND = {
    ("gelu_tanh", "value", "-inf"): 0,
    ("gelu_tanh", "derivative", "-inf"): 0,
    ("gelu_tanh", "value", "inf"): sympy.oo,
    ("gelu_tanh", "derivative", "inf"): 1,
    ("laplace", "value", "-inf"): 0,
}
# Oscillates: no limit, so NaN.
WITHOUT_LIMIT = {
    (text, which)
    for text in ALL
    for which in ("value", "derivative")
    if rf.get(text).name == "sine" or (rf.get(text).name == "snake" and which == "derivative")
}


def arrays(library: str, dtype: str, numbers: list[float]):
    if library == "torch":
        return torch.tensor(numbers, dtype=getattr(torch, dtype))
    if library == "numpy":
        return np.array(numbers, jnp.dtype(dtype))
    return jnp.asarray(numbers, dtype)


SPECIAL = ["-inf", "inf", "nan", "0.0", "-0.0"]
# And a subnormal number, which each dtype has its own of.
FAR = [-400.0, -37.0, 37.0, 400.0]


@cache
def _special(text: str, which: str, library: str, dtype: str) -> np.ndarray:
    """f or f' at SPECIAL, FAR and the two subnormals, as float64."""
    act = rf.get(text)
    tiny = 4 * float(jnp.finfo(dtype).smallest_subnormal)
    with jax.enable_x64(dtype == "float64"):
        points = arrays(library, dtype, [*map(float, SPECIAL), *FAR, tiny, -tiny])
        result = act(points) if which == "value" else act.derivative(points)
        assert result.dtype == points.dtype
        assert result.shape == points.shape
        return np.array([float(y) for y in result])


def computed(text: str, which: str, library: str, dtype: str, x: float) -> float:
    """f(x) or f'(x) at one of the special points."""
    return float(_special(text, which, library, dtype)[SPECIAL.index(str(x))])


def limit(text: str, which: str, end: str) -> float:
    if (text, which, end) in BY_HAND:
        return float(BY_HAND[text, which, end])
    act = rf.get(text)
    form = act.formula if which == "value" else act.derivative_formula
    toward = ENDS[end]
    # far out a single branch of the cases counts; SymPy has to be told which
    far = sympy.Integer(10) ** 6 * (1 if end == "inf" else -1)
    form = form.replace(
        lambda e: isinstance(e, sympy.Piecewise),
        lambda e: next(b for b, c in e.args if c == sympy.true or c.subs(oracle.X, far)),
    )
    return float(sympy.limit(form, oracle.X, toward))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("which", ["value", "derivative"])
@pytest.mark.parametrize("text", ALL)
def test_infinity_gives_the_mathematical_limit(text, which, end):
    if (text, which) in WITHOUT_LIMIT:
        assert text.startswith(("sine", "snake"))
        return  # test_no_limit_is_nan
    true = limit(text, which, end)
    for library in LIBRARIES:
        for dtype in DTYPES:
            got = computed(text, which, library, dtype, float(end))
            allowed = float(np.array(true).astype(jnp.dtype(dtype)))
            assert got == pytest.approx(allowed, rel=1e-2 if "16" in dtype else 2e-7), (
                library,
                dtype,
            )


def test_limits_by_hand_are_those_of_far_points():
    for (text, which, end), true in BY_HAND.items():
        far = np.array([-40.0 if end == "-inf" else 40.0])
        exact = getattr(oracle, which)(text, far).high[0]
        assert exact == pytest.approx(40.0 if true == sympy.oo else float(true), abs=1e-300)


@pytest.mark.parametrize(("text", "which"), sorted(WITHOUT_LIMIT))
def test_no_limit_is_nan(text, which):
    for library in LIBRARIES:
        for dtype in DTYPES:
            assert np.isnan(computed(text, which, library, dtype, np.inf))


@pytest.mark.parametrize("text", ALL)
def test_nan_gives_nan(text):
    for library in LIBRARIES:
        for dtype in DTYPES:
            for which in ("value", "derivative"):
                got = computed(text, which, library, dtype, np.nan)
                assert np.isnan(got), (library, dtype, which)


# of a result; 50 times that outside NumPy, where the argument of an exponential is rounded too
ROUNDING = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 1e-6, "float64": 1e-13}


@pytest.mark.parametrize("text", ALL)
def test_far_out_and_beside_zero_every_library_says_the_same(text):
    """What NumPy says in float64, which the oracle holds, rounded."""
    act = rf.get(text)
    for dtype in DTYPES:
        least = float(jnp.finfo(dtype).smallest_subnormal)
        tiny = 4 * least
        points = np.array([*FAR, tiny, -tiny], jnp.dtype(dtype)).astype(np.float64)
        for which, call in (("value", act), ("derivative", act.derivative)):
            with np.errstate(over="ignore"):
                true = call(points).astype(jnp.dtype(dtype)).astype(np.float64)
            for library in LIBRARIES:
                got = _special(text, which, library, dtype)[len(SPECIAL) :]
                wide, lost = ROUNDING[dtype], 0.0
                if library != "numpy":  # factors such as sigmoid(-88) underflow before the product
                    # and the third place of a tie may have been rounded away before the last
                    wide, lost = 50 * wide, max(least, 1e-300 if dtype == "float64" else 1e-35)
                close = np.isclose(got, true, rtol=wide, atol=lost)
                if library == "jax":  # XLA takes subnormal numbers for zero, coming in as well
                    close[-2:] |= got[-2:] == _special(text, which, library, dtype)[3]
                assert close.all(), (library, dtype, which, points[~close], got[~close])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "text", [t for t in ALL if rf.get(t).facts.zero_centred and not t.startswith("relu")]
)
def test_odd_functions_keep_the_sign_of_zero(text, library):
    for zero in (0.0, -0.0):
        got = computed(text, "value", library, "float32", zero)
        assert got == 0
        assert np.signbit(got) == np.signbit(zero)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("text", ["silu", "gelu", "gelu_tanh", "mish", "leaky_relu", "elu", "selu"])
def test_functions_through_zero_with_a_slope_keep_its_sign_too(text, library):
    for zero in (0.0, -0.0):
        assert np.signbit(computed(text, "value", library, "float32", zero)) == np.signbit(zero)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_dropped_input_is_plain_zero(library, compiled):
    """relu(-3) is 0.0 and not -0.0, which 1 / relu(x) or a hash of bytes would show."""
    x = arrays(library, "float32", [-3.0, -7.5, -np.inf, -1e30])
    for text in ("relu", "relu6", "hard_swish", "relu(max_value=2)"):
        act = rf.get(text)
        call = jax.jit(lambda z, act=act: act(z)) if compiled and library == "jax" else act
        got = np.asarray(call(x))
        assert (got == 0).all(), text
        assert not np.signbit(got).any(), text


@pytest.mark.parametrize("text", ["silu", "gelu", "mish", "gelu_tanh"])
def test_all_libraries_agree_on_the_sign_of_a_vanishing_tail(text):
    for library in LIBRARIES:
        assert np.signbit(computed(text, "value", library, "float32", -np.inf))


@pytest.mark.parametrize("text", ["identity", "relu", "leaky_relu", "tanh", "sine", "softsign"])
def test_numpy_keeps_subnormals(text):
    tiny = np.array([1e-45, 1e-40, -1e-40], np.float32)
    with_slope = oracle.value(text, tiny).high.astype(np.float32)
    np.testing.assert_array_equal(rf.get(text)(tiny), with_slope)


@pytest.mark.parametrize("text", ALL)
def test_far_out_nothing_but_true_overflow_is_infinite(text):
    """At ±400 and the largest floats: finite where the formula is."""
    points = np.array([-3.4e38, -1e20, -400, -300, 300, 400, 1e20, 3.4e38], np.float32)
    with np.errstate(over="ignore"):
        true = oracle.value(text, points).high.astype(np.float32)
    assert (np.isfinite(rf.get(text)(points)) == np.isfinite(true)).all()
    with np.errstate(over="ignore"):
        true = oracle.derivative(text, points).high.astype(np.float32)
    assert (np.isfinite(rf.get(text).derivative(points)) == np.isfinite(true)).all()
