"""What the scores of a search vary with: the activation, the learning rate, the rows, the luck.

A balanced three-way table ``tune[activation, learning_rate, seed]`` is parted into variance
components (random effects, moments of the mean squares). See docs/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Variation:
    """Shares of the variance of one tuning score; they sum to 1 (all 0 if nothing varies).

    Attributes:
        activation: the mean level of an activation, over the rates.
        learning_rate: the mean level of a rate, over the activations.
        interaction: that activations want different rates.
        rows: what all runs of a seed share, as they share its training and validation rows.
        weights: the remainder: initial weights, batch order, and what rows do to one run alone.
        total: the variance itself, in squared units of the score.
        raised: runs so bad that they were raised to the lower fence before all this.
        note: what could not be told apart, "" if everything could.
    """

    activation: float
    learning_rate: float
    interaction: float
    rows: float
    weights: float
    total: float
    raised: int
    note: str = ""


def variation(tune: np.ndarray) -> Variation:
    """Part the variance of ``tune[activation, learning_rate, seed]`` (greater is better).

    A few diverged runs would be all the variance there is. So scores below the lower fence
    (first quartile minus three interquartile ranges) are raised to it, and counted; NaN and
    infinities count as below. Components estimated below 0 are set to 0. With one seed the rows
    cannot be told from the interaction and the weights: both go into ``weights``.
    """
    table = np.asarray(tune, dtype=np.float64)
    if table.ndim != 3 or 0 in table.shape:
        raise ValueError(f"tune {table.shape} is not [activation, learning_rate, seed]")
    table, raised = _raise_to_fence(table)
    table = table - table.mean()
    activations, rates, seeds = table.shape
    by_activation, by_rate = table.mean(axis=(1, 2)), table.mean(axis=(0, 2))
    by_seed, by_cell = table.mean(axis=(0, 1)), table.mean(axis=2)
    both = by_cell - by_activation[:, None] - by_rate[None, :]
    rest = table - by_cell[:, :, None] - by_seed
    cells = activations * rates
    error = _mean_square(rest, 1, (cells - 1) * (seeds - 1))
    crossed = _mean_square(both, seeds, (activations - 1) * (rates - 1))
    note = ""
    if seeds == 1:
        error, note = crossed, "one seed: rows, interaction and weights cannot be told apart"
        if min(activations, rates) == 1:
            error = _mean_square(by_cell, 1, cells - 1)
    # A one-level factor has no interaction; what it would be compared with is the remainder.
    against = crossed if min(activations, rates) > 1 else error
    parts = np.array(
        [
            (_mean_square(by_activation, rates * seeds, activations - 1) - against)
            / (rates * seeds),
            (_mean_square(by_rate, activations * seeds, rates - 1) - against)
            / (activations * seeds),
            (crossed - error) / seeds,
            (_mean_square(by_seed, cells, seeds - 1) - error) / cells,
            error,
        ]
    )
    parts = np.maximum(parts, 0.0)
    total = float(parts.sum())
    scale = float(np.abs(tune[np.isfinite(tune)]).max(initial=0.0))
    if total <= (1e-12 * scale) ** 2:  # rounding, not variation
        return Variation(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, raised, "nothing varies")
    activation, rate, interaction, rows, weights = (parts / total).tolist()
    return Variation(activation, rate, interaction, rows, weights, total, raised, note)


def _mean_square(effects: np.ndarray, repeats: int, df: int) -> float:
    return float(repeats * (effects**2).sum() / df) if df > 0 else 0.0


def _raise_to_fence(table: np.ndarray) -> tuple[np.ndarray, int]:
    finite = table[np.isfinite(table)]
    if not finite.size:
        return np.zeros_like(table), table.size
    worst = float(finite.min())
    full = np.where(np.isfinite(table), table, worst)
    first, third = np.quantile(full, [0.25, 0.75])
    # Where most runs tie, the fence would be the tie itself and would erase what differs.
    fence = first - 3 * (third - first) if third > first else worst
    low = (full < fence) | ~np.isfinite(table)
    return np.where(low, np.maximum(full, fence), full), int(low.sum())
