"""The slope from the output, in torch: :mod:`rectifier.ops.inverse` on tensors.

Imported when the first torch tensor arrives; never before torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from rectifier.ops import torch_bits, torch_plain
from rectifier.ops.inverse import CELLS, SHIFT, Inverse, first_cells, inverse, top_of
from rectifier.ops.rule import Rule

_CHUNK = 1 << 16  # elements, whose 15 temporaries of 256 KiB stay in the cache
EXPONENT = 0x7F800000


class Table(NamedTuple):
    """An :class:`Inverse` as tensors of float32; one row for each strip or cell."""

    high: torch.Tensor  # the anchor, and what its rounding to float32 lost
    rest: torch.Tensor
    side: torch.Tensor
    slope: torch.Tensor
    low: torch.Tensor  # d is held between these
    top: torch.Tensor
    first: torch.Tensor  # cell number of the strip's first cell, less that of its bits
    cells: torch.Tensor  # (cells, 4)


def found(rule: Rule, x: torch.Tensor, parameters: Sequence[Any]) -> Inverse | None:
    """The inverse of a rule that is to keep little, if its output tells the slope.

    In float64 it would be no better than in float32, and the input is kept.
    """
    if rule.exact is None or not rule.elementwise or x.dtype == torch.float64:
        return None
    if not all(isinstance(p, (int, float)) for p in parameters):
        return None
    return inverse(rule.exact, tuple(float(p) for p in parameters))


def branches(how: Inverse, x: torch.Tensor) -> list[torch.Tensor]:
    """Which branch each element of ``x`` is on, packed; nothing where there is but one."""
    if not how.turns:
        return []
    kernels = torch_plain.on_gpu(x)
    if kernels is not None:
        return [kernels.gpu_low.noted(how, x)]
    notes = torch_plain.branch_notes(how, x)
    if notes is not None:
        return [notes]
    turns = (_not_above(turn, x.dtype) for turn in how.turns)
    first, *others = (torch.gt(x, turn).view(torch.uint8) for turn in turns)
    return [torch_bits.pack(sum(others, start=first), how.bits)]


def _not_above(number: float, dtype: torch.dtype) -> float:
    """The dtype's largest number that is not above: what PyTorch would round it to may be."""
    step = math.ldexp(torch.finfo(dtype).eps, math.frexp(number)[1] - 1)
    return math.floor(number / step) * step


def chained(
    how: Inverse, y: torch.Tensor, grad: torch.Tensor, packed: torch.Tensor | None = None
) -> torch.Tensor:
    """``grad`` times the slope where f is ``y``, in float32 or the dtype of ``y``."""
    kernels = torch_plain.on_gpu(y, grad) if _plain(y, grad) else None
    if kernels is not None:
        return kernels.gpu_low.sloped(how, y, grad, packed)
    done = torch_plain.by_slopes(how, y, grad, packed) if _plain(y, grad) else None
    if done is not None:
        return done
    codes = None if packed is None else torch_bits.unpack(packed, how.bits, y.shape)
    if not _plain(y, grad):
        return grad.float() * slopes(how, y, codes, _table(how, y.device))
    table = kept_table(how, y.device)
    done = torch.empty(y.shape, dtype=torch.float32, device=y.device)
    flat_y, flat_grad, flat = y.reshape(-1), grad.reshape(-1), done.view(-1)
    flat_codes = None if codes is None else codes.reshape(-1)
    for start in range(0, flat.numel(), _CHUNK):
        part = slice(start, start + _CHUNK)
        here = None if flat_codes is None else flat_codes[part]
        torch.mul(flat_grad[part], slopes(how, flat_y[part], here, table), out=flat[part])
    return done


def slopes(how: Inverse, y: torch.Tensor, codes: torch.Tensor | None, table: Table) -> torch.Tensor:
    """The slope where f is ``y`` on the branches ``codes``, float32; differentiable by ``y``."""
    y = y.float()
    strip = _strips(how, y, codes)
    d = table.side[strip] * ((y - table.high[strip]) - table.rest[strip])
    held = torch.minimum(torch.maximum(d, table.low[strip]), table.top[strip])
    bits = held.detach().view(torch.int32)
    cell = table.first[strip] + (bits >> SHIFT)
    cell = torch.clamp(cell, 0, table.cells.shape[0] - 1)  # NaN has a number beyond all
    t = held / (bits & EXPONENT).view(torch.float32) * CELLS
    t = t - torch.floor(t.detach())
    c = table.cells[cell]
    inside = c[..., 0] + t * (c[..., 1] + t * (c[..., 2] + t * c[..., 3]))
    at_end = torch.where(d <= 0, table.slope[strip], inside)
    return torch.where(torch.isnan(y), y, at_end)


def _strips(how: Inverse, y: torch.Tensor, codes: torch.Tensor | None) -> torch.Tensor:
    """The number of each element's strip, counted through all branches."""
    numbers, first = [], 0
    for branch in how.branches:
        number = torch.full_like(y, first, dtype=torch.int32)
        for bound in branch.bounds:
            number = number + (torch.gt(y, bound) if branch.rising > 0 else torch.lt(y, bound))
        numbers.append(number)
        first += len(branch.strips)
    strip = numbers[0]
    for place, number in enumerate(numbers[1:], 1):
        strip = torch.where(codes == place, number, strip)
    return strip


@lru_cache(maxsize=64)
def kept_table(how: Inverse, device: torch.device) -> Table:
    return _table(how, device)


def _table(how: Inverse, device: torch.device) -> Table:
    strips = [strip for branch in how.branches for strip in branch.strips]
    floats: list[list[float]] = [[] for _ in range(6)]
    cells: list[list[float]] = []
    for strip in strips:
        row = (strip.anchor, 0.0, strip.side, strip.slope, 2.0**strip.low, top_of(strip))
        for column, number in zip(floats, row, strict=True):
            column.append(number)
        cells += strip.cells.tolist()
    exact = torch.tensor(floats, dtype=torch.float64)
    rounded = exact.float()
    rounded[1] = (exact[0] - rounded[0]).float()
    high, rest, side, slope, low, top = rounded.to(device)
    return Table(
        *(high, rest, side, slope, low, top),
        torch.tensor(first_cells(how), dtype=torch.int32, device=device),
        torch.tensor(cells, dtype=torch.float32, device=device),
    )


def _plain(*tensors: torch.Tensor) -> bool:
    """Whether nobody records what is done with them, so that it may be done piece by piece."""
    recorded = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    watched = torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0
    wrapped = any(
        torch._C._functorch.is_functorch_wrapped_tensor(t) or torch._is_functional_tensor(t)
        for t in tensors
    )
    return not (recorded or watched or wrapped)
