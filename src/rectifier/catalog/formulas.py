"""An entry from a formula that a user typed: what ``define`` registers."""

from __future__ import annotations

import ast
import math
import re
import types
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

from rectifier.activation import Activation, Facts, Parameter
from rectifier.catalog.calculus import differentiate
from rectifier.catalog.measured import finite_stretch, measured_facts, refuse_undefined
from rectifier.errors import FormulaError, ParameterError
from rectifier.expression import Formula
from rectifier.ops.rule import BUILTINS
from rectifier.ops.words import isnan, maximum, minimum, where
from rectifier.trees import CORNERED, as_function, words_of

_LONGEST_NAME = 60


def activation_from_formula(name: str, text: str, parameters: Mapping[str, float]) -> Activation:
    """An activation with the formula's own derivative, and facts measured on a grid.

    Args:
        name: letters, digits and ``_``, beginning with a letter; lower snake case by habit.
        text: a formula in ``x`` and the parameters.
        parameters: default value of each parameter.

    Raises:
        FormulaError: not arithmetic, free of ``x``, or not a finite number, with a finite
            slope, for every x in [-10, 10].
        ParameterError: a default that is no finite number.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise FormulaError(f"{name!r} cannot be a name; use letters, digits and _")
    if len(name) > _LONGEST_NAME:
        raise FormulaError(f"the name {name[:20]}... is longer than {_LONGEST_NAME} characters")
    formula = Formula(text, tuple(parameters))
    if not formula.uses_x:
        raise FormulaError(f"{formula.text!r} does not depend on x")
    defaults = tuple(_default(name, p, v) for p, v in parameters.items())
    for node in ast.walk(formula.tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, node.comparators[0]):
                compared = as_function(side, formula.parameters)
                refuse_undefined(compared, defaults, repr(ast.unparse(side)[:60]))
    value = formula.function()
    shown = repr(formula.text[:60])
    refuse_undefined(value, defaults, shown)
    slope = as_function(differentiate(formula.tree), formula.parameters)
    refuse_undefined(slope, defaults, f"the derivative of {shown}")
    low, high = finite_stretch(slope, defaults)
    cornered = bool(words_of(formula.tree) & {*CORNERED})
    value = _bound(_value, _inner=value)
    derivative = _bound(_derivative, _inner=slope, _low=low, _high=high)

    def facts(*values: float) -> Facts:
        return measured_facts(value, derivative, values, cornered)

    return Activation(
        name,
        formula=formula.textbook(),
        value=value,
        derivative=derivative,
        parameters=tuple(Parameter(p, v) for p, v in zip(parameters, defaults, strict=True)),
        facts=facts,
        summary=f"Defined as {formula.text}",
        paper="a formula of the user's own",
        text=formula.text,
    )


def _default(owner: str, parameter: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ParameterError(f"{owner}: {parameter} must be a finite number, got {value!r:.60}")
    return float(value)


# What the two functions below are given in place of these: see _bound.
_inner: Any = None
_low = -math.inf
_high = math.inf


def _value(x: Any, *values: Any) -> Any:
    return where(isnan(x), x, _inner(x, *values))


def _derivative(x: Any, *values: Any) -> Any:
    # Beyond the stretch in which float32 can compute it the slope stays what it was: exp(x)
    # overflows at 88, and 0 * inf further on would be NaN where the slope has long settled.
    return where(isnan(x), x, _inner(minimum(maximum(x, _low), _high), *values))


def _bound(function: Callable[..., Any], **meanings: Any) -> Callable[..., Any]:
    words = {"isnan": isnan, "maximum": maximum, "minimum": minimum, "where": where}
    spoken_with = {"__builtins__": BUILTINS, **words, **meanings}
    return types.FunctionType(function.__code__, spoken_with, function.__name__)
