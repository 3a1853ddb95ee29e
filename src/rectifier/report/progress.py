"""What a study is doing: a live line in a terminal, a plain one now and then anywhere else."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rectifier.report.plain import duration, visible

EVERY = 10.0  # seconds between two plain lines


class StudyProgress:
    """A listener of studies: what is running, how many of the runs are done, the time left.

    >>> with StudyProgress(console) as listener:
    ...     study(table, settings, folder, listener)

    In a terminal it is one live line that disappears at the end. Elsewhere it is a plain line
    every ten seconds and one at the end, without control codes.

    Args:
        console: where to print.
        total: runs of the study, when known beforehand.
        clock: seconds from any origin.
    """

    def __init__(
        self, console: Console, total: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console
        self.total, self.done, self.doing = total, 0.0, "starting"
        self.live = console.is_interactive and not console.is_jupyter
        self._clock = clock
        self._start = self._printed = clock()
        self._first: tuple[float, float] | None = None  # seconds and runs done at first word
        self._moved = self._start
        self._display: Live | None = None
        self.stopped = False  # Ctrl-C was pressed

    def __enter__(self) -> StudyProgress:
        self._start = self._printed = self._clock()
        if self.live:
            self._display = Live(
                get_renderable=self._line,
                console=self.console,
                refresh_per_second=5,
                transient=True,
            )
            self._display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None
        if kind is None and self.total:
            took = duration(self._clock() - self._start)
            self._print(f"{self.done:,.0f} of {self.total:,} runs done in {took}")

    def say(self, text: str) -> None:
        """A line that stays."""
        self._print(text)

    def progress(self, doing: str, done: float, total: int) -> None:
        """``done`` of ``total`` runs are finished (a fraction: a share of one) and ``doing`` runs.

        What was done at the first call was found in the journal and says nothing of the pace.
        """
        if self.stopped:
            raise KeyboardInterrupt
        now = self._clock()
        if self._first is None:
            self._first = (now, done)
        if done != self.done:
            self._moved = now
        self.doing, self.done, self.total = doing, done, total
        if not self.live and now - self._printed >= EVERY:
            self._print(f"{self.doing}: {self._figures()}")

    def seconds_left(self) -> float | None:
        """At the pace so far, counted down since something last moved; None at first."""
        if self._first is None or self.done <= self._first[1]:
            return None
        start, before = self._first
        left = (self._moved - start) / (self.done - before) * (self.total - self.done)
        return max(0.0, left - (self._clock() - self._moved))

    def _figures(self) -> str:
        text = f"{int(self.done):,} of {self.total:,} runs"
        left = self.seconds_left()
        if left is not None and self.done < self.total:
            text += f", about {duration(max(1, round(left)))} left"
        return text

    def _line(self) -> Table | Spinner:
        doing = Text(visible(self.doing, 60))
        if not self.total:
            return Spinner("line", text=doing)
        wide = self.console.width >= 90
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=34 if wide else 26)
        bar = ProgressBar(total=self.total, completed=self.done, width=20)
        grid.add_row(doing, *([bar] if wide else []), Text(self._figures()))
        return grid

    def _print(self, text: str) -> None:
        self._printed = self._clock()
        self.console.print(Text(visible(text, 400)), soft_wrap=True)


@contextmanager
def interruptible(progress: StudyProgress) -> Iterator[StudyProgress]:
    """``progress`` in use, and Ctrl-C that is never lost.

    Python raises KeyboardInterrupt wherever it happens to be. If that is inside a callback of
    JAX's garbage collection, the exception is printed and forgotten. So Ctrl-C is remembered as
    well, and raised again the next time that something moves.
    """
    if threading.current_thread() is not threading.main_thread():
        with progress:
            yield progress
        return

    def remember(number: int, frame: FrameType | None) -> None:
        progress.stopped = True
        raise KeyboardInterrupt

    def unraisable(what: Any) -> None:
        if not isinstance(what.exc_value, KeyboardInterrupt):
            before_hook(what)

    before, before_hook = signal.signal(signal.SIGINT, remember), sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        with progress:
            yield progress
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = before_hook
