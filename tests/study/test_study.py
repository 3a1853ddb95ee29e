"""The main job from end to end: files, interruptions, determinism, budget, hostile tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rectifier as rf
from rectifier.choose import compare, reopen
from rectifier.errors import InputError
from rectifier.study.journal import Journal

SMALL = {
    "activations": ("relu", "tanh", "identity"),
    "hidden": (6,),
    "epochs": 6,
    "learning_rates": (3e-3, 3e-2),
    "seeds": 5,
    "tune_seeds": 2,
}


class Watcher:
    """Keeps what it is told; stops the study after ``limit`` beats."""

    def __init__(self, limit: int = 10**9) -> None:
        self.said: list[str] = []
        self.beats: list[tuple[str, float, int]] = []
        self.limit = limit

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, doing: str, done: float, total: int) -> None:
        self.beats.append((doing, done, total))
        if len(self.beats) > self.limit:
            raise KeyboardInterrupt


def without_times(verdict: dict) -> dict:
    """The verdict less what a clock says."""
    table = [{k: v for k, v in row.items() if k != "seconds"} for row in verdict["table"]]
    settings = {k: v for k, v in verdict["settings"].items() if k != "seconds"}
    return {**verdict, "table": table, "settings": settings}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "iris"
    watcher = Watcher()
    return compare("iris", out=folder, listener=watcher, **SMALL), watcher


def test_it_leaves_the_files_of_the_design(whole):
    study, _ = whole
    names = {"journal.sqlite", "runs.csv", "verdict.json", "report.html"}
    assert {path.name for path in study.folder.iterdir()} == names
    verdict = json.loads((study.folder / "verdict.json").read_text())
    assert verdict == study.verdict
    assert set(verdict) >= {
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
    }
    assert verdict["strength"] in ("proven", "likely", "no matter")
    lines = (study.folder / "runs.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * (2 * 2 + 5)


def test_every_row_has_the_fields_of_the_design(whole):
    fields = (
        "activation learning_rate runs diverged mean ci_low ci_high "
        "difference difference_low difference_high expected_gain probability_better p_holm "
        "dead_fraction epochs_to_best seconds"
    ).split()
    for row in whole[0].verdict["table"]:
        assert list(row) == fields
        assert row["runs"] == 5


def test_progress_is_told_to_the_end(whole):
    _, watcher = whole
    done = [beat[1] for beat in watcher.beats]
    assert done == sorted(done)
    assert watcher.beats[-1][1:] == (27, 27)
    assert any("if no run stops early" in line for line in watcher.said)


def test_the_same_seed_gives_the_same_numbers(whole, tmp_path):
    again = compare("iris", out=tmp_path / "again", **SMALL)
    assert without_times(again.verdict) == without_times(whole[0].verdict)


def test_another_seed_gives_others(whole):
    other = compare("iris", **SMALL, seed=1)
    assert other.verdict["table"] != whole[0].verdict["table"]


@pytest.mark.parametrize("limit", [1, 3, 5])
def test_an_interrupted_study_goes_on_to_the_same_verdict(whole, tmp_path, limit):
    with pytest.raises(KeyboardInterrupt):
        compare("iris", out=tmp_path / "s", listener=Watcher(limit), **SMALL)
    kept = len(Journal(tmp_path / "s").keys())
    watcher = Watcher()
    resumed = compare("iris", out=tmp_path / "s", listener=watcher, **SMALL)
    assert without_times(resumed.verdict) == without_times(whole[0].verdict)
    assert kept == 27 or watcher.beats[0][1] >= kept  # what trains fast may be done by then
    assert len(Journal(tmp_path / "s").keys()) == 27


def test_a_finished_study_is_only_rendered(whole):
    study, _ = whole
    watcher = Watcher()
    again = compare("iris", out=study.folder, listener=watcher, **SMALL)
    assert watcher.beats == []
    assert not any("compiling" in line for line in watcher.said)
    assert without_times(again.verdict) == without_times(study.verdict)


def test_more_seeds_in_the_same_folder_keep_the_old_runs(whole, tmp_path):
    few = compare("iris", out=tmp_path / "s", **{**SMALL, "seeds": 2})
    watcher = Watcher()
    more = compare("iris", out=tmp_path / "s", listener=watcher, **SMALL)
    assert len(few.verdict["table"]) == len(more.verdict["table"])
    assert {row["runs"] for row in more.verdict["table"]} == {5}
    tested = {run.key for run in few.runs}
    assert tested <= {run.key for run in more.runs}


KILLED = """
import sys
from rectifier.choose import compare
compare("iris", out=sys.argv[1], activations=("relu", "tanh", "identity"), hidden=(6,), epochs=6,
        learning_rates=(3e-3, 3e-2), seeds=5, tune_seeds=2)
