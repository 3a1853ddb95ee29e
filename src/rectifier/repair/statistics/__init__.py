"""What one activation site does over any number of batches, in bounded memory.

Every quantity is kept per unit as a running sum, so that a site costs some hundred bytes a unit
whatever the data; the effective rank keeps one covariance of at most 256 units. The formulas
are explained in docs/diagnosis.md.

``UnitStatistics`` is what a watch beside a training computes, ``SiteStatistics`` adds what only a
diagnosis shows. The first does without matrix products: the threads of NumPy's BLAS go on spinning
for some 25 ms after one, beside the training's own (benchmarks/watch.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rectifier.activation import Activation
from rectifier.repair.statistics.histogram import Histogram
from rectifier.repair.statistics.rank import Covariance

__all__ = ["Histogram", "Limits", "SiteStatistics", "UnitShares", "UnitStatistics", "unit_rows"]


@dataclass(frozen=True)
class Limits:
    """Where a unit counts as what; shares are of rows.

    Attributes:
        epsilon: |f'(z)| below this passes no gradient worth the name.
        rows: share of the rows that a dead or saturated unit spends there.
        steep: a slope below this share of the steepest one is saturated (bounded activations).
        nonlinearity: 1 - r² of the output against the pre-activation; below, it is a straight line.
        constant: standard deviation of the output, as a share of its magnitude.
    """

    epsilon: float = 1e-3
    rows: float = 0.99
    steep: float = 0.01
    nonlinearity: float = 1e-7
    constant: float = 1e-6


@dataclass(frozen=True)
class UnitShares:
    """Shares of a site's units, each in [0, 1]; ``constant`` does not count dead ones."""

    dead: float
    saturated: float
    linear: float
    constant: float
    nonfinite: float


class UnitStatistics:
    """Running statistics of one site's units.

    >>> site = UnitStatistics(rf.get("relu"), units=64)
    >>> for z, y in batches: site.update(z, y)      # [rows, units], any float dtype
    >>> site.dead, site.shares().dead

    Attributes:
        activation: its entry, or None where it is not known; then nothing is said of slopes.
        units: outputs that are told apart.
        rows: rows seen so far; of a convolution, examples times positions.
    """

    def __init__(
        self, activation: Activation | None, units: int, limits: Limits | None = None
    ) -> None:
        self.activation = activation
        self.units = units
        self.limits = limits or Limits()
        self.rows = 0
        # A slope is a property of a unit only where an output depends on one input.
        self.sloped = activation is not None and activation.elementwise
        self._z, self._y = _Moments(units), _Moments(units)
        self._zy = np.zeros(units)
        self._flat = np.zeros(units, np.int64)
        self._shallow = np.zeros(units, np.int64)
        self._nonfinite = np.zeros(units, np.int64)
        self._steepest = _steepest(activation) if activation and self.sloped else 1.0

    def update(self, z: np.ndarray, y: np.ndarray) -> None:
        """Takes in the rows of one batch.

        Args:
            z: pre-activations [rows, units]; where the activation takes another shape than it
                gives (a gated one), nothing is said of slopes.
            y: activations [rows, units].
        """
        y = np.asarray(y)
        same = z.shape == y.shape
        finite_z, finite_y = np.isfinite(z), np.isfinite(y)
        self.rows += len(y)
        bad = ~finite_y | ~finite_z if same else ~finite_y
        if bad.any():
            self._nonfinite += bad.sum(0)
            y = np.where(bad, 0, y)
            z = np.where(bad, 0, z) if same else z
        y_shift = self._y.update(y)
        if not same:
            return
        z_shift = self._z.update(z)
        # Chan's update of a co-moment: the rows about their own means, and the step of the means.
        centred = (z - z.mean(0, dtype=np.float64)) * (y - y.mean(0, dtype=np.float64))
        self._zy += centred.sum(0) + z_shift * y_shift * (self.rows - len(y)) * len(y) / self.rows
        if self.sloped and self.activation is not None:
            slope = np.abs(self.activation.derivative(np.ascontiguousarray(z)))
            self._flat += ((slope < self.limits.epsilon) & ~bad).sum(0)
            self._shallow += ((slope < self.limits.steep * self._steepest) & ~bad).sum(0)

    # -- of each unit -------------------------------------------------------------------------

    @property
    def flat_share(self) -> np.ndarray:
        """Share of rows with |f'(z)| < epsilon [units]."""
        return self._flat / max(1, self.rows)

    @property
    def saturated(self) -> np.ndarray:
        """Units held at a bound of the activation [units] bool; zero at a ReLU's foot is dead."""
        if not self.sloped or self.activation is None or self.activation.facts.kind == "step":
            return np.zeros(self.units, bool)
        low, high = self.activation.facts.range
        shallow = self._shallow / max(1, self.rows) >= self.limits.rows
        if not np.isfinite([low, high]).all():
            return np.zeros(self.units, bool)
        if float(self.activation(0.0)) > low:
            return shallow  # zero lies between the bounds: either end is a saturated unit
        return shallow & (self._y.mean > (low + high) / 2)

    @property
    def dead(self) -> np.ndarray:
        """Units without gradient for at least 99 % of rows, at no bound that is away from rest."""
        if not self.sloped or self.activation is None or self.activation.facts.kind == "step":
            return np.zeros(self.units, bool)
        return (self.flat_share >= self.limits.rows) & ~self.saturated

    @property
    def linear(self) -> np.ndarray:
        """Units whose output was a straight line of their pre-activation [units] bool."""
        if not self.sloped or self.activation is None or self.activation.facts.kind == "linear":
            return np.zeros(self.units, bool)
        return (self.nonlinearity < self.limits.nonlinearity) & ~self.dead & ~self.constant

    @property
    def nonlinearity(self) -> np.ndarray:
        """1 - r² of y against z [units]: 0 for a straight line, NaN where one is constant."""
        product = self._z.m2 * self._y.m2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(product > 0, 1 - self._zy**2 / product, np.nan)

    @property
    def constant(self) -> np.ndarray:
        """Units whose output never changed [units] bool."""
        if self.rows < 2:
            return np.zeros(self.units, bool)
        scale = np.maximum(np.abs(self._y.mean), 1e-30)
        return self.y_sd <= self.limits.constant * scale

    @property
    def nonfinite(self) -> np.ndarray:
        """NaN and infinite values seen [units] int."""
        return self._nonfinite

    @property
    def z_mean(self) -> np.ndarray:
        return self._z.mean

    @property
    def z_sd(self) -> np.ndarray:
        return np.sqrt(self._z.m2 / max(1, self.rows))

    @property
    def y_mean(self) -> np.ndarray:
        return self._y.mean

    @property
    def y_sd(self) -> np.ndarray:
        return np.sqrt(self._y.m2 / max(1, self.rows))

    def shares(self) -> UnitShares:
        """How many of the units are what."""
        dead = self.dead
        return UnitShares(
            dead=float(dead.mean()),
            saturated=float(self.saturated.mean()),
            linear=float(self.linear.mean()),
            constant=float((self.constant & ~dead & ~self.saturated).mean()),
            nonfinite=float((self._nonfinite > 0).mean()),
        )


