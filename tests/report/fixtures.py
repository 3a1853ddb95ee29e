"""Made-up studies, seeded, in the plain form in which the report room is given them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rectifier.study.journal import Run
from rectifier.study.settings import CANDIDATES

# What somebody may call a column: it must come out as text, and as nothing else.
HOSTILE = (
    "</script><script>alert(1)</script>",
    '<img src=x onerror="alert(2)">',
    '" onmouseover="alert(3)" x=\'',
    "two\nlines\tand a tab\r",
    "\u202egnp.exe\u2066\u200f",
    "[bold red]markup[/bold red] {{ 7 * 7 }} {% raw %} ${x}",
    "\x1b[31mred\x1b[0m\x07\x00",
    "<svg/onload=alert(4)>--><!--",
    "w" * 400,
    "עמודה بيانات 数据 भाषा",
    "\ud800 lone surrogate",
    "javascript:alert(5)",
)
TUNE_RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


@dataclass
class Study:
    verdict: dict[str, Any]
    runs: list[Run]
    inspection: dict[str, Any]
    variation: dict[str, float]


def make_study(
    *,
    activations: Sequence[str] | None = None,
    seeds: int = 10,
    epochs: int = 100,
    columns: int = 13,
    metric: str = "accuracy",
    strength: str = "likely",
    hostile: bool = False,
    seed: int = 0,
) -> Study:
    """A study of about the shape that the defaults give: 22 activations, 550 runs."""
    rng = np.random.default_rng(seed)
    names = list(activations or CANDIDATES)
    regression = metric in ("r2", "rmse", "mae")
    runs, table = [], []
    scale = 250.0 if metric in ("rmse", "mae") else 1.0
    sign = -1.0 if metric in ("rmse", "mae", "log_loss") else 1.0
    base_level = {"log_loss": 0.31, "r2": 0.62, "rmse": 250.0, "mae": 250.0}.get(metric, 0.952)
    gains = {name: rng.normal(0.004, 0.008) for name in names}
    gains.update({"relu": 0.0, "exponential": -0.31, "identity": -0.035})
    for name in names:
        rate = TUNE_RATES[int(rng.integers(1, 4))]
        dead = {"relu": 0.18, "relu6": 0.21, "hard_tanh": 0.06, "hard_sigmoid": 0.1}.get(name, 0.0)
        blown = name == "exponential"
        for phase, rates, count in (("tune", TUNE_RATES, 3), ("confirm", (rate,), seeds)):
            for lr in rates:
                for k in range(count):
                    runs.append(_run(rng, phase, name, lr, k, epochs, dead, blown and k % 2 == 0))
        gain, half = gains[name] * scale, float(rng.uniform(0.012, 0.022)) * scale
        mean = base_level + sign * gain
        table.append(
            {
                "activation": name,
                "learning_rate": rate,
                "runs": seeds,
                "diverged": seeds // 2 if blown else 0,
                "mean": mean,
                "ci_low": mean - 1.3 * half,
                "ci_high": min(mean + 1.3 * half, 1.0) if scale == 1.0 else mean + 1.3 * half,
                "difference": gain,
                "difference_low": 0.0 if name == "relu" else gain - half,
                "difference_high": 0.0 if name == "relu" else gain + half,
                "expected_gain": 0.45 * gain,
                "probability_better": None if name == "relu" else _normal(1.7 * gain / half),
                "p_holm": None if name == "relu" else min(1.0, 40 * _normal(-2 * abs(gain) / half)),
                "dead_fraction": dead,
                "epochs_to_best": float(rng.uniform(20, 60)),
                "seconds": float(rng.uniform(0.01, 0.05)),
            }
        )
    table.sort(key=lambda row: -row["difference"])
    best = table[0]["activation"]
    text = {
        "proven": f"use {best}: +1.5 points over relu [0.6, 5.0], 96.7 % against 95.2 %",
        "likely": f"best bet: {best}, 88 % likely to beat relu here, by about 0.7 points; "
        "not proven; 30 more seeds would settle it",
        "no matter": "keep relu: nothing better was found, the best of them is expected to gain "
        "no more than 0.4 points; this study could have seen 2.1 points; identity does as well, "
        "so a linear model is probably enough",
    }[strength]
    classes = [] if regression else ["class_0", "class_1", "class_2"]
    if hostile and not regression:
        classes = [*HOSTILE[:8], HOSTILE[9]]
    source = HOSTILE[0] if hostile else "wine"
    target = HOSTILE[1] if hostile else "target"
    verdict = {
        "recommended": "relu" if strength == "no matter" else best,
        "strength": strength,
        "reason": text,
        "tied": [row["activation"] for row in table[1:9]],
        "baseline": "relu",
        "metric": metric,
        "table": table,
        "warnings": [
            {
                "kind": "diverged",
                "column": None,
                "message": "exponential diverged in 5 of 10 runs; they count with the score of a "
                "model that has learnt nothing",
            }
        ],
        "data": {
            "source": source,
            "name": source,
            "target": target,
            "task": "regression" if regression else "classification",
            "rows": 178,
            "columns": columns,
            "classes": classes,
            "fingerprint": "9f2c" * 16,
        },
        "settings": {
            "command": f"rectifier compare '{source}' --target '{target}'",
            "network": "mlp",
            "hidden": [64, 64],
            "inputs": columns,
            "outputs": 1 if regression else len(classes),
            "epochs": epochs,
            "batch_size": 32,
            "patience": 20,
            "optimizer": "adam",
            "learning_rates": list(TUNE_RATES),
            "seeds": seeds,
            "tune_seeds": 3,
            "folds": 5,
            "seed": 0,
            "metric": metric,
            "interval": "crossed-corrected",
            "confidence": 0.95,
            "equivalence": 0.005 * scale,
            "budget_seconds": None,
            "version": "0.1.0",
            "detectable_difference": 0.021 * scale,
            "seeds_needed": 30 if strength == "likely" else None,
            "seconds": 42.3,
            "dead_epsilon": 1e-3,
        },
    }
    shares = {
        "activation": 0.09,
        "learning rate": 0.33,
        "activation x learning rate": 0.11,
        "rows": 0.28,
        "initial weights and order": 0.19,
    }
    return Study(verdict, runs, _inspection(rng, verdict, columns, hostile), shares)


def _normal(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


def _run(
    rng: np.random.Generator,
    phase: str,
    name: str,
    rate: float,
    k: int,
    epochs: int,
    dead: float,
    diverged: bool,
) -> Run:
    length = int(rng.integers(min(epochs, 25), epochs + 1))
    t = np.arange(length)
    floor, speed = rng.uniform(0.06, 0.12), rng.uniform(5, 12)
    training = 1.1 * np.exp(-t / speed) + 0.5 * floor
    validation = 1.1 * np.exp(-t / speed) + floor + 0.0006 * t + rng.normal(0, 0.01, length)
    validation = np.maximum(validation, 0.01)
    share = dead * (1 - np.exp(-t / 15)) * rng.uniform(0.8, 1.2)
    if diverged:
        validation[length // 3 :] = np.nan
    curves = np.stack([training, validation, share]).astype(np.float32)
    return Run(
        phase=phase,
        activation=name,
        learning_rate=rate,
        seed=k,
        score=0.9,
        validation_loss=float(np.nanmin(validation)),
        diverged=diverged,
        epochs_to_best=length // 2,
        epochs_run=length,
        dead_fraction=dead,
        sparsity=0.4,
        gradient_ratio=0.8,
        seconds=0.03,
        curves=curves,
        contributions=np.zeros(0, np.float32),
    )


def _inspection(
    rng: np.random.Generator, verdict: dict[str, Any], columns: int, hostile: bool
) -> dict[str, Any]:
    about = verdict["data"]
    usual = ["alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols"]
    names = [*HOSTILE, *usual] if hostile else usual
    names = [*names, *(f"feature_{i:04d}" for i in range(columns))][:columns]
    classes = about["classes"]
    counts = [int(c) for c in rng.integers(20, 80, len(classes))]
    first = names[0]
    findings = [
        {
            "kind": "gives the target away",
            "column": first,
            "message": f"{first!r} alone tells the target: every value goes with one class. If it "
            "is not known before the target is, scores with it are worth nothing.",
            "remedy": f"--drop '{first}'",
            "severity": "warning",
        },
        {
            "kind": "duplicates",
            "column": None,
            "message": "12 of 178 rows (7%) are exact copies of an earlier row, so scores flatter "
            "the model.",
            "remedy": "frame.unique(maintain_order=True) in polars",
            "severity": "warning",
        },
    ]
    findings += [
        {
            "kind": "constant column",
            "column": name,
            "message": f"{name!r} has the same value in every row and can teach nothing.",
            "remedy": f"--drop '{name}'",
            "severity": "note",
        }
        for name in names[1 :: 1 if columns > 100 else 6]
    ]
    return {
        "name": about["name"],
        "source": about["source"],
        "rows": about["rows"],
        "removed_rows": 0,
        "dropped": [],
        "columns": [
            {
                "name": name,
                "kind": "number" if place % 3 else "whole number",
                "missing": float(rng.uniform(0, 0.2)) if place % 4 == 0 else 0.0,
                "distinct": int(rng.integers(2, 178)),
                "example": name[::-1] if hostile else f"{rng.normal(10, 3):.2f}",
            }
            for place, name in enumerate(names)
        ],
        "target": about["target"],
        "task": about["task"],
        "reason": "3 different whole numbers in 178 rows",
        "classes": classes,
        "counts": counts,
        "majority_rate": max(counts) / sum(counts) if counts else None,
        "yardstick": {
            "name": "logistic regression" if classes else "ridge regression",
            "metric": "accuracy" if classes else "r2",
            "mean": 0.972 if classes else 0.481,
            "sd": 0.021,
            "rows": 178,
        },
        "negative_share": [
            {
                "column": name,
                "raw": float(rng.uniform(0, 0.4)) if i % 3 else 0.0,
                "scaled": float(rng.uniform(0.4, 0.6)),
            }
            for i, name in enumerate(names)
        ],
        "pca": [float(v) for v in rng.uniform(0.42, 0.58, min(20, columns))],
        "negative_sentence": "4 of 13 numeric columns hold negative values as they are, and after "
        "scaling or PCA about half of all values are negative, but neither speaks for or against "
        "Leaky ReLU: a hidden unit sees a weighted sum of its inputs plus a bias, which takes both "
        "signs whatever the signs of the inputs.",
        "findings": findings,
        "sampled": "",
    }
