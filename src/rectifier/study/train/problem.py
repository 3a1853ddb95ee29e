"""A table made ready for training: numbers, targets and splits of both phases, in arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rectifier.study.judge.metrics import Metric
from rectifier.study.load import Table
from rectifier.study.plan import Phase, Split
from rectifier.study.train.features import Features, encode


@dataclass(frozen=True)
class Problem:
    """Everything the trainer needs to know of a table.

    Attributes:
        features: inputs of every split; splits of all phases stand one behind the other.
        targets: [rows] int32 class codes, or float32 values of mean 0 and variance 1 over the
            whole table (an exact change of unit, undone before anything is scored).
        target_shift, target_scale: [splits] float32, mean and standard deviation of ``targets``
            over each split's training rows; 0 and 1 for classes.
        unit: offset and factor that bring numeric predictions back to the target's own unit.
        outputs: classes, or 1.
    """

    table: Table
    metric: Metric
    features: Features
    targets: np.ndarray
    target_shift: np.ndarray
    target_scale: np.ndarray
    unit: tuple[float, float]
    outputs: int
    _splits: dict[Phase, list[Split]]

    @property
    def classification(self) -> bool:
        return self.table.task == "classification"

    def splits(self, phase: Phase) -> list[Split]:
        return self._splits[phase]

    def position(self, phase: Phase, seed: int) -> int:
        """Where a split stands among the splits of all phases."""
        before = 0
        for other, found in self._splits.items():
            if other == phase:
                return before + seed
            before += len(found)
        raise KeyError(phase)

    def contributions(self, rows: np.ndarray, outputs: np.ndarray, position: int) -> np.ndarray:
        """The metric's row contributions for a run's outputs on ``rows``.

        Args:
            outputs: [rows, outputs] logits, or standardised values.
        """
        y = self.table.y[rows]
        if self.classification:
            return self.metric.contributions(y, outputs)
        shift, scale = float(self.target_shift[position]), float(self.target_scale[position])
        offset, factor = self.unit
        predicted = (outputs[:, 0].astype(np.float64) * scale + shift) * factor + offset
        return self.metric.contributions(y, predicted, shift * factor + offset)


def prepare(table: Table, metric: Metric, splits: dict[Phase, list[Split]]) -> Problem:
    """Numbers for every split, learnt from its training rows only."""
    training = [split.training for found in splits.values() for split in found]
    features = encode(table, training)
    count = len(training)
    if table.task == "classification":
        targets = table.y.astype(np.int32)
        shift, scale = np.zeros(count, np.float32), np.ones(count, np.float32)
        unit = (0.0, 1.0)
    else:
        # In float64 and for all rows alike, so that float32 holds a target such as 1e9 ± 1.
        offset, factor = float(table.y.mean()), float(table.y.std()) or 1.0
        targets = ((table.y - offset) / factor).astype(np.float32)
        shift = np.array([targets[rows].mean() for rows in training], np.float32)
        deviations = np.array([targets[rows].std() for rows in training], np.float32)
        scale = np.where(deviations > 0, deviations, 1.0).astype(np.float32)
        unit = (offset, factor)
    return Problem(
        table=table,
        metric=metric,
        features=features,
        targets=targets,
        target_shift=shift,
        target_scale=scale,
        unit=unit,
        outputs=max(1, len(table.classes)),
        _splits=splits,
    )
