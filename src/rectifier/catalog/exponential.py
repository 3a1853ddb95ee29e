"""Rectifiers with an exponential below zero, and the exponential itself."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import (
    exp,
    expm1,
    inf,
    ones_like,
    product,
    sigmoid,
    where,
    zeros_like,
)


def _not_above_zero(x: Any) -> Any:
    # Rather than minimum(x, 0): that may turn -0.0 into 0.0, and at a tie JAX takes half of
    # both slopes, which the second derivative would show.
    return where(x > 0, zeros_like(x), x)


def _elu_formula(x: Any, alpha: Any) -> Any:
    return where(x > 0, x, alpha * (exp(x) - 1))


def _elu_value(x: Any, alpha: Any) -> Any:
    return where(x > 0, x, alpha * expm1(_not_above_zero(x)))


def _elu_derivative(x: Any, alpha: Any) -> Any:
    return where(x > 0, ones_like(x), alpha * exp(_not_above_zero(x)))


def _elu_facts(alpha: float) -> Facts:
    return Facts(
        "non-linear",
        range=(0.0 - alpha, inf),
        attained=(alpha == 0, False),
        convex=alpha <= 1,
        smoothness=1 if alpha == 1 else 0,
        kinks=() if alpha == 1 else (0.0,),
        lipschitz=max(1.0, alpha),
    )


ELU = Activation(
    "elu",
    formula=_elu_formula,
    value=_elu_value,
    derivative=_elu_derivative,
    parameters=(Parameter("alpha", 1.0, low=0.0, meaning="depth of the floor", symbol="alpha"),),
    facts=_elu_facts,
    summary="ReLU with an exponential floor at -alpha; pushes mean activations towards zero.",
    paper="Clevert, Unterthiner and Hochreiter 2016, Fast and accurate deep network learning by "
    "exponential linear units",
    peers=(
        Peer("keras.activations.elu", "elu"),
        Peer("keras.layers.ELU", "elu"),
        Peer("torch.nn.functional.elu", "elu", native=True),
        Peer("jax.nn.elu", "elu", "the gradient loses every digit below -17 in float32"),
        Peer("tensorflow.nn.elu", "elu"),
        Peer("onnx.Elu", "elu"),
    ),
)


def _celu_formula(x: Any, alpha: Any) -> Any:
    return where(x > 0, x, alpha * (exp(x / alpha) - 1))


def _celu_value(x: Any, alpha: Any) -> Any:
    return where(x > 0, x, alpha * expm1(_not_above_zero(x) / alpha))


def _celu_derivative(x: Any, alpha: Any) -> Any:
    return where(x > 0, ones_like(x), exp(_not_above_zero(x) / alpha))


CELU = Activation(
    "celu",
    formula=_celu_formula,
    value=_celu_value,
    derivative=_celu_derivative,
    parameters=(
        Parameter(
            "alpha", 1.0, low=0.0, positive=True, meaning="depth of the floor", symbol="alpha"
        ),
    ),
    facts=lambda alpha: Facts("non-linear", range=(-alpha, inf), convex=True, smoothness=1),
    summary="ELU whose slope is 1 at zero for every alpha.",
    paper="Barron 2017, Continuously differentiable exponential linear units",
    peers=(
        Peer("keras.activations.celu", "celu"),
        Peer("torch.nn.functional.celu", "celu", native=True),
        Peer("jax.nn.celu", "celu"),
        Peer("onnx.Celu", "celu"),
    ),
)

# The fixed point of mean 0 and variance 1 (equation 14 of the paper), to double precision.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def _selu_formula(x: Any) -> Any:
    return SELU_SCALE * where(x > 0, x, SELU_ALPHA * (exp(x) - 1))


def _selu_value(x: Any) -> Any:
    return SELU_SCALE * where(x > 0, x, SELU_ALPHA * expm1(_not_above_zero(x)))


def _selu_derivative(x: Any) -> Any:
    return SELU_SCALE * where(x > 0, ones_like(x), SELU_ALPHA * exp(_not_above_zero(x)))


SELU = Activation(
    "selu",
    formula=_selu_formula,
    value=_selu_value,
    derivative=_selu_derivative,
    constants={"SELU_SCALE": "lambda", "SELU_ALPHA": "alpha"},
    facts=Facts(
        "non-linear",
        range=(-SELU_SCALE * SELU_ALPHA, inf),
        smoothness=0,
        kinks=(0.0,),
        lipschitz=SELU_SCALE * SELU_ALPHA,
    ),
    summary="ELU scaled so that signals keep mean 0 and variance 1 through deep plain networks.",
    paper="Klambauer, Unterthiner, Mayr and Hochreiter 2017, Self-normalizing neural networks",
    peers=(
        Peer("keras.activations.selu", "selu"),
        Peer("torch.nn.functional.selu", "selu"),
        Peer("jax.nn.selu", "selu"),
        Peer("tensorflow.nn.selu", "selu"),
        Peer("onnx.Selu", "selu"),
    ),
)


def _exponential_formula(x: Any) -> Any:
    return exp(x)


def _exponential_from_output(y: Any) -> Any:
    return y


EXPONENTIAL = Activation(
    "exponential",
    formula=_exponential_formula,
    value=_exponential_formula,
    derivative=_exponential_formula,
    from_output=_exponential_from_output,
    facts=Facts("non-linear", range=(0.0, inf), convex=True, lipschitz=inf),
    summary="e to the x; for outputs that are rates. As a hidden unit it tends to explode.",
    paper="the inverse link of Poisson regression",
    aliases=("exp",),
    peers=(
        Peer("keras.activations.exponential", "exponential"),
        Peer("torch.exp", "exponential"),
        Peer("jax.numpy.exp", "exponential"),
        Peer("onnx.Exp", "exponential"),
    ),
)


def _elish_formula(x: Any) -> Any:
    return where(x > 0, x / (1 + exp(-x)), (exp(x) - 1) / (1 + exp(-x)))


def _elish_value(x: Any) -> Any:
    return where(x > 0, x, expm1(_not_above_zero(x))) * sigmoid(x)


def _elish_derivative(x: Any) -> Any:
    below = _not_above_zero(x)
    falling = exp(below) + expm1(below) * sigmoid(-below)
    above = where(x > 0, x, zeros_like(x))
    return sigmoid(x) * where(x > 0, 1 + product(above, sigmoid(-above)), falling)


_BASIRAT = "Basirat and Roth 2018, The quest for the golden activation function"

ELISH = Activation(
    "elish",
    formula=_elish_formula,
    value=_elish_value,
    derivative=_elish_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.1715728752538099, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-0.881373587019543,),
        smoothness=1,
        lipschitz=1.0998393201288669,
    ),
    summary="ELU times the sigmoid: SiLU on the right, returning to zero on the left.",
    paper=_BASIRAT,
)


def _hard_elish_formula(x: Any) -> Any:
    falling = where(x > -1, (exp(x) - 1) * (x + 1) / 2, 0)
    return where(x > 0, where(x < 1, x * (x + 1) / 2, x), falling)


def _hard_elish_value(x: Any) -> Any:
    left = expm1(_not_above_zero(x)) * (x + 1) / 2
    below = where(x <= -1, zeros_like(x), left)
    return where(x >= 1, x, where(x > 0, x * (x + 1) / 2, below))


def _hard_elish_derivative(x: Any) -> Any:
    u = _not_above_zero(x)
    left = where(x <= -1, zeros_like(x), (exp(u) * (u + 1) + expm1(u)) / 2)
    return where(x >= 1, ones_like(x), where(x > 0, x + 0.5, left))


HARD_ELISH = Activation(
    "hard_elish",
    formula=_hard_elish_formula,
    value=_hard_elish_value,
    derivative=_hard_elish_derivative,
    facts=Facts(
        "non-linear",
        range=(-0.099673151528742618, inf),
        attained=(True, False),
        monotone=False,
        stationary=(-0.4428544010023886,),
        smoothness=0,
        kinks=(-1.0, 1.0),
        lipschitz=1.5,
    ),
    summary="ELiSH with a ramp from -1 to 1 in place of the sigmoid.",
    paper=_BASIRAT,
)
