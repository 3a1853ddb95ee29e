"""The input times a gate that is a function of a function: relatives of Mish and SiLU."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts
from rectifier.ops.words import (
    absolute,
    erf,
    exp,
    inf,
    log,
    log1p,
    minimum,
    normal_cdf,
    normal_density,
    product,
    sigmoid,
    sqrt,
    tanh,
    where,
    zeros_like,
)


def _sech_squared(u: Any) -> Any:
    # tanh' without the cancellation of 1 - tanh²
    e = exp(-2 * absolute(u))
    return 4 * e / ((1 + e) * (1 + e))


def _lisht_formula(x: Any) -> Any:
    return x * tanh(x)


def _lisht_derivative(x: Any) -> Any:
    return tanh(x) + product(x, _sech_squared(x))


LISHT = Activation(
    "lisht",
    formula=_lisht_formula,
    value=_lisht_formula,
    derivative=_lisht_derivative,
    facts=Facts(
        "non-linear",
        range=(0.0, inf),
        attained=(True, False),
        monotone=False,
        stationary=(0.0,),
        lipschitz=1.1996786402577338,
    ),
    summary="The input times its tanh: a smooth absolute value, blind to the sign.",
    paper="Roy, Manna, Dubey and Chaudhuri 2019, LiSHT: non-parametric linearly scaled hyperbolic "
    "tangent activation function for neural networks",
)


def _telu_formula(x: Any) -> Any:
    return x * tanh(exp(x))


def _telu_value(x: Any) -> Any:
    return product(x, tanh(exp(x)))


def _telu_derivative(x: Any) -> Any:
    # Above 4 the second term is below 1e-44, and exp(x) must not overflow in a second derivative.
    u = minimum(x, 4.0)
    return tanh(exp(u)) + product(u, exp(u)) * _sech_squared(exp(u))


TELU = Activation(
    "telu",
    formula=_telu_formula,
    value=_telu_value,
    derivative=_telu_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.353285777848211271, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.078860058464624,),
        lipschitz=1.0619753087179159692,
    ),
    summary="The input times tanh of its exponential; also published as TanhExp.",
    paper="Fernandez and Mali 2024, TeLU activation function for fast and stable deep learning; "
    "Liu and Di 2020, TanhExp",
)


def _softplus(x: Any) -> Any:
    # the branch x <= 0 at 0 in both terms, so that the second derivative is right there
    return where(x > 0, x, zeros_like(x)) + log1p(exp(where(x > 0, -x, x)))


def _serf_formula(x: Any) -> Any:
    return x * erf(log(1 + exp(x)))


def _serf_value(x: Any) -> Any:
    return product(x, erf(_softplus(x)))


def _serf_derivative(x: Any) -> Any:
    # 2 / sqrt(pi) = 1.128...; above 40 the second term is nothing beside 1
    u = minimum(x, 40.0)
    density = 1.1283791670955126 * exp(-_softplus(u) * _softplus(u))
    return erf(_softplus(x)) + product(u, density * sigmoid(u))


SERF = Activation(
    "serf",
    formula=_serf_formula,
    value=_serf_value,
    derivative=_serf_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.34843745875960642, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.1930599689281882,),
        lipschitz=1.0861254441509971534,
    ),
    summary="The input times erf of its softplus; Mish with erf in place of tanh.",
    paper="Nag and Bhattacharyya 2021, SERF: towards better training of deep neural networks using "
    "log-softplus error activation function",
)


def _phish_formula(x: Any) -> Any:
    return x * tanh(x * (1 + erf(x / sqrt(2))) / 2)


def _gelu(x: Any) -> Any:
    return product(x, normal_cdf(x))


def _phish_value(x: Any) -> Any:
    return product(x, tanh(_gelu(x)))


def _phish_derivative(x: Any) -> Any:
    slope = normal_cdf(x) + product(x, normal_density(x))
    return tanh(_gelu(x)) + product(x, _sech_squared(_gelu(x)) * slope)


PHISH = Activation(
    "phish",
    formula=_phish_formula,
    value=_phish_value,
    derivative=_phish_derivative,
    facts=Facts(
        "non-linear",
        range=(0.0, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.1954312013879123, 0.0),
        lipschitz=1.298306673305811548,
    ),
    summary="The input times tanh of its GELU; never negative, with a bump left of zero.",
    paper="Naveen 2022, Phish: a novel hyper-optimizable activation function",
)


def _logish_formula(x: Any) -> Any:
    return x * log(1 + 1 / (1 + exp(-x)))


def _logish_value(x: Any) -> Any:
    return product(x, log1p(sigmoid(x)))


def _logish_derivative(x: Any) -> Any:
    s = sigmoid(x)
    return log1p(s) + product(x, s * sigmoid(-x)) / (1 + s)


LOGISH = Activation(
    "logish",
    formula=_logish_formula,
    value=_logish_value,
    derivative=_logish_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.25276881678944035, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.3724541370256922,),
        lipschitz=0.74631118041273968135,
    ),
    summary="The input times log(1 + sigmoid); its slope tends to log 2.",
    paper="Zhu, Zeng, Liu and Zhang 2021, Logish: a new nonlinear nonmonotonic activation function "
    "for convolutional neural network",
)


def _smish_formula(x: Any) -> Any:
    return x * tanh(log(1 + 1 / (1 + exp(-x))))


def _smish_value(x: Any) -> Any:
    # tanh(log(1 + s)) = n / (n + 2) with n = s (2 + s)
    s = sigmoid(x)
    n = s * (2 + s)
    return product(x, n / (n + 2))


def _smish_derivative(x: Any) -> Any:
    s = sigmoid(x)
    n = s * (2 + s)
    steepness = 4 * (1 + s) / ((n + 2) * (n + 2))  # of the gate, by s
    return n / (n + 2) + product(x, s * sigmoid(-x) * steepness)


SMISH = Activation(
    "smish",
    formula=_smish_formula,
    value=_smish_value,
    derivative=_smish_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.24999366366012949539, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.3945193019245044,),
        lipschitz=0.63688422288122629865,
    ),
    summary="The input times tanh(log(1 + sigmoid)); its slope tends to 3/5.",
    paper="Wang, Ren and Wang 2022, Smish: a novel activation function for deep learning methods",
)
