"""Studies on samples of populations: do the intervals hold what they promise on real training?

    python -m benchmarks.calibration --out ~/calibration            # train; goes on where it was
    python -m benchmarks.calibration --out ~/calibration --report   # the tables, from what is there

A population has 40,000 rows and more. Samples of 200, 800 and 3,000 rows are drawn from it, a
study is run on each (rates tuned, then ten runs in two times five folds for each of 20
activations), and every network is scored on 2,000 rows of the population that are not in its
sample. Their mean over all *other* samples is the true difference that a study's interval has to
hold. Each sample also gets an A/A study: relu under 20 names, every name with rates, initial
weights and batch orders of its own. Five more runs, a second initialisation on the first five
folds, serve the interval that averages initialisations. All draws are seeded. What is trained is
kept study by study in ``calibration.sqlite``, as hits on rows: intervals are judged afterwards.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl

from benchmarks.calibration_report import draw, gathered, show
from rectifier.study.judge.metrics import METRICS
from rectifier.study.load import load
from rectifier.study.plan import RunKey, Split, Task, splits
from rectifier.study.settings import CANDIDATES, FOLDS, Settings
from rectifier.study.train.choice import local_engine
from rectifier.study.train.problem import prepare

ROWS = 40_000
LEFT_OUT = 2_000
# Rows of a sample: samples of each population. In rounds, so that an early stop leaves a balance.
ROUNDS = ({200: 24, 800: 12, 3000: 4}, {200: 60, 800: 40, 3000: 12}, {3000: 30})
# celu is elu at its default, gelu_tanh nearly gelu: 20 different ones stay.
NAMES = ("relu", *(n for n in CANDIDATES if n not in ("relu", "celu", "gelu_tanh")))
SEEDS, TUNE_SEEDS, LANES = 10, 2, 16
CHUNK = 4  # samples trained side by side, and journaled together
# A small network, so that a study takes seconds; rates as in the middle of the default search.
NETWORK = {"hidden": (16,), "epochs": 40, "patience": 8, "learning_rates": (1e-3, 1e-2, 3e-2)}


def populations() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Inputs [rows, columns] and labels of every population; all but diamonds are drawn here."""
    from sklearn import datasets

    rng = np.random.default_rng(7)
    x = rng.standard_normal((ROWS, 8))
    found = {
        "gaussian mixture": datasets.make_classification(
            ROWS,
            20,
            n_informative=8,
            n_classes=4,
            n_clusters_per_class=3,
            flip_y=0.05,
            class_sep=1.2,
            random_state=1,
        ),
        "hastie": datasets.make_hastie_10_2(ROWS, random_state=2),
        "quantiles": datasets.make_gaussian_quantiles(
            n_samples=ROWS, n_features=6, n_classes=3, random_state=3
        ),
    }
    hidden = np.tanh(x @ rng.standard_normal((8, 12)))
    logits = hidden @ rng.standard_normal((12, 3)) * 2 + rng.gumbel(size=(ROWS, 3))
    found["tanh teacher"] = x, logits.argmax(axis=1)
    steps = np.floor(1.2 * x[:, :3]).sum(axis=1).astype(int) % 2
    found["steps"] = x[:, :5], np.where(rng.random(ROWS) < 0.05, 1 - steps, steps)
    waves = np.sin(2.5 * x[:, 0]) + np.sin(2 * x[:, 1]) + 0.3 * rng.standard_normal(ROWS)
    found["waves"] = x[:, :4], (waves > 0).astype(int)
    place = importlib.util.find_spec("plotnine")  # 53,940 diamonds, MIT licence; not imported
    if place is not None and place.submodule_search_locations:
        frame = pl.read_csv(Path(place.submodule_search_locations[0]) / "data" / "diamonds.csv")
        columns = ["carat", "depth", "table", "price", "x", "y", "z"]
        found["diamonds"] = frame[columns].to_numpy(), frame["cut"].to_numpy()
    return found


def sample_splits(
    table, rows: int, count: int, place: int
) -> Iterator[tuple[np.ndarray, list[Split], list[Split]]]:
    """For each sample its row numbers and the splits of its tuning and confirming seeds.

    Confirming: ten of the usual ones, five again for a second initialisation, and 20 times ten
    for the A/A study. Tuning: the usual ones, and 20 times those.
    """
    for number in range(count):
        rng = np.random.default_rng([11, place, rows, number])
        drawn = rng.permutation(table.rows)
        sample, left_out = drawn[:rows], drawn[rows : rows + LEFT_OUT].astype(np.int32)
        own = table.take(sample)
        parts = {}
        for phase, seeds in (("tune", TUNE_SEEDS), ("confirm", SEEDS)):
            parts[phase] = [
                Split(
                    fit=sample[split.fit].astype(np.int32),
                    validation=sample[split.validation].astype(np.int32),
                    test=np.concatenate([sample[split.test].astype(np.int32), left_out]),
                )
                for split in splits(own, phase, seeds, number)
            ]
        tune, confirm = parts["tune"], parts["confirm"]
        yield (
            sample,
            tune * (1 + len(NAMES)),
            confirm + confirm[:FOLDS] + confirm * len(NAMES),
        )


