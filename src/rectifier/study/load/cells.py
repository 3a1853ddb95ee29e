"""What stands in the cells of a column: numbers, booleans, text, dates; nothing else."""

from __future__ import annotations

import polars as pl

from rectifier.errors import InputError
from rectifier.study.load.read import MISSING_MARKERS
from rectifier.study.load.target import FLOAT32_MAX


def tidy_values(column: pl.Series, source: str) -> pl.Series:
    """The column as one of the kinds a study knows: number, boolean, text, category, date, time."""
    name, dtype = column.name, column.dtype
    if dtype == pl.Null or (column.null_count() == len(column) and not dtype.is_nested()):
        return pl.Series(name, [None] * len(column), dtype=pl.Float64)
    if dtype.is_float():
        return column.fill_nan(None)
    if dtype == pl.Decimal or dtype in (pl.Int128, pl.UInt64):
        return column.cast(pl.Float64)
    if dtype == pl.String:
        return _read_text(column)
    known = dtype.is_integer() or dtype.is_temporal() or dtype in (pl.Boolean, pl.Categorical)
    if known or dtype == pl.Enum:
        return column
    what = "lists" if dtype in (pl.List, pl.Array) else f"values of type {dtype}"
    raise InputError(
        f"{source}: column {name!r} holds {what}; one number, text or date a cell is needed: "
        f"leave it out (--drop {name!r}) or spread it over columns"
    )


def _read_text(column: pl.Series) -> pl.Series:
    """Text that spells numbers or ISO dates throughout becomes what it spells."""
    text = column.str.strip_chars()
    text = text.set(text.is_in(MISSING_MARKERS), None)
    filled = text.drop_nulls()
    if filled.is_empty():
        return text.cast(pl.Float64)
    # A look at the first values spares long text columns the attempts below.
    first = filled.head(100)
    if first.cast(pl.Float64, strict=False).null_count() == 0:
        for dtype in (pl.Int64, pl.Float64):
            numbers = text.cast(dtype, strict=False)
            if numbers.null_count() == text.null_count():
                return numbers.fill_nan(None) if dtype == pl.Float64 else numbers
    if first.str.contains(r"^\d{4}-\d{2}-\d{2}").all():
        for convert in (text.str.to_date, text.str.to_datetime):
            try:
                dates = convert(strict=False)
            except pl.exceptions.ComputeError:  # no format fits the first value
                continue
            if dates.null_count() == text.null_count():
                return dates
    return text


def refuse_unbounded(column: pl.Series, source: str) -> None:
    if not column.dtype.is_float():
        return
    infinite = int(column.is_infinite().sum())
    if infinite:
        raise InputError(
            f"{source}: column {column.name!r} holds {infinite} infinite "
            f"value{'s' * (infinite != 1)}; replace or remove {'them' if infinite > 1 else 'it'}"
        )
    filled = column.drop_nulls().to_numpy()
    largest = float(abs(filled).max(initial=0.0))
    if largest > FLOAT32_MAX:
        raise InputError(
            f"{source}: column {column.name!r} holds {largest:.3g}, more than the "
            f"{FLOAT32_MAX:.2g} that float32 can hold; divide it by a constant"
        )
