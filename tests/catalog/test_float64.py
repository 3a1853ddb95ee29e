"""float64 on NumPy at inputs that hypothesis draws: at most 4 ulp, but for what the committed table
knows to be further, each with its reason."""

from __future__ import annotations

import bounds
import entries
import numpy as np
import pytest
from benchmarks import oracle
from benchmarks.accuracy import page
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import rectifier as rf
from rectifier.catalog.accuracy import Measurement, measurements

LAW = 4.0
BEYOND = {
    (row.name, row.which): row
    for row in measurements()
    if (row.by, row.dtype) == ("numpy", "float64") and row.ulps > LAW
}
# Where networks go, where exponentials end, and any float there is.
NUMBERS = st.one_of(st.floats(-6, 6), st.floats(-750, 750), st.floats(allow_nan=False))
DRAWS = settings(
    max_examples=3, derandomize=True, database=None, deadline=None, phases=[Phase.generate]
)


def distances(name: str, which: str, x: np.ndarray, floor: float | np.ndarray) -> np.ndarray:
    act = rf.get(name)
    with np.errstate(all="ignore"):
        got = act(x) if which == "value" else act.derivative(x)
    return getattr(oracle, which)(name, x).ulps(got, floor)


def allowed(name: str, which: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bound in ulp at each of ``x``, and the least unit.

    What the table does not know to be beyond 4 ulp has to be within; the least unit is then that
    of results which underflow. The others have the room that their reason gives them.
    """
    bound, floor = np.full(x.shape, LAW), np.full(x.shape, bounds.FLOAT64_UNDERFLOW)
    if (name, which) in BEYOND:
        derivative = which == "derivative"
        bound[:] = bounds.NUMPY_FLOAT64.get(name, ((LAW, LAW), ""))[0][derivative]
        bound += bounds.amplified(name, x, tuple(rf.get(name).parameters.values()))
        floor = np.maximum(floor, bounds.terms_floor(name, x, np.float64))
        if derivative:
            floor = np.maximum(floor, bounds.root_floor(name, x, np.float64))
    return bound, floor


@pytest.mark.parametrize("name", entries.ELEMENTWISE)
@DRAWS
@given(drawn=st.lists(NUMBERS, min_size=8, max_size=8))
def test_within_four_ulp_or_what_the_table_says(name, drawn):
    x = np.array([v for v in drawn if np.isfinite(v)])
    for which in ("value", "derivative"):
        bound, floor = allowed(name, which, x)
        away = distances(name, which, x, floor)
        over = [
            f"{name} {which}: {u:.4g} ulp at x = {float(v)!r}, allowed {b:.4g}"
            for u, v, b in zip(away, x, bound, strict=True)
            if not u <= b
        ]
        assert not over, "\n".join(over)


@pytest.mark.parametrize(("name", "which"), BEYOND)
def test_what_is_beyond_is_beyond_still(name, which):
    """At the table's own worst input: whoever has made it exact measures it again."""
    row: Measurement = BEYOND[name, which]
    (away,) = distances(name, which, np.array([row.at]), bounds.FLOAT64_UNDERFLOW)
    assert away == pytest.approx(row.ulps, rel=0.5)
    assert away > LAW


def test_everything_beyond_has_a_reason_and_no_reason_is_left_over():
    assert {*page.REASONS} == {*BEYOND}
