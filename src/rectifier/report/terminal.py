"""The study in a terminal: leaderboard, verdict and findings; progress.py shows what goes on.

Every text from data is made visible (no control code reaches the terminal) and put into
``rich.text.Text``, which knows no markup. Nothing is wider than 100 characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rectifier.report.layout import Fitted, new_table, plain_text
from rectifier.report.page.data import summary, yardstick
from rectifier.report.plain import (
    Figures,
    chance,
    number,
    percent,
    sentence,
    several,
    visible,
)
from rectifier.report.progress import StudyProgress
from rectifier.study.judge.metrics import get_metric

__all__ = [
    "StudyProgress",
    "findings",
    "inspection",
    "leaderboard",
    "verdict_line",
    "warnings",
]

_STRENGTHS = {"proven": "bold green", "likely": "bold cyan", "no matter": "bold"}
_FINDINGS, _CLASSES, _COLUMNS = 20, 12, 30  # lines of each list

Row = Mapping[str, Any]
Cell = Callable[[Row], str]


def leaderboard(verdict: Mapping[str, Any]) -> RenderableType:
    """Every activation in the verdict's order, for consoles of any width; never over 100.

    The recommended one is marked ``>``, the baseline ``=``; "blew up" are runs that diverged.
    Where there is no room for all columns, the least needed are left out.
    """
    full = _leaderboard_columns(verdict)
    return Fitted(
        [
            _leaderboard(verdict, {title: full[title] for title in full if title not in dropped})
            for dropped in (_DISPENSABLE[:count] for count in range(len(_DISPENSABLE) + 1))
        ]
    )


_DISPENSABLE = ("interval of mean", "rate", "blew up", "dead units", "interval of gain")


def _leaderboard_columns(verdict: Mapping[str, Any]) -> dict[str, tuple[str, str, Cell]]:
    """``{column: (heading, second line of it, what a row shows)}``."""
    figures = Figures(get_metric(verdict["metric"], verdict["data"]["task"]))
    confidence = _confidence(verdict)

    def of_others(cell: Cell) -> Cell:
        return lambda row: "" if row["activation"] == verdict["baseline"] else cell(row)

    def interval_of_gain(row: Row) -> str:
        return figures.differences(row["difference_low"], row["difference_high"])

    def interval_of_mean(row: Row) -> str:
        return figures.values(row["ci_low"], row["ci_high"])

    return {
        "rate": ("rate", "", lambda row: number(row["learning_rate"])),
        "mean": (figures.name, figures.unit, lambda row: figures.value(row["mean"])),
        "interval of mean": ("interval", confidence, interval_of_mean),
        "gain": ("gain", figures.step, of_others(lambda r: figures.difference(r["difference"]))),
        "interval of gain": ("interval", confidence, of_others(interval_of_gain)),
        "better": ("chance", "better", of_others(lambda row: chance(row["probability_better"]))),
        "dead units": ("dead", "units", lambda row: percent(row["dead_fraction"])),
        "blew up": ("blew", "up", lambda row: str(row["diverged"]) if row["diverged"] else ""),
    }


def _leaderboard(verdict: Mapping[str, Any], columns: Mapping[str, tuple[str, str, Cell]]) -> Table:
    caption = "> recommended   = baseline: gains are over it"
    table = new_table(caption=caption, caption_justify="left")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("\nactivation", no_wrap=True, overflow="ellipsis", min_width=8, max_width=22)
    for title, second, _ in columns.values():
        heading = f"{title}\n{second}"
        table.add_column(heading, justify="right", no_wrap=True, overflow="ellipsis")
    for place, row in enumerate(verdict["table"], 1):
        mark, style = f"{place}  ", ""
        if row["activation"] == verdict["recommended"]:
            mark, style = f"{place} >", "bold green"
        elif row["activation"] == verdict["baseline"]:
            mark, style = f"{place} =", "yellow"
        cells = [plain_text(cell(row)) for _, _, cell in columns.values()]
        table.add_row(Text(mark), Text(visible(row["activation"], 60)), *cells, style=style)
    return table


def verdict_line(verdict: Mapping[str, Any]) -> Text:
    """``Likely. Best bet: mish, 88 % likely to beat relu here, ...``: strength and reason."""
    strength = str(verdict["strength"])
    text = Text(sentence(strength), style=_STRENGTHS.get(strength, "bold"))
    return text.append(" ").append(Text(sentence(verdict["reason"]), style="not bold default"))


def warnings(verdict: Mapping[str, Any], most: int = 5) -> list[Text]:
    """The verdict's warnings, a line each; of more than ``most``, how many were left out."""
    items = list(verdict["warnings"])
    lines = [
        Text.assemble((f"{visible(item['kind'], 40)}: ", "yellow"), sentence(item["message"], 400))
        for item in items[:most]
    ]
    if len(items) > most:
        lines.append(Text(f"and {len(items) - most} more warnings, in the report", style="dim"))
    return lines


