"""Formulas as people see them say what the activation computes, kinks included."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

import rectifier as rf
from rectifier.catalog.formulas import activation_from_formula
from rectifier.report.drawing.formulas import derivative, formula
from rectifier.report.drawing.typeset import as_line, as_lines, as_mathml

CURVES = [name for name in rf.names() if rf.get(name).elementwise]
BOUND = [
    "relu(negative_slope=0.1, max_value=3, threshold=1)",
    "leaky_relu(0.2)",
    "hard_sigmoid(slope=0.2, offset=0.3)",
    "hard_tanh(min_val=-2, max_val=0.5)",
    "elu(alpha=0.5)",
    "squareplus(b=0.1)",
    "sine(frequency=30)",
]


def _at(shown, x):
    """The shown formula at ``x``: the case whose bounds hold it."""
    import sympy

    for case in shown.cases:
        low = -math.inf if case.low is None else float(case.low)
        high = math.inf if case.high is None else float(case.high)
        above = low <= x if case.low_closed else low < x
        below = x <= high if case.high_closed else x < high
        if above and below:
            value = case.expression.subs(sympy.Symbol("x", real=True), sympy.Float(x, 30))
            return float(value.evalf(30))
    raise AssertionError(f"no case holds {x}")


@pytest.mark.parametrize("call", [*CURVES, *BOUND])
def test_cases_are_the_function_and_its_stated_derivative(call):
    activation = rf.get(call)
    points = [-4.3, -1.7, -0.2, 0.3, 0.9, 2.6, 4.1, *activation.facts.kinks]
    value, slope = formula(activation), derivative(activation)
    # 1e-4: numbers such as 1/6 are exact, those of selu are shown with all their digits
    for x in points:
        assert _at(value, x) == pytest.approx(activation(x), rel=1e-9, abs=1e-12)
        assert _at(slope, x) == pytest.approx(activation.derivative(x), rel=1e-9, abs=1e-12)


def test_nested_cases_read_from_left_to_right():
    assert as_line(formula(rf.get("relu6"))) == "f(x) = 0 for x ≤ 0, x for 0 < x < 6, 6 for x ≥ 6"
    assert as_line(derivative(rf.get("leaky_relu(0.2)")), unicode=False) == (
        "f'(x) = 0.2 for x <= 0, 1 for x > 0"
    )


def test_conditions_that_are_not_linear_stay_as_they_are():
    ring = activation_from_formula("ring", "where(x * x < 1, 2 * x, abs(x))", {})
    assert as_line(formula(ring)) == "f(x) = 2·x for x² < 1, |x| otherwise"


@pytest.mark.parametrize("name", rf.names())
def test_lines_fit_and_ascii_is_ascii(name):
    activation = rf.get(name)
    for shown in (formula(activation), derivative(activation)):
        lines = as_lines(shown, width=96)
        assert len(lines) == 1 or max(map(len, lines)) <= 96
        assert "".join(as_lines(shown, unicode=False)).isascii()
        assert as_line(shown, unicode=False).isascii()


@pytest.mark.parametrize("name", rf.names())
def test_mathml_is_well_formed_and_made_for_browsers(name):
    activation = rf.get(name)
    for shown in (formula(activation, named=True), derivative(activation, named=True)):
        text = as_mathml(shown)
        bare = re.sub(r"&(?!amp;|lt;|gt;|#)\w+;", "", text)  # HTML knows entities that XML does not
        tags = {element.tag for element in ElementTree.fromstring(bare).iter()}
        core = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot"}
        core |= {"msub", "msup", "msubsup", "munderover", "mtable", "mtr", "mtd"}
        assert tags <= core  # of MathML Core; mfenced, for one, is not, and shows no brackets
        assert "piecewise" not in text


def test_sympys_state_is_left_alone():
    from sympy.printing.pretty.pretty_symbology import pretty_use_unicode

    before = pretty_use_unicode()
    as_lines(formula(rf.get("gelu")), unicode=not before)
    assert pretty_use_unicode() == before


def test_parameters_at_infinity():
    shown = formula(rf.get("relu"), named=True)
    assert len(shown.cases) == 3
    assert np.isfinite(rf.get("relu(max_value=3)")(4.0))
