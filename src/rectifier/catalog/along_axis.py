"""Functions along an axis: what a row of scores becomes, together."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import (
    exp,
    eye_like,
    first_max_along,
    inf,
    isnan,
    log,
    max_along,
    maximum,
    moveaxis,
    ones_like,
    sqrt,
    sum_along,
    threshold_along,
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


def _softmax_from_output(y: Any, grad: Any, axis: Any) -> Any:
    return y * (grad - sum_along(grad * y, axis))


SOFTMAX = Activation(
    "softmax",
    formula=_softmax_formula,
    value=_softmax_value,
    derivative=_softmax_derivative,
    from_output=_softmax_from_output,
    parameters=(_AXIS,),
    kind="along_axis",
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


def _log_softmax_from_output(y: Any, grad: Any, axis: Any) -> Any:
    return grad - exp(y) * sum_along(grad, axis)


LOG_SOFTMAX = Activation(
    "log_softmax",
    formula=_log_softmax_formula,
    value=_log_softmax_value,
    derivative=_log_softmax_derivative,
    from_output=_log_softmax_from_output,
    parameters=(_AXIS,),
    kind="along_axis",
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


def _softmin_formula(x: Any, axis: Any) -> Any:
    return exp(-x) / sum_along(exp(-x), axis)


def _softmin_value(x: Any, axis: Any) -> Any:
    return _softmax_value(-x, axis)


def _softmin_derivative(x: Any, axis: Any) -> Any:
    return -_softmax_derivative(-x, axis)


def _softmin_from_output(y: Any, grad: Any, axis: Any) -> Any:
    return -_softmax_from_output(y, grad, axis)


SOFTMIN = Activation(
    "softmin",
    formula=_softmin_formula,
    value=_softmin_value,
    derivative=_softmin_derivative,
    from_output=_softmin_from_output,
    parameters=(_AXIS,),
    kind="along_axis",
    facts=Facts("non-linear", range=(0.0, 1.0), monotone=False, lipschitz=0.5),
    summary="Softmax of the negated scores: the smallest has the largest share.",
    paper="Bridle 1990, Probabilistic interpretation of feedforward classification network outputs",
    peers=(Peer("torch.nn.functional.softmin", "softmin", "dim has no default", (-1,)),),
)


def _sparsemax_formula(x: Any, axis: Any) -> Any:
    return maximum(x - threshold_along(x, 1, axis), 0)


def _near_top(shifted: Any) -> Any:
    # What lies more than 1 below the top has no share. Held at -2 it takes no infinity along,
    # whose gradients would be NaN.
    return where(shifted < -2, -2.0 + zeros_like(shifted), shifted)


def _sparsemax_value(x: Any, axis: Any) -> Any:
    shifted = _near_top(_below_top(x, axis))
    above = shifted - threshold_along(shifted, 1, axis)
    return where(above <= 0, zeros_like(above), above)


def _projected(support: Any, axis: Any) -> Any:
    """The Jacobian diag(s) - s s' / sum(s) of a projection onto the simplex."""
    s = moveaxis(support, axis, -1)
    share = s / sum_along(s, -1)
    jacobian = s[..., :, None] * (eye_like(s) - share[..., None, :])
    return moveaxis(jacobian, -2, axis if axis >= 0 else axis - 1)


def _sparsemax_derivative(x: Any, axis: Any) -> Any:
    y = _sparsemax_value(x, axis)
    return _projected(where(y > 0, ones_like(y), y), axis)


def _sparsemax_from_output(y: Any, grad: Any, axis: Any) -> Any:
    count = sum_along(where(y > 0, ones_like(y), y), axis)
    mean = sum_along(where(y > 0, grad, y), axis) / count
    return where(y > 0, grad - mean, y)


SPARSEMAX = Activation(
    "sparsemax",
    formula=_sparsemax_formula,
    value=_sparsemax_value,
    derivative=_sparsemax_derivative,
    from_output=_sparsemax_from_output,
    parameters=(_AXIS,),
    kind="along_axis",
    facts=Facts(
        "non-linear", range=(0.0, 1.0), attained=(True, True), monotone=False, smoothness=0
    ),
    summary="The nearest probabilities to the scores: small scores get none at all.",
    paper="Martins and Astudillo 2016, From softmax to sparsemax",
)


def _entmax15_formula(x: Any, axis: Any) -> Any:
    return maximum(x / 2 - threshold_along(x / 2, 2, axis), 0) ** 2


def _entmax15_value(x: Any, axis: Any) -> Any:
    shifted = _near_top(_below_top(x, axis) / 2)
    above = shifted - threshold_along(shifted, 2, axis)
    return where(above <= 0, zeros_like(above), above * above)


def _entmax15_derivative(x: Any, axis: Any) -> Any:
    return _projected(sqrt(_entmax15_value(x, axis)), axis)


def _entmax15_from_output(y: Any, grad: Any, axis: Any) -> Any:
    root = where(y > 0, sqrt(where(y > 0, y, ones_like(y))), y)
    mean = sum_along(where(y > 0, root * grad, y), axis) / sum_along(root, axis)
    return where(y > 0, root * (grad - mean), y)


ENTMAX15 = Activation(
    "entmax15",
    formula=_entmax15_formula,
    value=_entmax15_value,
    derivative=_entmax15_derivative,
    from_output=_entmax15_from_output,
    parameters=(_AXIS,),
    kind="along_axis",
    facts=Facts(
        "non-linear",
        range=(0.0, 1.0),
        attained=(True, True),
        monotone=False,
        smoothness=1,
        lipschitz=0.7071067811865476,
    ),
    summary="Half-way between softmax and sparsemax: smooth, and zero for small scores.",
    paper="Peters, Niculae and Martins 2019, Sparse sequence-to-sequence models",
    aliases=("entmax",),
)


def _hardmax_formula(x: Any, axis: Any) -> Any:
    return where(x >= max_along(x, axis), 1, 0)


def _hardmax_value(x: Any, axis: Any) -> Any:
    top = max_along(x, axis)
    return where(isnan(top) | isnan(x), top + zeros_like(x), first_max_along(x, axis))


def _hardmax_derivative(x: Any, axis: Any) -> Any:
    row = moveaxis(_hardmax_value(x, axis), axis, -1)
    flat = where(isnan(row), row, zeros_like(row))
    jacobian = flat[..., :, None] * eye_like(row)
    return moveaxis(jacobian, -2, axis if axis >= 0 else axis - 1)


def _hardmax_from_output(y: Any, grad: Any, axis: Any) -> Any:
    return where(isnan(y), y, zeros_like(grad))


HARDMAX = Activation(
    "hardmax",
    formula=_hardmax_formula,
    value=_hardmax_value,
    derivative=_hardmax_derivative,
    from_output=_hardmax_from_output,
    parameters=(_AXIS,),
    kind="along_axis",
    facts=Facts(
        "step",
        range=(0.0, 1.0),
        attained=(True, True),
        monotone=False,
        smoothness=-1,
        lipschitz=inf,
    ),
    summary="1 for the first of the largest scores, 0 for the others; passes no gradient.",
    paper="the operator Hardmax of the ONNX standard",
    peers=(Peer("onnx.Hardmax", "hardmax"),),
)
