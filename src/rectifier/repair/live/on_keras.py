"""A watch on a Keras model: a callback of ``fit``."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from rectifier.repair.batches import Batch
from rectifier.repair.diagnosis import watch_sites
from rectifier.repair.gradients import Gradients, WeightGradient
from rectifier.repair.live import ROWS, Record
from rectifier.repair.passes.on_keras import KerasPasses
from rectifier.repair.structure.on_keras import numbers, trainable_paths, weights


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
        self._steps = 0
        self._before: dict[str, np.ndarray] | None = None

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

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._record.due(self._steps):
            with self._record.timed():
                model = self.model  # brings the variables up to date where a backend holds them
                with self._passes.untouched():
                    watched, _ = watch_sites(model, self._passes, [self._batch])
                self._record.see_units(self._steps, watched)
                self._before = self._kernels()
        self._steps += 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._before is None:
            return
        with self._record.timed():
            before, self._before = self._before, None
            after = self._kernels()
            records = {}
            for weight in weights(self.model):
                if weight.path in before and weight.kernel:
                    record = WeightGradient(weight)
                    record.step = float(np.linalg.norm(after[weight.path] - before[weight.path]))
                    records[weight.path] = record
            self._record.see_step(Gradients(records))

    def _kernels(self) -> dict[str, np.ndarray]:
        model = self.model
        pairs = zip(trainable_paths(model), model.trainable_variables, strict=True)
        return {path: numbers(variable.value).copy() for path, variable in pairs}
