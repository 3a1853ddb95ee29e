"""How many inputs are negative, and what that says about activations: very little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rectifier.study.load import Table
from rectifier.study.train.features import encode, numeric_columns

MOST_COMPONENTS = 20
MOST_ROWS = 2_000
_MOST_INPUTS = 2_000  # principal components of more inputs would take longer than all the rest


@dataclass(frozen=True)
class NegativeShare:
    """Share (0..1) of negative values in one column: as it is, and after standard scaling."""

    column: str
    raw: float
    scaled: float


def negative_shares(table: Table) -> list[NegativeShare]:
    """One record a numeric column with values, in table order; one for all pixels of pictures."""
    if table.images is not None:
        pixels = table.images
        mean, spread = pixels.mean(axis=0, dtype=np.float64), np.ptp(pixels, axis=0)
        scaled = np.mean((pixels < mean) & (spread > 0))
        return [NegativeShare("all pixels", float(np.mean(pixels < 0)), float(scaled))]
    values, names = numeric_columns(table.frame)
    records = []
    for place, name in enumerate(names):
        own = values[:, place]
        own = own[~np.isnan(own)]
        if not own.size:
            continue
        constant = own.min() == own.max()
        # the mean as sum of parts: a plain sum of float32-sized values cannot overflow float64
        scaled = 0.0 if constant else float(np.mean(own < own.mean()))
        records.append(NegativeShare(name, float(np.mean(own < 0)), scaled))
    return records


def negative_components(table: Table, rows: np.ndarray) -> list[float]:
    """Share of negative values in each of the first principal components of the scaled inputs.

    Each component points to where its largest weight is positive, as
    scikit-learn has it. Empty for very wide tables.
    """
    part = table.take(rows)
    features = encode(part, [np.arange(part.rows)])
    x = ((features.matrix[0] - features.shift[0]) * features.scale[0]).astype(np.float64)
    if x.shape[1] > _MOST_INPUTS:
        return []
    variances, axes = np.linalg.eigh(x.T @ x)
    axes = axes[:, ::-1][:, variances[::-1] > 1e-9 * max(variances[-1], 1e-300)]
    axes = axes[:, :MOST_COMPONENTS]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    return [float(share) for share in np.mean(x @ axes < 0, axis=0)]


def negative_sentence(shares: list[NegativeShare]) -> str:
    """What the shares do and do not say about Leaky ReLU."""
    signed = sum(share.raw > 0 for share in shares)
    return (
        f"{signed} of {len(shares)} numeric columns hold negative values as they are, and after "
        "scaling or PCA about half of all values are negative, but neither speaks for or against "
        "Leaky ReLU: a hidden unit sees a weighted sum of its inputs plus a bias, which takes both "
        "signs whatever the signs of the inputs, and whether a ReLU unit dies is settled by the "
        "weights, the bias and the learning rate."
    )
