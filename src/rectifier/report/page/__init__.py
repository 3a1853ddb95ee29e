"""The study as one self-contained HTML page: everything inside, nothing fetched.

Data and page are separate: the functions here turn a verdict into texts, rows and drawings,
templates/report.html.jinja lays them out. Every text from data goes through :func:`visible` and is
escaped by jinja2; the content security policy lets no other script run than the page's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rectifier.report.page.data import data_section
from rectifier.report.page.snippets import snippets
from rectifier.report.page.standings import (
    board_section,
    differences_section,
    statistic,
    verdict_section,
)
from rectifier.report.page.training import (
    dead_section,
    learning_section,
    network_section,
    variation_section,
)
from rectifier.report.plain import Figures, count, duration, number, percent, visible
from rectifier.report.templating import asset, environment, policy
from rectifier.study.judge.metrics import OWN, get_metric

if TYPE_CHECKING:
    from rectifier.study.journal import Run

_LONG_LIST, _LONG_TEXT = 200, 2_000  # items, letters that are kept in the page's JSON
_INTERVALS = {"t": "paired t over seeds"}
# Settings that Rectifier's own call takes.
_FOLLOWED = {
    *("activations", "baseline", "metric", "hidden", "epochs", "patience", "batch_size"),
    *("image", "weight_decay", "dropout", "batch_norm"),
    *("learning_rates", "seeds", "tune_seeds", "interval", "budget", "seed"),
}


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
        "policy": policy(asset("report.js")),
        "name": visible(about["source"], 60),
        "masthead": _masthead(verdict, runs),
        "verdict": verdict_section(verdict, figures, inspection),
        "board": board_section(verdict, figures, inspection),
        "differences": differences_section(verdict, figures),
        "learning": learning_section(verdict, runs),
        "dead": dead_section(verdict, runs),
        "variation": variation_section(variation),
        "network": network_section(verdict),
        "data": data_section(inspection, about),
        "settings": _settings(verdict, runs),
        "snippets": snippets(verdict["recommended"], verdict["settings"]),
        "json": _json(verdict),
    }
    return environment().get_template("report.html.jinja").render(context)


# --- sections -------------------------------------------------------------------------------


def _masthead(verdict: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    about, settings = verdict["data"], verdict["settings"]
    classes = len(about.get("classes") or ())
    return {
        "target": visible(about["target"], 60),
        "goal": f"one of {classes:,} classes" if classes else "a number",
        "own": about["task"] == OWN,
        "rows": count(about["rows"] or 0, "row"),
        "columns": count(about["columns"] or 0, "column"),
        "candidates": count(len(verdict["table"]), "activation"),
        "runs": count(len(runs), "training run"),
        "time": duration(settings["seconds"]) if settings.get("seconds") else "",
    }


def _settings(verdict: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    settings, about = verdict["settings"], verdict["data"]
    confirm = sum(run.phase == "confirm" for run in runs)
    rates = ", ".join(number(rate) for rate in settings["learning_rates"])
    confidence = percent(statistic(verdict, "confidence", 0.95))
    pairs = [
        *_training(settings),
        ("learning rates tried", rates),
        ("seeds", f"{settings['tune_seeds']} to tune, {settings['seeds']} to confirm"),
        ("training runs", f"{len(runs) - confirm:,} to tune, {confirm:,} to confirm"),
        ("metric", str(settings.get("metric") or verdict["metric"]).replace("_", " ")),
        ("interval", f"{_INTERVALS.get(settings['interval'], settings['interval'])}, {confidence}"),
        ("baseline", verdict["baseline"]),
        ("random seed", str(settings["seed"])),
        ("time", duration(settings.get("seconds"))),
    ]
    if settings.get("looks"):
        pairs.append(("seeds added until", settings["looks"]["stopped"]))
    if settings.get("budget"):
        pairs.append(("budget", duration(settings["budget"])))
    pairs += [("version", f"Rectifier {settings['version']}")]
    pairs += [(name, str(value)) for name, value in settings.get("versions", {}).items()]
    whose = "code's" if about["task"] == OWN else "table's"
    pairs.append((f"{whose} fingerprint", str(about["fingerprint"])[:16]))
    return {
        "pairs": [(visible(term, 40), visible(value, 160)) for term, value in pairs],
        "command": visible(settings.get("command") or _call(verdict), _LONG_TEXT),
        "version": visible(settings["version"], 20),
    }


def _training(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How runs were trained; of somebody's own training code nothing is known."""
    if "epochs" not in settings:
        return [("network", settings["network"])]
    optimizer = settings.get("optimizer", "adam")
    hidden = "–".join(map(str, settings.get("hidden") or ()))
    trained = settings.get("trained")
    decay, dropout = settings.get("weight_decay"), settings.get("dropout")
    against = [f"weight decay {number(decay)}"] * bool(decay)
    against += [f"dropout {percent(dropout)}"] * bool(dropout)
    against += ["batch norm"] * bool(settings.get("batch_norm"))
    return [
        *([("runs were trained", trained)] if trained else []),
        ("network", f"{settings['network']}, {hidden} hidden" if hidden else settings["network"]),
        ("optimizer", f"{optimizer}, batches of {settings['batch_size']}"),
        *([("regularisation", ", ".join(against))] if against else []),
        ("epochs", f"at most {settings['epochs']}, patience {settings['patience']}"),
        ("cross-validation", f"{settings.get('folds', 5)} folds, repeated"),
    ]


def _call(verdict: Mapping[str, Any]) -> str:
    """The call that makes such a study from Python, with what differs from the defaults."""
    from rectifier.study.settings import AUTO, CANDIDATES, Settings

    usual = Settings(activations=CANDIDATES, metric=verdict["metric"]).checked()
    given = {
        name: value
        for name, value in verdict["settings"].items()
        if name in _FOLLOWED and value != json.loads(json.dumps(getattr(usual, name)))
    }
    if verdict["settings"].get("until_settled"):
        given["seeds"] = AUTO
    if len(given.get("activations", ())) > 40:
        given["activations"] = ["..."]
    arguments = "".join(f", {name}={value!r}" for name, value in given.items())
    if verdict["data"]["task"] == OWN:
        return f"rectifier.compare(train={verdict['data']['name']}{arguments})"
    return f"rectifier.compare(data, target={verdict['data']['target']!r}{arguments})"


def _json(value: Any) -> Any:
    """The verdict for machines, without what grows with the table: see verdict.json for that."""
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value[:_LONG_LIST]]
    return value[:_LONG_TEXT] if isinstance(value, str) else value
