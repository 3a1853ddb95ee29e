"""Judges what benchmarks/calibration.py has trained: coverage, width, false alarms, power.

Prints Markdown and draws charts for docs/statistics.md. Intervals are computed again from the hits
of every row, so that a new one can be tried without training anything.
"""

from __future__ import annotations

import io
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import altair as alt
import numpy as np

from rectifier.report.charts import PALETTE, data, styled, to_svg
from rectifier.study.judge.metrics import METRICS
from rectifier.study.judge.statistics import (
    DEFAULT_METHOD,
    FOLDS,
    Scores,
    difference_interval,
    holm,
)
from rectifier.study.judge.verdict import decide

INTERVALS = ("t", "nadeau-bengio", "rows", "averaged", "crossed", "crossed-corrected")
JUDGED = ("crossed", "crossed-corrected", "nadeau-bengio")  # whole verdicts
STATED = [0.05, 0.2, 0.4, 0.6, 0.8, 0.95]  # between them stated chances are counted together
BINS = {0.5: (0.35, 0.7), 1.0: (0.7, 1.4), 2.0: (1.4, 2.8), 4.0: (2.8, 5.6)}


def intervals(scores: Scores, again: Scores, name: str, base: str) -> Iterator[tuple]:
    """low, high, p of every interval of INTERVALS for one pair."""
    for method in INTERVALS:
        of, how = (again, "crossed") if method == "averaged" else (scores, method)
        found = difference_interval(of, name, base, how, row_step=1.0)
        yield found.low, found.high, found.p_value


def unpack(
    content: bytes, names: list[str], rows: int
) -> tuple[Scores, Scores, Scores, np.ndarray]:
    """The study, its first repetition with two initialisations averaged, its A/A study, truths."""
    kept = np.load(io.BytesIO(content))
    sizes, where = kept["sizes"], kept["rows"]
    hits = np.unpackbits(kept["hits"], axis=1)[:, : sizes.sum()].astype(float)
    first = sizes[:FOLDS].sum()
    again = np.unpackbits(kept["again"], axis=1)[:, :first].astype(float)
    cuts, count = np.cumsum(sizes)[:-1], len(names)
    places = np.split(where, cuts)
    usual = Scores.build(names, places, np.split(hits[:count], cuts, axis=1), rows)
    mean = (hits[:count, :first] + again) / 2
    averaged = Scores.build(names, places[:FOLDS], np.split(mean, cuts[: FOLDS - 1], axis=1), rows)
    alias = [f"relu {i:02d}" for i in range(count)]
    same = Scores.build(alias, places, np.split(hits[count:], cuts, axis=1), rows)
    return usual, averaged, same, kept["left"].mean(axis=1)


def rule(scores: Scores, method: str) -> dict:
    base = scores.activations[0]
    metric = METRICS["accuracy"]
    return decide(scores, baseline=base, metric=metric, learning_rates={}, runs={}, method=method)


def _lists() -> defaultdict:
    return defaultdict(list)


@dataclass
class Figures:
    """What a journal says, gathered study by study.

    Attributes:
        studies: their number, by rows.
        held, near, half, power, alarm: by interval and rows (power by true difference too): whether
            an interval held the truth, and the mean of the study's own networks on rows left out;
            its half-width; whether it saw a difference of that size; whether an A/A study of 20
            names proved a winner.
        verdicts: strength of each verdict, by interval, rows and kind of study.
        bias: of the best's difference and of its expected gain, by interval and rows.
        bets: stated chance of being better than relu, and whether that was so.
    """

    studies: dict[int, int] = field(default_factory=dict)
    held: defaultdict = field(default_factory=_lists)
    near: defaultdict = field(default_factory=_lists)
    half: defaultdict = field(default_factory=_lists)
    power: defaultdict = field(default_factory=_lists)
    alarm: defaultdict = field(default_factory=_lists)
    verdicts: defaultdict = field(default_factory=_lists)
    bias: defaultdict = field(default_factory=_lists)
    bets: list[tuple[float, bool]] = field(default_factory=list)

    def reliability(self) -> Iterator[tuple[float, float, int]]:
        """Mean stated chance, share that came true and number of claims, bin by bin."""
        said, was = np.array(self.bets, float).T
        place = np.digitize(said, STATED)
        for i in range(len(STATED) + 1):
            if (place == i).any():
                yield said[place == i].mean(), was[place == i].mean(), int((place == i).sum())


