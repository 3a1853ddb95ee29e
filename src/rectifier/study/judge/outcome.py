"""From the journal's runs to the outcome: arranges scores, asks statistics and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from rectifier import catalog
from rectifier.study.inspect import Inspection
from rectifier.study.journal import Run
from rectifier.study.judge.metrics import Metric
from rectifier.study.judge.statistics import Scores
from rectifier.study.judge.variation import variation
from rectifier.study.judge.verdict import RunSummary, decide
from rectifier.study.load import Table
from rectifier.study.settings import FOLDS, Settings

if TYPE_CHECKING:
    from rectifier.study import Outcome

# Cheapest and plainest first, by nanoseconds an element and by how many people know it; what is
# not here comes after, in alphabetical order.
_PLAINNESS = (
    ("identity", "relu", "leaky_relu", "relu6", "hard_tanh", "hard_sigmoid", "hard_swish")
    + ("tanh", "elu", "sigmoid", "silu", "gelu", "softplus", "selu", "celu")
    + ("softsign", "gelu_tanh", "squareplus", "mish", "log_sigmoid", "sine", "exponential")
)


def judge(
    table: Table,
    settings: Settings,
    metric: Metric,
    inspection: Inspection,
    runs: Sequence[Run],
    rates: Mapping[str, float],
    tested: Sequence[np.ndarray],
    facts: Mapping[str, Any],
    confidence: float = 0.95,
) -> Outcome:
    """The outcome of finished runs.

    Args:
        runs: every run of the plan, both phases.
        rates: chosen learning rate of each activation.
        tested: test rows of each confirming seed.
        confidence: of the intervals; 1 less that is the level at which something is proven.
        facts: what else belongs to the settings: the command, the network's inputs.
    """
    from rectifier.study import Outcome

    confirmed = {(r.activation, r.seed): r for r in runs if r.phase == "confirm"}
    names = list(settings.activations)
    contributions = [
        np.stack([confirmed[name, seed].contributions for name in names])
        for seed in range(settings.seeds)
    ]
    verdict = decide(
        Scores.build(names, tested, contributions, table.rows, metric.sign),
        baseline=settings.baseline,
        metric=metric,
        learning_rates=rates,
        runs={name: summary([r for (a, _), r in confirmed.items() if a == name]) for name in names},
        warnings=[
            *(asdict(f) for f in inspection.findings if f.severity == "warning"),
            *edge_warnings(rates, settings),
        ],
        data=_data(table),
        settings=_settings(table, settings, runs, facts),
        cost={name: plainness(name) for name in names},
        method=settings.interval,
        confidence=confidence,
        linear=":" not in settings.network,  # of another's network nothing is known
    )
    return Outcome(
        verdict, list(runs), inspection.to_dict(), variation_shares(runs, settings, metric)
    )


def summary(runs: Sequence[Run]) -> RunSummary:
    """What an activation's confirming runs did, on average."""
    return RunSummary(
        runs=len(runs),
        diverged=sum(run.diverged for run in runs),
        dead_fraction=float(np.mean([run.dead_fraction for run in runs])),
        epochs_to_best=float(np.mean([run.epochs_to_best for run in runs])),
        seconds=float(np.mean([run.seconds for run in runs])),
    )


def edge_warnings(rates: Mapping[str, float], settings: Settings) -> list[dict[str, Any]]:
    """Says so when many activations would have liked a rate beyond the ones searched."""
    searched = settings.learning_rates
    found = []
    for edge, beyond in ((min(searched), 1 / 3), (max(searched), 3)):
        count = sum(rate == edge for rate in rates.values())
        if len(searched) > 1 and 2 * count > len(rates):
            wider = ",".join(f"{rate:g}" for rate in sorted({*searched, round(edge * beyond, 6)}))
            found.append(
                {
                    "kind": "learning rate at the edge",
                    "column": None,
                    "message": f"{count} of {len(rates)} activations did best with {edge:g}, the "
                    f"last rate searched; to search further: --learning-rates {wider}",
                }
            )
    return found


def plainness(name: str) -> float:
    """The smaller, the cheaper and better known."""
    plain = catalog.get(name).name
    return _PLAINNESS.index(plain) if plain in _PLAINNESS else len(_PLAINNESS)


def _data(table: Table) -> dict[str, Any]:
    return {
        "source": table.source,
        "name": table.name,
        "target": table.target,
        "task": table.task,
        "rows": table.rows,
        "columns": len(table.columns),
        "classes": list(table.classes),
        "fingerprint": table.fingerprint,
    }


def _settings(
    table: Table, settings: Settings, runs: Sequence[Run], facts: Mapping[str, Any]
) -> dict[str, Any]:
    import rectifier
    from rectifier.study.train.network import DEAD_EPSILON

    return {
        **facts,
        **asdict(settings),
        **({"hidden": []} if ":" in settings.network else {}),
        "outputs": max(1, len(table.classes)),
        "optimizer": "adam",
        "folds": FOLDS,
        "dead_epsilon": DEAD_EPSILON,
        "seconds": float(sum(run.seconds for run in runs)),
        "version": rectifier.__version__,
        "versions": {name: version(name) for name in ("jax", "optax", "numpy", "scikit-learn")},
    }


def variation_shares(runs: Sequence[Run], settings: Settings, metric: Metric) -> dict[str, float]:
    """Shares by source, under the names that a report prints; empty without a search."""
    found = {(r.activation, r.learning_rate, r.seed): r.score for r in runs if r.phase == "tune"}
    if not found:
        return {}
    tune = np.array(
        [
            [[found[a, r, s] for s in range(settings.tune_seeds)] for r in settings.learning_rates]
            for a in settings.activations
        ]
    )
    shares = variation(metric.sign * tune)
    return {
        "activation": shares.activation,
        "learning rate": shares.learning_rate,
        "activation x learning rate": shares.interaction,
        "rows": shares.rows,
        "initial weights and order": shares.weights,
    }
