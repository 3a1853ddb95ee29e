"""The verdict: its fields, its three strengths, and what it says in the awkward cases."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectifier.study.judge.metrics import METRICS, get_metric
from rectifier.study.judge.statistics import METHODS, Scores, seeds_needed
from rectifier.study.judge.verdict import decide

FIELDS = [
    "recommended",
    "strength",
    "reason",
    "tied",
    "baseline",
    "metric",
    "table",
    "warnings",
    "data",
    "settings",
]
COLUMNS = [
    "activation",
    "learning_rate",
    "runs",
    "diverged",
    "mean",
    "ci_low",
    "ci_high",
    "difference",
    "difference_low",
    "difference_high",
    "expected_gain",
    "probability_better",
    "p_holm",
    "dead_fraction",
    "epochs_to_best",
    "seconds",
]
COST = {"identity": 0.0, "relu": 1.0, "leaky_relu": 2.0, "elu": 3.0, "tanh": 4.0, "mish": 5.0}


def study(accuracy, *, rows=1000, seeds=10, seed=0, odd=0.1, run=0.02):
    """Hits of activations with about these accuracies (name -> share), easy rows shared."""
    rng = np.random.default_rng(seed)
    level = np.array([[-np.inf if a == 0 else np.quantile(NORMAL, a)] for a in accuracy.values()])
    margin = rng.normal(size=rows) + rng.normal(scale=odd, size=(len(accuracy), rows)) + level
    tested, parts = [], []
    for k in range(seeds):
        if k % 5 == 0:
            folds = np.array_split(rng.permutation(rows), 5)
        luck = rng.normal(scale=run, size=(len(accuracy), 1))
        noise = rng.normal(scale=odd, size=(len(accuracy), len(folds[k % 5])))
        tested.append(folds[k % 5])
        parts.append((margin[:, folds[k % 5]] + luck + noise > 0).astype(float))
    return Scores.build(list(accuracy), tested, parts, rows)


NORMAL = np.random.default_rng(1).normal(size=100_000)


def summaries(names, **diverged):
    return {
        name: {
            "runs": 10,
            "diverged": diverged.get(name, 0),
            "dead_fraction": 0.1,
            "epochs_to_best": 20.5,
            "seconds": 1.5,
        }
        for name in names
    }


def ask(scores, baseline="relu", metric="accuracy", diverged=None, **others):
    verdict = decide(
        scores,
        baseline=baseline,
        metric=METRICS[metric],
        learning_rates=dict.fromkeys(scores.activations, 0.01),
        runs=summaries(scores.activations, **(diverged or {})),
        cost=COST,
        **others,
    )
    check(verdict)
    return verdict


def check(verdict):
    """What holds of every verdict."""
    assert list(verdict) == FIELDS
    assert json.loads(json.dumps(verdict, allow_nan=False)) == verdict
    assert all(list(row) == COLUMNS for row in verdict["table"])
    names = [row["activation"] for row in verdict["table"]]
    assert verdict["recommended"] in names
    assert set(verdict["tied"]) <= set(names) - {verdict["recommended"]}
    assert verdict["strength"] in ("proven", "likely", "no matter")
    assert "\n" not in verdict["reason"]
    assert not re.search(r"\bnan\b|\binf\b|None", verdict["reason"])
    means = [row["mean"] for row in verdict["table"]]
    assert np.allclose(means, sorted(means)) or np.allclose(means, sorted(means, reverse=True))


def line(verdict, name):
    return next(row for row in verdict["table"] if row["activation"] == name)


def test_proven_better():
    verdict = ask(study({"relu": 0.90, "elu": 0.96, "tanh": 0.90, "mish": 0.89}))
    assert (verdict["recommended"], verdict["strength"]) == ("elu", "proven")
    row = line(verdict, "elu")
    assert re.fullmatch(
        r"use elu: \+\d\.\d points over relu \[\d\.\d, \d\.\d\], 9\d\.\d % against \d\d\.\d %",
        verdict["reason"],
    )
    assert f"+{100 * row['difference']:.1f} points" in verdict["reason"]
    assert row["p_holm"] < 0.05
    assert row["difference_low"] > 0
    assert 0 < row["expected_gain"] < row["difference"]
    assert verdict["tied"] == []
    assert line(verdict, "relu")["p_holm"] is None
    assert line(verdict, "relu")["difference_high"] == 0.0


def test_the_plainest_of_equals_is_recommended():
    scores = study({"relu": 0.85, "mish": 0.951, "elu": 0.95, "leaky_relu": 0.95, "tanh": 0.85})
    verdict = ask(scores)
    assert (verdict["recommended"], verdict["strength"]) == ("leaky_relu", "proven")
    assert sorted(verdict["tied"]) == ["elu", "mish"]
    assert "cannot be told from it" in verdict["reason"]


def test_likely():
    for seed in range(20):
        verdict = ask(study({"relu": 0.90, "elu": 0.917, "tanh": 0.89}, rows=500, seed=seed))
        if verdict["strength"] == "likely":
            break
    row = line(verdict, "elu")
    assert verdict["recommended"] == "elu"
    assert row["probability_better"] >= 0.8
    assert row["expected_gain"] > 0.005
    assert "relu" in verdict["tied"]
    assert re.match(
        r"best bet: elu, [89]\d % likely to beat relu here, by about \d\.\d points; not proven; ",
        verdict["reason"],
    )
    assert "more seeds would" in verdict["reason"]


def test_seeds_needed_go_by_the_interval_that_the_verdict_goes_by():
    """Runs that differ much: what all of them share is in one error and not in the other."""
    told = {}
    for method in METHODS[:2]:
        for seed in range(8):
            level = {"relu": 0.90, "elu": 0.915, "tanh": 0.88, "mish": 0.905}
            scores = study(level, rows=3000, run=0.05, seeds=5, seed=seed)
            verdict = ask(scores, method=method)
            if verdict["strength"] == "likely":
                gain, facts = line(verdict, "elu")["expected_gain"], verdict["settings"]
                others = [
                    seeds_needed(scores, "elu", "relu", gain, 3, method=m) for m in METHODS[:2]
                ]
                if others[0] != others[1]:
                    told[method] = facts["statistics"]["seeds_needed"], others
                    break
    assert told["crossed-corrected"][0] == told["crossed-corrected"][1][0]
    assert told["crossed"][0] == told["crossed"][1][1]


def test_no_difference_seen_is_not_called_equality():
    verdict = ask(study({"relu": 0.9, "elu": 0.9, "tanh": 0.9, "mish": 0.9}, rows=150))
    assert (verdict["recommended"], verdict["strength"]) == ("relu", "no matter")
    assert sorted(verdict["tied"]) == ["elu", "mish", "tanh"]
    seen = verdict["settings"]["statistics"]["detectable_difference"]
    assert seen > 0.02
    assert verdict["reason"].endswith(f"this study could have seen {100 * seen:.1f} points")
    assert "large enough" not in verdict["reason"]


def test_equality_is_claimed_when_shown():
    level = {"relu": 0.97, "elu": 0.965, "tanh": 0.96}
    verdict = ask(study(level, rows=60_000, odd=0.02, run=0.0))
    assert (verdict["recommended"], verdict["strength"]) == ("relu", "no matter")
    assert "nothing beats its 96.9 % by more than 0.5 points" in verdict["reason"]
    assert "large enough" in verdict["reason"]


def test_baseline_proven_best():
    verdict = ask(study({"relu": 0.97, "elu": 0.90, "tanh": 0.85}))
    assert (verdict["recommended"], verdict["strength"]) == ("relu", "proven")
    assert re.match(
        r"keep relu: it beats each of the 2 others, the nearest, elu, by \d", verdict["reason"]
    )
    assert verdict["tied"] == []
    single = ask(study({"relu": 0.97, "elu": 0.90}))
    assert re.match(r"keep relu: it beats elu by \d\.\d points \[\d", single["reason"])


def test_a_linear_model_is_enough():
    verdict = ask(study({"relu": 0.95, "identity": 0.95, "tanh": 0.95}, rows=300))
    assert verdict["recommended"] == "relu"
    assert verdict["reason"].endswith("identity does as well, so a linear model is probably enough")
    better = ask(study({"relu": 0.85, "identity": 0.95, "elu": 0.95}))
    assert (better["recommended"], better["strength"]) == ("identity", "proven")
    assert better["reason"].endswith("a linear model is enough")
    worse = ask(study({"relu": 0.95, "identity": 0.85, "elu": 0.95}))
    assert "linear" not in worse["reason"]


def test_exact_ties():
    scores = study({"relu": 1.0, "elu": 1.0, "identity": 1.0}, rows=178)
    assert scores.scores.min() == 1.0
    verdict = ask(scores)
    assert (verdict["recommended"], verdict["strength"]) == ("relu", "no matter")
    assert verdict["reason"].startswith("keep relu: all 3 score 100.0 %")
    assert verdict["tied"] == ["identity", "elu"]
    assert line(verdict, "elu")["ci_high"] == 1.0
    # 178 rows on which none differed do not show that fewer than one in 200 ever will.
    assert line(verdict, "elu")["difference_high"] > 0.005


def test_only_the_baseline_and_one_seed():
    alone = ask(study({"relu": 0.9}))
    assert (alone["recommended"], alone["strength"]) == ("relu", "no matter")
    assert "nothing to compare it with" in alone["reason"]
    one = ask(study({"relu": 0.5, "elu": 0.99}, seeds=1))
    assert (one["recommended"], one["strength"]) == ("relu", "no matter")
    assert one["reason"].startswith("keep relu: one seed cannot tell")
    row = line(one, "elu")
    assert row["difference"] > 0.3
    assert row["ci_low"] is row["difference_high"] is row["expected_gain"] is None


def test_divergence():
    level = {"relu": 0.95, "elu": 0.6, "tanh": 0.95}
    verdict = ask(study(level), diverged={"elu": 10, "tanh": 2})
    assert verdict["recommended"] == "relu"
    assert verdict["tied"] == ["tanh"]
    assert [item["message"] for item in verdict["warnings"]] == [
        "10 of 10 runs of elu diverged",
        "2 of 10 runs of tanh diverged",
    ]
    every = ask(study(level), diverged=dict.fromkeys(level, 10))
    assert every["strength"] == "no matter"
    assert every["reason"].startswith("every run of all 3 activations diverged")
    others = ask(study(level), diverged={"elu": 10, "tanh": 10})
    assert "every run of every other activation diverged" in others["reason"]
    same = ask(study(dict.fromkeys(level, 0.6)), diverged={"relu": 10})
    assert (same["recommended"], same["strength"]) == ("elu", "no matter")
    assert "every run of the baseline relu diverged" in same["reason"]


def test_an_activation_that_never_trained_is_not_recommended():
    verdict = ask(study({"relu": 0.5, "elu": 0.8, "tanh": 0.9}), diverged={"tanh": 10})
    assert verdict["recommended"] == "elu"


def test_losses_keep_their_orientation():
    rng = np.random.default_rng(3)
    rows = [np.arange(k, 400, 5) for k in range(5)] * 2
    loss = rng.gamma(2.0, 0.5, size=400)
    parts = [np.stack([loss[r], 0.8 * loss[r]]) + rng.normal(0, 0.02, (2, 80)) for r in rows]
    verdict = ask(Scores.build(["relu", "elu"], rows, parts, 400, sign=-1.0), metric="log_loss")
    row = line(verdict, "elu")
    assert verdict["recommended"] == "elu"
    assert row["mean"] == pytest.approx(0.8, abs=0.1)
    assert 0 <= row["ci_low"] < row["mean"] < row["ci_high"]
    assert row["difference"] == pytest.approx(0.2, abs=0.05)
    assert verdict["table"][0] == row
    assert re.match(r"use elu: \+0\.\d+ nats over relu \[0\.", verdict["reason"])
    assert verdict["settings"]["statistics"]["equivalence_margin"] == pytest.approx(0.01, abs=0.002)


def test_what_is_given_is_passed_through():
    warning = {"kind": "duplicates", "column": None, "message": "12 rows", "remedy": "none"}
    verdict = ask(
        study({"relu": 0.9, "elu": 0.9}),
        warnings=[warning],
        data={"rows": np.int64(3), "share": np.float32("nan")},
        settings={"seeds": 10, "hidden": (8, 8)},
        method="nadeau-bengio",
    )
    assert verdict["warnings"] == [{"kind": "duplicates", "column": None, "message": "12 rows"}]
    assert verdict["data"] == {"rows": 3, "share": None}
    assert verdict["settings"]["hidden"] == [8, 8]
    assert verdict["settings"]["statistics"]["interval"] == "nadeau-bengio"
    with pytest.raises(ValueError, match="baseline"):
        ask(study({"elu": 0.9}))


def test_a_family_without_differences_proves_nothing():
    """60 studies of a baseline and 12 equals: few proofs (5 % allowed), few bets."""
    names = ["relu", *(f"f{i}" for i in range(12))]
    strengths = [
        ask(study(dict.fromkeys(names, 0.9), rows=150, seed=seed, run=0.1))["strength"]
        for seed in range(60)
    ]
    assert strengths.count("proven") <= 6  # 3 expected at most; 7 or more has chance 0.03
    assert strengths.count("likely") <= 12


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.sampled_from([0.0, 0.5, 0.9, 0.95, 1.0]), min_size=1, max_size=6),
    st.sampled_from([1, 2, 3, 5, 7, 10]),
    st.lists(st.integers(0, 10), min_size=6, max_size=6),
    st.sampled_from(["accuracy", "roc_auc", "r2"]),
)
def test_any_study_gives_a_verdict_that_order_does_not_change(seed, level, seeds, failed, metric):
    names = list(COST)[: len(level)]
    baseline = names[seed % len(names)]
    scores = study(dict(zip(names, level, strict=True)), rows=40, seeds=seeds, seed=seed)
    diverged = dict(zip(names, failed, strict=False))
    verdict = ask(scores, baseline, metric, diverged)
    rng = np.random.default_rng(seed)
    order, runs = rng.permutation(len(names)), rng.permutation(seeds)
    shuffled = Scores.build(
        [names[i] for i in order],
        [scores.rows[k] for k in runs],
        [scores.contributions[k][order] for k in runs],
        40,
    )
    again = ask(shuffled, baseline, metric, diverged)
    for field in ("recommended", "strength", "reason", "tied"):
        assert again[field] == verdict[field]
    for row, other in zip(verdict["table"], again["table"], strict=True):
        assert other["activation"] == row["activation"]
        for column in COLUMNS[4:13]:  # the numbers that are computed
            if row[column] is None:
                assert other[column] is None
            else:
                assert math.isclose(row[column], other[column], abs_tol=1e-9)


def test_one_exploded_activation_does_not_level_the_others():
    rng = np.random.default_rng(0)
    names, rows = (
        ["relu", "elu", "tanh", "exponential"],
        [np.arange(k % 5, 100, 5) for k in range(10)],
    )
    level = np.array([0.40, 0.55, 0.45, -2e10])
    parts = [level[:, None] + 0.05 * rng.standard_normal((4, len(r))) for r in rows]
    scores = Scores.build(names, rows, parts, 100)
    verdict = decide(
        scores, baseline="relu", metric=get_metric("r2", "regression"), learning_rates={}, runs={}
    )
    assert [row["activation"] for row in verdict["table"]] == ["elu", "tanh", "relu", "exponential"]
    assert verdict["recommended"] == "elu"
    gains = {row["activation"]: row["expected_gain"] for row in verdict["table"]}
    assert gains["elu"] > 0.1 > gains["tanh"] > 0.01


def test_an_activation_that_explodes_now_and_then_does_not_drown_the_others():
    rng = np.random.default_rng(3)
    names = ["relu", *(f"a{i}" for i in range(10)), "exponential"]
    rows = [np.arange(k % 5, 200, 5) for k in range(5)]
    level = np.array([0.40, *np.linspace(0.38, 0.46, 10), 0.35])
    parts = [level[:, None] + 0.02 * rng.standard_normal((12, len(r))) for r in rows]
    for seed in (1, 3):
        parts[seed][-1] -= 60 + 20 * rng.random(len(rows[seed]))
    options = {"baseline": "relu", "metric": get_metric("r2", "regression")}
    options |= {"learning_rates": {}, "runs": {}}
    with_it = decide(Scores.build(names, rows, parts, 200), **options)
    without = decide(Scores.build(names[:-1], rows, [p[:-1] for p in parts], 200), **options)
    for row in without["table"]:
        (same,) = [other for other in with_it["table"] if other["activation"] == row["activation"]]
        assert same["expected_gain"] == pytest.approx(row["expected_gain"], abs=1e-9)
        assert same["probability_better"] == pytest.approx(row["probability_better"], abs=1e-9)
    assert with_it["table"][-1]["activation"] == "exponential"
    assert with_it["table"][-1]["probability_better"] < 0.2
