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
from rectifier.ops.inputs import (
    check_axis,
    parts_of_axis,
    refuse_dtype,
    refuse_parameter,
    shape_of_result,
)
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

    def first_max_along(x: Any, axis: int) -> Any:
        return torch.zeros_like(x).scatter(axis, torch.argmax(x, dim=axis, keepdim=True), 1.0)

    def threshold_along(x: Any, power: int, axis: int) -> Any:
        # Held against its largest, so that no sum of large scores swallows the 1. The number of
        # scores above the threshold is chosen first and the root taken then, for the gradients.
        top = torch.amax(x, dim=axis, keepdim=True).detach()
        falling = torch.sort(x - top, dim=axis, descending=True).values.movedim(axis, -1)
        count = torch.arange(1, falling.shape[-1] + 1, dtype=x.dtype, device=x.device)
        total = torch.cumsum(falling, dim=-1)
        mean = total / count
        if power == 1:
            candidates = (total - 1) / count
        else:
            spare = (1 - (torch.cumsum(falling * falling, dim=-1) - total * mean)) / count
            candidates = mean - torch.sqrt(torch.clamp(spare, min=0).detach())
        last = torch.sum(candidates < falling, dim=-1, keepdim=True) - 1
        last = torch.clamp(last, min=0)
        if power == 1:
            chosen = torch.gather(candidates, -1, last)
        else:
            chosen = torch.gather(mean, -1, last) - torch.sqrt(torch.gather(spare, -1, last))
        return chosen.movedim(-1, axis) + top

    def fold(x: Any, count: int, axis: int) -> Any:
        place, parts = parts_of_axis(tuple(x.shape), count, axis, f"groups of {count}")
        return x.unflatten(place, (parts, count)).movedim(place + 1, -1)

    def unfold(x: Any, axis: int) -> Any:
        place = axis % (x.ndim - 1)
        return x.movedim(-1, place + 1).flatten(place, place + 1)

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
        "first_max_along": first_max_along,
        "threshold_along": threshold_along,
        "concatenate": lambda x, y, axis: torch.cat([x, y], dim=axis),
        "fold": fold,
        "unfold": unfold,
        "moveaxis": torch.movedim,
        "eye_like": lambda x: torch.eye(x.shape[-1], dtype=x.dtype, device=x.device),
    }


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    _check(rule, x, parameters, out)
    if rule.kind != "reshaping" and not x.numel():
        return x.clone()
    if _compiling():
        from rectifier.ops import torch_graphs

        return torch_graphs.value(rule.key, x, parameters)
    return function(rule)(x, *parameters)


def derivative(
    rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None, by: int = 0
) -> Any:
    _check(rule, x, parameters, out)
    shape = shape_of_result(rule, True, tuple(x.shape), parameters)
    if shape is not None and not x.numel():
        return x.new_zeros(shape)
    if _compiling():
        from rectifier.ops import torch_graphs

        return torch_graphs.derivative(rule.key, x, parameters, by)
    return slope_of(rule, by)(x, *parameters)


def _compiling() -> bool:
    import torch

    return torch.compiler.is_dynamo_compiling()


@cache
def slope_of(rule: Rule, by: int = 0) -> Any:
    """``f'(x, *parameters)`` of a rule, by ``x`` or by a parameter (counted from 1)."""
    return _in_float32(spoken(rule.slope(by), vocabulary))


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

    The derivative for ``x`` is the rule's own, and so are those for parameters (when they are
    tensors) that the rule has; others are torch's, taken through the value.
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
            return for_x, *_for_parameters(rule, x, parameters, grad, ctx.needs_input_grad[1:])

    return Elementwise.apply


def _for_parameters(rule: Rule, x: Any, parameters: list[Any], grad: Any, needed: Any) -> list[Any]:
    """Gradients for the parameters that are tensors; None for numbers."""
    import torch

    compute = _in_float32(spoken(rule.value, vocabulary))
    gradients: list[Any] = []
    for place, wanted in enumerate(needed):
        gradient = None
        if wanted and rule.partial(place) is not None:
            slope = grad * slope_of(rule, place + 1)(x, *parameters)
            gradient = slope.sum_to_size(parameters[place].shape)
        elif wanted:

            def through(tensor: Any, place: int = place) -> Any:
                return compute(x, *parameters[:place], tensor, *parameters[place + 1 :])

            (gradient,) = torch.func.vjp(through, parameters[place])[1](grad)
        gradients.append(gradient)
    return gradients
