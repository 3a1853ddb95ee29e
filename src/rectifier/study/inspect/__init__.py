"""What is in the table, and what will go wrong: the second step of a study."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from rectifier.study.inspect.findings import Finding, find
from rectifier.study.inspect.signs import (
    MOST_ROWS,
    NegativeShare,
    negative_components,
    negative_sentence,
    negative_shares,
)
from rectifier.study.inspect.yardstick import Yardstick, linear_yardstick, sample_rows
from rectifier.study.load import Table
from rectifier.study.load.read import tidy

__all__ = ["Column", "Finding", "Inspection", "NegativeShare", "Yardstick", "inspect"]

EASY = 0.98  # accuracy of a linear model beyond which activations have next to nothing to gain
_EXAMPLE_LENGTH = 40


@dataclass(frozen=True)
class Column:
    """``missing`` is a share, 0..1; ``distinct`` does not count missing values."""

    name: str
    kind: str
    missing: float
    distinct: int
    example: str


@dataclass(frozen=True)
class Inspection:
    """Everything seen in a table.

    ``counts[class]`` belongs to ``classes[class]``; both are empty for
    regression, and ``majority_rate`` (share of the commonest class) is None.
    ``columns`` are the features (one record for pictures as a whole).
    ``pca`` holds the share of negative values of each principal component.
    ``yardstick`` is None when a class is too rare to be split. ``sampled``
    says in words where a sample of the rows was looked at, "" if nowhere.
    """

    name: str
    source: str
    rows: int
    removed_rows: int
    dropped: tuple[str, ...]
    columns: list[Column]
    target: str
    task: str
    reason: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    majority_rate: float | None
    yardstick: Yardstick | None
    negative_share: list[NegativeShare]
    pca: list[float]
    negative_sentence: str
    findings: list[Finding]
    sampled: str

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, ready for JSON; no NaN in it."""
        return _plain(asdict(self))

    def _repr_html_(self) -> str:
        """For notebooks: a summary, the findings and the columns; every text escaped."""
        score = ""
        if self.yardstick:
            score = (
                f", {self.yardstick.name}: {self.yardstick.metric} "
                f"{self.yardstick.mean:.3f} ± {self.yardstick.sd:.3f}"
            )
        majority = "" if self.majority_rate is None else f", majority {self.majority_rate:.1%}"
        summary = f"{self.source}: {self.rows} rows, {self.task} ({self.reason}){majority}{score}"
        findings = [(f.severity, f.kind, f.message, f.remedy) for f in self.findings]
        columns = [
            (c.name, c.kind, f"{c.missing:.1%}", str(c.distinct), c.example) for c in self.columns
        ]
        return (
            f"<p>{html.escape(summary)}</p>"
            + _html_table(("", "finding", "what it means", "remedy"), findings)
            + _html_table(("column", "kind", "missing", "distinct", "example"), columns)
            + f"<p>{html.escape(self.negative_sentence)}</p>"
        )


def inspect(table: Table, *, seed: int = 0, pixels: bool = False) -> Inspection:
    """Look at a loaded table; ``seed`` settles the trial splits and the samples drawn.

    ``pixels``: the columns are pictures' pixels, of which none can be left out.
    """
    rng = np.random.default_rng(seed)
    counts: tuple[int, ...] = ()
    if table.task == "classification":
        counts = tuple(np.bincount(table.y, minlength=len(table.classes)).tolist())
    yardstick = linear_yardstick(table, rng)
    components = sample_rows(table, MOST_ROWS, rng)
    shares = negative_shares(table)
    findings = find(table, rng, pixels)
    majority = max(counts) / table.rows if counts else 0.0
    accurate = yardstick is not None and yardstick.metric == "accuracy"
    if yardstick and accurate and yardstick.mean <= majority + yardstick.sd:
        message = (
            f"A linear model is right in {yardstick.mean:.1%}, and always answering the commonest "
            f"class in {majority:.1%}: what it learnt, if anything, accuracy does not show."
        )
        remedy = "--metric balanced_accuracy"
        findings.insert(0, Finding("nothing learnt", None, message, remedy, "warning"))
    elif yardstick and accurate and yardstick.mean >= EASY:
        message = (
            f"A linear model already reaches {yardstick.mean:.1%}: no activation can gain more "
            f"than {1 - yardstick.mean:.1%}, so expect them to tie."
        )
        findings.append(Finding("linear is enough", None, message, "", "note"))
    return Inspection(
        name=table.name,
        source=table.source,
        rows=table.rows,
        removed_rows=table.removed_rows,
        dropped=table.dropped,
        columns=_columns(table),
        target=table.target,
        task=table.task,
        reason=table.reason,
        classes=table.classes,
        counts=counts,
        majority_rate=max(counts) / table.rows if counts else None,
        yardstick=yardstick,
        negative_share=shares,
        pca=negative_components(table, components),
        negative_sentence=negative_sentence(shares),
        findings=findings,
        sampled=_sampled(table, yardstick, len(components)),
    )


def _sampled(table: Table, yardstick: Yardstick | None, components: int) -> str:
    parts = []
    if yardstick and yardstick.rows < table.rows:
        parts.append(f"the linear model on {yardstick.rows}")
    if components < table.rows:
        parts.append(f"the principal components on {components}")
    return f"Of {table.rows} rows a sample was used: {', '.join(parts)}." if parts else ""


def _columns(table: Table) -> list[Column]:
    if table.images is not None:
        height, width, channels = table.images.shape[1:]
        return [Column("pixels", f"pictures {height}x{width}x{channels}", 0.0, table.rows, "")]
    records = []
    for column in table.frame:
        filled = column.drop_nulls()
        example = tidy(str(filled[0])) if len(filled) else ""
        if len(example) > _EXAMPLE_LENGTH:
            example = example[: _EXAMPLE_LENGTH - 3] + "..."
        records.append(
            Column(
                name=column.name,
                kind=_kind(column.dtype) if len(filled) else "empty",
                missing=column.null_count() / len(column),
                distinct=filled.n_unique(),
                example=example,
            )
        )
    return records


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "yes/no"
    if dtype.is_integer():
        return "whole number"
    if dtype.is_float():
        return "number"
    if dtype == pl.String:
        return "text"
    return {pl.Time: "time", pl.Duration: "duration"}.get(dtype.base_type(), "date")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _html_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + row(head, "th") + "".join(row(cells, "td") for cells in rows) + "</table>"
