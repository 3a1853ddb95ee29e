"""Splits and draws: what makes runs comparable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rectifier.study import plan
from rectifier.study.load import load


@pytest.fixture(scope="module")
def iris():
    return load("iris")


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(lambda c: sum(c) >= 5),
    seed=st.integers(0, 2**32),
)
def test_dealt_folds_are_even_over_all_and_in_every_stratum(counts, seed):
    strata = np.repeat(np.arange(len(counts)), counts)
    folds = plan.deal(strata, np.random.default_rng(seed))
    sizes = np.bincount(folds, minlength=5)
    assert sizes.max() - sizes.min() <= 1
    for stratum in range(len(counts)):
        inside = np.bincount(folds[strata == stratum], minlength=5)
        assert inside.max() - inside.min() <= 1


def test_every_row_is_tested_once_in_each_repetition(iris):
    splits = plan.splits(iris, "confirm", 10, seed=3)
    for repetition in (splits[:5], splits[5:]):
        tested = np.concatenate([split.test for split in repetition])
        assert sorted(tested) == list(range(iris.rows))
    assert any(
        not np.array_equal(a.test, b.test) for a, b in zip(splits[:5], splits[5:], strict=True)
    )


def test_parts_of_a_split_are_disjoint_and_complete(iris):
    for split in plan.splits(iris, "tune", 3, seed=0):
        rows = np.concatenate([split.fit, split.validation, split.test])
        assert sorted(rows) == list(range(iris.rows))
        assert len(split.fit) >= plan.fewest_fit_rows(iris.rows)
        assert set(split.training).isdisjoint(split.test)


def test_a_seed_does_not_depend_on_how_many_there_are(iris):
    few, many = (plan.splits(iris, "confirm", count, seed=1) for count in (3, 12))
    for a, b in zip(few, many, strict=False):
        assert np.array_equal(a.test, b.test)
        assert np.array_equal(a.validation, b.validation)


def test_phases_and_seeds_draw_differently():
    draws = {
        tuple(plan.generator(seed, phase, purpose, which).integers(0, 2**60, 2))
        for seed in (0, 1)
        for phase in ("tune", "confirm")
        for purpose in ("folds", "validation", "weights", "batches")
        for which in (0, 1)
    }
    assert len(draws) == 32


def test_numeric_targets_are_stratified_by_quantile():
    diabetes = load("diabetes")
    means = [diabetes.y[split.test].mean() for split in plan.splits(diabetes, "confirm", 5, seed=0)]
    plain = np.random.default_rng(0).permutation(diabetes.y)[: 5 * 88].reshape(5, -1).mean(axis=1)
    assert np.std(means) < np.std(plain) / 3


@pytest.mark.parametrize(
    ("counts", "lanes"), [([15, 10], 5), ([16, 16], 16), ([1, 1], 1), ([9, 3], 3), ([50, 10], 10)]
)
def test_lanes_leave_none_idle_where_that_can_be(counts, lanes):
    assert plan.choose_lanes(counts) == lanes


def test_tasks_hold_every_run_once():
    pairs = [(a, r) for a in ("relu", "elu") for r in (1e-3, 1e-2)]
    made = list(plan.tasks("tune", pairs, seeds=3, lanes=4))
    runs = [run for task in made for run in task.runs]
    assert len(runs) == len(set(runs)) == 12
    assert all(len(task.runs) <= 4 for task in made)
    assert all(run.activation == task.activation for task in made for run in task.runs)
