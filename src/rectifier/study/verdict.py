"""From scores to one sentence: which activation, how surely, and what that rests on.

The rules, in the order they are tried (reasons in docs/statistics.md):
proven     an activation whose difference to the baseline survives Holm (p < 0.05) and whose
           shrunken gain exceeds the equivalence margin; or the baseline, if it beats all others so
likely     one whose shrunken gain exceeds the margin and that is 80 % likely to be better
no matter  none of these: the baseline stays
Where several would do, the plainest is recommended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from rectifier.study.metrics import (
    Metric,
    equivalence_margin,
    format_difference,
    format_value,
)
from rectifier.study.shrinkage import Shrunken, shrink
from rectifier.study.statistics import (
    Interval,
    Scores,
    detectable_difference,
    difference_interval,
    holm,
    mean_interval,
    seeds_needed,
)

LIKELY = (
    0.80  # four to one: changing an activation costs nothing, so it need not be nineteen to one
)
ALPHA = 0.05
LINEAR = "identity"


class RunSummary(TypedDict):
    """What an activation's confirming runs did besides scoring; means over its runs."""

    runs: int
    diverged: int
    dead_fraction: float
    epochs_to_best: float
    seconds: float


class Row(TypedDict):
    """One line of the leaderboard; None where a number cannot be known."""

    activation: str
    learning_rate: float | None
    runs: int
    diverged: int
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    expected_gain: float | None
    probability_better: float | None
    p_holm: float | None
    dead_fraction: float | None
    epochs_to_best: float | None
    seconds: float | None


def decide(
    scores: Scores,
    *,
    baseline: str,
    metric: Metric,
    learning_rates: Mapping[str, float],
    runs: Mapping[str, RunSummary],
    warnings: Sequence[Mapping[str, Any]] = (),
    data: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    cost: Mapping[str, float] | None = None,
    method: str = "crossed",
    confidence: float = 0.95,
) -> dict[str, Any]:
    """The verdict, JSON-ready: finite numbers, strings, None.

    Args:
        scores: ``scores[activation, seed]`` on test rows, greater is better (Scores.build).
        baseline: one of ``scores.activations``.
        metric: what was scored; means and their intervals are given in its own orientation,
            differences and gains as improvements.
        learning_rates, runs: by activation, the chosen rate and the summary of its runs.
        warnings: the inspection's, each with kind, column, message; runs that diverged are added.
        data, settings: passed through; ``settings["statistics"]`` is added.
        cost: by activation, smaller is plainer and cheaper; decides among equals. Names not in
            it come last, in alphabetical order.
        method, confidence: of the intervals.

    Returns the fields recommended, strength, reason, tied, baseline, metric, table (best mean
    first), warnings, data, settings. Raises ValueError if the baseline was not scored.
    """
    if baseline not in scores.activations:
        raise ValueError(f"the baseline {baseline!r} was not scored")
    evidence = _weigh(scores, baseline, metric, runs, cost or {}, method, confidence)
    ruling = _rule(evidence)
    table = _table(evidence, learning_rates, runs)
    noted = [{key: item.get(key) for key in ("kind", "column", "message")} for item in warnings]
    noted += _diverged_warnings(evidence, runs)
    facts = {
        "interval": method,
        "confidence": confidence,
        "equivalence_margin": evidence.margin,
        "likely_from": LIKELY,
        "detectable_difference": evidence.detectable,
        "seeds_needed": ruling.seeds_needed,
        "spread_of_true_means": evidence.family.tau,
    }
    verdict = {
        "recommended": ruling.recommended,
        "strength": ruling.strength,
        "reason": ruling.reason,
        "tied": ruling.tied,
        "baseline": baseline,
        "metric": metric.name,
        "table": table,
        "warnings": noted,
        "data": dict(data or {}),
        "settings": {**(settings or {}), "statistics": facts},
    }
    return _jsonable(verdict)


