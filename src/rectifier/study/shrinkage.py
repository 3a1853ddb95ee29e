"""What to expect of the best of many: gains shrunk across the family of activations.

The highest of twenty noisy means is partly the best and partly the luckiest. So the true means
are taken as drawn around a common centre, with a spread learnt from the family itself, and every
observed mean, the baseline's too, is drawn towards that centre. Derived in docs/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, stats

from rectifier.study.statistics import TEST_TO_TRAIN, Scores, run_variance, spread

GRID = 200  # degrees of shrinkage averaged over
FAR = 3.0  # standard deviations below the bulk from which an activation is a failure of its own


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


def shrink(
    scores: Scores,
    reference: str,
    method: str = "crossed",
    row_step: float = 0.0,
    df: np.ndarray | None = None,
) -> Shrunken:
    """Expected gains over ``reference`` and probabilities of beating it.

    Args:
        scores: ``scores[activation, seed]`` with contributions.
        reference: one of the activations; the baseline, or the leader.
        method: "crossed" or "nadeau-bengio": how errors of differences are estimated.
        row_step: Metric.row_step.
        df: ``df[activation]``, degrees of freedom of each difference's error; normal if None.
    """
    count, base = len(scores.activations), scores.index(reference)
    means = scores.scores.mean(axis=1)
    if scores.seeds < 2:
        nothing = np.full(count, np.nan)
        return Shrunken(nothing, nothing, float("nan"), np.ones(count, dtype=bool))
    freedom = np.full(count, np.inf) if df is None else np.maximum(df, 1.0)
    errors = pair_variances(scores, method, row_step)
    bulk = find_bulk(means, errors)
    members = np.flatnonzero(bulk)
    centre, weight, tau2 = _posterior(means[members], errors[np.ix_(members, members)])

    # gain[grid, activation] and its variance. Outside the bulk nothing is shrunk but the bulk's
    # own member of the pair, and the error is that of the plain difference.
    level = np.broadcast_to(means, (len(weight), count)).copy()
    level[:, members] = centre.mean
    gain = level - level[:, [base]]
    variance = np.broadcast_to(errors[base], gain.shape).copy()
    if bulk[base]:
        inside = int(np.flatnonzero(members == base)[0])
        variance[:, members] = centre.pair_variance(inside)
    better = _upper(gain, variance, freedom)
    expected = weight @ gain
    probability = weight @ better
    expected[base], probability[base] = 0.0, 0.5
    return Shrunken(expected, probability, float(np.sqrt(weight @ tau2)), bulk)


def pair_variances(scores: Scores, method: str = "crossed", row_step: float = 0.0) -> np.ndarray:
    """``variance[a, b]`` of the difference of the means of activations a and b."""
    count, seeds = len(scores.activations), scores.seeds
    variance = np.zeros((count, count))
    for one in range(count - 1):
        # One activation against all later ones: memory stays at [activations, rows].
        weights = -np.eye(count)[one + 1 :]
        weights[:, one] = 1.0
        parts = spread(scores, weights)
        if method == "nadeau-bengio":
            row = parts.means.var(axis=-1, ddof=1) * (1 / seeds + TEST_TO_TRAIN)
        else:
            plain = (parts.influence**2).sum(axis=-1)
            furthest = np.abs(parts.influence).max(axis=-1)
            unit = row_step / parts.influence.shape[-1]
            furthest = np.where(furthest <= 1e-12 * unit, unit, furthest)
            runs = np.maximum(run_variance(parts.means, parts.within, plain), 0.0)
            row = plain + furthest**2 + runs / seeds
        variance[one, one + 1 :] = variance[one + 1 :, one] = row
    return variance


def find_bulk(means: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """``bulk[activation]``: the family without those far below it (diverged, dead).

    Starts from the best third (at least three) and walks down as long as the next one is within
    three standard deviations (spread so far plus its own error) of the mean so far. Nothing is
    cut off above: an activation that is far better is what the study is looking for.
    """
    order = np.argsort(-means, kind="stable")
    inside = min(len(means), max(3, -(-len(means) // 3)))
    while inside < len(means):
        group, after = means[order[:inside]], order[inside]
        own = np.median(errors[after, order[:inside]])
        if group.mean() - means[after] > FAR * np.sqrt(group.var(ddof=1) + own):
            break
        inside += 1
    bulk = np.zeros(len(means), dtype=bool)
    bulk[order[:inside]] = True
    bulk |= means >= means[order[inside - 1]]  # equal means stand or fall together
    return bulk


@dataclass(frozen=True)
class _Posterior:
    mean: np.ndarray  # mean[grid, member], level of each true mean
    basis: np.ndarray  # basis[member, direction]
    spread: np.ndarray  # spread[grid, direction], posterior variance along each direction

    def pair_variance(self, member: int) -> np.ndarray:
        """``variance[grid, other]`` of the difference of each true mean to that of ``member``."""
        return self.spread @ ((self.basis - self.basis[member]) ** 2).T


def _posterior(means: np.ndarray, errors: np.ndarray) -> tuple[_Posterior, np.ndarray, np.ndarray]:
    """Posterior on a grid of tau2 [grid], the grid's weights [grid], and the grid itself."""
    size = len(means)
    if size < 2:
        zero = np.zeros((1, 0))
        return _Posterior(means[None, :].copy(), np.zeros((size, 0)), zero), np.ones(1), np.zeros(1)
    # Only contrasts: what all activations share (easy rows, lucky folds) drops out, and with it
    # the family's centre. -V/2 is the errors' covariance there, whatever they share.
    contrasts = linalg.helmert(size)
    noise, axes = linalg.eigh(-contrasts @ errors @ contrasts.T / 2)
    noise = np.maximum(noise, 0.0)  # clipping of run variances may have bent it a little
    basis = contrasts.T @ axes
    seen = means @ basis
    typical = noise.mean()
    if typical == 0:
        certain = _Posterior(means[None, :].copy(), basis, np.zeros((1, size - 1)))
        return certain, np.ones(1), np.array([seen @ seen / (size - 1)])
    # Every degree of shrinkage from 0 to 1 is as likely as another before the data (Daniels 1999).
    shrinkage = (np.arange(GRID) + 0.5) / GRID
    tau2 = typical * (1 - shrinkage) / shrinkage
    total = tau2[:, None] + noise
    likelihood = -0.5 * (np.log(total) + seen**2 / total).sum(axis=1)
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    kept = tau2[:, None] / total
    mean = means.mean() + (kept * seen) @ basis.T
    return _Posterior(mean, basis, kept * noise), weight, tau2


def _upper(gain: np.ndarray, variance: np.ndarray, df: np.ndarray) -> np.ndarray:
    """P(true gain > 0), element by element; without any error the sign decides, 0 is a half."""
    error = np.sqrt(np.maximum(variance, 0.0))
    safe = np.where(error > 0, error, 1.0)
    return np.where(error > 0, stats.t.cdf(gain / safe, df), 0.5 + 0.5 * np.sign(gain))
