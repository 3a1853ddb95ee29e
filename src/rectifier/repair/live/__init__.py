"""Diagnosis while a model trains, at a bounded share of the time.

``watch(model)`` samples now and then: a small forward pass beside the training's own, and what
one step of the optimizer did to the weights. When the next one may come, ``pace`` says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rectifier.errors import InputError
from rectifier.repair.findings import Finding, ordered
from rectifier.repair.gradients import Stepped
from rectifier.repair.live.pace import Pace
from rectifier.repair.rules import learning, units
from rectifier.repair.rules.units import Watched
from rectifier.repair.sites import library_of
from rectifier.repair.statistics import UnitStatistics

__all__ = ["Record", "watch"]

ROWS = 64  # of a batch that a sample looks at
WEIGHTS = 1 << 16  # of a kernel, evenly spread, that a step is measured on
_log = logging.getLogger("rectifier")


def watch(
    model: Any,
    data: Any = None,
    *,
    optimizer: Any = None,
    every: int = 100,
    share: float = 0.02,
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
        share: of the time that sampling may take, by what the training's steps took with a sample
            and without; the next sample waits until that is kept. 1 is without a limit.
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
    """

    def __init__(
        self, every: int, share: float, on_finding: Callable[[Finding], None] | None
    ) -> None:
        self.history: list[dict[str, Any]] = []
        self.findings: list[Finding] = []
        self._pace = Pace(every, share)
        self._told = on_finding or _warn
        self._known: set[tuple[str, str]] = set()

    @property
    def seconds(self) -> float:
        """What sampling has cost: its own time, and by what it slowed the steps after it."""
        return self._pace.seconds

    def due(self, step: int) -> bool:
        """Whether a sample is to be taken now; asked once at every step."""
        return self._pace.due(step)

    def timed(self) -> AbstractContextManager[None]:
        """Counts the time inside as spent on the sample of this step."""
        return self._pace.timed()

    def see_units(self, step: int, watched: Sequence[Watched[UnitStatistics]]) -> None:
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

    def see_step(self, steps: Sequence[Stepped]) -> None:
        """Takes in what one step of the optimizer did to every kernel."""
        self._tell(learning.find_live(steps))

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