# --- what is known --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Evidence:
    """All numbers the rules look at; arrays are ``[activation]`` in the order of ``names``."""

    scores: Scores
    names: list[str]
    base: int
    metric: Metric
    method: str
    confidence: float
    means: list[Interval]
    differences: list[Interval]
    p_holm: np.ndarray
    family: Shrunken
    margin: float
    detectable: float
    dead: np.ndarray  # every run diverged
    plainness: list[tuple[float, str]]

    @property
    def gain(self) -> np.ndarray:
        return self.family.expected_gain

    @property
    def others(self) -> list[int]:
        return [index for index in range(len(self.names)) if index != self.base]

    def against(self, reference: int) -> tuple[Shrunken, list[Interval], np.ndarray]:
        """The same as differences, p_holm and family, but to another activation."""
        return _compare(self.scores, reference, self.metric, self.method, self.confidence)

    def plainest(self, indices: Sequence[int]) -> int:
        return min(indices, key=lambda index: self.plainness[index])

    def points(self, value: float, *, sign: bool = False) -> str:
        return format_difference(self.metric, value, sign=sign)

    def level(self, index: int) -> str:
        """An activation's mean score as text, in the metric's own orientation."""
        return format_value(self.metric, self.metric.sign * self.means[index].estimate)

    def bracket(self, interval: Interval) -> str:
        scale = 100 if self.metric.unit == "points" else 1
        low, high = (_short(scale * value) for value in (interval.low, interval.high))
        return f"[{low}, {high}]"


def _weigh(
    scores: Scores,
    baseline: str,
    metric: Metric,
    runs: Mapping[str, RunSummary],
    cost: Mapping[str, float],
    method: str,
    confidence: float,
) -> _Evidence:
    names, base = scores.activations, scores.index(baseline)
    family, differences, p_holm = _compare(scores, base, metric, method, confidence)
    means = [mean_interval(scores, name, method, confidence, metric.row_step) for name in names]
    dead = np.array(
        [0 < runs[n]["runs"] <= runs[n]["diverged"] if n in runs else False for n in names]
    )
    usual = [i for i in range(len(names)) if i != base and family.bulk[i] and not dead[i]]
    seen = [detectable_difference(differences[i], len(names) - 1) for i in usual]
    return _Evidence(
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
        margin=equivalence_margin(metric, means[base].estimate),
        detectable=float(np.median(seen)) if seen else float("nan"),
        dead=dead,
        plainness=[(cost.get(name, math.inf), name) for name in names],
    )


def _compare(
    scores: Scores, reference: int, metric: Metric, method: str, confidence: float
) -> tuple[Shrunken, list[Interval], np.ndarray]:
    name, step = scores.activations[reference], metric.row_step
    differences = [
        difference_interval(scores, other, name, method, confidence, step)
        for other in scores.activations
    ]
    others = [index for index in range(len(differences)) if index != reference]
    p_holm = np.full(len(differences), np.nan)
    p_holm[others] = holm([differences[index].p_value for index in others])
    df = np.array([interval.df for interval in differences])
    return shrink(scores, name, method, step, df), differences, p_holm


# --- the rules ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ruling:
    recommended: str
    strength: str
    reason: str
    tied: list[str]
    seeds_needed: int | None = None


def _rule(e: _Evidence) -> _Ruling:
    base, alive = e.names[e.base], [i for i in range(len(e.names)) if not e.dead[i]]
    if not alive:
        reason = (
            f"every run of {_all(len(e.names), 'activation')} diverged, so nothing can be said "
            f"of them; try smaller learning rates (--learning-rates)"
        )
        return _Ruling(base, "no matter", reason, [])
    if len(e.names) == 1:
        reason = (
            f"{base} was the only activation tried ({e.level(0)}), so there is nothing to "
            f"compare it with"
        )
        return _Ruling(base, "no matter", reason, [])
    if e.scores.seeds == 1:
        reason = (
            f"keep {base}: one seed cannot tell a better activation from a luckier run; "
            f"ten can (--seeds 10)"
        )
        return _Ruling(base, "no matter", reason, [e.names[i] for i in e.others if i in alive])

    worthy = [i for i in e.others if i in alive and e.gain[i] > e.margin]
    proven = [i for i in worthy if e.p_holm[i] < ALPHA and e.differences[i].estimate > 0]
    likely = [i for i in worthy if e.family.probability_better[i] >= LIKELY]
    if proven:
        return _change(e, proven, "proven")
    if likely:
        return _change(e, likely, "likely")
    if e.dead[e.base]:
        return _stand_in(e, [i for i in e.others if i in alive])
    return _keep(e, [i for i in e.others if i in alive])


