"""Who stands where: means with intervals, and paired differences to the baseline."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import numpy as np

from rectifier.report.charts import PALETTE, colours, data, shorten, styled
from rectifier.report.plain import Figures

_ROW = 22  # px a line
_LETTER = 5.9  # px, the mean width of a letter at 12 px


def standings(verdict: dict[str, Any], figures: Figures, width: int) -> Any | None:
    """A dot and an interval for every activation's mean score, best first; ``width`` in px.

    Dots too far off to share an axis with the rest become an arrow at the edge with their
    number beside it. None when no activation has a mean.
    """
    unit = f" ({figures.unit})" if figures.unit else ""
    rows = _rows(verdict, ("mean", "ci_low", "ci_high"), figures.scale, figures.value)
    return _dots(rows, width, f"{figures.name}{unit}, mean and interval", [], None)


def differences(
    verdict: dict[str, Any], figures: Figures, margin: float | None, width: int
) -> Any | None:
    """The paired improvement over the baseline, with the zone in which it does not matter.

    A small upright bar marks the expected gain: the difference shrunk towards the family. None
    when there is nothing beside the baseline.
    """
    fields = ("difference", "difference_low", "difference_high")
    rows = [
        row
        for row in _rows(verdict, fields, figures.scale, figures.difference)
        if row["name"] != verdict["baseline"]
    ]
    unit = f" ({figures.step})" if figures.step else ""
    zone = None if margin is None else margin * figures.scale
    title = f"improvement in {figures.name} over {shorten(verdict['baseline'], 24)}{unit}"
    return _dots(rows, width, title, [0.0], zone)


def _rows(
    verdict: dict[str, Any], fields: tuple[str, str, str], scale: float, text: Any
) -> list[dict[str, Any]]:
    rows = []
    for rank, entry in enumerate(verdict["table"], 1):
        middle, low, high = (entry.get(field) for field in fields)
        if middle is None:
            continue
        name = entry["activation"]
        gain = entry.get("expected_gain") if fields[0] == "difference" else None
        recommended, baseline = name == verdict["recommended"], name == verdict["baseline"]
        rows.append(
            {
                "name": name,
                "rank": rank,
                "middle": middle * scale,
                "low": (middle if low is None else low) * scale,
                "high": (middle if high is None else high) * scale,
                "gain": None if gain is None else gain * scale,
                "text": text(middle),
                "colour": PALETTE["accent" if recommended else "baseline" if baseline else "other"],
                "ink": PALETTE["accent" if recommended else "baseline" if baseline else "ink"],
            }
        )
    return rows


def reach(rows: list[dict[str, Any]], always: list[float]) -> tuple[float, float]:
    """The part of the axis to show: all intervals, save those of far outliers.

    One activation that cannot learn lies 50 points below twenty that differ by one; on its
    scale the twenty would be a single dot. Far is four times the middle half's spread.
    """
    middles = np.array([row["middle"] for row in rows])
    halves = np.array([(row["high"] - row["low"]) / 2 for row in rows])
    first, third = np.quantile(middles, [0.25, 0.75])
    spread = max(third - first, 2 * float(np.median(halves)), 1e-12 * float(np.abs(middles).max()))
    near = [
        row for row in rows if first - 4 * spread <= row["middle"] <= third + 4 * spread
    ] or rows
    # An interval may be wide where few runs were made; it is cut rather than ruling the axis.
    low = min(max(row["low"], first - 8 * spread) for row in near)
    high = max(min(row["high"], third + 8 * spread) for row in near)
    low, high = min([low, *always]), max([high, *always])
    pad = 0.04 * (high - low) or 0.5 * abs(high) or 0.5
    return low - pad, high + pad


def _dots(
    rows: list[dict[str, Any]], width: int, title: str, always: list[float], zone: float | None
) -> Any | None:
    if not rows:
        return None
    longest = 26 if width > 500 else 15
    labels = _labels(rows, longest)
    label = max(map(len, labels)) * _LETTER + 16
    reference = [-zone, zone] if zone is not None and math.isfinite(zone) else []
    low, high = reach(rows, always + reference)
    for place, row in enumerate(rows):
        row["place"] = place
        row["label"] = labels[place]
        row["from"], row["to"] = max(row["low"], low), min(row["high"], high)
        row["side"] = "left" if row["middle"] < low else "right" if row["middle"] > high else ""
        if row["gain"] is not None and not low <= row["gain"] <= high:
            row["gain"] = None
    plot = max(120.0, width - label - 10)
    x = alt.X(
        "from:Q",
        title=title if len(title) * 5.6 < plot else _folded(title),
        scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        axis=alt.Axis(tickCount=max(3, round(plot / 90)), grid=True, domain=False, ticks=False),
    )
    y = alt.Y("place:O", axis=None)
    inside = [row for row in rows if not row["side"]]
    layers: list[Any] = []
    if zone is not None and zone > 0:
        layers.append(
            alt.Chart(data([{"from": -zone, "to": zone}]))
            .mark_rect(color=PALETTE["zone"])
            .encode(x=x, x2="to:Q")
        )
    if always:
        rule = alt.Chart(data([{"from": value} for value in always]))
        layers.append(rule.mark_rule(color=PALETTE["baseline"], strokeDash=[3, 3]).encode(x=x))
    base = alt.Chart(data(inside)).encode(y=y)
    layers += [
        base.mark_rule(strokeWidth=2.5, strokeCap="round").encode(
            x=x, x2="to:Q", color=colours(), opacity=alt.value(0.55)
        ),
        base.mark_point(filled=True, size=62, opacity=1, stroke=PALETTE["paper"]).encode(
            x="middle:Q", color=colours()
        ),
    ]
    if any(row["gain"] is not None for row in inside):
        tick = base.transform_filter("isValid(datum.gain)")
        layers.append(
            tick.mark_tick(thickness=1.5, height=13, color=PALETTE["ink"]).encode(x="gain:Q")
        )
    layers += _arrows([row for row in rows if row["side"]], y)
    layers.append(
        alt.Chart(data(rows))
        .mark_text(align="right", fontSize=12)
        .encode(
            x=alt.value(-10),
            y=y,
            text="label:N",
            color=colours("ink"),
        )
    )
    chart = alt.layer(*layers).properties(width=plot, height=alt.Step(_ROW))
    return styled(chart)


def _labels(rows: list[dict[str, Any]], longest: int) -> list[str]:
    """The names, shortened; where that makes some alike, all with their rank before them."""
    labels = [shorten(row["name"], longest) for row in rows]
    if len(set(labels)) == len(labels):
        return labels
    return [f"{row['rank']}  {shorten(row['name'], longest - 4)}" for row in rows]


def _arrows(rows: list[dict[str, Any]], y: Any) -> list[Any]:
    """For what lies beyond the axis: an arrow at the edge and the number beside it."""
    layers: list[Any] = []
    for side, sign, align in (("left", 1, "left"), ("right", -1, "right")):
        beyond = [row for row in rows if row["side"] == side]
        if not beyond:
            continue
        edge = alt.value(4) if side == "left" else alt.value("width")
        base = alt.Chart(data(beyond)).encode(x=edge, y=y, color=colours())
        layers.append(base.mark_point(shape=f"triangle-{side}", filled=True, size=55, opacity=1))
        layers.append(base.mark_text(align=align, dx=9 * sign, fontSize=11).encode(text="text:N"))
    return layers


def _folded(title: str) -> list[str]:
    """An axis title in two lines, broken at the space nearest to its middle."""
    spaces = [i for i, letter in enumerate(title) if letter == " "]
    if not spaces:
        return [title]
    cut = min(spaces, key=lambda i: abs(i - len(title) / 2))
    return [title[:cut], title[cut + 1 :]]
