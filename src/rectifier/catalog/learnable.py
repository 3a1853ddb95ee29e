"""Shapes that training adjusts, and the one that it draws anew: their parameters are learnt.

As functions they take numbers or arrays; layers make weights of the learnable parameters. Every
such parameter has its own derivative, in the shape of ``x``.
"""

from __future__ import annotations

import math
from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import (
    exp,
    expm1,
    inf,
    isnan,
    ones_like,
    product,
    sigmoid,
    where,
    zeros_like,
)


def _below(x: Any) -> Any:
    """x where it is not positive, else 0; NaN stays."""
    return where(x > 0, zeros_like(x), x)


def _leaky_facts(slope: float) -> Facts:
    straight = slope == 1
    return Facts(
        "linear" if straight else "non-linear",
        range=(-inf if slope > 0 else 0.0, inf),
        attained=(slope <= 0, False),
        monotone=slope >= 0,
        convex=slope <= 1,
        smoothness=inf if straight else 0,
        kinks=() if straight else (0.0,),
        lipschitz=max(1.0, abs(slope)),
        zero_centred=straight,
    )


def _prelu_formula(x: Any, negative_slope: Any) -> Any:
    return where(x > 0, x, negative_slope * x)


def _prelu_value(x: Any, negative_slope: Any) -> Any:
    return where(x > 0, x, product(x, negative_slope + zeros_like(x)))


def _prelu_derivative(x: Any, negative_slope: Any) -> Any:
    return where(x > 0, ones_like(x), where(isnan(x), x, negative_slope + zeros_like(x)))


def _prelu_by_slope(x: Any, negative_slope: Any) -> Any:
    return _below(x)


PRELU = Activation(
    "prelu",
    formula=_prelu_formula,
    value=_prelu_value,
    derivative=_prelu_derivative,
    slopes=lambda negative_slope: (negative_slope, 1.0),
    parameters=(
        Parameter(
            "negative_slope",
            0.25,
            aliases=("alpha", "weight"),
            meaning="slope below, learnt for each channel",
            symbol="alpha",
            learnable=True,
            derivative=_prelu_by_slope,
        ),
    ),
    facts=_leaky_facts,
    summary="Leaky ReLU whose slope below zero is learnt, one for all or one a channel.",
    paper="He, Zhang, Ren and Sun 2015, Delving deep into rectifiers: surpassing human-level "
    "performance on ImageNet classification",
    aliases=("parametric_relu",),
    peers=(
        Peer("keras.layers.PReLU", "prelu(negative_slope=0)", "learnt for every unit, from 0"),
        Peer("torch.nn.functional.prelu", "prelu", "nn.PReLU learns it, from 0.25", (0.25,)),
        Peer("onnx.PRelu", "prelu", "the slope is its second input", (0.25,)),
    ),
)


def _rrelu_formula(x: Any, lower: Any, upper: Any, noise: Any) -> Any:
    return where(x > 0, x, (lower + (upper - lower) * noise) * x)


def _rrelu_value(x: Any, lower: Any, upper: Any, noise: Any) -> Any:
    return where(x > 0, x, product(x, lower + (upper - lower) * noise + zeros_like(x)))


def _rrelu_derivative(x: Any, lower: Any, upper: Any, noise: Any) -> Any:
    slope = lower + (upper - lower) * noise + zeros_like(x)
    return where(x > 0, ones_like(x), where(isnan(x), x, slope))


RRELU = Activation(
    "rrelu",
    formula=_rrelu_formula,
    value=_rrelu_value,
    derivative=_rrelu_derivative,
    slopes=lambda lower, upper, noise: (lower + (upper - lower) * noise, 1.0),
    parameters=(
        Parameter("lower", 1 / 8, meaning="least slope below", symbol="l"),
        Parameter("upper", 1 / 3, meaning="largest slope below", symbol="u"),
        Parameter(
            "noise",
            0.5,
            low=0.0,
            high=1.0,
            meaning="where between them; drawn while training",
            symbol="xi",
            drawn=True,
        ),
    ),
    facts=lambda lower, upper, noise: _leaky_facts(lower + (upper - lower) * noise),
    summary="Leaky ReLU whose slope is drawn for every element in training, and the mean after.",
    paper="Xu, Wang, Chen and Li 2015, Empirical evaluation of rectified activations in "
    "convolutional network",
    aliases=("randomized_leaky_relu",),
    peers=(Peer("torch.nn.functional.rrelu", "rrelu", "draws where training=True"),),
)

