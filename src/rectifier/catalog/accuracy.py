"""How exact every entry has been measured to be: the table that ``benchmarks.accuracy`` writes.

One row a function and contender, in ``accuracy.csv`` beside this file. Nothing is computed here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Literal

FILE = "accuracy.csv"
DOORS = ("numpy", "torch", "jax")  # who may compute an entry of ours; the others are calls
Which = Literal["value", "derivative"]


@dataclass(frozen=True)
class Measurement:
    """The worst that one way to compute an activation does, at default parameters.

    Attributes:
        name: of the activation.
        which: its value or its derivative.
        by: one of :data:`DOORS`, or another library's own call, such as ``jax.nn.silu``.
        dtype: float16, bfloat16, float32 or float64.
        inputs: how many were judged.
        exhaustive: whether these are all that the dtype has.
        off: how many of them have another result than the exact one, rounded (ties left out).
        ulps: the largest distance from the exact result, in units in the last place; ``inf`` for
            NaN, and for infinity where the result is finite.
        at: an input where it is that far; None where nothing is off.
        lost: the ends, ``-inf`` or ``inf``, at which it gives NaN though there is a limit.
        code: names the compiled code that was measured, so that a change can be seen.
        versions: of the libraries that took part.
    """

    name: str
    which: Which
    by: str
    dtype: str
    inputs: int
    exhaustive: bool
    off: int
    ulps: float
    at: float | None
    lost: tuple[str, ...] = ()
    code: str = ""
    versions: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is a measurement of: one row of the table."""
        return self.name, self.which, self.by, self.dtype

    @property
    def ours(self) -> bool:
        """Whether it is Rectifier that was measured."""
        return self.by in DOORS


@cache
def measurements() -> tuple[Measurement, ...]:
    """Every row of the table that came with this Rectifier."""
    return tuple(parsed(files(__package__).joinpath(FILE).read_text(encoding="utf-8")))


def measured(name: str) -> tuple[Measurement, ...]:
    """The rows of one activation; none for those that :func:`rectifier.define` made."""
    return tuple(row for row in measurements() if row.name == name)


def parsed(text: str) -> list[Measurement]:
    """The rows of a table's text."""
    return [
        Measurement(
            name=row["name"],
            which="derivative" if row["which"] == "derivative" else "value",
            by=row["by"],
            dtype=row["dtype"],
            inputs=int(row["inputs"]),
            exhaustive=row["exhaustive"] == "yes",
            off=int(row["off"]),
            ulps=float(row["ulps"]),
            at=float(row["at"]) if row["at"] else None,
            lost=tuple(row["lost"].split()),
            code=row["code"],
            versions=row["versions"],
        )
        for row in csv.DictReader(io.StringIO(text))
    ]


def text_of(rows: Iterable[Measurement]) -> str:
    """The table of ``rows``, as :func:`parsed` reads it."""
    target = io.StringIO()
    names = [field.name for field in fields(Measurement)]
    table = csv.DictWriter(target, names, lineterminator="\n")
    table.writeheader()
    for row in rows:
        cells = asdict(row) | {
            "exhaustive": "yes" if row.exhaustive else "no",
            "at": "" if row.at is None else repr(row.at),
            "ulps": f"{row.ulps:.6g}",
            "lost": " ".join(row.lost),
        }
        table.writerow(cells)
    return target.getvalue()
