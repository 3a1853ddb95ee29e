"""Curves as charts: one activation with its formulas, or many as a grid of small panels."""

from __future__ import annotations

import math
import os
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from rectifier.activation import Activation
from rectifier.errors import InputError
from rectifier.report.charts import PALETTE, data, styled, to_png, to_svg
from rectifier.report.drawing.curves import (
    Curve,
    Drawing,
    draw,
    drawn_instead,
    fitted,
    levelled,
    thinned,
)
from rectifier.report.drawing.facts import range_text
from rectifier.report.drawing.formulas import derivative, formula
from rectifier.report.drawing.typeset import as_line

SUFFIXES = (".png", ".svg", ".html")
_LONGEST = 92  # characters of a caption's line at 12 px above a panel of 600 px
_INDENT = "\u2003\u2003"  # em spaces: plain ones are dropped at the start of a line of SVG
_FINE = 20  # corners of a curve lie within so small a part of a pixel
_THICK, _THIN = 2.6, 1.8
_SOLID, _DASHED = [1, 0], [5, 3]


def write(path: str | Path, chart: Callable[[], Any], page: Callable[[], str]) -> Path:
    """Draw what the suffix of ``path`` asks for, and put it there whole or not at all.

    Args:
        path: ends in ``.png``, ``.svg`` (``chart`` is drawn) or ``.html`` (``page`` is written).
        chart, page: called only when wanted, and only when the place can be written.

    Raises:
        InputError: another suffix, no such folder, or no permission.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"cannot draw {target.name!r}: the name must end in .png, .svg or .html")
    folder = target.parent
    if not folder.is_dir():
        raise InputError(f"no such folder: {str(folder)!r}; make it first")
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a folder; give the name of a file")
    if suffix == ".html":
        content = page().encode("utf-8")
    else:
        content = to_png(chart()) if suffix == ".png" else to_svg(chart()).encode("utf-8")
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)  # mkstemp's files are for their owner alone
        os.replace(name, target)
    except OSError as error:
        raise InputError(f"cannot write {str(target)!r}: {error.strerror}") from error
    return target


def one(activation: Activation) -> Any:
    """Value and derivative of one activation, large, its formulas above."""
    drawing = draw(activation)
    caption = [
        line
        for each in (formula(activation), derivative(activation))
        for line in textwrap.wrap(as_line(each), _LONGEST, subsequent_indent=_INDENT)
    ]
    title = _title(str(activation), [*caption, _extra(activation)], size=18)
    panel = _panel(drawing, fitted(drawing), 600, 360)
    return styled(alt.vconcat(_legend(), panel, spacing=12).properties(title=title))


def grid(activations: Sequence[Activation], columns: int) -> Any:
    """Small panels of value and derivative, over x- and y-axes from a short list."""
    drawings = [draw(activation) for activation in activations]
    panels = [
        _panel(drawing, levelled(drawing), 230, 170).properties(
            title=_title(str(drawing.activation), [_extra(drawing.activation)], size=13)
        )
        for drawing in drawings
    ]
    return styled(alt.vconcat(_legend(), alt.concat(*panels, columns=columns, spacing=28)))


def _legend() -> Any:
    """Two strokes and what they mean, in a line of its own."""
    marks = []
    for start, text, colour, width, dash in (
        (0, "f, the value", PALETTE["accent"], _THICK, _SOLID),
        (124, "f′, its derivative", PALETTE["baseline"], _THIN, _DASHED),
    ):
        at = alt.Chart(data([{}])).encode(y=alt.value(8))
        stroke = at.mark_rule(color=colour, strokeWidth=width, strokeDash=dash)
        label = at.mark_text(text=text, align="left", baseline="middle", fontSize=12)
        marks.append(stroke.encode(x=alt.value(start), x2=alt.value(start + 28)))
        marks.append(label.encode(x=alt.value(start + 36)))
    return alt.layer(*marks).properties(width=260, height=16)


def _extra(activation: Activation) -> str:
    """The line under a panel's name."""
    text = f"range {range_text(activation.facts)}"
    instead = drawn_instead(activation)
    return f"{text}; drawn: {instead.removeprefix('the ')}" if instead else text


