"""The table on disk: read, changed, written whole, so that no moment finds half of it there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import rectifier as rf
from rectifier.catalog.accuracy import DOORS, FILE, Measurement, parsed, text_of

PATH = Path(rf.__file__).parent / "catalog" / FILE
_DTYPES = ("float32", "float64", "float16", "bfloat16")


def read(path: Path = PATH) -> dict[tuple[str, ...], Measurement]:
    """The rows by what they measure."""
    if not path.exists():
        return {}
    return {row.key: row for row in parsed(path.read_text(encoding="utf-8"))}


def update(rows: Iterable[Measurement], path: Path = PATH) -> None:
    """Puts ``rows`` in the place of those that measured the same."""
    table = read(path) | {row.key: row for row in rows}
    ordered = sorted(table.values(), key=_place)
    half_written = path.with_suffix(".new")
    half_written.write_text(text_of(ordered), encoding="utf-8")
    os.replace(half_written, path)


def _place(row: Measurement) -> tuple[object, ...]:
    door = DOORS.index(row.by) if row.ours else len(DOORS)
    return row.name, row.which != "value", _DTYPES.index(row.dtype), door, row.by
