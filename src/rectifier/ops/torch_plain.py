"""Torch tensors as NumPy arrays over the same memory, where that is all they are.

Whoever has kernels for NumPy arrays puts itself into ``kernel`` (:mod:`rectifier.dispatch` does),
since what computes lies above the words. Imported when the first torch tensor arrives; never
before torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad

from rectifier.ops import kernel_hook
from rectifier.ops.inverse import Inverse
from rectifier.ops.rule import Rule

_PLAIN = (torch.Tensor, torch.nn.Parameter)
_NAMES = {torch.float32: "float32", torch.float64: "float64"}
_NUMBERS = (float, int)


def alone(x: torch.Tensor, parameters: Sequence[Any]) -> bool:
    """Whether ``x`` is a plain tensor, parameters are numbers, and nobody but autograd looks on:
    no transform, no forward mode, no tracer, no other mode that wants to see what torch does."""
    for parameter in parameters:
        if type(parameter) not in _NUMBERS:
            return False
    return (
        type(x) in _PLAIN
        and x.layout is torch.strided
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
        and not torch._is_functional_tensor(x)
        and not _watched()
    )


def run(
    rule: Rule,
    code: Callable[..., Any],
    x: torch.Tensor,
    parameters: tuple[Any, ...],
    grad: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """``code(x, *parameters)``, times ``grad`` if given, by a kernel; None where there is none.

    Args:
        rule: the rule that ``code`` is part of, an elementwise one.
        x, parameters, grad: of which :func:`alone` holds.
    """
    find = kernel_hook.address_kernel
    name = _memory(x)
    if find is None or name is None:
        return None
    if grad is not None and (_memory(grad) != name or grad.shape != x.shape):
        return None
    kernel = find(code, rule, name, x.numel(), parameters, grad is not None)
    if kernel is None:
        return None
    given = parameters if kernel.shape.parameters else ()
    out = torch.empty_like(x, requires_grad=False)
    if grad is None:
        kernel(x.data_ptr(), out.data_ptr(), x.numel(), *given)
    else:
        kernel(x.data_ptr(), grad.data_ptr(), out.data_ptr(), x.numel(), *given)
    return out


def with_lines(
    rule: Rule, x: torch.Tensor, parameters: tuple[Any, ...]
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """f(x) of a function made of straight lines, and notes of the line that each element is on, as
    :func:`rectifier.ops.torch_bits.pieces` packs them; None where no kernel is to be had."""
    kernels = on_gpu(x)
    if kernels is not None:
        return kernels.gpu_low.with_lines(rule, x, parameters)
    lines = _lines(rule, x, parameters)
    if lines is None:
        return None
    y = torch.empty_like(x, requires_grad=False)
    notes = torch.empty(lines.size(x.numel()), dtype=torch.uint8)
    lines.forward(x.data_ptr(), y.data_ptr(), notes.data_ptr(), x.numel())
    return y, notes


def by_lines(
    rule: Rule, grad: torch.Tensor, notes: torch.Tensor, parameters: tuple[Any, ...]
) -> torch.Tensor | None:
    """``grad * f'`` from what :func:`with_lines` noted, likewise."""
    kernels = on_gpu(grad, notes)
    if kernels is not None:
        return kernels.gpu_low.by_lines(rule, grad, notes, parameters)
    lines = _lines(rule, grad, parameters)
    if lines is None or not _memory_in_order(notes):
        return None
    out = torch.empty_like(grad, requires_grad=False)
    lines.backward(grad.data_ptr(), out.data_ptr(), notes.data_ptr(), grad.numel())
    return out


def branch_notes(how: Inverse, x: torch.Tensor) -> torch.Tensor | None:
    """Notes of the branch of each element, as :func:`rectifier.ops.torch_inverse.branches` packs
    them, by a kernel; None where there is none, or where somebody records ``x``."""
    find = kernel_hook.slopes
    if find is None or not x.is_cpu or x.numel() < 2 or _watched() or _wrapped(x):
        return None
    kernel = find(how, x.numel())
    if kernel is None:
        return None
    x = x.detach().float().contiguous()
    notes = torch.zeros(kernel.size(x.numel()), dtype=torch.uint8)
    kernel.note(x.data_ptr(), notes.data_ptr(), x.numel())
    return notes


def by_slopes(
    how: Inverse, y: torch.Tensor, grad: torch.Tensor, notes: torch.Tensor | None
) -> torch.Tensor | None:
    """``grad`` times the slope where f is ``y``, in float32, by a kernel; None where there is none.

    Args:
        notes: as :func:`rectifier.ops.torch_inverse.branches` packs them.
    """
    find = kernel_hook.slopes
    kernel = None if find is None or not y.is_cpu else find(how, y.numel())
    if kernel is None or grad.shape != y.shape:
        return None
    y, grad = (t.detach().float().contiguous() for t in (y, grad))
    out = torch.empty_like(y)
    at_notes = 0 if notes is None else notes.data_ptr()
    kernel.pull(y.data_ptr(), grad.data_ptr(), out.data_ptr(), at_notes, y.numel())
    return out


