"""How far a linear model gets, as the mark that any activation has to pass."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from rectifier.study.load import Table
from rectifier.study.train.features import encode

FOLDS = 5
MOST_ROWS = 5_000
_MOST_CELLS = 2_000_000  # rows x inputs x classes of one fit: about a second for five of them
_FEWEST_ROWS = 500


@dataclass(frozen=True)
class Yardstick:
    """Mean and standard deviation (over folds) of ``metric``, a fraction, on ``rows`` rows."""

    name: str
    metric: str
    mean: float
    sd: float
    rows: int


def sample_rows(table: Table, most: int, rng: np.random.Generator) -> np.ndarray:
    """About ``most`` row indices, sorted; of each class at least ``FOLDS`` where it has so many."""
    if table.rows <= most:
        return np.arange(table.rows)
    order = rng.permutation(table.rows)
    chosen = np.zeros(table.rows, dtype=bool)
    chosen[order[:most]] = True
    if table.task == "classification":
        codes = table.y[order]
        by_class = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[by_class], np.arange(len(table.classes)))
        place_in_class = np.arange(table.rows) - starts[codes[by_class]]
        chosen[order[by_class[place_in_class < FOLDS]]] = True
    return np.flatnonzero(chosen)


def linear_yardstick(table: Table, rng: np.random.Generator) -> Yardstick | None:
    """Five-fold score of scikit-learn's logistic regression (accuracy) or ridge regression (R2).

    Inputs are encoded and standardised from training rows only, exactly as
    the networks get them. None when a class has fewer rows than folds.
    """
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import KFold, StratifiedKFold

    classify = table.task == "classification"
    if classify and np.bincount(table.y, minlength=len(table.classes)).min() < FOLDS:
        return None
    width = table.frame.width if table.images is None else int(np.prod(table.images.shape[1:]))
    cells = width * (len(table.classes) if classify else 1)
    rows = sample_rows(table, int(np.clip(_MOST_CELLS / cells, _FEWEST_ROWS, MOST_ROWS)), rng)
    y = table.y[rows]
    if not classify:
        # Neither ridge regression nor R2 minds the target's unit, but squares would overflow.
        y = (y - y.mean()) / (np.ptp(y) or 1.0)
    splitter = (StratifiedKFold if classify else KFold)(
        FOLDS, shuffle=True, random_state=int(rng.integers(2**31))
    )
    splits = list(splitter.split(y, y))
    features = encode(table.take(rows), [training for training, _ in splits])
    scores = []
    for split, (training, test) in enumerate(splits):
        x = (features.matrix[features.which[split]] - features.shift[split]) * features.scale[split]
        if not classify:
            scores.append(Ridge().fit(x[training], y[training]).score(x[test], y[test]))
            continue
        model = LogisticRegression(max_iter=200, tol=1e-3)
        with warnings.catch_warnings():
            # A yardstick may stop early: 200 steps are within a tenth of a point, and quick.
            from sklearn.exceptions import ConvergenceWarning

            warnings.simplefilter("ignore", ConvergenceWarning)
            scores.append(model.fit(x[training], y[training]).score(x[test], y[test]))
    return Yardstick(
        name="logistic regression" if classify else "ridge regression",
        metric="accuracy" if classify else "r2",
        mean=float(np.mean(scores)),
        sd=float(np.std(scores, ddof=1)),
        rows=len(rows),
    )
