"""What :mod:`benchmarks.study` trains, and how we and each peer train it.

Every function here runs in a process of its own and trains, with Adam, batches of 32 and no early
stopping, on as many rows as a study's fold leaves for fitting. Ours also draws folds, validates,
counts dead units and journals; peers are spared all of that.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

EPOCHS, BATCH = 100, 32
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
# scikit-learn's four, by our names.
SKLEARN_NAMES = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic", "identity": "identity"}


@dataclass(frozen=True)
class Workload:
    """A table and the runs on it: activations x rates x seeds."""

    name: str
    hidden: tuple[int, ...]
    rates: tuple[float, ...]
    seeds: int
    activations: tuple[str, ...] = tuple(KERAS_NAMES)

    @property
    def runs(self) -> int:
        return len(self.activations) * len(self.rates) * self.seeds

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        if self.name == "digits":
            from sklearn.datasets import load_digits

            return load_digits(return_X_y=True)
        rng = np.random.default_rng(0)  # a small network can learn it, a linear model cannot
        x = rng.standard_normal((800, 6))
        noise = 0.3 * rng.standard_normal(800)
        return x, (x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + noise > 0).astype(int)

    def fit_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """As many rows as ours fit, standardised float32."""
        x, y = self.table()
        spread = x.std(0)
        x = ((x - x.mean(0)) / np.where(spread > 0, spread, 1.0)).astype("float32")
        count = len(x) * 16 // 25
        return x[:count], y[:count]

    def run(self, number: int) -> tuple[str, float]:
        """Activation and rate of a run; neighbours differ in both."""
        return (
            self.activations[number % len(self.activations)],
            self.rates[number % len(self.rates)],
        )


WORKLOADS = {
    "small": Workload("small", (16, 16), (3e-4, 1e-3, 3e-3, 1e-2, 3e-2), 10),
    "small, four": Workload(
        "small", (16, 16), (3e-4, 1e-3, 3e-3, 1e-2, 3e-2), 10, tuple(SKLEARN_NAMES)
    ),
    "digits": Workload("digits", (64, 64), (1e-3,), 8),
}


def ours(work: Workload, sampled: int) -> None:
    """All runs through the study's own rooms: plan, prepare, train, journal."""
    from rectifier.study.journal import Journal
    from rectifier.study.judge.metrics import get_metric
    from rectifier.study.load import load
    from rectifier.study.plan import splits, tasks
    from rectifier.study.settings import Settings
    from rectifier.study.train.choice import local_engine
    from rectifier.study.train.native.job import LANES
    from rectifier.study.train.problem import prepare

    table = load(work.table())
    settings = Settings(
        activations=work.activations,
        metric="accuracy",
        hidden=work.hidden,
        epochs=EPOCHS,
        patience=EPOCHS,
        batch_size=BATCH,
        learning_rates=work.rates,
        tune_seeds=work.seeds,
        seeds=1,
    ).checked()
    planned = {
        "tune": splits(table, "tune", work.seeds, 0),
        "confirm": splits(table, "confirm", 1, 0),
    }
    problem = prepare(table, get_metric("accuracy", table.task), planned)
    engine = local_engine(problem, settings, LANES)
    pairs = [(name, rate) for name in settings.activations for rate in work.rates]
    journal = Journal(None)
    for runs in engine.run(list(tasks("tune", pairs, work.seeds, LANES))):
        journal.add(runs)
    assert len(journal.keys()) == work.runs


def keras_fit(work: Workload, sampled: int, steps_per_execution: int = 1) -> None:
    """One model after the other; prints the seconds of each."""
    import keras

    x, y = work.fit_rows()
    for number in range(sampled):
        started = time.perf_counter()
        keras.utils.set_random_seed(number)
        name, rate = work.run(number)
        model = keras.Sequential(
            [
                keras.Input((x.shape[1],)),
                *(keras.layers.Dense(u, activation=KERAS_NAMES[name]) for u in work.hidden),
                keras.layers.Dense(int(y.max()) + 1),
            ]
        )
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=steps_per_execution,
        )
        model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        print(time.perf_counter() - started, flush=True)


def keras_steps(work: Workload, sampled: int) -> None:
    """The same, sixteen steps to a call of the compiled program."""
    keras_fit(work, sampled, steps_per_execution=16)


