"""An activation sampled for drawing: lines that break where the function jumps.

A jump drawn as a steep slope is a false statement about the function. Where a curve jumps is
found by bisection down to neighbouring floats, so it holds for formulas of users too, whose
kinks nobody has written down.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rectifier.activation import Activation
from rectifier.report.drawing.facts import stated

REACH = 5.0  # x runs over ±5: every bend of the catalogue but relu6's second lies well inside
_MARGIN = 4 / 3  # kinks farther out widen the window, so that each is seen with what follows,
_FARTHEST = 15.0  # but not those of a ceiling at 100, beside which nothing else could be seen
_POINTS = 201  # every 0.05 on ±5, which puts 0, 1, 3 and -3 on the grid
_ROOM = 0.05  # of the height above and below, so that no curve runs along the edge
_LEVELS = (1.2, 2.0, 3.0)  # common heights of y-axes, before the reach itself
_HALVINGS = 60  # of 0.05: beyond the distance of neighbouring floats
_SAME = 1e-9  # two places so close are one; a known kink is looked at from as far away
_NEAR = 3e-9  # the same, with room for rounding
_TRIAL = 3  # halvings after which a mere slope has shrunk to 1/8, and is let go
_LEAST = 1e-6  # a jump smaller than this share of the reach is not one that can be seen

_Function = Callable[[Activation, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Jump:
    """Where a curve has no single value: at ``x`` it goes from ``before`` to ``after``.

    ``at`` is what the definition says there.
    """

    x: float
    before: float
    after: float
    at: float


@dataclass(frozen=True)
class Curve:
    """One line to draw.

    Attributes:
        pieces: unbroken runs of points, each ``[points, 2]`` float64, x ascending. Both ends
            of a jump belong to a piece; a point of its own between them does not.
        jumps: in the order of x.
    """

    pieces: tuple[np.ndarray, ...]
    jumps: tuple[Jump, ...]

    @property
    def y(self) -> np.ndarray:
        """All values, ``[points]``."""
        return np.concatenate([piece[:, 1] for piece in self.pieces] or [np.zeros(0)])

    def dots(self, kind: Literal["on", "off"]) -> list[tuple[float, float]]:
        """Where to set a filled dot (``on``: the stated value) or a ring (``off``: not reached)."""
        if kind == "on":
            return [(jump.x, jump.at) for jump in self.jumps]
        return [
            (jump.x, end)
            for jump in self.jumps
            for end in (jump.before, jump.after)
            if abs(end - jump.at) > _LEAST * max(1.0, abs(end))
        ]


@dataclass(frozen=True)
class Drawing:
    """Value and derivative of one activation on ``[-reach, reach]``."""

    activation: Activation
    reach: float
    value: Curve
    derivative: Curve

    @property
    def curves(self) -> tuple[Curve, Curve]:
        return self.value, self.derivative


def draw(activation: Activation, reach: float | None = None, points: int = _POINTS) -> Drawing:
    """Value and derivative of ``activation``, sampled where a drawing needs it.

    A function along an axis (softmax) is drawn as its first output for ``(x, 0, 0)``, and the
    derivative of that output by ``x``.

    Args:
        activation: any entry, with any parameters.
        reach: half the width of the window; None for one that shows every kink.
        points: of the even grid; kinks and both sides of each jump come on top.
    """
    reach = natural_reach(activation) if reach is None else reach
    even = np.linspace(-reach, reach, points)
    inside = [k for k in stated(activation).kinks if -reach < k < reach]
    grid = _including(even, inside)
    slopes = _jumps(activation, slope_at, grid)
    grid = _including(grid, [jump.x for jump in slopes])
    values = _jumps(activation, value_at, grid)
    return Drawing(
        activation,
        reach,
        _curve(grid, value_at(activation, grid), values),
        _curve(grid, slope_at(activation, grid), slopes),
    )


def _including(grid: np.ndarray, points: list[float]) -> np.ndarray:
    """``grid`` with ``points``, instead of those of its own that differ by rounding only."""
    new = np.unique(np.asarray(points, np.float64))
    apart = np.abs(grid[:, None] - new[None, :]).min(axis=1, initial=np.inf) > _NEAR
    return np.sort(np.concatenate([grid[apart], new]))


def natural_reach(activation: Activation) -> float:
    """Half the width of a window in which every kink is seen: 5, or more where kinks are out."""
    near = [abs(kink) for kink in stated(activation).kinks if abs(kink) <= _FARTHEST]
    return max([REACH, *(_MARGIN * kink for kink in near)])


def value_at(activation: Activation, x: np.ndarray) -> np.ndarray:
    """f at ``x [points]``, or what :func:`drawn_instead` says."""
    if activation.elementwise:
        return np.asarray(activation(x))
    if activation.kind == "gated":
        return np.asarray(activation(x, x))
    return np.asarray(_along_last(activation)(_row(activation, x)))[:, 0]


def slope_at(activation: Activation, x: np.ndarray) -> np.ndarray:
    """The slope of :func:`value_at` by x."""
    if activation.elementwise:
        return np.asarray(activation.derivative(x))
    if activation.kind == "gated":
        return np.sum(activation.derivative(x, x), axis=0)
    slope = np.asarray(_along_last(activation).derivative(_row(activation, x)))
    return slope[:, 0] if activation.kind == "reshaping" else slope[:, 0, 0]


def drawn_instead(activation: Activation) -> str:
    """Which curve stands for a function that has none; empty where it has."""
    return {
        "elementwise": "",
        "gated": "f(x, x)",
        "along_axis": "the first output for the row (x, 0, 0)",
        "reshaping": "the first output for the row (x, 0)",
    }[activation.kind]


def _row(activation: Activation, x: np.ndarray) -> np.ndarray:
    others = activation.parameters.get("num_pieces", 2) - 1
    if activation.kind == "along_axis":
        others = 2
    return np.stack([x, *[np.zeros_like(x)] * others], axis=1)


def _along_last(activation: Activation) -> Activation:
    return activation.bind(**{p.name: -1 for p in activation.declared if p.name == "axis"})


# -- jumps ------------------------------------------------------------------------------------


def _jumps(activation: Activation, function: _Function, grid: np.ndarray) -> list[Jump]:
    """Every jump of ``function``: at known kinks, and at most one between points of ``grid``."""
    known = np.asarray([k for k in stated(activation).kinks if grid[0] < k < grid[-1]], np.float64)
    before, after = known - _SAME, known + _SAME
    x = _including(grid, [*before, *after])
    x = x[~np.isin(x, known)]
    y = function(activation, x)
    low, high = x[:-1], x[1:]
    low_y, high_y = y[:-1], y[1:]
    least = _LEAST * (grid[-1] - grid[0])
    found = np.abs(high_y - low_y) > least  # False for NaN
    at_kink = found & np.isin(low, before)
    sought = _bisected(
        activation, function, [a[found & ~at_kink] for a in (low, high, low_y, high_y)]
    )
    jumps = np.concatenate([sought, np.stack([low, low_y, high_y])[:, at_kink]], axis=1)
    jumps = jumps[:, np.abs(jumps[2] - jumps[1]) > least]
    ordered = jumps[:, jumps[0].argsort()].T.tolist()
    return [
        _stated(jump, activation, function)
        for jump in _joined([Jump(x, before, after, before) for x, before, after in ordered])
    ]


def _bisected(
    activation: Activation, function: _Function, intervals: list[np.ndarray]
) -> np.ndarray:
    """``[3, found]``: x, f before and f after, for the intervals in which f seems to jump.

    Each interval is halved towards the greater rise; those whose rise shrinks as fast as they
    do are slopes, and are let go.
    """
    low, high, low_y, high_y = intervals
    first = np.abs(high_y - low_y)
    for halving in range(_HALVINGS):
        if not len(low):
            break
        middle = low + (high - low) / 2
        middle_y = function(activation, middle)
        left = np.abs(middle_y - low_y) >= np.abs(high_y - middle_y)
        low, low_y = np.where(left, low, middle), np.where(left, low_y, middle_y)
        high, high_y = np.where(left, middle, high), np.where(left, middle_y, high_y)
        if halving % _TRIAL == _TRIAL - 1:
            stays = np.abs(high_y - low_y) > first / 4
            low, high, low_y, high_y = low[stays], high[stays], low_y[stays], high_y[stays]
            first = first[stays]
    return np.stack([low, low_y, high_y])


def _joined(jumps: list[Jump]) -> list[Jump]:
    """Two jumps into and out of one point, as sign(x) has, as one."""
    joined: list[Jump] = []
    for jump in jumps:
        if joined and jump.x - joined[-1].x < _NEAR:
            joined[-1] = Jump(jump.x, joined[-1].before, jump.after, jump.before)
        else:
            joined.append(jump)
    return joined


def _stated(jump: Jump, activation: Activation, function: _Function) -> Jump:
    """``jump`` at the round number that is meant, with what the definition says there."""
    kinks = [k for k in stated(activation).kinks if abs(k - jump.x) < _NEAR]
    x = kinks[0] if kinks else round(jump.x, 12) + 0.0
    return Jump(x, jump.before, jump.after, float(function(activation, np.array([x]))[0]))


def _curve(grid: np.ndarray, y: np.ndarray, jumps: list[Jump]) -> Curve:
    """The samples cut at ``jumps`` and at what is no number; both ends of a jump are added."""
    at_jump = np.isin(grid, [jump.x for jump in jumps])
    x, y = grid[~at_jump], y[~at_jump]
    edges = [-np.inf, *(jump.x for jump in jumps), np.inf]
    pieces = []
    for n, (start, end) in enumerate(itertools.pairwise(edges)):
        inside = (x > start) & (x < end)
        points = np.stack([x[inside], y[inside]], axis=1)
        ends = [
            *([[(jumps[n - 1].x, jumps[n - 1].after)]] if n > 0 else []),
            points,
            *([[(jumps[n].x, jumps[n].before)]] if n < len(jumps) else []),
        ]
        pieces += _finite_runs(np.concatenate([np.asarray(e, np.float64) for e in ends]))
    return Curve(tuple(pieces), tuple(jumps))


def _finite_runs(points: np.ndarray) -> list[np.ndarray]:
    sound = np.isfinite(points[:, 1])
    if sound.all():
        return [points] if len(points) else []
    breaks = np.flatnonzero(np.diff(sound)) + 1
    runs = np.split(points, breaks)
    return [run for run in runs if len(run) and np.isfinite(run[0, 1])]


# -- windows ----------------------------------------------------------------------------------


def fitted(drawing: Drawing) -> tuple[float, float]:
    """The y-axis that just holds both curves and 0, never beyond the reach (plus 5 %)."""
    low, high = _extent([drawing])
    room = _ROOM * max(high - low, 0.5)
    return low - room, high + room


def levelled(drawing: Drawing, others: Iterable[Drawing] = ()) -> tuple[float, float]:
    """A y-axis from a short list (±1.2, -2 .. 5, ±5 ...; plus 5 %), so that panels compare.

    Args:
        drawing: is shown whole.
        others: what it may be exchanged for; each is shown as far as ±3.
    """
    low, high = _extent([drawing])
    far_low, far_high = _extent(others)
    farthest = _LEVELS[-1]
    low, high = min(low, max(far_low, -farthest)), max(high, min(far_high, farthest))
    # 0.05: a floor of -2.01 is better cut a little than given an axis of its own
    below, above = (
        next((level for level in _LEVELS if size <= level + 0.05), drawing.reach)
        for size in (-low, high)
    )
    if max(below, above) > _LEVELS[0]:
        below, above = max(below, _LEVELS[1]), max(above, _LEVELS[1])
    room = _ROOM * (below + above)
    return -below - room, above + room


def _extent(drawings: Iterable[Drawing]) -> tuple[float, float]:
    low = high = 0.0
    for drawing in drawings:
        for curve in drawing.curves:
            y = np.clip(curve.y, -drawing.reach, drawing.reach)
            low, high = min(low, y.min(initial=0.0)), max(high, y.max(initial=0.0))
    return float(low), float(high)


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` round numbers in ``[low, high]``: steps of 1, 2 or 5 powers of ten."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (m * step) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) + 0.0 for n in range(first, last + 1)]


# -- fewer points -----------------------------------------------------------------------------


def thinned(points: np.ndarray, tolerance: float) -> np.ndarray:
    """The fewest of ``points`` (x ascending) whose straight lines stay within ``tolerance``.

    One pass: from a kept point the slopes that still serve every point since narrow to a
    cone; the point before the cone closes is kept next.
    """
    if len(points) < 3:
        return points
    rows = points.tolist()
    kept = [0]
    anchor_x, anchor_y = rows[0]
    steepest, flattest = np.inf, -np.inf
    for i in range(1, len(rows)):
        x, y = rows[i]
        run = x - anchor_x
        slope = (y - anchor_y) / run
        if not flattest <= slope <= steepest:
            kept.append(i - 1)
            anchor_x, anchor_y = rows[i - 1]
            run = x - anchor_x
            steepest, flattest = np.inf, -np.inf
        steepest = min(steepest, (y - anchor_y + tolerance) / run)
        flattest = max(flattest, (y - anchor_y - tolerance) / run)
    return points[[*kept, len(rows) - 1]]
