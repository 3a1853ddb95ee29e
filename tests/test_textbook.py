"""Formulas for people: exact in SymPy, readable in LaTeX."""

from __future__ import annotations

import re
import time

import pytest
import sympy

import rectifier as rf
from rectifier import textbook

x = sympy.Symbol("x", real=True)


def cases(*lines: str) -> str:
    return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}"


LATEX = {
    "relu": cases(r"x & \text{if } x > 0", r"0 & \text{otherwise}"),
    "relu(negative_slope=0.1)": cases(r"x & \text{if } x > 0", r"\alpha x & \text{otherwise}"),
    "relu(max_value=6)": cases(
        r"x & \text{if } 0 < x < M", r"M & \text{if } x \geq M", r"0 & \text{otherwise}"
    ),
    "relu6": cases(
        r"x & \text{if } 0 < x < 6", r"6 & \text{if } x \geq 6", r"0 & \text{otherwise}"
    ),
    "leaky_relu": cases(r"x & \text{if } x > 0", r"\alpha x & \text{otherwise}"),
    "elu": cases(r"x & \text{if } x > 0", r"\alpha \left(e^{x} - 1\right) & \text{otherwise}"),
    "selu": r"\lambda "
    + cases(r"x & \text{if } x > 0", r"\alpha \left(e^{x} - 1\right) & \text{otherwise}")
    + r",\quad \lambda \approx 1.0507,\quad \alpha \approx 1.6733",
    "hard_tanh": cases(
        r"x & \text{if } -1 < x < 1", r"-1 & \text{if } x \leq -1", r"1 & \text{otherwise}"
    ),
    "hard_sigmoid": cases(
        r"\frac{x}{6} + \frac{1}{2} & \text{if } -3 < x < 3",
        r"0 & \text{if } x \leq -3",
        r"1 & \text{otherwise}",
    ),
    "softplus": r"\log{\left(e^{x} + 1 \right)}",
    "softplus(beta=2)": r"\frac{\log{\left(e^{\beta x} + 1 \right)}}{\beta}",
    "softmax": r"\frac{e^{{x}_{i}}}{\sum_{j=1}^{n} e^{{x}_{j}}}",
    "sine": r"\sin{\left(x \right)}",
}
DERIVATIVES = {
    "relu": cases(r"1 & \text{if } x > 0", r"0 & \text{otherwise}"),
    "relu6": cases(r"1 & \text{if } 0 < x < 6", r"0 & \text{otherwise}"),
    "hard_swish": cases(
        r"\frac{x}{3} + \frac{1}{2} & \text{if } -3 < x < 3",
        r"0 & \text{if } x \leq -3",
        r"1 & \text{otherwise}",
    ),
    "tanh": r"1 - \tanh^{2}{\left(x \right)}",
    "softsign": r"\frac{1}{\left(\left|{x}\right| + 1\right)^{2}}",
    "binary_step": "0",
}


@pytest.mark.parametrize("text", LATEX)
def test_formulas_read_as_in_textbooks(text):
    assert rf.get(text).latex == LATEX[text]


@pytest.mark.parametrize("text", DERIVATIVES)
def test_derivatives_read_as_in_textbooks(text):
    assert rf.get(text).derivative_latex == DERIVATIVES[text]


@pytest.mark.parametrize("name", rf.names())
def test_no_long_numbers_no_words_for_symbols_and_balanced(name):
    act = rf.get(name)
    started = time.process_time()
    texts = [act.latex, act.derivative_latex]
    assert time.process_time() - started < 3  # 0.1 s here; SymPy's import is once
    for text in texts:
        digits = "".join(c if c.isdigit() or c == "." else " " for c in text).split()
        assert all(len(d) <= 8 for d in digits), text
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")
        assert text.count(r"\begin{cases}") <= 1
        assert not any(re.search(rf"(?<!\\){p.name}", text) for p in act.declared if p.name != "b")


def test_formulas_are_exact():
    assert rf.hard_sigmoid.formula.subs(x, 1) == sympy.Rational(2, 3)
    assert rf.get("leaky_relu(0.1)").formula.subs(x, -1) == sympy.Rational(-1, 10)
    assert rf.elu.formula.subs(x, -1) == sympy.exp(-1) - 1
    assert not any(rf.get(n).formula.atoms(sympy.Float) for n in rf.names())
    assert rf.relu.formula.subs(x, 3) == 3


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.1, sympy.Rational(1, 10)),
        (1 / 6, sympy.Rational(1, 6)),
        (2.0, sympy.Integer(2)),
        (0.12345678, sympy.Rational(12345678, 10**8)),
        (1e-30, sympy.Rational(1, 10**30)),
        (float("inf"), sympy.oo),
        (-float("inf"), -sympy.oo),
    ],
)
def test_exact_numbers(value, number):
    assert textbook.exact(value) == number
    assert float(textbook.exact(value)) == value


def test_the_jacobian_of_softmax():
    form = rf.softmax.derivative_formula
    i, j = sympy.symbols("i j", integer=True, positive=True)
    n, scores = sympy.Symbol("n", integer=True, positive=True), sympy.IndexedBase("x")
    numbers = {1: 0, 2: sympy.log(2), 3: sympy.log(5)}  # shares 1/8, 2/8, 5/8
    for a, b, share in ((1, 1, "7/64"), (1, 2, "-1/32"), (3, 2, "-5/32")):
        at = form.subs({i: a, j: b, n: 3}).doit()
        at = at.subs({scores[k]: v for k, v in numbers.items()})
        assert sympy.simplify(at) == sympy.Rational(share)


def test_cases_whose_conditions_are_no_stretch():
    form = sympy.Piecewise((x, x**2 > 4), (0, True))
    assert r"x & \text{if } x^{2} > 4" in textbook.latex(form)
    both = sympy.Piecewise((1, (x > 0) | (x < -1)), (0, True))
    assert r"\vee" in textbook.latex(both)


def test_towers_of_powers_are_printed_at_once():
    """SymPy's own printer simplifies each exponent: minutes for twelve of them."""
    form = x
    for _ in range(12):
        form = sympy.exp(-(form**2))
    started = time.process_time()
    assert textbook.latex(form).count("e^{") == 12
    assert time.process_time() - started < 1
    assert textbook.latex(sympy.exp(x) ** 2 + (2**x) ** sympy.pi) == r"2^{\pi x} + e^{2 x}"
