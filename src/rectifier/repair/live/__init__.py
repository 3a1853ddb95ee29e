"""Diagnosis while a model trains, at a bounded share of the time.

``watch(model)`` samples now and then: a small forward pass beside the training's own, and what
one step of the optimizer did to the weights. The next sample waits until sampling has taken no
more than ``share`` of the time since the start, so that the overhead is bounded whatever the
model's size.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rectifier.errors import InputError
from rectifier.repair.findings import Finding, ordered
from rectifier.repair.gradients import Gradients
from rectifier.repair.rules import learning, units
from rectifier.repair.rules.units import Watched
from rectifier.repair.sites import library_of

__all__ = ["Record", "watch"]

ROWS = 64  # of a batch that a sample looks at
_log = logging.getLogger("rectifier")


def watch(
    model: Any,
    data: Any = None,
    *,
    optimizer: Any = None,
    every: int = 100,
    share: float = 0.05,
    on_finding: Callable[[Finding], None] | None = None,
) -> Any:
    """Watches a model while it trains.

    >>> watch = rf.watch(model, optimizer=optimizer)          # PyTorch: a plain loop
    >>> model.fit(x, y, callbacks=[rf.watch(model, x)])       # Keras: a callback
    >>> Trainer(..., callbacks=[rf.watch(model)])             # Lightning, Hugging Face
    >>> watch.findings, watch.history

    Args:
        model: a ``torch.nn.Module`` or a built Keras model.
        data: Keras: an array (or list, dict of arrays) of inputs that samples are taken of, the
            first 64 rows. PyTorch takes what the training passes forward.
        optimizer: PyTorch: whose steps are measured. Lightning and the Hugging Face Trainer hand
            theirs over when training starts.
        every: training steps from one sample to the next, at least.
        share: of the time that sampling may take.
        on_finding: called once for each kind of fault and layer; by default a line goes to the
            logger ``rectifier``.

    Returns:
        A callback of Keras, or a :class:`rectifier.repair.live.on_torch.TorchWatch`, which is a
        callback of Lightning and of the Hugging Face Trainer as well; ``close()`` ends it.

    Raises:
        InputError: not a model, not built, or a Keras model without ``data``.
    """
    if every < 1 or not 0 < share <= 1:
        raise InputError(f"every starts at 1 and share is in (0, 1], got {every} and {share}")
    record = Record(every, share, on_finding)
    if library_of(model) == "keras":
        from rectifier.repair.live.on_keras import KerasWatch

        if data is None:
            raise InputError("a Keras model is watched on data: rf.watch(model, x)")
        return KerasWatch(model, data, record)
    from rectifier.repair.live.on_torch import TorchWatch

    return TorchWatch(model, optimizer, record)


class Record:
    """What the samples showed, and when the next one is due.

    Attributes:
        history: a dict a sample and site: step, site, dead, saturated, linear (shares of units).
        findings: each kind and layer once, as it was first seen.
        seconds: time spent on samples.
    """

    def __init__(
        self, every: int, share: float, on_finding: Callable[[Finding], None] | None
    ) -> None:
        self.history: list[dict[str, Any]] = []
        self.findings: list[Finding] = []
        self.seconds = 0.0
        self._every, self._share = every, share
        self._told = on_finding or _warn
        self._known: set[tuple[str, str]] = set()
        self._start = time.perf_counter()
        self._next = 0

    def due(self, step: int) -> bool:
        """Whether a sample may be taken now."""
        if step < self._next:
            return False
        self._next = step + self._every
        elapsed = time.perf_counter() - self._start
        return self.seconds <= self._share * elapsed

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Counts the time inside as spent on samples."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start

    def see_units(self, step: int, watched: list[Watched]) -> None:
        """Takes in the sites of one sample."""
        for one in watched:
            shares = one.statistics.shares()
            self.history.append(
                {
                    "step": step,
                    "site": one.site.name,
                    "dead": shares.dead,
                    "saturated": shares.saturated,
                    "linear": shares.linear,
                }
            )
        self._tell(units.find(watched))

    def see_step(self, gradients: Gradients) -> None:
        """Takes in one step of the optimizer."""
        self._tell(learning.find_live(gradients))

    def _tell(self, findings: list[Finding]) -> None:
        for finding in ordered(findings):
            key = (finding.kind, finding.layer)
            if key not in self._known:
                self._known.add(key)
                self.findings.append(finding)
                self._told(finding)


def _warn(finding: Finding) -> None:
    where = f" in {finding.layer}" if finding.layer else ""
    _log.warning("%s%s: %s; do: %s", finding.title, where, finding.what, finding.remedy)
