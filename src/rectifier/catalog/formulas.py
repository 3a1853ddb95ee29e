"""An entry from a formula that a user typed: what ``define`` registers."""

from __future__ import annotations

import ast
import math
import re
import types
from collections.abc import Callable, Mapping
from functools import lru_cache
from numbers import Real
from typing import Any

from rectifier.activation import Activation, Facts, Parameter
from rectifier.catalog.calculus import differentiate
from rectifier.catalog.measured import finite_stretch, measured_facts, refuse_undefined
from rectifier.errors import FormulaError, ParameterError
from rectifier.expression import Formula
from rectifier.ops.rule import BUILTINS, Rule
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
    refuse_undefined_at(formula.text, formula.parameters, defaults)
    slope_tree = differentiate(formula.tree)
    cornered = bool(words_of(formula.tree) & {*CORNERED})

    @lru_cache(maxsize=256)
    def rules(*values: float) -> Rule:
        value = formula.function()
        slope = as_function(slope_tree, formula.parameters)
        low, high = finite_stretch(slope, values)
        return Rule(
            _bound(_value, _inner=value), _bound(_derivative, _inner=slope, _low=low, _high=high)
        )

    def facts(*values: float) -> Facts:
        rule = rules(*values)
        return measured_facts(rule.value, rule.derivative, values, cornered)

    return Activation(
        name,
        formula=formula.textbook(),
        value=rules(*defaults).value,
        derivative=rules(*defaults).derivative,
        rules=rules,
        parameters=tuple(Parameter(p, v) for p, v in zip(parameters, defaults, strict=True)),
        facts=facts,
        summary=f"Defined as {formula.text}",
        paper="a formula of the user's own",
        text=formula.text,
    )


@lru_cache(maxsize=256)
def refuse_undefined_at(text: str, parameters: tuple[str, ...], values: tuple[float, ...]) -> None:
    """Refuses parameter values at which a formula or its slope is not finite near 0.

    Raises:
        FormulaError: with the place.
    """
    formula = Formula(text, parameters)
    shown = repr(formula.text[:60])
    if values:
        pairs = zip(parameters, values, strict=True)
        shown += " with " + ", ".join(f"{name}={value:g}" for name, value in pairs)
    subjects = [
        (side, repr(ast.unparse(side)[:60]))  # SymPy cannot compare what is not real
        for node in ast.walk(formula.tree)
        if isinstance(node, ast.Compare)
        for side in (node.left, node.comparators[0])
    ]
    slope = differentiate(formula.tree)
    subjects += [(formula.tree, shown), (slope, f"the derivative of {shown}")]
    for tree, subject in subjects:
        refuse_undefined(as_function(tree, parameters), values, subject)


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
