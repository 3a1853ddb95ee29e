"""Studies of a Keras network that is not ours: ``rf.compare(data, build=f)``.

``f(activation)`` or ``f(activation, inputs, outputs)`` returns a Keras model whose last layer gives
logits or a value. On Keras' JAX backend the runs of a task are trained side by side, through the
model's stateless call; elsewhere, and where a layer does not allow that, one by one.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rectifier.errors import InputError
from rectifier.study.journal import Run
from rectifier.study.load.read import one_line
from rectifier.study.own.models import Build, Models, prefer_jax
from rectifier.study.plan import RunKey, Task
from rectifier.study.settings import Settings
from rectifier.study.train.engine import Beat, Speed
from rectifier.study.train.problem import Problem


def load_build(text: str) -> Build:
    """The function of ``my.py:function`` or ``package.module:function``, which is imported.

    Raises:
        InputError: no such file, module or function, or it fails to import.
    """
    prefer_jax()
    where, _, name = text.rpartition(":")
    file = Path(where) if where.endswith(".py") else None
    beside = str(file.parent.resolve()) if file else ""  # where its own imports are looked for
    sys.path.insert(0, beside)
    try:
        if file is None:
            module = importlib.import_module(where)
        else:
            spec = importlib.util.spec_from_file_location(file.stem, file)
            if spec is None or spec.loader is None or not file.is_file():
                raise InputError(f"--network {text}: there is no file {where}")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {one_line(error)}"
        raise InputError(f"--network {text}: {where} cannot be imported: {told}") from error
    finally:
        sys.path.remove(beside)
    found = getattr(module, name, None)
    if not callable(found):
        told = f"has no function {name!r}" if name else "is a file; name its function after the :"
        raise InputError(f"--network {text}: {where} {told}")
    return found


class KerasEngine:
    """Trains the models that ``build`` makes; the engine of a study with a network of one's own.

    Args:
        problem: the table in numbers, with the splits of every phase.
        settings: checked.
        lanes: runs a task has at most.
        build: makes a model of an activation, see Models.
    """

    def __init__(self, problem: Problem, settings: Settings, lanes: int, build: Build) -> None:
        self.problem, self.settings, self.lanes = problem, settings, lanes
        self.models = Models(problem, settings, build)
        self.architecture = self.models.architecture
        self.inputs = problem.features.matrix.shape[2]
        self.why_apart = ""
        self._programs: dict[str, Any] = {}  # keras_lanes' own

    def speed(self) -> Speed:
        """A trial of one epoch with the baseline, which is thrown away."""
        name = self.settings.baseline
        rate = self.settings.learning_rates[0]
        trial = Task(name, tuple(RunKey("tune", name, rate, 0) for _ in range(self.lanes)))
        spans = []
        for epochs in (1, 2):
            began = time.perf_counter()
            list(self.run([trial], epochs=epochs))
            spans.append(time.perf_counter() - began)
        epoch = max(spans[1] - spans[0], spans[1] / 10)
        return Speed(max(spans[1] - 2 * epoch, 0.0), epoch, 1)

    def run(
        self,
        tasks: Sequence[Task],
        beat: Beat = lambda doing, share: None,
        epochs: int | None = None,
    ) -> Iterator[list[Run]]:
        """Trains the tasks in order; yields the runs of each."""
        for task in tasks:
            began = time.perf_counter()
            results = self._train(task, beat, epochs or self.settings.epochs)
            each = (time.perf_counter() - began) / len(task.runs)
            pairs = zip(task.runs, results, strict=True)
            yield [self._finished(key, result, each) for key, result in pairs]

    def _train(self, task: Task, beat: Beat, epochs: int) -> list[Any]:
        import keras

        from rectifier.study.own import keras_lanes, keras_single  # which import JAX and Keras

        models = [self.models.model(key) for key in task.runs]
        if keras.backend.backend() != "jax":
            self.why_apart = f"Keras runs on {keras.backend.backend()}, not on jax (KERAS_BACKEND)"
        elif models[0].compiled:
            self.why_apart = "the model is compiled with an optimizer of its own"
        if not self.why_apart:
            try:
                return keras_lanes.train(self.models, self._programs, task, models, beat, epochs)
            except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
                self.why_apart = f"vmap failed: {type(error).__name__}: {one_line(error)}"[:200]
                models = [self.models.model(key) for key in task.runs]
        pairs = zip(task.runs, models, strict=True)
        try:
            return [
                keras_single.train(self.models, key, model, beat, epochs) for key, model in pairs
            ]
        except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
            raise InputError(
                f"the network with {task.activation} cannot be trained: {type(error).__name__}: "
                f"{one_line(error)}; finished runs are kept"
            ) from error

    def _finished(self, key: RunKey, result: Any, seconds: float) -> Run:
        """``result``: outputs on the judged rows; curves [2, epochs], training and validation
        loss; the best epoch counted from 1, or 0 for none; whether the run diverged."""
        outputs, curves, best, diverged = result
        rows = self.models.judged(key)
        contributions = self.problem.contributions(rows, outputs, self.models.place(key))
        unknown = np.full((1, curves.shape[1]), np.nan)
        return Run(
            phase=key.phase,
            activation=key.activation,
            learning_rate=key.learning_rate,
            seed=key.seed,
            score=float(contributions.mean()),
            validation_loss=float(curves[1, best - 1]) if best else math.inf,
            diverged=diverged,
            epochs_to_best=best,
            epochs_run=curves.shape[1],
            dead_fraction=math.nan,
            sparsity=math.nan,
            gradient_ratio=math.nan,
            seconds=seconds,
            curves=np.concatenate([curves, unknown]).astype(np.float32),
            contributions=contributions if key.phase == "confirm" else contributions[:0],
        )
