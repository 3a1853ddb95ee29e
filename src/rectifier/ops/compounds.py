"""Words made of words: what typed formulas may say besides, such as ``softplus(x)``.

Each comes twice: to compute with, in a form that keeps its digits, and as textbooks print it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rectifier.ops.words import absolute, cos, exp, log, log1p, maximum, sin


def _relu(u: Any) -> Any:
    return maximum(u, 0)


def _softplus(u: Any) -> Any:
    return maximum(u, 0.0) + log1p(exp(-absolute(u)))


def _softplus_textbook(u: Any) -> Any:
    return log(1 + exp(u))


def _sinh(u: Any) -> Any:
    return (exp(u) - exp(-u)) / 2


def _cosh(u: Any) -> Any:
    return (exp(u) + exp(-u)) / 2


def _tan(u: Any) -> Any:
    return sin(u) / cos(u)


def _square(u: Any) -> Any:
    return u * u


COMPOUNDS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "relu": (_relu, _relu),
    "softplus": (_softplus, _softplus_textbook),
    "sinh": (_sinh, _sinh),
    "cosh": (_cosh, _cosh),
    "tan": (_tan, _tan),
    "square": (_square, _square),
}
