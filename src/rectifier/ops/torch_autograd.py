"""Rules as torch functions with a backward pass of our own, which keeps as little as it can.

Gradients obey the stated value at each kink and keep their digits in the tails. What is kept for
them is the first of these that will do, see :func:`_keep`:

* ``input``: x and the parameters that are tensors, where one of these wants a gradient;
* ``pieces``: two bits an element or one, of a function made of straight lines (the input of small
  tensors, where bits cost more time than they save memory);
* ``slope``: f'(x) itself, of such a function whose slopes are an array (``rrelu`` in training);
* ``output``: y, where f' follows from it with all its digits. The next layer mostly keeps it
  anyway;
* ``branch``: y and a bit or two an element, if little is to be kept (``rule.exact``) and y tells
  f' but for its rounding (:mod:`rectifier.ops.torch_inverse`);
* ``input`` again, for the others.

Imported when the first torch tensor arrives; never before torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from rectifier.ops import torch_bits, torch_eager, torch_inverse, torch_plain
from rectifier.ops.rule import Rule
from rectifier.ops.torch_computing import chained, computed, speak, wide_of, widened


def value(rule: Rule, x: torch.Tensor, parameters: tuple[Any, ...]) -> torch.Tensor:
    """``f(x, *parameters)``, differentiable by ``x`` and by parameters that are tensors."""
    if torch_eager.takes(rule) and torch_plain.alone(x, parameters):
        return torch_eager.value(rule, x, parameters)
    return Applied.apply(rule, x, *parameters)


def derivative(
    rule: Rule, x: torch.Tensor, parameters: tuple[Any, ...], by: int = 0
) -> torch.Tensor:
    """``f'(x, *parameters)`` by ``x``, or by a parameter (counted from 1)."""
    return computed(rule, rule.slope(by), x, parameters)


# -- the function -----------------------------------------------------------------------------


