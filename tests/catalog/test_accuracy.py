"""Values and derivatives of every entry against the oracle: entry x library x dtype x point."""

from __future__ import annotations

from dataclasses import dataclass, field

import bounds
import entries
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks import oracle
from benchmarks.accuracy import short

import rectifier as rf

WHICH = ("value", "derivative")


@dataclass
class Ledger:
    """Worst distances of one activation, and those beyond their bound as sentences."""

    text: str
    broken: list[str] = field(default_factory=list)

    def hold(self, what: str, ulps: np.ndarray, bound: np.ndarray, points: np.ndarray) -> None:
        over = np.flatnonzero(ulps > bound)
        if over.size:
            i = over[np.argmax(ulps[over])]
            self.broken.append(
                f"{self.text} {what}: {ulps[i]:.4g} ulp at x = {points[i]!r}, "
                f"allowed {np.broadcast_to(bound, ulps.shape)[i]:.4g}; {over.size} points"
            )


def exact(which: str, text: str, points: np.ndarray) -> oracle.Exact:
    return oracle.value(text, points) if which == "value" else oracle.derivative(text, points)


def hold_numpy(ledger: Ledger, text: str, points: np.ndarray) -> None:
    act, dtype = rf.get(text), points.dtype
    name = act.name
    for i, which in enumerate(WHICH):
        true = exact(which, text, points)
        got = act(points) if which == "value" else act.derivative(points)
        bound = np.full(points.shape, bounds.NUMPY[dtype.name][i])
        floor = np.zeros(points.shape)
        if dtype == np.float64:
            if name in bounds.NUMPY_FLOAT64:
                bound[:] = bounds.NUMPY_FLOAT64[name][0][i]
            bound += bounds.amplified(name, points, tuple(act.parameters.values()))
            floor += bounds.FLOAT64_UNDERFLOW
            floor = np.maximum(floor, bounds.terms_floor(name, points, np.float64))
            if which == "derivative":
                floor = np.maximum(floor, bounds.root_floor(name, points, np.float64))
        ledger.hold(f"{which} numpy {dtype}", true.ulps(got, floor), bound, points)


def hold_jax(ledger: Ledger, text: str, points: np.ndarray) -> None:
    act = rf.get(text)
    points = points[(points == 0) | (np.abs(points) >= np.finfo(np.float32).tiny)]
    both = jax.jit(lambda x: (act(x), act.derivative(x)))(jnp.asarray(points))
    for i, which in enumerate(WHICH):
        floor = np.full(points.shape, bounds.JAX_UNDERFLOW)
        floor = np.maximum(floor, bounds.terms_floor(act.name, points, np.float32))
        if which == "derivative":
            floor = np.maximum(floor, bounds.root_floor(act.name, points, np.float32))
        bound = bounds.JAX_FLOAT32[act.name][i] + bounds.amplified(
            act.name, points, tuple(act.parameters.values())
        )
        true = exact(which, text, points)
        ledger.hold(f"{which} jax float32", true.ulps(np.asarray(both[i]), floor), bound, points)


def in_reach(text: str, points: np.ndarray) -> np.ndarray:
    """Without those where a phase such as 30 x is rounded by more than it can bear."""
    if rf.get(text).name in ("sine", "snake") and text not in ("sine", "snake"):
        return points[(np.abs(points) < 1000) & (points != 0)]
    if rf.get(text).name == "nlrelu":  # beta x overflows float32, in which JAX computes
        return points[np.abs(points) < 1e37]
    return points


@pytest.mark.parametrize("text", entries.ELEMENTWISE)
def test_numpy_is_as_exact_as_its_law(text):
    ledger = Ledger(text)
    for points in (entries.float16_points, entries.float32_points, entries.float64_points):
        hold_numpy(ledger, text, points(text))
    assert not ledger.broken, "\n".join(ledger.broken)


@pytest.mark.parametrize("name", entries.ELEMENTWISE)
def test_all_65_536_inputs_of_the_short_floats_are_rounded_correctly(name):
    for dtype in (np.dtype(np.float16), jnp.dtype(jnp.bfloat16)):
        x = short.every(dtype)
        for which in WHICH:
            got = rf.get(name)(x) if which == "value" else rf.get(name).derivative(x)
            judged = short.judged(name, which, x, got, short.by_words(name, which, x))
            assert judged == (0, 0.5, None), (dtype, which)


def test_a_bfloat16_that_is_rounded_twice_is_seen():
    """As ml_dtypes does: first to the float32 nearest to a float64, and from there."""
    x = short.every(jnp.dtype(jnp.bfloat16))
    true = short.by_words("phish", "value", x)
    off, ulps, at = short.judged("phish", "value", x, true.astype(x.dtype), true)
    assert off > 0
    assert 0.5 < ulps < 0.501
    assert at is not None