def _change(e: _Evidence, pool: list[int], strength: str) -> _Ruling:
    """Leave the baseline for the plainest of those that are as good as the best."""
    leader = max(pool, key=lambda i: (e.gain[i], [-part for part in (e.plainness[i][0],)]))
    family, _, _ = e.against(leader)
    equals = [i for i in pool if _as_good(e, family, i)]
    chosen = e.plainest(equals)
    name, base, difference = e.names[chosen], e.names[e.base], e.differences[chosen]
    tied, linear = _ties(e, chosen, told_apart={e.base} if strength == "proven" else set())
    more = None
    if strength == "proven":
        reason = (
            f"use {name}: {e.points(difference.estimate, sign=True)} over {base} "
            f"{e.bracket(difference)}, {e.level(chosen)} against {e.level(e.base)}"
        )
        rivals = [other for other in tied if other != base]
        if rivals:
            reason += f"; {_several(rivals)} cannot be told from it"
    else:
        gain, chance = e.gain[chosen], e.family.probability_better[chosen]
        more = seeds_needed(e.scores, name, base, float(gain), len(e.names) - 1)
        reason = (
            f"best bet: {name}, {_percent(chance)} likely to beat {base} here, by about "
            f"{e.points(gain)}; not proven; "
        )
        reason += (
            f"{more} more seeds would settle it"
            if more
            else "more seeds would not settle it, only more rows would"
        )
    return _Ruling(name, strength, reason + linear, tied, more)


def _keep(e: _Evidence, rivals: list[int]) -> _Ruling:
    """Stay with the baseline, and say honestly whether that was shown or merely not refuted."""
    base = e.names[e.base]
    tied, linear = _ties(e, e.base, told_apart=set())
    compared = [e.differences[i] for i in rivals]
    if not rivals:
        reason = f"keep {base}: every run of every other activation diverged"
        return _Ruling(base, "no matter", reason + linear, [])
    behind = [i for i in rivals if e.p_holm[i] < ALPHA and e.gain[i] < -e.margin]
    nearest = max(rivals, key=lambda i: (e.gain[i], e.names[i]))
    one = len(rivals) == 1
    if len(behind) == len(rivals):
        gap = -e.differences[nearest].estimate
        spread_ = _flipped(e.differences[nearest])
        reason = (
            f"keep {base}: it beats {e.names[nearest]} by {e.points(gap)} {e.bracket(spread_)}"
            if one
            else f"keep {base}: it beats each of the {len(rivals)} others, the nearest, "
            f"{e.names[nearest]}, by {e.points(gap)} {e.bracket(spread_)}"
        )
        return _Ruling(base, "proven", reason + linear, tied)
    highest = max(interval.high for interval in compared)
    subject = e.names[rivals[0]] if one else f"none of the {len(rivals)} others"
    verb = "does not beat" if one else "beats"
    if highest <= e.margin:
        reason = (
            f"keep {base}: {subject} {verb} its {e.level(e.base)} by more than "
            f"{e.points(e.margin)}, and this study was large enough to show it"
        )
        return _Ruling(base, "no matter", reason + linear, tied)
    could = f"this study could have seen {e.points(e.detectable)}"
    if all(interval.estimate == 0 for interval in compared):
        reason = (
            f"keep {base}: {'both' if one else f'all {len(rivals) + 1}'} score "
            f"{e.level(e.base)}; {could}"
        )
        return _Ruling(base, "no matter", reason + linear, tied)
    gain = e.gain[nearest]
    if gain > e.margin:
        chance = _percent(e.family.probability_better[nearest])
        told = f"{e.names[nearest]} is only {chance} likely to beat it, by {e.points(gain)}"
    else:
        told = (
            f"{'it is' if one else 'the best of them is'} expected to gain no more than "
            f"{e.points(max(gain, 0.0))}"
        )
        told = told if gain > 0 else "no gain is to be expected from a change"
    reason = f"keep {base}: nothing better was found, {told}; {could}"
    return _Ruling(base, "no matter", reason + linear, tied)


def _stand_in(e: _Evidence, rivals: list[int]) -> _Ruling:
    """The baseline never trained and nothing is surely better: the plainest of the best."""
    leader = max(rivals, key=lambda i: (e.gain[i], e.names[i]))
    family, _, _ = e.against(leader)
    chosen = e.plainest([i for i in rivals if _as_good(e, family, i)])
    tied, linear = _ties(e, chosen, told_apart={e.base})
    reason = (
        f"every run of the baseline {e.names[e.base]} diverged; of those that trained, "
        f"{e.names[chosen]} does as well as any ({e.level(chosen)})"
    )
    return _Ruling(e.names[chosen], "no matter", reason + linear, tied)


