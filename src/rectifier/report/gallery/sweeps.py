"""What a slider moves through: parameter values, and a drawing for each combination.

The page computes nothing. Every curve it can show was drawn here, by the definitions
themselves; moving a slider chooses among them.

One parameter has about 40 positions; two have up to 21 each and three up to 9 each, all
combinations drawn, so that sliders work together. A fourth and later parameter keeps its
value: their combinations would not fit a page. Positions are round numbers, and the present
value is always one of them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from rectifier.activation import Activation, Parameter
from rectifier.report.drawing.curves import Curve, Drawing, draw, natural_reach, thinned, value_at

_STEPS = {1: 40, 2: 20, 3: 8}  # by number of sliders
_MANY = 4  # of more coefficients (rational has ten) two move, as coarsely as three would
_AT_LEAST = 1.0  # how far a slider reaches when the value itself is small, as leaky_relu's is
_TIMES = 3.0  # how far otherwise: three times the value
_CEILING = 4.0  # the last finite position of a parameter whose value is infinity

# The drawing's coordinates: a field with room for labels to the left and below.
WIDTH, HEIGHT = 400, 250
LEFT, TOP, RIGHT, BOTTOM = 34, 8, 392, 226
_TOLERANCE = 0.06  # of a unit of these coordinates, which are about CSS pixels


@dataclass(frozen=True)
class Slider:
    """Positions of one parameter, ascending; ``start`` is the index of the present value."""

    parameter: Parameter
    values: tuple[float, ...]
    start: int


@dataclass(frozen=True)
class State:
    """One combination of slider positions; ``sound`` if f is a number all over the window."""

    activation: Activation
    drawing: Drawing
    sound: bool


@dataclass(frozen=True)
class Sweep:
    """All that one entry can show: ``states`` in row-major order of the sliders' positions."""

    sliders: tuple[Slider, ...]
    states: tuple[State, ...]
    start: int


def sweep(activation: Activation) -> Sweep:
    """The sliders of ``activation`` and a drawing for every combination of their positions."""
    movable = [p for p in activation.declared if not p.integer]
    shown = movable[: 2 if len(movable) > _MANY else max(_STEPS)]
    steps = _STEPS[min(len(movable), max(_STEPS))] if movable else 0
    sliders = tuple(
        _slider(p, activation.parameters[p.name], steps, activation.text is not None) for p in shown
    )
    reach = natural_reach(activation)
    states = []
    for values in itertools.product(*(slider.values for slider in sliders)):
        chosen = {s.parameter.name: v for s, v in zip(sliders, values, strict=True)}
        states.append(_state(activation.bind(**chosen), reach))
    start = 0
    for slider in sliders:
        start = start * len(slider.values) + slider.start
    return Sweep(sliders, tuple(states), start)


def _state(activation: Activation, reach: float) -> State:
    values = value_at(activation, np.linspace(-reach, reach, 41))
    if np.isfinite(values).all():
        return State(activation, draw(activation, reach), True)
    nothing = Curve((), ())  # the square root of a negative parameter: no curve, no facts
    return State(activation, Drawing(activation, reach, nothing, nothing), False)


def _slider(parameter: Parameter, value: float, steps: int, typed: bool) -> Slider:
    if math.isinf(value):
        positions = {*_round_numbers(0.0, _CEILING, steps), value} - {0.0}
    else:
        size = max(_AT_LEAST, _TIMES * abs(value))
        low, high = max(parameter.low, -size), min(parameter.high, size)
        if typed and value != 0:  # of a formula nobody knows where it breaks: keep the sign
            low, high = (0.1 * value, 3 * value) if value > 0 else (3 * value, 0.1 * value)
        positions = {*_round_numbers(low, high, steps), float(value)}
        if parameter.positive:
            positions.discard(parameter.low)
    ascending = tuple(sorted(positions))
    return Slider(parameter, ascending, ascending.index(value))


def _round_numbers(low: float, high: float, steps: int) -> list[float]:
    """Multiples of a round step in ``[low, high]``, at most ``steps + 1`` of them."""
    least = (high - low) / steps
    power = 10.0 ** math.floor(math.log10(least))
    step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= least * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) + 0.0 for n in range(first, last + 1)]


# -- as paths ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """Where x in ±reach and y in [low, high] come to lie in the drawing's coordinates."""

    reach: float
    low: float
    high: float

    def x(self, x: float) -> float:
        return round(LEFT + (x + self.reach) / (2 * self.reach) * (RIGHT - LEFT), 1)

    def y(self, y: float) -> float:
        return round(TOP + (self.high - y) / (self.high - self.low) * (BOTTOM - TOP), 1)


def paths(curve: Curve, frame: Frame) -> list[str]:
    """SVG path data of a curve, of its filled dots and of its rings.

    A dot is a stroke of no length, which round caps make a disc.
    """
    lines = [_line(piece, frame) for piece in curve.pieces]
    dots = [
        "".join(
            f"M{frame.x(x):g} {frame.y(y):g}h0"
            for x, y in curve.dots(kind)
            if abs(x) < frame.reach and frame.low <= y <= frame.high
        )
        for kind in ("on", "off")
    ]
    return ["".join(lines), *dots]


def _line(piece: np.ndarray, frame: Frame) -> str:
    room = frame.high - frame.low  # beyond the window a curve may end: the clip hides it
    x = LEFT + (piece[:, 0] + frame.reach) / (2 * frame.reach) * (RIGHT - LEFT)
    y = piece[:, 1].clip(frame.low - room, frame.high + room)
    y = TOP + (frame.high - y) / room * (BOTTOM - TOP)
    return "M" + "L".join(
        f"{a:g} {b:g}" for a, b in thinned(np.stack([x, y], axis=1), _TOLERANCE).round(1).tolist()
    )
