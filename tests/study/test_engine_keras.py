"""Training: the same numbers as Keras ``fit``, for every candidate.

Keras runs in a process of its own, on its torch backend, which compiles nothing: with JAX each of
the 22 models would take a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import rectifier as rf
from rectifier.study import plan
from rectifier.study.judge.metrics import default_metric
from rectifier.study.load import load
from rectifier.study.settings import CANDIDATES, Settings
from rectifier.study.train.choice import local_engine
from rectifier.study.train.problem import prepare

FIT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import keras
from keras import ops
given = np.load(sys.argv[1])
own = {
    "exponential": ops.exp, "gelu": lambda x: ops.gelu(x, approximate=False),
    "gelu_tanh": lambda x: ops.gelu(x, approximate=True), "identity": "linear",
    "leaky_relu": lambda x: ops.leaky_relu(x, 0.01), "sine": ops.sin,
}
curves = {}
for name in sys.argv[2].split():
    weights = [given[f"{name} {i}"] for i in range(6)]
    widths = [len(bias) for bias in weights[1::2]]
    layers = [keras.layers.Dense(units, activation=own.get(name, name)) for units in widths[:-1]]
    model = keras.Sequential(
        [keras.Input((len(weights[0]),)), *layers, keras.layers.Dense(widths[-1])]
    )
    model.set_weights(weights)
    model.compile(
        keras.optimizers.Adam(0.01, epsilon=1e-8),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    x, y = given["x"], given["y"]
    validation = given["validation"]
    means = []  # of all batches so far, which is what Keras tells
    tell = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: means.append(logs["loss"] * (batch + 1))
    )
    rows = given["orders"].ravel()
    done = model.fit(
        x[rows], y[rows], batch_size=20, shuffle=False, epochs=1, verbose=0, callbacks=[tell],
        validation_data=(x[validation], y[validation]), validation_batch_size=1000,
    )
    curves[name] = [list(np.diff(means[3::4], prepend=0.0) / 4), done.history["val_loss"][0]]
print(json.dumps(curves))
"""


def test_losses_of_every_candidate_are_those_of_keras_fit(tmp_path):
    """20 steps of each, by fours, and validation rows after the last."""
    table = load("iris")
    settings = Settings(
        activations=CANDIDATES, hidden=(7, 5), epochs=5, batch_size=20, trainer="native"
    ).checked()
    splits = {phase: plan.splits(table, phase, 1, 0) for phase in ("tune", "confirm")}
    problem = prepare(table, default_metric(table.task), splits)
    engine = local_engine(problem, settings, 1)
    tasks = [plan.Task(a, (plan.RunKey("confirm", a, 1e-2, 0),)) for a in CANDIDATES]
    ours = {run.activation: run.curves for (run,) in engine.run(tasks)}

    (split,), place, features = problem.splits("confirm"), 1, problem.features
    visited = engine.steps * engine.batch_size
    given = {
        "x": (features.matrix[features.which[place]] - features.shift[place])
        * features.scale[place],
        "y": problem.targets,
        "validation": split.validation,
        "orders": np.stack(
            [plan.batch_order(settings, "confirm", 0, split.fit, e)[:visited] for e in range(5)]
        ),
    }
    for name in CANDIDATES:
        draws = engine.network.draw(plan.generator(0, "confirm", "weights", 0))
        layers = engine.network.initial(draws, rf.get(name).facts.gain)
        given |= {f"{name} {i}": part for i, part in enumerate(p for pair in layers for p in pair)}
    np.savez(tmp_path / "given.npz", **given)
    done = subprocess.run(
        [sys.executable, "-c", FIT, str(tmp_path / "given.npz"), " ".join(CANDIDATES)],
        env={**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert set(theirs) == set(CANDIDATES)
    for name, (training, validation) in theirs.items():
        assert ours[name][0] == pytest.approx(np.array(training), rel=1e-4), name
        assert ours[name][1, -1] == pytest.approx(validation, rel=1e-4), name
