"""Functions along an axis: what a row of scores becomes, together."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import (
    exp,
    eye_like,
    inf,
    log,
    max_along,
    moveaxis,
    ones_like,
    sum_along,
    where,
    zeros_like,
)

_AXIS = Parameter("axis", -1, integer=True, aliases=("dim",), meaning="axis that sums to 1")


def _below_top(x: Any, axis: Any) -> Any:
    """x less its maximum. A single infinite score wins outright; several have no limit: NaN."""
    top = max_along(x, axis)
    ties = sum_along(where(x == top, ones_like(x), zeros_like(x)), axis)
    return where((x == top) & (ties == 1), zeros_like(x), x - top)


def _softmax_formula(x: Any, axis: Any) -> Any:
    return exp(x) / sum_along(exp(x), axis)


def _softmax_value(x: Any, axis: Any) -> Any:
    grown = exp(_below_top(x, axis))
    return grown / sum_along(grown, axis)


def _softmax_derivative(x: Any, axis: Any) -> Any:
    p = moveaxis(_softmax_value(x, axis), axis, -1)
    jacobian = p[..., :, None] * (eye_like(p) - p[..., None, :])
    return moveaxis(jacobian, -2, axis if axis >= 0 else axis - 1)


SOFTMAX = Activation(
    "softmax",
    formula=_softmax_formula,
    value=_softmax_value,
    derivative=_softmax_derivative,
    parameters=(_AXIS,),
    elementwise=False,
    facts=Facts("non-linear", range=(0.0, 1.0), monotone=False, lipschitz=0.5),
    summary="Turns a row of scores into probabilities; for the output, not for hidden units.",
    paper="Bridle 1990, Probabilistic interpretation of feedforward classification network outputs",
    peers=(
        Peer("keras.activations.softmax", "softmax"),
        Peer("jax.nn.softmax", "softmax"),
        Peer("torch.softmax", "softmax", "dim has no default", (-1,)),
        Peer("tensorflow.nn.softmax", "softmax"),
        Peer("onnx.Softmax", "softmax"),
    ),
)


def _log_softmax_formula(x: Any, axis: Any) -> Any:
    return x - log(sum_along(exp(x), axis))


def _log_softmax_value(x: Any, axis: Any) -> Any:
    shifted = _below_top(x, axis)
    return shifted - log(sum_along(exp(shifted), axis))


def _log_softmax_derivative(x: Any, axis: Any) -> Any:
    p = moveaxis(_softmax_value(x, axis), axis, -1)
    jacobian = eye_like(p) - p[..., None, :]
    return moveaxis(jacobian, -2, axis if axis >= 0 else axis - 1)


LOG_SOFTMAX = Activation(
    "log_softmax",
    formula=_log_softmax_formula,
    value=_log_softmax_value,
    derivative=_log_softmax_derivative,
    parameters=(_AXIS,),
    elementwise=False,
    facts=Facts("non-linear", range=(-inf, 0.0), monotone=False, lipschitz=inf),
    summary="The logarithm of softmax, computed without leaving the logarithm.",
    paper="Bridle 1990, Probabilistic interpretation of feedforward classification network outputs",
    peers=(
        Peer("keras.activations.log_softmax", "log_softmax"),
        Peer("jax.nn.log_softmax", "log_softmax"),
        Peer("torch.log_softmax", "log_softmax", "dim has no default", (-1,)),
        Peer("tensorflow.nn.log_softmax", "log_softmax"),
        Peer("onnx.LogSoftmax", "log_softmax"),
    ),
)
