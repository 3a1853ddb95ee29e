"""How sure one may be of a difference between two activations.

Arrays only: ``scores[activation, seed]`` and, for every seed, ``contributions[activation, row]``
of the rows that seed tested. Shrinkage across the family is in shrinkage.py, the question of
what the scores vary with in variation.py. Every formula is derived in docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

FOLDS = 5  # seed k is fold k % 5 of repetition k // 5
TEST_TO_TRAIN = 1 / (FOLDS - 1)
METHODS = ("crossed-corrected", "crossed", "nadeau-bengio", "t", "rows")
CORRECTED = ("crossed-corrected", "nadeau-bengio")
DEFAULT_METHOD = METHODS[0]  # which one, and why: the calibration in docs/statistics.md
MOST_SEEDS = 1000  # "2,000 more seeds" is no advice


@dataclass(frozen=True)
class Scores:
    """What every activation scored in every seed, oriented so that greater is better.

    Attributes:
        activations: the A names.
        scores: ``scores[activation, seed]`` float64, finite.
        rows: ``rows[seed]``, int indices of the rows tested in this seed's fold.
        contributions: ``contributions[seed][activation, row]``; their mean over the row axis is
            ``scores[:, seed]``.
        table_rows: rows of the table, tested or not.

    Raises ValueError when shapes disagree or a number is not finite (a defect, not user input).
    """

    activations: list[str]
    scores: np.ndarray
    rows: list[np.ndarray]
    contributions: list[np.ndarray]
    table_rows: int

    def __post_init__(self) -> None:
        shape = (len(self.activations), len(self.rows))
        if self.scores.shape != shape or len(self.contributions) != shape[1] or 0 in shape:
            raise ValueError(f"scores {self.scores.shape} are not [activations, seeds] {shape}")
        for rows, part in zip(self.rows, self.contributions, strict=True):
            if part.shape != (shape[0], len(rows)) or not len(rows):
                raise ValueError(f"contributions {part.shape} are not {(shape[0], len(rows))}")
            if not np.isfinite(part).all():
                raise ValueError("contributions must be finite")
        if not np.isfinite(self.scores).all() or len(set(self.activations)) != shape[0]:
            raise ValueError("scores must be finite and activations distinct")

    @classmethod
    def build(
        cls,
        activations: Sequence[str],
        rows: Sequence[np.ndarray],
        contributions: Sequence[np.ndarray],
        table_rows: int,
        sign: float = 1.0,
    ) -> Scores:
        """Scores from contributions in a metric's own orientation; ``sign`` is Metric.sign."""
        oriented = [sign * np.asarray(part, dtype=np.float64) for part in contributions]
        means = np.stack([part.mean(axis=1) for part in oriented], axis=1)
        return cls(list(activations), means, [np.asarray(r) for r in rows], oriented, table_rows)

    @property
    def seeds(self) -> int:
        return len(self.rows)

    @cached_property
    def places(self) -> tuple[int, list[np.ndarray]]:
        """How many rows were tested at all, and for every seed which of them its rows are."""
        tested, place = np.unique(np.concatenate(self.rows), return_inverse=True)
        return len(tested), np.split(place, np.cumsum([len(rows) for rows in self.rows])[:-1])

    def index(self, activation: str) -> int:
        return self.activations.index(activation)


@dataclass(frozen=True)
class Interval:
    """An estimate with its error.

    ``row_variance`` and ``run_variance`` are the two parts of the estimate's variance (NaN where
    a method does not part them). With a single seed the variation between runs cannot be known:
    ``low``, ``high`` and ``std_error`` are NaN, ``p_value`` is 1 and ``note`` says so.
    """

    estimate: float
    low: float
    high: float
    std_error: float
    df: float
    p_value: float
    row_variance: float
    run_variance: float
    note: str = ""


ONE_SEED = "one seed: how much runs differ cannot be known"


@dataclass(frozen=True)
class Spread:
    """The ingredients of every error, for one or many contrasts at once.

    Attributes:
        means: ``means[..., seed]``, the mean contribution of each seed's rows.
        within: ``within[...]``, the sum over seeds of each seed mean's variance from its rows.
        influence: ``influence[..., row]`` over the rows tested, each row's share in the error
            of the overall mean (a row tested several times enters once, with its sum).
    """

    means: np.ndarray
    within: np.ndarray
    influence: np.ndarray


def spread(scores: Scores, weights: np.ndarray) -> Spread:
    """Ingredients for the contrasts ``weights[..., activation]``."""
    tested, places = scores.places
    influence = np.zeros((*weights.shape[:-1], tested))
    within = np.zeros(weights.shape[:-1])
    means = np.zeros((*weights.shape[:-1], scores.seeds))
    for seed, part in enumerate(scores.contributions):
        values = weights @ part
        means[..., seed] = values.mean(axis=-1)
        away = from_run_mean(values)
        within += (away**2).sum(axis=-1)
        influence[..., places[seed]] += away / scores.seeds
    return Spread(means, within, influence)


