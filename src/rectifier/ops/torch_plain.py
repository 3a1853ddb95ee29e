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
        grad: of the shape and dtype of ``x``.
    """
    kernel = kernel_hook.kernel
    if kernel is None or not _array(x) or _watched():
        return None
    if grad is None:
        if torch.is_grad_enabled() and x.requires_grad:
            return None
        done = kernel(code, rule, x.detach().numpy(), tuple(parameters), None)
    else:
        recorded = torch.is_grad_enabled() and (x.requires_grad or grad.requires_grad)
        if recorded or not _array(grad) or grad.shape != x.shape or grad.dtype != x.dtype:
            return None
        array = x.detach().numpy()
        done = kernel(code, rule, array, tuple(parameters), None, grad.detach().numpy())
    return None if done is None else torch.from_numpy(done)


def _array(x: torch.Tensor) -> bool:
    """Whether ``x`` is memory in order and nothing else: no subclass, no level of torch.func."""
    return (
        type(x) in _PLAIN
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and x.layout is torch.strided
        and x.is_contiguous()
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        and not torch._is_functional_tensor(x)
    )


def _watched() -> bool:
    """Whether somebody records what torch does, and would not see a kernel."""
    return (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._get_tracing_state() is not None
    )
