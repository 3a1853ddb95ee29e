"""What can be said of a formula without a proof: where it is finite, and its facts, by trying."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from rectifier.activation import Facts
from rectifier.errors import FormulaError
from rectifier.ops import on_numpy
from rectifier.ops.rule import speak

_NEAR = 10.0  # where a formula has to be finite
_SUSPECTS = 8  # steepest steps of the grid that are looked at more closely
_POLE = 1e8  # growth, while zooming in, that only a pole shows


def _unworried(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without NumPy's warnings: overflow is what is looked for here, or no matter."""

    @wraps(function)
    def quiet(*arguments: Any) -> Any:
        import numpy as np

        with np.errstate(all="ignore"):
            return function(*arguments)

    return quiet


@_unworried
def refuse_undefined(function: Callable[..., Any], values: tuple[float, ...], subject: str) -> None:
    """Refuses a function that is not finite somewhere in [-10, 10]; poles between grid points
    are found by zooming in on the steepest steps.

    Raises:
        FormulaError: with ``subject`` and the place.
    """
    import numpy as np

    compute = _speaker(function, values, np.float32)  # as JAX would; on_numpy has float64
    grid = np.linspace(-_NEAR, _NEAR, 2001)
    y = compute(grid)
    at = None
    if not np.isfinite(y).all():
        at = grid[~np.isfinite(y)][0]
    else:
        scale = 1 + np.abs(y).max()
        for low, high in _steepest_steps(grid, y):
            place, _, largest = _zoomed(_speaker(function, values, np.float64), low, high)
            if not largest < _POLE * scale:
                at = place
                break
    if at is not None:
        raise FormulaError(f"{subject} is not a finite number at x = {at:.6g}; it must be")


@_unworried
def finite_stretch(function: Callable[..., Any], values: tuple[float, ...]) -> tuple[float, float]:
    """The stretch around 0 in which float32 computes finite numbers; infinite ends for all."""
    import numpy as np

    side = np.concatenate([np.linspace(0, 20, 401), np.geomspace(20, 3e38, 800)])
    compute = _speaker(function, values, np.float32)
    ends = []
    for sign in (-1, 1):
        grid = (sign * side).astype(np.float32)
        wrong = np.flatnonzero(~np.isfinite(compute(grid)))
        ends.append(float(grid[max(wrong[0] - 1, 0)]) if wrong.size else sign * math.inf)
    return ends[0], ends[1]


@_unworried
def measured_facts(
    value: Callable[..., Any],
    derivative: Callable[..., Any],
    values: tuple[float, ...],
    cornered: bool,
) -> Facts:
    """Facts read off a fine grid on [-50, 50], with the far ends told from points out to 1e15."""
    import numpy as np

    f, slope = (_speaker(function, values, np.float64) for function in (value, derivative))
    grid = np.linspace(-50, 50, 20_001)
    y, rise = f(grid), slope(grid)
    y, rise = (np.where(np.isfinite(a), a, np.sign(np.nan_to_num(a)) * 1e300) for a in (y, rise))
    ends = [_end(f, sign) for sign in (-1.0, 1.0)]
    jumps = _jumps(f, grid, y) if cornered else []
    bends = _jumps(slope, grid, rise) if cornered else []
    low, low_attained = _extreme(grid, y, rise, ends, -1)
    high, high_attained = _extreme(grid, y, rise, ends, 1)
    far = slope(np.array([-1e6, -1e4, 1e4, 1e6]))
    steepest = float(np.abs(rise).max())
    steeper = max(abs(far[0]) > 1.01 * steepest, abs(far[3]) > 1.01 * steepest)
    unbounded = steeper or bool(jumps) or steepest > 1e30
    steepest = max(steepest, *(float(s) for s in np.abs(far) if math.isfinite(s)))
    return Facts(
        "step" if steepest == 0 else "linear" if np.ptp(rise) == 0 else "non-linear",
        range=(low, high),
        attained=(low_attained, high_attained),
        monotone=bool((np.diff(y) >= -1e-9 * (1 + np.abs(y[1:]))).all()),
        stationary=None,
        convex=not jumps and bool((np.diff(rise) >= -1e-9 * (1 + steepest)).all()),
        smoothness=-1 if jumps else 0 if bends else math.inf if not cornered else 1,
        kinks=tuple(sorted({*jumps, *bends})),
        lipschitz=math.inf if unbounded else steepest,
        zero_centred=bool(np.allclose(y, -y[::-1], rtol=1e-9, atol=1e-12)),
    )


