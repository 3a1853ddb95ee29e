"""`--seeds auto`: seeds are added until the verdict is settled, or a reason to stop is given."""

from __future__ import annotations

import itertools
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

import rectifier as rf
from rectifier import cli
from rectifier.study import looks
from rectifier.study.looks import ALPHA_A_LOOK, why_stop

FEW = {"activations": ("relu", "tanh"), "learning_rates": (0.01,), "seeds": "auto"}


def scored(gain, noise):
    """Training code: tanh better by ``gain``, seeds apart by ``noise``."""
    calls = []

    def train(activation, rate, seed):
        calls.append(seed)
        luck = np.random.default_rng([seed, *activation.name.encode()]).normal(0, noise)
        return 0.5 + gain * (activation.name == "tanh") + luck

    train.calls = calls
    return train


def seeds_of(study):
    return study.verdict["settings"]["seeds"], study.verdict["settings"]["looks"]["stopped"]


def test_a_clear_difference_is_settled_at_the_first_look():
    study = rf.compare(train=scored(0.1, 0.01), metric="accuracy", **FEW)
    assert seeds_of(study) == (10, "settled with 10 seeds")
    assert study.verdict["strength"] == "proven"
    assert study.verdict["settings"]["statistics"]["confidence"] == pytest.approx(0.9875)
    assert study.verdict["settings"]["looks"]["alpha"] == ALPHA_A_LOOK == 0.0125


def test_seeds_are_doubled_and_the_earlier_runs_kept():
    train = scored(0.03, 0.04)
    study = rf.compare(train=train, metric="accuracy", **FEW)
    seeds, why = seeds_of(study)
    assert seeds in (20, 40, 80)
    assert len(train.calls) == 2 * seeds
    assert (
        study.verdict["settings"]["looks"]["seeds"]
        == [10, 20, 40, 80][: [10, 20, 40, 80].index(seeds) + 1]
    )
    assert "settled" in why or why in study.verdict["reason"]


def test_it_ends_somewhere():
    study = rf.compare(train=scored(0.0, 0.2), **FEW)
    assert seeds_of(study) == (80, "not settled with 80 seeds, the most that are tried")
    assert study.verdict["reason"].endswith(seeds_of(study)[1])


def test_rows_are_the_limit_on_a_small_table(tmp_path):
    few = {**FEW, "hidden": (16,), "epochs": 30, "out": tmp_path / "s"}
    study = rf.compare("wine", **few)
    seeds, why = seeds_of(study)
    assert why == f"after {seeds} seeds the rows are the limit: more seeds would not settle it"
    assert study.verdict["reason"].endswith(why)
    assert why in (tmp_path / "s" / "report.html").read_text()
    assert "seeds='auto'" in (tmp_path / "s" / "report.html").read_text().replace("&#39;", "'")


def test_a_budget_ends_it_and_the_same_call_ends_the_same(tmp_path):
    train = scored(0.03, 0.04)
    few = {**FEW, "metric": "accuracy", "budget": 1e-6, "out": tmp_path / "s"}
    study = rf.compare(train=train, **few)
    assert seeds_of(study) == (5, "the budget allowed for 5 seeds")
    calls = len(train.calls)
    assert seeds_of(rf.compare(train=train, **few)) == seeds_of(study)
    assert len(train.calls) == calls


def test_a_budget_that_ends_between_looks(tmp_path, monkeypatch):
    """Told once, it stays: the same call, on a faster day, ends at the same look."""
    train = scored(0.0, 0.2)
    few = {**FEW, "budget": 1000, "out": tmp_path / "s"}
    with monkeypatch.context() as slow:
        late = itertools.count(0, 400)  # seconds more at every look at the clock
        clock = SimpleNamespace(perf_counter=lambda: time.perf_counter() + next(late))
        slow.setattr(looks, "time", clock)
        study = rf.compare(train=train, **few)
    assert seeds_of(study) == (10, "the budget ended at 10 seeds")
    assert study.verdict["reason"].endswith("; the budget ended at 10 seeds")
    calls = len(train.calls)
    assert seeds_of(rf.compare(train=train, **few)) == seeds_of(study)
    assert len(train.calls) == calls


@pytest.mark.parametrize(
    ("left", "why"), [(0.9, "after 10 seeds the rows are the limit"), (0.5, "")]
)
def test_seeds_are_added_while_they_narrow_the_interval(left, why):
    """A gain too small to be proven is no reason to stop; an interval that stays as wide is."""
    statistics = {"settled": False, "seeds_to_settle": None, "share_of_error_left": left}
    verdict = {"settings": {"statistics": statistics}, "data": {"task": "classification"}}
    assert why_stop(verdict, 10, 80).startswith(why)
    assert bool(why_stop(verdict, 10, 80)) == bool(why)


def test_seeds_are_a_number_or_auto(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rectifier", "compare", "iris", "--seeds", "many"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "--seeds takes a whole number, or auto; got 'many'" in capsys.readouterr().err


def test_what_could_be_seen_and_half_of_it():
    study = rf.compare(train=scored(0.0, 0.1), metric="accuracy", **{**FEW, "seeds": 10})
    statistics = study.verdict["settings"]["statistics"]
    # errors fall with the root of the seeds: half of it takes about four times as many
    assert 10 <= statistics["seeds_for_half_of_it"] <= 30
    assert statistics["detectable_difference"] > 0
