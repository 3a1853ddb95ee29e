"""What the model is trained for, as far as the rules need it: the loss, and the targets seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

# sparse: class numbers; categorical: one probability a class; binary: 0 or 1 for every output
Family = Literal["sparse", "categorical", "binary", "regression", "other"]
Wants = Literal["logits", "probabilities", "log-probabilities", "values", "unknown"]


@dataclass(frozen=True)
class Loss:
    """A loss: what it compares with, and what it takes the model's output for.

    Attributes:
        name: as the framework calls it.
        ignored: the class number that it passes over (torch's ``ignore_index``).
    """

    name: str
    family: Family = "other"
    wants: Wants = "unknown"
    ignored: int | None = None


LOSSES = {
    "cross_entropy": Loss("cross_entropy", "sparse", "logits", -100),
    "nll_loss": Loss("nll_loss", "sparse", "log-probabilities", -100),
    "binary_cross_entropy": Loss("binary_cross_entropy", "binary", "probabilities"),
    "binary_cross_entropy_with_logits": Loss(
        "binary_cross_entropy_with_logits", "binary", "logits"
    ),
    **{
        name: Loss(name, "regression", "values")
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
    },
}


@dataclass
class Targets:
    """The targets of all batches seen: their range, and whether they are whole numbers."""

    rows: int = 0
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    ignored: int | None = None
    outside: dict[float, int] = field(default_factory=dict)  # commonest odd labels -> rows

    def update(self, y: Any) -> None:
        """Takes one batch in: an array of any shape whose first axis is rows."""
        array = np.asarray(y)
        if not array.size or array.dtype.kind not in "biuf":
            return
        self.rows += len(array) if array.ndim else 1
        values = array.astype(np.float64).ravel()
        values = values[np.isfinite(values)]
        if self.ignored is not None:
            values = values[values != self.ignored]
        if not values.size:
            return
        self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
        self.whole = self.whole and bool((values == np.floor(values)).all())
        if self.whole and len(self.outside) < 1_000:
            for label, count in zip(*np.unique(values, return_counts=True), strict=True):
                self.outside[float(label)] = self.outside.get(float(label), 0) + int(count)

    def beyond(self, low: float, high: float) -> int:
        """Rows whose whole-number target lies outside [low, high]."""
        return sum(n for label, n in self.outside.items() if not low <= label <= high)
