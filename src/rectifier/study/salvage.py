"""A journal that something cut or overwrote: what can still be read whole is kept."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def is_damaged(database: sqlite3.Connection) -> bool:
    """Whether SQLite finds the file malformed; False for a file that never was a database."""
    try:
        return database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok"
    except sqlite3.DatabaseError as error:
        return "malformed" in str(error)


def salvage(path: Path, columns: Sequence[str]) -> tuple[Path, list[Any], list[Any]]:
    """Sets a damaged journal aside and reads from it what is whole.

    Args:
        path: of the journal; nothing is there afterwards.
        columns: of its runs.

    Returns:
        where the damaged file lies now, and the rows of ``about`` and ``runs`` that are whole.
        A run is whole if its lists have the lengths and the mean that its numbers say.
    """
    aside = next(
        place
        for number in range(1, 1000)
        if not (place := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists()
    )
    path.replace(aside)
    with contextlib.closing(sqlite3.connect(aside)) as database:
        # Without this SQLite reads nothing of a file that is shorter than it should be.
        database.execute("PRAGMA writable_schema = ON")
        about = _readable(database, "about", ["name", "value"])
        runs = _readable(database, "runs", columns)
    return aside, about, [row for row in runs if _is_whole(dict(zip(columns, row, strict=True)))]


def _readable(database: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[Any]:
    """Rows one by one, so that one that cannot be read costs no other."""
    found = []
    try:
        last = database.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0
    except sqlite3.DatabaseError:
        last = 10_000  # the tree's last leaf is gone: no more runs than that are looked for
    for number in range(1, last + 1):
        with contextlib.suppress(sqlite3.DatabaseError):
            query = f"SELECT {', '.join(columns)} FROM {table} WHERE rowid = ?"
            found += database.execute(query, [number]).fetchall()
    return found


def _is_whole(run: dict[str, Any]) -> bool:
    curves, contributions = run["curves"], run["contributions"]
    if not (isinstance(curves, bytes) and isinstance(contributions, bytes)):
        return False
    if len(curves) != 12 * run["epochs_run"] or len(contributions) % 4:
        return False
    values = np.frombuffer(contributions, "<f4").astype(np.float64)
    if not len(values):
        return run["phase"] == "tune"
    return math.isclose(values.mean(), run["score"], rel_tol=1e-5, abs_tol=1e-6)
