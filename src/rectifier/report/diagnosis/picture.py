"""A picture of a network in which each layer is coloured by its share of dead units."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from rectifier.report.charts import shorten
from rectifier.report.plain import percent

_SHOWN = 80  # boxes; of longer networks the ends
_HEIGHT, _GAP, _TOP = 46.0, 26.0, 8.0
_DRAWN = ("weights", "lookup", "normalise", "activation", "join", "other")


@dataclass
class Box:
    """One layer of the picture: a step with weights takes the activation behind it in."""

    name: str
    lines: list[str]
    dead: float | None = None
    faults: int = 0
    layers: set[str] = field(default_factory=set)


def boxes(diagnosis: Mapping[str, Any]) -> list[Box]:
    """The layers in the order of the forward pass."""
    waiting: dict[str, list[Mapping[str, Any]]] = {}
    for row in diagnosis["layers"]:
        waiting.setdefault(row["layer"], []).append(row)
    found: list[Box] = []
    last: tuple[int, str] | None = None  # place and role of the box's last step
    for place, step in enumerate(diagnosis["network"]):
        if step["role"] not in _DRAWN:
            continue
        row = None
        if step["role"] == "activation" and waiting.get(step["layer"]):
            row = waiting[step["layer"]].pop(0)
        joined = step["role"] == "activation" and last == (place - 1, "weights")
        if not joined:
            name = step["layer"] or step["operation"]
            found.append(Box(name, []))
        box = found[-1]
        box.layers.add(step["layer"] or step["operation"])
        if step["role"] == "activation":
            box.lines.append(str(step["activation"]))
        else:
            units = f", {step['features']:,} units" if step["features"] else ""
            box.lines.append(f"{step['operation'].strip('_')}{units}")
        if row is not None:
            box.dead = row["dead"]
        last = (place, step["role"])
    for box in found:
        box.faults = sum(
            item["severity"] == "fault" and item["layer"] in box.layers
            for item in diagnosis["findings"]
        )
    return found


def picture(diagnosis: Mapping[str, Any], width: int, columns: int) -> str | None:
    """SVG: boxes row by row, arrows between them; None for a model whose steps were not seen."""
    every = boxes(diagnosis)
    if not every:
        return None
    if len(every) > _SHOWN:
        left_out = Box("...", [f"{len(every) - _SHOWN} more"])
        every = [*every[: _SHOWN // 2], left_out, *every[-_SHOWN // 2 :]]
    wide = (width - _GAP * (columns - 1) - 4) / columns
    parts = []
    for place, box in enumerate(every):
        x, y = _corner(place, columns, wide)
        parts.append(_box(box, x, y, wide))
        if place:
            parts.append(_arrow(_corner(place - 1, columns, wide), (x, y), wide))
    height = _corner(len(every) - 1, columns, wide)[1] + _HEIGHT + 8
    label = f"the network: {len(every)} layers, coloured by their share of dead units"
    return (
        f'<svg class="chart layers" role="img" aria-label="{html.escape(label)}" '
        f'viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}">'
        f"{''.join(parts)}</svg>"
    )


def colour(dead: float | None) -> str:
    """From the page's quiet accent (none dead) to its warning (all dead); grey: not known."""
    if dead is None:
        return "var(--other-soft)"
    return f"color-mix(in srgb, var(--dead) {100 * dead:.0f}%, var(--accent-soft))"


def legend() -> Markup:
    """What the colours mean."""
    shown = [("not measured", None), ("none dead", 0.0), ("half", 0.5), ("all dead", 1.0)]
    return Markup("").join(
        Markup('<span><span class="swatch" style="background: {}"></span>{}</span>').format(
            colour(dead), text
        )
        for text, dead in shown
    )


def _corner(place: int, columns: int, wide: float) -> tuple[float, float]:
    return 2 + (place % columns) * (wide + _GAP), _TOP + (place // columns) * (_HEIGHT + _GAP)


def _box(box: Box, x: float, y: float, wide: float) -> str:
    letters = int(wide / 6.6)
    dead = "" if box.dead is None else f", {percent(box.dead)} dead"
    detail = shorten(" · ".join(box.lines), max(8, letters - len(dead))) + dead
    stroke = "var(--warning)" if box.faults else "var(--axis)"
    over = max(box.dead or 0.0, 0.0) > 0.6
    style = ' class="over"' if over else ""
    title = f"{shorten(box.name, 200)}: {', '.join(box.lines)}{dead}"
    return (
        f"<g{style}><title>{html.escape(title)}</title>"
        f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{_HEIGHT:g}" rx="4" '
        f'stroke="{stroke}" stroke-width="{2 if box.faults else 1}" '
        f'style="fill: {colour(box.dead)}"/>'
        f'<text class="name" x="{x + 9:g}" y="{y + 19:g}">'
        f"{html.escape(shorten(box.name, letters))}</text>"
        f'<text x="{x + 9:g}" y="{y + 35:g}">{html.escape(detail)}</text></g>'
    )


def _arrow(start: Sequence[float], end: Sequence[float], wide: float) -> str:
    (x0, y0), (x1, y1) = start, end
    if y0 == y1:
        path = f"M{x0 + wide:g} {y0 + _HEIGHT / 2:g}H{x1 - 4:g}"
        head = f"M{x1 - 5:g} {y1 + _HEIGHT / 2 - 3:g}l5 3l-5 3"
    else:
        middle = y1 - _GAP / 2
        path = f"M{x0 + wide / 2:g} {y0 + _HEIGHT:g}V{middle:g}H{x1 + wide / 2:g}V{y1 - 4:g}"
        head = f"M{x1 + wide / 2 - 3:g} {y1 - 5:g}l3 5l3 -5"
    return f'<path class="arrow" d="{path}"/><path class="arrow" d="{head}"/>'
