"""What everything that is printed in a terminal shares: its width, its tables, its letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

WIDTH = 100  # characters that everything fits into


class Fitted:
    """The first of several renderables that fits the console, in at most 100 characters."""

    def __init__(self, candidates: Sequence[RenderableType]) -> None:
        self._candidates = candidates

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, WIDTH)
        unlimited = options.update_width(10 * WIDTH)
        for chosen in self._candidates:
            if Measurement.get(console, unlimited, chosen).maximum <= width:
                break
        yield from console.render(chosen, options.update_width(width))


def new_table(**options: Any) -> Table:
    """A table with a line under its head and nothing else drawn."""
    return Table(
        box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, **options
    )


def plain_text(text: str) -> Text:
    """Without the page's typography: not every terminal's encoding has a minus sign."""
    return Text(text.replace("−", "-").replace("–", "-"))