def train(name: str, place: int, rows: int, count: int, data, journal: sqlite3.Connection) -> None:
    """Runs and journals those of ``count`` studies of a population that are missing."""
    here = "SELECT number FROM studies WHERE population = ? AND rows = ?"
    done = {n for (n,) in journal.execute(here, (name, rows))}
    missing = [n for n in range(count) if n not in done]
    if not missing:
        return
    table = load((data[0], np.asarray(data[1]).astype(str)))
    metric = METRICS["accuracy"]
    settings = Settings(activations=NAMES, seeds=1, tune_seeds=1, **NETWORK).checked()
    drawn = list(sample_splits(table, rows, count, place))
    tunes, confirms = len(drawn[0][1]), len(drawn[0][2])
    problem = prepare(
        table,
        metric,
        {
            "tune": [split for _, part, _ in drawn for split in part],
            "confirm": [split for _, _, part in drawn for split in part],
        },
    )
    # The engine counts an epoch's steps from the table's rows, which are the sample's here.
    problem = replace(problem, table=SimpleNamespace(rows=rows, y=table.y, task=table.task))
    engine = local_engine(problem, settings, LANES)

    def run(keys: list[RunKey]) -> dict[RunKey, object]:
        by_name: dict[str, list[RunKey]] = {}
        for key in keys:
            by_name.setdefault(key.activation, []).append(key)
        tasks = [
            Task(name, tuple(found[i : i + engine.lanes]))
            for name, found in by_name.items()
            for i in range(0, len(found), engine.lanes)
        ]
        return {one.key: one for runs in engine.run(tasks) for one in runs}

    def tuned(runs, activation: str, first: int) -> float:
        loss = {
            rate: np.mean(
                [
                    np.inf
                    if (r := runs[RunKey("tune", activation, rate, first + k)]).diverged
                    else r.validation_loss
                    for k in range(TUNE_SEEDS)
                ]
            )
            for rate in settings.learning_rates
        }
        return min(settings.learning_rates, key=loss.__getitem__)

    for start in range(0, len(missing), CHUNK):
        began = time.perf_counter()
        engine._orders.clear()  # of samples that are done
        chunk = missing[start : start + CHUNK]
        tuning, groups = [], {}
        for number in chunk:
            first, second = number * tunes, number * confirms
            aliases = [
                ("relu", first + TUNE_SEEDS * (1 + i), second + SEEDS + FOLDS + SEEDS * i, SEEDS)
                for i in range(len(NAMES))
            ]
            groups[number] = [(a, first, second, SEEDS + FOLDS) for a in NAMES] + aliases
            tuning += [
                RunKey("tune", activation, rate, seed + k)
                for activation, seed, _, _ in groups[number]
                for rate in settings.learning_rates
                for k in range(TUNE_SEEDS)
            ]
        found = run(tuning)
        final = {
            number: [
                [RunKey("confirm", a, tuned(found, a, t), c + k) for k in range(seeds)]
                for a, t, c, seeds in group
            ]
            for number, group in groups.items()
        }
        runs = run([key for group in final.values() for keys in group for key in keys])
        for number in chunk:
            hits = [[runs[key].contributions > 0.5 for key in keys] for keys in final[number]]
            left = [[hit[-LEFT_OUT:].mean() for hit in line] for line in hits]
            sample = drawn[number][0]
            order = np.argsort(sample)
            where = order[
                np.searchsorted(
                    sample[order],
                    np.concatenate([s.test[:-LEFT_OUT] for s in drawn[number][2][:SEEDS]]),
                )
            ]
            sizes = [len(s.test) - LEFT_OUT for s in drawn[number][2][:SEEDS]]
            both = np.stack(
                [np.concatenate([h[:-LEFT_OUT] for h in line[:SEEDS]]) for line in hits]
            )
            again = np.stack(
                [
                    np.concatenate([h[:-LEFT_OUT] for h in line[SEEDS:]])
                    for line in hits[: len(NAMES)]
                ]
            )
            memory = io.BytesIO()
            np.savez_compressed(
                memory,
                rows=where,
                sizes=sizes,
                hits=np.packbits(both, axis=1),
                again=np.packbits(again, axis=1),
                left=np.array([line[:SEEDS] for line in left], np.float32),
            )
            journal.execute(
                "INSERT OR REPLACE INTO studies VALUES (?, ?, ?, ?)",
                (name, rows, number, memory.getvalue()),
            )
        journal.commit()
        spent = time.perf_counter() - began
        print(f"{name}, {rows} rows: {chunk[-1] + 1} of {count}, {spent:.0f} s", flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="Folder of the journal.")
    parser.add_argument("--report", action="store_true", help="Judge what is there; no training.")
    parser.add_argument("--charts", type=Path, help="Folder for the charts, such as docs.")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    journal = sqlite3.connect(options.out / "calibration.sqlite")
    journal.execute(
        "CREATE TABLE IF NOT EXISTS studies "
        "(population, rows, number, content, PRIMARY KEY (population, rows, number))"
    )
    if not options.report:
        found = populations()
        for sizes in ROUNDS:
            for rows, count in sizes.items():
                for place, (name, data) in enumerate(found.items()):
                    train(name, place, rows, count, data, journal)
    figures = gathered(journal, list(NAMES))
    show(figures)
    if options.charts:
        draw(figures, options.charts)


if __name__ == "__main__":
    main()
