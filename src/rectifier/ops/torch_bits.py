"""Small numbers packed into bytes: what a piecewise-linear function keeps for its gradient.

Imported when the first torch tensor arrives; never before torch.
"""

from __future__ import annotations

from typing import Any

import torch

from rectifier.ops.rule import Rule
from rectifier.ops.torch_computing import wide_of

# Elements: 16 KiB of float32. Of a tensor with fewer the input itself is kept for the gradient,
# which saves a pass, in torch's operations twenty calls of 2 us.
WORTH_PACKING = 4096


def pack(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """``codes``, numbers below ``2**bits``, as bytes: 8, 4 or 2 of them in each.

    Args:
        codes: uint8, any shape, any layout.
        bits: 1, 2 or 4.

    Returns:
        uint8, one axis. Neighbours in it are not neighbours in ``codes``: a byte takes its parts
        from as many equal stretches, since whole stretches are shifted faster than elements.
    """
    parts = 8 // bits
    flat = codes.reshape(-1)
    length = (flat.shape[0] + parts - 1) // parts
    flat = torch.nn.functional.pad(flat, (0, parts * length - flat.shape[0]))
    packed, *others = flat.reshape(parts, length).unbind()
    for place, stretch in enumerate(others, 1):
        packed = packed | (stretch << (bits * place))
    return packed


def unpack(packed: torch.Tensor, bits: int, shape: Any) -> torch.Tensor:
    """The codes of :func:`pack` again, uint8, in the shape that they had."""
    parts = 8 // bits
    stretches = [(packed >> (bits * place)) & (2**bits - 1) for place in range(parts)]
    count = 1
    for length in shape:
        count = count * length
    return torch.cat(stretches)[:count].reshape(shape)


def small(size: Any) -> bool:
    """Whether a tensor of ``size`` elements is kept as it is rather than packed."""
    # a size that is open in a compiled graph is not looked at: the graph would serve no other
    return isinstance(size, int) and size < WORTH_PACKING


def pieces(rule: Rule, parameters: list[Any], slope: torch.Tensor) -> torch.Tensor:
    """Which of the rule's slopes each element of ``slope`` is; one number more for NaN."""
    slopes, bits = slopes_of(rule, parameters)
    codes = torch.ne(slope, slope).view(torch.uint8) * len(slopes)  # NaN
    for code, one in enumerate(slopes[1:], 1):
        found = torch.eq(slope, one).view(torch.uint8)
        codes = codes | (found if code == 1 else found * code)
    return pack(codes, bits)


def slope_of_pieces(
    rule: Rule, parameters: list[Any], packed: torch.Tensor, grad: torch.Tensor
) -> torch.Tensor:
    slopes, bits = slopes_of(rule, parameters)
    codes = unpack(packed, bits, grad.shape)
    table = torch.tensor([*slopes, torch.nan], dtype=wide_of(grad.dtype), device=grad.device)
    # a table of 3 or 4 numbers: a tenth of the time of as many torch.where
    return torch.index_select(table, 0, codes.reshape(-1).int()).reshape(grad.shape)


def slopes_of(rule: Rule, parameters: list[Any]) -> tuple[tuple[float, ...], int]:
    """The slopes that a piecewise-linear rule has, and the bits that tell them and NaN apart."""
    assert rule.slopes is not None
    slopes = rule.slopes(*parameters)
    return slopes, 1 if len(slopes) == 1 else 2
