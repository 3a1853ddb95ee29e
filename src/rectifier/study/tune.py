"""From the tuning runs to one learning rate per activation; and making a study fit its budget."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rectifier.study.journal import Journal, Run
from rectifier.study.settings import FOLDS, Settings

if TYPE_CHECKING:
    from rectifier.study import Listener
    from rectifier.study.train.engine import Speed


class Team(Protocol):
    """Who trains: what :func:`fit_budget` needs to know of it."""

    lanes: int

    def speed(self) -> Speed: ...


# What a budget may cost, mildest first: shares of seeds, tuning seeds, rates and epochs.
_CUTS = (
    (1.0, 1.0, 1.0, 1.0),
    (1.0, 0.67, 1.0, 1.0),
    (1.0, 0.67, 0.6, 1.0),
    (1.0, 0.34, 0.6, 1.0),
    (0.5, 0.34, 0.6, 1.0),
    (0.5, 0.34, 0.6, 0.5),
    (0.5, 0.34, 0.2, 0.5),
    (0.5, 0.34, 0.2, 0.2),
)
_FEWEST_ROWS = 2000  # below this a table is never sampled


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
    rows: int,
    journal: Journal,
    team: Team,
    listener: Listener,
    began: float,
) -> tuple[Settings, int]:
    """Says how long the study will take, and with a budget makes it fit.

    Fewer tuning seeds go first, then rates (the middle ones stay), seeds, epochs, and last the
    rows of a large table. What was decided is journaled, so that the same command after an
    interruption decides the same.

    Args:
        rows: of the table.
        team: has ``lanes`` and, once compiled, ``speed()``.
        began: ``time.perf_counter()`` when the study started.

    Returns:
        settings, and how many rows to study.
    """
    asked = repr(replace(settings, engine="", address=None))
    decided: dict[str, Any] | None = journal.recall("decided")
    if decided is not None and decided["asked"] == asked:
        return _decided(settings, decided), decided["rows"]
    before = time.perf_counter()
    speed = team.speed()
    compiling = time.perf_counter() - before

    def seconds(plan: Settings) -> float:
        groups = math.ceil(tasks_needed(plan, team.lanes) / speed.devices)
        return groups * (speed.overhead + plan.epochs * speed.epoch)

    chosen, kept = settings, rows
    if settings.budget is not None:
        left = settings.budget - (time.perf_counter() - began)
        plans = [_cut(settings, *shares) for shares in _CUTS]
        chosen = next((plan for plan in plans if seconds(plan) <= left), plans[-1])
        share = (left - compiling) / seconds(chosen)  # another table is another program
        if seconds(chosen) > left and rows > _FEWEST_ROWS:
            kept = max(_FEWEST_ROWS, math.floor(rows * min(1.0, max(share, 0.0))))
    _announce(settings, chosen, rows, kept, seconds(chosen) * kept / rows, listener)
    journal.remember(
        decided={
            "asked": asked,
            "seeds": chosen.seeds,
            "tune_seeds": chosen.tune_seeds,
            "learning_rates": chosen.learning_rates,
            "epochs": chosen.epochs,
            "rows": kept,
        }
    )
    return chosen, kept


def _announce(
    asked: Settings, chosen: Settings, rows: int, kept: int, seconds: float, listener: Listener
) -> None:
    rates = len(chosen.learning_rates)
    searched = f"{rates} learning rates x {chosen.tune_seeds} seeds, then " if rates > 1 else ""
    listener.say(
        f"{len(chosen.activations)} activations x ({searched}{chosen.seeds} seeds), "
        f"about {_clock(seconds)} if no run stops early"
    )
    if asked.budget is None or (chosen == asked and kept == rows):
        return
    cuts = [
        f"{mine:,} of {whole:,} {what}"
        for mine, whole, what in (
            (chosen.seeds, asked.seeds, "seeds"),
            (rates, len(asked.learning_rates), "learning rates"),
            (chosen.tune_seeds, asked.tune_seeds, "tuning seeds"),
            (chosen.epochs, asked.epochs, "epochs"),
            (kept, rows, "rows"),
        )
        if mine != whole
    ]
    listener.say(f"to fit {_clock(asked.budget)}: {', '.join(cuts)}")
    if chosen.seeds < asked.seeds:
        listener.say("with so few seeds next to nothing can be proven; give it more time for that")
    if seconds > asked.budget:
        listener.say("even so the study may take longer than the budget; try fewer --activations")


def _cut(
    settings: Settings, seeds: float, tune_seeds: float, rates: float, epochs: float
) -> Settings:
    kept = max(1, round(len(settings.learning_rates) * rates))
    middle = np.linspace(0, len(settings.learning_rates) - 1, kept + 2)[1:-1].round().astype(int)
    chosen = tuple(settings.learning_rates[i] for i in dict.fromkeys(middle))
    return replace(
        settings,
        seeds=min(settings.seeds, max(FOLDS, round(settings.seeds * seeds))),
        tune_seeds=max(1, round(settings.tune_seeds * tune_seeds)),
        learning_rates=settings.learning_rates if rates == 1 else chosen,
        epochs=min(settings.epochs, max(10, round(settings.epochs * epochs))),
    )


def _decided(settings: Settings, decided: dict[str, Any]) -> Settings:
    return replace(
        settings,
        seeds=decided["seeds"],
        tune_seeds=decided["tune_seeds"],
        learning_rates=tuple(decided["learning_rates"]),
        epochs=decided["epochs"],
    )


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
