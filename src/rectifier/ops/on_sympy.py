"""SymPy's words: the same formulas as mathematics, for LaTeX, true derivatives and the oracle."""

from __future__ import annotations

from functools import cache
from typing import Any

NAME = "sympy"


@cache
def vocabulary() -> dict[str, Any]:
    """Every word of :mod:`rectifier.ops.words`, as mathematics, and the exact constants."""
    import sympy

    def where(condition: Any, x: Any, y: Any) -> Any:
        return sympy.Piecewise((x, condition), (y, True))

    def sum_along(x: Any, axis: Any) -> Any:
        here, there, last = sympy.symbols("i j n", integer=True, positive=True)
        return sympy.Sum(x.subs(here, there), (there, 1, last))

    def of_the_row(name: str) -> Any:
        """What depends on the whole row, as a function of x_j: max(x_j), tau(x_j)."""
        here, there = sympy.symbols("i j", integer=True, positive=True)
        return lambda x, *_: sympy.Function(name)(x.subs(here, there))

    def not_in_textbooks(*_: Any) -> Any:
        raise TypeError("this word serves computation; a textbook formula has no need of it")

    return {
        "where": where,
        "isnan": lambda x: sympy.false,
        "zeros_like": lambda x: sympy.Integer(0),
        "ones_like": lambda x: sympy.Integer(1),
        "absolute": sympy.Abs,
        "sign": sympy.sign,
        "maximum": sympy.Max,
        "minimum": sympy.Min,
        "product": lambda x, y: x * y,
        "sqrt": sympy.sqrt,
        "hypot": lambda x, y: sympy.sqrt(x**2 + y**2),
        "exp": sympy.exp,
        "expm1": lambda x: sympy.exp(x) - 1,
        "log": sympy.log,
        "log1p": lambda x: sympy.log(1 + x),
        "sin": sympy.sin,
        "cos": sympy.cos,
        "arctan": sympy.atan,
        "tanh": sympy.tanh,
        "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
        "erf": sympy.erf,
        "erfc": sympy.erfc,
        "normal_cdf": lambda x: (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
        "normal_density": lambda x: sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi),
        "max_along": of_the_row("max"),
        "threshold_along": of_the_row("tau"),
        "first_max_along": not_in_textbooks,
        "concatenate": lambda x, y, axis: sympy.Tuple(x, y),
        "fold": not_in_textbooks,
        "unfold": not_in_textbooks,
        "sum_along": sum_along,
        "moveaxis": not_in_textbooks,
        "eye_like": not_in_textbooks,
        # exact constants, where the arrays' words have floats
        "pi": sympy.pi,
        "inf": sympy.oo,
    }
