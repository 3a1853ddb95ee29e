"""Which rows and which draws every run gets, before any run is made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rectifier.study.load import Table
from rectifier.study.settings import FOLDS, Settings

Phase = Literal["tune", "confirm"]

# Streams of random numbers that must never meet: SeedSequence([seed, phase, purpose, ...]).
_PHASES = {"tune": 1, "confirm": 2}
_PURPOSES = {"folds": 1, "validation": 2, "weights": 3, "batches": 4, "sample": 5, "dropout": 6}


@dataclass(frozen=True)
class Split:
    """Rows of one seed. ``fit`` trains, ``validation`` stops and tunes, ``test`` is read once.

    Each is a sorted int32 array of row numbers; together they are all rows.
    """

    fit: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def training(self) -> np.ndarray:
        """Fit and validation rows: what preprocessing may learn from."""
        return np.sort(np.concatenate([self.fit, self.validation]))


@dataclass(frozen=True)
class RunKey:
    """What a run is: everything else about it follows from the study."""

    phase: Phase
    activation: str
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class Task:
    """Runs of one activation that are trained side by side, in the order of their lanes."""

    activation: str
    runs: tuple[RunKey, ...]


def generator(seed: int, phase: Phase, purpose: str, *which: int) -> np.random.Generator:
    """The Generator for one purpose of one seed; equal arguments, equal draws."""
    return np.random.default_rng([seed, _PHASES[phase], _PURPOSES[purpose], *which])


def splits(table: Table, phase: Phase, count: int, seed: int) -> list[Split]:
    """``count`` splits: seed k is fold ``k % 5`` of repetition ``k // 5``.

    Folds are stratified by class, or by quantiles of a numeric target. Of the rows outside the
    test fold one fifth, stratified likewise, is for validation.
    """
    strata = _strata(table)
    result = []
    for k in range(count):
        repetition, fold = divmod(k, FOLDS)
        folds = deal(strata, generator(seed, phase, "folds", repetition))
        outside = np.flatnonzero(folds != fold)
        inner = deal(strata[outside], generator(seed, phase, "validation", k))
        result.append(
            Split(
                fit=outside[inner != 0].astype(np.int32),
                validation=outside[inner == 0].astype(np.int32),
                test=np.flatnonzero(folds == fold).astype(np.int32),
            )
        )
    return result


def sample(table: Table, rows: int, seed: int) -> Table:
    """About ``rows`` rows of a table, every stratum in proportion; the fingerprint stays.

    A table whose rarest class would not survive that is returned whole.
    """
    parts = math.ceil(table.rows / rows)
    part = deal(_strata(table), generator(seed, "tune", "sample"), parts)
    fewer = table.take(np.flatnonzero(part == 0))
    if table.task == "classification":
        counts = np.bincount(fewer.y, minlength=len(table.classes))
        return fewer if counts.min() >= FOLDS else table
    return fewer


def deal(strata: np.ndarray, rng: np.random.Generator, folds: int = FOLDS) -> np.ndarray:
    """A fold for every row, dealt like cards within each stratum.

    Args:
        strata: [rows] integer codes.

    Returns:
        [rows] fold numbers. Fold sizes differ by at most one, over all and in every stratum.
    """
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    result = np.empty(len(strata), np.int64)
    # one deal through all strata: each goes on at the fold where the last one stopped
    result[order] = np.arange(len(strata)) % folds
    return rng.permutation(folds)[result]


def fewest_fit_rows(rows: int) -> int:
    """How many rows every split has at least for fitting; epochs are this long for all seeds."""
    outside = rows - math.ceil(rows / FOLDS)
    return outside - math.ceil(outside / FOLDS)


def _strata(table: Table) -> np.ndarray:
    if table.task == "classification":
        return table.y
    ranks = np.argsort(np.argsort(table.y, kind="stable"), kind="stable")
    return ranks * min(10, max(1, table.rows // (2 * FOLDS))) // table.rows


def batch_order(
    settings: Settings, phase: Phase, seed: int, fit: np.ndarray, epoch: int
) -> np.ndarray:
    """[steps * batch] row numbers in the order in which an epoch of one seed visits them.

    The same for every activation and learning rate. Rows that do not fill a batch sit this
    epoch out; the next epoch's shuffle leaves out others.
    """
    rng = generator(settings.seed, phase, "batches", seed, epoch)
    return rng.permutation(fit)


def tasks(
    phase: Phase, pairs: Sequence[tuple[str, float]], seeds: int, lanes: int
) -> Iterator[Task]:
    """The runs of ``pairs`` (activation, learning rate) x seeds, at most ``lanes`` to a task."""
    by_activation: dict[str, list[RunKey]] = {}
    for activation, rate in pairs:
        keys = by_activation.setdefault(activation, [])
        keys.extend(RunKey(phase, activation, rate, seed) for seed in range(seeds))
    for activation, keys in by_activation.items():
        for start in range(0, len(keys), lanes):
            yield Task(activation, tuple(keys[start : start + lanes]))


def choose_lanes(counts: Sequence[int], largest: int = 16) -> int:
    """Lanes a task: the number up to ``largest`` that leaves fewest of them idle.

    Args:
        counts: runs an activation in each phase, e.g. ``[15, 10]`` gives 5.
    """
    candidates = range(min(largest, max(counts)), max(1, min(4, min(counts))) - 1, -1)
    return min(candidates, key=lambda lanes: sum(math.ceil(c / lanes) * lanes for c in counts))
