"""Derivatives of typed formulas, by SymPy, written back in the same words.

SymPy knows the chain and product rules; each word brings its own derivative in the form that
keeps its digits (tanh' as a product of two sigmoids rather than ``1 - tanh**2``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from rectifier.expression import Formula
from rectifier.ops.rule import speak

# word -> its derivative at x, in words
_RULES = {
    "exp": "exp(x)",
    "expm1": "exp(x)",
    "log": "1 / x",
    "log1p": "1 / (1 + x)",
    "sqrt": "1 / (2 * sqrt(x))",
    "sin": "cos(x)",
    "cos": "-sin(x)",
    "arctan": "1 / (1 + x * x)",
    "tanh": "4 * sigmoid(2 * x) * sigmoid(-2 * x)",
    "sigmoid": "sigmoid(x) * sigmoid(-x)",
    "erf": "2 * exp(-x * x) / sqrt(pi)",
    "erfc": "-2 * exp(-x * x) / sqrt(pi)",
    "absolute": "sign(x)",
    "sign": "0",
}


def derivative_text(function: Callable[..., Any], parameters: Sequence[str]) -> str:
    """d/dx of ``function(x, *parameters)``, which is written in words, as a formula in words."""
    import sympy

    x = sympy.Symbol("x", real=True)
    symbols = [sympy.Symbol(name, real=True) for name in parameters]
    expression = sympy.sympify(speak(function, _vocabulary())(x, *symbols))
    return _printer().doprint(expression.diff(x))


@cache
def _vocabulary() -> dict[str, Any]:
    import sympy

    class where(sympy.Function):  # the class's name is what gets printed
        def _eval_derivative(self, symbol: Any) -> Any:
            condition, x, y = self.args
            return choose(condition, x.diff(symbol), y.diff(symbol))

    def choose(condition: Any, x: Any, y: Any) -> Any:
        if condition in (True, False):
            return sympy.sympify(x if condition else y)
        return where(condition, x, y)

    words: dict[str, Any] = {"pi": sympy.pi, "where": choose, "product": lambda x, y: x * y}
    for name, rule in _RULES.items():
        words[name] = type(name, (sympy.Function,), {"fdiff": _fdiff(rule, words), "nargs": 1})
    words["maximum"] = lambda x, y: choose(x > y, x, y)
    words["minimum"] = lambda x, y: choose(x > y, y, x)
    words["hypot"] = lambda x, y: words["sqrt"](x**2 + y**2)
    return words


def _fdiff(rule: str, words: dict[str, Any]) -> Callable[..., Any]:
    slope = Formula(rule).function()

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return speak(slope, words)(self.args[0])

    return fdiff


@cache
def _printer() -> Any:
    from sympy.printing.str import StrPrinter

    class InWords(StrPrinter):
        def _print_Rational(self, number: Any) -> str:
            return f"({number.p} / {number.q})"

    return InWords({"full_prec": True})
