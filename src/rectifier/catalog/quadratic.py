"""Straight lines joined by parabolas: rectifiers, a gate and a step without an exponential."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import inf, isnan, maximum, minimum, ones_like, sqrt, where, zeros_like


def _relu2_formula(x: Any) -> Any:
    return where(x > 0, x**2, 0)


def _relu2_value(x: Any) -> Any:
    return where(x > 0, x * x, where(isnan(x), x, zeros_like(x)))


def _relu2_derivative(x: Any) -> Any:
    return where(x > 0, 2 * x, where(isnan(x), x, zeros_like(x)))


RELU2 = Activation(
    "relu2",
    formula=_relu2_formula,
    value=_relu2_value,
    derivative=_relu2_derivative,
    facts=Facts(
        "non-linear",
        range=(0.0, inf),
        attained=(True, False),
        convex=True,
        smoothness=1,
        lipschitz=inf,
    ),
    summary="The square of ReLU; its slope grows with the input.",
    paper="So, Mańke, Liu, Dai, Shazeer and Le 2021, Primer: searching for efficient transformers "
    "for language modeling",
    aliases=("squared_relu", "relu_squared"),
)


def _sparse_plus_formula(x: Any) -> Any:
    return where(x > -1, where(x < 1, (x + 1) ** 2 / 4, x), 0)


def _sparse_plus_value(x: Any) -> Any:
    middle = minimum(maximum(x, -1.0), 1.0) + 1
    return where(x >= 1, x, middle * middle / 4)


def _sparse_plus_derivative(x: Any) -> Any:
    return (minimum(maximum(x, -1.0), 1.0) + 1) / 2


def _sparse_plus_from_output(y: Any) -> Any:
    # the root is kept away from the outside, where its own slope is infinite
    inside = (y > 0) & (y < 1)
    root = sqrt(where(inside, y, ones_like(y)))
    return where(inside, root, minimum(y, 1.0))


SPARSE_PLUS = Activation(
    "sparse_plus",
    formula=_sparse_plus_formula,
    value=_sparse_plus_value,
    derivative=_sparse_plus_derivative,
    from_output=_sparse_plus_from_output,
    facts=Facts("non-linear", range=(0.0, inf), attained=(True, False), convex=True, smoothness=1),
    summary="A softplus that is exactly zero below -1 and exactly the input above 1.",
    paper="jax.nn.sparse_plus; its slope, and so itself, from Blondel, Martins and Niculae 2020, "
    "Learning with Fenchel-Young losses, section 6.2",
    peers=(
        Peer("jax.nn.sparse_plus", "sparse_plus", "the slope is NaN at infinity"),
        Peer("keras.activations.sparse_plus", "sparse_plus"),
    ),
)


def _sparse_sigmoid_formula(x: Any) -> Any:
    return where(x > -1, where(x < 1, (x + 1) / 2, 1), 0)


def _sparse_sigmoid_derivative(x: Any) -> Any:
    inside = (x > -1) & (x < 1)
    return where(inside, 0.5 + zeros_like(x), where(isnan(x), x, zeros_like(x)))


SPARSE_SIGMOID = Activation(
    "sparse_sigmoid",
    formula=_sparse_sigmoid_formula,
    value=_sparse_plus_derivative,
    derivative=_sparse_sigmoid_derivative,
    slopes=lambda: (0.5, 0.0),
    facts=Facts(
        "non-linear",
        range=(0.0, 1.0),
        attained=(True, True),
        smoothness=0,
        kinks=(-1.0, 1.0),
        lipschitz=0.5,
    ),
    summary="A straight ramp from 0 at -1 to 1 at 1; the slope of sparse_plus.",
    paper="Blondel, Martins and Niculae 2020, Learning with Fenchel-Young losses, section 6.2: "
    "sparsemax of two classes",
    peers=(
        Peer("jax.nn.sparse_sigmoid", "sparse_sigmoid", "f'(±1) is 1/4", native=True),
        Peer("keras.activations.sparse_sigmoid", "sparse_sigmoid", "f'(±1) is 1/4 on JAX"),
    ),
)


def _smelu_formula(x: Any, beta: Any) -> Any:
    return where(x > -beta, where(x < beta, (x + beta) ** 2 / (4 * beta), x), 0)


def _smelu_value(x: Any, beta: Any) -> Any:
    middle = minimum(maximum(x, -beta), beta) + beta
    return where(x >= beta, x, middle * middle / (4 * beta))


def _smelu_derivative(x: Any, beta: Any) -> Any:
    return (minimum(maximum(x, -beta), beta) + beta) / (2 * beta)


def _smelu_from_output(y: Any, beta: Any) -> Any:
    share = minimum(y / beta, 1.0)
    inside = (share > 0) & (share < 1)
    return where(inside, sqrt(where(inside, share, ones_like(y))), share)


SMELU = Activation(
    "smelu",
    formula=_smelu_formula,
    value=_smelu_value,
    derivative=_smelu_derivative,
    from_output=_smelu_from_output,
    parameters=(
        Parameter(
            "beta",
            1.0,
            low=0.0,
            positive=True,
            meaning="half the width of the rounded corner",
            symbol="beta",
        ),
    ),
    facts=Facts("non-linear", range=(0.0, inf), attained=(True, False), convex=True, smoothness=1),
    summary="ReLU with its corner rounded by a parabola of chosen width; at beta=1 sparse_plus.",
    paper="Shamir, Lin and Coviello 2020, Smooth activations and reproducibility in deep networks",
    aliases=("smooth_relu",),
)


def _hard_mish_formula(x: Any) -> Any:
    return where(x < 0, where(x > -2, x * (x + 2) / 2, 0), x)


def _hard_mish_value(x: Any) -> Any:
    return where(x >= 0, x, where(x <= -2, zeros_like(x), x * (x + 2) / 2))


def _hard_mish_derivative(x: Any) -> Any:
    return where(x >= 0, ones_like(x), where(x <= -2, zeros_like(x), x + 1))


HARD_MISH = Activation(
    "hard_mish",
    formula=_hard_mish_formula,
    value=_hard_mish_value,
    derivative=_hard_mish_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.5, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-1.0,),
        smoothness=0,
        kinks=(-2.0,),
    ),
    summary="Mish from a line and a parabola, for hardware without an exponential.",
    paper="Misra 2020, README of digantamisra98/H-Mish: x / 2 min(2, max(0, x + 2)); timm has it",
)
