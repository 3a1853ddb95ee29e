"""Bounded above and below: the sigmoids and their straight-lined stand-ins."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import (
    absolute,
    exp,
    isnan,
    maximum,
    minimum,
    ones_like,
    sigmoid,
    sign,
    tanh,
    where,
    zeros_like,
)


def _sigmoid_formula(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def _sigmoid_value(x: Any) -> Any:
    return sigmoid(x)


def _sigmoid_derivative(x: Any) -> Any:
    return sigmoid(x) * sigmoid(-x)


SIGMOID = Activation(
    "sigmoid",
    formula=_sigmoid_formula,
    value=_sigmoid_value,
    derivative=_sigmoid_derivative,
    facts=Facts("non-linear", range=(0.0, 1.0), lipschitz=0.25),
    summary="Squeezes the line into (0, 1); flat at both ends, where learning stalls.",
    paper="Verhulst 1838, the logistic curve; Rumelhart, Hinton and Williams 1986, Learning "
    "representations by back-propagating errors",
    aliases=("logistic", "expit"),
    peers=(
        Peer("keras.activations.sigmoid", "sigmoid"),
        Peer("torch.nn.functional.sigmoid", "sigmoid", "the gradient is 0 above 17 in float32"),
        Peer("jax.nn.sigmoid", "sigmoid", "the gradient is 0 above 17 in float32"),
        Peer("tensorflow.nn.sigmoid", "sigmoid"),
        Peer("onnx.Sigmoid", "sigmoid"),
    ),
)


def _hard_sigmoid_formula(x: Any, slope: Any, offset: Any) -> Any:
    rising = where(x > -offset / slope, slope * x + offset, 0)
    return where(x < (1 - offset) / slope, rising, 1)


def _hard_sigmoid_value(x: Any, slope: Any, offset: Any) -> Any:
    # slope * x + offset would cancel near the foot; x + offset / slope is exact there
    return minimum(maximum(slope * (x + offset / slope), 0.0), 1.0)


def _hard_sigmoid_derivative(x: Any, slope: Any, offset: Any) -> Any:
    rising = (x > -offset / slope) & (x < (1 - offset) / slope)
    return where(rising, slope + zeros_like(x), where(isnan(x), x, zeros_like(x)))


def _hard_sigmoid_facts(slope: float, offset: float) -> Facts:
    return Facts(
        "non-linear",
        range=(0.0, 1.0),
        attained=(True, True),
        smoothness=0,
        kinks=(-offset / slope, (1 - offset) / slope),
        lipschitz=slope,
    )


HARD_SIGMOID = Activation(
    "hard_sigmoid",
    formula=_hard_sigmoid_formula,
    value=_hard_sigmoid_value,
    derivative=_hard_sigmoid_derivative,
    slopes=lambda slope, offset: (slope, 0.0),
    parameters=(
        Parameter(
            "slope",
            1 / 6,
            low=0.0,
            positive=True,
            aliases=("alpha",),
            meaning="slope between the kinks",
            symbol="alpha",
            neutral=1 / 6,
        ),
        Parameter(
            "offset",
            0.5,
            aliases=("beta",),
            meaning="value at 0",
            symbol="beta",
            neutral=0.5,
        ),
    ),
    facts=_hard_sigmoid_facts,
    summary="The sigmoid from three straight lines.",
    paper="Courbariaux, Bengio and David 2015, BinaryConnect; Howard et al. 2019, Searching for "
    "MobileNetV3 (slope 1/6)",
    peers=(
        Peer("keras.activations.hard_sigmoid", "hard_sigmoid", "Keras 2 had a slope of 0.2"),
        Peer("torch.nn.functional.hardsigmoid", "hard_sigmoid"),
        Peer("jax.nn.hard_sigmoid", "hard_sigmoid"),
        Peer("onnx.HardSigmoid", "hard_sigmoid(slope=0.2)", "slope and offset are alpha and beta"),
    ),
)


def _tanh_formula(x: Any) -> Any:
    return tanh(x)


def _tanh_derivative(x: Any) -> Any:
    # 1 - tanh² cancels in the tails; 4 e / (1 + e)² with e = exp(-2|x|) does not
    e = exp(-2 * absolute(x))
    return 4 * e / ((1 + e) * (1 + e))


TANH = Activation(
    "tanh",
    formula=_tanh_formula,
    value=_tanh_formula,
    derivative=_tanh_derivative,
    facts=Facts("non-linear", range=(-1.0, 1.0), zero_centred=True),
    summary="Squeezes the line into (-1, 1), centred on zero; flat at both ends.",
    paper="LeCun, Bottou, Orr and Müller 1998, Efficient backprop",
    aliases=("hyperbolic_tangent",),
    peers=(
        Peer("keras.activations.tanh", "tanh"),
        Peer("torch.nn.functional.tanh", "tanh", "the gradient is 0 above 9.4 in float32"),
        Peer("jax.nn.tanh", "tanh", "the gradient is 0 above 9.4 in float32"),
        Peer("tensorflow.nn.tanh", "tanh"),
        Peer("onnx.Tanh", "tanh"),
    ),
)


def _hard_tanh_formula(x: Any, min_val: Any, max_val: Any) -> Any:
    return where(x < max_val, where(x > min_val, x, min_val), max_val)


def _hard_tanh_value(x: Any, min_val: Any, max_val: Any) -> Any:
    return minimum(maximum(x, min_val), max_val)


def _hard_tanh_derivative(x: Any, min_val: Any, max_val: Any) -> Any:
    inside = (x > min_val) & (x < max_val)
    return where(inside, ones_like(x), where(isnan(x), x, zeros_like(x)))


def _hard_tanh_facts(min_val: float, max_val: float) -> Facts:
    return Facts(
        "non-linear",
        range=(min_val, max_val),
        attained=(True, True),
        smoothness=0,
        kinks=(min_val, max_val),
        zero_centred=min_val == -max_val,
    )


HARD_TANH = Activation(
    "hard_tanh",
    formula=_hard_tanh_formula,
    value=_hard_tanh_value,
    derivative=_hard_tanh_derivative,
    slopes=lambda min_val, max_val: (0.0, 1.0),
    parameters=(
        Parameter(
            "min_val",
            -1.0,
            high=0.0,
            aliases=("min_value",),
            meaning="floor",
            symbol="a",
            neutral=-1.0,
        ),
        Parameter(
            "max_val",
            1.0,
            low=0.0,
            positive=True,
            aliases=("max_value",),
            meaning="ceiling",
            symbol="b",
            neutral=1.0,
        ),
    ),
    facts=_hard_tanh_facts,
    summary="The identity, clipped at both ends.",
    paper="Collobert 2004, Large scale machine learning",
    aliases=("clip",),
    peers=(
        Peer("keras.activations.hard_tanh", "hard_tanh", "f'(±1) is 1 on the JAX backend"),
        Peer("torch.nn.functional.hardtanh", "hard_tanh", native=True),
        Peer("jax.nn.hard_tanh", "hard_tanh", "f'(±1) is 1", native=True),
        Peer("onnx.Clip", "hard_tanh", "the ends are inputs, any two", (-1.0, 1.0)),
    ),
)


def _softsign_formula(x: Any) -> Any:
    return x / (1 + absolute(x))


def _softsign_value(x: Any) -> Any:
    # beyond 1 divide through by |x|, so that infinity gives its limit and not inf / inf
    size = absolute(x)
    far = sign(x) / (1 + 1 / maximum(size, 1.0))
    return where(size > 1, far, x / (1 + minimum(size, 1.0)))


def _softsign_derivative(x: Any) -> Any:
    return 1 / (1 + absolute(x)) / (1 + absolute(x))


SOFTSIGN = Activation(
    "softsign",
    formula=_softsign_formula,
    value=_softsign_value,
    derivative=_softsign_derivative,
    facts=Facts("non-linear", range=(-1.0, 1.0), smoothness=1, zero_centred=True),
    summary="Like tanh, with tails that flatten slowly instead of at once.",
    paper="Turian, Bergstra and Bengio 2009, Quadratic features and deep architectures for "
    "chunking",
    peers=(
        Peer("keras.activations.softsign", "softsign", "NaN at infinity"),
        Peer("torch.nn.functional.softsign", "softsign", "NaN at infinity"),
        Peer("jax.nn.soft_sign", "softsign", "NaN at infinity"),
        Peer("tensorflow.nn.softsign", "softsign"),
        Peer("onnx.Softsign", "softsign"),
    ),
)
