"""Torch tensors as NumPy arrays over the same memory, where that is all they are.

Whoever has kernels for NumPy arrays puts itself into ``kernel`` (:mod:`rectifier.dispatch` does),
since what computes lies above the words. Imported when the first torch tensor arrives; never
before torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from rectifier.ops import kernel_hook
from rectifier.ops.rule import Rule

_PLAIN = (torch.Tensor, torch.nn.Parameter)


def by_kernel(
    rule: Rule,
    code: Callable[..., Any],
    x: torch.Tensor,
    parameters: Sequence[Any],
    grad: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """``code(x, *parameters)``, times ``grad`` if given, by a kernel; None where there is none.

    Args:
        rule: the rule that ``code`` is part of, an elementwise one.
        parameters: numbers, or one tensor like ``x``: a gate.
        grad: of the shape and dtype of ``x``.
    """
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
    numbers = (p.detach().numpy() if isinstance(p, torch.Tensor) else p for p in parameters)
    slope = None if grad is None else grad.detach().numpy()
    done = kernel(code, rule, x.detach().numpy(), tuple(numbers), None, slope)
    return None if done is None else torch.from_numpy(done)


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