"""


def test_kill_9_loses_no_finished_run(whole, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "s")])
    journal = tmp_path / "s" / "journal.sqlite"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if journal.exists() and (before := finished(journal)):
            break
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {run.key: run for run in Journal(tmp_path / "s").runs()}
    assert set(before) <= {(k.phase, k.activation, k.learning_rate, k.seed) for k in kept}
    resumed = compare("iris", out=tmp_path / "s", **SMALL)
    assert without_times(resumed.verdict) == without_times(whole[0].verdict)
    for run in resumed.runs:
        if run.key in kept:  # not run twice
            assert run.seconds == kept[run.key].seconds


def finished(journal: Path) -> list:
    """Keys in a journal that another process writes; empty while there are none."""
    import sqlite3

    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
            return database.execute(
                "SELECT phase, activation, learning_rate, seed FROM runs"
            ).fetchall()
    except sqlite3.OperationalError:  # not created yet, or being written this moment
        return []


def test_a_budget_cuts_the_study_and_says_so(tmp_path):
    watcher = Watcher()
    asked = {**SMALL, "seeds": 10, "epochs": 60, "budget": 1e-6}
    study = compare("iris", out=tmp_path / "s", listener=watcher, **asked)
    (cuts,) = [line for line in watcher.said if line.startswith("to fit")]
    assert "5 of 10 seeds" in cuts
    assert "12 of 60 epochs" in cuts
    assert any("longer than the budget" in line for line in watcher.said)
    assert study.verdict["settings"]["seeds"] == 5
    assert study.verdict["settings"]["epochs"] == 12
    assert max(run.epochs_run for run in study.runs) <= 12
    again = compare("iris", out=tmp_path / "s", **asked)
    assert without_times(again.verdict) == without_times(study.verdict)


def test_a_budget_samples_a_large_table_and_says_so(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6000, 3))
    table = (x, np.where(x[:, 0] * x[:, 1] > 0, "yes", "no"))
    watcher = Watcher()
    study = compare(table, out=tmp_path / "s", listener=watcher, **{**SMALL, "budget": 1e-6})
    assert any("2,000 of 6,000 rows" in line for line in watcher.said)
    assert study.verdict["data"]["rows"] == 2000
    again = compare(table, out=tmp_path / "s", **{**SMALL, "budget": 1e-6})
    assert without_times(again.verdict) == without_times(study.verdict)


def test_a_generous_budget_changes_nothing(whole):
    study = compare("iris", budget=3600.0, **SMALL)
    assert study.verdict["table"][0]["runs"] == 5


def test_the_folder_of_another_study_is_refused_and_left_alone(whole):
    study, _ = whole
    before = (study.folder / "verdict.json").read_bytes()
    with pytest.raises(InputError, match="holds another study"):
        compare("wine", out=study.folder, **SMALL)
    assert (study.folder / "verdict.json").read_bytes() == before


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(InputError, match="is not empty and holds no study"):
        compare("iris", out=tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_study_reopens_without_training(whole):
    study, _ = whole
    opened = reopen(study.folder)
    assert opened.verdict == study.verdict
    assert {run.key for run in opened.runs} == {run.key for run in study.runs}
    assert opened.inspection == study.inspection


def test_reopening_what_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="holds no study"):
        reopen(tmp_path)


def test_arrays_frames_and_regression_go_the_same_way():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 3))
    study = rf.compare((x, x[:, 0] + 0.1 * rng.standard_normal(120)), **SMALL)
    assert study.verdict["metric"] == "r2"
    assert study.verdict["table"][0]["mean"] > 0.5
    assert "<p>" in study._repr_html_()
    assert study.table.height == 3


def test_a_diverging_candidate_is_counted_and_does_not_win():
    study = compare(
        "diabetes",
        **{
            **SMALL,
            "activations": ("exponential", "relu"),
            "learning_rates": (300.0,),
            "epochs": 30,
        },
    )
    rows = {row["activation"]: row for row in study.verdict["table"]}
    assert rows["exponential"]["diverged"] > 0
    assert study.verdict["recommended"] == "relu"


def test_a_formula_of_the_users_own_competes():
    study = compare("iris", define={"squashed": "x / (1 + x**2)"}, **SMALL)
    assert "squashed" in {row["activation"] for row in study.verdict["table"]}


def test_unknown_settings_name_the_nearest():
    with pytest.raises(InputError, match="nearest: seeds"):
        compare("iris", sedes=3)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.integers(8, 40),
    numbers=st.integers(0, 3),
    texts=st.integers(0, 2),
    classes=st.integers(1, 4),
    missing=st.floats(0, 0.5),
    seed=st.integers(0, 2**31),
)
def test_generated_tables_either_work_or_get_one_line(rows, numbers, texts, classes, missing, seed):
    import polars as pl

    rng = np.random.default_rng(seed)
    columns = {f"n</script>{i}": rng.standard_normal(rows) for i in range(numbers)}
    columns |= {f"t\n{i}": rng.choice(["a", "b", "ü", ""], rows) for i in range(texts)}
    frame = pl.DataFrame({"constant": [1] * rows, **columns})
    gone = pl.when(pl.Series(rng.random(rows) < missing)).then(None)
    frame = frame.with_columns(gone.otherwise(pl.all()).name.keep())
    frame = frame.with_columns(pl.Series("y", rng.integers(0, classes, rows).astype(str)))
    try:
        study = compare(
            frame,
            "y",
            activations=("relu",),
            hidden=(2,),
            epochs=1,
            seeds=2,
            learning_rates=(0.01,),
        )
    except InputError as refusal:
        told = str(refusal)
    else:
        told = study.verdict["reason"]
        assert study.verdict["recommended"] == "relu"
    assert len(told.splitlines()) == 1
