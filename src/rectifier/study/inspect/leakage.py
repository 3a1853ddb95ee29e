"""Single columns that give the target away.

Every rule leaves the row in question out: what a row holds is foretold from
the other rows only. That is why an identifier, which determines everything
and foretells nothing, is not reported. A column is reported when it removes
at least ``REMOVED`` of the errors that the commonest answer makes, and when
there are enough of those to go by: ``RECODING_ERRORS`` for a column with about
as many values as the target has classes, ``RANGE_ERRORS`` for a column with
many, since in a small table an honest measurement may well separate two
classes (petal length does so for two of the irises, on 100 rows).
Honest columns stay far below ``REMOVED``: the best one of iris removes 0.93
of the errors, of wine 0.45, of breast_cancer 0.69, of digits 0.18.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from rectifier.study.inspect.copies import row_keys
from rectifier.study.load import Table
from rectifier.study.train.features import numeric_columns

REMOVED = 0.99
RECODING_ERRORS = 10
RANGE_ERRORS = 100  # so that at most one error in a hundred chances is seen
SPEARMAN = 0.9995  # |rank correlation| of a column that is the target in another unit, rounded
FEWEST_PAIRS = 30
MOST_ROWS = 20_000  # a rule that asks for 99 % is settled by fewer
# The one way that an easy table's honest measurements share with leaks.
BY_RANGES = "its values fall into ranges with one class each"


def giveaways(table: Table, rng: np.random.Generator) -> dict[str, str]:
    """``{column: in what way it gives the target away}``, in the table's order."""
    if table.images is not None:
        return {}
    frame, y = table.frame, table.y
    if table.rows > MOST_ROWS:
        rows = np.sort(rng.choice(table.rows, MOST_ROWS, replace=False))
        frame, y = frame[rows], y[rows]
    numbers, numeric = numeric_columns(frame)
    # A row's exact copy would foretell it from any column, so columns of many values are judged on
    # distinct rows; those of few values are not, or a table of few columns would have no rows left.
    once = np.sort(np.unique(row_keys(frame, None, y), return_index=True)[1])
    few = max(len(once) / 5, 2 * len(table.classes))
    foretell = _foretell_class if table.task == "classification" else _foretell_value
    found = {}
    for column in frame:
        codes = _codes(column)
        if codes.max() == 0:
            continue
        values = numbers[:, numeric.index(column.name)] if column.name in numeric else None
        if codes.max() < few:
            way = foretell(codes, values, y)
        else:
            seen = np.unique(codes[once], return_inverse=True)[1]
            way = foretell(seen, None if values is None else values[once], y[once])
        if way:
            found[column.name] = way
    return found


def removed_errors(
    keys: np.ndarray, labels: np.ndarray, places: np.ndarray | None = None
) -> tuple[float, int]:
    """How much of the commonest label's errors knowing ``keys`` removes, leaving each row out.

    ``keys`` and ``labels`` [rows] are int codes. A row's label is foretold as
    the commonest one among the other rows with its key; a row alone with its
    key takes the answer of the nearest key when ``places`` [keys] float64 says
    where the keys lie, else the commonest label of all. Returns (share of
    errors removed, number of errors there were to remove).
    """
    several = int(labels.max()) + 1
    pairs, pair, count = np.unique(keys * several + labels, return_inverse=True, return_counts=True)
    pair_key, pair_label = pairs // several, pairs % several
    order = np.lexsort((count, pair_key))  # per key, the commonest label comes last
    last = np.flatnonzero(np.diff(pair_key[order], append=-1))
    first, second = order[last], order[np.maximum(last - 1, 0)]
    top_label, top_count = pair_label[first], count[first]
    has_second = (last > 0) & (pair_key[second] == pair_key[first])
    second_count = np.where(has_second, count[second], 0)

    against = np.where(labels == top_label[keys], second_count[keys], top_count[keys])
    right = count[pair] - 1 > against
    overall = np.bincount(labels)
    answer = np.full(len(top_label), int(overall.argmax()))
    if places is not None and len(places) > 1:
        gaps = np.diff(places, prepend=-np.inf, append=np.inf)
        gaps = np.where(np.isnan(gaps), np.inf, gaps)  # a missing value has no neighbours
        step = np.where(gaps[:-1] <= gaps[1:], -1, 1)
        near = np.clip(np.arange(len(places)) + step, 0, len(places) - 1)
        answer = np.where(np.isinf(np.minimum(gaps[:-1], gaps[1:])), answer, top_label[near])
    right = np.where(np.bincount(keys)[keys] == 1, labels == answer[keys], right)

    errors = len(labels) - int(overall.max())
    left_over = len(labels) - int(right.sum())
    return (1.0 - left_over / errors if errors else 0.0), errors


def _foretell_class(codes: np.ndarray, values: np.ndarray | None, y: np.ndarray) -> str:
    distinct, classes = int(codes.max()) + 1, int(y.max()) + 1
    if distinct <= 2 * classes:  # a function of the target has few values, strays allowed for
        determines, errors = removed_errors(codes, y)
        determined, own_errors = removed_errors(y, codes)
        tells = determines >= REMOVED and errors >= RECODING_ERRORS
        told = determined >= REMOVED and own_errors >= RECODING_ERRORS
        if tells and told:
            return "it is the target under other names"
        if told:
            return "it is a function of the target"
        if tells:
            return f"each of its {distinct} values goes with one class"
    if values is None:
        way, places = f"each of its {distinct} values goes with one class", None
    else:
        way = BY_RANGES
        places, codes = np.unique(values, return_inverse=True)  # NaN, if any, comes last
    removed, errors = removed_errors(codes, y, places)
    return way if removed >= REMOVED and errors >= RANGE_ERRORS else ""


def _foretell_value(codes: np.ndarray, values: np.ndarray | None, y: np.ndarray) -> str:
    if values is not None:
        both = ~np.isnan(values)
        if both.sum() >= max(FEWEST_PAIRS, len(y) // 2):
            correlation = _spearman(values[both], y[both])
            if abs(correlation) >= SPEARMAN:
                return f"it orders the rows as the target does (rank correlation {correlation:.4f})"
    distinct, off = int(codes.max()) + 1, y - y.mean()
    companions = np.bincount(codes)[codes] - 1
    others = np.bincount(codes, weights=off)[codes] - off
    foretold = np.where(companions > 0, others / np.maximum(companions, 1), 0.0)
    if len(y) >= FEWEST_PAIRS and np.sum((off - foretold) ** 2) < 1e-3 * np.sum(off**2):
        return f"each of its {distinct} values goes with one value of the target"
    runs = 1 + int(np.count_nonzero(np.diff(codes[np.argsort(y, kind="stable")])))
    errors = len(y) - int(np.bincount(codes).max())
    if runs == distinct <= len(y) // 5 and errors >= RECODING_ERRORS:
        return f"its {distinct} values are ranges of the target"
    return ""


def _codes(column: pl.Series) -> np.ndarray:
    """int64 codes 0..k-1 of a column's values [rows]; a missing value is a value like any other."""
    codes = column.rank("dense").fill_null(0).to_numpy()
    return np.unique(codes, return_inverse=True)[1]


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    ranks = [pl.Series(values).rank().to_numpy() for values in (first, second)]
    if any(rank.min() == rank.max() for rank in ranks):
        return 0.0
    return float(np.corrcoef(np.stack(ranks))[0, 1])
