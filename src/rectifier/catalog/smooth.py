"""Smooth and unbounded: soft rectifiers, their logarithm, and the sine."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import (
    absolute,
    cos,
    exp,
    expm1,
    hypot,
    inf,
    log,
    log1p,
    maximum,
    minimum,
    sigmoid,
    sin,
    sqrt,
    where,
    zeros_like,
)


def _softplus_formula(x: Any, beta: Any) -> Any:
    return log(1 + exp(beta * x)) / beta


def _softplus_value(x: Any, beta: Any) -> Any:
    return maximum(x, 0.0) + log1p(exp(-absolute(beta * x))) / beta


def _softplus_derivative(x: Any, beta: Any) -> Any:
    return sigmoid(beta * x)


def _softplus_from_output(y: Any, beta: Any) -> Any:
    return -expm1(-beta * y)  # 1 - 1 / (1 + exp(beta x))


SOFTPLUS = Activation(
    "softplus",
    formula=_softplus_formula,
    value=_softplus_value,
    derivative=_softplus_derivative,
    from_output=_softplus_from_output,
    parameters=(
        Parameter(
            "beta",
            1.0,
            low=0.0,
            positive=True,
            meaning="sharpness",
            symbol="beta",
            neutral=1.0,
        ),
    ),
    facts=Facts("non-linear", range=(0.0, inf), convex=True),
    summary="A ReLU whose corner is rounded; its derivative is the sigmoid.",
    paper="Dugas, Bengio, Bélisle, Nadeau and Garcia 2001, Incorporating second-order functional "
    "knowledge for better option pricing",
    peers=(
        Peer("keras.activations.softplus", "softplus"),
        Peer("torch.nn.functional.softplus", "softplus", "exactly linear above threshold=20"),
        Peer("jax.nn.softplus", "softplus"),
        Peer("tensorflow.nn.softplus", "softplus"),
        Peer("onnx.Softplus", "softplus"),
    ),
)


def _squareplus_formula(x: Any, b: Any) -> Any:
    return (x + sqrt(x**2 + b)) / 2


def _size(x: Any) -> Any:
    # |x|, with the slope at 0 of the branch x <= 0, so that the second derivative is right there
    return where(x > 0, x, -x)


def _squareplus_value(x: Any, b: Any) -> Any:
    # on the left x + sqrt(x² + b) cancels; b / (sqrt(x² + b) - x) is the same number
    root = hypot(x, sqrt(b + zeros_like(x)))
    return where(x > 0, x / 2 + root / 2, b / (root + _size(x)) / 2)


def _squareplus_derivative(x: Any, b: Any) -> Any:
    root = hypot(x, sqrt(b + zeros_like(x)))
    tail = b / (root + _size(x)) / (2 * root)
    return where(x > 0, 1 - tail, tail)


def _squareplus_from_output(y: Any, b: Any) -> Any:
    # x = y - b / (4 y), so that sqrt(x² + b) = y + b / (4 y), and the slope is y over that
    ratio = sqrt(b + zeros_like(y)) / 2 / y
    return 1 / (1 + ratio * ratio)


SQUAREPLUS = Activation(
    "squareplus",
    formula=_squareplus_formula,
    value=_squareplus_value,
    derivative=_squareplus_derivative,
    from_output=_squareplus_from_output,
    parameters=(Parameter("b", 4.0, low=0.0, positive=True, meaning="roundness of the corner"),),
    facts=Facts("non-linear", range=(0.0, inf), convex=True),
    summary="A softplus made of a square root: no exponential, no overflow.",
    paper="Barron 2021, Squareplus: a softplus-like algebraic rectifier",
    peers=(
        Peer("keras.activations.squareplus", "squareplus", "0 below about -4000 in float32"),
        Peer("jax.nn.squareplus", "squareplus", "0 below about -4000 in float32"),
    ),
)


def _log_sigmoid_formula(x: Any) -> Any:
    return -log(1 + exp(-x))


def _log_sigmoid_value(x: Any) -> Any:
    return minimum(x, 0.0) - log1p(exp(-absolute(x)))


def _log_sigmoid_derivative(x: Any) -> Any:
    return sigmoid(-x)


def _log_sigmoid_from_output(y: Any) -> Any:
    return -expm1(y)


LOG_SIGMOID = Activation(
    "log_sigmoid",
    formula=_log_sigmoid_formula,
    value=_log_sigmoid_value,
    derivative=_log_sigmoid_derivative,
    from_output=_log_sigmoid_from_output,
    facts=Facts("non-linear", range=(-inf, 0.0)),
    summary="The logarithm of the sigmoid, for losses; always negative.",
    paper="the log-likelihood of logistic regression",
    aliases=("logistic_log",),
    peers=(
        Peer("keras.activations.log_sigmoid", "log_sigmoid"),
        Peer("torch.nn.functional.logsigmoid", "log_sigmoid"),
        Peer("jax.nn.log_sigmoid", "log_sigmoid"),
        Peer("tensorflow.math.log_sigmoid", "log_sigmoid"),
    ),
)


def _sine_formula(x: Any, frequency: Any) -> Any:
    return sin(frequency * x)


def _sine_derivative(x: Any, frequency: Any) -> Any:
    return frequency * cos(frequency * x)


SINE = Activation(
    "sine",
    formula=_sine_formula,
    value=_sine_formula,
    derivative=_sine_derivative,
    parameters=(
        Parameter(
            "frequency",
            1.0,
            low=0.0,
            positive=True,
            aliases=("w0", "omega_0"),
            meaning="radians for each unit of x",
            symbol="omega",
            neutral=1.0,
        ),
    ),
    facts=lambda frequency: Facts(
        "non-linear",
        range=(-1.0, 1.0),
        attained=(True, True),
        monotone=False,
        stationary=None,
        lipschitz=frequency,
        zero_centred=True,
    ),
    summary="Periodic, for signals and images as functions; has no limit, so NaN at infinity.",
    paper="Sitzmann, Martel, Bergman, Lindell and Wetzstein 2020, Implicit neural representations "
    "with periodic activation functions",
    aliases=("sin", "siren"),
    peers=(
        Peer("torch.sin", "sine"),
        Peer("jax.numpy.sin", "sine"),
        Peer("keras.ops.sin", "sine"),
        Peer("onnx.Sin", "sine"),
    ),
)


def _snake_formula(x: Any, frequency: Any) -> Any:
    return x + sin(frequency * x) ** 2 / frequency


def _snake_value(x: Any, frequency: Any) -> Any:
    wave = sin(frequency * x)
    return where(absolute(x) < inf, x + wave * wave / frequency, x)


def _snake_derivative(x: Any, frequency: Any) -> Any:
    # 1 + sin(2u) as a square: it is never below zero, and loses half as many digits near it
    root = sin(frequency * x) + cos(frequency * x)
    return root * root


SNAKE = Activation(
    "snake",
    formula=_snake_formula,
    value=_snake_value,
    derivative=_snake_derivative,
    parameters=(
        Parameter(
            "frequency",
            1.0,
            low=0.0,
            positive=True,
            aliases=("a",),
            meaning="radians for each unit of x",
            symbol="a",
            neutral=1.0,
        ),
    ),
    facts=Facts("non-linear", range=(-inf, inf), stationary=None, lipschitz=2.0),
    summary="A line with a ripple, for periodic data; its slope has no limit, so NaN at infinity.",
    paper="Liu, Hartwig and Ueda 2020, Neural networks fail to learn periodic functions and how to "
    "fix it",
)


def _sqrt_softplus_formula(x: Any) -> Any:
    return sqrt(log(1 + exp(x)))


def _root_of_softplus(u: Any) -> Any:
    return sqrt(where(u > 0, u, zeros_like(u)) + log1p(exp(where(u > 0, -u, u))))


def _sqrt_softplus_value(x: Any) -> Any:
    # Below -40 log(1 + exp(x)) is exp(x) to the last digit, and its root does not underflow.
    return where(x < -40, exp(minimum(x, 0.0) / 2), _root_of_softplus(maximum(x, -40.0)))


def _sqrt_softplus_derivative(x: Any) -> Any:
    u = maximum(x, -40.0)
    return where(x < -40, exp(minimum(x, 0.0) / 2) / 2, sigmoid(u) / (2 * _root_of_softplus(u)))


def _sqrt_softplus_from_output(y: Any) -> Any:
    # sigmoid(x) = 1 - exp(-y²); below 1e-9 that is y² to the last digit, which may underflow
    u = maximum(y, 1e-9)
    return where(y < 1e-9, y / 2, -expm1(-u * u) / (2 * u))


SQRT_SOFTPLUS = Activation(
    "sqrt_softplus",
    formula=_sqrt_softplus_formula,
    value=_sqrt_softplus_value,
    derivative=_sqrt_softplus_derivative,
    from_output=_sqrt_softplus_from_output,
    facts=Facts("non-linear", range=(0.0, inf), lipschitz=0.31908634316947574047),
    summary="The square root of softplus; scores the experts in a router.",
    paper="the router of DeepSeek-V4, whose scores are softplus(x).sqrt(); in Hugging Face's "
    "transformers SqrtSoftplusActivation",
)