class Applied(torch.autograd.Function):
    """``Applied.apply(rule, x, *parameters)``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(rule: Rule, x: torch.Tensor, *parameters: Any) -> torch.Tensor:
        y = computed(rule, rule.value, x, parameters)
        # A view would share its version counter with x, as identity's value otherwise does.
        return y.clone() if y is x else y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        rule, x, *parameters = inputs
        tensors = [p for p in parameters if isinstance(p, torch.Tensor)]
        ctx.rule, ctx.dtype = rule, x.dtype
        ctx.numbers = [None if isinstance(p, torch.Tensor) else p for p in parameters]
        ctx.kept, saved = _keep(rule, x, parameters, output, ctx.needs_input_grad[1:])
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(x, *tensors)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
        rule, for_x, for_parameters = ctx.rule, None, [None] * len(ctx.numbers)
        _, wanted, *others = ctx.needs_input_grad
        if ctx.kept == "pieces":
            (packed,) = ctx.saved_tensors
            slope = torch_bits.slope_of_pieces(rule, ctx.numbers, packed, grad)
            for_x = (slope * grad).to(ctx.dtype)
        elif ctx.kept == "branch":
            y, *packed = ctx.saved_tensors
            how = torch_inverse.found(rule, y, ctx.numbers)
            assert how is not None
            for_x = torch_inverse.chained(how, y, grad, *packed).to(ctx.dtype)
        elif ctx.kept == "slope":
            (slope,) = ctx.saved_tensors
            for_x = grad * slope
        else:
            x, parameters = _given(ctx)
            if wanted:
                pull = _pull_by_output if ctx.kept == "output" else _pull
                for_x = pull(rule, x, parameters, grad).to(ctx.dtype)
            for_parameters = [
                _for_parameter(rule, x, parameters, grad, place) if needed else None
                for place, needed in enumerate(others)
            ]
        return None, for_x, *for_parameters

    @staticmethod
    def jvp(ctx: Any, _: Any, tangent: Any, *others: Any) -> torch.Tensor:
        x, parameters = _given(ctx)
        terms = [_push(ctx.rule, x, parameters, tangent)] * (tangent is not None)
        for place, change in enumerate(others):
            if change is not None:
                terms.append(_push_parameter(ctx.rule, x, parameters, change, place))
        return sum(terms[1:], start=terms[0]).to(ctx.dtype)


def _given(ctx: Any) -> tuple[torch.Tensor, list[Any]]:
    """What was kept, in place of x, and the parameters."""
    x, *tensors = ctx.saved_tensors
    left = iter(tensors)
    return x, [next(left) if number is None else number for number in ctx.numbers]


# -- what is kept -----------------------------------------------------------------------------


def _keep(
    rule: Rule, x: torch.Tensor, parameters: list[Any], y: torch.Tensor, needed: Sequence[bool]
) -> tuple[str, list[torch.Tensor]]:
    """The name of what is kept, and it."""
    tensors = [p for p in parameters if isinstance(p, torch.Tensor)]
    if not any(needed):
        return "nothing", []
    if any(needed[1:]) or torch.compiler.is_exporting():  # whose graph has gradients of its own
        return "input", [x, *tensors]
    if (
        rule.slopes is not None
        and not tensors
        and rule.exact is None
        and torch_bits.small(x.numel())
    ):
        return "input", [x]
    if rule.slopes is not None:
        slope = computed(rule, rule.derivative, x, parameters)
        if tensors:
            return "slope", [slope]
        return "pieces", [torch_bits.pieces(rule, parameters, slope)]
    if rule.from_output is not None:
        return "output", [y, *tensors]
    how = torch_inverse.found(rule, x, parameters)
    if how is not None:
        return "branch", [y, *torch_inverse.branches(how, x)]
    return "input", [x, *tensors]


def keeps_input(rule: Rule, x: torch.Tensor, parameters: Sequence[Any]) -> bool:
    """Whether the gradient needs x: nobody may write into it before."""
    tensors = [p for p in parameters if isinstance(p, torch.Tensor)]
    if any(p.requires_grad for p in tensors):
        return True
    if rule.slopes is not None:
        return not tensors and rule.exact is None and torch_bits.small(x.numel())
    return rule.from_output is None and torch_inverse.found(rule, x, parameters) is None


# -- gradients and tangents -------------------------------------------------------------------


def _pull(rule: Rule, x: torch.Tensor, parameters: list[Any], grad: torch.Tensor) -> torch.Tensor:
    """The gradient by x, from x."""
    if rule.elementwise:
        return chained(rule, rule.derivative, x, parameters, grad)
    wide, *others = widened(x, parameters)
    compute = speak(rule.value)
    pullback = torch.func.vjp(lambda z: compute(z, *others), wide)[1]
    return pullback(grad.to(wide.dtype))[0]


def _pull_by_output(
    rule: Rule, y: torch.Tensor, parameters: list[Any], grad: torch.Tensor
) -> torch.Tensor:
    """The gradient by x, from the output."""
    assert rule.from_output is not None
    if rule.elementwise:
        return chained(rule, rule.from_output, y, parameters, grad)
    wide, *others = widened(y, parameters)
    return speak(rule.from_output)(wide, grad.to(wide.dtype), *others)


def _for_parameter(
    rule: Rule, x: torch.Tensor, parameters: list[Any], grad: torch.Tensor, place: int
) -> torch.Tensor:
    """The gradient by a parameter that is a tensor, in its shape and dtype."""
    parameter, by = parameters[place], rule.partial(place)
    if by is not None:
        done = torch_plain.summed(by, x, parameters, place, grad)
        if done is not None:
            return done
        slope = chained(rule, by, x, parameters, grad)
        return slope.sum_to_size(parameter.shape).to(parameter.dtype)
    through = _through(rule, x, parameters, place)
    wide = grad.to(wide_of(x.dtype))
    return torch.func.vjp(through, parameter.to(wide.dtype))[1](wide)[0].to(parameter.dtype)


def _push(
    rule: Rule, x: torch.Tensor, parameters: list[Any], tangent: torch.Tensor
) -> torch.Tensor:
    """What a change of x does to the output, from x."""
    if rule.elementwise:
        return chained(rule, rule.derivative, x, parameters, tangent)
    wide, *others = widened(x, parameters)
    compute = speak(rule.value)
    return torch.func.jvp(lambda z: compute(z, *others), (wide,), (tangent.to(wide.dtype),))[1]


def _push_parameter(
    rule: Rule, x: torch.Tensor, parameters: list[Any], change: torch.Tensor, place: int
) -> torch.Tensor:
    """What a change of a parameter does to the output."""
    by = rule.partial(place)
    if by is not None:
        return chained(rule, by, x, parameters, change)
    dtype = wide_of(x.dtype)
    through = _through(rule, x, parameters, place)
    return torch.func.jvp(through, (parameters[place].to(dtype),), (change.to(dtype),))[1]


def _through(
    rule: Rule, x: torch.Tensor, parameters: list[Any], place: int
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The value as a function of one parameter."""
    wide, *others = widened(x, parameters)
    compute = speak(rule.value)

    def through(parameter: torch.Tensor) -> torch.Tensor:
        return compute(wide, *others[:place], parameter, *others[place + 1 :])

    return through