def _title(name: str, below: list[str], size: int) -> Any:
    return alt.TitleParams(
        name,
        subtitle=below,
        anchor="start",
        frame="group",
        fontSize=size,
        color=PALETTE["ink"],
        subtitleFontSize=12 if size > 14 else 11,
        subtitleColor=PALETTE["muted"],
        subtitleLineHeight=17,
        subtitlePadding=6 if size > 14 else 2,
        offset=10 if size > 14 else 6,
    )


def _panel(drawing: Drawing, window: tuple[float, float], width: int, height: int) -> Any:
    low, high = window
    tolerance = (high - low) / height / _FINE
    axis: dict[str, Any] = {"title": None, "domain": False, "ticks": False, "labelPadding": 5}
    axis |= {"grid": True, "format": ".4~g"}  # bare ~g prints 10 as 1e+1
    across, upward = (
        {"nice": False, "zero": False, "domain": domain}
        for domain in ([-drawing.reach, drawing.reach], [low, high])
    )
    place = {
        "x": alt.X(
            "x:Q", scale=alt.Scale(**across), axis=alt.Axis(values=_even(drawing.reach), **axis)
        ),
        "y": alt.Y("y:Q", scale=alt.Scale(**upward), axis=alt.Axis(tickCount=5, **axis)),
    }
    layers = [
        alt.Chart(data([{}])).mark_rule(color=PALETTE["axis"]).encode(**{way: alt.datum(0)})
        for way in ("x", "y")
    ]
    rings: list[Any] = []
    discs: list[Any] = []
    for curve, colour, thick, dash in (
        (drawing.derivative, PALETTE["baseline"], _THIN, _DASHED),
        (drawing.value, PALETTE["accent"], _THICK, _SOLID),
    ):
        line = alt.Chart(data(_lines(curve, window, tolerance))).encode(detail="part:N", **place)
        layers.append(
            line.mark_line(
                clip=True, strokeJoin="round", color=colour, strokeWidth=thick, strokeDash=dash
            )
        )
        rings += _dots(curve.dots("off"), window, colour, PALETTE["paper"], place)
        discs += _dots(curve.dots("on"), window, colour, colour, place)
    return alt.layer(*layers, *rings, *discs).properties(width=width, height=height)


def _dots(
    points: Sequence[tuple[float, float]],
    window: tuple[float, float],
    colour: str,
    fill: str,
    place: dict[str, Any],
) -> list[Any]:
    """One layer of dots, or none where nothing jumps inside the window."""
    low, high = window
    rows = [{"x": x, "y": y} for x, y in points if low <= y <= high]
    if not rows:
        return []
    marks = alt.Chart(data(rows)).mark_point(
        size=34, stroke=colour, strokeWidth=1.6, opacity=1, fill=fill
    )
    return [marks.encode(**place)]


def _lines(curve: Curve, window: tuple[float, float], tolerance: float) -> list[dict[str, Any]]:
    low, high = window
    room = high - low  # beyond the window a curve may end: the clip hides it
    rows = []
    for part, piece in enumerate(curve.pieces):
        seen = piece.copy()
        seen[:, 1] = seen[:, 1].clip(low - room, high + room)
        rows += [
            {"x": round(x, 4), "y": round(y, 5), "part": part}
            for x, y in thinned(seen, tolerance).tolist()
        ]
    return rows


def _even(reach: float) -> list[int]:
    """Ticks at even numbers; every fourth where the window is wide."""
    step = 2 if reach <= 8 else 4 * math.ceil(reach / 20)
    last = int(reach // step) * step
    return list(range(-last, last + 1, step))
