"""All numbers a verdict looks at, gathered once: means, differences, shrunken gains, ties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rectifier.study.judge.metrics import Metric, equivalence_margin
from rectifier.study.judge.shrinkage import Family, Shrunken
from rectifier.study.judge.statistics import (
    Interval,
    Scores,
    detectable_difference,
    difference_interval,
    holm,
    mean_interval,
    seeds_needed,
)

# Four to one: another activation costs a word in the code, so nineteen to one is not needed to
# try it. In simulated families in which nothing differs, this rule says "likely" in few per cent.
LIKELY = 0.80
ALPHA = 0.05


@dataclass(frozen=True)
class Evidence:
    """Arrays and lists are ``[activation]``, in the order of ``names``; greater is better.

    Attributes:
        base: index of the baseline.
        means: of every activation; differences: of every activation to the baseline.
        p_holm: adjusted p-values of the differences, NaN for the baseline.
        belief: shrunken gains over the baseline.
        margin: differences up to here do not matter, in the metric's unit.
        detectable: the median, over candidates, of what this study proves with 80 % power; NaN
            if there are none or the error is unknown.
        half: how many more seeds would see half of that so, with the median candidate's error;
            None if no number would.
        dead: every run diverged.
        plainness: sort key, the plainest first.
        linear: with ``identity`` the network is a linear model.
    """

    scores: Scores
    names: list[str]
    base: int
    metric: Metric
    method: str
    confidence: float
    means: list[Interval]
    differences: list[Interval]
    p_holm: np.ndarray
    family: Family
    belief: Shrunken
    margin: float
    detectable: float
    half: int | None
    dead: np.ndarray
    plainness: list[tuple[float, str]]
    linear: bool = True

    @property
    def gain(self) -> np.ndarray:
        return self.belief.expected_gain

    @property
    def alpha(self) -> float:
        """The level of "proven" that goes with the intervals."""
        return round(1 - self.confidence, 12)

    @property
    def rivals(self) -> list[int]:
        """The candidates that trained at all."""
        return [i for i in range(len(self.names)) if i != self.base and not self.dead[i]]

    def as_good_as(self, leader: int, indices: Sequence[int]) -> list[int]:
        """Those not surely, and by a margin that matters, below the leader: "likely" mirrored."""
        belief = self.family.against(leader)
        gap, behind = -belief.expected_gain, 1 - belief.probability_better
        return [i for i in indices if gap[i] <= self.margin or behind[i] < LIKELY]

    def best(self, indices: Sequence[int]) -> int:
        """The highest expected gain; of equal ones the plainest."""
        gain = _steady(self.gain)
        return min(indices, key=lambda i: (-gain[i], self.plainness[i]))

    def plainest(self, indices: Sequence[int]) -> int:
        return min(indices, key=lambda i: self.plainness[i])

    def tied_with(self, chosen: int) -> tuple[list[int], list[Interval]]:
        """Those that cannot be told from the chosen one, best first, and all differences to it."""
        differences, p_holm = compare(
            self.scores, chosen, self.metric, self.method, self.confidence
        )
        gap = self.family.against(chosen).expected_gain
        tied = [
            i
            for i in range(len(self.names))
            if i != chosen
            and not self.dead[i]
            and (abs(gap[i]) <= self.margin or not p_holm[i] < self.alpha)
        ]
        return self.ranked(tied), differences

    def ranked(self, indices: Sequence[int]) -> list[int]:
        """By mean score, best first; of equal ones the plainest first."""
        mean = _steady(np.array([interval.estimate for interval in self.means]))
        return sorted(indices, key=lambda i: (-mean[i], self.plainness[i]))


def weigh(
    scores: Scores,
    baseline: str,
    metric: Metric,
    dead: Sequence[bool],
    cost: Mapping[str, float],
    method: str,
    confidence: float,
    linear: bool = True,
) -> Evidence:
    """Gather the evidence; arguments as in verdict.decide."""
    names, base, step = scores.activations, scores.index(baseline), metric.row_step
    differences, p_holm = compare(scores, base, metric, method, confidence)
    means = [mean_interval(scores, name, method, confidence, step) for name in names]
    family = Family.of(scores, method, step)
    belief = family.against(base)
    usual = [i for i in range(len(names)) if i != base and belief.bulk[i] and not dead[i]]
    alpha, others = round(1 - confidence, 12), len(names) - 1
    seen = [detectable_difference(differences[i], others, alpha=alpha) for i in usual]
    detectable = float(np.median(seen)) if seen else math.nan
    half = None
    if math.isfinite(detectable):
        middle = names[usual[int(np.argsort(seen, kind="stable")[len(seen) // 2])]]
        half = seeds_needed(
            scores, middle, baseline, detectable / 2, others, alpha=alpha, method=method
        )
    return Evidence(
        scores=scores,
        names=names,
        base=base,
        metric=metric,
        method=method,
        confidence=confidence,
        means=means,
        differences=differences,
        p_holm=p_holm,
        family=family,
        belief=belief,
        margin=equivalence_margin(metric, means[base].estimate),
        detectable=detectable,
        half=half,
        dead=np.asarray(dead, dtype=bool),
        plainness=[(cost.get(name, math.inf), name) for name in names],
        linear=linear,
    )


def _steady(values: np.ndarray) -> np.ndarray:
    """Rounded to nine figures of a usual one, so that ties do not hang on the order of sums.

    A usual one and not the largest: beside one exploded score all others would be equal.
    """
    usual = np.median(np.abs(values)) or np.abs(values).max()
    return np.round(values / usual, 9) if usual > 0 else values


def compare(
    scores: Scores, reference: int, metric: Metric, method: str, confidence: float
) -> tuple[list[Interval], np.ndarray]:
    """Differences of all activations to one, and Holm's p-values (NaN for itself)."""
    name, step = scores.activations[reference], metric.row_step
    differences = [
        difference_interval(scores, other, name, method, confidence, step)
        for other in scores.activations
    ]
    others = [index for index in range(len(differences)) if index != reference]
    p_holm = np.full(len(differences), np.nan)
    p_holm[others] = holm([differences[index].p_value for index in others])
    return differences, p_holm
