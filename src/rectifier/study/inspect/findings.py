"""What is wrong or worth knowing in a table, each with its consequence and its remedy."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from rectifier.study.inspect.copies import crossing, row_keys
from rectifier.study.inspect.leakage import BY_RANGES, giveaways
from rectifier.study.load import Table

MOST_NOTES = 10  # findings of one kind that are listed one by one; more of them share a line
IMBALANCE = 1.5  # the commonest class has this many times an even share
TEST_SHARE = 0.2
_IDENTIFIER_NAME = re.compile(r"(?i:(^|[\W_])(id|ids|uuid|guid|index|key|row|nr)$)|[a-z]I[dD]$")


@dataclass(frozen=True)
class Finding:
    """``message``: what was seen and what follows; ``remedy``: what to type, "" for nothing."""

    kind: str
    column: str | None
    message: str
    remedy: str
    severity: Literal["note", "warning"]


def find(table: Table, rng: np.random.Generator, pixels: bool = False) -> list[Finding]:
    """All findings, warnings first; ``rng`` draws the trial split and the samples.

    Of ``pixels`` some are the same in every picture, and that is no finding.
    """
    findings = [
        *_giveaways(table, rng),
        *([] if pixels else _constant(table)),
        *_identifiers(table),
        *_duplicates(table, rng),
        *_missing(table),
        *_labels(table),
        *_balance(table),
    ]
    return sorted(findings, key=lambda finding: finding.severity != "warning")


def drop_option(*columns: str) -> str:
    """The command-line option that leaves these columns out, quoted for CSV and for the shell."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(columns)
    return "--drop " + shlex.quote(line.getvalue())


def _giveaways(table: Table, rng: np.random.Generator) -> list[Finding]:
    kind = "gives the target away"
    found = giveaways(table, rng)
    apart = [column for column, way in found.items() if way == BY_RANGES]
    findings = []
    for column, way in found.items():
        if len(apart) > 1 and column in apart:
            continue
        message = (
            f"{column!r} gives {table.target!r} away: {way}. If it is not known before the target "
            "is, scores with it are worth nothing; if it is, every activation will tie."
        )
        findings.append(Finding(kind, column, message, drop_option(column), "warning"))
    if len(apart) > 1:
        # One column that separates the classes stands out as a leak; several say that the
        # classes are easy to tell apart, and dropping them all would be wrong.
        message = (
            f"Each of {', '.join(map(repr, apart))} separates the classes of {table.target!r} "
            "by itself: easy classes, on which every activation will tie, or columns that are "
            "known only after the target and must be left out."
        )
        remedy = "--drop COLUMN, for each that is known too late"
        findings.append(Finding(kind, None, message, remedy, "note"))
    return findings


def _constant(table: Table) -> list[Finding]:
    constant = [
        column.name
        for column in table.frame
        if not column.null_count() and (column == column[0]).all()
    ]
    return _each_or_all(
        constant,
        "constant column",
        lambda name: f"{name!r} has the same value in every row and can teach nothing.",
        lambda names: f"{len(names)} columns have the same value in every row and teach nothing.",
    )


def _each_or_all(
    names: list[str],
    kind: str,
    one: Callable[[str], str],
    all_of_them: Callable[[list[str]], str],
) -> list[Finding]:
    """A note for every column, or a single one for more columns than anyone would read."""
    if len(names) <= MOST_NOTES:
        return [Finding(kind, name, one(name), drop_option(name), "note") for name in names]
    return [Finding(kind, None, all_of_them(names), drop_option(*names), "note")]


def _identifiers(table: Table) -> list[Finding]:
    findings = []
    for column in table.frame:
        why = identifier_reason(column)
        if why:
            message = (
                f"{column.name!r} looks like an identifier: {why}. A network can learn it by heart "
                "and gains nothing for new rows."
            )
            remedy = drop_option(column.name)
            findings.append(Finding("identifier", column.name, message, remedy, "warning"))
    return findings


def identifier_reason(column: pl.Series) -> str:
    """Why a column looks like an identifier; "" if it does not.

    Text does when nearly every value differs and the values are single words;
    prose has many. Whole numbers do when all differ and that cannot be chance:
    they rise row by row, or so many of them from so narrow a span would
    collide (n rows drawn from s values make about n*n/2s pairs), or the
    column's name says so. Numbers with fractions never do: measurements may
    well all differ.
    """
    filled = column.drop_nulls()
    rows = len(filled)
    if rows < 20 or rows < 0.5 * len(column):
        return ""
    if column.dtype == pl.String:
        distinct = filled.n_unique()
        words = filled.str.count_matches(r"\S+").to_numpy().mean()
        if distinct >= 0.95 * rows and words <= 3:
            return f"{distinct} different texts in {rows} rows"
        return ""
    whole = column.dtype.is_integer() or (
        column.dtype.is_float() and bool((filled == filled.round()).all())
    )
    if not whole:
        return ""
    distinct = filled.n_unique()
    named = _IDENTIFIER_NAME.search(column.name) is not None
    if named and distinct >= 0.95 * rows:
        return f"its name says so, and it has {distinct} different numbers in {rows} rows"
    if distinct < rows:
        return ""
    values = filled.cast(pl.Float64).to_numpy()
    steps = np.diff(values)
    if (steps > 0).all() or (steps < 0).all():
        return "whole numbers that run on from row to row"
    span = float(values.max() - values.min()) + 1
    if rows * rows / (2 * span) >= 10:
        return f"{rows} whole numbers from a span of {span:.0f}, and no two alike"
    return ""


