"""Effective rank of a layer's outputs, from a covariance of bounded size."""

from __future__ import annotations

import numpy as np

UNITS = 256  # of wider layers every k-th unit is looked at
ROWS = 2_048  # rows a batch, evenly spread; a covariance of 256 units needs no more


class Covariance:
    """Running covariance of up to ``UNITS`` units.

    Attributes:
        units: how many of the layer's units are in it.
    """

    def __init__(self, units: int) -> None:
        self._chosen = np.unique(np.linspace(0, units - 1, min(units, UNITS)).round().astype(int))
        self.units = len(self._chosen)
        self._rows = 0
        self._mean = np.zeros(self.units)
        self._scatter = np.zeros((self.units, self.units))

    def update(self, values: np.ndarray) -> None:
        """Takes in [rows, units of the layer]."""
        step = max(1, -(-len(values) // ROWS))
        rows = np.asarray(values[::step][:, self._chosen], np.float64)
        mean = rows.mean(0)
        shift = mean - self._mean
        total = self._rows + len(rows)
        centred = rows - mean
        self._scatter += centred.T @ centred
        self._scatter += np.outer(shift, shift) * (self._rows * len(rows) / total)
        self._mean += shift * (len(rows) / total)
        self._rows = total

    def effective(self) -> float:
        """exp(entropy of the normalised singular values): 1 for one direction, at most ``units``.

        Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality. Of the
        centred outputs; 0 where nothing varies.
        """
        values = np.linalg.eigvalsh(self._scatter) if self._rows else np.zeros(1)
        singular = np.sqrt(np.clip(values, 0, None))
        # Rounding of the largest eigenvalue is no direction.
        singular = singular[singular > singular.max(initial=0.0) * 1e-6]
        if not singular.size:
            return 0.0
        shares = singular / singular.sum()
        return float(np.exp(-(shares * np.log(shares)).sum()))
