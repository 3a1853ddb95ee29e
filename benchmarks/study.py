"""How long a study takes beside the same trainings as plain Keras ``fit`` loops.

    python -m benchmarks.study                 # about five minutes; needs the extra "dev"
    python -m benchmarks.study --keras-runs 40

20 activations x 5 learning rates x 10 seeds on 800 x 6 rows with a 16-16 network, Adam, batches
of 32, 100 epochs without early stopping. Ours is a fresh process with an empty compilation cache,
timed from its start to the last journaled run (``cold``), and once more with the cache that it
left (``warm``). Keras (JAX backend) trains one model after the other in a fresh process; a sample
of the 1000 runs is timed, one activation and rate after the other, and its total is the mean of
the sample times 1000 plus the process's start. Ours also evaluates validation rows, dead units
and curves in every epoch; Keras is spared all of that.

Rows go to ``benchmarks/results/study.csv``: what, seconds, runs timed, ratio to ours, versions.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "study.csv"
ROWS, COLUMNS, HIDDEN, EPOCHS, BATCH = 800, 6, (16, 16), 100, 32
RATES, SEEDS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2), 10
# Those that Keras has under a name of its own, so that both sides train the same functions.
KERAS_NAMES = {
    "celu": "celu",
    "elu": "elu",
    "exponential": "exponential",
    "gelu": "gelu",
    "hard_sigmoid": "hard_sigmoid",
    "hard_swish": "hard_swish",
    "hard_tanh": "hard_tanh",
    "identity": "linear",
    "leaky_relu": "leaky_relu",
    "log_sigmoid": "log_sigmoid",
    "mish": "mish",
    "relu": "relu",
    "relu6": "relu6",
    "selu": "selu",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "softplus": "softplus",
    "softsign": "softsign",
    "squareplus": "squareplus",
    "tanh": "tanh",
}
TOTAL = len(KERAS_NAMES) * len(RATES) * SEEDS


def make_table() -> tuple[np.ndarray, np.ndarray]:
    """A two-class table that a small network can learn and a linear model cannot."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, COLUMNS))
    y = (x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.3 * rng.standard_normal(ROWS) > 0).astype(int)
    return x, y


def run_ours() -> None:
    """All runs through the study's own rooms: plan, prepare, train, journal."""
    from rectifier.study.journal import Journal
    from rectifier.study.judge.metrics import get_metric
    from rectifier.study.load import load
    from rectifier.study.plan import splits, tasks
    from rectifier.study.settings import Settings
    from rectifier.study.train.choice import local_engine
    from rectifier.study.train.native.job import LANES
    from rectifier.study.train.problem import prepare

    table = load(make_table())
    settings = Settings(
        activations=tuple(KERAS_NAMES),
        metric="accuracy",
        hidden=HIDDEN,
        epochs=EPOCHS,
        patience=EPOCHS,
        batch_size=BATCH,
        learning_rates=RATES,
        tune_seeds=SEEDS,
        seeds=1,
    ).checked()
    planned = {
        "tune": splits(table, "tune", SEEDS, 0),
        "confirm": splits(table, "confirm", 1, 0),
    }
    problem = prepare(table, get_metric("accuracy", table.task), planned)
    engine = local_engine(problem, settings, LANES)
    pairs = [(name, rate) for name in settings.activations for rate in RATES]
    journal = Journal(None)
    for runs in engine.run(list(tasks("tune", pairs, SEEDS, LANES))):
        journal.add(runs)
    print(len(journal.keys()))


def run_keras(count: int) -> None:
    """``count`` runs, spread over activations and rates; prints the seconds of each."""
    import keras

    x, y = make_table()
    x = ((x - x.mean(0)) / x.std(0)).astype("float32")[
        : ROWS * 16 // 25
    ]  # as many rows as ours fit
    y = y[: len(x)]
    names = list(KERAS_NAMES.values())
    for run in range(count):
        started = time.perf_counter()
        keras.utils.set_random_seed(run)
        name = names[run % len(names)]
        model = keras.Sequential(
            [
                keras.Input((COLUMNS,)),
                *(keras.layers.Dense(units, activation=name) for units in HIDDEN),
                keras.layers.Dense(2),
            ]
        )
        model.compile(
            keras.optimizers.Adam(RATES[run % len(RATES)]),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        print(time.perf_counter() - started, flush=True)


def timed(arguments: list[str], **environment: str) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.study", *arguments],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - started, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keras-runs", type=int, default=20)
    parser.add_argument("--child", choices=["ours", "keras"])
    options = parser.parse_args()
    if options.child == "ours":
        return run_ours()
    if options.child == "keras":
        return run_keras(options.keras_runs)

    with tempfile.TemporaryDirectory() as cache:
        cold, printed = timed(["--child", "ours"], XDG_CACHE_HOME=cache)
        warm, _ = timed(["--child", "ours"], XDG_CACHE_HOME=cache)
    assert int(printed) == TOTAL, printed
    sampled = ["--child", "keras", "--keras-runs", str(options.keras_runs)]
    whole, printed = timed(sampled, KERAS_BACKEND="jax")
    runs = [float(line) for line in printed.split()]
    keras = whole - sum(runs) + TOTAL * float(np.mean(runs))
    rows = [
        ("rectifier cold", cold, TOTAL, keras / cold),
        ("rectifier warm", warm, TOTAL, keras / warm),
        ("keras fit (jax backend)", keras, len(runs), 1.0),
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["what", "seconds", "runs_timed", "times_faster_than_keras", "cores", "with"]
        )
        for what, seconds, timed_runs, ratio in rows:
            libraries = f"jax {version('jax')}, keras {version('keras')}, {platform.machine()}"
            line = [what, f"{seconds:.1f}", timed_runs, f"{ratio:.1f}", os.cpu_count(), libraries]
            writer.writerow(line)
            print(*line, sep="  ")
    return None


if __name__ == "__main__":
    main()
