"""The study in a terminal: leaderboard, verdict and findings; progress.py shows what goes on.

Every text from data is made visible (no control code reaches the terminal) and put into
``rich.text.Text``, which knows no markup. Nothing is wider than 100 characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rectifier.report.page_data import summary, yardstick
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
from rectifier.study.metrics import get_metric

__all__ = [
    "StudyProgress",
    "findings",
    "inspection",
    "leaderboard",
    "verdict_line",
    "warnings",
]

WIDTH = 100  # characters that everything here fits into
_STRENGTHS = {"proven": "bold green", "likely": "bold cyan", "no matter": "bold"}
_FINDINGS, _CLASSES, _COLUMNS = 20, 12, 30  # lines of each list

Row = Mapping[str, Any]


def leaderboard(verdict: Mapping[str, Any]) -> RenderableType:
    """Every activation in the verdict's order, for consoles of any width; never over 100.

    The recommended one is marked ``>``, the baseline ``=``; "blew up" are runs that diverged.
    Below 95 characters the interval of the mean is left out, below 70 all but the mean, the
    difference and the chance.
    """
    return _Fitted(lambda width: _leaderboard(verdict, width))


def _leaderboard(verdict: Mapping[str, Any], width: int) -> Table:
    figures = Figures(get_metric(verdict["metric"], verdict["data"]["task"]))
    base = verdict["baseline"]
    confidence = _confidence(verdict)
    columns: list[tuple[int, str, str, Callable[[Row], str]]] = [
        (70, "rate", "", lambda row: number(row["learning_rate"])),
        (0, figures.name, figures.unit, lambda row: figures.value(row["mean"])),
        (95, "interval", confidence, lambda row: figures.values(row["ci_low"], row["ci_high"])),
        (
            0,
            "gain",
            figures.step,
            lambda row: "" if row["activation"] == base else figures.difference(row["difference"]),
        ),
        (
            70,
            "interval",
            confidence,
            lambda row: (
                ""
                if row["activation"] == base
                else figures.differences(row["difference_low"], row["difference_high"])
            ),
        ),
        (
            0,
            "chance",
            "better",
            lambda row: "" if row["activation"] == base else chance(row["probability_better"]),
        ),
        (70, "dead", "units", lambda row: percent(row["dead_fraction"])),
        (70, "blew", "up", lambda row: str(row["diverged"]) if row["diverged"] else ""),
    ]
    shown = [(f"{title}\n{unit}", cell) for least, title, unit, cell in columns if width >= least]
    table = _table(caption="> recommended   = baseline: gains are over it", caption_justify="left")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("\nactivation", no_wrap=True, overflow="ellipsis", min_width=8, max_width=22)
    for title, _ in shown:
        table.add_column(title, justify="right", no_wrap=True, overflow="ellipsis")
    for place, row in enumerate(verdict["table"], 1):
        mark, style = f"{place}  ", ""
        if row["activation"] == verdict["recommended"]:
            mark, style = f"{place} >", "bold green"
        elif row["activation"] == base:
            mark, style = f"{place} =", "yellow"
        cells = [_plain(cell(row)) for _, cell in shown]
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
    return _Fitted(lambda width: Group(*_summary(inspection)))


def inspection(inspection: Mapping[str, Any]) -> RenderableType:
    """What ``rectifier inspect`` prints: findings, classes, columns, negative values."""
    return _Fitted(lambda width: Group(*_summary(inspection), *_details(inspection, width)))


def _summary(inspection: Mapping[str, Any]) -> list[RenderableType]:
    return [
        Text(visible(inspection["source"], 60), style="bold"),
        _plain(summary(inspection)),
        _plain(yardstick(inspection)),
        Text(""),
        *_listed_findings(inspection.get("findings", ())),
    ]


def _details(inspection: Mapping[str, Any], width: int) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if inspection.get("classes"):
        parts += [_classes(inspection), Text("")]
    if inspection.get("columns"):
        parts += [_columns(inspection, width), Text("")]
    parts.append(_plain(sentence(inspection.get("negative_sentence", ""))))
    components = [percent(share) for share in inspection.get("pca", ())]
    if components:
        text = f"Negative values in the principal components: {several(components, 12)}."
        parts.append(_plain(text))
    if inspection.get("sampled"):
        parts.append(Text(sentence(inspection["sampled"]), style="dim"))
    return parts


class _Fitted:
    """Built for the width of the console that prints it, but never wider than 100."""

    def __init__(self, build: Callable[[int], RenderableType]) -> None:
        self._build = build

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, WIDTH)
        yield from console.render(self._build(width), options.update_width(width))


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
    table = _table()
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=40)
    table.add_column("rows", justify="right")
    table.add_column("share", justify="right")
    chosen = pairs if len(pairs) <= _CLASSES else sorted(pairs, key=lambda p: -p[1])[:_CLASSES]
    for name, rows in chosen:
        table.add_row(Text(visible(name, 60)), f"{rows:,}", percent(rows / total, 1))
    if len(pairs) > len(chosen):
        table.add_row(Text(f"and {len(pairs) - len(chosen)} more"), "", "")
    return table


def _columns(inspection: Mapping[str, Any], width: int) -> Table:
    """A line a column; below 80 characters without example and signs."""
    signs = {item["column"]: item for item in inspection.get("negative_share", ())}
    columns = list(inspection["columns"])
    table = _table()
    table.add_column("\ncolumn", no_wrap=True, overflow="ellipsis", max_width=28)
    table.add_column("\nkind", no_wrap=True, overflow="ellipsis", max_width=20)
    for title in ("\nmissing", "\ndistinct"):
        table.add_column(title, justify="right", no_wrap=True)
    if width >= 80:
        table.add_column("negative\nas it is", justify="right", no_wrap=True)
        table.add_column("negative\nscaled", justify="right", no_wrap=True)
        table.add_column("\nexample", no_wrap=True, overflow="ellipsis", max_width=14)
    for column in columns[:_COLUMNS]:
        sign = signs.get(column["name"], {})
        cells = [
            Text(visible(column["name"], 60)),
            Text(visible(column["kind"], 40)),
            _plain(percent(column["missing"], 1) if column["missing"] else "0"),
            _plain(f"{column['distinct']:,}"),
            _plain(percent(sign.get("raw"))),
            _plain(percent(sign.get("scaled"))),
            Text(visible(column["example"], 40)),
        ]
        table.add_row(*cells[: len(table.columns)])
    if len(columns) > _COLUMNS:
        table.add_row(Text(f"and {len(columns) - _COLUMNS} more; --json lists all"))
    return table


def _table(**options: Any) -> Table:
    return Table(
        box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, **options
    )


def _plain(text: str) -> Text:
    """Without the page's typography: not every terminal's encoding has a minus sign."""
    return Text(text.replace("−", "-").replace("–", "-"))


def _confidence(verdict: Mapping[str, Any]) -> str:
    settings = verdict["settings"]
    return percent(settings.get("statistics", settings).get("confidence", 0.95))
