"""From scores to one sentence: which activation, how surely, and what that rests on.

The rules, in the order they are tried (reasons in docs/statistics.md):
proven     an activation whose difference to the baseline survives Holm (p < 0.05, or less where a
           study is looked at several times) and whose shrunken gain exceeds the equivalence
           margin; or the baseline, if it beats all others so
likely     one whose shrunken gain exceeds the margin and that is 80 % likely to be better
no matter  none of these: the baseline stays
Where several would do, the plainest is recommended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np

from rectifier.study.judge.evidence import LIKELY, Evidence, weigh
from rectifier.study.judge.metrics import Metric, format_difference, format_value
from rectifier.study.judge.statistics import (
    DEFAULT_METHOD,
    Interval,
    Scores,
    error_left,
    seeds_needed,
)

LINEAR = "identity"  # a network of these is a linear model


class RunSummary(TypedDict):
    """What an activation's confirming runs did besides scoring; means over its runs."""

    runs: int
    diverged: int
    dead_fraction: float
    epochs_to_best: float
    seconds: float


class Row(TypedDict):
    """One line of the leaderboard; None where a number cannot be known.

    ``mean`` and its interval are in the metric's own orientation; ``difference``, its interval
    and ``expected_gain`` are improvements over the baseline (greater is better).
    """

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
    method: str = DEFAULT_METHOD,
    confidence: float = 0.95,
    linear: bool = True,
) -> dict[str, Any]:
    """The verdict, JSON-ready: strings, finite numbers, None.

    Args:
        scores: ``scores[activation, seed]`` on test rows, greater is better (Scores.build).
        baseline: one of ``scores.activations``.
        metric: what was scored.
        learning_rates, runs: by activation, the chosen rate and the summary of its runs.
        warnings: the inspection's, each with kind, column, message; runs that diverged are added.
        data, settings: passed through; ``settings["statistics"]`` is added.
        cost: by activation, smaller is plainer and cheaper; decides among equals. Names not in
            it come last, in alphabetical order.
        method, confidence: of the intervals; one of statistics.METHODS. What is proven is so
            at the level 1 - confidence, over the family.
        linear: a network with ``identity`` is a linear model, so the verdict may say so.

    Returns the fields recommended, strength, reason, tied, baseline, metric, table (rows like
    Row, best mean first), warnings, data, settings. Raises ValueError if the baseline was not
    scored.
    """
    if baseline not in scores.activations:
        raise ValueError(f"the baseline {baseline!r} was not scored")
    known = [runs.get(name) for name in scores.activations]
    dead = [run is not None and 0 < run["runs"] <= run["diverged"] for run in known]
    evidence = weigh(scores, baseline, metric, dead, cost or {}, method, confidence, linear)
    ruling = _rule(evidence)
    noted = [{key: item.get(key) for key in ("kind", "column", "message")} for item in warnings]
    facts = {
        "interval": method,
        "confidence": confidence,
        "equivalence_margin": evidence.margin,
        "likely_from": LIKELY,
        "detectable_difference": evidence.detectable,
        "seeds_for_half_of_it": evidence.half,
        "seeds_needed": ruling.seeds_needed,
        "settled": ruling.settled,
        "seeds_to_settle": None if ruling.settled else ruling.seeds_to_settle,
        "share_of_error_left": ruling.error_left,
        "spread_of_true_means": evidence.belief.tau,
    }
    verdict: dict[str, Any] = _jsonable(
        {
            "recommended": ruling.recommended,
            "strength": ruling.strength,
            "reason": ruling.reason,
            "tied": ruling.tied,
            "baseline": baseline,
            "metric": metric.name,
            "table": _table(evidence, learning_rates, runs),
            "warnings": noted + _diverged_warnings(evidence.names, runs),
            "data": data or {},
            "settings": {**(settings or {}), "statistics": facts},
        }
    )
    return verdict


# --- the rules ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ruling:
    recommended: str
    strength: str
    reason: str
    tied: list[str]
    seeds_needed: int | None = None
    settled: bool = True  # more seeds would not change what is said
    seeds_to_settle: int | None = None  # or to see half as much; None where no number would
    error_left: float | None = None  # see statistics.error_left, of the one in question


