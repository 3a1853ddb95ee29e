"""Every word of :mod:`rectifier.ops.words`, as a function of torch tensors.

Imported when the first torch tensor arrives; never before torch.
"""

from __future__ import annotations

from typing import Any

import torch

from rectifier.ops.inputs import parts_of_axis


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
    y = y if isinstance(y, torch.Tensor) else torch.full_like(x, y)
    if not torch.compiler.is_exporting():
        return torch.hypot(x, y)
    # ONNX has none: the larger leg times a root between 1 and 1.42
    x, y = torch.abs(x), torch.abs(y)
    long, short = torch.maximum(x, y), torch.minimum(x, y)
    plain = (long == 0) | (long == torch.inf)
    ratio = short / torch.where(plain, 1.0, long)
    return torch.where(plain, long, long * torch.sqrt(1 + ratio * ratio))


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


VOCABULARY: dict[str, Any] = {
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
