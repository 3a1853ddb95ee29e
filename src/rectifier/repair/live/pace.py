"""When a watch may look: sampling keeps to its share of a training's time, after-effects included.

What a sample costs is more than the time between its first line and its last: caches are cold
afterwards, and threads that it has woken may go on spinning beside the training's own. So a sample
is charged what the training's steps took with it beyond what they usually take.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

AFTER = 3  # steps, from the sampled one on, that a sample is charged for
USUAL = 31  # steps without a sample whose median is the usual time
FEWEST = 5  # of them, before a usual time is known
MOST = 4.0  # times a sample's own time: what is beyond comes from the neighbours, not from it


class Pace:
    """Counts steps and seconds of a training.

    >>> pace = Pace(every=100, share=0.02)
    >>> for step in count():
    ...     if pace.due(step):
    ...         with pace.timed(): look()

    Args:
        every: steps from one sample to the next, at least.
        share: of the time since the first step that samples may take; 1 is without a limit.

    Attributes:
        seconds: what samples have cost so far.
    """

    def __init__(self, every: int, share: float) -> None:
        self.seconds = 0.0
        self._every, self._share = every, share
        self._next = 0
        self._start: float | None = None
        self._last = 0.0  # when the step before this one began
        self._usual: deque[float] = deque(maxlen=USUAL)
        self._left = 0  # steps that the open sample is still charged for
        self._own = 0.0  # seconds inside the open sample
        self._whole = 0.0  # seconds of the steps since, that sample included
        self._cost = 0.0  # of the last sample

    def due(self, step: int) -> bool:
        """Whether a sample may be taken now. Asked once at every step, as it begins."""
        now = time.perf_counter()
        if self._start is None:
            self._start = now
        else:
            self._note(now - self._last)
        self._last = now
        if step < self._next:
            return False
        self._next = step + self._every
        if self._share < 1 and self.seconds + self._cost > self._share * (now - self._start) > 0:
            return False
        self._close()
        self._left, self._own, self._whole = AFTER, 0.0, 0.0
        return True

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Counts the time inside for the sample that is open."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self._own += spent
            self.seconds += spent

    def _note(self, seconds: float) -> None:
        """One step took so long."""
        if not self._left:
            self._usual.append(seconds)
            return
        self._whole += seconds
        self._left -= 1
        if not self._left:
            self._close()

    def _close(self) -> None:
        """Charges the open sample for what it did to the steps after it."""
        if not self._own:
            return
        cost = self._own
        if len(self._usual) >= FEWEST:
            extra = self._whole - (AFTER - self._left) * median(self._usual)
            cost = min(max(cost, extra), MOST * cost)
        self.seconds += cost - self._own
        self._cost = cost
        self._left, self._own = 0, 0.0
