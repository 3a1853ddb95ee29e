"""The first step of a study: any table becomes one ``Table``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rectifier.errors import InputError, UnknownName
from rectifier.study.load.cells import refuse_unbounded, tidy_values
from rectifier.study.load.memory import built_in, from_arrays, from_pandas, is_pandas
from rectifier.study.load.read import EXTENSIONS, read_file, tidy, tidy_names
from rectifier.study.load.target import Task, read_target

BUILT_IN = ("breast_cancer", "diabetes", "digits", "iris", "wine")
# Five folds with two rows each: less cannot be split into training, validation and test rows.
MINIMUM_ROWS = 10


@dataclass(frozen=True, eq=False)
class Table:
    """A table ready to be studied.

    ``frame`` [rows, features] holds the feature columns as numbers, booleans,
    text, dates or times, missing values as null; it has no columns when
    ``images`` [rows, height, width, channels] float32 is set. ``y`` [rows] is
    int64 class codes 0..C-1 (``classes[code]`` is the label) or float64
    values. ``labels`` is the target column as it came, without the
    ``removed_rows`` rows whose target is missing. ``fingerprint`` is a sha256
    over content: equal tables have equal ones, whatever file they came from.
    """

    name: str
    frame: pl.DataFrame
    target: str
    task: Task
    reason: str
    y: np.ndarray
    classes: tuple[str, ...]
    labels: pl.Series
    images: np.ndarray | None = None
    dropped: tuple[str, ...] = ()
    removed_rows: int = 0
    fingerprint: str = ""
    source: str = ""

    @property
    def rows(self) -> int:
        return len(self.y)

    @property
    def columns(self) -> list[str]:
        return self.frame.columns

    def take(self, rows: np.ndarray) -> Table:
        """The same table with only these rows (int indices), for looking at a sample of it."""
        return replace(
            self,
            frame=self.frame[rows],
            y=self.y[rows],
            labels=self.labels[rows],
            images=None if self.images is None else self.images[rows],
        )


def load(
    data: Any, target: str | None = None, *, drop: Sequence[str] = (), task: str | None = None
) -> Table:
    """Read a table, take the target out, and check that it can be studied.

    ``data``: a path, the name of a built-in table (``BUILT_IN``), a pandas or
    polars frame, or a pair ``(X, y)`` of arrays. ``target`` names the column
    to be predicted; built-ins, ``.npz`` files and pairs have one already.
    ``drop`` names columns to leave out, ``task`` overrules what the target
    looks like. Raises ``InputError`` with one line for anything unusable.
    """
    drop = (drop,) if isinstance(drop, str) else tuple(drop)
    drop = tuple(tidy(str(column)) for column in drop)  # pandas columns may be named by numbers
    target = tidy(str(target)) if target is not None else None
    name, source, content = _fetch(data)
    if isinstance(content, tuple):
        frame, images = from_arrays(*content, target or "target", source)
        target = target or "target"
    else:
        frame, images = tidy_names(content, source), None
        target = _choose_target(frame, target, name in BUILT_IN, source)
    frame = _drop(frame, drop, target, images is not None, source)
    frame = frame.select(tidy_values(column, source) for column in frame)

    kept = frame[target].is_not_null()
    removed = int((~kept).sum())
    if removed == frame.height and frame.height:
        raise InputError(f"{source}: the target {target!r} has no value in any row; choose another")
    if removed:
        frame = frame.filter(kept)
        images = images[kept.to_numpy()] if images is not None else None
    if frame.height < MINIMUM_ROWS:
        raise InputError(
            f"{source} has {frame.height} rows with a target, but at least {MINIMUM_ROWS} "
            "are needed to train and test on different ones"
        )
    for column in frame:
        refuse_unbounded(column, source)
    labels = frame[target]
    read = read_target(labels, task, images=images is not None)
    features = frame.drop(target)
    if images is None and all(column.null_count() == len(column) for column in features):
        raise InputError(f"{source}: no column besides {target!r} holds a value in any row")
    features = features.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    return Table(
        name=name,
        frame=features,
        target=target,
        task=read.task,
        reason=read.reason,
        y=read.y,
        classes=read.classes,
        labels=labels,
        images=images,
        dropped=drop,
        removed_rows=removed,
        fingerprint=_fingerprint(features, images, target, read.task, read.y, read.classes),
        source=source,
    )


def check_splittable(table: Table, folds: int = 5) -> None:
    """Raise ``InputError`` when a class is too rare for ``folds``-fold cross-validation."""
    if table.task != "classification":
        return
    counts = np.bincount(table.y, minlength=len(table.classes))
    rare = [(label, count) for label, count in zip(table.classes, counts, strict=True)]
    rare = [(label, int(count)) for label, count in rare if count < folds]
    if not rare:
        return
    label, count = min(rare, key=lambda pair: pair[1])
    others = f" (and {len(rare) - 1} more classes like it)" if len(rare) > 1 else ""
    raise InputError(
        f"class {label!r} of {table.target!r} has {count} row{'s' * (count != 1)}{others}, but "
        f"{folds}-fold cross-validation needs {folds} of each class; remove its rows or merge it "
        "with another class"
    )


def _fetch(data: Any) -> tuple[str, str, pl.DataFrame | tuple[Any, Any]]:
    """(name, source for printing, frame or (X, y))."""
    if isinstance(data, str) and data in BUILT_IN:
        return data, data, built_in(data)
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        if isinstance(data, str) and not path.exists() and path.name == data and not path.suffix:
            raise UnknownName(
                "table", data, BUILT_IN, f"a path, or built in: {', '.join(BUILT_IN)}"
            )
        return path.stem or "table", str(data), read_file(path)
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.DataFrame):
        return "table", "polars frame", data
    if is_pandas(data):
        return "table", "pandas frame", from_pandas(data)
    if isinstance(data, tuple) and len(data) == 2:
        return "arrays", "arrays", data
    raise InputError(
        f"cannot read a table from {type(data).__name__}; give a path ({', '.join(EXTENSIONS)}), "
        f"a built-in name ({', '.join(BUILT_IN)}), a pandas or polars frame, or a pair (X, y)"
    )


def _choose_target(frame: pl.DataFrame, target: str | None, built_in: bool, source: str) -> str:
    if target is None:
        if built_in:
            return "target"
        raise InputError(
            f"{source}: say which column is to be predicted: --target with one of "
            f"{_some(frame.columns)}"
        )
    if target in frame.columns:
        return target
    hint = f"{source} has the columns {_some(frame.columns)}"
    if sum(_is_number(name) for name in frame.columns) * 2 > frame.width:
        hint += "; they look like numbers: does the file lack its line of column names?"
    raise UnknownName("target column", target, frame.columns, hint)


def _some(names: Sequence[str], count: int = 10) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _drop(
    frame: pl.DataFrame, drop: tuple[str, ...], target: str, images: bool, source: str
) -> pl.DataFrame:
    for name in drop:
        if name == target:
            raise InputError(f"{name!r} is the target; it cannot be dropped as well")
        if name not in frame.columns:
            hint = f"{source} has the columns {_some(frame.columns)}"
            raise UnknownName("column to drop", name, frame.columns, hint)
    frame = frame.drop(drop)
    if frame.width == 1 and not images:
        raise InputError(
            f"{source}: no column is left beside the target {target!r}; drop fewer columns"
            if drop
            else f"{source}: there is no column beside the target {target!r} to predict it from"
        )
    return frame


def _fingerprint(
    frame: pl.DataFrame,
    images: np.ndarray | None,
    target: str,
    task: str,
    y: np.ndarray,
    classes: tuple[str, ...],
) -> str:
    """sha256 over the bytes of whole columns: the same for any file format and polars version."""
    digest = hashlib.sha256(repr((target, task, classes, len(y))).encode())
    digest.update(np.ascontiguousarray(y).tobytes())
    if images is not None:
        digest.update(repr(images.shape).encode())
        digest.update(np.ascontiguousarray(images).tobytes())
    for column in frame:
        digest.update(repr((column.name, str(column.dtype))).encode())
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
        if column.dtype == pl.String:
            filled = column.fill_null("")
            digest.update(filled.str.len_bytes().to_numpy().tobytes())
            digest.update((filled.str.join("").item() or "").encode())
        else:
            physical = column.to_physical()
            filled = physical.fill_null(False if physical.dtype == pl.Boolean else 0)
            digest.update(np.ascontiguousarray(filled.to_numpy()).tobytes())
    return digest.hexdigest()
