"""Functions that give more or fewer features than they take."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import (
    concatenate,
    first_max_along,
    fold,
    inf,
    max_along,
    maximum,
    ones_like,
    sum_along,
    unfold,
    where,
    zeros_like,
)


def _positive(x: Any) -> Any:
    return where(x <= 0, zeros_like(x), x)


def _rises(x: Any) -> Any:
    return where(x > 0, ones_like(x), where(x <= 0, zeros_like(x), x))


def _crelu_formula(x: Any, axis: Any) -> Any:
    return concatenate(maximum(x, 0), maximum(-x, 0), axis)


def _crelu_value(x: Any, axis: Any) -> Any:
    return concatenate(_positive(x), _positive(-x), axis)


def _crelu_derivative(x: Any, axis: Any) -> Any:
    return concatenate(_rises(x), -_rises(-x), axis)


CRELU = Activation(
    "crelu",
    formula=_crelu_formula,
    value=_crelu_value,
    derivative=_crelu_derivative,
    kind="reshaping",
    parameters=(
        Parameter("axis", -1, integer=True, aliases=("dim",), meaning="axis that grows twofold"),
    ),
    facts=Facts(
        "non-linear",
        range=(0.0, inf),
        attained=(True, False),
        monotone=False,
        convex=True,
        smoothness=0,
        kinks=(0.0,),
    ),
    summary="ReLU of x beside ReLU of -x: nothing is lost, and the features double.",
    paper="Shang, Sohn, Almeida and Lee 2016, Understanding and improving convolutional neural "
    "networks via concatenated rectified linear units",
    aliases=("concatenated_relu",),
    peers=(Peer("tensorflow.nn.crelu", "crelu"),),
)


def _maxout_formula(x: Any, num_pieces: Any, axis: Any) -> Any:
    return max_along(x, axis)


def _maxout_value(x: Any, num_pieces: Any, axis: Any) -> Any:
    pieces = fold(x, num_pieces, axis)
    # a sum of one term rather than the maximum, so that at a tie the first one has the gradient
    return sum_along(where(first_max_along(pieces, -1) > 0, pieces, 0.0), -1)[..., 0]


def _maxout_derivative(x: Any, num_pieces: Any, axis: Any) -> Any:
    return unfold(first_max_along(fold(x, num_pieces, axis), -1), axis)


MAXOUT = Activation(
    "maxout",
    formula=_maxout_formula,
    value=_maxout_value,
    derivative=_maxout_derivative,
    kind="reshaping",
    parameters=(
        Parameter(
            "num_pieces",
            2,
            low=1,
            integer=True,
            aliases=("k", "groups"),
            meaning="neighbours of which the largest stays",
        ),
        Parameter("axis", -1, integer=True, aliases=("dim",), meaning="axis that shrinks"),
    ),
    facts=Facts("non-linear", range=(-inf, inf), convex=True, smoothness=0, kinks=(0.0,)),
    summary="The largest of several neighbours: a convex function that the layer before learns.",
    paper="Goodfellow, Warde-Farley, Mirza, Courville and Bengio 2013, Maxout networks",
)
