"""The study as one self-contained HTML page: everything inside, nothing fetched.

Data and page are separate: the functions here turn a verdict into texts, rows and drawings,
templates/report.html lays them out. Every text from data goes through :func:`visible` and is
escaped by jinja2; the content security policy lets no other script run than the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rectifier.report import charts, charts_epochs, charts_standings
from rectifier.report.network import describe, network_svg
from rectifier.report.page_data import data_section
from rectifier.report.plain import (
    Figures,
    chance,
    count,
    duration,
    number,
    p_value,
    percent,
    sentence,
    several,
    visible,
)
from rectifier.report.snippets import known, snippets
from rectifier.study.metrics import get_metric

if TYPE_CHECKING:
    from rectifier.study.journal import Run

WIDE, NARROW = 900, 350  # px; a chart is drawn for a desk and for a phone
_PANELS = 24  # learning curves drawn one by one
_LONG_LIST = 100  # class names that are kept in the page's JSON


def render(
    verdict: Mapping[str, Any],
    runs: Sequence[Run],
    inspection: Mapping[str, Any],
    variation: Mapping[str, float],
) -> str:
    """The report page as HTML text, UTF-8 encodable, under 3 MB whatever the study.

    Args:
        verdict: as in ``verdict.json``.
        runs: of the journal, both phases; learning curves are drawn from those that confirm.
        inspection: ``Inspection.to_dict()``; may be empty.
        variation: shares of the tuning scores' variance by source; may be empty.

    Raises:
        UnknownName: the verdict's metric is not one of ours.
    """
    about = verdict["data"]
    figures = Figures(get_metric(verdict["metric"], about["task"]))
    context = {
        "style": asset("style.css") + asset("report.css"),
        "script": asset("report.js"),
        "policy": _policy(asset("report.js")),
        "name": visible(about["source"], 60),
        "masthead": _masthead(verdict, runs),
        "verdict": _verdict(verdict, figures, inspection),
        "board": _board(verdict, figures),
        "differences": _differences(verdict, figures),
        "learning": _learning(verdict, runs),
        "dead": _dead(verdict, runs),
        "variation": _variation(variation),
        "network": _network(verdict),
        "data": data_section(inspection),
        "settings": _settings(verdict, runs),
        "snippets": snippets(verdict["recommended"], verdict["settings"]),
        "json": _json(verdict),
    }
    return _environment().get_template("report.html").render(context)


@cache
def asset(name: str) -> Markup:
    """A file of templates/ as it stands, for the inside of a page's style or script element."""
    text = resources.files("rectifier.report").joinpath("templates", name).read_text("utf-8")
    return Markup(text)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("rectifier.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _policy(script: str) -> str:
    """Content security policy: our one script by its hash, inline styles, no address at all."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def both(draw: Any, label: str) -> Markup | None:
    """A drawing for wide screens and one for phones; the style sheet shows one of them.

    Args:
        draw: ``draw(width)`` gives a chart, or None for nothing to draw.
        label: what a screen reader says.
    """
    parts = []
    for kind, width in (("wide", WIDE), ("narrow", NARROW)):
        chart = draw(width)
        if chart is None:
            return None
        svg = chart if isinstance(chart, str) else charts.inline_svg(charts.to_svg(chart), label)
        parts.append(f'<div class="{kind}">{svg}</div>')
    return Markup("".join(parts))


def statistic(verdict: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """A setting, or what the statistics added to the settings."""
    settings = verdict["settings"]
    found = settings.get("statistics", {}).get(name)
    return settings.get(name, default) if found is None else found


def margin(verdict: Mapping[str, Any]) -> float | None:
    """The difference that is too small to matter, in the metric's unit."""
    return statistic(verdict, "equivalence_margin", statistic(verdict, "equivalence"))


# --- sections -------------------------------------------------------------------------------


def _masthead(verdict: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    about, settings = verdict["data"], verdict["settings"]
    classes = len(about.get("classes") or ())
    layers = [settings["inputs"], *settings["hidden"], settings["outputs"]]
    return {
        "target": visible(about["target"], 60),
        "goal": count(classes, "class").replace("classs", "classes")
        if about["task"] == "classification"
        else "a number",
        "rows": count(about["rows"], "row"),
        "columns": count(about["columns"], "column"),
        "candidates": count(len(verdict["table"]), "activation"),
        "runs": count(len(runs), "training run"),
        "layers": "–".join(f"{size:,}" for size in layers),
        "time": duration(settings["seconds"]) if settings.get("seconds") else "",
    }


def _verdict(
    verdict: Mapping[str, Any], figures: Figures, inspection: Mapping[str, Any]
) -> dict[str, Any]:
    name, baseline = verdict["recommended"], verdict["baseline"]
    row = next(entry for entry in verdict["table"] if entry["activation"] == name)
    record = known(name)
    chart = charts.activation_curve(record, 208, 150) if record is not None else None
    curve = ""
    if chart is not None:
        label = f"curve of {name} (solid) and of its derivative (dashed) from -4 to 4"
        curve = Markup(charts.inline_svg(charts.to_svg(chart), label))
    confidence = percent(statistic(verdict, "confidence", 0.95))
    facts = [
        (f"{figures.name}, mean", _with_unit(figures.value(row["mean"]), figures.unit), ""),
        (f"{confidence} interval", figures.values(row["ci_low"], row["ci_high"]), ""),
    ]
    if name != baseline:
        interval = figures.differences(row["difference_low"], row["difference_high"])
        facts += [
            (f"over {baseline}", _with_unit(figures.difference(row["difference"]), figures.step), ""),
            (f"{confidence} interval", interval, ""),
            (f"better than {baseline}", f"{chance(row['probability_better'])} likely", ""),
        ]
    facts.append(("learning rate", number(row["learning_rate"]), ""))
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
        "facts": [(term, value) for term, value, _ in facts],
        "tied": several(tied, 8),
        "serious": several(serious, 4),
        "serious_count": count(len(serious), "warning"),
    }


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit and text != "–" else text


def _board(verdict: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    rows = [
        {
            "class": "recommended"
            if entry["activation"] == verdict["recommended"]
            else "base"
            if entry["activation"] == verdict["baseline"]
            else "",
            "rank": place,
            "name": charts.shorten(entry["activation"], 34),
            "cells": _cells(entry, figures, entry["activation"] == verdict["baseline"]),
        }
        for place, entry in enumerate(verdict["table"], 1)
    ]
    findings_kinds = {"diverged"}
    return {
        "rows": rows,
        "metric": figures.name,
        "unit": figures.unit,
        "step": figures.step,
        "confidence": percent(statistic(verdict, "confidence", 0.95)),
        "seeds": count(verdict["settings"].get("seeds", 0), "run"),
        "baseline": verdict["baseline"],
        "warnings": [
            sentence(item["message"], 300)
            for item in verdict["warnings"]
            if item["kind"] in findings_kinds
        ][:10],
        "chart": both(
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
        (f"{entry['diverged']} of {entry['runs']}" if entry["diverged"] else "0", entry["diverged"]),
        (number(_rounded(entry["epochs_to_best"])), key(entry["epochs_to_best"])),
    ]


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def _differences(verdict: Mapping[str, Any], figures: Figures) -> dict[str, Any]:
    zone, seen = margin(verdict), statistic(verdict, "detectable_difference")
    needed = statistic(verdict, "seeds_needed")
    return {
        "baseline": verdict["baseline"],
        "confidence": percent(statistic(verdict, "confidence", 0.95)),
        "zone": "" if zone is None else _with_unit(_size(figures, zone), figures.step),
        "seen": "" if seen is None else _with_unit(_size(figures, seen), figures.step),
        "needed": "" if not needed else f"{needed:,}",
        "chart": both(
            lambda width: charts_standings.differences(dict(verdict), figures, zone, width),
            f"paired difference of every activation to {verdict['baseline']} with its interval; "
            "the same numbers are in the leaderboard's table",
        ),
    }


def _size(figures: Figures, value: float) -> str:
    return figures.difference(value).lstrip("+−")


def _learning(verdict: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    bands = charts_epochs.bands(runs, charts_epochs.VALIDATION_LOSS)
    scale = charts_epochs.shared_scale(bands)
    ranked = [entry["activation"] for entry in verdict["table"] if entry["activation"] in bands]
    special = {verdict["recommended"], verdict["baseline"]}
    room = _PANELS - sum(name in special for name in ranked)
    others = [name for name in ranked if name not in special]
    chosen = special | set(others[:room])
    drawn = {}
    if scale is not None:
        shown = {name: bands[name] for name in ranked if name in chosen}
        drawn = charts_epochs.panels(shown, verdict["recommended"], verdict["baseline"], scale)
    styles = {verdict["baseline"]: "base", verdict["recommended"]: "best"}
    panels = []
    for name, chart in drawn.items():
        label = f"validation loss of {name} over epochs, median and band"
        drawing = Markup(charts.inline_svg(charts.to_svg(chart), label))
        panels.append((name, styles.get(name, ""), drawing))
    return {
        "panels": panels,
        "left_out": several([n for n in ranked if n not in chosen], 6),
        "baseline": verdict["baseline"],
        "loss": "cross-entropy in nats"
        if verdict["data"]["task"] == "classification"
        else "mean squared error of the standardised target",
        "logarithmic": scale is not None and scale.logarithmic,
    }


def _dead(verdict: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    bands = charts_epochs.bands(runs, charts_epochs.DEAD)
    special = verdict["recommended"], verdict["baseline"]

    def draw(width: int) -> Any | None:
        drawn = charts_epochs.dead_units(bands, *special, width)
        return None if drawn is None else drawn[0]

    epsilon = number(statistic(verdict, "dead_epsilon", 1e-3))
    return {
        "chart": both(draw, "median share of dead hidden units over epochs for each activation"),
        "epsilon": epsilon,
        "known": bool(bands),
        "worst": _worst(verdict),
    }


def _worst(verdict: Mapping[str, Any]) -> str:
    """Who has most dead units at the best epoch, as a sentence."""
    rows = [entry for entry in verdict["table"] if (entry["dead_fraction"] or 0) >= 0.005]
    if not rows:
        return "At its best epoch no activation had dead units to speak of."
    rows.sort(key=lambda entry: -entry["dead_fraction"])
    listed = several(
        [f"{entry['activation']} ({percent(entry['dead_fraction'])})" for entry in rows], 4
    )
    return f"At the best epoch: {listed}; every other activation has less than half a per cent."


def _variation(shares: Mapping[str, float]) -> dict[str, Any]:
    names = {"activation x learning rate": "activation × learning rate"}
    known_shares = {name: share for name, share in shares.items() if share and share > 0}
    label = ", ".join(f"{name} {percent(share)}" for name, share in known_shares.items())
    return {
        "sentence": variation_sentence(shares),
        "rows": [
            (charts_epochs.VARIATION_COLOURS.get(name, "other"), names.get(name, name), meaning)
            + (percent(shares[name]),)
            for name, meaning in _MEANINGS.items()
            if name in shares
        ]
        if known_shares
        else [],
        "chart": both(lambda width: charts_epochs.variation_bar(known_shares, width), label),
    }


_MEANINGS = {
    "activation": "its mean level, over all learning rates",
    "learning rate": "its mean level, over all activations",
    "activation x learning rate": "activations that want different rates",
    "rows": "which rows were trained on and validated",
    "initial weights and order": "the draw of weights and batches, and the rest",
}


def variation_sentence(shares: Mapping[str, float]) -> str:
    """What mattered more, said plainly."""
    if not sum(shares.values()):
        return "The tuning scores did not vary enough to be parted."
    activation, rate = shares.get("activation", 0.0), shares.get("learning rate", 0.0)
    together = shares.get("activation x learning rate", 0.0)
    luck = shares.get("rows", 0.0) + shares.get("initial weights and order", 0.0)
    against = f"{percent(max(activation, rate))} of the variation against "
    against += percent(min(activation, rate))
    if rate > activation:
        text = f"The learning rate mattered more than the activation: {against}. Tune it first."
    elif activation > rate:
        text = f"The activation mattered more than the learning rate: {against}."
    else:
        text = "Activation and learning rate mattered equally."
    if together >= 0.1:
        text += (
            f" Another {percent(together)} is activations wanting different rates, which is why "
            "each was compared at its own."
        )
    if luck > 0:
        text += f" {percent(luck)} is the luck of rows and initial weights, whatever one chooses."
    return text


def _network(verdict: Mapping[str, Any]) -> dict[str, Any]:
    settings, task = verdict["settings"], verdict["data"]["task"]
    name = verdict["recommended"]
    return {
        "kind": visible(settings["network"], 80),
        "drawing": both(lambda width: network_svg(settings, task, name, width), ""),
        "words": sentence(describe(settings, task, name)),
    }


def _settings(verdict: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    settings, about = verdict["settings"], verdict["data"]
    confirm = sum(run.phase == "confirm" for run in runs)
    rates = ", ".join(number(rate) for rate in settings["learning_rates"])
    optimizer = settings.get("optimizer", "adam")
    pairs = [
        ("network", f"{settings['network']}, {'–'.join(map(str, settings['hidden']))} hidden"),
        ("optimizer", f"{optimizer}, batches of {settings['batch_size']}"),
        ("epochs", f"at most {settings['epochs']}, patience {settings['patience']}"),
        ("learning rates tried", rates),
        ("seeds", f"{settings['tune_seeds']} to tune, {settings['seeds']} to confirm"),
        ("training runs", f"{len(runs) - confirm:,} to tune, {confirm:,} to confirm"),
        ("cross-validation", f"{settings.get('folds', 5)} folds, repeated"),
        ("metric", str(settings.get("metric") or verdict["metric"]).replace("_", " ")),
        ("interval", f"{settings['interval']}, {percent(statistic(verdict, 'confidence', 0.95))}"),
        ("baseline", verdict["baseline"]),
        ("random seed", str(settings["seed"])),
        ("time", duration(settings.get("seconds"))),
    ]
    if settings.get("budget_seconds"):
        pairs.append(("budget", duration(settings["budget_seconds"])))
    pairs += [("version", f"Rectifier {settings['version']}")]
    pairs += [(name, str(value)) for name, value in settings.get("versions", {}).items()]
    pairs.append(("table's fingerprint", str(about["fingerprint"])[:16]))
    return {
        "pairs": [(visible(term, 40), visible(value, 160)) for term, value in pairs],
        "command": visible(settings["command"], 1_000),
        "notes": [sentence(note, 400) for note in settings.get("notes", ())],
        "version": visible(settings["version"], 20),
    }


def _json(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict for machines, without what grows with the table."""
    about = dict(verdict["data"])
    if len(about.get("classes") or ()) > _LONG_LIST:
        about["classes"] = f"{len(about['classes'])} classes; see verdict.json"
    return {**verdict, "data": about, "warnings": list(verdict["warnings"])[:_LONG_LIST]}