def _duplicates(table: Table, rng: np.random.Generator) -> list[Finding]:
    keys = row_keys(table.frame, table.images, table.y)
    copies = table.rows - len(np.unique(keys))
    if not copies:
        return []
    twins, tested = crossing(keys, TEST_SHARE, rng)
    message = (
        f"{copies} of {table.rows} rows ({copies / table.rows:.0%}) are exact copies of an earlier "
        f"row; in a {TEST_SHARE:.0%} split {twins} of {tested} test rows would have a twin "
        "among the training rows, so scores flatter the model."
    )
    severe: Literal["note", "warning"] = "warning" if copies > 0.01 * table.rows else "note"
    remedy = "frame.unique(maintain_order=True) in polars, if they are not rows of their own"
    return [Finding("duplicates", None, message, remedy, severe)]


def _missing(table: Table) -> list[Finding]:
    findings = []
    shares = {c.name: c.null_count() / len(c) for c in table.frame if c.null_count()}
    empty = [name for name, share in shares.items() if share == 1]
    findings += _each_or_all(
        empty,
        "missing values",
        lambda name: f"{name!r} has no value in any row.",
        lambda names: f"{len(names)} columns have no value in any row.",
    )
    partly = {name: share for name, share in shares.items() if share < 1}
    if len(partly) > MOST_NOTES:
        worst = max(partly, key=partly.__getitem__)
        message = (
            f"{len(partly)} columns have missing values, {worst!r} the most ({partly[worst]:.1%}); "
            "they are filled in from the training rows (the median; text gets a column of its own)."
        )
        findings.append(Finding("missing values", None, message, "", "note"))
    else:
        for name, share in partly.items():
            filling = (
                "missing text is a category of its own"
                if table.frame[name].dtype == pl.String
                else "they become the median of the training rows"
            )
            most = share >= 0.5
            findings.append(
                Finding(
                    "missing values",
                    name,
                    f"{share:.1%} of {name!r} is missing; {filling}.",
                    drop_option(name) if most else "",
                    "warning" if most else "note",
                )
            )
    if table.removed_rows:
        message = (
            f"{table.removed_rows} rows have no value in the target {table.target!r} "
            "and are left out."
        )
        findings.append(Finding("missing target", table.target, message, "", "note"))
    return findings


def _labels(table: Table) -> list[Finding]:
    if table.task != "classification":
        return []
    classes = len(table.classes)
    listed = ", ".join(table.classes[:5]) + (", ..." if classes > 5 else "")
    if table.labels.dtype.is_numeric():
        codes = np.unique(table.labels.cast(pl.Float64).to_numpy())
        if np.array_equal(codes, np.arange(classes)):
            return []
        message = (
            f"The labels {listed} are not 0 to {classes - 1}: as they stand, categorical "
            "cross-entropy cannot use them as class numbers. Give the network one output unit a "
            "class: on a single unit categorical cross-entropy is always zero and nothing is "
            "learnt. Rectifier recodes them itself; elsewhere do it first."
        )
    else:
        message = (
            f"The labels are text ({listed}); Rectifier codes them 0 to {classes - 1} in this "
            "order, elsewhere do it first."
        )
    remedy = "codes = numpy.unique(labels, return_inverse=True)[1]"
    return [Finding("labels", table.target, message, remedy, "note")]


def _balance(table: Table) -> list[Finding]:
    if table.task != "classification":
        return []
    counts = np.bincount(table.y, minlength=len(table.classes))
    most, share = int(counts.argmax()), counts.max() / counts.sum()
    findings = []
    if share >= IMBALANCE / len(counts) and share > 0.6:
        message = (
            f"{counts[most]} of {table.rows} rows are {table.classes[most]!r}: always answering "
            f"that is right in {share:.1%}, so an accuracy near it means nothing was learnt."
        )
        remedy = "--metric balanced_accuracy"
        findings.append(Finding("imbalance", table.target, message, remedy, "note"))
    rare = [(table.classes[code], int(counts[code])) for code in np.flatnonzero(counts < 5)]
    if rare:
        listed = ", ".join(f"{label!r} ({count})" for label, count in rare[:5])
        message = (
            f"{len(rare)} class{'es have' if len(rare) > 1 else ' has'} fewer than 5 rows: {listed}"
            f"{', ...' if len(rare) > 5 else ''}; five-fold cross-validation cannot be done."
        )
        remedy = "remove these rows or merge the classes"
        findings.append(Finding("rare class", table.target, message, remedy, "warning"))
    return findings