def _lines(rule: Rule, x: torch.Tensor, parameters: tuple[Any, ...]) -> Any:
    find, name = kernel_hook.lines, _memory(x)
    return None if find is None or name is None else find(rule, name, x.numel(), parameters)


def _memory(x: torch.Tensor) -> str | None:
    """The dtype's name where a plain tensor is memory in order that a kernel can read."""
    return _NAMES.get(x.dtype) if _memory_in_order(x) else None


def _memory_in_order(x: torch.Tensor) -> bool:
    return x.is_cpu and x.is_contiguous() and not x.is_neg()


def by_kernel(
    rule: Rule,
    code: Callable[..., Any],
    x: torch.Tensor,
    parameters: Sequence[Any],
    grad: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """:func:`run`, where anybody may look on; then, too, there is none.

    Args:
        rule: the rule that ``code`` is part of, an elementwise one.
        parameters: numbers, or one tensor like ``x``: a gate.
        grad: of the shape and dtype of ``x``.
    """
    if _is_on_gpu(x):
        return _on_gpu(rule, code, x, parameters, grad)
    kernel = kernel_hook.kernel
    gates = [p for p in parameters if isinstance(p, torch.Tensor)]
    if kernel is None or len(gates) > 1 or not _array(x, bool(gates)) or _watched():
        return None
    tensors = [x, *gates] if grad is None else [x, *gates, grad]
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        return None
    for other in tensors[1:]:
        if not _array(other, bool(gates)) or other.shape != x.shape or other.dtype != x.dtype:
            return None
    if not gates:
        return run(rule, code, x, tuple(parameters), grad)
    numbers = (p.detach().numpy() if isinstance(p, torch.Tensor) else p for p in parameters)
    slope = None if grad is None else grad.detach().numpy()
    done = kernel(code, rule, x.detach().numpy(), tuple(numbers), None, slope)
    return None if done is None else torch.from_numpy(done)


def on_gpu(x: torch.Tensor, *others: Any) -> Any:
    """The kernels for ``x`` and what comes with it, or None: tensors on one GPU and numbers, which
    nobody records."""
    if not _is_on_gpu(x):
        return None
    tensors = [x, *(t for t in others if isinstance(t, torch.Tensor))]
    if kernel_hook.gpu is None or _watched() or any(_wrapped(t) for t in tensors):
        return None
    if any(t.device != x.device or type(t) not in _PLAIN for t in tensors):
        return None
    return kernel_hook.gpu(x, others)


def summed(
    by: Callable[..., Any], x: torch.Tensor, parameters: Sequence[Any], place: int, grad: Any
) -> torch.Tensor | None:
    """The gradient of a parameter, ``grad * by(x, *parameters)`` summed to its shape, by a kernel;
    None where there is none, which is everywhere but on GPUs."""
    ops = on_gpu(x, *parameters)
    if ops is None or grad.shape != x.shape or _wrapped(grad) or not ops.on_triton.speaks(by):
        return None
    if _recorded(x, grad, *parameters):
        return None
    done: torch.Tensor | None = ops.gpu.summed(by, x, parameters, place, grad)
    return done


def _recorded(*given: Any) -> bool:
    tensors = (t for t in given if isinstance(t, torch.Tensor))
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def _is_on_gpu(x: torch.Tensor) -> bool:
    return x.is_cuda


def _on_gpu(
    rule: Rule, code: Callable[..., Any], x: torch.Tensor, parameters: Sequence[Any], grad: Any
) -> torch.Tensor | None:
    """As :func:`by_kernel`, of a CUDA tensor."""
    ops = None if _recorded(x, grad, *parameters) else on_gpu(x, *parameters)
    if ops is None or (grad is not None and (grad.shape != x.shape or _wrapped(grad))):
        return None
    done: torch.Tensor | None = ops.computed(rule, code, x, parameters, grad)
    return done


def _wrapped(x: torch.Tensor) -> bool:
    return torch._C._functorch.is_functorch_wrapped_tensor(x) or torch._is_functional_tensor(x)


def _array(x: torch.Tensor, half: bool = False) -> bool:
    """Whether ``x`` is memory in order and nothing else: no subclass, no level of torch.func.

    Args:
        half: gaps between its rows may be: those of an array that was cut in halves.
    """
    return (
        type(x) in _PLAIN
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and x.layout is torch.strided
        and (x.is_contiguous() or (half and _in_rows(x)))
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        and not torch._is_functional_tensor(x)
    )


def _in_rows(x: torch.Tensor) -> bool:
    steps = x.stride()
    return steps[-1] == 1 and all(
        a >= b * n for a, b, n in zip(steps[:-1], steps[1:], x.shape[1:], strict=True)
    )


def _watched() -> bool:
    """Whether somebody records what torch does, and would not see a kernel."""
    return (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._get_tracing_state() is not None
    )