def _speaker(
    function: Callable[..., Any], values: tuple[float, ...], dtype: Any
) -> Callable[[Any], Any]:
    """The function as NumPy computes it in ``dtype``."""
    import numpy as np

    spoken = speak(function, on_numpy.vocabulary())
    numbers = [dtype(v) for v in values]  # Python's own raise where NumPy's give NaN

    def compute(x: Any) -> Any:
        y = spoken(x.astype(dtype), *numbers)
        return np.broadcast_to(y, x.shape).astype(np.float64)

    return compute


def _steepest_steps(grid: Any, y: Any) -> list[tuple[float, float]]:
    import numpy as np

    # two grid steps wide, so that a pole or jump on a grid point is inside
    steps = np.abs(y[2:] - y[:-2])
    first = np.argsort(steps)[::-1][:_SUSPECTS]
    return [(float(grid[i]), float(grid[i + 2])) for i in first]


def _zoomed(compute: Callable[[Any], Any], low: float, high: float) -> tuple[float, float, float]:
    """Place of the steepest step between two points, its height, and the largest \\|y\\| met."""
    import numpy as np

    largest = 0.0
    while True:
        x = np.linspace(low, high, 65)
        y = compute(x)
        largest = max(largest, float(np.abs(y).max())) if not np.isnan(y).any() else math.inf
        i = int(np.argmax(np.abs(np.diff(y)))) if math.isfinite(largest) else 0
        step = abs(float(y[i + 1] - y[i]))
        if not math.isfinite(largest) or x[i + 1] - x[i] <= 1e-13 * (1 + abs(x[i])):
            return float(x[i]), step, largest
        low, high = float(x[i]), float(x[i + 1])


def _jumps(compute: Callable[[Any], Any], grid: Any, y: Any) -> list[float]:
    """Where a function jumps: its steepest steps, if they stay as high under the lens."""
    import numpy as np

    found: list[float] = []
    for low, high in _steepest_steps(grid, y):
        ends = compute(np.array([low, high]))
        place, step, _ = _zoomed(compute, low, high)
        if step > 0.1 * abs(ends[1] - ends[0]) and step > 1e-9:
            place = round(place, 9) + 0.0
            if place not in found:
                found.append(place)
    return found


def _end(f: Callable[[Any], Any], sign: float) -> float:
    """The limit towards ``sign * inf`` as far as points show it; NaN where they show none."""
    import numpy as np

    near, far, farthest = f(sign * np.array([1e6, 1e10, 1e15]))
    if math.isinf(farthest):
        return float(farthest)
    if not math.isfinite(farthest) or abs(farthest - far) > 1e-3 * (1 + abs(far)):
        growing = abs(near) < abs(far) < abs(farthest)
        return math.copysign(math.inf, farthest) if growing else math.nan
    return float(farthest)


def _extreme(grid: Any, y: Any, rise: Any, ends: list[float], sign: int) -> tuple[float, bool]:
    """Supremum (``sign`` 1) or infimum (-1), and whether a finite input reaches it."""
    import numpy as np

    inside = float((sign * y).max())
    beyond = max((sign * e for e in ends if not math.isnan(e)), default=-math.inf)
    tolerance = 1e-9 * (1 + abs(inside))
    if beyond > inside:
        return sign * beyond + 0.0, False
    reached = np.abs(sign * y - inside) <= tolerance
    flat = bool((reached & (rise == 0) & (np.abs(grid) <= _NEAR)).any())  # a floor, as relu's
    return sign * inside + 0.0, flat or inside > beyond + tolerance
