"""The charts' common ground: one palette, one look, and the way from a chart to SVG or PNG.

A chart is altair data until :func:`to_svg` or :func:`to_png` draws it; both run without a
browser and without network. On a page :func:`inline_svg` exchanges the palette for CSS
variables, so that one drawing serves the light and the dark colour scheme.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import altair as alt
import vl_convert
from markupsafe import Markup

from rectifier.report.addresses import check_addresses
from rectifier.report.drawing.curves import draw, fitted, thinned
from rectifier.report.plain import visible

if TYPE_CHECKING:
    from rectifier.activation import Activation

# Name -> colour on white; templates/style.css has both schemes under the same names.
# Teal and orange differ for every kind of colour blindness; grey is everything else.
PALETTE = {
    "ink": "#1c2530",
    "muted": "#5a6572",
    "axis": "#a3acb5",
    "grid": "#e6e9ec",
    "accent": "#0a6c7d",
    "accent-soft": "#bfe0e4",
    "baseline": "#b8551b",
    "other": "#7f8a95",
    "other-soft": "#dde1e5",
    "zone": "#eef1f3",
    "rows": "#8d7fb0",
    "rates": "#d39a2c",
    "mixed": "#7d9a4f",
    "chance": "#c3cad1",
    "paper": "#ffffff",
}
# The same metrics on Windows, macOS and Linux, so that what fits here fits there.
FONT = "Helvetica, Arial, sans-serif"
SMALL = 11
WIDE, NARROW = 920, 350  # px; on a page a chart is drawn for a desk and for a phone

_UNDRAWN = re.compile(
    r'<path class="(?:background|foreground)" aria-hidden="true" d="[^"<>]*"'
    r'(?: pointer-events="none")?(?: display="none")?/>'
)
_NOISE = re.compile(
    r' (?:pointer-events="none"|aria-hidden="true"|class="[^"<>]*"|opacity="1"'
    r'|stroke-miterlimit="10"|role="graphics-object"|aria-roledescription="[^"<>]*")'
)
_GEOMETRY = re.compile(r' (?:d|transform|x|y|x2|y2|width|height)="[^"<>]*"')
_DIGITS = re.compile(r"(\.\d)\d+")


def styled(chart: Any, padding: int = 4) -> Any:
    """``chart`` with the common look: light grid, no frame, quiet axes, 11 px labels."""
    axis = {
        "labelColor": PALETTE["muted"],
        "titleColor": PALETTE["muted"],
        "gridColor": PALETTE["grid"],
        "domainColor": PALETTE["axis"],
        "tickColor": PALETTE["axis"],
        "tickSize": 4,
        "labelFontSize": SMALL,
        "titleFontSize": SMALL,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    }
    return chart.configure(
        aria=False,  # one label for the whole drawing is set by the page; 500 marks need none
        font=FONT,
        background="transparent",
        padding=padding,
        view={"stroke": None},
        axis=axis,
        text={"font": FONT, "fontSize": 12, "color": PALETTE["ink"]},
    )


def to_svg(chart: Any) -> str:
    """The chart as a standalone SVG document."""
    check_addresses()
    return vl_convert.vegalite_to_svg(specification(chart), allowed_base_urls=[])


def to_png(chart: Any, scale: float = 2.0) -> bytes:
    """The chart as PNG on white, ``scale`` pixels to a CSS pixel."""
    check_addresses()
    on_white = {**specification(chart), "background": PALETTE["paper"]}
    return vl_convert.vegalite_to_png(on_white, scale=scale, allowed_base_urls=[])


def inline_svg(svg: str, label: str) -> str:
    """A drawing of :func:`to_svg` for the inside of an HTML page.

    Namespaces and structure that nobody sees are taken out (half the bytes), coordinates are
    rounded to 0.1 px, colours become ``var(--ink)`` ..., and ``label`` is what a screen reader
    says. Text inside stays escaped as it came.
    """
    body = svg[svg.index(">") + 1 :]
    width, height = (
        float(size) for size in re.findall(r' (?:width|height)="([\d.]+)"', svg[: svg.index(">")])
    )
    body = _NOISE.sub("", _UNDRAWN.sub("", body))
    body = _GEOMETRY.sub(lambda match: _DIGITS.sub(r"\1", match[0]), body)
    body = body.replace(f' font-family="{html.escape(FONT, quote=False)}"', "")
    for name, colour in PALETTE.items():
        body = body.replace(f'="{colour}"', f'="var(--{name})"')
    return (
        f'<svg class="chart" role="img" aria-label="{html.escape(label)}" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">{body}'
    )


def specification(chart: Any) -> dict[str, Any]:
    """The Vega-Lite of an altair chart; one that is Vega-Lite already comes back as it is."""
    if isinstance(chart, dict):
        return chart
    # Our own charts are held against the grammar by the tests; doing it each time takes seconds.
    vega_lite: dict[str, Any] = chart.to_dict(validate=False)
    vega_lite.pop("$schema", None)  # an address; vl-convert takes its newest grammar without
    return vega_lite


def data(rows: list[dict[str, Any]]) -> Any:
    """Records as a chart's data: as JSON text, which altair need not walk through (10x faster).

    Texts are made visible: a lone surrogate among them would abort the whole process inside
    vl-convert.
    """
    shown = [
        {key: visible(item) if isinstance(item, str) else item for key, item in row.items()}
        for row in rows
    ]
    values = json.dumps(shown, allow_nan=False)
    return alt.InlineData(values=values, format=alt.JsonDataFormat(type="json"))


def colours(field: str = "colour") -> Any:
    """The colour that each record names itself."""
    return alt.Color(f"{field}:N", scale=None)


def shorten(name: str, longest: int) -> str:
    """``name`` cut in the middle: the end holds the parameters, the start the name."""
    name = visible(name)
    if len(name) <= longest:
        return name
    head = (longest - 1 + 1) // 2
    return f"{name[:head]}…{name[len(name) - (longest - 1 - head) :]}"


def both(draw: Callable[[int], Any], label: str) -> Markup | None:
    """A drawing for wide screens and one for phones; the style sheet shows one of them.

    Args:
        draw: ``draw(width)`` gives a chart or an SVG text, or None for nothing to draw.
        label: what a screen reader says.
    """
    parts = []
    for kind, width in (("wide", WIDE), ("narrow", NARROW)):
        chart = draw(width)
        if chart is None:
            return None
        svg = chart if isinstance(chart, str) else inline_svg(to_svg(chart), label)
        parts.append(f'<div class="{kind}">{svg}</div>')
    return Markup("".join(parts))


def activation_curve(activation: Activation, width: int = 208, height: int = 150) -> Any | None:
    """f (solid) and f' (dashed) of an elementwise activation on [-4, 4]; None for the others."""
    if not activation.elementwise:
        return None
    drawing = draw(activation, reach=4.0)
    low, high = fitted(drawing)
    rows = [
        {"x": round(x, 4), "y": round(y, 4), "which": which, "part": part}
        for which, curve in (("f", drawing.value), ("f′", drawing.derivative))
        for part, piece in enumerate(curve.pieces)
        for x, y in thinned(piece, (high - low) / (10 * height)).tolist()
        if low <= y <= high  # cut here, not by a clip path: its id would not be unique on a page
    ]
    axis: dict[str, Any] = {"title": None, "tickCount": 5, "domain": False, "ticks": False}
    plane = alt.Chart(data(rows)).encode(
        x=alt.X("x:Q", scale=alt.Scale(domain=[-4, 4], nice=False), axis=alt.Axis(**axis)),
        y=alt.Y("y:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(**axis)),
        detail="part:N",
    )
    origin = [
        alt.Chart(data([{}])).mark_rule(color=PALETTE["axis"]).encode(**{way: alt.datum(0)})
        for way in ("x", "y")
    ]
    slope_line = plane.mark_line(color=PALETTE["other"], strokeWidth=1.5, strokeDash=[4, 3])
    value_line = plane.mark_line(color=PALETTE["accent"], strokeWidth=2.5)
    chart = alt.layer(
        *origin,
        slope_line.transform_filter(alt.datum.which == "f′"),
        value_line.transform_filter(alt.datum.which == "f"),
    )
    return styled(chart.properties(width=width, height=height))
