"""The input times a gate made of itself: GELU, SiLU, Mish and their cheap stand-ins."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Peer
from rectifier.ops.words import (
    erf,
    exp,
    inf,
    log,
    minimum,
    normal_cdf,
    normal_density,
    ones_like,
    pi,
    product,
    sigmoid,
    sqrt,
    tanh,
    where,
    zeros_like,
)

_TANH_SCALE = 0.7978845608028654  # sqrt(2/pi)
_TANH_CUBIC = 0.044715


def _gelu_formula(x: Any) -> Any:
    return x * (1 + erf(x / sqrt(2))) / 2


def _gelu_value(x: Any) -> Any:
    return product(x, normal_cdf(x))


def _gelu_derivative(x: Any) -> Any:
    return normal_cdf(x) + product(x, normal_density(x))


GELU = Activation(
    "gelu",
    formula=_gelu_formula,
    value=_gelu_value,
    derivative=_gelu_derivative,
    flags={
        "approximate": {False: "gelu", "none": "gelu", True: "gelu_tanh", "tanh": "gelu_tanh"},
    },
    facts=Facts(
        "non-linear",
        range=(-0.16997120747990366, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-0.7517915246935644,),
        lipschitz=1.1289041451851548,
    ),
    summary="The input times the probability that a standard normal is below it.",
    paper="Hendrycks and Gimpel 2016, Gaussian error linear units",
    aliases=("gelu_erf", "gelu_python"),
    peers=(
        Peer("keras.activations.gelu", "gelu", "but keras.ops.gelu is gelu_tanh"),
        Peer("keras.ops.gelu", "gelu_tanh", "approximate=True by default"),
        Peer("torch.nn.functional.gelu", "gelu", "-0.0 below -6 in float32; NaN at -inf"),
        Peer("jax.nn.gelu", "gelu_tanh", "approximate=True by default"),
        Peer("tensorflow.nn.gelu", "gelu"),
        Peer("onnx.Gelu", "gelu"),
    ),
)


def _gelu_tanh_formula(x: Any) -> Any:
    return x * (1 + tanh(sqrt(2 / pi) * (x + _TANH_CUBIC * x**3))) / 2


def _gelu_tanh_value(x: Any) -> Any:
    # (1 + tanh u) / 2 = sigmoid(2u), which keeps its digits in the left tail
    return product(x, sigmoid(2 * _TANH_SCALE * (x + _TANH_CUBIC * x * x * x)))


def _gelu_tanh_derivative(x: Any) -> Any:
    u = 2 * _TANH_SCALE * (x + _TANH_CUBIC * x * x * x)
    slope = 2 * _TANH_SCALE * (x + 3 * _TANH_CUBIC * x * x * x)  # x u'
    return sigmoid(u) + product(slope, sigmoid(u) * sigmoid(-u))


GELU_TANH = Activation(
    "gelu_tanh",
    formula=_gelu_tanh_formula,
    value=_gelu_tanh_value,
    derivative=_gelu_tanh_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.17004075057125405, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-0.7524614220710162,),
        lipschitz=1.1289930686587718,
    ),
    summary="GELU with tanh in place of erf, as GPT-2 and BERT were trained.",
    paper="Hendrycks and Gimpel 2016, Gaussian error linear units",
    aliases=(
        "gelu_new",
        "gelu_approximate",
        "gelu_pytorch_tanh",
        "gelu_python_tanh",
        "gelu_fast",
        "gelu_accurate",
    ),
    peers=(
        Peer("keras.ops.gelu", "gelu_tanh"),
        Peer("jax.nn.gelu", "gelu_tanh", "every digit is lost by -7 in float32"),
    ),
)


def _silu_formula(x: Any) -> Any:
    return x / (1 + exp(-x))


def _silu_value(x: Any) -> Any:
    return product(x, sigmoid(x))


def _silu_derivative(x: Any) -> Any:
    return product(sigmoid(x), 1 + product(x, sigmoid(-x)))


SILU = Activation(
    "silu",
    formula=_silu_formula,
    value=_silu_value,
    derivative=_silu_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.2784645427610738, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.278464542761074,),
        lipschitz=1.0998393201288669,
    ),
    summary="The input times its own sigmoid; smooth, and slightly negative before it rises.",
    paper="Elfwing, Uchibe and Doya 2018, Sigmoid-weighted linear units; Ramachandran, Zoph and "
    "Le 2017, Searching for activation functions (as swish)",
    aliases=("sigmoid_linear_unit",),
    peers=(
        Peer("keras.activations.silu", "silu", "NaN at -inf"),
        Peer("torch.nn.functional.silu", "silu", "NaN at -inf"),
        Peer("jax.nn.silu", "silu", "NaN at -inf"),
        Peer("tensorflow.nn.silu", "silu"),
    ),
)


def _mish_formula(x: Any) -> Any:
    return x * tanh(log(1 + exp(x)))


def _minus_size(x: Any) -> Any:
    # -|x|, but with a slope at 0 that belongs to the branch x <= 0, as the cases below do:
    # absolute() has slope 0 there, and the second derivative would be wrong at that one point
    return where(x > 0, -x, x)


def _mish_grown(x: Any) -> tuple[Any, Any]:
    # tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); it is 1 long before x is 22
    growth = exp(minimum(x, 22.0))
    return growth, growth * (growth + 2)


def _mish_value(x: Any) -> Any:
    _, n = _mish_grown(x)
    return product(x, n / (n + 2))


def _mish_derivative(x: Any) -> Any:
    # with t = n / (n + 2), (1 - t²) sigmoid(x) = 4 e^x (e^x + 1) / (n + 2)²: nothing cancels in it
    growth, n = _mish_grown(x)
    below = n + 2
    slope = 4 * growth * (growth + 1) / (below * below)
    return n / below + product(minimum(x, 22.0), slope)


MISH = Activation(
    "mish",
    formula=_mish_formula,
    value=_mish_value,
    derivative=_mish_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.3088434130172504, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.1924312145154952,),
        lipschitz=1.0884981612517279,
    ),
    summary="The input times tanh of its softplus; close to SiLU, a little steeper.",
    paper="Misra 2020, Mish: a self regularized non-monotonic activation function",
    peers=(
        Peer("keras.activations.mish", "mish", "NaN at -inf"),
        Peer("torch.nn.functional.mish", "mish", "NaN at -inf"),
        Peer("jax.nn.mish", "mish", "NaN at -inf"),
        Peer("onnx.Mish", "mish"),
    ),
)


def _hard_swish_formula(x: Any) -> Any:
    return where(x < 3, where(x > -3, x * (x + 3) / 6, 0), x)


def _hard_swish_value(x: Any) -> Any:
    return where(x >= 3, x, where(x <= -3, zeros_like(x), x * (x + 3) / 6))


def _hard_swish_derivative(x: Any) -> Any:
    return where(x >= 3, ones_like(x), where(x <= -3, zeros_like(x), (2 * x + 3) / 6))


HARD_SWISH = Activation(
    "hard_swish",
    formula=_hard_swish_formula,
    value=_hard_swish_value,
    derivative=_hard_swish_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.375, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.5,),
        smoothness=0,
        kinks=(-3.0, 3.0),
        lipschitz=1.5,
    ),
    summary="SiLU from straight and quadratic pieces, for hardware without an exponential.",
    paper="Howard et al. 2019, Searching for MobileNetV3",
    aliases=("hard_silu",),
    peers=(
        Peer("keras.activations.hard_silu", "hard_swish", "NaN at -inf"),
        Peer("keras.activations.hard_swish", "hard_swish", "the same as hard_silu"),
        Peer("torch.nn.functional.hardswish", "hard_swish", "NaN at -inf"),
        Peer("jax.nn.hard_swish", "hard_swish", "NaN at -inf"),
        Peer("onnx.HardSwish", "hard_swish"),
    ),
)
