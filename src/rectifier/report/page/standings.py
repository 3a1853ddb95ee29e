"""The page's first half: the verdict, the leaderboard, the differences to the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from rectifier.report import charts
from rectifier.report.page import charts_standings
from rectifier.report.page.snippets import known
from rectifier.report.plain import (
    Figures,
    chance,
    count,
    number,
    p_value,
    percent,
    sentence,
    several,
    visible,
)

_WARNINGS = 10  # shown below the leaderboard


def statistic(verdict: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """A setting, or what the statistics added to the settings."""
    settings = verdict["settings"]
    found = settings.get("statistics", {}).get(name)
    return settings.get(name, default) if found is None else found


def margin(verdict: Mapping[str, Any]) -> float | None:
    """The difference that is too small to matter, in the metric's unit."""
    return statistic(verdict, "equivalence_margin", statistic(verdict, "equivalence"))


def verdict_section(
    verdict: Mapping[str, Any], figures: Figures, inspection: Mapping[str, Any]
) -> dict[str, Any]:
    name, baseline = verdict["recommended"], verdict["baseline"]
    row = next(entry for entry in verdict["table"] if entry["activation"] == name)
    record = known(name)
    chart = charts.activation_curve(record) if record is not None else None
    curve = ""
    if chart is not None:
        label = f"curve of {name} (solid) and of its derivative (dashed) from -4 to 4"
        curve = Markup(charts.inline_svg(charts.to_svg(chart), label))
    confidence = percent(statistic(verdict, "confidence", 0.95))
    facts = [
        (
            f"{figures.name} on unseen rows",
            _with_unit(figures.value(row["mean"]), figures.unit),
            f"{confidence}: {figures.values(row['ci_low'], row['ci_high'])}",
        )
    ]
    if name != baseline:
        interval = figures.differences(row["difference_low"], row["difference_high"])
        gain = _with_unit(figures.difference(row["expected_gain"]), figures.step)
        facts += [
            (
                f"measured gain over {baseline}",
                _with_unit(figures.difference(row["difference"]), figures.step),
                f"{confidence}: {interval}",
            ),
            (f"expected gain over {baseline}", gain, "shrunk towards the others"),
            (f"better than {baseline}", f"{chance(row['probability_better'])} likely", ""),
        ]
    else:
        facts += _rivals(verdict, figures)
    facts.append(("its learning rate", number(row["learning_rate"]), "chosen on validation rows"))
    tied = [visible(other, 60) for other in verdict["tied"]]
    serious = [
        visible(item["kind"], 60) + (f" ({visible(item['column'], 40)})" if item["column"] else "")
        for item in inspection.get("findings", ())
        if item["severity"] == "warning"
    ]
    return {
        "class": verdict["strength"].replace(" ", "-"),
        "strength": sentence(verdict["strength"]).rstrip("."),
        "reason": sentence(verdict["reason"]),
        "name": name,
        "summary": record.summary if record is not None else "",
        "curve": curve,
        "facts": facts,
        "tied": several(tied, 8),
        "serious": several(serious, 4),
        "serious_count": count(len(serious), "warning"),
    }


def _rivals(verdict: Mapping[str, Any], figures: Figures) -> list[tuple[str, str, str]]:
    """What a reader asks who is told to keep the baseline: what else, and how sure is that?"""
    facts = []
    others = [r for r in verdict["table"] if r["activation"] != verdict["baseline"]]
    best = max(others, key=lambda r: r["difference"] or 0.0, default=None)
    if best is not None:
        interval = figures.differences(best["difference_low"], best["difference_high"])
        facts.append(
            (
                f"best of the others: {charts.shorten(best['activation'], 20)}",
                _with_unit(figures.difference(best["difference"]), figures.step),
                f"{percent(statistic(verdict, 'confidence', 0.95))}: {interval}",
            )
        )
    seen = statistic(verdict, "detectable_difference")
    if seen is not None:
        size = _with_unit(_size(figures, seen), figures.step)
        facts.append(("a study of this size detects", size, "in four cases of five"))
    return facts


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit and text != "–" else text


def board_section(
    verdict: Mapping[str, Any], figures: Figures, inspection: Mapping[str, Any]
) -> dict[str, Any]:
    """The leaderboard's rows and chart, and the warnings that are not about the table."""
    rows = [
        {
            "class": "recommended"
            if entry["activation"] == verdict["recommended"]
            else "base"
            if entry["activation"] == verdict["baseline"]
            else "",
            "rank": place,
            "name": entry["activation"],
            "cells": _cells(entry, figures, entry["activation"] == verdict["baseline"]),
        }
        for place, entry in enumerate(verdict["table"], 1)
    ]
    told = {item["message"] for item in inspection.get("findings", ())}
    warnings = [item for item in verdict["warnings"] if item["message"] not in told]
    return {
        "rows": rows,
        "metric": figures.name,
        "unit": figures.unit,
        "step": figures.step,
        "confidence": percent(statistic(verdict, "confidence", 0.95)),
        "seeds": count(verdict["settings"].get("seeds", 0), "run"),
        "baseline": verdict["baseline"],
        "warnings": [sentence(item["message"], 400) for item in warnings[:_WARNINGS]],
        "warnings_left_out": max(0, len(warnings) - _WARNINGS),
        "chart": charts.both(
            lambda width: charts_standings.standings(dict(verdict), figures, width),
            f"{figures.name} of every activation, mean and interval, best first; "
            "the same numbers are in the table above",
        ),
    }


def _cells(entry: Mapping[str, Any], figures: Figures, base: bool) -> list[tuple[str, Any]]:
    """``[(text, sort key)]`` of a line of the leaderboard, after the name."""

    def key(value: Any) -> Any:
        return "" if value is None else value

    return [
        (number(entry["learning_rate"]), key(entry["learning_rate"])),
        (figures.value(entry["mean"]), key(entry["mean"])),
        (figures.values(entry["ci_low"], entry["ci_high"]), key(entry["ci_low"])),
        ("–" if base else figures.difference(entry["difference"]), key(entry["difference"])),
        (
            "–" if base else figures.differences(entry["difference_low"], entry["difference_high"]),
            key(entry["difference_low"]),
        ),
        ("–" if base else figures.difference(entry["expected_gain"]), key(entry["expected_gain"])),
        ("–" if base else chance(entry["probability_better"]), key(entry["probability_better"])),
        (p_value(entry["p_holm"]), key(entry["p_holm"])),
        (percent(entry["dead_fraction"]), key(entry["dead_fraction"])),
        (
            f"{entry['diverged']} of {entry['runs']}" if entry["diverged"] else "0",
            entry["diverged"],
        ),
        (number(_rounded(entry["epochs_to_best"])), key(entry["epochs_to_best"])),
    ]


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def differences_section(verdict: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    zone, seen = margin(verdict), statistic(verdict, "detectable_difference")
    needed = statistic(verdict, "seeds_needed")
    return {
        "baseline": verdict["baseline"],
        "confidence": percent(statistic(verdict, "confidence", 0.95)),
        "zone": "" if zone is None else _with_unit(_size(figures, zone), figures.step),
        "seen": "" if seen is None else _with_unit(_size(figures, seen), figures.step),
        "greater": figures.metric.greater_is_better,
        "needed": "" if not needed else f"{needed:,}",
        "chart": charts.both(
            lambda width: charts_standings.differences(dict(verdict), figures, zone, width),
            f"paired difference of every activation to {verdict['baseline']} with its interval; "
            "the same numbers are in the leaderboard's table",
        ),
    }


def _size(figures: Figures, value: float) -> str:
    return figures.difference(value).lstrip("+−")
