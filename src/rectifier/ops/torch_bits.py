"""Small numbers packed into bytes: what a piecewise-linear function keeps for its gradient.

Imported when the first torch tensor arrives; never before torch.
"""

from __future__ import annotations

from typing import Any

import torch


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
