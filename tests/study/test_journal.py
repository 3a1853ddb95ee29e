"""The journal: what is in it stays in it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rectifier.errors import InputError
from rectifier.study.journal import FILE, Journal, Run, as_csv


def make_run(seed: int = 0, **changes) -> Run:
    values = {
        "phase": "confirm",
        "activation": "elu(alpha=0.5)",
        "learning_rate": 3e-3,
        "seed": seed,
        "score": 0.9,
        "validation_loss": 0.25,
        "diverged": False,
        "epochs_to_best": 2,
        "epochs_run": 4,
        "dead_fraction": 0.125,
        "sparsity": 0.5,
        "gradient_ratio": 1.5,
        "seconds": 0.01,
        "curves": np.arange(12, dtype=np.float32).reshape(3, 4),
        "contributions": np.array([0, 1, 1], np.float32),
    }
    return Run(**{**values, **changes})


def test_what_goes_in_comes_out(tmp_path):
    journal = Journal(tmp_path)
    journal.add([make_run(0), make_run(1, diverged=True, gradient_ratio=math.nan)])
    journal.close()
    first, second = Journal(tmp_path).runs()
    assert first.key == make_run(0).key
    assert np.array_equal(first.curves, make_run().curves)
    assert np.array_equal(first.contributions, make_run().contributions)
    assert second.diverged is True
    assert math.isnan(second.gradient_ratio)


def test_a_finished_run_is_never_replaced(tmp_path):
    journal = Journal(tmp_path)
    journal.add([make_run(score=0.9)])
    journal.add([make_run(score=0.1), make_run(1)])
    assert [run.score for run in journal.runs()] == [0.9, 0.9]
    assert journal.keys() == {make_run(0).key, make_run(1).key}


def test_a_task_is_there_whole_or_not_at_all(tmp_path):
    journal = Journal(tmp_path)

    def runs():
        yield make_run(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.add(runs())
    assert journal.runs() == []


def test_another_study_is_refused_with_what_differs(tmp_path):
    journal = Journal(tmp_path)
    journal.claim({"table": "wine", "hidden": (64, 64)}, {})
    journal.claim({"table": "wine", "hidden": (64, 64)}, {"relu": None})
    with pytest.raises(InputError, match=r"another study \(hidden 64,64 there, 3 here\)"):
        journal.claim({"table": "wine", "hidden": (3,)}, {})


def test_a_formula_keeps_its_meaning(tmp_path):
    journal = Journal(tmp_path)
    journal.claim({"table": "wine"}, {"mine": "x * tanh(x)"})
    with pytest.raises(InputError, match="give the new formula another name"):
        journal.claim({"table": "wine"}, {"mine": "x * sin(x)"})


def test_a_file_that_is_no_journal_is_one_line(tmp_path):
    (tmp_path / FILE).write_bytes(b"this is not a database, but it is long enough" * 50)
    with pytest.raises(InputError, match="cannot keep a journal"):
        Journal(tmp_path)


def test_csv_has_a_row_a_training():
    lines = as_csv([make_run(0), make_run(1)]).splitlines()
    assert lines[0].startswith("phase,activation,learning_rate,seed,score")
    assert len(lines) == 3
