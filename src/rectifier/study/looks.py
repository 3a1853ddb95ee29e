"""``--seeds auto``: seeds are doubled until the verdict is settled, or more of them cannot help.

A verdict is looked at after 1, 2, 4 and 8 times the first number of seeds. Each look may call a
candidate proven at a quarter of 5 %, so that over all looks together a study in which nothing
differs does so in at most 5 % (Bonferroni: whatever the looks have in common). The intervals are as
wide as that asks for, 98.75 %. Checked in docs/statistics.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rectifier.study.journal import Journal
from rectifier.study.judge.evidence import ALPHA
from rectifier.study.judge.metrics import OWN
from rectifier.study.judge.statistics import MOST_SEEDS
from rectifier.study.settings import Settings

if TYPE_CHECKING:
    from rectifier.study import Listener, Outcome

TIMES = (1, 2, 4, 8)  # of the first look's seeds
ALPHA_A_LOOK = ALPHA / len(TIMES)
# More seeds are worth their time while they could narrow the interval by a fifth at least.
LITTLE_LEFT = 0.8


def until_settled(
    first: Settings,
    asked: Settings,
    journal: Journal,
    listener: Listener,
    began: float,
    once: Callable[[Settings, float], Outcome],
) -> Outcome:
    """The outcome of the last look.

    Args:
        first: settings of the first look, as a budget has cut them.
        asked: before that.
        began: ``time.perf_counter()`` when the study started.
        once: runs what is missing of a study with these settings and judges it, at a level.
    """
    whose = repr(replace(asked, engine="", address=None))
    before = journal.recall("stopped") or {}
    for times in TIMES:
        seeds = first.seeds * times
        started = time.perf_counter()
        outcome = once(replace(first, seeds=seeds), ALPHA_A_LOOK)
        took = time.perf_counter() - started
        why = why_stop(outcome.verdict, seeds, first.seeds * TIMES[-1])
        if not why and first.seeds < asked.seeds:
            why = f"the budget allowed for {first.seeds} seeds"
        if not why and before.get("asked") == whose and before["seeds"] == seeds:
            why = before["why"]  # the same command decides the same
        if not why and asked.budget is not None:
            left = asked.budget - (time.perf_counter() - began)
            if took > left:  # the next look trains as many seeds as all so far
                why = f"the budget ended at {seeds} seeds"
                journal.remember(stopped={"asked": whose, "seeds": seeds, "why": why})
        if why:
            return _told(outcome, why, [first.seeds * t for t in TIMES if t <= times], listener)
        listener.say(f"not settled after {seeds} seeds; as many again")
    raise AssertionError("the last look always stops")


def why_stop(verdict: dict[str, Any], seeds: int, most: int) -> str:
    """Why no look follows this one; "" if one should."""
    statistics = verdict["settings"]["statistics"]
    needed = statistics["seeds_to_settle"]
    if statistics["settled"]:
        return f"settled with {seeds} seeds"
    own = verdict["data"].get("task") == OWN  # of its rows nothing is known
    if needed is None and own:
        return f"after {seeds} seeds it is too close to call: {MOST_SEEDS:,} would not settle it"
    if needed is None and statistics["share_of_error_left"] > LITTLE_LEFT:
        return f"after {seeds} seeds the rows are the limit: more seeds would not settle it"
    if seeds == most:
        return f"not settled with {seeds} seeds, the most that are tried"
    return ""


def _told(outcome: Outcome, why: str, seeds: list[int], listener: Listener) -> Outcome:
    listener.say(why)
    verdict = outcome.verdict
    verdict["settings"]["looks"] = {
        "seeds": seeds,
        "alpha": ALPHA_A_LOOK,
        "stopped": why,
    }
    if not verdict["settings"]["statistics"]["settled"]:
        verdict["reason"] += f"; {why}"
    return outcome
