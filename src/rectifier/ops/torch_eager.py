"""The short way: a plain tensor, numbers for parameters, and nobody who looks on but autograd.

What :class:`~rectifier.ops.torch_autograd.Applied` has to do for transforms, tracers and gradients
of parameters costs more than a small tensor's arithmetic. The gradients are the same, and so is
what is kept for them. Imported when the first torch tensor arrives; never before torch.
"""

from __future__ import annotations

from typing import Any

import torch

from rectifier.ops import torch_bits, torch_inverse, torch_plain
from rectifier.ops.rule import Rule
from rectifier.ops.torch_computing import chained, computed


def takes(rule: Rule) -> bool:
    """Whether it knows what to keep for a rule's gradient: not of one that is to keep little, where
    that is a branch beside the output."""
    follows = rule.exact is None or rule.slopes is not None or rule.from_output is not None
    return rule.elementwise and follows


def value(rule: Rule, x: torch.Tensor, parameters: tuple[Any, ...]) -> torch.Tensor:
    """``f(x, *parameters)`` of an elementwise rule, differentiable by ``x``.

    Args:
        x, parameters: of which :func:`rectifier.ops.torch_plain.alone` holds.
    """
    if x.requires_grad and torch.is_grad_enabled():
        return Eager.apply(x, rule, parameters)
    return _computed(rule, x, parameters)


def _computed(rule: Rule, x: torch.Tensor, parameters: tuple[Any, ...]) -> torch.Tensor:
    y = torch_plain.run(rule, rule.value, x, parameters)
    if y is None:
        y = computed(rule, rule.value, x, parameters)
    # A view would share its version counter with x, as identity's value otherwise does.
    return y.clone() if y is x else y


class Eager(torch.autograd.Function):
    """``Eager.apply(x, rule, parameters)``."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, rule: Rule, parameters: tuple[Any, ...]) -> torch.Tensor:
        ctx.rule, ctx.numbers = rule, parameters
        little = rule.exact is not None or not torch_bits.small(x.numel())
        if rule.slopes is not None and little:
            done = torch_plain.with_lines(rule, x, parameters)
            if done is None:
                slope = computed(rule, rule.derivative, x, parameters)
                done = (
                    _computed(rule, x, parameters),
                    torch_bits.pieces(rule, list(parameters), slope),
                )
            y, packed = done
            ctx.kept = "pieces"
            ctx.save_for_backward(packed)
            return y
        y = _computed(rule, x, parameters)
        by_output = rule.slopes is None and rule.from_output is not None
        ctx.kept = "output" if by_output else "input"
        ctx.save_for_backward(y if by_output else x)
        return y

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        rule, numbers = ctx.rule, ctx.numbers
        (saved,) = ctx.saved_tensors
        alone = not torch.is_grad_enabled() and torch_plain.alone(grad, ())
        if ctx.kept == "pieces":
            done = torch_plain.by_lines(rule, grad, saved, numbers) if alone else None
            if done is None:
                slope = torch_bits.slope_of_pieces(rule, list(numbers), saved, grad)
                done = (slope * grad).to(grad.dtype)
            return done, None, None
        code = rule.from_output if ctx.kept == "output" else rule.derivative
        done = torch_plain.run(rule, code, saved, numbers, grad) if alone else None
        if done is None:
            done = chained(rule, code, saved, numbers, grad).to(saved.dtype)
        return done, None, None


def written_over(rule: Rule, x: torch.Tensor, parameters: tuple[Any, ...]) -> torch.Tensor | None:
    """f(x) in the memory of ``x``, where the gradient follows from what is written there and a bit
    or two; None where it does not, or somebody else looks on.

    Autograd's version counter goes up, so whoever had kept ``x`` is told, and so is this function
    if the result is changed again before the backward pass.
    """
    if not rule.elementwise or not torch_plain.alone(x, parameters):
        return None
    how = None
    if rule.slopes is not None:
        return None  # keeps bits, and needs neither
    if rule.from_output is None:
        how = torch_inverse.found(rule, x, parameters)
        if how is None:
            return None
    return Over.apply(x, rule, parameters, how)


class Over(torch.autograd.Function):
    """``Over.apply(x, rule, parameters, how)``, ``how`` None where the rule has ``from_output``."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, rule: Rule, parameters: tuple[Any, ...], how: Any
    ) -> torch.Tensor:
        ctx.rule, ctx.numbers, ctx.how = rule, parameters, how
        notes = [] if how is None else torch_inverse.branches(how, x)
        x.copy_(_computed(rule, x, parameters))
        ctx.mark_dirty(x)
        ctx.save_for_backward(x, *notes)
        return x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        y, *notes = ctx.saved_tensors
        if ctx.how is None:
            done = chained(ctx.rule, ctx.rule.from_output, y, ctx.numbers, grad)
        else:
            done = torch_inverse.chained(ctx.how, y, grad, *notes)
        return done.to(y.dtype), None, None, None