def _as_good(e: _Evidence, to_leader: Shrunken, index: int) -> bool:
    """Not surely, and not by a margin that matters, below the leader: the rule of "likely"."""
    gap = -to_leader.expected_gain[index]
    return bool(gap <= e.margin or 1 - to_leader.probability_better[index] < LIKELY)


def _ties(e: _Evidence, chosen: int, told_apart: set[int]) -> tuple[list[str], str]:
    """Those that cannot be told from the chosen one, best first, and what a linear one says."""
    family, differences, p_holm = e.against(chosen)
    tied = [
        i
        for i in range(len(e.names))
        if i != chosen
        and i not in told_apart
        and not e.dead[i]
        and (abs(family.expected_gain[i]) <= e.margin or not p_holm[i] < ALPHA)
    ]
    tied.sort(key=lambda i: (-e.means[i].estimate, e.plainness[i]))
    linear = ""
    if e.names[chosen] == LINEAR:
        linear = "; a linear model is enough"
    elif LINEAR in e.names:
        at = e.names.index(LINEAR)
        if at in tied and _as_good(e, family, at):
            sure = differences[at].low >= -e.margin
            linear = f"; {LINEAR} does as well, so a linear model " + (
                "is enough" if sure else "is probably enough"
            )
    return [e.names[i] for i in tied], linear


# --- writing it down ------------------------------------------------------------------------


def _table(
    e: _Evidence, learning_rates: Mapping[str, float], runs: Mapping[str, RunSummary]
) -> list[Row]:
    order = sorted(range(len(e.names)), key=lambda i: (-e.means[i].estimate, e.plainness[i]))
    table: list[Row] = []
    for i in order:
        name, mean, difference = e.names[i], e.means[i], e.differences[i]
        bounds = (mean.low, mean.high) if e.metric.sign > 0 else (-mean.high, -mean.low)
        run = runs.get(name)
        table.append(
            Row(
                activation=name,
                learning_rate=learning_rates.get(name),
                runs=run["runs"] if run else e.scores.seeds,
                diverged=run["diverged"] if run else 0,
                mean=e.metric.sign * mean.estimate,
                ci_low=max(bounds[0], e.metric.low),
                ci_high=min(bounds[1], e.metric.high),
                difference=difference.estimate,
                difference_low=difference.low,
                difference_high=difference.high,
                expected_gain=float(e.gain[i]),
                probability_better=float(e.family.probability_better[i]),
                p_holm=float(e.p_holm[i]),
                dead_fraction=run["dead_fraction"] if run else None,
                epochs_to_best=run["epochs_to_best"] if run else None,
                seconds=run["seconds"] if run else None,
            )
        )
    return table


def _diverged_warnings(e: _Evidence, runs: Mapping[str, RunSummary]) -> list[dict[str, str | None]]:
    return [
        {
            "kind": "diverged",
            "column": None,
            "message": f"{name} diverged in {runs[name]['diverged']} of {runs[name]['runs']} runs; "
            f"they count with the score of a model that has learnt nothing",
        }
        for name in e.names
        if name in runs and runs[name]["diverged"] > 0
    ]


def _flipped(interval: Interval) -> Interval:
    return Interval(
        -interval.estimate,
        -interval.high,
        -interval.low,
        interval.std_error,
        interval.df,
        interval.p_value,
        interval.row_variance,
        interval.run_variance,
    )


def _short(value: float) -> str:
    """Two to three figures: brackets are read, not computed with."""
    decimals = (
        1 if abs(value) >= 0.95 or value == 0 else max(1, 1 - math.floor(math.log10(abs(value))))
    )
    return f"{round(value, min(decimals, 4)) + 0.0:.{min(decimals, 4)}f}"


def _percent(probability: float) -> str:
    return f"{min(99, round(100 * probability))} %"


def _several(names: Sequence[str], shown: int = 3) -> str:
    if len(names) > shown:
        return f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def _all(count: int, noun: str) -> str:
    return f"the one {noun}" if count == 1 else f"all {count} {noun}s"


def _jsonable(value: Any) -> Any:
    """Plain Python all the way down; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str) else str(value)
