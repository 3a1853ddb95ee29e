"""The kernels for GPUs as operations that PyTorch knows: ``torch.ops.rectifier.*``.

Compiled and exported graphs show each as one node, with a shape, a gradient and no Python inside.
Eager code goes to :mod:`rectifier.kernels.gpu` directly, and what ``torch.compile`` sees of an
activation is its words by default, which Inductor fuses with their neighbours
(:mod:`rectifier.ops.torch_graphs`). A rule's key is a number of this process; an exported program
that is saved to be loaded elsewhere has to hold words.

Where an activation has parameters, ``numbers`` has one for each, NaN for those that are tensors,
which ``tensors`` lists in order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from rectifier.kernels import gpu as gpu
from rectifier.kernels import gpu_low as gpu_low
from rectifier.ops import on_triton, torch_autograd
from rectifier.ops.inputs import halves
from rectifier.ops.rule import RULES, Rule


def given(numbers: Sequence[float], tensors: Sequence[torch.Tensor]) -> list[Any]:
    """Parameters in order, from both lists."""
    left = iter(tensors)
    return [next(left) if math.isnan(n) else n for n in numbers]


def _done(result: torch.Tensor | None, key: str) -> torch.Tensor:
    if result is None:
        raise ValueError(
            f"{key}: a parameter of the kernel is one number, or one for each of neighbouring axes"
        )
    return result


# -- elementwise ---------------------------------------------------------------------------------


@torch.library.custom_op("rectifier::value", mutates_args=())
def value(
    x: torch.Tensor,
    bias: torch.Tensor | None,
    key: str,
    numbers: Sequence[float],
    tensors: Sequence[torch.Tensor],
) -> torch.Tensor:
    """``f(x + bias, *parameters)``; the bias along the last axis."""
    return _done(gpu.value(RULES[key].value, x, given(numbers, tensors), bias), key)


@torch.library.custom_op("rectifier::slope", mutates_args=())
def slope(
    x: torch.Tensor,
    grad: torch.Tensor,
    bias: torch.Tensor | None,
    key: str,
    numbers: Sequence[float],
    tensors: Sequence[torch.Tensor],
) -> torch.Tensor:
    """``grad * f'(x + bias, *parameters)``."""
    code = RULES[key].derivative
    return _done(gpu.value(code, x, given(numbers, tensors), bias, grad), key)


@torch.library.custom_op("rectifier::summed", mutates_args=())
def summed(
    x: torch.Tensor,
    grad: torch.Tensor,
    bias: torch.Tensor | None,
    key: str,
    place: int,
    numbers: Sequence[float],
    tensors: Sequence[torch.Tensor],
) -> torch.Tensor:
    """The gradient of the parameter at ``place``, in its shape."""
    by = RULES[key].slope(place + 1)
    return _done(gpu.summed(by, x, given(numbers, tensors), place, grad, bias), key)


@value.register_fake
def _(x: Any, bias: Any, key: str, numbers: Any, tensors: Any) -> Any:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@slope.register_fake
def _(x: Any, grad: Any, bias: Any, key: str, numbers: Any, tensors: Any) -> Any:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@summed.register_fake
def _(x: Any, grad: Any, bias: Any, key: str, place: int, numbers: Any, tensors: Any) -> Any:
    return torch.empty_like(given(numbers, tensors)[place])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, bias, ctx.key, ctx.numbers, tensors = inputs
    ctx.save_for_backward(x, bias, *tensors)


