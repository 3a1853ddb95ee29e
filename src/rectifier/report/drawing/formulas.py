"""Formulas and derivatives for people: as cases along the line.

A definition says ``where(x > 0, where(x < 6, x, 6), 0)``; a reader wants "0 for x ≤ 0, x for
0 < x < 6, 6 for x ≥ 6". The cases are found by asking the expression what it is between the
points at which its conditions change, so that nesting never reaches the reader. How they
are written down is the subject of :mod:`rectifier.report.drawing.typeset`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rectifier import textbook
from rectifier.activation import Activation
from rectifier.facts import Parameter

_HUGE = 1e6  # stands for a parameter at infinity where an order of cases is wanted
_SHORT = 6  # a parameter of up to so many characters (0.2, 0.125) is shown as typed


@dataclass(frozen=True)
class Case:
    """One line of a formula: an expression and the stretch of the line where it holds.

    ``low`` and ``high`` are SymPy expressions, None for no bound; ``condition`` replaces both
    when the stretch is no interval.
    """

    expression: Any
    low: Any = None
    high: Any = None
    low_closed: bool = False
    high_closed: bool = False
    condition: Any = None

    @property
    def everywhere(self) -> bool:
        return self.low is None and self.high is None and self.condition is None


@dataclass(frozen=True)
class Formula:
    """What is on both sides of an equals sign: ``f(x)`` and its cases."""

    left: str
    cases: tuple[Case, ...]


def formula(activation: Activation, named: bool = False) -> Formula:
    """The value of ``activation`` in cases.

    Args:
        activation: any entry.
        named: parameters by their symbols, rather than their present values.
    """
    expression, x, values = _textbook(activation, named)
    left = {"elementwise": "f(x)", "gated": "f(a, b)"}.get(activation.kind, "f(x)ᵢ")
    return Formula(left, tuple(_in_cases(expression, x, values)))


def derivative(activation: Activation, named: bool = False) -> Formula:
    """The derivative in cases; along an axis the Jacobian, with Kronecker's δ."""
    expression, x, values = _textbook(activation, named)
    if activation.kind == "gated":
        return Formula("(∂f/∂a, ∂f/∂b)", (Case(textbook.derivative(expression)),))
    if not activation.elementwise:
        import sympy

        delta = sympy.IndexedBase("δ")  # prints as δ with indices everywhere, on one line too
        jacobian = textbook.derivative(expression).replace(
            sympy.KroneckerDelta, lambda i, j: delta[i, j]
        )
        return Formula("∂fᵢ/∂xⱼ", (Case(jacobian),))
    slopes = [
        replace(case, expression=textbook.short_derivative(case.expression))
        for case in _in_cases(expression, x, values)
        if case.low is None or case.low != case.high  # a single point has no slope of its own
    ]
    return Formula("f′(x)", tuple(_merged(slopes)))


# -- cases ------------------------------------------------------------------------------------


def _textbook(activation: Activation, named: bool) -> tuple[Any, Any, dict[Any, float]]:
    """Expression, variable, and the number that stands behind each parameter symbol."""
    import sympy
    from sympy.core.function import AppliedUndef

    values: dict[Any, float] = {}
    given = []
    for parameter in activation.declared:
        if named:
            given.append(sympy.Symbol(symbol(parameter), real=True))
            values[given[-1]] = min(float(parameter.default), _HUGE)
        else:
            given.append(_exact(activation.parameters[parameter.name]))
    expression = textbook.expression(activation._formula, given, kind=activation.kind)
    free = sorted(expression.free_symbols - set(values), key=str)
    if activation.elementwise:
        return expression, sympy.Symbol("x", real=True), values
    # of two inputs, or made of the whole row: no line along which cases could lie
    x = None
    if activation.kind == "along_axis" and not expression.has(AppliedUndef):
        x = next(s for s in free if isinstance(s, sympy.Indexed))
    return expression, x, values


def symbol(parameter: Parameter) -> str:
    """What stands for a parameter in formulas: its symbol, where that is no LaTeX command."""
    return parameter.symbol if parameter.symbol.isalnum() else parameter.name


def _exact(value: float) -> Any:
    import sympy

    if math.isinf(value):
        return sympy.oo if value > 0 else -sympy.oo
    if value == int(value):
        return sympy.Integer(int(value))
    return sympy.Float(repr(value)) if len(repr(value)) <= _SHORT else sympy.nsimplify(value)


def _in_cases(expression: Any, x: Any, values: Mapping[Any, float]) -> list[Case]:
    import sympy

    if not expression.has(sympy.Piecewise):
        return [Case(expression)]
    bounds = None if x is None else _bounds(expression, x, values)
    if bounds is None:  # conditions that are not linear in x: as they stand
        folded = sympy.piecewise_fold(expression)
        return [Case(e, condition=c) for e, c in folded.args]
    cases: list[Case] = []
    low = None
    for i, (at, bound) in enumerate(bounds):
        before = bounds[i - 1][0] if i else at - 2
        between = _chosen(expression, x, (before + at) / 2, values)
        cases.append(Case(between, low, bound))
        cases.append(Case(_chosen(expression, x, at, values), bound, bound, True, True))
        low = bound
    last = _chosen(expression, x, bounds[-1][0] + 1, values) if bounds else expression
    return _merged([*cases, Case(last, low)])


def _bounds(expression: Any, x: Any, values: Mapping[Any, float]) -> list[tuple[Any, Any]] | None:
    """Where conditions change: (number, expression), ascending; None if they are not linear."""
    import sympy

    found: dict[Any, Any] = {}
    for relation in expression.atoms(sympy.core.relational.Relational):
        try:
            line = sympy.Poly(relation.lhs - relation.rhs, x)
        except sympy.PolynomialError:
            return None
        if line.degree() != 1:
            return None
        slope, offset = line.all_coeffs()
        bound = -offset / slope
        found.setdefault(bound.subs(values), bound)
    return sorted(found.items(), key=lambda pair: float(pair[0]))


def _chosen(expression: Any, x: Any, at: Any, values: Mapping[Any, float]) -> Any:
    """``expression`` with every Piecewise replaced by its branch at ``x = at``."""
    import sympy

    def branch(piecewise: Any) -> Any:
        for e, condition in piecewise.args:
            if condition in (True, sympy.true) or condition.subs(values).subs(x, at) == sympy.true:
                return e
        return sympy.nan

    return expression.replace(lambda e: isinstance(e, sympy.Piecewise), branch)


def _merged(cases: list[Case]) -> list[Case]:
    """Neighbours that say the same as one; a point joins the side it agrees with."""
    merged: list[Case] = []
    for case in cases:
        previous = merged[-1] if merged else None
        if previous is not None and previous.condition is None and case.condition is None:
            same = previous.expression == case.expression
            if same:
                merged[-1] = replace(previous, high=case.high, high_closed=case.high_closed)
                continue
        merged.append(case)
    if len(merged) == 1 and merged[0].condition is None:
        return [Case(merged[0].expression)]
    return merged
