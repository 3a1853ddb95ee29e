"""PyTorch's words. float16 and bfloat16 are computed in float32; wider types in themselves.

Functions are ``torch.autograd.Function``s with the entry's own derivative, so gradients obey the
stated value at each kink and keep their digits in the tails. One copy of the input is kept for
the backward pass. They work under ``torch.func``, double backward and ``torch.compile``.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from rectifier.errors import InputError
from rectifier.ops.inputs import check_axis, refuse_dtype, refuse_parameter, shape_of_result
from rectifier.ops.rule import Rule, spoken

NAME = "torch"


def owns(x: Any) -> bool:
    """Torch tensors, subclasses such as ``Parameter`` and ``FakeTensor`` included."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


@cache
def vocabulary() -> dict[str, Any]:
    """Every word of :mod:`rectifier.ops.words`, as a function of torch tensors."""
    import torch

    def pair(function: Any, bounded: Any) -> Any:
        """``maximum`` or ``minimum``: torch's takes tensors only, clamp takes numbers."""

        def word(x: Any, y: Any) -> Any:
            if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
                return function(x, y)
            return bounded(x, y) if isinstance(x, torch.Tensor) else bounded(y, x)

        return word

    def product(x: Any, y: Any) -> Any:
        result = x * y
        lost = torch.isnan(result) & ~torch.isnan(x) & ~torch.isnan(y)
        # Only 0 * inf is lost; the product of the signs is then a zero of the right sign.
        return torch.where(lost, sign(x) * sign(y), result)

    def sign(x: Any) -> Any:
        return torch.where(torch.isnan(x), x, torch.sign(x))  # torch's swallows NaN

    def hypot(x: Any, y: Any) -> Any:
        return torch.hypot(x, y if isinstance(y, torch.Tensor) else torch.full_like(x, y))

    return {
        "where": torch.where,
        "isnan": torch.isnan,
        "zeros_like": torch.zeros_like,
        "ones_like": torch.ones_like,
        "absolute": torch.abs,
        "sign": sign,
        "maximum": pair(torch.maximum, lambda x, number: torch.clamp(x, min=number)),
        "minimum": pair(torch.minimum, lambda x, number: torch.clamp(x, max=number)),
        "product": product,
        "sqrt": torch.sqrt,
        "hypot": hypot,
        "exp": torch.exp,
        "expm1": torch.expm1,
        "log": torch.log,
        "log1p": torch.log1p,
        "sin": torch.sin,
        "cos": torch.cos,
        "arctan": torch.arctan,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "erf": torch.erf,
        "erfc": torch.erfc,
        "normal_cdf": lambda x: 0.5 * torch.erfc(-0.7071067811865476 * x),
        "normal_density": lambda x: 0.3989422804014327 * torch.exp(-0.5 * x * x),
        "max_along": lambda x, axis: torch.amax(x, dim=axis, keepdim=True),
        "sum_along": lambda x, axis: torch.sum(x, dim=axis, keepdim=True),
        "moveaxis": torch.movedim,
        "eye_like": lambda x: torch.eye(x.shape[-1], dtype=x.dtype, device=x.device),
    }


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    _check(rule, x, parameters, out)
    if not x.numel():
        return x.clone()
    if _compiling():
        from rectifier.ops import torch_graphs

        return torch_graphs.value(rule.key, x, parameters)
    return function(rule)(x, *parameters)


def derivative(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    _check(rule, x, parameters, out)
    if not x.numel():
        return x.new_zeros(shape_of_result(rule, True, tuple(x.shape), parameters))
    if _compiling():
        from rectifier.ops import torch_graphs

        return torch_graphs.derivative(rule.key, x, parameters)
    return slope_of(rule)(x, *parameters)


def _compiling() -> bool:
    import torch

    return torch.compiler.is_dynamo_compiling()


@cache
def slope_of(rule: Rule) -> Any:
    """``f'(x, *parameters)`` of a rule."""
    return _in_float32(spoken(rule.derivative, vocabulary))


def _check(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any) -> None:
    import torch

    if out is not None:
        raise InputError("out= is for NumPy arrays; assign the result of a torch tensor instead")
    if not x.is_floating_point():
        refuse_dtype(str(x.dtype).removeprefix("torch."))
    check_axis(rule, tuple(x.shape), parameters)
    for parameter in parameters:
        if not isinstance(parameter, (int, float, torch.Tensor)):
            refuse_parameter(NAME, parameter)


def _in_float32(compute: Any) -> Any:
    import torch

    def wide(x: Any, *parameters: Any) -> Any:
        if x.element_size() >= 4:
            return compute(x, *parameters)
        grown = (p.float() if isinstance(p, torch.Tensor) else p for p in parameters)
        return compute(x.float(), *grown).to(x.dtype)

    return wide


@cache
def function(rule: Rule) -> Any:
    """``f(x, *parameters)`` of a rule.

    The derivative for ``x`` is the rule's own; for parameters (when they are tensors) it is
    torch's, taken through the value.
    """
    import torch

    compute = _in_float32(spoken(rule.value, vocabulary))
    if not rule.elementwise:
        return compute
    slope = slope_of(rule)

    class Elementwise(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any, *parameters: Any) -> Any:
            # A view would share its version counter with x, as identity's value otherwise does.
            y = compute(x, *parameters)
            return y.clone() if y is x else y

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            x, *parameters = inputs
            tensors = [p for p in parameters if isinstance(p, torch.Tensor)]
            ctx.save_for_backward(x, *tensors)
            ctx.numbers = [None if isinstance(p, torch.Tensor) else p for p in parameters]

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            x, *tensors = ctx.saved_tensors
            tensors = iter(tensors)
            parameters = [next(tensors) if n is None else n for n in ctx.numbers]
            for_x = grad * slope(x, *parameters) if ctx.needs_input_grad[0] else None
            return (for_x, *_for_parameters(compute, x, parameters, grad, ctx.needs_input_grad[1:]))

    return Elementwise.apply


def _for_parameters(compute: Any, x: Any, parameters: list[Any], grad: Any, needed: Any) -> list:
    """Gradients for the parameters that are tensors; None for numbers."""
    import torch

    places = [i for i, wanted in enumerate(needed) if wanted]
    if not places:
        return [None] * len(parameters)

    def through(*chosen: Any) -> Any:
        filled = list(parameters)
        for place, tensor in zip(places, chosen, strict=True):
            filled[place] = tensor
        return compute(x, *filled)

    _, pull = torch.func.vjp(through, *(parameters[i] for i in places))
    gradients = dict(zip(places, pull(grad), strict=True))
    return [gradients.get(i) for i in range(len(parameters))]