def findings(inspection: Mapping[str, Any]) -> RenderableType:
    """What a comparison says of its table beforehand: the summary and the findings."""
    return Fitted([Group(*_summary(inspection))])


def inspection(inspection: Mapping[str, Any]) -> RenderableType:
    """What ``rectifier inspect`` prints: findings, classes, columns, negative values."""
    return Fitted([Group(*_summary(inspection), *_details(inspection))])


def _summary(inspection: Mapping[str, Any]) -> list[RenderableType]:
    return [
        Text(visible(inspection["source"], 60), style="bold"),
        plain_text(summary(inspection)),
        plain_text(yardstick(inspection)),
        Text(""),
        *_listed_findings(inspection.get("findings", ())),
    ]


def _details(inspection: Mapping[str, Any]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if inspection.get("classes"):
        parts += [_classes(inspection), Text("")]
    if inspection.get("columns"):
        parts += [Fitted([_columns(inspection, 7), _columns(inspection, 4)]), Text("")]
    parts.append(plain_text(sentence(inspection.get("negative_sentence", ""))))
    components = [percent(share) for share in inspection.get("pca", ())]
    if components:
        text = f"Negative values in the principal components: {several(components, 12)}."
        parts.append(plain_text(text))
    if inspection.get("sampled"):
        parts.append(Text(sentence(inspection["sampled"]), style="dim"))
    return parts


def _listed_findings(items: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    if not items:
        return [Text("Nothing conspicuous was found.", style="green"), Text("")]
    parts: list[RenderableType] = []
    for item in items[:_FINDINGS]:
        style = "bold yellow" if item["severity"] == "warning" else "bold"
        head = Text(visible(item["kind"], 40), style=style)
        if item.get("column") is not None:
            head.append(Text(f": {visible(item['column'], 60)}", style=style))
        lines: list[RenderableType] = [Text(sentence(item["message"], 600))]
        if item["remedy"]:
            remedy = visible(item["remedy"], 300)
            lines.append(Text.assemble(("remedy: ", "dim"), (remedy, "cyan")))
        parts += [head, Padding(Group(*lines), (0, 0, 1, 2))]
    if len(items) > _FINDINGS:
        parts += [Text(f"{len(items) - _FINDINGS} more findings; --json lists them"), Text("")]
    return parts


def _classes(inspection: Mapping[str, Any]) -> Table:
    pairs = list(zip(inspection["classes"], inspection["counts"], strict=True))
    total = sum(number for _, number in pairs)
    table = new_table()
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=40)
    table.add_column("rows", justify="right")
    table.add_column("share", justify="right")
    chosen = pairs if len(pairs) <= _CLASSES else sorted(pairs, key=lambda p: -p[1])[:_CLASSES]
    for name, rows in chosen:
        table.add_row(Text(visible(name, 60)), f"{rows:,}", percent(rows / total, 1))
    if len(pairs) > len(chosen):
        table.add_row(Text(f"and {len(pairs) - len(chosen)} more"), "", "")
    return table


def _columns(inspection: Mapping[str, Any], shown: int) -> Table:
    """A line a column of the table, in the first ``shown`` of our own seven columns."""
    signs = {item["column"]: item for item in inspection.get("negative_share", ())}
    columns = list(inspection["columns"])
    table = new_table()
    table.add_column("\ncolumn", no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column("\nkind", no_wrap=True, overflow="ellipsis", max_width=20)
    for title in ("\nmissing", "\ndistinct"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("negative\nas it is", "negative\nscaled")[: shown - 4]:
        table.add_column(title, justify="right", no_wrap=True)
    if shown == 7:
        table.add_column("\nexample", no_wrap=True, overflow="ellipsis", max_width=14)
    for column in columns[:_COLUMNS]:
        sign = signs.get(column["name"], {})
        cells = [
            Text(visible(column["name"], 60)),
            Text(visible(column["kind"], 40)),
            plain_text(percent(column["missing"], 1) if column["missing"] else "0"),
            plain_text(f"{column['distinct']:,}"),
            plain_text(percent(sign.get("raw"))),
            plain_text(percent(sign.get("scaled"))),
            Text(visible(column["example"], 40)),
        ]
        table.add_row(*cells[:shown])
    if len(columns) > _COLUMNS:
        table.add_row(Text(f"and {len(columns) - _COLUMNS} more; --json lists all"))
    return table


def _confidence(verdict: Mapping[str, Any]) -> str:
    settings = verdict["settings"]
    return percent(settings.get("statistics", settings).get("confidence", 0.95))
