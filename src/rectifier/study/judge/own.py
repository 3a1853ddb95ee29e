"""The outcome of a study of somebody's own training code: scores by seed, no rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from rectifier.study.journal import Run
from rectifier.study.judge.metrics import OWN, Metric
from rectifier.study.judge.outcome import edge_warnings, plainness, summary, variation_shares
from rectifier.study.judge.statistics import Scores
from rectifier.study.judge.verdict import decide
from rectifier.study.settings import Settings

if TYPE_CHECKING:
    from rectifier.study import Outcome

_CLAIMS = {
    "t": "intervals are paired t intervals over the seeds: they count the chance in what a seed "
    "decides (initial weights, order of batches, and the split if it is drawn from the seed), "
    "and not the chance in which rows were there to be tested",
    "nadeau-bengio": "intervals are Nadeau and Bengio's for seeds that are the folds of a "
    "repeated 5-fold cross-validation",
}


def judge_own(
    settings: Settings,
    metric: Metric,
    runs: Sequence[Run],
    rates: Mapping[str, float],
    about: Mapping[str, Any],
    confidence: float = 0.95,
) -> Outcome:
    """The outcome of finished runs; a score that is not finite counts as the worst finite one.

    Args:
        runs: every run of the plan, both phases.
        rates: chosen learning rate of each activation.
        about: name and fingerprint of the training code, and the command.
    """
    from rectifier.study import Outcome

    confirmed = {(r.activation, r.seed): r for r in runs if r.phase == "confirm"}
    names, seeds = list(settings.activations), range(settings.seeds)
    scores = np.array([[confirmed[name, seed].score for seed in seeds] for name in names])
    # One number a seed and no rows: the "crossed" interval of such scores is the paired t as well.
    # Whether a seed decides a split is not known: nothing is corrected for shared rows unasked.
    method = "nadeau-bengio" if settings.interval == "nadeau-bengio" else "t"
    verdict = decide(
        Scores.build(
            names,
            [np.array([seed]) for seed in seeds],
            list(_finite(scores, metric).T[:, :, None]),
            settings.seeds,
            metric.sign,
        ),
        baseline=settings.baseline,
        metric=metric,
        learning_rates=rates,
        runs={n: summary([r for (a, _), r in confirmed.items() if a == n]) for n in names},
        warnings=edge_warnings(rates, settings),
        data=_data(about, metric, method),
        settings=_settings(settings, method, runs, about),
        cost={name: plainness(name) for name in names},
        method=method,
        confidence=confidence,
        linear=False,
    )
    return Outcome(verdict, list(runs), {}, variation_shares(runs, settings, metric))


def _finite(scores: np.ndarray, metric: Metric) -> np.ndarray:
    seen = metric.sign * scores[np.isfinite(scores)]
    worst = metric.sign * float(seen.min()) if seen.size else 0.0
    return np.where(np.isfinite(scores), scores, worst)


def _data(about: Mapping[str, Any], metric: Metric, method: str) -> dict[str, Any]:
    return {
        "source": about["name"],
        "name": about["name"],
        "target": metric.name,
        "task": OWN,
        "rows": None,
        "columns": None,
        "classes": [],
        "fingerprint": about["fingerprint"],
        "claim": _CLAIMS[method],
    }


def _settings(
    settings: Settings, method: str, runs: Sequence[Run], about: Mapping[str, Any]
) -> dict[str, Any]:
    import rectifier

    asked = "activations baseline metric learning_rates seeds tune_seeds budget engine seed"
    kept = {
        name: value
        for name, value in asdict(settings).items()
        if name in (*asked.split(), "until_settled")
    }
    return {
        **kept,
        "command": about["command"],
        "network": "training code",
        "interval": method,
        "seconds": float(sum(run.seconds for run in runs)),
        "version": rectifier.__version__,
        "versions": {"numpy": version("numpy")},
    }
