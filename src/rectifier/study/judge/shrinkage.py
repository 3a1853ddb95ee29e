"""What to expect of the best of many: gains shrunk across the family of activations.

The highest of twenty noisy means is partly the best and partly the luckiest. So the true means
are taken as drawn around a common centre, with a spread learnt from the family itself, and every
observed mean, the baseline's too, is drawn towards that centre. Derived in docs/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, stats

from rectifier.study.judge.statistics import (
    DEFAULT_METHOD,
    Scores,
    from_run_mean,
    run_variance,
    share_of_runs,
    spread,
)

GRID = 200  # degrees of shrinkage averaged over
FAR = 3.0  # standard deviations below the bulk from which an activation is a failure of its own
WILD = 25.0  # times the usual variance of a difference from which an activation is one as well
POOLING = 4  # an activation's run variance borrows as much from the family as four seeds would tell


@dataclass(frozen=True)
class Shrunken:
    """What is believed of every activation against the reference, in the order of the scores.

    Attributes:
        expected_gain: ``expected_gain[activation]``; 0 for the reference, NaN with one seed.
        probability_better: ``probability_better[activation]``, that its true mean is above the
            reference's; 0.5 for the reference, NaN with one seed.
        tau: the spread of true means (posterior root mean square) in the bulk of the family.
        bulk: ``bulk[activation]``, False for those too far below to belong to the family.
    """

    expected_gain: np.ndarray
    probability_better: np.ndarray
    tau: float
    bulk: np.ndarray


@dataclass(frozen=True)
class Family:
    """The posterior of all true means, from which gains over any reference can be read.

    ``means[activation]`` observed, ``errors[a, b]`` variances of differences, ``bulk[activation]``;
    and for the bulk, on a grid of spreads tau: ``weight[grid]``, ``tau2[grid]``,
    ``level[grid, member]``, ``basis[member, direction]``, ``spread[grid, direction]``.
    """

    means: np.ndarray
    errors: np.ndarray
    bulk: np.ndarray
    weight: np.ndarray
    tau2: np.ndarray
    level: np.ndarray
    basis: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, scores: Scores, method: str = DEFAULT_METHOD, row_step: float = 0.0) -> Family:
        """``method`` (one of statistics.METHODS) says how errors of differences are had."""
        means = scores.scores.mean(axis=1)
        nothing = np.zeros((1, 0))
        if scores.seeds < 2:
            unknown = np.full((len(means), len(means)), np.nan)
            bulk = np.ones(len(means), dtype=bool)
            return cls(means, unknown, bulk, np.ones(1), np.full(1, np.nan), *[nothing] * 3)
        pairs = _Pairs.of(scores, method, row_step)
        bulk = find_bulk(means, pairs.total())
        members = np.flatnonzero(bulk)
        if len(members) < 2:
            level = means[None, members]
            return cls(
                means, pairs.total(), bulk, np.ones(1), np.zeros(1), level, nothing.T, nothing
            )
        noise = _noise(pairs, members, scores.seeds)
        return cls(means, pairs.total(), bulk, *_posterior(means[members], noise))

    def against(self, base: int) -> Shrunken:
        """Gains over the activation with index ``base``, and probabilities of beating it."""
        if np.isnan(self.tau2).any():
            unknown = np.full(len(self.means), np.nan)
            return Shrunken(unknown, unknown, float("nan"), self.bulk)
        # Outside the bulk nothing is shrunk but the bulk's own member of the pair, and the error
        # is that of the plain difference.
        members = np.flatnonzero(self.bulk)
        level = np.broadcast_to(self.means, (len(self.weight), len(self.means))).copy()
        level[:, members] = self.level
        gain = level - level[:, [base]]
        variance = np.broadcast_to(self.errors[base], gain.shape).copy()
        if self.bulk[base] and len(members) > 1:
            away = self.basis - self.basis[int(np.flatnonzero(members == base)[0])]
            variance[:, members] = self.spread @ (away**2).T
        expected = self.weight @ gain
        probability = np.clip(self.weight @ _above_zero(gain, variance), 0.0, 1.0)
        expected[base], probability[base] = 0.0, 0.5
        tau = float(np.sqrt(self.weight @ self.tau2))
        return Shrunken(expected, probability, tau, self.bulk)


def find_bulk(means: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """``bulk[activation]``: the family without its failures (diverged, exploded, dead).

    Starts from the best third (at least three) and walks down as long as the next one is within
    three standard deviations (spread so far plus its own error) of the mean so far. One whose
    errors are many times the usual is passed over: a few exploded runs would make its error so
    large that no mean were far. Nothing is cut off above: an activation that is far better is
    what the study is looking for.
    """
    order = np.argsort(-means, kind="stable")
    wild = np.zeros(len(means), dtype=bool)
    if len(means) > 3:  # fewer have no usual
        own = np.array([np.median(np.delete(line, place)) for place, line in enumerate(errors)])
        usual = np.median(own)
        size = np.abs(means)
        scale = np.median(size) + min(1.0, size.max())
        rounding = (1e-9 * scale) ** 2  # of equal scores, summed in any order
        wild = (own > WILD * usual) & (usual > rounding)
    calm = [index for index in order if not wild[index]]
    inside = min(len(calm), max(3, -(-len(calm) // 3)))
    while inside < len(calm):
        group, after = means[calm[:inside]], calm[inside]
        error = np.median(errors[after, calm[:inside]])
        if group.mean() - means[after] > FAR * np.sqrt(group.var(ddof=1) + error):
            break
        inside += 1
    lowest = means[calm[inside - 1]]
    return (means >= lowest) & ~wild  # equal means stand or fall together


@dataclass(frozen=True)
class _Pairs:
    """Parts of the variance of every pair's difference of means, ``[a, b]``; runs unclipped."""

    rows: np.ndarray
    unseen: np.ndarray  # the added row, see statistics.py
    runs: np.ndarray

    @classmethod
    def of(cls, scores: Scores, method: str, row_step: float) -> _Pairs:
        count, seeds = len(scores.activations), scores.seeds
        each = spread(scores, np.eye(count))
        runs_apart = [from_run_mean(part) for part in scores.contributions]
        rows, unseen, runs = (np.zeros((count, count)) for _ in range(3))
        share = float(share_of_runs(method, seeds))
        for one in range(count - 1):
            # One activation against all later ones: memory stays at [activations, rows].
            later = slice(one + 1, None)
            means = each.means[one] - each.means[later]
            if method == "nadeau-bengio":
                runs[one, later] = means.var(axis=-1, ddof=1) * share
                continue
            influence = each.influence[one] - each.influence[later]
            apart = [_squares(part[one] - part[later]) for part in runs_apart]
            within = np.sum(apart, axis=0)
            rows[one, later] = _squares(influence)
            unseen[one, later] = _furthest(influence, row_step) ** 2
            runs[one, later] = run_variance(means, within, rows[one, later]) * share
        return cls(rows + rows.T, unseen + unseen.T, runs + runs.T)

    def total(self) -> np.ndarray:
        return self.rows + self.unseen + np.maximum(self.runs, 0.0)