def gathered(journal: sqlite3.Connection, names: list[str]) -> Figures:
    """The figures of every study in ``journal``."""
    groups = defaultdict(list)
    for population, rows, content in journal.execute(
        "SELECT population, rows, content FROM studies ORDER BY rows, population, number"
    ):
        groups[rows, population].append(unpack(content, names, rows))
    figures = Figures()
    for (rows, _), found in groups.items():
        left = np.array([truth for *_, truth in found])[:, : len(names)]
        figures.studies[rows] = figures.studies.get(rows, 0) + len(found)
        for number, (usual, averaged, same, _) in enumerate(found):
            truth = np.delete(left, number, axis=0).mean(axis=0)
            _count_intervals(figures, rows, usual, averaged, truth - truth[0], left[number])
            _count_alarms(figures, rows, same)
            _count_verdicts(figures, rows, usual, same, truth - truth[0])
    return figures


def _count_intervals(
    figures: Figures,
    rows: int,
    usual: Scores,
    averaged: Scores,
    truth: np.ndarray,
    left: np.ndarray,
) -> None:
    names = usual.activations
    for place in range(1, len(names)):
        true, here = truth[place], left[place] - left[0]
        size = next((s for s, (a, b) in BINS.items() if a <= 100 * abs(true) < b), None)
        each = intervals(usual, averaged, names[place], names[0])
        for method, (low, high, _) in zip(INTERVALS, each, strict=True):
            figures.held[method, rows].append(low <= true <= high)
            figures.near[method, rows].append(low <= here <= high)
            figures.half[method, rows].append((high - low) / 2)
            if size:
                figures.power[method, rows, size].append(low > 0 if true > 0 else high < 0)


def _count_alarms(figures: Figures, rows: int, same: Scores) -> None:
    alias = same.activations
    once = Scores(
        alias, same.scores[:, :FOLDS], same.rows[:FOLDS], same.contributions[:FOLDS], rows
    )
    tests = defaultdict(list)
    for name in alias[1:]:
        for method, (low, _, p_value) in zip(
            INTERVALS, intervals(same, once, name, alias[0]), strict=True
        ):
            tests[method].append((p_value, low > 0))
    for method, found in tests.items():
        adjusted = holm([p for p, _ in found])
        figures.alarm[method, rows].append(
            any(p < 0.05 and up for p, (_, up) in zip(adjusted, found, strict=True))
        )


def _count_verdicts(
    figures: Figures, rows: int, usual: Scores, same: Scores, truth: np.ndarray
) -> None:
    for method in JUDGED:
        for kind, scores in (("A/A", same), ("A/B", usual)):
            said = rule(scores, method)
            other = said["recommended"] != scores.activations[0]
            figures.verdicts[method, rows, kind].append(said["strength"] if other else "no matter")
            if kind == "A/A":
                continue
            place = scores.activations.index
            for row in said["table"]:
                if method == DEFAULT_METHOD and place(row["activation"]):
                    true = truth[place(row["activation"])]
                    figures.bets.append((row["probability_better"], true > 0))
            best = max(said["table"], key=lambda row: row["expected_gain"])
            true = truth[place(best["activation"])]
            figures.bias[method, rows].append(
                (best["difference"] - true, best["expected_gain"] - true)
            )


