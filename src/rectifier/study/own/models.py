"""The Keras models of a study with a network of one's own, and the rows that each run gets."""

from __future__ import annotations

import inspect
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rectifier import catalog
from rectifier.errors import InputError
from rectifier.study.load.read import one_line
from rectifier.study.plan import RunKey, batch_order, fewest_fit_rows, generator
from rectifier.study.settings import Settings
from rectifier.study.train.problem import Problem

Build = Callable[..., Any]


def prefer_jax() -> None:
    """Has Keras run on JAX, where runs are trained side by side, unless somebody chose otherwise.

    A choice is a Keras that is imported already, KERAS_BACKEND, or another backend than TensorFlow
    in keras.json: Keras writes TensorFlow, its default, into that file by itself.
    """
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ:
        return
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        chosen = json.loads((home / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):  # none, or not one that Keras could read
        chosen = "tensorflow"
    if chosen == "tensorflow":
        os.environ["KERAS_BACKEND"] = "jax"


def _seed_libraries(number: int) -> None:
    """``keras.utils.set_random_seed``, which would import TensorFlow whatever Keras runs on: 5 s.

    Keras draws the seeds of its initialisers and layers from Python's own generator.
    """
    import keras

    if "tensorflow" in sys.modules:
        keras.utils.set_random_seed(number)
        return
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002  (somebody's own function may draw from it)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(number)


class Models:
    """Makes the model of any run; both ways of training them (lanes, one by one) ask it for rows.

    Args:
        problem: the table in numbers, with the splits of every phase.
        settings: checked.
        build: ``f(activation)`` or ``f(activation, inputs, outputs)``: ``inputs`` is the shape of
            one row, ``(columns,)`` or ``(height, width, channels)``; ``outputs`` the number of
            classes, or 1.

    Attributes:
        shape: of one row. steps, batch_size: of an epoch. architecture: for the report.
    """

    def __init__(self, problem: Problem, settings: Settings, build: Build) -> None:
        self.problem, self.settings, self._build = problem, settings, build
        prefer_jax()
        images = problem.table.images
        columns = problem.features.matrix.shape[2]
        self.shape = (columns,) if images is None else images.shape[1:]
        fit = fewest_fit_rows(problem.table.rows)
        self.batch_size = min(settings.batch_size, fit)
        self.steps = fit // self.batch_size
        try:
            given = len(inspect.signature(build).parameters)
        except (TypeError, ValueError):
            given = 1
        self._arguments = (self.shape, problem.outputs) if given >= 3 else ()
        model = self.model(RunKey("tune", settings.baseline, 1.0, 0))
        self.architecture = (
            f"{getattr(build, '__name__', 'a function')} of one's own, a Keras model of "
            f"{len(model.layers)} layers with {model.count_params():,} weights"
        )

    def model(self, key: RunKey) -> Any:
        """A new model with the initial weights of this run's seed, built and checked."""
        import keras

        rng = generator(self.settings.seed, key.phase, "weights", key.seed)
        _seed_libraries(int(rng.integers(2**31)))
        try:
            model = self._build(catalog.get(key.activation), *self._arguments)
            if not isinstance(model, keras.Model):
                raise TypeError(f"it gave {type(model).__name__}, which is not a Keras model")
            if not model.built:
                model.build((None, *self.shape))
            outputs = model.compute_output_shape((None, *self.shape))
        except Exception as error:
            told = f"{type(error).__name__}: {one_line(error)}"
            raise InputError(
                f"the network with {key.activation} cannot be built: {told}"
            ) from error
        if tuple(outputs) != (None, self.problem.outputs):
            raise InputError(
                f"the network gives outputs of shape {tuple(outputs)}, but this table needs "
                f"(None, {self.problem.outputs}): logits of the classes, or one value"
            )
        return model

    def place(self, key: RunKey) -> int:
        return self.problem.position(key.phase, key.seed)

    def order(self, key: RunKey, epoch: int) -> np.ndarray:
        """[steps, batch] row numbers, the same as for the built-in network."""
        fit = self.problem.splits(key.phase)[key.seed].fit
        visited = batch_order(self.settings, key.phase, key.seed, fit, epoch)
        return visited[: self.steps * self.batch_size].reshape(self.steps, self.batch_size)

    def judged(self, key: RunKey) -> np.ndarray:
        split = self.problem.splits(key.phase)[key.seed]
        return split.test if key.phase == "confirm" else split.validation
