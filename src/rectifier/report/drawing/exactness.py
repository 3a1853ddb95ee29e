"""What the accuracy table says of an activation, in words: ours, and where a framework is off."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rectifier.activation import Activation
from rectifier.catalog.accuracy import DOORS, Measurement, measured

_WRONG = 1e5  # ulp: off by a hundredth part or so
_DOORS = {"numpy": "Rectifier on NumPy", "torch": "Rectifier on torch", "jax": "Rectifier on JAX"}


@dataclass(frozen=True)
class Exactness:
    """How far from exact one way of computing is, in float32.

    Attributes:
        who: ``Rectifier on NumPy``, or another library's call.
        value, derivative: the worst distance, such as ``0.501 ulp at -27.6``.
        wrong: whether it is off by a hundredth part somewhere, or has NaN for a limit.
        ours: whether it is Rectifier's.
    """

    who: str
    value: str
    derivative: str
    wrong: bool
    ours: bool


def exactness(activation: Activation) -> list[Exactness]:
    """Ours first, then the frameworks' own functions; empty where nothing has been measured."""
    rows = [row for row in measured(activation.name) if row.dtype == "float32"]
    if activation.text is not None:
        return []
    callers = dict.fromkeys([*DOORS, *(row.by for row in rows)])
    found = []
    for by in callers:
        both = {row.which: row for row in rows if row.by == by}
        if both:
            value, derivative = both.get("value"), both.get("derivative")
            found.append(
                Exactness(
                    _DOORS.get(by, by),
                    _distance(value),
                    _distance(derivative),
                    by not in DOORS and any(_is_wrong(row) for row in both.values()),
                    by in DOORS,
                )
            )
    return found


def judged_inputs(activation: Activation) -> str:
    """One line on what the figures rest on: the inputs judged, the parameters they are for."""
    mine = [r for r in measured(activation.name) if (r.by, r.dtype) == ("numpy", "float32")]
    if not mine:
        return ""
    swept = [row.which for row in mine if row.exhaustive]
    line = f"{min(row.inputs for row in mine):,} inputs of float32"
    if len(swept) == len(mine):
        line = "NumPy: every one of the 4,294,967,296 inputs of float32"
    elif swept:
        line += f", of the {swept[0]} every one"
    changed = any(activation.parameters[p.name] != p.default for p in activation.declared)
    return line + (", at default parameters" if changed else "")


def _is_wrong(row: Measurement) -> bool:
    return row.ulps >= _WRONG or bool(row.lost)


def _distance(row: Measurement | None) -> str:
    """``exact``, ``rounded correctly``, ``0.5007 ulp at -27.59``, ``1.7e+07 ulp at -11; NaN at
    -inf``; empty without a row."""
    if row is None:
        return ""
    lost = f"; NaN at {' and '.join(row.lost)}".replace("inf", "∞") if row.lost else ""
    if row.ulps == 0:
        return "exact" + lost
    if row.ulps <= 0.5 + 1e-6:
        return "rounded correctly" + lost
    size = "∞" if math.isinf(row.ulps) else f"{row.ulps:.4g}"
    return f"{size} ulp at {row.at:.4g}{lost}" if row.at is not None else f"{size} ulp{lost}"