def _pull(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    x, bias, *tensors = ctx.saved_tensors
    rest = (bias, ctx.key, ctx.numbers, tensors)
    for_x = slope(x, grad, *rest)
    for_bias = None
    if bias is not None:
        for_bias = for_x.float().sum_to_size(bias.shape).to(bias.dtype)
    places = [place for place, n in enumerate(ctx.numbers) if math.isnan(n)]
    for_tensors = [
        summed(x, grad, bias, ctx.key, place, ctx.numbers, tensors)
        if tensor.requires_grad
        else None
        for place, tensor in zip(places, tensors, strict=True)
    ]
    # PyTorch takes an empty list for one of tensors, and wants it back
    return for_x, for_bias, None, None if ctx.numbers else [], for_tensors


value.register_autograd(_pull, setup_context=_keep)


# -- gated ---------------------------------------------------------------------------------------


@torch.library.custom_op("rectifier::gated", mutates_args=())
def gated(a: torch.Tensor, b: torch.Tensor, key: str) -> torch.Tensor:
    """``f(a, b)`` of two tensors of one shape."""
    return gpu.gated(RULES[key].value, a, b)


@torch.library.custom_op("rectifier::gated_slopes", mutates_args=())
def gated_slopes(
    a: torch.Tensor, b: torch.Tensor, grad: torch.Tensor, key: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients by ``a`` and by ``b``."""
    rule = RULES[key]
    return gpu.gated_backward(rule.derivative, rule.slope(1), a, b, grad)


@torch.library.custom_op("rectifier::halved", mutates_args=())
def halved(x: torch.Tensor, axis: int, key: str) -> torch.Tensor:
    """``f(a, b)`` of the halves of ``x`` along ``axis``, read where they are."""
    return gpu.gated(RULES[key].value, *halves(x.contiguous(), axis))


@torch.library.custom_op("rectifier::halved_slope", mutates_args=())
def halved_slope(x: torch.Tensor, grad: torch.Tensor, axis: int, key: str) -> torch.Tensor:
    """The gradient by ``x``: both halves written where they belong."""
    return _halved_slope(RULES[key], x, grad, axis)


@gated.register_fake
def _(a: Any, b: Any, key: str) -> Any:
    return torch.empty_like(a, memory_format=torch.contiguous_format)


@gated_slopes.register_fake
def _(a: Any, b: Any, grad: Any, key: str) -> Any:
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in (a, b))


@halved.register_fake
def _(x: Any, axis: int, key: str) -> Any:
    return torch.empty_like(halves(x, axis)[0], memory_format=torch.contiguous_format)


@halved_slope.register_fake
def _(x: Any, grad: Any, axis: int, key: str) -> Any:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _keep_gated(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    a, b, ctx.key = inputs
    ctx.save_for_backward(a, b)


def _keep_halved(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, ctx.axis, ctx.key = inputs
    ctx.save_for_backward(x)


gated.register_autograd(
    lambda ctx, grad: (*gated_slopes(*ctx.saved_tensors, grad, ctx.key), None),
    setup_context=_keep_gated,
)
halved.register_autograd(
    lambda ctx, grad: (halved_slope(*ctx.saved_tensors, grad, ctx.axis, ctx.key), None, None),
    setup_context=_keep_halved,
)


# -- eager ---------------------------------------------------------------------------------------


def computed(
    rule: Rule,
    code: Any,
    x: torch.Tensor,
    parameters: Sequence[Any],
    grad: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """``code(x, *parameters)``, times ``grad`` if given; None where there is no kernel for it."""
    if not on_triton.speaks(code):
        return None
    return gpu.value(code, x, parameters, grad=grad)


class Gated(torch.autograd.Function):
    """``Gated.apply(rule, a, b)``: both gradients from one pass; twice differentiable."""

    @staticmethod
    def forward(ctx: Any, rule: Rule, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        ctx.rule = rule
        ctx.save_for_backward(a, b)
        return gpu.gated(rule.value, a, b)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        a, b = ctx.saved_tensors
        rule = ctx.rule
        if _recorded(a, b, grad):
            return None, *_slopes(rule, a, b, grad)
        return None, *gpu.gated_backward(rule.derivative, rule.slope(1), a, b, grad)


class Halved(torch.autograd.Function):
    """``Halved.apply(rule, x, axis)``: one tensor in, one gradient out; twice differentiable."""

    @staticmethod
    def forward(ctx: Any, rule: Rule, x: torch.Tensor, axis: int) -> torch.Tensor:
        ctx.rule, ctx.axis = rule, axis
        ctx.save_for_backward(x)
        return gpu.gated(rule.value, *halves(x.contiguous(), axis))

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        (x,) = ctx.saved_tensors
        if _recorded(x, grad):
            both = _slopes(ctx.rule, *halves(x, ctx.axis), grad)
            return None, torch.cat(both, ctx.axis), None
        return None, _halved_slope(ctx.rule, x, grad, ctx.axis), None


def _recorded(*tensors: torch.Tensor) -> bool:
    """Whether a gradient of the gradient may be asked for, which kernels have not."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def _slopes(rule: Rule, a: Any, b: Any, grad: Any) -> list[torch.Tensor]:
    slopes = (torch_autograd.chained(rule, rule.slope(by), a, [b], grad) for by in (0, 1))
    return [slope.to(a.dtype) for slope in slopes]


def _halved_slope(rule: Rule, x: torch.Tensor, grad: torch.Tensor, axis: int) -> torch.Tensor:
    a, b = halves(x.contiguous(), axis)
    first, _ = gpu.gated_backward(rule.derivative, rule.slope(1), a, b, grad, beside=True)
    whole = torch.empty(0, dtype=x.dtype, device=x.device)
    return whole.set_(first.untyped_storage(), 0, x.shape, x.contiguous().stride())
