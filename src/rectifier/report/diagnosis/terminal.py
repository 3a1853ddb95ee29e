"""A diagnosis in a terminal: what stands first, then every finding, then a line a site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rectifier.report.layout import Fitted, new_table, plain_text
from rectifier.report.plain import count, number, percent, sentence, visible

_FINDINGS, _SITES, _UNSEEN = 20, 60, 5
_COLOURS = {"fault": "bold yellow", "note": "bold"}


def rendered(diagnosis: Mapping[str, Any]) -> RenderableType:
    """Everything, never wider than 100 characters."""
    return Fitted([Group(*_parts(diagnosis))])


def headline(diagnosis: Mapping[str, Any]) -> str:
    """``2 faults, 1 note in 5 activation sites``."""
    faults = sum(f["severity"] == "fault" for f in diagnosis["findings"])
    notes = len(diagnosis["findings"]) - faults
    sites = count(len(diagnosis["layers"]), "activation site")
    if not faults and not notes:
        return f"Nothing is wrong in {sites}, as far as these rules see."
    parts = [count(faults, "fault")] * bool(faults) + [count(notes, "note")] * bool(notes)
    return f"{' and '.join(parts)} in {sites}."


def _parts(diagnosis: Mapping[str, Any]) -> list[RenderableType]:
    about = diagnosis["about"]
    head = f"{visible(about['model'], 40)} ({about['framework']}) on {visible(about['data'], 40)}"
    if about.get("mean_loss") is not None:
        head += f", {visible(about['loss'], 40)} {number(about['mean_loss'])}"
    parts: list[RenderableType] = [
        Text(head, style="bold"),
        Text(headline(diagnosis), style="green" if diagnosis["healthy"] else "bold red"),
        Text(""),
    ]
    findings = list(diagnosis["findings"])
    for item in findings[:_FINDINGS]:
        parts += _finding(item)
    if len(findings) > _FINDINGS:
        parts.append(Text(f"{len(findings) - _FINDINGS} more findings; --json lists them\n"))
    unseen = list(diagnosis["unseen"])
    for item in unseen[:_UNSEEN]:
        reason = visible(item["reason"], 200)
        parts.append(Text(f"not seen: {visible(item['site'], 60)}: {reason}", style="dim"))
    if len(unseen) > _UNSEEN:
        parts.append(Text(f"and {len(unseen) - _UNSEEN} more not seen; --json lists them"))
    if unseen:
        parts.append(Text(""))
    if diagnosis["layers"]:
        parts.append(Fitted([_sites(diagnosis, extra) for extra in range(5, -1, -1)]))
    return parts


def _finding(item: Mapping[str, Any]) -> list[RenderableType]:
    head = Text(visible(item["title"], 60), style=_COLOURS[item["severity"]])
    place = " ".join(filter(None, [item["layer"], f"({item['source']})" if item["source"] else ""]))
    if place:
        head.append(f": {visible(place, 80)}")
    head.append(f"  {item['sure']}", style="dim")
    lines: list[RenderableType] = [
        Text(sentence(item["what"], 600)),
        Text.assemble(("why: ", "dim"), (sentence(item["why"], 600), "dim")),
        Text.assemble(("do: ", "dim"), (visible(item["remedy"], 300), "cyan")),
    ]
    return [head, Padding(Group(*lines), (0, 0, 1, 2))]


def _sites(diagnosis: Mapping[str, Any], extra: int) -> Table:
    """A line a site with the first ``extra`` of the columns that may be left out."""
    more = {
        "linear": lambda row: percent(row["linear"]),
        "zeros": lambda row: percent(row["sparsity"]),
        "rank": lambda row: f"{row['effective_rank'] or 0:.1f}",
        "z mean": lambda row: number(row["z_mean"]),
        "z spread": lambda row: number(row["z_spread"]),
    }
    table = new_table(caption="shares of units; zeros: share of outputs", caption_justify="left")
    table.add_column("site", no_wrap=True, overflow="ellipsis", max_width=26)
    table.add_column("activation", no_wrap=True, overflow="ellipsis", max_width=16)
    for title in ("units", "dead", "saturated", *list(more)[:extra]):
        table.add_column(title, justify="right", no_wrap=True)
    for row in diagnosis["layers"][:_SITES]:
        cells = [
            f"{row['units']:,}",
            percent(row["dead"]),
            percent(row["saturated"]),
            *(cell(row) for cell in list(more.values())[:extra]),
        ]
        style = "yellow" if max(row["dead"], row["saturated"]) >= 0.5 else ""
        named = [Text(visible(row["site"], 60)), Text(visible(row["activation"], 40))]
        table.add_row(*named, *map(plain_text, cells), style=style)
    if len(diagnosis["layers"]) > _SITES:
        table.add_row(Text(f"and {len(diagnosis['layers']) - _SITES} more; --json lists all"))
    return table
