"""Judges what benchmarks/calibration.py has trained: coverage, width, false alarms, power.

Prints Markdown for docs/statistics.md. Intervals are computed again from the hits of every row, so
that a new one can be tried without training anything.
"""

from __future__ import annotations

import io
import sqlite3
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from scipy import stats

from rectifier.study.judge.metrics import METRICS
from rectifier.study.judge.statistics import FOLDS, Scores, difference_interval, holm
from rectifier.study.judge.verdict import decide

INTERVALS = ("t", "nadeau-bengio", "rows", "crossed", "averaged", "crossed + 1/4")
BINS = {0.5: (0.35, 0.7), 1.0: (0.7, 1.4), 2.0: (1.4, 2.8), 4.0: (2.8, 5.6)}


def intervals(scores: Scores, again: Scores, name: str, base: str) -> Iterator[tuple]:
    """low, high, p of every interval of INTERVALS for one pair."""
    for method in ("t", "nadeau-bengio", "rows", "crossed"):
        found = difference_interval(scores, name, base, method, row_step=1.0)
        yield found.low, found.high, found.p_value
    found = difference_interval(again, name, base, "crossed", row_step=1.0)
    yield found.low, found.high, found.p_value
    # the runs' part as Nadeau and Bengio correct it: 1/K + 1/4 instead of 1/K
    plain = difference_interval(scores, name, base, "crossed", row_step=1.0)
    wide = plain.std_error**2 + plain.run_variance * scores.seeds / (FOLDS - 1)
    error = float(np.sqrt(wide))
    half = float(stats.t.ppf(0.975, plain.df)) * error
    p_value = float(2 * stats.t.sf(abs(plain.estimate) / error, plain.df)) if error else 1.0
    yield plain.estimate - half, plain.estimate + half, p_value


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


def report(journal: sqlite3.Connection, names: list[str]) -> None:
    groups = defaultdict(list)
    for population, rows, content in journal.execute(
        "SELECT population, rows, content FROM studies ORDER BY rows, population, number"
    ):
        groups[rows, population].append(unpack(content, names, rows))
    sizes = sorted({rows for rows, _ in groups})
    held = defaultdict(list)
    near = defaultdict(list)  # of the mean over these very networks
    half, power, alarm = defaultdict(list), defaultdict(list), defaultdict(list)
    verdicts, bets, bias = defaultdict(list), [], defaultdict(list)
    studies = dict.fromkeys(sizes, 0)
    for (rows, _), found in groups.items():
        left = np.array([truth for *_, truth in found])[:, : len(names)]
        studies[rows] += len(found)
        for number, (usual, averaged, same, _) in enumerate(found):
            truth = np.delete(left, number, axis=0).mean(axis=0)
            p_values = defaultdict(list)
            for place in range(1, len(names)):
                true = truth[place] - truth[0]
                here = left[number, place] - left[number, 0]
                size = next((s for s, (a, b) in BINS.items() if a <= 100 * abs(true) < b), None)
                each = intervals(usual, averaged, names[place], names[0])
                for method, (low, high, _) in zip(INTERVALS, each, strict=True):
                    held[method, rows].append(low <= true <= high)
                    near[method, rows].append(low <= here <= high)
                    half[method, rows].append((high - low) / 2)
                    if size:
                        right = low > 0 if true > 0 else high < 0
                        power[method, rows, size].append(right)
                alias = same.activations
                once = Scores(
                    alias,
                    same.scores[:, :FOLDS],
                    same.rows[:FOLDS],
                    same.contributions[:FOLDS],
                    rows,
                )
                pair = intervals(same, once, alias[place], alias[0])
                for method, (low, _, p_value) in zip(INTERVALS, pair, strict=True):
                    p_values[method].append((p_value, low > 0))
            for method, tests in p_values.items():
                adjusted = holm([p for p, _ in tests])
                alarm[method, rows].append(
                    any(p < 0.05 and up for p, (_, up) in zip(adjusted, tests, strict=True))
                )
            for method in ("crossed", "nadeau-bengio"):
                for kind, scores in (("A/A", same), ("A/B", usual)):
                    said = rule(scores, method)
                    other = said["recommended"] != scores.activations[0]
                    strength = said["strength"] if other else "no matter"
                    verdicts[method, rows, kind].append(strength)
                    if kind == "A/A":
                        continue
                    for row in said["table"]:
                        place = names.index(row["activation"])
                        if place and method == "crossed":
                            true = truth[place] - truth[0]
                            bets.append((row["probability_better"], true > 0))
                    best = max(said["table"], key=lambda row: row["expected_gain"])
                    true = truth[names.index(best["activation"])] - truth[0]
                    bias[method, rows].append(
                        (best["difference"] - true, best["expected_gain"] - true)
                    )
    print(f"Studies: {', '.join(f'{n} of {rows} rows' for rows, n in studies.items())}.\n")
    print(
        "| rows | interval | covers | covers this table's | half-width | A/A false alarm |"
        " power at 0.5 | 1 | 2 | 4 |\n|" + "---|" * 10
    )
    for rows in sizes:
        for method in INTERVALS:
            seen = [power[method, rows, size] for size in BINS]
            shown = " | ".join(f"{np.mean(s):.0%}" if len(s) >= 20 else "-" for s in seen)
            false = "-" if method == "averaged" else f"{np.mean(alarm[method, rows]):.1%}"
            print(
                f"| {rows} | {method} | {np.mean(held[method, rows]):.1%} | "
                f"{np.mean(near[method, rows]):.1%} | ±{100 * np.mean(half[method, rows]):.2f} | "
                f"{false} | {shown} |"
            )
    print(
        "\n| rows | interval | studies | proven | likely | bias of the best's difference |"
        " of its expected gain |\n|" + "---|" * 7
    )
    for (method, rows, kind), told in sorted(verdicts.items(), key=lambda item: item[0][::-1]):
        share = [np.mean([t == s for t in told]) for s in ("proven", "likely")]
        plain, shrunk = 100 * np.mean(bias[method, rows], axis=0)
        last = f"{plain:+.2f} | {shrunk:+.2f}" if kind == "A/B" else "- | -"
        print(
            f"| {rows} | {method} | {len(told)} {kind} | {share[0]:.1%} | {share[1]:.1%} | {last} |"
        )
    said, was = np.array(bets, float).T
    place = np.digitize(said, [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
    shown = [
        f"{said[place == i].mean():.2f}: {was[place == i].mean():.2f} ({(place == i).sum()})"
        for i in range(7)
        if (place == i).any()
    ]
    print("\nsaid: was (claims) - " + ", ".join(shown))
