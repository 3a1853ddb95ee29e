"""Kernels for GPUs: one loop forward and one backward, fed with any entry's own code.

Elementwise entries, with a bias in front if there is one; the gradient of a parameter, summed where
it was shared; gated pairs, whose inputs may be the halves of one tensor, read where they are. The
loops below are plain functions with free names; :func:`loop` binds these to
an entry's code in Triton's words, as :mod:`rectifier.ops.rule` does for every library.

Tensors are float32, float16 or bfloat16 and are computed in float32. In Triton's interpreter they
may be on the CPU. Imported when the first CUDA tensor arrives; never before triton.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import torch
import triton
import triton.language as tl

from rectifier.ops import on_triton

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
BLOCK = 1024  # elements a program: 8 a thread with 4 warps, 16 bytes of bfloat16 at a time
ROWS, COLUMNS = 32, 64  # the tile of a sum over rows
_ARITIES = (0, 1, 2, 3, 4, 10)

# -- loops ---------------------------------------------------------------------------------------

f: Any = None  # their free names: an entry's code,
apply: Any = None  # that code with its parameters taken from memory,
by_gate: Any = None  # and the derivative by a gate


@on_triton.word
def _number(p, x):
    return tl.load(p) + tl.zeros_like(x)


def _apply_0(x, p, step):
    return f(x)


def _apply_1(x, p, step):
    return f(x, _number(p, x))


def _apply_2(x, p, step):
    return f(x, _number(p, x), _number(p + step, x))


def _apply_3(x, p, step):
    return f(x, _number(p, x), _number(p + step, x), _number(p + 2 * step, x))


def _apply_4(x, p, step):
    return f(
        x,
        _number(p, x),
        _number(p + step, x),
        _number(p + 2 * step, x),
        _number(p + 3 * step, x),
    )


def _apply_10(x, p, step):
    return f(
        x,
        _number(p, x),
        _number(p + step, x),
        _number(p + 2 * step, x),
        _number(p + 3 * step, x),
        _number(p + 4 * step, x),
        _number(p + 5 * step, x),
        _number(p + 6 * step, x),
        _number(p + 7 * step, x),
        _number(p + 8 * step, x),
        _number(p + 9 * step, x),
    )


def _forward(
    x, bias, p, y, n, columns, channels, inner,
    BIASED: tl.constexpr, SHARED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    z = tl.load(x + i, mask=mask, other=0.0).to(tl.float32)
    if BIASED:
        z = z + tl.load(bias + i % columns).to(tl.float32)
    if not SHARED:
        p = p + (i // inner) % channels
    tl.store(y + i, apply(z, p, channels).to(y.dtype.element_ty), mask=mask)


def _backward(
    x, bias, p, grad, y, n, columns, channels, inner,
    BIASED: tl.constexpr, SHARED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    z = tl.load(x + i, mask=mask, other=0.0).to(tl.float32)
    if BIASED:
        z = z + tl.load(bias + i % columns).to(tl.float32)
    if not SHARED:
        p = p + (i // inner) % channels
    g = tl.load(grad + i, mask=mask, other=0.0).to(tl.float32)
    tl.store(y + i, (g * apply(z, p, channels)).to(y.dtype.element_ty), mask=mask)


def _summed(
    x, bias, p, grad, parts, n, width, columns, channels, inner,
    BIASED: tl.constexpr, SHARED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    i = row[:, None] * width + column[None, :]
    mask = (i < n) & (column[None, :] < width)
    z = tl.load(x + i, mask=mask, other=0.0).to(tl.float32)
    if BIASED:
        z = z + tl.load(bias + i % columns).to(tl.float32)
    if not SHARED:
        p = p + (i // inner) % channels
    g = tl.load(grad + i, mask=mask, other=0.0).to(tl.float32)
    part = tl.where(mask, g * apply(z, p, channels), 0.0)
    place = tl.program_id(0).to(tl.int64) * width + column
    tl.store(parts + place, tl.sum(part, axis=0), mask=column < width)


def _gated_forward(a, b, y, n, columns, a_step, b_step, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    row = i // columns
    column = i % columns
    one = tl.load(a + row * a_step + column, mask=mask, other=0.0).to(tl.float32)
    two = tl.load(b + row * b_step + column, mask=mask, other=0.0).to(tl.float32)
    tl.store(y + i, f(one, two).to(y.dtype.element_ty), mask=mask)


def _gated_backward(a, b, grad, by_a, by_b, n, columns, a_step, b_step, step, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    row = i // columns
    column = i % columns
    one = tl.load(a + row * a_step + column, mask=mask, other=0.0).to(tl.float32)
    two = tl.load(b + row * b_step + column, mask=mask, other=0.0).to(tl.float32)
    g = tl.load(grad + i, mask=mask, other=0.0).to(tl.float32)
    there = row * step + column
    tl.store(by_a + there, (g * f(one, two)).to(by_a.dtype.element_ty), mask=mask)
    tl.store(by_b + there, (g * by_gate(one, two)).to(by_b.dtype.element_ty), mask=mask)


FORWARD, BACKWARD, SUMMED = _forward, _backward, _summed
GATED_FORWARD, GATED_BACKWARD = _gated_forward, _gated_backward


# -- binding -------------------------------------------------------------------------------------


@cache
def loop(
    kind: Callable[..., Any],
    code: Callable[..., Any],
    arity: int,
    gate: Callable[..., Any] | None = None,
) -> Any:
    """One of the loops above, computing ``code``: the same source and other globals.

    Args:
        kind: :data:`FORWARD`, :data:`BACKWARD`, :data:`SUMMED`, or a gated one.
        arity: how many parameters ``code`` takes besides x.
        gate: the derivative by the gate, for :data:`GATED_BACKWARD`.
    """
    bound = {"f": on_triton.compiled(code)}
    if gate is not None:
        bound["by_gate"] = on_triton.compiled(gate)
    elif kind not in (GATED_FORWARD, GATED_BACKWARD):
        apply = globals()[f"_apply_{arity}"]
        bound["apply"] = on_triton.word(_with(apply, bound))
    return triton.jit(_with(kind, bound))


def _with(function: Callable[..., Any], names: dict[str, Any]) -> Callable[..., Any]:
    free = {"tl": tl, "_number": _number, **names}
    made = types.FunctionType(function.__code__, free, function.__name__)
    made.__annotations__ = dict(function.__annotations__)
    made.__module__ = __name__
    return made


@lru_cache(maxsize=256)
def _numbers(numbers: tuple[float, ...], device: torch.device) -> torch.Tensor:
    return torch.tensor(numbers or (0.0,), dtype=torch.float32, device=device)


def _table(x: torch.Tensor, parameters: Sequence[Any]) -> tuple[torch.Tensor, int, int] | None:
    """Parameters as rows of one float32 tensor, how many numbers each has, and how many elements
    of ``x`` lie between the changes of one; None for a shape that is neither."""
    tensors = [p for p in parameters if isinstance(p, torch.Tensor)]
    if not any(t.numel() > 1 for t in tensors):
        if not tensors:
            return _numbers(tuple(float(p) for p in parameters), x.device), 1, 1
        rows = [torch.as_tensor(p, dtype=torch.float32, device=x.device) for p in parameters]
        return torch.stack([row.reshape(()) for row in rows]), 1, 1
    shape = torch.broadcast_shapes(*(t.shape for t in tensors))
    shape = (1,) * (x.ndim - len(shape)) + tuple(shape)
    wide = [axis for axis, length in enumerate(shape) if length > 1]
    if tuple(shape[wide[0] : wide[-1] + 1]) != tuple(x.shape[wide[0] : wide[-1] + 1]):
        return None
    count = 1
    for axis in wide:
        count *= shape[axis]
    rows = [
        torch.as_tensor(p, dtype=torch.float32, device=x.device).expand(shape).reshape(-1)
        for p in parameters
    ]
    inner = 1
    for length in x.shape[wide[-1] + 1 :]:
        inner *= length
    return torch.stack(rows), count, inner


# -- calls ---------------------------------------------------------------------------------------


def takes(x: torch.Tensor, parameters: Sequence[Any] = ()) -> bool:
    """Whether there is a kernel for ``x``: on a GPU (or interpreted), float32 or half of it."""
    device = x.is_cuda or on_triton.INTERPRETED
    return device and x.dtype in DTYPES and x.numel() > 0 and len(parameters) in _ARITIES


def value(
    code: Callable[..., Any],
    x: torch.Tensor,
    parameters: Sequence[Any],
    bias: torch.Tensor | None = None,
    grad: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """``code(x + bias, *parameters)``, times ``grad`` if given, in the dtype and shape of ``x``.

    Args:
        bias: one number for each place of the last axis.
        parameters: numbers, or tensors that broadcast to the shape of ``x``.

    Returns:
        None where a parameter's shape is not one number for each of some neighbouring axes.
    """
    x = x.contiguous()
    table = _table(x, parameters)
    if table is None:
        return None
    p, channels, inner = table
    y = torch.empty_like(x)
    width = x.shape[-1] if x.ndim else 1
    tensors = [x, x if bias is None else bias.contiguous(), p]
    tensors += [y] if grad is None else [grad.contiguous(), y]
    kind = FORWARD if grad is None else BACKWARD
    loop(kind, code, len(parameters))[(triton.cdiv(x.numel(), BLOCK),)](
        *tensors, x.numel(), width, channels, inner,
        BIASED=bias is not None, SHARED=channels == 1, BLOCK=BLOCK,
    )  # fmt: skip
    return y


def summed(
    by: Callable[..., Any],
    x: torch.Tensor,
    parameters: Sequence[Any],
    place: int,
    grad: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """The gradient of the parameter at ``place``: ``grad * by(x + bias, *parameters)``, summed to
    its shape; in its dtype. None as :func:`value`."""
    x = x.contiguous()
    table = _table(x, parameters)
    parameter = parameters[place]
    if table is None:
        return None
    p, channels, inner = table
    if channels > 1 and parameter.numel() not in (1, channels):
        return None
    width = COLUMNS * 16 if channels == 1 else channels * inner
    rows = triton.cdiv(x.numel(), width)
    programs = triton.cdiv(rows, ROWS), triton.cdiv(width, COLUMNS)
    parts = torch.empty((programs[0], width), dtype=torch.float32, device=x.device)
    loop(SUMMED, by, len(parameters))[programs](
        *(x, x if bias is None else bias.contiguous(), p, grad.contiguous(), parts),
        x.numel(), width, x.shape[-1] if x.ndim else 1, channels, inner,
        BIASED=bias is not None, SHARED=channels == 1, ROWS=ROWS, COLUMNS=COLUMNS,
    )  # fmt: skip
    total = parts.sum(0)
    total = total.reshape(channels, inner).sum(1) if parameter.numel() > 1 else total.sum()
    return total.reshape(parameter.shape).to(parameter.dtype)


def gated(code: Callable[..., Any], a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """``code(a, b)`` of two tensors of one shape, or of two halves, read where they are."""
    a, b, a_step, b_step, columns = _rows(a, b)
    y = torch.empty(a.shape, dtype=a.dtype, device=a.device)
    loop(GATED_FORWARD, code, 0)[(triton.cdiv(y.numel(), BLOCK),)](
        a, b, y, y.numel(), columns, a_step, b_step, BLOCK=BLOCK
    )
    return y


def gated_backward(
    by_a: Callable[..., Any],
    by_b: Callable[..., Any],
    a: torch.Tensor,
    b: torch.Tensor,
    grad: torch.Tensor,
    beside: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both gradients in one pass.

    Args:
        beside: as halves of one tensor, which lie beside each other as those of ``a`` and ``b`` do.
    """
    shape = a.shape
    a, b, a_step, b_step, columns = _rows(a, b)
    rows = a.numel() // columns
    if beside:
        first, second = torch.empty((rows, 2, columns), dtype=a.dtype, device=a.device).unbind(1)
    else:
        first, second = (torch.empty((rows, columns), dtype=a.dtype, device=a.device) for _ in "ab")
    loop(GATED_BACKWARD, by_a, 0, by_b)[(triton.cdiv(a.numel(), BLOCK),)](
        *(a, b, grad.contiguous(), first, second),
        a.numel(), columns, a_step, b_step, first.stride(0), BLOCK=BLOCK,
    )  # fmt: skip
    return first.view(shape), second.view(shape)


def _rows(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int, int, int]:
    """Both, the elements from one row of each to its next, and a row's length.

    A row is what lies in one piece: of halves along an axis, all from that axis on.
    """
    steps = []
    for x in (a, b):
        length, axis = 1, x.ndim
        while axis > 0 and x.stride(axis - 1) == length:
            axis -= 1
            length *= x.shape[axis]
        step = expected = x.stride(axis - 1) if axis else length
        for i in range(axis - 1, -1, -1):
            if x.stride(i) != expected:
                return _rows(a.contiguous(), b.contiguous())
            expected *= x.shape[i]
        steps.append((length, step))
    columns = min(length for length, _ in steps)
    whole = a.numel()
    if any(length not in (columns, whole) for length, _ in steps):
        return _rows(a.contiguous(), b.contiguous())
    one, two = (step if length == columns else columns for length, step in steps)
    return a, b, one, two, columns
