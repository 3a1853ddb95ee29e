"""From the tuning runs to one learning rate per activation; and making a study fit its budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rectifier.study.journal import Journal, Run
from rectifier.study.plan import choose_lanes
from rectifier.study.settings import Settings

if TYPE_CHECKING:
    from rectifier.study import Listener

# What a budget is allowed to cost, mildest first: shares of seeds, tuning seeds, rates.
_CUTS = (
    (1.0, 1.0, 1.0),
    (1.0, 0.67, 1.0),
    (1.0, 0.67, 0.6),
    (1.0, 0.34, 0.6),
    (0.5, 0.34, 0.6),
    (0.5, 0.34, 0.2),
    (0.3, 0.34, 0.2),
    (0.2, 0.34, 0.2),
)


def best_rates(runs: Iterable[Run], settings: Settings) -> dict[str, float]:
    """The learning rate of each activation: lowest mean validation loss over the tuning seeds.

    The loss rather than the metric: on a few dozen validation rows accuracy takes few values
    and ties, and early stopping goes by the loss already. A run without a finite loss counts as
    infinitely bad; where all rates are, the lowest rate is taken.
    """
    if len(settings.learning_rates) == 1:
        return dict.fromkeys(settings.activations, settings.learning_rates[0])
    losses: dict[tuple[str, float], list[float]] = {}
    for run in runs:
        if run.phase == "tune" and run.seed < settings.tune_seeds:
            # a diverged run may have had a good epoch before, but nobody wants its rate
            loss = math.inf if run.diverged else run.validation_loss
            losses.setdefault((run.activation, run.learning_rate), []).append(loss)
    return {
        activation: min(
            settings.learning_rates, key=lambda rate: float(np.mean(losses[activation, rate]))
        )
        for activation in settings.activations
    }


def tasks_needed(settings: Settings, lanes: int) -> int:
    """Tasks of both phases together."""
    rates = len(settings.learning_rates)
    tune = math.ceil(rates * settings.tune_seeds / lanes) if rates > 1 else 0
    return len(settings.activations) * (tune + math.ceil(settings.seeds / lanes))


def fit_budget(
    settings: Settings,
    journal: Journal,
    cost: Callable[[], tuple[float, int]],
    listener: Listener,
) -> Settings:
    """Says how long the study will take, and with a budget makes it fit.

    Fewer tuning seeds go first, then rates (the middle ones stay), then seeds. What was decided
    is journaled, so that the same command after an interruption decides the same.
    """
    began = time.perf_counter()
    asked = repr(replace(settings, engine=""))
    decided: dict[str, Any] | None = journal.recall("decided")
    if decided is not None and decided["asked"] == asked:
        return _cut_to(settings, decided)
    lanes = choose_lanes([len(settings.learning_rates) * settings.tune_seeds, settings.seeds])
    group, devices = cost()

    def seconds(candidate: Settings) -> float:
        return group * math.ceil(tasks_needed(candidate, lanes) / devices)

    chosen = settings
    if settings.budget is not None:
        left = settings.budget - (time.perf_counter() - began)
        plans = [_cut(settings, *shares) for shares in _CUTS]
        chosen = next((plan for plan in plans if seconds(plan) <= left), plans[-1])
    rates = len(chosen.learning_rates)
    searched = f"{rates} learning rates x {chosen.tune_seeds} seeds, then " if rates > 1 else ""
    listener.say(
        f"{len(chosen.activations)} activations x ({searched}{chosen.seeds} seeds), "
        f"at most {_clock(seconds(chosen))}"
    )
    if chosen != settings:
        listener.say(
            f"to fit {_clock(settings.budget or 0)}: {chosen.seeds} of {settings.seeds} seeds, "
            f"{rates} of {len(settings.learning_rates)} learning rates, "
            f"{chosen.tune_seeds} of {settings.tune_seeds} tuning seeds"
        )
    if settings.budget is not None and seconds(chosen) > settings.budget:
        listener.say("even the smallest study may take longer than the budget")
    journal.remember(
        decided={
            "asked": asked,
            "seeds": chosen.seeds,
            "tune_seeds": chosen.tune_seeds,
            "learning_rates": chosen.learning_rates,
        }
    )
    return chosen


def _cut(settings: Settings, seeds: float, tune_seeds: float, rates: float) -> Settings:
    kept = max(1, round(len(settings.learning_rates) * rates))
    middle = np.linspace(0, len(settings.learning_rates) - 1, kept + 2)[1:-1].round().astype(int)
    chosen = tuple(settings.learning_rates[i] for i in dict.fromkeys(middle))
    return replace(
        settings,
        seeds=min(settings.seeds, max(2, round(settings.seeds * seeds))),
        tune_seeds=max(1, round(settings.tune_seeds * tune_seeds)),
        learning_rates=settings.learning_rates if rates == 1 else chosen,
    )


def _cut_to(settings: Settings, decided: dict[str, Any]) -> Settings:
    return replace(
        settings,
        seeds=decided["seeds"],
        tune_seeds=decided["tune_seeds"],
        learning_rates=tuple(decided["learning_rates"]),
    )


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
