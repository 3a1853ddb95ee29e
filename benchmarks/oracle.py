"""The oracle: an activation's own SymPy formula and its true derivative, in mpmath.

Nothing here reads the stable forms that are tested. SymPy differentiates the textbook formula,
mpmath evaluates both with as many digits as the cancellation at hand needs, and what comes back
is each exact number as an unevaluated sum of two float64 (``high + low``, 106 bits).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache

import mpmath
import numpy as np
import sympy

import rectifier as rf

X = sympy.Symbol("x", real=True)


class Exact:
    """Exact numbers, each ``high + low``; ``high`` is the correctly rounded float64."""

    def __init__(self, numbers: Iterable[mpmath.mpf]) -> None:
        high, low = [], []
        for number in numbers:
            nearest = float(number)
            high.append(nearest)
            with mpmath.workdps(900):
                rest = number - mpmath.mpf(nearest) if math.isfinite(nearest) else 0
            low.append(float(rest))
        self.high, self.low = np.array(high), np.array(low)

    def ulps(self, got: np.ndarray, floor: float | np.ndarray = 0.0) -> np.ndarray:
        """Distance of ``got`` from the exact numbers, in units in the last place of its dtype.

        A result that overflows where it should is 0 away; NaN and a wrong overflow are ``inf``.

        Args:
            floor: the least unit, for where a result cannot have digits of its own.
        """
        dtype = got.dtype
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            rounded = self.high.astype(dtype)
            unit = np.maximum(np.spacing(np.abs(rounded)).astype(np.float64), floor)
            away = np.abs((got.astype(np.float64) - self.high) - self.low) / unit
        same_end = np.isinf(rounded) & (got == rounded)
        return np.where(same_end, 0.0, np.where(np.isfinite(away), away, np.inf))


@cache
def _functions(text: str) -> tuple[Callable[..., mpmath.mpf], Callable[..., mpmath.mpf]]:
    formula = rf.get(text).formula
    return sympy.lambdify(X, formula, "mpmath"), sympy.lambdify(X, formula.diff(X), "mpmath")


# Digits lost at x where a formula takes the small from the large; exp(x) beside 1 for the others.
_LOST = {
    "gelu": lambda size: 0.22 * size**2 if size <= 40 else 0.0,  # 1 + erf(x / sqrt(2))
    "gelu_10": lambda size: 0.22 * size**2 if size <= 40 else 0.0,
    "phish": lambda size: 0.22 * size**2 if size <= 40 else 0.0,
    "laplace": lambda size: 2.8 * (size + 1) ** 2 if size <= 12 else 0.0,
    "gaussian": lambda size: 0.0,
    "sqrt_softplus": lambda size: 0.44 * size if size <= 1600 else 0.0,
    "gelu_tanh": lambda size: 0.7 * size + 0.035 * size**3 if size <= 24 else 0.0,
}


def _digits(text: str, x: float) -> int:
    """Digits that outlast the cancellation at ``x``, with 45 to spare."""
    size = abs(x)
    lost = _LOST.get(text, lambda size: 0.44 * size if size <= 800 else 0.0)(size)
    magnitude = math.log10(size) if size else 0.0  # of x + sqrt(x² + b), and of exp(x) - 1
    return int(45 + lost + max(2 * magnitude, -magnitude))


def _settled(function: Callable[..., mpmath.mpf], x: float, digits: int) -> mpmath.mpf:
    """``function(x)``, sure to 38 digits: doubled until twice the digits give the same."""
    previous = None
    while digits < 10_000:
        with mpmath.workdps(digits):
            try:
                result = mpmath.mpf(function(mpmath.mpf(x)))
            except OverflowError:  # exp of 1e38 has an exponent too long to hold
                result = mpmath.inf
            except ZeroDivisionError:  # exp(x) / sqrt(log(1 + exp(x))), where float64 has ended
                assert x < -1600
                result = mpmath.mpf(0)
            if previous is not None and (
                previous == result or abs(previous - result) <= abs(result) * mpmath.mpf(10) ** -38
            ):
                return result
        digits, previous = 2 * digits, result
    raise ArithmeticError(f"no digits settle at x = {x!r}")


# From here on f is x to more digits than there are, where exp(x) has too many: tanh(exp(x)).
_IDENTITY_FROM = {"telu": 100.0}


@cache
def _one(text: str, which: int, x: float) -> mpmath.mpf:
    if x > _IDENTITY_FROM.get(text, math.inf):
        return mpmath.mpf(1) if which else mpmath.mpf(x)
    return _settled(_functions(text)[which], x, _digits(text, x))


def value(text: str, points: np.ndarray) -> Exact:
    """f at ``points`` for the activation that ``text`` names."""
    return Exact(_one(text, 0, float(x)) for x in points)


def derivative(text: str, points: np.ndarray) -> Exact:
    """f' at ``points``; at a kink that of the branch which the formula selects there."""
    return Exact(_one(text, 1, float(x)) for x in points)


def one(text: str, x: float) -> mpmath.mpf:
    """f(x), sure to 38 digits."""
    return _one(text, 0, float(x))


def at(text: str, x: mpmath.mpf) -> mpmath.mpf:
    """f(x) in the precision at hand."""
    return _functions(text)[0](x)


def limit_number(value: float) -> mpmath.mpf:
    """The number that a bound is short for, such as 1.7580993408473766 for SELU's floor."""
    return mpmath.mpf(repr(float(value)))
