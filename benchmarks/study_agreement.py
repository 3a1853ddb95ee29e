"""Whether final scores are distributed as those of plain loops in PyTorch and Keras.

    python -m benchmarks.study_agreement            # about five minutes on one core
    python -m benchmarks.study_agreement --seeds 40 --keras-seeds 20

On wine, a 16-16 network, batches of 16, Adam at 0.01, 20 epochs without early stopping. A seed is
a fold, the same for all sides; initial weights (of the same distribution) and batch orders are
each side's own, drawn apart. The score is log loss on the test rows after the best epoch by
validation loss, which finds differences that accuracy on 36 rows cannot show.

Rows go to ``benchmarks/results/study_agreement.csv``: means of both sides, the difference with
its standard error (paired by fold), and the p-value of a two-sample Kolmogorov-Smirnov test.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.study_workload import KERAS_NAMES, torch_functions
from rectifier import catalog
from rectifier.study.judge.metrics import get_metric
from rectifier.study.load import load
from rectifier.study.plan import RunKey, Task, splits
from rectifier.study.settings import Settings
from rectifier.study.train.choice import local_engine
from rectifier.study.train.engine import Engine
from rectifier.study.train.native.job import LANES
from rectifier.study.train.problem import prepare

RESULTS = Path(__file__).parent / "results" / "study_agreement.csv"
COLUMNS = ("activation", "peer", "seeds", "ours", "theirs", "difference", "error", "ks_p")
ACTIVATIONS = ("relu", "tanh", "gelu", "elu", "sigmoid", "identity")
HIDDEN, BATCH, EPOCHS, RATE = (16, 16), 16, 20, 1e-2


def make_engine(activations: tuple[str, ...], seeds: int, trainer: str = "native") -> Engine:
    table = load("wine")
    settings = Settings(
        activations=activations,
        metric="log_loss",
        hidden=HIDDEN,
        epochs=EPOCHS,
        patience=EPOCHS,
        batch_size=BATCH,
        seeds=seeds,
        trainer=trainer,
    ).checked()
    planned = {"tune": splits(table, "tune", 1, 0), "confirm": splits(table, "confirm", seeds, 0)}
    problem = prepare(table, get_metric("log_loss", table.task), planned)
    return local_engine(problem, settings, LANES)


def our_scores(engine: Engine, activation: str, seeds: int, rate: float = RATE) -> np.ndarray:
    """[seeds]"""
    keys = [RunKey("confirm", activation, rate, seed) for seed in range(seeds)]
    tasks = [Task(activation, tuple(keys[i : i + LANES])) for i in range(0, seeds, LANES)]
    scores = {run.seed: run.score for runs in engine.run(tasks) for run in runs}
    return np.array([scores[seed] for seed in range(seeds)])


class Fold:
    """One seed's rows, standardised, and its own draws: what both peers are given."""

    def __init__(self, engine: Engine, activation: str, seed: int) -> None:
        problem = engine.problem
        self.place = problem.position("confirm", seed)
        self.split = problem.splits("confirm")[seed]
        features = problem.features
        matrix = features.matrix[features.which[self.place]]
        self.x = (matrix - features.shift[self.place]) * features.scale[self.place]
        self.y = problem.targets.astype(np.int64)
        self.rng = np.random.default_rng([7, seed])  # ours draws from other streams
        gain = catalog.get(activation).facts.gain or 1.0
        self.weights = engine.network.initial(engine.network.draw(self.rng), gain)
        self.visited = engine.steps * engine.batch_size
        self._problem = problem

    def order(self) -> np.ndarray:
        return self.rng.permutation(self.split.fit)[: self.visited]

    def score(self, outputs: np.ndarray) -> float:
        """Of outputs on the test rows."""
        found = self._problem.contributions(self.split.test, outputs, self.place)
        return float(found.mean())


def torch_score(fold: Fold, activation: str) -> float:
    import torch

    function = torch_functions()[activation]
    x, y = torch.tensor(fold.x), torch.tensor(fold.y)
    parts = [torch.tensor(p, requires_grad=True) for pair in fold.weights for p in pair]
    optimizer = torch.optim.Adam(parts, lr=RATE)

    def outputs(rows: np.ndarray) -> torch.Tensor:
        h = x[rows]
        for i in range(0, len(parts) - 2, 2):
            h = function(h @ parts[i] + parts[i + 1])
        return h @ parts[-2] + parts[-1]

    def loss(rows: np.ndarray) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs(rows), y[rows])

    best, kept = math.inf, np.empty(0)
    for _ in range(EPOCHS):
        for rows in fold.order().reshape(-1, BATCH):
            optimizer.zero_grad()
            loss(rows).backward()
            optimizer.step()
        with torch.no_grad():
            validation = loss(fold.split.validation).item()
            if validation < best:
                best, kept = validation, outputs(fold.split.test).numpy()
    return fold.score(kept)


def keras_score(fold: Fold, activation: str) -> float:
    import keras

    sizes = [fold.x.shape[1], *(len(bias) for _, bias in fold.weights)]
    model = keras.Sequential([keras.Input((sizes[0],))])
    for layer, (_, units) in enumerate(pairwise(sizes), 1):
        name = KERAS_NAMES[activation] if layer < len(sizes) - 1 else None
        model.add(keras.layers.Dense(units, activation=name))
    model.set_weights([part for pair in fold.weights for part in pair])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss)
    inside = (fold.x[fold.split.validation], fold.y[fold.split.validation])
    best, kept = math.inf, np.empty(0)
    for _ in range(EPOCHS):
        rows = fold.order()
        done = model.fit(
            fold.x[rows],
            fold.y[rows],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
            validation_data=inside,
        )
        if done.history["val_loss"][0] < best:
            best = done.history["val_loss"][0]
            kept = model.predict_on_batch(fold.x[fold.split.test])
    return fold.score(np.asarray(kept))


def compared(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Means [both], their paired difference with its standard error, Kolmogorov-Smirnov's p."""
    from scipy.stats import ks_2samp

    difference = ours - theirs
    return {
        "ours": float(ours.mean()),
        "theirs": float(theirs.mean()),
        "difference": float(difference.mean()),
        "error": float(difference.std(ddof=1) / math.sqrt(len(ours))),
        "ks_p": float(ks_2samp(ours, theirs).pvalue),
    }


def main() -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")  # compiles nothing: these models are tiny
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--keras-seeds", type=int, default=20)
    options = parser.parse_args()
    engine = make_engine(ACTIVATIONS, max(options.seeds, options.keras_seeds))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for activation in ACTIVATIONS:
            ours = our_scores(engine, activation, max(options.seeds, options.keras_seeds))
            for peer, score, seeds in (
                ("torch loop", torch_score, options.seeds),
                ("keras fit", keras_score, options.keras_seeds),
            ):
                theirs = [score(Fold(engine, activation, s), activation) for s in range(seeds)]
                found = compared(ours[:seeds], np.array(theirs))
                row = [activation, peer, seeds, *(f"{value:.4f}" for value in found.values())]
                writer.writerow(row)
                file.flush()
                print(*row, sep="  ", flush=True)


if __name__ == "__main__":
    main()
