"""The bell curve and its area: bounded, and settled a few units from the centre."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts
from rectifier.ops.words import erf, exp, normal_cdf, normal_density, pi, product, sqrt


def _gaussian_formula(x: Any) -> Any:
    return exp(-(x**2))


def _gaussian_value(x: Any) -> Any:
    return exp(-(x * x))


def _gaussian_derivative(x: Any) -> Any:
    return product(-2 * x, exp(-(x * x)))


GAUSSIAN = Activation(
    "gaussian",
    formula=_gaussian_formula,
    value=_gaussian_value,
    derivative=_gaussian_derivative,
    facts=Facts(
        "non-linear",
        range=(0.0, 1.0),
        attained=(False, True),
        monotone=False,
        stationary=(0.0,),
        lipschitz=0.85776388496070679,
    ),
    summary="A bell: fires where the input is near zero.",
    paper="Broomhead and Lowe 1988, Multivariable functional interpolation and adaptive networks",
    aliases=("rbf", "bell"),
)

_MEAN = 0.7071067811865476  # sqrt(1/2)
_SCALE = 3.5449077018110318  # 1 over the deviation sqrt(1 / (4 pi))


def _laplace_formula(x: Any) -> Any:
    return (1 + erf((x - sqrt(2) / 2) * sqrt(2 * pi))) / 2


def _laplace_value(x: Any) -> Any:
    return normal_cdf((x - _MEAN) * _SCALE)


def _laplace_derivative(x: Any) -> Any:
    return _SCALE * normal_density((x - _MEAN) * _SCALE)


LAPLACE = Activation(
    "laplace",
    formula=_laplace_formula,
    value=_laplace_value,
    derivative=_laplace_derivative,
    facts=Facts("non-linear", range=(0.0, 1.0), lipschitz=1.4142135623730951),
    summary="A normal distribution's area that follows relu2 near the origin, but is bounded.",
    paper="Ma, Zhou, Kong, He, Gui, Neubig, May and Zettlemoyer 2022, Mega: moving average "
    "equipped gated attention",
)
