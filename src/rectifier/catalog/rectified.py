"""Straight lines that meet at a kink: ReLU and its relatives."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import inf, isnan, minimum, ones_like, product, where, zeros_like


def _relu_formula(x: Any, negative_slope: Any, max_value: Any, threshold: Any) -> Any:
    return where(
        x > threshold, where(x < max_value, x, max_value), negative_slope * (x - threshold)
    )


def _relu_value(x: Any, negative_slope: Any, max_value: Any, threshold: Any) -> Any:
    # 0 - a * b rather than -a * b: with a slope of 0 it is 0.0 on the left, and not -0.0
    below = 0.0 - product(threshold - x, negative_slope + zeros_like(x))
    return where(x > threshold, minimum(x, max_value), where(x <= threshold, below, x))


def _relu_derivative(x: Any, negative_slope: Any, max_value: Any, threshold: Any) -> Any:
    # At +inf the ceiling max_value = inf is not reached: the limit of the slope is 1.
    rising = where((x < max_value) | (max_value == inf), ones_like(x), zeros_like(x))
    falling = where(isnan(x), x, negative_slope + zeros_like(x))
    return where(x > threshold, rising, falling)


def _relu_facts(negative_slope: float, max_value: float, threshold: float) -> Facts:
    jump = threshold > 0
    straight = not jump and max_value == inf and negative_slope == 1
    flat = max_value <= threshold  # above the threshold nothing but the ceiling
    ceiling = () if flat or max_value == inf else (max_value,)
    return Facts(
        "linear" if straight else "step" if flat and negative_slope == 0 else "non-linear",
        range=(-inf if negative_slope > 0 else 0.0, max_value),
        attained=(negative_slope == 0, max_value < inf),
        convex=max_value == inf and not jump and negative_slope <= 1,
        smoothness=inf if straight else -1 if jump else 0,
        kinks=() if straight else (threshold, *ceiling),
        lipschitz=inf if jump else max(1.0, negative_slope),
        zero_centred=straight,
    )


def _relu_slopes(negative_slope: float, max_value: float, threshold: float) -> tuple[float, ...]:
    return (negative_slope, 1.0, 0.0) if max_value < inf else (negative_slope, 1.0)


RELU = Activation(
    "relu",
    formula=_relu_formula,
    value=_relu_value,
    derivative=_relu_derivative,
    slopes=_relu_slopes,
    parameters=(
        Parameter(
            "negative_slope",
            0.0,
            low=0.0,
            aliases=("alpha",),
            meaning="slope below",
            symbol="alpha",
            neutral=0.0,
        ),
        Parameter(
            "max_value", inf, positive=True, low=0.0, meaning="ceiling", symbol="M", neutral=inf
        ),
        Parameter(
            "threshold",
            0.0,
            low=0.0,
            aliases=("theta",),
            meaning="where it starts",
            symbol="theta",
            neutral=0.0,
        ),
    ),
    facts=_relu_facts,
    summary="Passes what is positive, drops the rest; a unit never positive stops learning.",
    paper="Nair and Hinton 2010, Rectified linear units improve restricted Boltzmann machines",
    aliases=("rectifier", "rectified_linear", "ramp"),
    peers=(
        Peer("keras.activations.relu", "relu"),
        Peer("keras.layers.ReLU", "relu"),
        Peer("torch.nn.functional.relu", "relu", "no parameters", native=True),
        Peer("jax.nn.relu", "relu", "no parameters", native=True),
        Peer("tensorflow.nn.relu", "relu", "no parameters"),
        Peer("onnx.Relu", "relu", "no parameters"),
    ),
)


def _relu6_formula(x: Any) -> Any:
    return where(x > 0, where(x < 6, x, 6), 0)


def _relu6_value(x: Any) -> Any:
    return where(x > 0, minimum(x, 6.0), where(x <= 0, zeros_like(x), x))


def _relu6_derivative(x: Any) -> Any:
    inside = where(x < 6, ones_like(x), zeros_like(x))
    return where(x > 0, inside, where(isnan(x), x, zeros_like(x)))


RELU6 = Activation(
    "relu6",
    formula=_relu6_formula,
    value=_relu6_value,
    derivative=_relu6_derivative,
    slopes=lambda: (0.0, 1.0),
    facts=Facts(
        "non-linear",
        range=(0.0, 6.0),
        attained=(True, True),
        smoothness=0,
        kinks=(0.0, 6.0),
    ),
    summary="ReLU with a ceiling of 6, made for low-precision arithmetic on phones.",
    paper="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
    peers=(
        Peer("keras.activations.relu6", "relu6"),
        Peer("torch.nn.functional.relu6", "relu6", native=True),
        Peer("jax.nn.relu6", "relu6", native=True),
        Peer("tensorflow.nn.relu6", "relu6"),
    ),
)


def _leaky_formula(x: Any, negative_slope: Any) -> Any:
    return where(x > 0, x, negative_slope * x)


def _leaky_value(x: Any, negative_slope: Any) -> Any:
    return where(x > 0, x, product(x, negative_slope + zeros_like(x)))


def _leaky_derivative(x: Any, negative_slope: Any) -> Any:
    return where(x > 0, ones_like(x), where(isnan(x), x, negative_slope + zeros_like(x)))


def _leaky_facts(negative_slope: float) -> Facts:
    straight = negative_slope == 1
    return Facts(
        "linear" if straight else "non-linear",
        range=(-inf if negative_slope > 0 else 0.0, inf),
        attained=(negative_slope <= 0, False),
        monotone=negative_slope >= 0,
        convex=negative_slope <= 1,
        smoothness=inf if straight else 0,
        kinks=() if straight else (0.0,),
        lipschitz=max(1.0, abs(negative_slope)),
        zero_centred=straight,
    )


LEAKY_RELU = Activation(
    "leaky_relu",
    formula=_leaky_formula,
    value=_leaky_value,
    derivative=_leaky_derivative,
    slopes=lambda negative_slope: (negative_slope, 1.0),
    parameters=(
        Parameter(
            "negative_slope",
            0.01,
            aliases=("alpha", "negative_slope_coefficient"),
            meaning="slope below",
            symbol="alpha",
        ),
    ),
    facts=_leaky_facts,
    summary="ReLU with a small slope below zero, so that no unit is ever without a gradient.",
    paper="Maas, Hannun and Ng 2013, Rectifier nonlinearities improve neural network acoustic "
    "models",
    aliases=("lrelu", "leaky"),
    peers=(
        Peer(
            "keras.activations.leaky_relu",
            "leaky_relu(negative_slope=0.2)",
            "f'(0) is 1 on the JAX backend, 0.2 on torch's",
        ),
        Peer("keras.layers.LeakyReLU", "leaky_relu(negative_slope=0.3)"),
        Peer("torch.nn.functional.leaky_relu", "leaky_relu", native=True),
        Peer("jax.nn.leaky_relu", "leaky_relu", "f'(0) is 1"),
        Peer("tensorflow.nn.leaky_relu", "leaky_relu(negative_slope=0.2)", "named alpha"),
        Peer("onnx.LeakyRelu", "leaky_relu", "named alpha"),
    ),
)
