"""Holds stated facts against the function: numerically, with mpmath where equality is meant.

``complaints(activation, facts)`` gives a sentence for each fact that is not so; none for the
true ones. Values come from NumPy in float64, which ``test_accuracy`` holds against the oracle;
whether a bound is attained is asked of the oracle itself, since tanh(20) is 1.0 in floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import mpmath
import numpy as np
from benchmarks import oracle

from rectifier import Activation, Facts

STEP = 2.0**-8
GRID = np.arange(-30, 30 + STEP, STEP)
FAR = np.geomspace(30, 1e7, 200)
EVERYWHERE = np.concatenate([-FAR[::-1], GRID, FAR])
NEAR = np.linspace(-4, 4, 65)  # where the oracle tells a bound that is reached from one that is not


def complaints(act: Activation, facts: Facts) -> list[str]:
    """What is wrong with ``facts``, said of ``act`` at its present parameters."""
    checks = (_range, _monotone, _stationary, _convex, _kinks, _smoothness, _lipschitz)
    checks += (_odd, _kind, _gain)
    return [sentence for check in checks for sentence in check(act, facts)]


def _refined(function, start: float, width: float = 2 * STEP) -> float:
    """The least value of ``function`` near ``start``, by looking ever closer."""
    for _ in range(25):
        x = np.linspace(start - width, start + width, 33)
        if not np.isfinite(function(x)).all():
            break  # on the way to infinity
        start, width = float(x[np.argmin(function(x))]), width / 8
    return float(function(np.array([start]))[0])


def _range(act: Activation, facts: Facts) -> Iterator[str]:
    for side, sign in ((0, 1.0), (1, -1.0)):
        stated, reached = facts.range[side], facts.attained[side]
        y = sign * act(EVERYWHERE)
        ends = [sign * v for v in (act(-math.inf), act(math.inf)) if not math.isnan(v)]
        end = min(ends, default=math.inf)
        inside = _refined(lambda x, s=sign: s * act(x), float(EVERYWHERE[np.argmin(y)]))
        least = min(inside, end)
        if math.isinf(stated):
            if not (least == -math.inf and not reached):
                yield f"range[{side}] is {sign * least}, not {stated}"
            continue
        if not abs(least - sign * stated) <= 1e-11 * (1 + abs(stated)):
            yield f"range[{side}] is {sign * least}, not {stated}"
        kinks = [k + d for k in facts.kinks for d in (-1, 0, 1)]
        with mpmath.workdps(40):  # else the sign would round to 16 digits
            exact = [sign * oracle.one(str(act), x) for x in (*NEAR, *kinks)]
            bound = sign * oracle.limit_number(stated)
            touched = any(abs(v - bound) <= abs(bound) * 1e-36 for v in exact)
        jumps = facts.smoothness == -1  # and may come as close as it likes without arriving
        attains = (inside < end - 1e-9 and not jumps) or touched
        if attains != reached:
            yield f"attained[{side}] is {attains}"


def _monotone(act: Activation, facts: Facts) -> Iterator[str]:
    y = act(EVERYWHERE)
    y = y[np.isfinite(y)]
    falls = bool((np.diff(y) < -1e-12 * (1 + np.abs(y[1:]))).any())
    if falls == facts.monotone:
        yield f"monotone is {not falls}"


def _stationary(act: Activation, facts: Facts) -> Iterator[str]:
    if facts.stationary is None:  # nobody has said; such an entry keeps its input
        return
    grid = GRID[np.abs(GRID) <= 16] + STEP / 3  # further out many a slope vanishes
    slopes = act.derivative(grid)
    size = np.abs(slopes)
    least = (size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:]) & (size[1:-1] < 0.05)
    found = []
    for i in np.flatnonzero(least & (size[:-2] + size[2:] > 0)) + 1:
        beside = np.array([grid[i] - 2 * STEP, grid[i] + 2 * STEP])
        if (np.abs(act.derivative(beside)) < 1e-7).any():
            continue  # a level stretch, or the way into one
        if _refined(lambda x: np.abs(act.derivative(x)), float(grid[i])) < 1e-9:
            found.append(float(grid[i]))
    near = [p for p in facts.stationary if abs(p) <= 16]
    if len(near) != len(found) or any(
        abs(p - f) > 2 * STEP for p, f in zip(near, found, strict=True)
    ):
        yield f"stationary is about {found}, not {facts.stationary}"
    for point in near:
        if abs(float(act.derivative(point))) > 1e-12:
            yield f"the slope at {point} is {act.derivative(point)}"


def _convex(act: Activation, facts: Facts) -> Iterator[str]:
    dented = False
    for width in (1, 16, 512):
        y = act(GRID)
        left, middle, right = y[: -2 * width], y[width:-width], y[2 * width :]
        with np.errstate(over="ignore", invalid="ignore"):
            above = middle - (left + right) / 2
            dented |= bool((above > 1e-12 * (1 + np.abs(left) + np.abs(right))).any())
    if dented == facts.convex:
        yield f"convex is {not dented}"


def _jump(function, place: float) -> float:
    beside = np.array([place - 2.0**-40, place + 2.0**-40])
    left, right = function(beside)
    return abs(float(right - left))


def _kinks(act: Activation, facts: Facts) -> Iterator[str]:
    for kink in facts.kinks:
        if max(_jump(act, kink), _jump(act.derivative, kink)) < 1e-6:
            yield f"there is no kink at {kink}"
    for function in (act, act.derivative):
        with np.errstate(over="ignore", invalid="ignore"):
            steps = np.abs(np.diff(function(GRID)))
        for i in np.argsort(steps)[-12:]:
            low, high = float(GRID[i]) - STEP, float(GRID[i + 1]) + STEP
            if any(low <= kink <= high for kink in facts.kinks):
                continue
            first = steps[i]
            for _ in range(30):  # halve towards the steeper half
                middle = (low + high) / 2
                a, b, c = function(np.array([low, middle, high]))
                low, high = (low, middle) if abs(b - a) > abs(c - b) else (middle, high)
            if abs(function(high) - function(low)) > max(1e-6, 0.05 * first):
                yield f"there is an unstated kink at {low}"


def _smoothness(act: Activation, facts: Facts) -> Iterator[str]:
    jumps = any(_jump(act, k) > 1e-6 for k in facts.kinks)
    if jumps != (facts.smoothness == -1):
        yield f"smoothness is wrong: the function {'jumps' if jumps else 'does not jump'}"
    if (facts.smoothness <= 0) != bool(facts.kinks):
        yield f"smoothness {facts.smoothness} does not go with kinks {facts.kinks}"
    if facts.smoothness > 0:
        fine = np.linspace(-8, 8, 16_001)
        curvature = np.diff(act.derivative(fine)) / np.diff(fine)
        bends = np.abs(np.diff(curvature)).max() > 0.2 * (0.1 + np.abs(curvature).max())
        if bends != (facts.smoothness == 1):
            yield f"smoothness is wrong: f'' {'jumps' if bends else 'does not jump'}"


def _lipschitz(act: Activation, facts: Facts) -> Iterator[str]:
    def steepness(x: np.ndarray) -> np.ndarray:
        return -np.abs(act.derivative(x))

    jumps = any(_jump(act, k) > 1e-6 for k in facts.kinks)
    grown = abs(act.derivative(700.0)) > 1e100
    if jumps or grown:
        if facts.lipschitz != math.inf:
            yield "lipschitz is inf"
        return
    start = EVERYWHERE[np.argmin(steepness(EVERYWHERE))]
    ends = [abs(act.derivative(e)) for e in (-math.inf, math.inf)]
    known = (e for e in ends if not math.isnan(e))
    steepest = max(-_refined(steepness, float(start)), *known, 0.0)
    same = steepest == facts.lipschitz  # both infinite, where the slope grows without end
    if not same and not abs(steepest - facts.lipschitz) <= 1e-9 * (1 + steepest):
        yield f"lipschitz is {steepest}, not {facts.lipschitz}"


def _odd(act: Activation, facts: Facts) -> Iterator[str]:
    odd = bool(np.allclose(act(GRID), -act(-GRID), rtol=1e-14, atol=1e-300))
    if odd != facts.zero_centred:
        yield f"zero_centred is {odd}"


def _kind(act: Activation, facts: Facts) -> Iterator[str]:
    slopes = act.derivative(GRID)
    kind = "step" if not slopes.any() else "linear" if np.ptp(slopes) == 0 else "non-linear"
    if kind != facts.kind:
        yield f"kind is {kind}"


def _gain(act: Activation, facts: Facts) -> Iterator[str]:
    with mpmath.workdps(18):
        breaks = sorted({-12.0, -4.0, 0.0, 4.0, 12.0, *facts.kinks})
        moment = mpmath.quad(lambda z: oracle.at(str(act), z) ** 2 * mpmath.npdf(z), breaks)
    if facts.gain is None or abs(facts.gain - 1 / math.sqrt(moment)) > 1e-7 * facts.gain:
        yield f"gain is {1 / math.sqrt(moment)}, not {facts.gain}"