_SWISH_LOWEST = -1.2784645427610738  # where it turns, at beta = 1
_SWISH_DEPTH = 0.2784645427610738  # of x sigmoid(x), whose slope is at most ...
_SWISH_STEEPEST = 1.0998393201288669


def _swish_formula(x: Any, beta: Any) -> Any:
    return x / (1 + exp(-beta * x))


def _swish_value(x: Any, beta: Any) -> Any:
    return product(x, sigmoid(product(x, beta + zeros_like(x))))


def _swish_derivative(x: Any, beta: Any) -> Any:
    u = product(x, beta + zeros_like(x))
    return product(sigmoid(u), 1 + product(u, sigmoid(-u)))


def _swish_by_beta(x: Any, beta: Any) -> Any:
    u = product(x, beta + zeros_like(x))
    return product(x, product(x, sigmoid(u) * sigmoid(-u)))


def _swish_facts(beta: float) -> Facts:
    if beta == 0:
        return Facts("linear", range=(-inf, inf), convex=True, lipschitz=0.5, zero_centred=True)
    depth = _SWISH_DEPTH / abs(beta)
    return Facts(
        "non-linear",
        range=(-depth, inf) if beta > 0 else (-inf, depth),
        attained=(beta > 0, beta < 0),
        monotone=False,
        stationary=(_SWISH_LOWEST / beta,),
        lipschitz=_SWISH_STEEPEST,
    )


SWISH = Activation(
    "swish",
    formula=_swish_formula,
    value=_swish_value,
    derivative=_swish_derivative,
    parameters=(
        Parameter(
            "beta",
            1.0,
            aliases=("alpha",),
            meaning="sharpness of the gate, learnt",
            symbol="beta",
            learnable=True,
            derivative=_swish_by_beta,
        ),
    ),
    facts=_swish_facts,
    summary="SiLU with a learnt sharpness: from a straight line at 0 to ReLU at infinity.",
    paper="Ramachandran, Zoph and Le 2017, Searching for activation functions",
    peers=(
        Peer("keras.activations.swish", "swish", "beta is fixed at 1"),
        Peer("jax.nn.swish", "swish", "beta is fixed at 1"),
        Peer("tensorflow.nn.swish", "swish"),
        Peer("onnx.Swish", "swish", "beta is named alpha"),
    ),
)


def _star_formula(x: Any, scale: Any, bias: Any) -> Any:
    return scale * where(x > 0, x, 0) ** 2 + bias


def _star_value(x: Any, scale: Any, bias: Any) -> Any:
    return scale * where(x <= 0, zeros_like(x), x * x) + bias


def _star_derivative(x: Any, scale: Any, bias: Any) -> Any:
    return 2 * scale * where(x <= 0, zeros_like(x), x)


def _star_by_scale(x: Any, scale: Any, bias: Any) -> Any:
    return where(x <= 0, zeros_like(x), x * x)


def _star_by_bias(x: Any, scale: Any, bias: Any) -> Any:
    return where(isnan(x), x, ones_like(x))


STAR_RELU = Activation(
    "star_relu",
    formula=_star_formula,
    value=_star_value,
    derivative=_star_derivative,
    parameters=(
        Parameter(
            "scale",
            0.8944271909999159,  # 2 / sqrt(5), and the bias -1 / sqrt(5): mean 0, variance 1
            low=0.0,
            positive=True,
            meaning="learnt",
            symbol="s",
            learnable=True,
            derivative=_star_by_scale,
        ),
        Parameter(
            "bias",
            -0.4472135954999579,
            meaning="learnt",
            symbol="b",
            learnable=True,
            derivative=_star_by_bias,
        ),
    ),
    facts=lambda scale, bias: Facts(
        "non-linear",
        range=(bias, inf),
        attained=(True, False),
        convex=True,
        smoothness=1,
        lipschitz=inf,
    ),
    summary="Squared ReLU, scaled and shifted to mean 0 and variance 1 for normal input.",
    paper="Yu et al. 2024, MetaFormer baselines for vision",
)