def _rule(e: Evidence) -> _Ruling:
    base, rivals = e.names[e.base], e.rivals
    if e.dead.all():
        subject = (
            "every run" if len(e.names) == 1 else f"every run of all {len(e.names)} activations"
        )
        reason = f"{subject} diverged, so nothing can be said; try smaller --learning-rates"
        return _Ruling(base, "no matter", reason, [])
    if len(e.names) == 1:
        reason = (
            f"{base} ({_level(e, 0)}) was the only activation tried: nothing to compare it with"
        )
        return _Ruling(base, "no matter", reason, [])
    if e.scores.seeds == 1:
        reason = (
            f"keep {base}: one seed cannot tell a better activation from a luckier run; "
            f"ten can (--seeds 10)"
        )
        tied = [e.names[i] for i in e.ranked(rivals)]
        return _Ruling(base, "no matter", reason, tied, settled=False, seeds_to_settle=9)
    if not rivals:
        reason = f"keep {base} ({_level(e, e.base)}): every run of every other activation diverged"
        return _Ruling(base, "no matter", reason, [])
    worthy = [i for i in rivals if e.gain[i] > e.margin]
    proven = [i for i in worthy if e.p_holm[i] < e.alpha and e.differences[i].estimate > 0]
    if proven:
        return _prove(e, proven)
    likely = [i for i in worthy if e.belief.probability_better[i] >= LIKELY]
    if likely:
        return _bet(e, likely)
    if e.dead[e.base]:
        return _replace_dead(e)
    return _keep(e)


def _prove(e: Evidence, pool: list[int]) -> _Ruling:
    chosen = e.plainest(e.as_good_as(e.best(pool), pool))
    tied, linear = _ties(e, chosen)
    base, difference = e.names[e.base], e.differences[chosen]
    # Told apart by the baseline's own family of tests, whatever the chosen one's family says.
    tied = [name for name in tied if name != base]
    reason = (
        f"use {e.names[chosen]}: {_points(e, difference.estimate, sign=True)} over {base} "
        f"{_bracket(e, difference)}, {_level(e, chosen)} against {_level(e, e.base)}"
    )
    if tied:
        reason += f"; {_several(tied)} cannot be told from it"
    return _Ruling(e.names[chosen], "proven", reason + linear, tied)


def _bet(e: Evidence, pool: list[int]) -> _Ruling:
    chosen = e.plainest(e.as_good_as(e.best(pool), pool))
    tied, linear = _ties(e, chosen)
    name, base, gain = e.names[chosen], e.names[e.base], float(e.gain[chosen])
    if base not in tied:  # told apart in the chosen one's family of tests, but not in its own
        tied = [e.names[i] for i in e.ranked([e.base, *map(e.names.index, tied)])]
    more = _seeds_needed(e, chosen, gain)
    reason = (
        f"best bet: {name}, {_percent(e.belief.probability_better[chosen])} likely to beat {base} "
        f"here, by about {_points(e, gain)}; not proven; "
    )
    reason += (
        f"{more} more seeds would settle it"
        if more
        else "more seeds would not settle it, only more rows would"
    )
    if name != LINEAR:  # one recommendation is enough
        linear = ""
    return _Ruling(name, "likely", reason + linear, tied, more, False, more, _error_left(e, chosen))


def _seeds_needed(e: Evidence, index: int, gain: float) -> int | None:
    name, base, others = e.names[index], e.names[e.base], len(e.names) - 1
    return seeds_needed(e.scores, name, base, gain, others, alpha=e.alpha, method=e.method)


def _error_left(e: Evidence, index: int) -> float:
    return error_left(e.scores, e.names[index], e.names[e.base], e.method)


def _replace_dead(e: Evidence) -> _Ruling:
    """The baseline never trained and nothing is surely better: the plainest of the best."""
    chosen = e.plainest(e.as_good_as(e.best(e.rivals), e.rivals))
    tied, linear = _ties(e, chosen)
    reason = (
        f"every run of the baseline {e.names[e.base]} diverged; of those that trained, "
        f"{e.names[chosen]} does as well as any ({_level(e, chosen)})"
    )
    return _Ruling(e.names[chosen], "no matter", reason + linear, tied)