class SiteStatistics(UnitStatistics):
    """Of the units, and of the site as a whole: histograms, zeros, effective rank.

    >>> site = SiteStatistics(rf.get("relu"), units=64)
    >>> for z, y in batches: site.update(z, y)
    >>> site.sparsity, site.rank.effective(), site.z_histogram.trimmed()
    """

    def __init__(
        self, activation: Activation | None, units: int, limits: Limits | None = None
    ) -> None:
        super().__init__(activation, units, limits)
        self.z_histogram, self.y_histogram = Histogram(), Histogram()
        self.rank = Covariance(units)
        self._zeros = 0

    def update(self, z: np.ndarray, y: np.ndarray) -> None:
        super().update(z, y)
        finite = np.isfinite(y)
        self.z_histogram.update(z[np.isfinite(z)])
        self.y_histogram.update(y[finite])
        if z.shape == y.shape:
            finite &= np.isfinite(z)
        y = np.where(finite, y, 0)
        self._zeros += int(np.count_nonzero(np.abs(y) < 1e-6))
        self.rank.update(y)

    @property
    def sparsity(self) -> float:
        """Share of outputs within 1e-6 of zero."""
        return self._zeros / max(1, self.rows * self.units)


@dataclass
class _Moments:
    """Running mean and sum of squared deviations of each unit (Chan, Golub and LeVeque 1983)."""

    units: int
    rows: int = 0
    mean: np.ndarray = field(init=False)
    m2: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.mean, self.m2 = np.zeros(self.units), np.zeros(self.units)

    def update(self, values: np.ndarray) -> np.ndarray:
        """Takes rows in; gives how far their mean is from the one before."""
        count = len(values)
        mean = values.mean(0, dtype=np.float64)
        shift = mean - self.mean
        total = self.rows + count
        deviations = ((values - mean) ** 2).sum(0)
        self.m2 += deviations + shift**2 * (self.rows * count / total)
        self.mean = self.mean + shift * (count / total)
        self.rows = total
        return shift


def _steepest(activation: Activation) -> float:
    """The largest |f'| on [-6, 6], which holds the steep part of every bounded entry."""
    grid = np.linspace(-6.0, 6.0, 2401)
    slopes = np.abs(activation.derivative(grid))
    return float(slopes[np.isfinite(slopes)].max(initial=0.0)) or 1.0


def unit_rows(values: Any, axis: int = -1) -> np.ndarray:
    """An activation's array as [rows, units]: ``axis`` tells the units apart, all else is rows.

    float16 and bfloat16 come out as float32, in which sums keep their digits.
    """
    array = np.asarray(values)
    if array.dtype.kind != "f" or array.dtype.itemsize < 4:
        array = array.astype(np.float32)
    if array.ndim == 0:
        return array.reshape(1, 1)
    if array.ndim == 1:  # one unit for a batch of single numbers
        return array.reshape(-1, 1)
    return np.ascontiguousarray(np.moveaxis(array, axis, -1)).reshape(-1, array.shape[axis])
