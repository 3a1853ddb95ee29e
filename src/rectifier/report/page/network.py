"""A drawing of the network that was trained: its layers, units and activation, as SVG."""

from __future__ import annotations

import html
import itertools
from typing import Any

from rectifier.report.charts import shorten

_SHOWN = 9  # units drawn in a layer; of more, four at each end and dots between
_GAP = 21.0  # px from unit to unit
_RADIUS = 6.5


def network_svg(settings: dict[str, Any], task: str, activation: str, width: int) -> str:
    """Layers from left to right with their units, edges and captions; many units abbreviated.

    Args:
        settings: ``inputs``, ``hidden``, ``outputs`` and ``network`` of a verdict.
        task: "classification" or "regression", which says what the outputs are.
        activation: drawn behind every hidden layer.
        width: px; grows where the layers need more.
    """
    sizes = [int(settings["inputs"]), *map(int, settings["hidden"]), int(settings["outputs"])]
    step = max(74.0, (width - 90.0) / max(1, len(sizes) - 1))
    left, top = 46.0, 14.0
    middle = top + (_SHOWN - 1) / 2 * _GAP
    columns = [_column(size, left + place * step, middle) for place, size in enumerate(sizes)]
    full_width = 2 * left + step * (len(sizes) - 1)
    bottom = top + (_SHOWN - 1) * _GAP + 34
    parts = [_edges(a, b) for a, b in itertools.pairwise(columns)]
    for place, (size, column) in enumerate(zip(sizes, columns, strict=True)):
        hidden = 0 < place < len(sizes) - 1
        kind = "input" if place == 0 else "hidden" if hidden else "output"
        x = left + place * step
        parts += [f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{_RADIUS:g}"/>' for y in column]
        if size > _SHOWN:
            parts += [
                f'<circle class="more" cx="{x:g}" cy="{middle + offset:g}" r="1.6"/>'
                for offset in (-6, 0, 6)
            ]
        upper, lower = _caption(place, size, kind, task, activation, step)
        for dy, text, style in ((0, upper, "count"), (15, lower, kind)):
            parts.append(
                f'<text class="{style}" x="{x:g}" y="{bottom + dy:g}">{html.escape(text)}</text>'
            )
    label = f"network: {describe(settings, task, activation)}"
    return (
        f'<svg class="chart network" role="img" aria-label="{html.escape(label)}" '
        f'viewBox="0 0 {full_width:g} {bottom + 24:g}" width="{full_width:g}" '
        f'height="{bottom + 24:g}">{"".join(parts)}</svg>'
    )


def describe(settings: dict[str, Any], task: str, activation: str) -> str:
    """The same in words: ``13 inputs, hidden layers of 64 and 64 units with elu, 3 outputs``."""
    hidden = [f"{units:,}" for units in settings["hidden"]]
    many = len(hidden) > 1
    layers = " and ".join([", ".join(hidden[:-1]), hidden[-1]] if many else hidden)
    inputs, outputs = settings["inputs"], settings["outputs"]
    ending = "softmax" if task == "classification" else "identity"
    return (
        f"{inputs:,} input{'' if inputs == 1 else 's'}, hidden layer{'s' if many else ''} of "
        f"{layers} units with {activation}, {outputs:,} output{'' if outputs == 1 else 's'} "
        f"with {ending}; {parameters(settings):,} weights and biases"
    )


def parameters(settings: dict[str, Any]) -> int:
    """Weights and biases of the dense layers, scales of batch norm."""
    sizes = [int(settings["inputs"]), *map(int, settings["hidden"]), int(settings["outputs"])]
    norm = sum(sizes[1:-1]) if settings.get("batch_norm") else 0  # a scale a unit
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes)) + norm


def _column(size: int, x: float, middle: float) -> dict[float, float]:
    """``{y: x}`` of the units that are drawn."""
    if size <= _SHOWN:
        offsets = [place - (size - 1) / 2 for place in range(size)]
    else:
        ends = range(_SHOWN // 2)
        offsets = [place - (_SHOWN - 1) / 2 for place in ends]
        offsets += [-offset for offset in reversed(offsets)]
    return {middle + offset * _GAP: x for offset in offsets}


def _edges(left: dict[float, float], right: dict[float, float]) -> str:
    path = "".join(
        f"M{xa + _RADIUS:g} {ya:g}L{xb - _RADIUS:g} {yb:g}"
        for ya, xa in left.items()
        for yb, xb in right.items()
    )
    return f'<path class="edges" d="{path}"/>'


def _caption(
    place: int, size: int, kind: str, task: str, activation: str, step: float
) -> tuple[str, str]:
    if kind == "hidden":
        return f"{size:,}", shorten(activation, max(6, int(step / 6.4)))
    if kind == "input":
        return f"{size:,}", "inputs" if size != 1 else "input"
    return f"{size:,}", "softmax" if task == "classification" else "output"
