"""The slope as a function of the output: what a gradient needs where the input is not kept.

Between its kinks and the points where its slope is 0 a function rises or falls throughout, so its
output tells its input, and a *branch*, all the way in which it rises or falls, is told by a bit or
two. Each way between two such points is cut in *strips*, which are measured from one end: by the
distance d of the output from what it is there. The slope is smooth in d except at that end, where
it may be a root (a turning point) or hold a logarithm (a tail), so the cells of a strip narrow
towards it by octaves, 32 an octave, and in each a cubic gives the slope within 1e-8.

Written in NumPy, from the rule's own value and derivative in float64; what a library does with the
numbers is in a file of its own (:mod:`rectifier.ops.torch_inverse`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rectifier.ops import on_numpy
from rectifier.ops.rule import Rule, spoken

CELLS = 32  # an octave
MANTISSA, BIAS = 23, 127  # of a float32
SHIFT = MANTISSA - CELLS.bit_length() + 1  # its bits that tell the place in a cell
_DEPTH = 30  # octaves below 1 (or the strip's length): float32 has 24 bits
_LEVEL = 2.0**-27  # change of the slope, beyond which a strip goes no further out
_FARTHEST = 127  # the octave in which float32 ends
_LIMIT = 4  # branches that two bits tell


@dataclass(frozen=True)
class Strip:
    """A stretch of outputs ``anchor + side * d``, for d from 0 to the end of its cells.

    Attributes:
        anchor: the output at the end from which d is measured.
        side: 1 or -1.
        slope: f' at that end.
        low: d below 2**low counts as 2**low.
        cells: cubics in t, the place in a cell from 0 to 1: float64, shape ``(n, 4)``, constant
            term first; 32 to each octave from ``low`` on.
    """

    anchor: float
    side: float
    slope: float
    low: int
    cells: Any


@dataclass(frozen=True)
class Branch:
    """All the way in which f rises, or falls, from its left end.

    Attributes:
        rising: 1.0, or -1.0 where it falls.
        strips: from left to right.
        bounds: the outputs between neighbouring strips.
    """

    rising: float
    strips: tuple[Strip, ...]
    bounds: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Inverse:
    """How to find a function's slope from its output.

    Attributes:
        turns: branch number k is that of inputs above ``turns[k - 1]`` and not above ``turns[k]``.
        branches: one more than ``turns``.
    """

    turns: tuple[float, ...]
    branches: tuple[Branch, ...]

    @property
    def bits(self) -> int:
        """Bits an element that tell the branch: 0, 1 or 2."""
        return len(self.turns).bit_length()


def first_cells(how: Inverse) -> list[int]:
    """For each strip, in order, what its bits of d have to be added to for the cell's number among
    those of all strips: bits are those of a float32, without the last :data:`SHIFT`."""
    firsts, passed = [], 0
    for strip in (strip for branch in how.branches for strip in branch.strips):
        firsts.append(passed - (strip.low + BIAS) * CELLS)
        passed += len(strip.cells)
    return firsts


def top_of(strip: Strip) -> float:
    """The largest float32 in the last cell of a strip."""
    return (2 - 2.0**-MANTISSA) * 2.0 ** (strip.low + len(strip.cells) // CELLS - 1)


def rounded(number: float) -> float:
    """``number`` as a float32."""
    import numpy as np

    return float(np.float32(number))


@lru_cache(maxsize=256)
def inverse(rule: Rule, parameters: tuple[float, ...]) -> Inverse | None:
    """How to find the slope of an elementwise rule, or None where its output does not tell it.

    Takes some 50 ms, once for a rule and its numbers.
    """
    breaks = None if rule.breaks is None else rule.breaks(*parameters)
    if breaks is None:
        return None
    import numpy as np

    with np.errstate(all="ignore"):
        return _Maker(rule, parameters).made(sorted({0.0, *breaks}))


class _Maker:
    def __init__(self, rule: Rule, parameters: tuple[float, ...]) -> None:
        import numpy as np

        value, derivative = (
            spoken(code, on_numpy.vocabulary) for code in (rule.value, rule.derivative)
        )
        numbers = [np.float64(p) for p in parameters]
        self.f: Callable[[Any], Any] = lambda x: value(np.asarray(x, np.float64), *numbers)
        self.slope: Callable[[Any], Any] = lambda x: derivative(np.asarray(x, np.float64), *numbers)

    def made(self, breaks: list[float]) -> Inverse | None:
        ends = [-math.inf, *breaks, math.inf]
        heights = [float(self.f(x)) for x in ends]
        if any(math.isnan(y) for y in heights):
            return None
        turns: list[float] = []
        ways: list[list[tuple[int, float]]] = [[]]  # of each branch: the ways, and their direction
        for i in range(len(ends) - 1):
            rise = heights[i + 1] - heights[i]
            if rise == 0 or math.isnan(rise):
                continue
            if ways[-1] and (rise > 0) != (ways[-1][-1][1] > 0):
                turns.append(ends[i])
                ways.append([])
            ways[-1].append((i, rise))
        if len(ways) > _LIMIT or not ways[0]:
            return None
        branches = []
        for way in ways:
            strips: list[Strip] = []
            bounds: list[float] = []
            for i, _ in way:
                level_left = i > 0 and heights[i - 1] == heights[i]
                level_right = i + 2 < len(ends) and heights[i + 2] == heights[i + 1]
                if level_left and not _short(heights[i]):
                    return None
                if level_right and not _short(heights[i + 1]):
                    return None
                added, between = self._strips(ends[i], ends[i + 1], level_left, level_right)
                bounds += [heights[i]] * bool(strips) + between
                strips += added
            branches.append(Branch(math.copysign(1.0, way[0][1]), tuple(strips), tuple(bounds)))
        return Inverse(tuple(turns), tuple(branches))

    def _strips(
        self, left: float, right: float, level_left: bool, level_right: bool
    ) -> tuple[list[Strip], list[float]]:
        """The strips of the way between two breaks, and the output between them if there are two.

        ``level_left``: left of it the function is constant, and at that output its slope is 0.
        """
        low, high = float(self.f(left)), float(self.f(right))
        found = []
        both = math.isfinite(low) and math.isfinite(high)
        for end, y, level in ((left, low, level_left), (right, high, level_right)):
            if not math.isfinite(y):
                continue
            side = math.copysign(1.0, (high - low) if end == left else (low - high))
            slope = 0.0 if level and math.isfinite(end) else float(self.slope(end))
            length = abs(high - low) / 2 if both else math.inf
            found.append(self._strip(y, side, slope, (left, right), length))
        return found, [(low + high) / 2] * both

    def _strip(
        self, y: float, side: float, slope: float, way: tuple[float, float], length: float
    ) -> Strip:
        import numpy as np

        if math.isfinite(length):
            top = math.ceil(math.log2(length))
        else:
            octaves = 2.0 ** np.arange(0, _FARTHEST + 1)
            slopes = self._slopes_at(y + side * octaves, way)
            change = np.abs(slopes - slopes[-1]) > _LEVEL * max(1.0, abs(slopes[-1]))
            top = int(np.flatnonzero(change)[-1]) + 2 if change.any() else 1
            top = min(top, _FARTHEST + 1)
        low = min(top, 0) - _DEPTH
        if y == 0:  # whose neighbours are as close as floats can be
            octaves = 2.0 ** np.arange(low, 1 - _FARTHEST, -1)
            change = np.abs(self._slopes_at(side * octaves, way) - slope) > _LEVEL
            low -= int(change.sum())
        octave, part = np.divmod(np.arange(CELLS * (top - low)), CELLS)
        power = 2.0 ** (low + octave.astype(np.float64))
        nodes = (1 - np.cos(np.pi * (2 * np.arange(4) + 1) / 8)) / 2
        d = power[:, None] * (1 + (part[:, None] + nodes) / CELLS)
        slopes = self._slopes_at(y + side * d, way)
        cells = slopes @ np.linalg.inv(np.vander(nodes, increasing=True)).T
        return Strip(y, side, slope if math.isfinite(slope) else float(cells[0, 0]), low, cells)

    def _slopes_at(self, y: Any, way: tuple[float, float]) -> Any:
        """f' where f is ``y``, found by halving the floats between two breaks, 64 times."""
        import numpy as np

        start, end = (_number(np.float64(x)) for x in way)
        rising = float(self.f(way[1])) > float(self.f(way[0]))
        low, high = np.full(y.shape, start), np.full(y.shape, end)
        for _ in range(64):
            middle = (low >> 1) + (high >> 1) + (low & high & 1)
            short = (self.f(_float(middle)) < y) == rising
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        slopes = self.slope(_float(high if math.isinf(way[0]) else low))
        return np.where(np.isfinite(slopes), slopes, 0.0)


def _short(y: float) -> bool:
    """Whether every dtype has this number: else a level stretch would be taken for a slope."""
    import numpy as np

    return float(np.float32(y)) == y and not np.float32(y).view(np.uint32) & 0xFFFF


def _number(x: Any) -> Any:
    """The place of float64 ``x`` among all floats, as int64; neighbours differ by 1."""
    import numpy as np

    bits = x.view(np.int64)
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def _float(number: Any) -> Any:
    import numpy as np

    return np.where(number < 0, np.int64(-(2**63)) - number, number).view(np.float64)
