"""A drawing in characters: braille dots where the terminal has them, ASCII where it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from rectifier.report.drawing.curves import Curve, Drawing, fitted, ticks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VALUE, DERIVATIVE, QUIET = "bold cyan", "yellow", "dim"
_BRAILLE = 0x2800
# Bit of the dot at [row 0..3][column 0..1] of a braille character.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_DASH, _GAP = 7, 3  # dots on and off: the derivative is told apart without colour too


def plot(drawing: Drawing, columns: int = 60, rows: int = 16, unicode: bool = True) -> list[Text]:
    """Value and derivative with labelled axes, one line of text each row.

    Args:
        drawing: what to draw.
        columns, rows: size of the field in characters; labels take 7 columns and 2 rows more.
        unicode: braille; else ``*`` for the value, ``.`` for the derivative, ``@`` and ``o`` for
            the two ends of a jump.
    """
    field = _Field(drawing, columns, rows, unicode)
    field.line(drawing.derivative, DERIVATIVE, dashed=True)
    field.line(drawing.value, VALUE)
    for curve, style in ((drawing.derivative, DERIVATIVE), (drawing.value, VALUE)):
        field.dots(curve.dots("off"), "○" if unicode else "o", style)
        field.dots(curve.dots("on"), "●" if unicode else "@", style)
    return [_legend(unicode), *field.lines()]


def _legend(unicode: bool) -> Text:
    solid, dashed, prime = ("━━━", "╍╍╍", "f′") if unicode else ("***", "...", "f'")
    value, slope = (solid, VALUE), (dashed, DERIVATIVE)
    return Text.assemble(" " * 8, value, " f, the value    ", slope, f" {prime}, its derivative")


class _Field:
    """Cells of dots: ``bits[row, column]`` and the style of whoever drew there last."""

    def __init__(self, drawing: Drawing, columns: int, rows: int, unicode: bool) -> None:
        self.reach = drawing.reach
        self.low, self.high = fitted(drawing)
        self.columns, self.rows, self.unicode = columns, rows, unicode
        self.across, self.down = (2, 4) if unicode else (1, 1)
        self.bits = np.zeros((rows, columns), np.int64)
        self.style = np.full((rows, columns), "", dtype=object)
        self.glyphs: dict[tuple[int, int], tuple[str, str]] = {}

    def dot(self, x: float, y: float) -> tuple[float, float]:
        """Column and row of a point, in dots."""
        wide, high = self.columns * self.across - 1, self.rows * self.down - 1
        return (
            (x + self.reach) / (2 * self.reach) * wide,
            (self.high - y) / (self.high - self.low) * high,
        )

    def cell(self, x: float, y: float) -> tuple[int, int]:
        column, row = self.dot(x, y)
        return round(row) // self.down, round(column) // self.across

    def line(self, curve: Curve, style: str, dashed: bool = False) -> None:
        wide = self.columns * self.across
        for piece in curve.pieces:
            first, _ = self.dot(piece[0, 0], 0.0)
            last, _ = self.dot(piece[-1, 0], 0.0)
            columns = np.arange(max(0, round(first)), min(wide - 1, round(last)) + 1)
            x = columns / (wide - 1) * 2 * self.reach - self.reach
            ys = np.interp(x, piece[:, 0], piece[:, 1])
            path = list(self._path(columns.tolist(), [self.dot(0.0, y)[1] for y in ys]))
            for n, (column, row) in enumerate(path):
                if dashed and self.unicode and n % (_DASH + _GAP) >= _DASH:
                    continue
                cell = row // self.down, column // self.across
                self.bits[cell] |= _BITS[row % 4][column % 2] if self.unicode else 1
                self.style[cell] = style

    def _path(self, columns: list[int], rows: list[float]) -> Iterator[tuple[int, int]]:
        """The dots inside the field that join one column's height to the next one's."""
        tall = self.rows * self.down
        heights = [round(min(max(row, -1.0), float(tall))) for row in rows]
        for column, before, after in zip(columns, heights[:1] + heights, heights, strict=False):
            step = 1 if after >= before else -1
            start = before + step if abs(after - before) > 1 else after
            for row in range(start, after + step, step):
                if 0 <= row < tall:
                    yield column, row

    def dots(self, points: Sequence[tuple[float, float]], glyph: str, style: str) -> None:
        for x, y in points:
            if abs(x) < self.reach and self.low <= y <= self.high:
                self.glyphs[self.cell(x, y)] = (glyph, style)

    def lines(self) -> list[Text]:
        """The field with its axes and labels."""
        zero_row, zero_column = self.cell(0.0, 0.0)
        labels = {self.cell(0.0, y)[0]: f"{y:g}" for y in ticks(self.low, self.high, 5)}
        upright, flat, cross = "│─┼" if self.unicode else "|-+"
        out = []
        for row in range(self.rows):
            text = Text(no_wrap=True)  # no style of its own: dim labels would dim the curves too
            text.append(f"{labels.get(row, ''):>6} ", QUIET)
            for column in range(self.columns):
                on_axis = (row == zero_row) + 2 * (column == zero_column)
                if (row, column) in self.glyphs:
                    text.append(*self.glyphs[row, column])
                elif self.bits[row, column]:
                    text.append(self._character(row, column), self.style[row, column])
                else:
                    text.append(f" {flat}{upright}{cross}"[on_axis], QUIET)
            out.append(text)
        return [*out, self._feet()]

    def _character(self, row: int, column: int) -> str:
        if self.unicode:
            return chr(_BRAILLE + int(self.bits[row, column]))
        return "*" if self.style[row, column] == VALUE else "."

    def _feet(self) -> Text:
        feet = [" "] * (7 + self.columns + 6)
        for x in ticks(-self.reach, self.reach, 6):
            label = f"{x:g}"
            centre = 7 + self.cell(x, 0.0)[1] - (1 if x < 0 else 0)
            for n, character in enumerate(label):
                feet[centre - (len(label) - 1) // 2 + n] = character
        return Text("".join(feet).rstrip(), style=QUIET, no_wrap=True)
