"""No curve at all: the straight line and the single step."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Peer
from rectifier.ops.words import inf, isnan, ones_like, where, zeros_like


def _formula(x: Any) -> Any:
    return x


def _value(x: Any) -> Any:
    return x


def _derivative(x: Any) -> Any:
    return where(isnan(x), x, ones_like(x))


IDENTITY = Activation(
    "identity",
    formula=_formula,
    value=_value,
    derivative=_derivative,
    slopes=lambda: (1.0,),
    facts=Facts("linear", range=(-inf, inf), convex=True, zero_centred=True),
    summary="The input itself; a network of it is a linear model, however deep.",
    paper="the linear unit of least squares",
    aliases=("linear",),
    peers=(
        Peer("keras.activations.linear", "identity", 'the string is "linear"; "identity" raises'),
        Peer("torch.nn.Identity", "identity"),
        Peer("jax.nn.identity", "identity"),
        Peer("onnx.Identity", "identity"),
    ),
)


_AT_ZERO = "the value at 0 is its second argument; here 0"


def _step_formula(x: Any) -> Any:
    return where(x > 0, 1, 0)


def _step_value(x: Any) -> Any:
    return where(x > 0, ones_like(x), where(x <= 0, zeros_like(x), x))


def _step_derivative(x: Any) -> Any:
    return where(isnan(x), x, zeros_like(x))


BINARY_STEP = Activation(
    "binary_step",
    formula=_step_formula,
    value=_step_value,
    derivative=_step_derivative,
    slopes=lambda: (0.0,),
    facts=Facts(
        "step",
        range=(0.0, 1.0),
        attained=(True, True),
        smoothness=-1,
        kinks=(0.0,),
        lipschitz=inf,
    ),
    summary="Fires or does not; its derivative is 0, so gradients cannot train through it.",
    paper="McCulloch and Pitts 1943, A logical calculus of the ideas immanent in nervous activity",
    aliases=("step", "heaviside", "threshold_unit"),
    peers=(
        Peer("numpy.heaviside", "binary_step", _AT_ZERO, (0.0,)),
        Peer("jax.numpy.heaviside", "binary_step", _AT_ZERO, (0.0,)),
        Peer("torch.heaviside", "binary_step", _AT_ZERO, (0.0,)),
    ),
)