def show(figures: Figures) -> None:
    """Prints the tables."""
    sizes = sorted(figures.studies)
    told = ", ".join(f"{figures.studies[rows]} of {rows} rows" for rows in sizes)
    print(f"Studies: {told}.\n")
    print(
        "| rows | interval | covers | covers this table's | half-width | A/A false alarm |"
        " power at 0.5 | 1 | 2 | 4 |\n|" + "---|" * 10
    )
    for rows in sizes:
        for method in INTERVALS:
            seen = [figures.power[method, rows, size] for size in BINS]
            shown = " | ".join(f"{np.mean(s):.0%}" if len(s) >= 20 else "-" for s in seen)
            alarm = figures.alarm[method, rows]
            false = "-" if method == "averaged" else f"{np.mean(alarm):.1%}"
            print(
                f"| {rows} | {method} | {np.mean(figures.held[method, rows]):.1%} | "
                f"{np.mean(figures.near[method, rows]):.1%} | "
                f"±{100 * np.mean(figures.half[method, rows]):.2f} | {false} | {shown} |"
            )
    print(
        "\n| rows | interval | studies | proven | likely | bias of the best's difference |"
        " of its expected gain |\n|" + "---|" * 7
    )
    for (method, rows, kind), said in sorted(figures.verdicts.items(), key=lambda i: i[0][::-1]):
        share = [np.mean([t == s for t in said]) for s in ("proven", "likely")]
        last = "- | -"
        if kind == "A/B":
            plain, shrunk = 100 * np.mean(figures.bias[method, rows], axis=0)
            last = f"{plain:+.2f} | {shrunk:+.2f}"
        print(
            f"| {rows} | {method} | {len(said)} {kind} | {share[0]:.1%} | {share[1]:.1%} | {last} |"
        )
    bins = [f"{said:.2f}: {was:.2f} ({claims})" for said, was, claims in figures.reliability()]
    print("\nsaid: was (claims) - " + ", ".join(bins))


def draw(figures: Figures, folder: Path) -> None:
    """Writes coverage and reliability as SVG into ``folder``."""
    share = alt.Axis(format=".0%", tickCount=6)
    panels = []
    for rows in sorted(figures.studies):
        held = [
            {
                "interval": method,
                "covers": np.mean(figures.held[method, rows]),
                "wide": 100 * np.mean(figures.half[method, rows]),
            }
            for method in INTERVALS
        ]
        across = {"title": "intervals that hold the truth", "axis": share}
        points = alt.Chart(data(held)).encode(
            x=alt.X("covers:Q", **across).scale(domain=[0.7, 1.0]),
            y=alt.Y("interval:N", title=None, sort=list(INTERVALS)),
        )
        zone = alt.Chart(data([{"low": 0.93, "high": 0.97}]))
        zone = zone.mark_rect(color=PALETTE["accent-soft"]).encode(
            x=alt.X("low:Q", **across).scale(domain=[0.7, 1.0]), x2="high:Q"
        )
        note = points.mark_text(align="left", dx=8, fontSize=10)
        layers = (
            zone,
            points.mark_point(filled=True, size=60, color=PALETTE["accent"]),
            note.encode(text=alt.Text("wide:Q", format=".1f")),
        )
        panels.append(
            alt.layer(*layers).properties(width=200, height=150, title=f"{rows:,} rows a study")
        )
    coverage = alt.hconcat(*panels).properties(
        title="Coverage; the band is 93 to 97 %, beside each its half-width in points"
    )
    bins = [
        {"said": said, "was": was, "claims": claims} for said, was, claims in figures.reliability()
    ]
    line = alt.Chart(data([{"said": 0, "was": 0}, {"said": 1, "was": 1}])).mark_line(
        color=PALETTE["axis"], strokeDash=[4, 3]
    )
    dots = alt.Chart(data(bins)).encode(
        x=alt.X("said:Q", title="stated chance to be better", axis=share),
        y=alt.Y("was:Q", title="share that was", axis=share),
    )
    reliability = alt.layer(
        line.encode(x="said:Q", y="was:Q"),
        dots.mark_point(filled=True, size=70, color=PALETTE["accent"]),
        dots.mark_text(align="left", dx=8, dy=6, fontSize=10).encode(text="claims:Q"),
    ).properties(width=260, height=260, title="Chances, beside each its number of claims")
    for name, chart in (("coverage", coverage), ("reliability", reliability)):
        drawn = to_svg(styled(chart).properties(background=PALETTE["paper"]))
        (folder / f"calibration-{name}.svg").write_text(drawn, encoding="utf-8")
