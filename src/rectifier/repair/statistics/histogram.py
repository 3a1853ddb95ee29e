"""A histogram whose range grows with the data: equal bins, doubled in width when need be."""

from __future__ import annotations

import numpy as np

BINS = 64


class Histogram:
    """Counts in ``BINS`` equal bins about zero; nothing is ever clipped.

    The width of a bin is a power of two and bin edges are multiples of it, so that doubling the
    width is an exact merge of neighbours: the result does not depend on the order of batches.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.exponent: int | None = None  # width = 2.0 ** exponent; None before any value

    def update(self, values: np.ndarray) -> None:
        """Counts finite values of any shape."""
        if not values.size:
            return
        largest = max(float(np.abs(values).max()), 1e-12)
        # The smallest width at which |largest| lies inside BINS / 2 bins of one sign.
        needed = int(np.floor(np.log2(largest / (BINS // 2)))) + 1
        if self.exponent is None:
            self.exponent = needed
        while self.exponent < needed:
            self._double()
        scaled = np.asarray(values, np.float64).ravel() * 2.0**-self.exponent
        places = np.floor(scaled).astype(np.int64) + BINS // 2
        self.counts += np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)

    def _double(self) -> None:
        merged = self.counts.reshape(-1, 2).sum(1)
        self.counts = np.zeros(BINS, np.int64)
        self.counts[BINS // 4 : BINS // 4 + len(merged)] = merged
        self.exponent = (self.exponent or 0) + 1

    @property
    def width(self) -> float:
        return 1.0 if self.exponent is None else 2.0**self.exponent

    @property
    def edges(self) -> np.ndarray:
        """[BINS + 1], in the values' unit."""
        return (np.arange(BINS + 1) - BINS // 2) * self.width

    def trimmed(self) -> tuple[list[float], list[int]]:
        """Edges and counts without empty bins at the ends, for drawing and for JSON."""
        filled = np.flatnonzero(self.counts)
        if not filled.size:
            return [], []
        first, last = int(filled[0]), int(filled[-1])
        return self.edges[first : last + 2].tolist(), self.counts[first : last + 1].tolist()
