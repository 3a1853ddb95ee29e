"""The column to be predicted: classification or regression, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from rectifier.errors import InputError, UnknownName

Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")

# Whole numbers are read as classes when there are at most this many of them and each stands, on
# average, for at least five rows: ratings, digits and grades are classes, ages and counts are not.
MOST_INTEGER_CLASSES = 20
MOST_IMAGE_CLASSES = 1000  # pictures come with whole-number labels for classes, often hundreds
ROWS_PER_CLASS = 5
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Target:
    """``y`` [rows]: int64 class codes (texts in ``classes``) or float64 values."""

    task: Task
    reason: str
    y: np.ndarray
    classes: tuple[str, ...]


def read_target(column: pl.Series, task: str | None = None, *, images: bool = False) -> Target:
    """Tell the task from a target column without missing values, and turn it into numbers.

    Strings, categories and booleans are classes. Whole numbers are classes
    when they are few (see ``MOST_INTEGER_CLASSES``), also when stored as
    floats. Everything else numeric is a quantity. ``task`` overrules that.
    Codes follow the labels' order: numeric when they are numbers, else
    alphabetical. Raises ``InputError`` for a target that is a date, holds
    infinities, or has a single value.
    """
    if task is not None and task not in TASKS:
        raise UnknownName("task", task, TASKS, "classification or regression")
    name = column.name
    if column.dtype.is_temporal():
        raise InputError(
            f"the target {name!r} holds dates or times ({column.dtype}); "
            "turn it into a number first, e.g. days since a start"
        )
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    numbers = column.cast(pl.Float64).to_numpy() if column.dtype.is_numeric() else None
    distinct = column.n_unique()
    if distinct == 1:
        only = label_texts(column.unique())[0]
        raise InputError(
            f"the target {name!r} has one value only, {only!r}, in all {len(column)} rows: "
            "there is nothing to learn; choose another column"
        )
    found, reason = _tell(column, numbers, distinct, images)
    if task is not None and task != found:
        found, reason = _overrule(task, name, numbers)
    if found == "regression":
        assert numbers is not None  # _tell and _overrule give regression to numbers only
        return Target(found, reason, numbers, ())
    labels = _in_order(column.unique())
    codes = pl.Series(np.arange(len(labels), dtype=np.int64))
    return Target(
        found,
        reason,
        column.replace_strict(labels, codes, return_dtype=pl.Int64).to_numpy(),
        tuple(label_texts(labels)),
    )


def label_texts(labels: pl.Series) -> list[str]:
    """Labels as a person writes them: 1.0 is "1", true is "True"."""
    values = labels.to_list()
    if all(isinstance(value, float) and value.is_integer() for value in values):
        return [str(int(value)) for value in values]
    return [str(value) for value in values]


def _in_order(labels: pl.Series) -> pl.Series:
    """Labels sorted as numbers where all of them are or spell numbers, else as they compare."""
    if labels.dtype == pl.String:
        spelled = labels.cast(pl.Float64, strict=False)
        if spelled.null_count() == 0 and spelled.is_finite().all():
            return labels.sort().gather(labels.sort().cast(pl.Float64).arg_sort())
    return labels.sort()


def _tell(
    column: pl.Series, numbers: np.ndarray | None, distinct: int, images: bool
) -> tuple[Task, str]:
    rows, name = len(column), repr(column.name)
    if column.dtype == pl.Boolean:
        return "classification", f"{name} is true or false"
    if numbers is None:
        return "classification", f"{name} holds {distinct} different labels, not numbers"
    if distinct == 2:
        return "classification", f"{name} has two different values"
    if not np.all(numbers == np.round(numbers)):
        return "regression", f"{name} holds {distinct} different numbers with fractions"
    most = MOST_IMAGE_CLASSES if images else MOST_INTEGER_CLASSES
    if distinct <= most and rows >= ROWS_PER_CLASS * distinct:
        return (
            "classification",
            f"{name} holds whole numbers, only {distinct} different ones in {rows} rows",
        )
    return "regression", f"{name} holds whole numbers, {distinct} different ones in {rows} rows"


def _overrule(task: Task, name: str, numbers: np.ndarray | None) -> tuple[Task, str]:
    if task == "regression" and numbers is None:
        raise InputError(
            f"the target {name!r} holds labels, not numbers, so it cannot be a regression; "
            "leave the task away or choose another column"
        )
    return task, f"you asked for {task}"
