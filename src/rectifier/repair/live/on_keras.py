"""A watch on a Keras model: a callback of ``fit``."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from rectifier.repair.batches import Batch
from rectifier.repair.diagnosis import watch_sites
from rectifier.repair.gradients import Stepped
from rectifier.repair.live import ROWS, WEIGHTS, Record
from rectifier.repair.passes.on_keras import KerasPasses
from rectifier.repair.sites import Known
from rectifier.repair.statistics import UnitStatistics
from rectifier.repair.structure.on_keras import kernels, numbers


class KerasWatch(keras.callbacks.Callback):
    """Passes 64 rows forward now and then, and measures the training step that follows.

    What passes through a compiled ``fit`` has no values to show, hence rows of its own.
    """

    def __init__(self, model: Any, data: Any, record: Record) -> None:
        super().__init__()
        self._record = record
        self._batch = Batch(keras.tree.map_structure(lambda x: x[:ROWS], data))
        self._passes = KerasPasses(model, None, None, False)
        self._passes.forward(self._batch)  # inputs that do not fit say so before training
        self._known = Known()
        self._steps = 0
        self._before: list[tuple[str, Any, np.ndarray]] = []

    @property
    def findings(self) -> list[Any]:
        return self._record.findings

    @property
    def history(self) -> list[dict[str, Any]]:
        return self._record.history

    @property
    def seconds(self) -> float:
        """Time spent on samples."""
        return self._record.seconds

    # Not on_train_batch_end: with a callback there, Keras waits for every batch's numbers before it
    # starts the next one.
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        due = self._record.due(self._steps)
        if due or self._before:
            with self._record.timed():
                model = self.model  # brings the variables up to date where a backend holds them
                self._after_step()
                if due:
                    self._sample(model)
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """The step before it is measured now: at the end of the last one nothing begins."""
        if self._before:
            with self._record.timed():
                _ = self.model
                self._after_step()

    def _sample(self, model: Any) -> None:
        with self._passes.untouched():
            watched = watch_sites(
                model, self._passes, [self._batch], UnitStatistics, known=self._known
            )
        self._record.see_units(self._steps, watched)
        self._before = [(layer, v, _spread(v).copy()) for layer, v in kernels(model)]

    def _after_step(self) -> None:
        before, self._before = self._before, []
        if before:
            self._record.see_step([_stepped(*one) for one in before])


def _spread(variable: Any) -> np.ndarray:
    """At most ``WEIGHTS`` elements, evenly spread."""
    flat = numbers(variable.value).reshape(-1)
    return flat[:: max(1, -(-flat.size // WEIGHTS))]


def _stepped(layer: str, variable: Any, old: np.ndarray) -> Stepped:
    size, step = _norm(old), _norm(_spread(variable) - old)
    return Stepped(layer, step / size if size else None)


def _norm(values: np.ndarray) -> float:
    # np.linalg.norm asks BLAS for it, whose threads then spin beside the training's.
    return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))