@pytest.mark.parametrize("text", entries.ELEMENTWISE)
def test_jax_is_within_its_stated_bounds(text):
    ledger = Ledger(text)
    hold_jax(ledger, text, entries.float32_points(text))
    assert not ledger.broken, "\n".join(ledger.broken)


@pytest.mark.parametrize("text", entries.OTHERS)
def test_other_parameter_values(text):
    ledger = Ledger(text)
    single = in_reach(text, entries.float32_points(text, 100))
    hold_numpy(ledger, text, single)
    double = entries.float64_points(text, 40)
    if not text.startswith(
        ("sine", "snake")
    ):  # near its roots the phase's rounding is all there is
        hold_numpy(ledger, text, double)
    hold_jax(ledger, text, single) if not text.startswith(("sine", "snake")) else None
    assert not ledger.broken, "\n".join(ledger.broken)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("text", entries.ELEMENTWISE)
def test_short_floats_in_jax_are_rounded_from_float32(text, dtype):
    act, dtype = rf.get(text), jnp.dtype(dtype)
    points = jnp.asarray(np.linspace(-12, 12, 97), dtype)
    for call in (act, act.derivative):
        got, wide = call(points), call(points.astype(jnp.float32))
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, wide.astype(dtype), strict=True)


def test_the_oracle_agrees_with_numbers_worked_out_by_hand():
    at_one = oracle.value("elu", np.array([-1.0])).high[0]
    assert at_one == -0.6321205588285577  # exp(-1) - 1 to 17 digits
    slope = oracle.derivative("gelu", np.array([1.0])).high[0]
    assert slope == pytest.approx(1.0833154705876864, rel=1e-15)  # Phi(1) + phi(1)


def test_the_oracle_has_digits_where_the_textbook_form_cancels():
    deep = oracle.value("gelu", np.array([-30.0])).high[0]
    assert deep == pytest.approx(-30 * 4.906713927148187e-198, rel=1e-14)
    left = oracle.value("squareplus", np.array([-1e30])).high[0]
    assert left == pytest.approx(1e-30, rel=1e-15)


def test_this_test_can_fail():
    """A value that is off in the sixth digit, and an overflow where there is none."""
    points = np.linspace(-3, 3, 50).astype(np.float32)
    true = oracle.value("silu", points)
    assert true.ulps(rf.silu(points)).max() <= 0.51
    assert true.ulps(rf.silu(points) * np.float32(1.00001)).max() > 50
    assert np.isinf(true.ulps(np.full(50, np.inf, np.float32))).all()
    assert np.isinf(true.ulps(np.full(50, np.nan, np.float32))).all()


def test_kinks_belong_to_the_outer_branch():
    """The law, typed by hand: the oracle reads it off the formulas, this does not."""
    law = {
        "relu": {0: 0},
        "relu6": {0: 0, 6: 0},
        "leaky_relu": {0: 0.01},
        "leaky_relu(negative_slope=0.2)": {0: 0.2},
        "prelu": {0: 0.25},
        "rrelu": {0: 11 / 48},
        "relu(negative_slope=0.5, max_value=4, threshold=1)": {1: 0.5, 4: 0},
        "elu(alpha=0.5)": {0: 0.5},
        "selu": {0: 1.7580993408473766},
        "hard_tanh": {-1: 0, 1: 0},
        "hard_sigmoid": {-3: 0, 3: 0},
        "hard_swish": {-3: 0, 3: 1},
        "binary_step": {0: 0},
        "gelu_10": {10: 0},
        "hard_mish": {-2: 0},
        "hard_elish": {-1: 0, 1: 1},
        "sparse_sigmoid": {-1: 0, 1: 0},
        "soft_shrink": {-0.5: 0, 0.5: 0},
        "hard_shrink": {-0.5: 0, 0.5: 0},
        "threshold": {0: 0},
        "thresholded_relu": {1: 0},
        "nlrelu": {0: 0},
        "srelu": {0: 0.2},
    }
    kinked = {n for n in entries.ELEMENTWISE if rf.get(n).facts.kinks}
    assert kinked <= {rf.get(text).name for text in law}
    for text, slopes in law.items():
        act = rf.get(text)
        assert set(act.facts.kinks) == {float(x) for x in slopes}
        for x, slope in slopes.items():
            at = np.array([x], np.float64)
            assert act.derivative(at)[0] == pytest.approx(slope, rel=1e-15)
            in_jax = jax.grad(lambda z, act=act: act(z))(jnp.float32(x))
            assert float(in_jax) == pytest.approx(slope, rel=1e-6), (text, x)
