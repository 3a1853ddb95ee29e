"""How a study's cost grows with rows and runs: seconds and memory of processes of their own.

    python -m benchmarks.study_growth               # about ten minutes on two cores
    python -m benchmarks.study_growth --largest 100000

Tables of standard normal columns with two classes, a 64-64 network, batches of 32, two epochs.
Rows grow at 16 runs (two tasks: one a core), runs at 10,000 rows. ``advance`` is the time in the
engine alone, ``seconds`` the whole process with making the table, folds and encoding. ``table_mb``
is what the caller's own array and its copy as a table hold (float64), ``peak_mb`` the process's
largest resident memory, ``more_mb`` what that is above an idle process with its libraries and the
table. Rows go to ``benchmarks/results/study_growth.csv``.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "study_growth.csv"
COLUMNS = ("rows", "columns", "runs", "advance", "seconds", "microseconds_a_row_and_run")
COLUMNS += ("table_mb", "peak_mb", "more_mb")
EPOCHS = 2
SIZES = ((1_000, 16), (10_000, 16), (10_000, 64), (10_000, 256), (100_000, 16), (1_000_000, 16))


def peak() -> float:
    """Largest resident memory so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def run(rows: int, columns: int, runs: int) -> dict[str, float]:
    from rectifier.study.judge.metrics import get_metric
    from rectifier.study.load import load
    from rectifier.study.plan import splits, tasks
    from rectifier.study.settings import Settings
    from rectifier.study.train.choice import local_engine
    from rectifier.study.train.native.job import LANES
    from rectifier.study.train.problem import prepare

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, columns))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    table = load((x, y))
    idle = peak()
    settings = Settings(
        activations=("relu",),
        metric="accuracy",
        epochs=EPOCHS,
        learning_rates=(1e-3,),
        seeds=runs,
        tune_seeds=1,
    ).checked()
    planned = {"tune": splits(table, "tune", 1, 0), "confirm": splits(table, "confirm", runs, 0)}
    problem = prepare(table, get_metric("accuracy", table.task), planned)
    engine = local_engine(problem, settings, LANES)
    wanted = list(tasks("confirm", [("relu", 1e-3)], runs, LANES))
    started = time.perf_counter()
    assert sum(len(done) for done in engine.run(wanted)) == runs
    advance = time.perf_counter() - started
    return {"advance": advance, "table_mb": 2 * x.nbytes / 1e6, "idle_mb": idle, "peak_mb": peak()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--largest", type=int, default=1_000_000, help="rows")
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--child", nargs=3, type=int)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run(*options.child)))
        return
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for rows, runs in SIZES:
            if rows > options.largest:
                continue
            shape = [str(n) for n in (rows, options.columns, runs)]
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.study_growth", "--child", *shape],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            seconds, found = time.perf_counter() - started, json.loads(done.stdout)
            each = found["advance"] / (rows * runs * EPOCHS) * 1e6
            sizes = (found["table_mb"], found["peak_mb"], found["peak_mb"] - found["idle_mb"])
            line = [*shape, f"{found['advance']:.2f}", f"{seconds:.1f}", f"{each:.2f}"]
            writer.writerow([*line, *(f"{size:.0f}" for size in sizes)])
            file.flush()
            print(*line, *(f"{size:.0f}" for size in sizes), sep="  ", flush=True)


if __name__ == "__main__":
    main()
