"""Gates: one half of the features decides how much of the other passes."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.catalog.self_gated import (
    _gelu_derivative,
    _gelu_formula,
    _gelu_tanh_derivative,
    _gelu_tanh_formula,
    _gelu_tanh_value,
    _gelu_value,
    _silu_derivative,
    _silu_formula,
    _silu_value,
)
from rectifier.ops.words import exp, inf, maximum, product, sigmoid, where, zeros_like

_AXIS = Parameter(
    "axis", -1, integer=True, aliases=("dim",), meaning="axis that is split in halves"
)
_FACTS = Facts("non-linear", range=(-inf, inf), monotone=False, lipschitz=inf)
_PAPER = "Shazeer 2020, GLU variants improve transformer"


def _glu_formula(a: Any, b: Any) -> Any:
    return a / (1 + exp(-b))


def _glu_value(a: Any, b: Any) -> Any:
    return product(a, sigmoid(b))


def _glu_derivative(a: Any, b: Any) -> Any:
    return sigmoid(b) + zeros_like(a)


def _glu_gate_derivative(a: Any, b: Any) -> Any:
    return product(a, sigmoid(b) * sigmoid(-b))


GLU = Activation(
    "glu",
    formula=_glu_formula,
    value=_glu_value,
    derivative=_glu_derivative,
    gate_derivative=_glu_gate_derivative,
    kind="gated",
    parameters=(_AXIS,),
    facts=_FACTS,
    summary="The first half times the sigmoid of the second, which is the gate.",
    paper="Dauphin, Fan, Auli and Grangier 2017, Language modeling with gated convolutional "
    "networks",
    aliases=("gated_linear_unit", "sigmoid_glu"),
    peers=(
        Peer("keras.activations.glu", "glu"),
        Peer("torch.nn.functional.glu", "glu"),
        Peer("jax.nn.glu", "glu"),
    ),
)


def _swiglu_formula(a: Any, b: Any) -> Any:
    return _silu_formula(a) * b


def _swiglu_value(a: Any, b: Any) -> Any:
    return product(_silu_value(a), b)


def _swiglu_derivative(a: Any, b: Any) -> Any:
    return product(_silu_derivative(a), b)


def _swiglu_gate_derivative(a: Any, b: Any) -> Any:
    return _silu_value(a) + zeros_like(b)


SWIGLU = Activation(
    "swiglu",
    formula=_swiglu_formula,
    value=_swiglu_value,
    derivative=_swiglu_derivative,
    gate_derivative=_swiglu_gate_derivative,
    kind="gated",
    parameters=(_AXIS,),
    facts=_FACTS,
    summary="SiLU of the first half times the second: the gate of most language models today.",
    paper=_PAPER,
    aliases=("silu_glu", "swish_glu"),
    peers=(Peer("onnx.SwiGLU", "swiglu", "takes two inputs; silu's slope is alpha"),),
)


def _geglu_formula(a: Any, b: Any) -> Any:
    return _gelu_formula(a) * b


def _geglu_value(a: Any, b: Any) -> Any:
    return product(_gelu_value(a), b)


def _geglu_derivative(a: Any, b: Any) -> Any:
    return product(_gelu_derivative(a), b)


def _geglu_gate_derivative(a: Any, b: Any) -> Any:
    return _gelu_value(a) + zeros_like(b)


GEGLU = Activation(
    "geglu",
    formula=_geglu_formula,
    value=_geglu_value,
    derivative=_geglu_derivative,
    gate_derivative=_geglu_gate_derivative,
    kind="gated",
    parameters=(_AXIS,),
    flags={
        "approximate": {False: "geglu", "none": "geglu", True: "geglu_tanh", "tanh": "geglu_tanh"},
    },
    facts=_FACTS,
    summary="GELU of the first half times the second.",
    paper=_PAPER,
)


def _geglu_tanh_formula(a: Any, b: Any) -> Any:
    return _gelu_tanh_formula(a) * b


def _geglu_tanh_value(a: Any, b: Any) -> Any:
    return product(_gelu_tanh_value(a), b)


def _geglu_tanh_derivative(a: Any, b: Any) -> Any:
    return product(_gelu_tanh_derivative(a), b)


def _geglu_tanh_gate_derivative(a: Any, b: Any) -> Any:
    return _gelu_tanh_value(a) + zeros_like(b)


GEGLU_TANH = Activation(
    "geglu_tanh",
    formula=_geglu_tanh_formula,
    value=_geglu_tanh_value,
    derivative=_geglu_tanh_derivative,
    gate_derivative=_geglu_tanh_gate_derivative,
    kind="gated",
    parameters=(_AXIS,),
    facts=_FACTS,
    summary="GEGLU with GELU's tanh form, as Gemma and T5 1.1 were trained.",
    paper=_PAPER,
)


def _reglu_formula(a: Any, b: Any) -> Any:
    return maximum(a, 0) * b


def _reglu_value(a: Any, b: Any) -> Any:
    return product(where(a <= 0, zeros_like(a), a), b)


def _reglu_derivative(a: Any, b: Any) -> Any:
    return where(a > 0, b, where(a <= 0, zeros_like(b), a + b))


def _reglu_gate_derivative(a: Any, b: Any) -> Any:
    return where(a <= 0, zeros_like(a), a) + zeros_like(b)


REGLU = Activation(
    "reglu",
    formula=_reglu_formula,
    value=_reglu_value,
    derivative=_reglu_derivative,
    gate_derivative=_reglu_gate_derivative,
    kind="gated",
    parameters=(_AXIS,),
    facts=_FACTS,
    summary="ReLU of the first half times the second.",
    paper=_PAPER,
)


def _bilinear_formula(a: Any, b: Any) -> Any:
    return a * b


def _bilinear_value(a: Any, b: Any) -> Any:
    return product(a, b)


def _bilinear_derivative(a: Any, b: Any) -> Any:
    return b + zeros_like(a)


def _bilinear_gate_derivative(a: Any, b: Any) -> Any:
    return a + zeros_like(b)


BILINEAR = Activation(
    "bilinear",
    formula=_bilinear_formula,
    value=_bilinear_value,
    derivative=_bilinear_derivative,
    gate_derivative=_bilinear_gate_derivative,
    kind="gated",
    parameters=(_AXIS,),
    facts=_FACTS,
    summary="The product of both halves: a gate without a non-linearity of its own.",
    paper="Mnih and Hinton 2007, Three new graphical models for statistical language modelling",
    aliases=("bilinear_glu",),
)