def _xielu_formula(x: Any, alpha_p: Any, alpha_n: Any, beta: Any) -> Any:
    return where(x > 0, alpha_p * x**2 + beta * x, alpha_n * (exp(x) - 1 - x) + beta * x)


def _xielu_value(x: Any, alpha_p: Any, alpha_n: Any, beta: Any) -> Any:
    z = _below(x)
    # Near 0 the small difference e^z - 1 - z apart; far out it would be infinity less infinity.
    far = alpha_n * expm1(z) + product(z, beta - alpha_n + zeros_like(x))
    near = alpha_n * _expm1_less_x(where(z < -1, zeros_like(z), z)) + beta * z
    return where(x > 0, x * (alpha_p * x + beta), where(z < -1, far, near))


def _xielu_derivative(x: Any, alpha_p: Any, alpha_n: Any, beta: Any) -> Any:
    z = _below(x)
    # each form where the other one's terms would cancel
    left = where(z < -1, alpha_n * exp(z) + (beta - alpha_n), alpha_n * expm1(z) + beta)
    return where(x > 0, 2 * alpha_p * x + beta, left)


def _expm1_less_x(z: Any) -> Any:
    # by its series where the difference would keep no digit
    series = z * z / 2 * (1 + z / 3 * (1 + z / 4 * (1 + z / 5)))
    return where(z > -1e-3, series, expm1(z) - z)


def _xielu_by_alpha_p(x: Any, alpha_p: Any, alpha_n: Any, beta: Any) -> Any:
    return where(x <= 0, zeros_like(x), x * x)


def _xielu_by_alpha_n(x: Any, alpha_p: Any, alpha_n: Any, beta: Any) -> Any:
    return _expm1_less_x(_below(x))


def _xielu_by_beta(x: Any, alpha_p: Any, alpha_n: Any, beta: Any) -> Any:
    return x


def _xielu_facts(alpha_p: float, alpha_n: float, beta: float) -> Facts:
    low, attained = -inf, False
    stationary: tuple[float, ...] = ()
    if alpha_n == beta:
        low = -alpha_n
    elif alpha_n > beta:  # f' is 0 where exp(x) = 1 - beta / alpha_n
        turn = math.log1p(-beta / alpha_n)
        low, attained, stationary = -beta + (beta - alpha_n) * turn, True, (turn,)
    return Facts(
        "non-linear",
        range=(low, inf),
        attained=(attained, False),
        monotone=alpha_n <= beta,
        stationary=stationary,
        convex=True,
        smoothness=1,
        lipschitz=inf,
    )


def _xielu_parameter(name: str, default: float, meaning: str, symbol: str, slope: Any) -> Parameter:
    return Parameter(
        name,
        default,
        low=0.0,
        positive=True,
        meaning=meaning,
        symbol=symbol,
        learnable=True,
        derivative=slope,
    )


XIELU = Activation(
    "xielu",
    formula=_xielu_formula,
    value=_xielu_value,
    derivative=_xielu_derivative,
    parameters=(
        _xielu_parameter("alpha_p", 0.8, "curvature above", "alpha_p", _xielu_by_alpha_p),
        _xielu_parameter("alpha_n", 0.8, "curvature below", "alpha_n", _xielu_by_alpha_n),
        _xielu_parameter("beta", 0.5, "slope at zero", "beta", _xielu_by_beta),
    ),
    cancels=True,
    facts=_xielu_facts,
    summary="The integral of a trainable ELU: a parabola above zero, an exponential below.",
    paper="Huang and Schlag 2024, Deriving activation functions using integration",
)
