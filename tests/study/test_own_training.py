"""Studies of training code that is not ours: what it is called with, what becomes of its scores."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

import rectifier as rf
from rectifier.choose import reopen
from rectifier.errors import InputError
from rectifier.study.journal import Journal

FEW = {"activations": ("relu", "tanh", "elu"), "learning_rates": (0.01, 0.1), "seeds": 5}
FEW["tune_seeds"] = 2
GAIN = {"relu": 0.0, "tanh": 0.04, "elu": -0.01}
CALLS: list[tuple[str, float, int]] = []


def scored(activation, learning_rate, seed):
    """tanh is better by 4 points, and 0.1 the better rate on validation rows alone."""
    CALLS.append((str(activation), learning_rate, seed))
    noise = np.random.default_rng([seed, sum(activation.name.encode())]).normal(0, 0.004)
    shared = np.random.default_rng(seed).normal(0, 0.1)  # the seed's own luck, which pairs off
    test = 0.5 + GAIN[activation.name] + noise + shared - (learning_rate == 0.1) * 0.2
    return {"validation": 0.5 + (learning_rate == 0.1) * 0.2 + noise, "score": test}


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


def test_the_verdict_is_the_paired_t_over_seeds():
    study = rf.compare(train=scored, metric="score", **FEW)
    assert study.verdict["recommended"] == "tanh"
    assert study.verdict["strength"] == "proven"
    rows = {row["activation"]: row for row in study.verdict["table"]}
    test = {
        name: [r.score for r in study.runs if r.phase == "confirm" and r.activation == name]
        for name in GAIN
    }
    theirs = stats.ttest_rel(test["tanh"], test["relu"])
    interval = theirs.confidence_interval(0.95)
    ours = rows["tanh"]
    assert [ours["difference_low"], ours["difference_high"]] == pytest.approx(list(interval))
    assert ours["difference"] == pytest.approx(np.mean(test["tanh"]) - np.mean(test["relu"]))
    assert "paired t intervals over the seeds" in study.verdict["data"]["claim"]
    assert study.verdict["settings"]["statistics"]["interval"] == "t"


def test_rates_are_chosen_by_validation_and_tuning_seeds_are_never_reported():
    study = rf.compare(train=scored, **FEW)
    assert {row["learning_rate"] for row in study.verdict["table"]} == {0.1}  # worse on test
    tune = {seed for _, rate, seed in CALLS if rate == 0.01}
    confirm = {r.seed for r in study.runs if r.phase == "confirm"}
    assert tune == {10_000, 10_001}
    assert confirm == set(range(5))
    assert all(run.score > 0.4 for run in study.runs if run.phase == "tune")


def test_one_score_cannot_choose_a_rate_but_will_do_where_there_is_one():
    with pytest.raises(InputError, match="give \\(validation_score, test_score\\)"):
        rf.compare(train=lambda activation, rate, seed: 0.5, **FEW)
    one = {**FEW, "learning_rates": (0.01,)}
    study = rf.compare(train=lambda activation, rate, seed: GAIN[activation.name], **one)
    assert study.verdict["recommended"] == "tanh"


def test_it_goes_on_where_it_stopped_and_reopens(tmp_path):
    whole = rf.compare(train=scored, **FEW).verdict["table"]
    finished = len(CALLS)
    CALLS.clear()

    def fragile(activation, learning_rate, seed):
        if len(CALLS) == 7:
            raise RuntimeError("out of memory\nin a kernel")
        return scored(activation, learning_rate, seed)

    fragile.__qualname__ = "scored"
    with pytest.raises(InputError, match="failed: RuntimeError: out of memory") as caught:
        rf.compare(train=fragile, out=tmp_path / "s", **FEW)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert len(Journal(tmp_path / "s").keys()) == 7
    CALLS.append(("", 0.0, 0))  # past the fault
    study = rf.compare(train=fragile, out=tmp_path / "s", **FEW)
    assert len(CALLS) == finished + 1
    left = [{k: v for k, v in row.items() if k != "seconds"} for row in study.verdict["table"]]
    assert left == [{k: v for k, v in row.items() if k != "seconds"} for row in whole]
    assert reopen(tmp_path / "s").verdict == json.loads((tmp_path / "s/verdict.json").read_text())
    page = (tmp_path / "s" / "report.html").read_text()
    assert "Training code that scores for itself" in page
    assert "paired t over seeds" in page


def test_changed_code_does_not_mix_with_old_runs(tmp_path):
    few = {"activations": ("relu",), "learning_rates": (0.1,), "seeds": 2}
    rf.compare(train=lambda a, r, s: 0.5 + s, out=tmp_path / "s", **few)
    with pytest.raises(InputError, match="holds another study"):
        rf.compare(train=lambda a, r, s: 0.75 + s, out=tmp_path / "s", **few)


def test_a_run_that_diverges_is_counted():
    def diverging(activation, learning_rate, seed):
        return np.nan if activation.name == "elu" else GAIN[activation.name] + 0.01 * seed

    study = rf.compare(train=diverging, **{**FEW, "learning_rates": (0.1,)})
    rows = {row["activation"]: row for row in study.verdict["table"]}
    assert rows["elu"]["diverged"] == 5
    assert study.verdict["recommended"] == "tanh"


def test_losses_are_better_when_smaller():
    study = rf.compare(
        train=lambda a, rate, seed: (1 - GAIN[a.name] + 0.001 * seed, 1 - GAIN[a.name]),
        metric="loss",
        **FEW,
    )
    assert study.verdict["recommended"] == "tanh"


@pytest.mark.parametrize(
    ("given", "metric", "told"),
    [
        ((0.9, 97.2), "accuracy", "lies between 0 and 1"),
        (("good", 0.5), "score", "gave str where a score belongs"),
        ((1, 2, 3), "score", "gave 3 values"),
        ({"validation": 1.0}, "score", 'needs "score"'),
    ],
)
def test_what_is_no_score_is_one_line(given, metric, told):
    with pytest.raises(InputError, match=told) as caught:
        rf.compare(train=lambda a, r, s: given, metric=metric, **FEW)
    assert len(str(caught.value).splitlines()) == 1


def test_what_the_code_decides_for_itself_is_refused():
    with pytest.raises(InputError, match="hidden cannot be given beside train="):
        rf.compare(train=scored, hidden=(3,), **FEW)
    with pytest.raises(InputError, match="data cannot be given beside train="):
        rf.compare("wine", train=scored, **FEW)
    with pytest.raises(InputError, match="needs data"):
        rf.compare()