def from_run_mean(values: np.ndarray) -> np.ndarray:
    """``values[..., row]`` of one run as shares in the error of their mean.

    A run's luck moves all its rows together: measured from the run's own mean it is gone, and
    what is left is the rows'. rows - 1 makes the sum of squares unbiased for the mean's variance.
    """
    rows = values.shape[-1]
    away = values - values.mean(axis=-1, keepdims=True)
    return away * (np.sqrt(rows / max(rows - 1, 1)) / rows)


def run_variance(means: np.ndarray, within: np.ndarray, row_variance: np.ndarray) -> np.ndarray:
    """Variance of one run's luck: what seed means vary beyond what their rows explain; unclipped.

    Moments: E s2 = run + mean of the seed means' row variances - mean of their row covariances;
    both are known from ``within`` and ``row_variance`` (the variance of the mean of all seeds).
    """
    seeds = means.shape[-1]
    explained = (within - seeds * row_variance) / (seeds - 1)
    return means.var(axis=-1, ddof=1) - explained


def share_of_runs(method: str, seeds: np.ndarray | int) -> np.ndarray:
    """How much of one run's variance is left in the mean of ``seeds`` runs.

    1/K if they were independent. They are not: all folds train on rows of one table. The
    corrected methods add the ratio of test to training rows (Nadeau and Bengio 2003), which no
    number of seeds wears off.
    """
    return 1 / np.asarray(seeds) + (TEST_TO_TRAIN if method in CORRECTED else 0.0)


def difference_interval(
    scores: Scores,
    candidate: str,
    baseline: str,
    method: str = DEFAULT_METHOD,
    confidence: float = 0.95,
    row_step: float = 0.0,
) -> Interval:
    """The candidate's mean score minus the baseline's, over runs on tables like this one.

    Args:
        scores: ``scores[activation, seed]`` with contributions.
        candidate, baseline: two of ``scores.activations``.
        method: "crossed" (the rows' variance plus the excess variance of runs, Satterthwaite's
            degrees of freedom), "crossed-corrected" (the same with Nadeau and Bengio's 1/4, test
            to training rows, for what runs on one table share), "nadeau-bengio" (the corrected
            resampled t), "t" (plain t over seeds: too sure) or "rows" (the rows alone: too sure
            where runs differ).
        confidence: of the two-sided interval.
        row_step: Metric.row_step; keeps "no row differed" from reading as "no row ever will".

    Returns an Interval whose p_value tests "no difference", two-sided.
    """
    weights = np.zeros(len(scores.activations))
    weights[scores.index(candidate)] += 1.0
    weights[scores.index(baseline)] -= 1.0
    if candidate == baseline:
        return Interval(0.0, 0.0, 0.0, 0.0, np.inf, 1.0, 0.0, 0.0)
    return _interval(scores, weights, method, confidence, row_step)


def mean_interval(
    scores: Scores,
    activation: str,
    method: str = DEFAULT_METHOD,
    confidence: float = 0.95,
    row_step: float = 0.0,
) -> Interval:
    """The mean score of one activation; arguments as in difference_interval."""
    weights = np.zeros(len(scores.activations))
    weights[scores.index(activation)] = 1.0
    return _interval(scores, weights, method, confidence, row_step)


def _interval(
    scores: Scores, weights: np.ndarray, method: str, confidence: float, row_step: float
) -> Interval:
    if method not in METHODS:
        raise ValueError(f"unknown interval method {method!r}; one of {', '.join(METHODS)}")
    estimate = float((weights @ scores.scores).mean())
    parts, seeds = spread(scores, weights), scores.seeds
    if seeds == 1:
        nan = float("nan")
        return Interval(estimate, nan, nan, nan, nan, 1.0, nan, nan, ONE_SEED)
    between = float(parts.means.var(ddof=1))
    rows = runs = float("nan")
    if method in ("t", "nadeau-bengio"):
        variance, df = float(share_of_runs(method, seeds)) * between, float(seeds - 1)
    else:
        rows, df = _row_part(parts.influence, row_step)
        runs, variance = 0.0, rows
        if method != "rows":
            plain = (parts.influence**2).sum(axis=-1)
            excess = float(run_variance(parts.means, parts.within, plain))
            excess_of_mean = max(excess, 0.0) / seeds
            variance = rows + excess_of_mean
            # Satterthwaite for variance = seen + a part known from the rows. Also where the
            # excess is clipped at 0, seeds - 1 is all that is known of it: with two or three
            # seeds intervals are wide, as they should be; with ten it hardly shows.
            seen = (between - min(excess, 0.0)) / seeds
            if variance > 0:
                df = variance**2 / (seen**2 / (seeds - 1) + (variance - seen) ** 2 / df)
            # The correction is a factor, not something measured: it leaves the degrees of freedom.
            runs = excess_of_mean * seeds * float(share_of_runs(method, seeds))
            variance = rows + runs
    return _t_interval(estimate, variance, df, confidence, rows, runs)


