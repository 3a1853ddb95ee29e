"""GELU under other names: a cheaper gate, and a ceiling for integer arithmetic."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts
from rectifier.ops.words import (
    erf,
    exp,
    inf,
    normal_cdf,
    normal_density,
    product,
    sigmoid,
    sqrt,
    where,
    zeros_like,
)

_QUICK = 1.702


def _quick_formula(x: Any) -> Any:
    return x / (1 + exp(-_QUICK * x))


def _quick_value(x: Any) -> Any:
    return product(x, sigmoid(_QUICK * x))


def _quick_derivative(x: Any) -> Any:
    u = _QUICK * x
    return product(sigmoid(u), 1 + product(u, sigmoid(-u)))


QUICK_GELU = Activation(
    "quick_gelu",
    formula=_quick_formula,
    value=_quick_value,
    derivative=_quick_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.2784645427610738 / _QUICK, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.2784645427610738 / _QUICK,),
        lipschitz=1.0998393201288669,
    ),
    summary="GELU by a sigmoid of 1.702 x, as CLIP was trained: SiLU, squeezed.",
    paper="Hendrycks and Gimpel 2016, Gaussian error linear units",
    aliases=("gelu_sigmoid",),
)


def _clipped_formula(x: Any) -> Any:
    # gelu(10) is 10 less 8e-23, so the clip at 10 begins at x = 10 for every dtype
    return where(x < 10, x * (1 + erf(x / sqrt(2))) / 2, 10)


def _clipped_value(x: Any) -> Any:
    return where(x >= 10, 10 + zeros_like(x), product(x, normal_cdf(x)))


def _clipped_derivative(x: Any) -> Any:
    return where(x >= 10, zeros_like(x), normal_cdf(x) + product(x, normal_density(x)))


GELU_10 = Activation(
    "gelu_10",
    formula=_clipped_formula,
    value=_clipped_value,
    derivative=_clipped_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.16997120747990366, 10.0),
        attained=(True, True),
        monotone=False,
        stationary=(-0.7517915246935644,),
        smoothness=0,
        kinks=(10.0,),
        lipschitz=1.1289041451851548,
    ),
    summary="GELU with a ceiling of 10, for networks in eight-bit integers.",
    paper="Wu, Judd, Zhang, Isaev and Micikevicius 2020, Integer quantization for deep learning "
    "inference: principles and empirical evaluation",
    aliases=("clipped_gelu",),
)
