"""Columns to network inputs, one split at a time, learning from that split's training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from polars import selectors

from rectifier.study.load import Table

# A number this far from zero, in units of its column's spread, loses digits in float32 (24 bits):
# seconds since 1970 would be rounded to 128 s.
_FAR = 1e3
# Spans from 1/_WIDE to _WIDE are left alone, and a spread below 1/_STILL counts as none: so the
# largest standardised value, _FAR * _WIDE * _STILL, is still a float32 number.
_WIDE = 1e16
_STILL = 1e18
_BLOCK = 1 << 16  # rows that are copied at once


@dataclass(frozen=True, eq=False)
class Features:
    """Network inputs of every split.

    ``matrix`` [matrices, rows, columns] float32 without NaN; ``which``
    [splits] int32 says which matrix a split reads; ``shift`` and ``scale``
    [splits, columns] float32 standardise it:
    ``(matrix[which] - shift) * scale`` has mean 0 and standard deviation 1
    over the split's training rows, and is 0 where a column is constant there.
    ``names`` are the columns of the first matrix. Where text is encoded, the
    columns of one matrix need not mean the same as those of another.
    """

    matrix: np.ndarray
    which: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    names: list[str]


def encode(table: Table, training_rows: Sequence[np.ndarray]) -> Features:
    """Turn the feature columns into numbers; ``training_rows[split]`` are int row indices.

    Numbers and booleans stay as they are; dates and times become seconds and,
    as text does, pass through ``skrub.TableVectorizer``; pictures are
    flattened. A missing number becomes the median of the training rows (0
    where these have none). Encoder, medians, shift and scale are fitted on
    the split's training rows alone; the target is never looked at. Splits
    whose matrices would be equal share one.
    """
    training = [np.asarray(rows, dtype=np.int64) for rows in training_rows]
    if not training or any(rows.size == 0 for rows in training):
        raise ValueError("every split needs at least one training row")
    if table.images is not None:
        flat = table.images.reshape(table.rows, -1)
        pixels = [f"pixel{k}" for k in range(flat.shape[1])]
        return _standardise([flat], np.zeros(len(training), np.int32), training, pixels)

    numbers, number_names = numeric_columns(table.frame)
    numbers = _recentre(numbers, training[0])
    other = table.frame.select(selectors.string() | selectors.date() | selectors.datetime())
    if not other.width:
        medians = [_medians(numbers, rows) for rows in training]
        distinct, which = np.unique(np.stack(medians), axis=0, return_inverse=True)
        if not np.isnan(numbers).any():
            distinct, which = distinct[:1], np.zeros(len(training), np.int32)
        filled = [_fill(numbers, values) for values in distinct]
        del numbers  # twice the size of what is made of it
        return _standardise(filled, which.reshape(-1), training, number_names)

    matrices: list[np.ndarray] = []
    places: list[int] = []
    names: list[str] = []
    for rows in training:
        encoded, encoded_names = _vectorise(other, rows)
        parts = [_fill(part, _medians(part, rows)) for part in (numbers, encoded)]
        matrix = np.concatenate(parts, axis=1)
        # Categories that all splits have seen give equal matrices: one is kept.
        same = (k for k, known in enumerate(matrices) if np.array_equal(known, matrix))
        place = next(same, len(matrices))
        if place == len(matrices):
            matrices.append(matrix)
            names = names or number_names + encoded_names
        places.append(place)
    return _standardise(matrices, np.array(places), training, names)


def numeric_columns(frame: pl.DataFrame) -> tuple[np.ndarray, list[str]]:
    """The columns that are numbers by themselves, [rows, columns] float64 with NaN for missing.

    Numbers, booleans (0 and 1), and dates, times and durations in seconds.
    """
    names = [column.name for column in frame if column.dtype != pl.String]
    values = np.empty((frame.height, len(names)), dtype=np.float64, order="F")
    for place, name in enumerate(names):
        values[:, place] = _seconds_or_numbers(frame[name]).fill_null(np.nan).to_numpy()
    return values, names


def _seconds_or_numbers(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if not dtype.is_temporal():
        return column.cast(pl.Float64)
    if dtype == pl.Date:
        return column.cast(pl.Int32).cast(pl.Float64) * 86_400.0
    unit = getattr(dtype, "time_unit", "ns")  # pl.Time counts nanoseconds since midnight
    per_second = {"ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    return column.to_physical().cast(pl.Float64) / per_second


def _recentre(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Move and stretch the columns that float32 could not hold apart; all others stay untouched.

    The origin is the value of one training row and the unit a power of two;
    standardising afterwards undoes both exactly, so nothing is learnt here.
    """
    # fmax and fmin pass over NaN; a column of nothing else comes out as infinite
    high = np.fmax.reduce(values, axis=0, initial=-np.inf)
    low = np.fmin.reduce(values, axis=0, initial=np.inf)
    some = high >= low
    high, low = np.where(some, high, 0.0), np.where(some, low, 0.0)
    span = high - low
    peak = np.maximum(np.abs(high), np.abs(low))
    moved = (span > 0) & ((peak > _FAR * span) | (span < 1 / _WIDE) | (span > _WIDE))
    if not moved.any():
        return values
    values = values.copy()
    for column in np.flatnonzero(moved):
        own = values[rows, column]
        own = own[~np.isnan(own)]
        origin = own[0] if own.size else 0.0
        # ldexp rather than division by 2**k, which overflows for subnormal spans
        exponent = -int(np.frexp(span[column])[1])
        values[:, column] = np.ldexp(values[:, column] - origin, exponent)
    return values


