"""What happened during training: validation loss and dead units, epoch by epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from rectifier.report import charts
from rectifier.report.charts import PALETTE, colours, data, shorten, styled
from rectifier.report.drawing.curves import ticks

if TYPE_CHECKING:
    from rectifier.study.journal import Run

TRAINING_LOSS, VALIDATION_LOSS, DEAD = range(3)  # the rows of Run.curves
_POINTS = 60  # of a curve that are drawn; more than a panel has room for pixels
_DECADES = 1e-3  # of the highest loss: the lowest that a logarithmic axis shows
_LABEL_SIZE = 11
_LABELLED = 7  # lines of the dead-unit chart with a name beside them


@dataclass(frozen=True)
class Band:
    """Median and 20-80 % band of one curve over an activation's confirming runs.

    Attributes:
        epoch: [points] int, counted from 1, at most 60 of them.
        low, middle, high: [points] float64; infinite where so many runs had diverged.
        runs: how many runs stand behind it.
    """

    epoch: np.ndarray
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    runs: int


def bands(runs: Iterable[Run], which: int) -> dict[str, Band]:
    """``{activation: Band}`` over the runs of the phase "confirm"; ``which`` is a row of curves.

    A run that stopped early keeps its last value; the band ends where fewer than half of the
    runs were still training. NaN counts as infinite: a diverged run is a bad run, not no run.
    """
    grouped: dict[str, list[np.ndarray]] = {}
    for run in runs:
        if run.phase == "confirm" and run.curves.ndim == 2 and run.curves.shape[1]:
            grouped.setdefault(run.activation, []).append(run.curves[which])
    return {name: _band(curves) for name, curves in grouped.items()}


def _band(curves: list[np.ndarray]) -> Band:
    lengths = np.array([len(curve) for curve in curves])
    last = int(np.sort(lengths)[len(lengths) // 2])  # the upper median: half still trained
    shown = np.unique(np.linspace(0, last - 1, min(last, _POINTS)).round().astype(int))
    table = np.stack([curve[np.minimum(shown, len(curve) - 1)] for curve in curves])
    table = np.where(np.isnan(table), np.inf, table.astype(np.float64))
    # Quantiles that are observed values: between a number and infinity there is none.
    low, middle, high = np.quantile(table, [0.2, 0.5, 0.8], axis=0, method="inverted_cdf")
    return Band(shown + 1, low, middle, high, len(curves))


@dataclass(frozen=True)
class Scale:
    """The axes that all small panels share."""

    epochs: int
    low: float
    high: float
    logarithmic: bool


def shared_scale(curves: dict[str, Band]) -> Scale | None:
    """One scale for all panels: from the lowest loss to where most begin; None without any.

    Losses that blow up leave through the top; they must not flatten everybody else.
    """
    finite = [b for b in curves.values() if np.isfinite(b.middle).any()]
    if not finite:
        return None
    low = min(float(b.low[np.isfinite(b.low)].min()) for b in finite)
    starts = [float(b.high[np.isfinite(b.high)].max()) for b in finite if np.isfinite(b.high).any()]
    ends = [float(b.middle[np.isfinite(b.middle)][-1]) for b in finite]
    high = max(np.quantile(starts or ends, 0.75) * 1.1, float(np.quantile(ends, 0.75)))
    low = max(low, _DECADES * float(high))  # a loss that falls to 1e-7 needs no more room
    logarithmic = bool(low > 0 and high / low > 8)
    if not high > low:
        low, high = low - 0.5 * abs(low) - 1e-6, high + 0.5 * abs(high) + 1e-6
    if not logarithmic:
        low = max(0.0, low - 0.1 * (high - low)) if low >= 0 else low
    epochs = max(int(b.epoch[-1]) for b in finite)
    return Scale(epochs, low * (0.85 if logarithmic else 1.0), float(high), logarithmic)


def panels(
    curves: dict[str, Band], recommended: str, baseline: str, scale: Scale
) -> dict[str, dict[str, Any]]:
    """``{activation: chart}``: validation loss as band and median, the baseline's median dashed.

    All panels are one chart with different data: altair builds it once, which takes longer than
    drawing it.
    """
    template = charts.specification(_panel(scale))
    reference = curves.get(baseline)
    drawn = {}
    for name, band in curves.items():
        colour, soft = "other", "other-soft"
        if name == recommended:
            colour, soft = "accent", "accent-soft"
        elif name == baseline:
            colour = "baseline"
        look = {"colour": PALETTE[colour], "soft": PALETTE[soft]}
        other = [] if reference is None or name == baseline else _clipped(reference, scale)
        own = [{**record, **look} for record in _clipped(band, scale)]
        drawn[name] = {**template, "datasets": {"own": own, "reference": other}}
    return drawn


def _panel(scale: Scale) -> Any:
    axis: dict[str, Any] = {"title": None, "ticks": False, "domain": False, "labelFontSize": 10}
    x = alt.X(
        "epoch:Q",
        scale=alt.Scale(domain=[0, scale.epochs], nice=False),
        axis=alt.Axis(tickCount=3, grid=False, **{**axis, "domain": True}),
    )
    kind: dict[str, Any] = {"type": "log"} if scale.logarithmic else {"zero": False}
    y = alt.Y(
        "low:Q",
        scale=alt.Scale(domain=[scale.low, scale.high], nice=False, **kind),
        axis=alt.Axis(values=_ticks(scale), format="~g", **axis),
    )
    own, reference = alt.Chart(alt.NamedData("own")), alt.Chart(alt.NamedData("reference"))
    dashed = {"color": PALETTE["baseline"], "strokeWidth": 1, "strokeDash": [3, 2]}
    chart = alt.layer(
        own.mark_area().encode(x=x, y=y, y2="high:Q", color=colours("soft")),
        reference.mark_line(**dashed).encode(x=x, y="middle:Q"),
        own.mark_line(strokeWidth=2).encode(x=x, y="middle:Q", color=colours()),
    )
    return styled(chart.properties(width=146, height=84))


def _clipped(band: Band, scale: Scale) -> list[dict[str, Any]]:
    """Records inside the axes. Values are cut here rather than by a clip path, whose id would
    be the same in every drawing of a page."""
    columns = [
        np.clip(curve, scale.low, scale.high) for curve in (band.low, band.middle, band.high)
    ]
    return [
        {"epoch": int(e), "low": _short(a), "middle": _short(b), "high": _short(c)}
        for e, a, b, c in zip(band.epoch, *columns, strict=True)
    ]


def _ticks(scale: Scale) -> list[float]:
    """Two or three round numbers inside the axis."""
    if not scale.logarithmic:
        return ticks(scale.low, scale.high, 3)
    powers = range(int(np.floor(np.log10(scale.low))), int(np.ceil(np.log10(scale.high))) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        round_ones = [float(f"{f}e{p}") for p in powers for f in factors]
        inside = [tick for tick in round_ones if scale.low <= tick <= scale.high]
        if len(inside) >= 2:
            break
    return inside[:: max(1, len(inside) // 3)]


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def dead_units(
    panels: dict[str, Band], recommended: str, baseline: str, width: int
) -> tuple[Any, list[str]] | None:
    """Median share of dead units over epochs, one line an activation.

    The recommended activation, the baseline and those with most dead units carry their names.
    Returns the chart and the names; None when no activation had a dead unit to speak of.
    """
    shares = {name: band.middle.clip(0.0, 1.0) for name, band in panels.items()}
    worst = {name: float(share.max(initial=0.0)) for name, share in shares.items()}
    if max(worst.values(), default=0.0) < 0.001:
        return None
    most = sorted(worst, key=lambda name: (-worst[name], name))
    named = [name for name in dict.fromkeys((recommended, baseline)) if name in panels]
    named += [n for n in most if n not in named and worst[n] >= 0.001][: _LABELLED - len(named)]
    top = max(worst.values())
    longest = 22 if width > 500 else 13
    plot = width - 66 - 6.0 * max(len(shorten(name, longest)) for name in named)
    height = 250
    epochs = max(int(band.epoch[-1]) for band in panels.values())
    lines: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for name in [*(n for n in panels if n not in named), *reversed(named)]:
        band, colour = panels[name], "chance"
        if name in named:
            special = {recommended: "accent", baseline: "baseline"}
            colour = "accent" if name == recommended else special.get(name, "other")
        percents = [_short(100 * share) for share in shares[name]]
        lines += [
            {"epoch": int(epoch), "share": share, "name": name, "colour": PALETTE[colour]}
            for epoch, share in zip(band.epoch, percents, strict=True)
        ]
        if name in named:
            end = {"epoch": int(band.epoch[-1]), "share": percents[-1], "edge": epochs}
            ends.append({**end, "label": shorten(name, longest), "colour": PALETTE[colour]})
    a_pixel = 105 * top / height
    places = _apart([end["share"] / a_pixel for end in ends], 15.0, height)
    for end, place in zip(ends, places, strict=True):
        end["at"] = place * a_pixel
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[0, epochs], nice=False),
        axis=alt.Axis(grid=False, tickCount=5),
    )
    y = alt.Y(
        "share:Q",
        title="dead hidden units (%)",
        scale=alt.Scale(domain=[0, 105 * top], nice=False),
        axis=alt.Axis(tickCount=5, domain=False, ticks=False),
    )
    drawn = alt.Chart(data(lines)).mark_line(strokeWidth=1.8)
    ending = alt.Chart(data(ends))
    chart = alt.layer(
        ending.mark_rule(color=PALETTE["axis"], strokeDash=[1, 2]).encode(
            x=x, x2="edge:Q", y=y, y2="at:Q"
        ),
        drawn.encode(x=x, y=y, detail="name:N", color=colours()),
        ending.mark_point(filled=True, size=22, opacity=1).encode(x=x, y=y, color=colours()),
        ending.mark_text(align="left", dx=6, fontSize=_LABEL_SIZE).encode(
            x="edge:Q", y="at:Q", text="label:N", color=colours()
        ),
    )
    return styled(chart.properties(width=plot, height=height)), named


def _apart(places: Sequence[float], gap: float, room: float) -> list[float]:
    """``places`` moved so that neighbours are ``gap`` apart, inside 0..room as far as it goes."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    ceiling = room
    for i in reversed(order):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved


VARIATION_COLOURS = {
    "activation": "accent",
    "learning rate": "rates",
    "activation x learning rate": "mixed",
    "rows": "rows",
    "initial weights and order": "chance",
}


def variation_bar(shares: dict[str, float], width: int) -> Any | None:
    """One bar parted by what the tuning scores varied with; None when nothing varied."""
    parts, start = [], 0.0
    for name, share in shares.items():
        if share > 0:
            colour = PALETTE[VARIATION_COLOURS.get(name, "other")]
            end = start + 100 * share
            parts.append({"from": start, "to": end, "colour": colour})
            start = end
    if not parts:
        return None
    x = alt.X("from:Q", axis=None, scale=alt.Scale(domain=[0, start], nice=False))
    base = alt.Chart(data(parts))
    bar = base.mark_rect(stroke=PALETTE["paper"], strokeWidth=2).encode(
        x=x, x2="to:Q", color=colours(), y=alt.value(0), y2=alt.value(36)
    )
    return styled(bar.properties(width=width, height=36), padding=0)
