"""Sampling for drawings: every point is the function's own, and jumps stay jumps."""

from __future__ import annotations

import numpy as np
import pytest

import rectifier as rf
from rectifier.catalog.formulas import activation_from_formula
from rectifier.report.drawing.curves import (
    draw,
    fitted,
    levelled,
    natural_reach,
    slope_at,
    thinned,
    ticks,
    value_at,
)


@pytest.mark.parametrize("name", rf.names())
def test_samples_are_the_functions_own(name):
    drawing = draw(rf.get(name))
    for curve, function in ((drawing.value, value_at), (drawing.derivative, slope_at)):
        jumps = [jump.x for jump in curve.jumps]
        for piece in curve.pieces:
            x, y = piece.T
            own = ~np.isin(x, jumps)  # at a jump the piece has its limit, not the stated value
            np.testing.assert_array_equal(y[own], function(drawing.activation, x[own]))
            assert (np.diff(x) > 0).all()


@pytest.mark.parametrize("name", rf.names())
def test_pieces_hold_no_jump(name):
    drawing = draw(rf.get(name))
    for curve in drawing.curves:
        for piece in curve.pieces:
            near = np.abs(piece[:, 1]) < 10
            rise = np.abs(np.diff(piece[:, 1]))[near[:-1] & near[1:]]
            assert rise.max(initial=0.0) < 0.6  # exponential at 10 rises by 0.5 in 0.05


@pytest.mark.parametrize(
    ("call", "which", "jumps"),
    [
        ("binary_step", "value", [(0, 0, 1, 0)]),
        ("relu", "value", []),
        ("relu", "derivative", [(0, 0, 1, 0)]),
        ("leaky_relu(0.2)", "derivative", [(0, 0.2, 1, 0.2)]),
        ("leaky_relu(1)", "derivative", []),
        ("relu(threshold=2)", "value", [(2, 0, 2, 0)]),
        ("hard_sigmoid", "derivative", [(-3, 0, 1 / 6, 0), (3, 1 / 6, 0, 0)]),
        ("hard_swish", "derivative", [(-3, 0, -0.5, 0), (3, 1.5, 1, 1)]),
        ("elu", "derivative", []),
        ("tanh", "derivative", []),
    ],
)
def test_jumps(call, which, jumps):
    curve = getattr(draw(rf.get(call)), which)
    found = [(jump.x, jump.before, jump.after, jump.at) for jump in curve.jumps]
    assert found == [pytest.approx(jump, abs=1e-8) for jump in jumps]


def test_jumps_of_a_users_formula_are_found_without_being_told():
    bent = activation_from_formula("bent", "where(x > 1.2345, 2, 0) + abs(x)", {})
    drawing = draw(bent)
    (jump,) = drawing.value.jumps
    assert jump.x == pytest.approx(1.2345, abs=1e-9)
    assert (jump.before, jump.after, jump.at) == pytest.approx((1.2345, 3.2345, 1.2345), abs=1e-8)
    (turn,) = drawing.derivative.jumps
    assert (turn.x, turn.before, turn.after) == (0.0, -1.0, 1.0)
    assert drawing.derivative.dots("on") == [(0.0, turn.at)]


def test_steep_is_no_jump():
    steep = activation_from_formula("steep", "tanh(500 * x)", {})
    assert draw(steep).value.jumps == ()


def test_what_is_no_number_breaks_the_line():
    # log(b) of a negative b
    broken = activation_from_formula("broken", "where(x > 1, log(b) * x, x)", {"b": 2.0})
    pieces = draw(broken.bind(b=-1.0)).value.pieces
    assert len(pieces) == 1
    assert pieces[0][-1, 0] <= 1.0


def test_windows():
    assert natural_reach(rf.get("relu")) == 5.0
    assert natural_reach(rf.get("relu6")) == 8.0
    assert natural_reach(rf.get("relu(max_value=500)")) == 5.0  # would hide everything else
    low, high = fitted(draw(rf.get("exponential")))
    assert -0.5 < low < 0.0
    assert 5.0 < high < 5.5
    assert levelled(draw(rf.get("tanh"))) == levelled(draw(rf.get("sigmoid")))
    assert levelled(draw(rf.get("relu"))) == levelled(draw(rf.get("mish")))


def test_thinned_stays_within_its_tolerance():
    x = np.linspace(-5, 5, 400)
    points = np.stack([x, np.sin(3 * x) * np.exp(x / 3)], axis=1)
    few = thinned(points, 0.01)
    assert len(few) < 150
    assert np.abs(np.interp(x, *few.T) - points[:, 1]).max() <= 0.01 + 1e-12
    np.testing.assert_array_equal(few[[0, -1]], points[[0, -1]])


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (-5, 5, 6, [-4, -2, 0, 2, 4]),
        (-0.06, 1.06, 5, [0, 0.5, 1]),
        (-1.3, 1.3, 7, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks(low, high, most, expected):
    assert ticks(low, high, most) == expected