def _squares(values: np.ndarray) -> np.ndarray:
    return np.einsum("...i,...i->...", values, values)


def _furthest(influence: np.ndarray, row_step: float) -> np.ndarray:
    furthest = np.maximum(influence.max(axis=-1), -influence.min(axis=-1))
    unit = row_step / influence.shape[-1]
    return np.where(furthest <= 1e-12 * unit, unit, furthest)


def _noise(pairs: _Pairs, members: np.ndarray, seeds: int) -> np.ndarray:
    """``noise[member]``: the variance of each member's own error, what all share left out.

    One number an activation, not a matrix: twenty run variances from ten seeds, or rows of which
    few differ, give a matrix with directions that seem free of error, in which luck looks like
    truth; and rows on which activations differ because one is better look like error along just
    the direction of the truth. Both were tried in benchmarks/statistics_simulation.py.
    """
    inside = np.ix_(members, members)
    runs = _own(pairs.runs[inside])
    runs = (runs * (seeds - 1) + runs.mean() * POOLING) / (seeds - 1 + POOLING)
    rows = _own((pairs.rows + pairs.unseen)[inside])
    return np.maximum(runs, 0.0) + np.maximum(rows, 0.0)


def _own(pairs: np.ndarray) -> np.ndarray:
    """Least squares: each member's own variance, if a pair's is the sum of its two."""
    size = len(pairs)
    if size == 2:
        return pairs.sum(axis=1) / 2
    total = pairs.sum() / 2 / (size - 1)
    return (pairs.sum(axis=1) - total) / (size - 2)


def _posterior(
    means: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """weight, tau2, level, basis, spread of a Family.

    In contrasts what all activations share (easy rows, lucky folds) drops out, and with it the
    family's centre.
    """
    size = len(means)
    contrasts = linalg.helmert(size)
    variance, axes = linalg.eigh((contrasts * noise) @ contrasts.T)
    variance = np.maximum(variance, 0.0)
    basis = contrasts.T @ axes
    seen = means @ basis
    typical = variance.mean()
    if typical == 0:
        certain = np.zeros((1, size - 1))
        return np.ones(1), np.array([seen @ seen / (size - 1)]), means[None, :], basis, certain
    # Two activations that are one and the same would else prove that none ever differ.
    variance = np.maximum(variance, 0.01 * typical)
    # Before the data: half the belief on "it makes no difference" (tau 0), the other half on all
    # degrees of shrinkage from 0 to 1 alike (Daniels 1999). Without the first half, one study in
    # four in which nothing differed ended in a "likely".
    shrinkage = np.append((np.arange(GRID) + 0.5) / GRID, 1.0)
    prior = np.append(np.full(GRID, 0.5 / GRID), 0.5)
    tau2 = typical * (1 - shrinkage) / shrinkage
    total = tau2[:, None] + variance
    likelihood = -0.5 * (np.log(total) + seen**2 / total).sum(axis=1)
    weight = np.exp(likelihood - likelihood.max()) * prior
    kept = tau2[:, None] / total
    return (
        weight / weight.sum(),
        tau2,
        means.mean() + (kept * seen) @ basis.T,
        basis,
        kept * variance,
    )


def _above_zero(gain: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """P(true gain > 0), element by element; without any error the sign decides, 0 is a half."""
    error = np.sqrt(np.maximum(variance, 0.0))
    safe = np.where(error > 0, error, 1.0)
    return np.where(error > 0, stats.norm.cdf(gain / safe), 0.5 + 0.5 * np.sign(gain))
