"""Tables that are in memory already: built-ins, pandas frames, pairs of arrays."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from typing import Any, cast

import numpy as np
import polars as pl

from rectifier.errors import InputError
from rectifier.study.load.read import one_line, tidy_names


def built_in(name: str) -> pl.DataFrame:
    """A table of scikit-learn's own files; class labels by name, in the column "target"."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    frame = pl.DataFrame(np.asarray(loaded.data), schema=[str(c) for c in loaded.feature_names])
    if "target_names" not in loaded or name == "digits":
        return frame.with_columns(target=np.asarray(loaded.target))
    labels = np.asarray(loaded.target_names).astype(str)[loaded.target]
    return frame.with_columns(target=pl.Series(labels.tolist()))


def is_pandas(data: Any) -> bool:
    pandas = sys.modules.get("pandas")  # a pandas frame exists only where pandas is imported
    return pandas is not None and isinstance(data, pandas.DataFrame)


def from_pandas(data: Any) -> pl.DataFrame:
    """A pandas frame as a polars one; columns of mixed Python values become text."""
    names = [" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in data.columns]
    columns: list[pl.Series] = []
    for place in range(data.shape[1]):
        series = data.iloc[:, place]
        try:
            column = cast(pl.Series, pl.from_pandas(series.rename(str(place))))
        except (ValueError, TypeError, NotImplementedError, OverflowError) as error:
            # pyarrow has no type for a column of mixed Python values; as text they are labels.
            values = [None if _is_missing(value) else value for value in series]
            nested = next((v for v in values if not isinstance(v, _SCALARS)), None)
            if nested is not None:
                raise InputError(
                    f"pandas frame: column {names[place]!r} holds {type(nested).__name__} values, "
                    f"which are not one number, text or date a cell; leave it out: "
                    f"--drop {names[place]}"
                ) from error
            column = pl.Series(
                values=[None if v is None else str(v) for v in values], dtype=pl.String
            )
        columns.append(column.alias(str(place)))
    return tidy_names(pl.DataFrame(columns), "pandas frame", names)


_DATES = (dt.date, dt.datetime, dt.time, dt.timedelta)
_SCALARS = (str, int, float, bool, Decimal, np.generic, type(None), *_DATES)


def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")  # pandas' two markers


def from_arrays(x: Any, y: Any, target: str, source: str) -> tuple[pl.DataFrame, np.ndarray | None]:
    """Frame of columns x0, x1 ... and the target; pictures apart when X has 3 or 4 axes."""
    y = _array(y, "y", source)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(f"{source}: y needs one value a row, but has shape {y.shape}")
    if hasattr(x, "columns"):  # a frame as X keeps its own names and types
        frame = from_pandas(x) if is_pandas(x) else tidy_names(pl.DataFrame(x), source)
        rows, images = frame.height, None
        if target in frame.columns:
            raise InputError(
                f"{source}: X has a column {target!r} itself; name the target otherwise"
            )
    else:
        x = _array(x, "X", source)
        frame, images = _columns_of(x, source)
        rows = len(x)
    if rows != len(y):
        raise InputError(f"{source}: X has {rows} rows but y has {len(y)}; they belong row by row")
    # concat, since with_columns refuses the frame without columns that pictures come with
    return pl.concat([frame, pl.DataFrame([_series(target, y, source)])], how="horizontal"), images


def _columns_of(x: np.ndarray, source: str) -> tuple[pl.DataFrame, np.ndarray | None]:
    if x.ndim in (3, 4):
        if x.dtype.kind not in "biuf":
            raise InputError(f"{source}: pictures must be numbers, but X is of type {x.dtype}")
        if not x.size:
            raise InputError(f"{source}: the pictures are empty, X has shape {x.shape}")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            images = np.asarray(x, dtype=np.float32)
        if not np.isfinite(images).all():
            raise InputError(
                f"{source}: X holds {np.sum(~np.isfinite(images))} values that are missing, "
                "infinite or too large; replace them"
            )
        return pl.DataFrame(), images[..., np.newaxis] if x.ndim == 3 else images
    if x.ndim not in (1, 2):
        raise InputError(
            f"{source}: X has {x.ndim} axes; give 2 (rows, columns), or 3 or 4 for pictures"
        )
    x = x[:, np.newaxis] if x.ndim == 1 else x
    return pl.DataFrame([_series(f"x{k}", x[:, k], source) for k in range(x.shape[1])]), None


def _array(values: Any, name: str, source: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{source}: {name} is not an array: {one_line(error)}") from error


def _series(name: str, values: np.ndarray, source: str) -> pl.Series:
    if values.dtype.kind in "biufMm":
        if values.dtype == np.float16 or values.dtype == np.longdouble:
            values = values.astype(np.float64)
        return pl.Series(name, np.ascontiguousarray(values))
    if values.dtype.kind not in "OUT":
        raise InputError(
            f"{source}: {name!r} is of type {values.dtype}; give numbers, text, dates or booleans"
        )
    cells = [None if _is_missing(value) else value for value in values.tolist()]
    if not all(isinstance(value, _SCALARS) for value in cells):
        raise InputError(f"{source}: {name!r} holds values that are not one number or text each")
    kinds = {type(value) for value in cells if value is not None}
    if kinds == {int, float}:
        kinds, cells = {float}, [None if value is None else float(value) for value in cells]
    if len(kinds) <= 1:
        try:
            return pl.Series(name, cells)
        except (TypeError, OverflowError) as error:
            raise InputError(f"{source}: {name!r} cannot be read: {one_line(error)}") from error
    return pl.Series(name, [None if v is None else str(v) for v in cells], dtype=pl.String)