def _row_part(influence: np.ndarray, row_step: float) -> tuple[float, float]:
    """Variance of the mean from its rows and that variance's degrees of freedom.

    One row is added that is as far off as the furthest seen (or, if none is off, by
    ``row_step``): with four rows that differ, or none, the plain variance is too sure.
    """
    furthest = float(np.abs(influence).max())
    if furthest <= 1e-12 * row_step / len(influence):
        furthest = row_step / len(influence)
    squares = influence**2
    variance = float(squares.sum()) + furthest**2
    if variance == 0:
        return 0.0, 1.0
    # Relative, as fourth powers of small influences underflow. In a normal sample this gives
    # about as many degrees of freedom as rows; with N rows of equal size and all others 0, 2 N.
    kurtosis = float(((squares / variance) ** 2).sum()) + (furthest**2 / variance) ** 2
    df = 2 / max(kurtosis - 1 / (len(influence) + 1), 1e-9)
    return variance, max(df, 1.0)


def _t_interval(
    estimate: float, variance: float, df: float, confidence: float, rows: float, runs: float
) -> Interval:
    error = float(np.sqrt(max(variance, 0.0)))
    if error == 0:
        p_value, half = (1.0 if estimate == 0 else 0.0), 0.0
    else:
        half = float(stats.t.ppf(0.5 + confidence / 2, df)) * error
        p_value = float(2 * stats.t.sf(abs(estimate) / error, df))
    return Interval(estimate, estimate - half, estimate + half, error, df, p_value, rows, runs)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values [tests], in the order given; a NaN counts as 1."""
    p = np.nan_to_num(np.asarray(p_values, dtype=np.float64), nan=1.0)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def detectable_difference(
    interval: Interval, comparisons: int = 1, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The true difference a study with this error proves with probability ``power``.

    ``comparisons`` is the number of candidates (Holm's first step). NaN with a single seed.
    """
    if not np.isfinite(interval.std_error):
        return float("nan")
    critical = stats.t.ppf(1 - alpha / (2 * max(comparisons, 1)), interval.df)
    return float((critical + stats.t.ppf(power, interval.df)) * interval.std_error)


def seeds_needed(
    scores: Scores,
    candidate: str,
    baseline: str,
    gain: float,
    comparisons: int = 1,
    power: float = 0.8,
    alpha: float = 0.05,
    method: str = DEFAULT_METHOD,
) -> int | None:
    """How many more seeds would prove a true difference of ``gain``; None if no number would.

    More seeds wear down the luck of runs and what rows owe to single models, not what the rows
    themselves owe to having been drawn, nor what all runs owe to having been trained on them
    (share_of_runs): where that alone is too large, the rows are the limit.
    Rows tested only once cannot part the two, and all their variance then counts as the rows'.
    Whole repetitions of the five folds, at most 1,000 seeds in all.
    """
    seeds = scores.seeds
    if seeds < 2 or gain == 0:
        return None
    more = np.arange(-(-(seeds + 1) // FOLDS) * FOLDS, MOST_SEEDS + 1, FOLDS)
    reach = stats.t.ppf(1 - alpha / (2 * max(comparisons, 1)), more - 1)
    reach = reach + stats.t.ppf(power, more - 1)
    variance = _foreseen_variance(scores, candidate, baseline, more, method)
    enough = np.flatnonzero(reach * np.sqrt(variance) <= abs(gain))
    return int(more[enough[0]] - seeds) if len(enough) else None


def error_left(
    scores: Scores, candidate: str, baseline: str, method: str = DEFAULT_METHOD
) -> float:
    """The share of a difference's standard error that would be left with 1,000 seeds.

    Near 1 the rows are the limit; near 0 it is the runs' luck, which seeds wear off. NaN with a
    single seed.
    """
    if scores.seeds < 2:
        return float("nan")
    seeds = np.array([scores.seeds, MOST_SEEDS])
    now, then = _foreseen_variance(scores, candidate, baseline, seeds, method)
    return float(np.sqrt(then / now)) if now > 0 else 1.0


def _foreseen_variance(
    scores: Scores, candidate: str, baseline: str, seeds: np.ndarray, method: str
) -> np.ndarray:
    """The variance of the difference that a study of ``seeds[...]`` seeds would have."""
    weights = np.zeros(len(scores.activations))
    weights[scores.index(candidate)] += 1.0
    weights[scores.index(baseline)] -= 1.0
    parts = spread(scores, weights)
    sizes = np.array([len(rows) for rows in scores.rows])
    row_variance = (parts.influence**2).sum(axis=-1)
    run = max(float(run_variance(parts.means, parts.within, row_variance)), 0.0)
    single = float(parts.within / scores.seeds * sizes.mean())  # of one row in one run
    tested = parts.influence.shape[-1]
    repeats = sizes.sum() / tested
    noise = 0.0
    if repeats > 1:
        noise = (single - float(row_variance) * tested) / (1 - 1 / repeats)
        noise = min(max(noise, 0.0), single)
    share = np.minimum(1.0, seeds / FOLDS)
    variance = (single - noise) / (scores.table_rows * share)
    variance = variance + noise * FOLDS / (scores.table_rows * seeds)
    return variance + run * share_of_runs(method, seeds)
