"""The page's second half: what happened in training, what mattered, the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from rectifier.report import charts
from rectifier.report.page import charts_epochs
from rectifier.report.page.network import describe, network_svg
from rectifier.report.plain import number, percent, sentence, several, visible

if TYPE_CHECKING:
    from rectifier.study.journal import Run

_PANELS = 24  # learning curves drawn one by one
_MEANINGS = {
    "activation": "its mean level, over all learning rates",
    "learning rate": "its mean level, over all activations",
    "activation x learning rate": "activations that want different rates",
    "rows": "which rows were trained on and validated",
    "initial weights and order": "the draw of weights and batches, and the rest",
}


def learning_section(verdict: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
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


def dead_section(verdict: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    measured = [run for run in runs if not np.isnan(run.curves[charts_epochs.DEAD]).all()]
    bands = charts_epochs.bands(measured, charts_epochs.DEAD)
    special = verdict["recommended"], verdict["baseline"]

    def draw(width: int) -> Any | None:
        drawn = charts_epochs.dead_units(bands, *special, width)
        return None if drawn is None else drawn[0]

    epsilon = number(verdict["settings"].get("dead_epsilon", 1e-3))
    return {
        "chart": charts.both(
            draw, "median share of dead hidden units over epochs for each activation"
        ),
        "epsilon": epsilon,
        "known": bool(bands),
        "worst": _worst(verdict),
    }


def _worst(verdict: Mapping[str, Any]) -> str:
    """Who has most dead units at the best epoch, as a sentence."""
    if all(entry["dead_fraction"] is None for entry in verdict["table"]):
        return "It was not measured: the network's layers are not Rectifier's own."
    rows = [entry for entry in verdict["table"] if (entry["dead_fraction"] or 0) >= 0.005]
    if not rows:
        return "At its best epoch no activation had dead units to speak of."
    rows.sort(key=lambda entry: -entry["dead_fraction"])
    listed = several(
        [f"{entry['activation']} ({percent(entry['dead_fraction'])})" for entry in rows], 4
    )
    return f"At the best epoch: {listed}; every other activation has less than half a per cent."


def variation_section(shares: Mapping[str, float]) -> dict[str, Any]:
    names = {"activation x learning rate": "activation × learning rate"}
    known_shares = {name: share for name, share in shares.items() if share and share > 0}
    label = ", ".join(f"{name} {percent(share)}" for name, share in known_shares.items())
    return {
        "sentence": variation_sentence(shares),
        "rows": [
            (
                charts_epochs.VARIATION_COLOURS[name],
                names.get(name, name),
                meaning,
                percent(shares[name]),
            )
            for name, meaning in _MEANINGS.items()
            if name in shares
        ]
        if known_shares
        else [],
        "chart": charts.both(lambda width: charts_epochs.variation_bar(known_shares, width), label),
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


def network_section(verdict: Mapping[str, Any]) -> dict[str, Any]:
    settings, task = verdict["settings"], verdict["data"]["task"]
    name = verdict["recommended"]
    if not settings.get("hidden") or settings.get("architecture"):
        words = settings.get("architecture") or "The training code's own; nothing is known of it"
        return {"kind": "", "drawing": "", "words": sentence(words)}
    return {
        "kind": visible(settings["network"], 80),
        "drawing": charts.both(lambda width: network_svg(settings, task, name, width), ""),
        "words": sentence(describe(settings, task, name)),
    }