def _keep(e: Evidence) -> _Ruling:
    """Stay with the baseline, and say whether that was shown or merely not refuted."""
    base, rivals = e.names[e.base], e.rivals
    tied, linear = _ties(e, e.base)
    nearest, one = e.best(rivals), len(rivals) == 1
    behind = [i for i in rivals if e.p_holm[i] < e.alpha and e.gain[i] < -e.margin]
    if len(behind) == len(rivals):
        lead = e.differences[nearest]
        lead = replace(lead, estimate=-lead.estimate, low=-lead.high, high=-lead.low)
        whom = e.names[nearest]
        if not one:
            whom = f"each of the {len(rivals)} others, the nearest, {whom},"
        reason = f"keep {base}: it beats {whom} by {_points(e, lead.estimate)} {_bracket(e, lead)}"
        return _Ruling(base, "proven", reason + linear, tied)
    if all(e.differences[i].high <= e.margin for i in rivals):
        subject = f"{e.names[nearest]} does not beat" if one else "nothing beats"
        reason = (
            f"keep {base}: {subject} its {_level(e, e.base)} by more than "
            f"{_points(e, e.margin)}, and this study was large enough to show that"
        )
        return _Ruling(base, "no matter", reason + linear, tied)
    if all(e.differences[i].estimate == 0 for i in rivals):
        told = f"{'both' if one else f'all {len(rivals) + 1}'} score {_level(e, e.base)}"
    elif e.gain[nearest] > e.margin:
        told = (
            f"{e.names[nearest]} may gain {_points(e, float(e.gain[nearest]))}, but is only "
            f"{_percent(e.belief.probability_better[nearest])} likely to beat it"
        )
    else:
        whom = f"{e.names[nearest]} was not" if one else f"none of the {len(rivals)} others was"
        told = f"{whom} found to beat it by {_points(e, e.margin)} or more"
    reason = f"keep {base}: {told}; {_sight(e)}"
    left = _error_left(e, nearest)
    return _Ruling(base, "no matter", reason + linear, tied, None, False, e.half, left)


def _sight(e: Evidence) -> str:
    """What the study could have seen, or that it was too small to see anything."""
    room = e.metric.high - e.means[e.base].estimate * e.metric.sign
    if e.metric.greater_is_better and e.detectable > max(room, e.margin):
        return "this study was too small to see any difference there could be"
    return f"this study could have seen {_points(e, e.detectable)}"


def _ties(e: Evidence, chosen: int) -> tuple[list[str], str]:
    """Names that cannot be told from the chosen one, and what a linear one among them says."""
    tied, differences = e.tied_with(chosen)
    linear = ""
    if not e.linear:
        pass
    elif e.names[chosen] == LINEAR:
        linear = "; a linear model is enough"
    elif LINEAR in e.names:
        at = e.names.index(LINEAR)
        if at in tied and e.as_good_as(chosen, [at]):
            sure = differences[at].low >= -e.margin
            linear = f"; {LINEAR} does as well, so a linear model is "
            linear += "enough" if sure else "probably enough"
    return [e.names[i] for i in tied], linear


# --- writing it down ------------------------------------------------------------------------


def _table(
    e: Evidence, learning_rates: Mapping[str, float], runs: Mapping[str, RunSummary]
) -> list[Row]:
    table: list[Row] = []
    for i in e.ranked(range(len(e.names))):
        name, mean, difference = e.names[i], e.means[i], e.differences[i]
        low, high = (mean.low, mean.high) if e.metric.sign > 0 else (-mean.high, -mean.low)
        run = runs.get(name)
        table.append(
            Row(
                activation=name,
                learning_rate=learning_rates.get(name),
                runs=run["runs"] if run else e.scores.seeds,
                diverged=run["diverged"] if run else 0,
                mean=e.metric.sign * mean.estimate,
                ci_low=float(np.maximum(low, e.metric.low)),  # numpy's keeps a NaN
                ci_high=float(np.minimum(high, e.metric.high)),
                difference=difference.estimate,
                difference_low=difference.low,
                difference_high=difference.high,
                expected_gain=float(e.gain[i]),
                probability_better=float(e.belief.probability_better[i]),
                p_holm=float(e.p_holm[i]),
                dead_fraction=run["dead_fraction"] if run else None,
                epochs_to_best=run["epochs_to_best"] if run else None,
                seconds=run["seconds"] if run else None,
            )
        )
    return table


def _diverged_warnings(
    names: Sequence[str], runs: Mapping[str, RunSummary]
) -> list[dict[str, str | None]]:
    return [
        {
            "kind": "diverged",
            "column": None,
            "message": (
                f"{runs[name]['diverged']} of {runs[name]['runs']} runs of {name} diverged"
            ),
        }
        for name in names
        if name in runs and runs[name]["diverged"] > 0
    ]


def _level(e: Evidence, index: int) -> str:
    return format_value(e.metric, e.metric.sign * e.means[index].estimate)


def _points(e: Evidence, value: float, *, sign: bool = False) -> str:
    return format_difference(e.metric, value, sign=sign)


def _bracket(e: Evidence, interval: Interval) -> str:
    """ "[0.6, 5.0]", in the unit of the difference before it."""
    low, high = (
        format_difference(e.metric, value).split()[0].lstrip("+")
        for value in (interval.low, interval.high)
    )
    return f"[{low}, {high}]"


def _percent(probability: float) -> str:
    return f"{min(99, round(100 * probability))} %"  # no study makes a 100 %


def _several(names: Sequence[str], shown: int = 3) -> str:
    if len(names) > shown:
        return f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _jsonable(value: Any) -> Any:
    """Plain Python all the way down; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