def torch_functions() -> dict:
    import torch
    import torch.nn.functional as F

    return {
        "celu": F.celu,
        "elu": F.elu,
        "exponential": torch.exp,
        "gelu": F.gelu,
        "hard_sigmoid": F.hardsigmoid,
        "hard_swish": F.hardswish,
        "hard_tanh": F.hardtanh,
        "identity": lambda z: z,
        "leaky_relu": F.leaky_relu,
        "log_sigmoid": F.logsigmoid,
        "mish": F.mish,
        "relu": F.relu,
        "relu6": F.relu6,
        "selu": F.selu,
        "sigmoid": torch.sigmoid,
        "silu": F.silu,
        "softplus": F.softplus,
        "softsign": F.softsign,
        "squareplus": lambda z: (z + torch.sqrt(z * z + 4)) / 2,
        "tanh": torch.tanh,
    }


def torch_loop(work: Workload, sampled: int) -> None:
    """A plain loop, one model after the other; prints the seconds of each."""
    import torch

    torch.set_num_threads(1)  # a second one makes so small a network slower
    x, y = map(torch.tensor, work.fit_rows())
    for number in range(sampled):
        started = time.perf_counter()
        torch.manual_seed(number)
        name, rate = work.run(number)
        function = torch_functions()[name]
        sizes = [x.shape[1], *work.hidden, int(y.max()) + 1]
        layers = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
        model = torch.nn.ModuleList(layers)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH):
                h = x[rows]
                for layer in layers[:-1]:
                    h = function(layer(h))
                loss = torch.nn.functional.cross_entropy(layers[-1](h), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        print(time.perf_counter() - started, flush=True)


def torch_ensemble(work: Workload, sampled: int) -> None:
    """``torch.func``: all rates and seeds of an activation as one ensemble, vmap over grad, and
    Adam on the stacked weights. A twentieth of the epochs of one activation is timed; prints the
    seconds that each of its runs would take for all epochs."""
    import torch
    from torch.func import grad, vmap

    x, y = map(torch.tensor, work.fit_rows())
    function, rates = torch_functions()["silu"], work.rates
    lanes = len(rates) * work.seeds
    sizes = [x.shape[1], *work.hidden, int(y.max()) + 1]
    weights = []
    for a, b in pairwise(sizes):
        weights += [torch.randn(lanes, a, b) / a**0.5, torch.zeros(lanes, b)]
    means, squares = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    rate = torch.tensor(rates).repeat(work.seeds)

    def loss(parts: list, rows: torch.Tensor) -> torch.Tensor:
        h = x[rows]
        for i in range(0, len(parts) - 2, 2):
            h = function(h @ parts[i] + parts[i + 1])
        return torch.nn.functional.cross_entropy(h @ parts[-2] + parts[-1], y[rows])

    gradient = vmap(grad(loss))
    epochs = EPOCHS // 20
    started, step = time.perf_counter(), 0
    for _ in range(epochs):
        order = torch.stack([torch.randperm(len(x)) for _ in range(lanes)])
        for first in range(0, len(x) // BATCH * BATCH, BATCH):
            step += 1
            found = gradient(weights, order[:, first : first + BATCH])
            for w, g, m, v in zip(weights, found, means, squares, strict=True):
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                size = (v / (1 - 0.999**step)).sqrt_().add_(1e-8)
                w.sub_(rate.view(-1, *[1] * (w.dim() - 1)) * (m / (1 - 0.9**step)) / size)
    print((time.perf_counter() - started) * EPOCHS / epochs / lanes)


def sklearn_joblib(work: Workload, sampled: int) -> None:
    """``MLPClassifier`` under joblib on every core; prints the seconds a run takes that way."""
    import warnings

    from joblib import Parallel, cpu_count, delayed
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, y = work.fit_rows()

    def fit(number: int) -> None:
        name, rate = work.run(number)
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred epochs were asked for
        MLPClassifier(
            work.hidden,
            activation=SKLEARN_NAMES[name],
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=rate,
            max_iter=EPOCHS,
            n_iter_no_change=EPOCHS + 1,
            random_state=number,
        ).fit(x, y)

    with Parallel(n_jobs=cpu_count()) as parallel:
        parallel(delayed(fit)(number) for number in range(cpu_count()))  # starts the workers
        started = time.perf_counter()
        parallel(delayed(fit)(number) for number in range(sampled))
        print((time.perf_counter() - started) / sampled)


TRAINERS = {
    "rectifier": ours,
    "keras fit": keras_fit,
    "keras fit, 16 steps an execution": keras_steps,
    "torch loop": torch_loop,
    "torch.func ensemble": torch_ensemble,
    "scikit-learn under joblib": sklearn_joblib,
}