def _medians(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """[columns]: the training rows' median where a column has missing values anywhere, else 0."""
    medians = np.zeros(values.shape[1])
    for column in np.flatnonzero(np.isnan(values).any(axis=0)):
        own = values[rows, column]
        own = own[~np.isnan(own)]
        medians[column] = np.median(own) if own.size else 0.0
    return medians


def _fill(values: np.ndarray, replacements: np.ndarray) -> np.ndarray:
    """float32 copy with missing values replaced, column by column."""
    filled = values.astype(np.float32, order="C")
    gaps = np.isnan(filled)
    if gaps.any():
        np.copyto(filled, replacements.astype(np.float32), where=gaps)
    return filled


def _vectorise(frame: pl.DataFrame, rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Text and dates through skrub, fitted on ``rows``: [rows, columns] float32 with NaN, names."""
    import skrub
    from sklearn.preprocessing import OneHotEncoder

    vectoriser = skrub.TableVectorizer(
        # drop=None: skrub's default drops one of two categories, and then warns about categories
        # that only other rows have, because it cannot tell them from the dropped one.
        low_cardinality=OneHotEncoder(
            drop=None, handle_unknown="ignore", sparse_output=False, dtype=np.float32
        ),
        high_cardinality=skrub.StringEncoder(random_state=0),
        # numeric_columns gives the exact seconds already
        datetime=skrub.DatetimeEncoder(add_total_seconds=False),
    )
    # Columns travel by number: a hostile name must not meet skrub's own naming of outputs.
    plain = frame.rename({name: f"{place}" for place, name in enumerate(frame.columns)})
    encoded = vectoriser.fit(plain[rows]).transform(plain)
    values = np.empty((frame.height, encoded.width), dtype=np.float32)
    for place, column in enumerate(encoded):  # skrub drops what is empty in the training rows
        values[:, place] = column.cast(pl.Float32).fill_null(np.nan).to_numpy()
    names = []
    for place, name in enumerate(frame.columns):
        for output in vectoriser.input_to_outputs_[f"{place}"]:
            names.append(name + output.removeprefix(f"{place}"))
    return values, names


def _standardise(
    matrices: list[np.ndarray], which: np.ndarray, training: list[np.ndarray], names: list[str]
) -> Features:
    """Pad to one width with zero columns, stack, and take mean and spread from training rows."""
    width = max(matrix.shape[1] for matrix in matrices)
    if len(matrices) == 1:  # no copy: the table may fill much of the memory
        stacked = matrices[0][np.newaxis]
    else:
        stacked = np.zeros((len(matrices), len(matrices[0]), width), dtype=np.float32)
        for place, matrix in enumerate(matrices):
            stacked[place, :, : matrix.shape[1]] = matrix
    shift = np.zeros((len(training), width), dtype=np.float32)
    scale = np.zeros((len(training), width), dtype=np.float32)
    for split, rows in enumerate(training):
        mean, spread, differ = _moments(stacked[which[split]], rows)
        shift[split] = mean
        varied = differ & (spread > 1 / _STILL)
        scale[split, varied] = 1.0 / spread[varied]
    return Features(stacked, which.astype(np.int32), shift, scale, names)


def _moments(matrix: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation, and whether values differ, of each column over ``rows``.

    In float64, since a million float32 values would lose four digits, and block by block, since
    the table may fill much of the memory.
    """
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    total = sum(matrix[block].sum(axis=0, dtype=np.float64) for block in blocks)
    mean = total / len(rows)
    squares, low, high = np.zeros_like(mean), np.inf, -np.inf
    for block in blocks:
        own = matrix[block]
        squares += np.square(own - mean).sum(axis=0)
        low, high = np.minimum(low, own.min(axis=0)), np.maximum(high, own.max(axis=0))
    return mean, np.sqrt(squares / len(rows)), np.asarray(high > low)
