"""On GPUs: notes of a bit or two an element, and slopes from outputs and notes.

The loops behind ``memory="low"`` and behind the bits that straight lines keep: what
:mod:`rectifier.ops.torch_bits` and :mod:`rectifier.ops.torch_inverse` do in a dozen operations and
more, in one. Notes lie as :func:`rectifier.ops.torch_bits.pack` lays them: byte k has those of the
elements k, k + length, k + 2 length, ..., so neighbours are read and written together. Imported
when the first CUDA tensor arrives; never before triton.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl

from rectifier.kernels import gpu
from rectifier.kernels.gpu import BLOCK
from rectifier.ops import torch_bits
from rectifier.ops.inverse import CELLS, SHIFT, Inverse
from rectifier.ops.rule import Rule
from rectifier.ops.torch_inverse import EXPONENT, kept_table

# -- loops ---------------------------------------------------------------------------------------


@triton.jit
def _noted(
    x, notes, n, length, turn_0, turn_1, turn_2,
    TURNS: tl.constexpr, BITS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    k = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    byte = tl.zeros([BLOCK], tl.int32)
    for part in tl.static_range(8 // BITS):
        i = k + part * length
        z = tl.load(x + i, mask=(k < length) & (i < n), other=0.0).to(tl.float32)
        code = (z > turn_0).to(tl.int32)
        if TURNS > 1:
            code += (z > turn_1).to(tl.int32)
        if TURNS > 2:
            code += (z > turn_2).to(tl.int32)
        byte |= tl.where(i < n, code, 0) << (BITS * part)
    tl.store(notes + k, byte.to(tl.uint8), mask=k < length)


@triton.jit
def _sloped(
    y, notes, grad, out, strips, first, cells, plan, n, length, count,
    BITS: tl.constexpr, BRANCHES: tl.constexpr, BOUNDS: tl.constexpr, STRIPS: tl.constexpr,
    CELLS: tl.constexpr, SHIFT: tl.constexpr, EXPONENT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    z = tl.load(y + i, mask=mask, other=0.0).to(tl.float32)
    code = tl.zeros([BLOCK], tl.int32)
    if BITS > 0:
        byte = tl.load(notes + i % length, mask=mask, other=0).to(tl.int32)
        code = (byte >> (BITS * (i // length)).to(tl.int32)) & ((1 << BITS) - 1)
    strip = tl.zeros([BLOCK], tl.int32)
    for branch in tl.static_range(BRANCHES):
        start = tl.load(plan + branch).to(tl.int32)
        strip = tl.where(code == branch, start, strip)
    for j in tl.static_range(BOUNDS):
        bound = tl.load(plan + BRANCHES + 3 * j)
        rising = tl.load(plan + BRANCHES + 3 * j + 1)
        mine = code == tl.load(plan + BRANCHES + 3 * j + 2).to(tl.int32)
        strip += (mine & (rising * z > rising * bound)).to(tl.int32)
    d = tl.load(strips + strip + 2 * STRIPS)
    d = d * ((z - tl.load(strips + strip)) - tl.load(strips + strip + STRIPS))
    low = tl.load(strips + strip + 4 * STRIPS)
    top = tl.load(strips + strip + 5 * STRIPS)
    held = tl.where(d > low, tl.where(d < top, d, top), low)
    bits = held.to(tl.int32, bitcast=True)
    cell = tl.load(first + strip) + (bits >> SHIFT)
    cell = tl.where(cell < 0, 0, tl.where(cell < count, cell, count - 1))
    t = held / (bits & EXPONENT).to(tl.float32, bitcast=True) * CELLS
    t = t - tl.floor(t)
    c = cells + cell * 4
    inside = tl.load(c) + t * (tl.load(c + 1) + t * (tl.load(c + 2) + t * tl.load(c + 3)))
    slope = tl.where(d <= 0, tl.load(strips + strip + 3 * STRIPS), inside)
    slope = tl.where(z != z, z, slope)
    g = tl.load(grad + i, mask=mask, other=0.0).to(tl.float32)
    tl.store(out + i, (g * slope).to(out.dtype.element_ty), mask=mask)


@triton.jit
def _pieces(
    slope, notes, n, length, one, two, nan,
    BITS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    k = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    byte = tl.zeros([BLOCK], tl.int32)
    for part in tl.static_range(8 // BITS):
        i = k + part * length
        s = tl.load(slope + i, mask=(k < length) & (i < n), other=0.0).to(tl.float32)
        code = tl.where(s != s, nan, tl.where(s == one, 1, tl.where(s == two, 2, 0)))
        byte |= tl.where(i < n, code, 0).to(tl.int32) << (BITS * part)
    tl.store(notes + k, byte.to(tl.uint8), mask=k < length)


@triton.jit
def _by_pieces(
    notes, grad, out, n, length, zero, one, two, three,
    BITS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    byte = tl.load(notes + i % length, mask=mask, other=0).to(tl.int32)
    code = (byte >> (BITS * (i // length)).to(tl.int32)) & ((1 << BITS) - 1)
    slope = tl.where(code == 0, zero, tl.where(code == 1, one, tl.where(code == 2, two, three)))
    g = tl.load(grad + i, mask=mask, other=0.0).to(tl.float32)
    tl.store(out + i, (g * slope).to(out.dtype.element_ty), mask=mask)


# -- calls ---------------------------------------------------------------------------------------


def noted(how: Inverse, x: torch.Tensor) -> torch.Tensor:
    """The branch of each element of ``x``, packed; ``how`` has two branches or more."""
    x = x.contiguous()
    length, notes = _notes(x, how.bits)
    turns = [*how.turns, 0.0, 0.0][:3]
    _noted[(triton.cdiv(length, BLOCK),)](
        x, notes, x.numel(), length, *turns, TURNS=len(how.turns), BITS=how.bits, BLOCK=BLOCK
    )
    return notes


def sloped(
    how: Inverse, y: torch.Tensor, grad: torch.Tensor, notes: torch.Tensor | None
) -> torch.Tensor:
    """``grad`` times the slope where f is ``y``, in the dtype of ``y``."""
    y, grad = y.contiguous(), grad.contiguous()
    strips, first, cells, plan = _tables(how, y.device)
    out = torch.empty_like(y)
    bits = 0 if notes is None else how.bits
    length = y.numel() if notes is None else notes.numel()
    _sloped[(triton.cdiv(y.numel(), BLOCK),)](
        *(y, y if notes is None else notes, grad, out, strips, first, cells, plan),
        y.numel(), length, cells.shape[0],
        BITS=bits, BRANCHES=len(how.branches),
        BOUNDS=sum(len(branch.bounds) for branch in how.branches), STRIPS=strips.shape[1],
        CELLS=CELLS, SHIFT=SHIFT, EXPONENT=EXPONENT, BLOCK=BLOCK,
    )  # fmt: skip
    return out


def with_lines(
    rule: Rule, x: torch.Tensor, parameters: tuple[Any, ...]
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """f(x) of a function made of straight lines, and notes of the line that each element is on."""
    y = gpu.value(rule.value, x, parameters)
    slope = gpu.value(rule.derivative, x, parameters)
    if y is None or slope is None:
        return None
    slopes, bits = torch_bits.slopes_of(rule, list(parameters))
    length, notes = _notes(slope, bits)
    nowhere = float("inf")  # no slope is
    one, two = [*slopes[1:], nowhere, nowhere][:2]
    _pieces[(triton.cdiv(length, BLOCK),)](
        *(slope, notes, slope.numel(), length, one, two, len(slopes)), BITS=bits, BLOCK=BLOCK
    )
    return y, notes


def by_lines(
    rule: Rule, grad: torch.Tensor, notes: torch.Tensor, parameters: tuple[Any, ...]
) -> torch.Tensor:
    """``grad`` times the slopes that were noted, in its dtype."""
    slopes, bits = torch_bits.slopes_of(rule, list(parameters))
    grad = grad.contiguous()
    out = torch.empty_like(grad)
    four = [*slopes, *[float("nan")] * 3][:4]
    _by_pieces[(triton.cdiv(grad.numel(), BLOCK),)](
        *(notes, grad, out, grad.numel(), notes.numel(), *four), BITS=bits, BLOCK=BLOCK
    )
    return out


def _notes(x: torch.Tensor, bits: int) -> tuple[int, torch.Tensor]:
    length = triton.cdiv(x.numel(), 8 // bits)
    return length, torch.empty(length, dtype=torch.uint8, device=x.device)


@lru_cache(maxsize=64)
def _tables(how: Inverse, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Strips as rows, the cells, and the plan: where branches start, and the bounds in them."""
    table: Any = kept_table(how, device)
    starts, bounds, start = [], [], 0
    for number, branch in enumerate(how.branches):
        starts.append(float(start))
        start += len(branch.strips)
        for bound in branch.bounds:
            bounds += [bound, branch.rising, float(number)]
    plan = torch.tensor([*starts, *bounds], dtype=torch.float32, device=device)
    return torch.stack(list(table[:6])), table.first, table.cells, plan
