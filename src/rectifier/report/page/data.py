"""The page's section on the data: what was found in the table, as rows and texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rectifier.report.plain import count, percent, sentence, several, visible

_FINDINGS = 25  # listed one by one
_CLASSES = 20
_COLUMNS = 60
_NAME = 80  # characters of a column's name


def data_section(inspection: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """Texts and rows from ``Inspection.to_dict()``; long lists are cut, and it is said.

    ``about`` is the verdict's ``data``; where there was no table it says what is claimed.
    """
    findings = list(inspection.get("findings", ()))
    columns = list(inspection.get("columns", ()))
    return {
        "known": bool(inspection),
        "claim": sentence(about.get("claim", "")),
        "summary": summary(inspection) if inspection else "",
        "findings": [_finding(item) for item in findings[:_FINDINGS]],
        "findings_left_out": _left_out(len(findings) - _FINDINGS, "finding"),
        "classes": _classes(inspection),
        "classes_left_out": _left_out(len(inspection.get("classes", ())) - _CLASSES, "class"),
        "yardstick": yardstick(inspection),
        "columns": _columns(inspection, columns[:_COLUMNS]),
        "column_count": count(len(columns), "column"),
        "columns_left_out": _left_out(len(columns) - _COLUMNS, "column"),
        "negative": sentence(inspection.get("negative_sentence", "")),
        "components": several([percent(share) for share in inspection.get("pca", ())], 12),
        "sampled": sentence(inspection.get("sampled", "")),
    }


def yardstick(inspection: Mapping[str, Any]) -> str:
    """How far the commonest answer and a linear model get, as sentences; "" if not known."""
    parts = []
    linear, majority = inspection.get("yardstick"), inspection.get("majority_rate")
    if linear:
        if linear["metric"] == "r2":
            score = f"R² {linear['mean']:.3f} ± {linear['sd']:.3f}"
        else:
            words = visible(linear["metric"], 40).replace("_", " ")
            score = f"{words} {percent(linear['mean'], 1)} ± {100 * linear['sd']:.1f}"
        parts.append(f"{sentence(linear['name']).rstrip('.')} reaches {score} in five folds.")
    if majority is not None:
        parts.append(f"Always answering the commonest class is right in {percent(majority, 1)}.")
    return " ".join(parts)


def summary(inspection: Mapping[str, Any]) -> str:
    """Size, target and task of the table, and what was left out of it."""
    text = (
        f"{count(inspection['rows'], 'row')} and {count(len(inspection['columns']), 'column')}; "
        f"the target {visible(inspection['target'], _NAME)!r} makes it "
        f"{inspection['task']}: {visible(inspection['reason'], 200)}"
    )
    text = sentence(text)
    removed, dropped = inspection.get("removed_rows", 0), inspection.get("dropped", ())
    if removed:
        text += f" {count(removed, 'row')} without a target left out."
    if dropped:
        text += f" Left out on request: {several([visible(d, _NAME) for d in dropped])}."
    return text


def _finding(item: Mapping[str, Any]) -> dict[str, str]:
    column = item.get("column")
    return {
        "severity": "warning" if item["severity"] == "warning" else "hint",
        "kind": visible(item["kind"], 60),
        "column": "" if column is None else visible(column, _NAME),
        "message": sentence(item["message"], 600),
        "remedy": visible(item["remedy"], 300),
    }


def _left_out(number: int, noun: str) -> str:
    if number <= 0:
        return ""
    words = count(number, f"more {noun}").replace("classs", "classes")
    return f"{words} not shown; rectifier inspect lists them all."


def _classes(inspection: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The commonest classes, in code order, with the length of their bars."""
    pairs = list(zip(inspection.get("classes", ()), inspection.get("counts", ()), strict=False))
    total, most = sum(c for _, c in pairs), max((c for _, c in pairs), default=0)
    if len(pairs) > _CLASSES:
        pairs = sorted(pairs, key=lambda pair: -pair[1])[:_CLASSES]
    return [
        {
            "name": visible(name, _NAME),
            "count": f"{number:,}",
            "share": percent(number / total, 1),
            "length": f"{100 * number / most:.1f}",
        }
        for name, number in pairs
    ]


def _columns(inspection: Mapping[str, Any], columns: list[Mapping[str, Any]]) -> list[list[str]]:
    signs = {item["column"]: item for item in inspection.get("negative_share", ())}
    rows = []
    for column in columns:
        sign = signs.get(column["name"], {})
        rows.append(
            [
                visible(column["name"], _NAME),
                visible(column["kind"], 40),
                percent(column["missing"], 1) if column["missing"] else "0",
                f"{column['distinct']:,}",
                visible(column["example"], 40),
                percent(sign.get("raw")),
                percent(sign.get("scaled")),
            ]
        )
    return rows
