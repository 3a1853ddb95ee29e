"""A diagnosis as one self-contained HTML page, and as the fragment that notebooks show."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from rectifier.report.charts import NARROW, WIDE
from rectifier.report.diagnosis.picture import legend, picture
from rectifier.report.plain import count, number, percent, sentence, visible
from rectifier.report.templating import asset, embedded, environment, policy

_SITES, _FINDINGS, _WEIGHTS = 300, 60, 300


def page(diagnosis: Mapping[str, Any]) -> str:
    """The page as HTML text: nothing fetched, only its own script may run.

    Args:
        diagnosis: ``Diagnosis.to_dict()``.
    """
    from rectifier import __version__

    about = diagnosis["about"]
    context = {
        "style": asset("style.css") + asset("report.css") + asset("diagnosis.css"),
        "script": asset("report.js"),
        "policy": policy(asset("report.js")),
        "version": __version__,
        "model": visible(about["model"], 60),
        "framework": {"torch": "PyTorch", "keras": "Keras"}[about["framework"]],
        "data": visible(about["data"], 60),
        "rows": count(about["rows"], "target") if about.get("rows") else "",
        "loss": _loss(about),
        "healthy": diagnosis["healthy"],
        "headline": headline(diagnosis),
        "findings": [_finding(item) for item in diagnosis["findings"][:_FINDINGS]],
        "left_out": max(0, len(diagnosis["findings"]) - _FINDINGS),
        "picture": _picture(diagnosis),
        "legend": legend(),
        "sites": _sites(diagnosis),
        "unseen": _unseen(diagnosis),
        "gradients": _gradients(diagnosis),
        "json": embedded(_small(diagnosis)),
    }
    return environment().get_template("diagnosis.html.jinja").render(context)


def headline(diagnosis: Mapping[str, Any]) -> str:
    """One sentence: how many faults, in which layers."""
    faults = [f for f in diagnosis["findings"] if f["severity"] == "fault"]
    notes = len(diagnosis["findings"]) - len(faults)
    more = f" Besides: {count(notes, 'note')}." if notes else ""
    if not faults:
        return f"No fault was found in {count(len(diagnosis['layers']), 'activation site')}.{more}"
    titles = list(dict.fromkeys(f["title"] for f in faults))
    shown = "; ".join(titles[:4])
    if len(titles) > 4:
        shown += f"; and {count(len(titles) - 4, 'more kind')}"
    return f"{count(len(faults), 'fault')}: {shown}.{more}"


def fragment(diagnosis: Mapping[str, Any]) -> str:
    """For notebooks: headline, findings and sites; every text escaped."""
    findings = [
        (f["title"], _place(f), sentence(f["what"]), visible(f["remedy"], 300), f["sure"])
        for f in diagnosis["findings"]
    ]
    sites = [
        (
            visible(r["site"]),
            visible(r["activation"]),
            f"{r['units']:,}",
            percent(r["dead"]),
            percent(r["saturated"]),
            percent(r["linear"]),
        )
        for r in diagnosis["layers"][:_SITES]
    ]
    return (
        f"<p>{html.escape(headline(diagnosis))}</p>"
        + _table(("finding", "where", "what", "do", "sure"), findings)
        + _table(("site", "activation", "units", "dead", "saturated", "linear"), sites)
        + _table(("not seen", "because"), _unseen(diagnosis))
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    return "<table>" + line(head, "th") + "".join(line(row, "td") for row in rows) + "</table>"


def _loss(about: Mapping[str, Any]) -> str:
    if about.get("mean_loss") is None:
        return ""
    return f"{visible(about['loss'], 60)} {number(about['mean_loss'])}"


def _place(item: Mapping[str, Any]) -> str:
    line = f" ({item['source']})" if item["source"] else ""
    return visible(f"{item['layer'] or 'the model'}{line}", 120)


def _finding(item: Mapping[str, Any]) -> dict[str, str]:
    return {
        "severity": "warning" if item["severity"] == "fault" else "hint",
        "title": visible(item["title"], 80),
        "place": _place(item),
        "what": sentence(item["what"], 800),
        "why": sentence(item["why"], 800),
        "remedy": visible(item["remedy"], 400),
        "sure": item["sure"],
    }


def _picture(diagnosis: Mapping[str, Any]) -> Markup | None:
    wide = picture(diagnosis, WIDE, 4)
    narrow = picture(diagnosis, NARROW, 1)
    if wide is None or narrow is None:
        return None
    return Markup(f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>')


def _sites(diagnosis: Mapping[str, Any]) -> list[dict[str, Any]]:
    drawn = {h["site"]: h for h in diagnosis["histograms"]}
    rows = []
    for row in diagnosis["layers"][:_SITES]:
        shares = [row[key] for key in ("dead", "saturated", "linear", "constant", "sparsity")]
        cells = [(percent(s), f"{s:.6g}") for s in shares]
        rank = row["effective_rank"] or 0.0
        rows.append(
            {
                "site": visible(row["site"], 60),
                "activation": visible(row["activation"], 40),
                "units": (f"{row['units']:,}", row["units"]),
                "cells": [*cells, (f"{rank:.1f}", f"{rank:.6g}")],
                "z": _bars(drawn.get(row["site"], {}).get("z")),
                "y": _bars(drawn.get(row["site"], {}).get("y")),
                "bad": [k for k, share in enumerate(shares[:2]) if share >= 0.5],
            }
        )
    return rows


def _unseen(diagnosis: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Sites that nothing is said of, with the reasons."""
    return [(visible(u["site"], 60), visible(u["reason"], 200)) for u in diagnosis["unseen"]]


def _bars(histogram: Mapping[str, Any] | None) -> Markup:
    """A histogram the size of a word, with its ends in figures."""
    if not histogram or not histogram["counts"]:
        return Markup("")
    counts, edges = histogram["counts"], histogram["edges"]
    most, wide = max(counts), 84 / len(counts)
    bars = "".join(
        f'<rect x="{k * wide:.1f}" y="{22 - 20 * c / most:.1f}" width="{max(wide - 0.3, 0.5):.1f}" '
        f'height="{20 * c / most:.1f}"/>'
        for k, c in enumerate(counts)
        if c
    )
    ends = f"{number(edges[0])} … {number(edges[-1])}"
    label = f"histogram from {edges[0]:.3g} to {edges[-1]:.3g}"
    return Markup(
        f'<svg class="spark" role="img" aria-label="{label}" viewBox="0 0 84 22" width="84" '
        f'height="22">{bars}</svg><span class="ends">{ends}</span>'
    )


def _gradients(diagnosis: Mapping[str, Any]) -> list[list[tuple[str, str]]]:
    keys = ("norm", "size", "effect", "step_ratio")
    return [
        [(visible(row["weight"], 60), visible(row["weight"], 60))]
        + [(number(row[k]) if row[k] is not None else "–", f"{row[k] or 0:.6g}") for k in keys]
        for row in diagnosis["gradients"][:_WEIGHTS]
    ]


def _small(diagnosis: Mapping[str, Any]) -> dict[str, Any]:
    """The data for machines, without what is drawn already."""
    return {k: v for k, v in diagnosis.items() if k not in ("histograms", "network")}
