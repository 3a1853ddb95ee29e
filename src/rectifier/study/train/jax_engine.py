"""Training with JAX: fills the lanes of the compiled program with tasks, one task a device."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from rectifier.study.journal import Run
from rectifier.study.plan import RunKey, Task
from rectifier.study.settings import Settings
from rectifier.study.train.engine import TRIAL_SECONDS, Beat, Engine, Speed
from rectifier.study.train.problem import Problem
from rectifier.study.train.program import (
    Examined,
    Lanes,
    Program,
    State,
    keep_compiled_programs,
    use_all_cores,
)


class JaxEngine(Engine):
    """Keeps every core, or every GPU that JAX sees, busy with a task of its own."""

    def __init__(self, problem: Problem, settings: Settings, lanes: int) -> None:
        keep_compiled_programs()
        devices = use_all_cores()
        super().__init__(problem, settings, lanes, len(devices))
        splits = [s for phase in ("tune", "confirm") for s in problem.splits(phase)]
        self._validation = max(len(split.validation) for split in splits)
        self._asked = max(max(len(split.test), len(split.validation)) for split in splits)
        features = problem.features
        self._shift, self._scale = self.network.standards(features.shift, features.scale)
        self._program = Program(
            self.network,
            list(self._entries.values()),
            problem.features.matrix,
            problem.targets,
            epochs=settings.epochs,
            patience=settings.patience,
            batch_size=self.batch_size,
            weight_decay=settings.weight_decay,
            devices=devices,
        )

    def speed(self) -> Speed:
        """Compiles, then measures on a few epochs of the activations, which are thrown away."""
        groups = [
            [Task(name, (RunKey("confirm", name, self.settings.learning_rates[0], 0),))]
            * self.devices
            for name in self.settings.activations
        ]
        self._train_for(groups[0], 1)  # compiles
        overheads, epochs = [], []
        started = time.perf_counter()
        for group in groups:
            began = time.perf_counter()
            advancing = self._train_for(group, 2)
            overheads.append(time.perf_counter() - began - advancing)
            epochs.append(advancing / 2)
            if time.perf_counter() - started > TRIAL_SECONDS:
                break
        return Speed(float(np.mean(overheads)), float(np.mean(epochs)), self.devices)

    def _train_for(self, group: list[Task], epochs: int) -> float:
        """Seconds that ``epochs`` of a group take; the rest of a task's work is done as well."""
        lanes, state = self._begin(group)
        order = self._order(group, 0)
        started = time.perf_counter()
        state = self._program.advance(state, lanes, order, 0, min(epochs, self._epochs_a_call))
        advancing = time.perf_counter() - started
        self._examine(group, lanes, state)
        return advancing

    def run(
        self,
        tasks: Sequence[Task],
        beat: Beat = lambda doing, share: None,
        epochs: int | None = None,
    ) -> Iterator[list[Run]]:
        epochs = epochs or self.settings.epochs
        for start in range(0, len(tasks), self.devices):
            group = list(tasks[start : start + self.devices])
            yield from self._train(group, beat, epochs)

    # -- one group: a task for every device ---------------------------------------------------

    def _train(self, group: list[Task], beat: Beat, epochs: int) -> Iterator[list[Run]]:
        doing = " and ".join(dict.fromkeys(task.activation for task in group))
        started = time.perf_counter()
        full = group + [group[-1]] * (self.devices - len(group))  # idle devices repeat the last
        lanes, state = self._begin(full)
        done = 0
        while done < epochs and not np.asarray(state.stopped).all():
            beat(doing, done / epochs)
            count = min(self._epochs_a_call, epochs - done)
            state = self._program.advance(state, lanes, self._order(full, done), done, count)
            done += count
        examined = self._examine(full, lanes, state)
        seconds = (time.perf_counter() - started) / sum(len(task.runs) for task in group)
        finished = {
            name: np.asarray(getattr(state, name))
            for name in ("best_loss", "best_epoch", "epochs", "diverged", "curves")
        }
        finished |= {"sparsity": examined.sparsity, "gradient_ratio": examined.gradient_ratio}
        for place, task in enumerate(group):
            runs = []
            for lane, key in enumerate(task.runs, place * self.lanes):
                outputs = examined.outputs[lane, : len(self._judged(key))]
                found = {name: values[lane] for name, values in finished.items()}
                runs.append(self._finished(key, outputs, found, seconds))
            yield runs

    def _begin(self, group: list[Task]) -> tuple[Lanes, State]:
        keys = [key for task in group for key in self._filled(task)]
        problem, places = self.problem, [self._place(key) for key in keys]
        features = problem.features
        validation = [self._split(key).validation for key in keys]
        branches = {text: branch for branch, text in enumerate(self._entries)}
        lanes = Lanes(
            activation=np.array([branches[task.activation] for task in group], np.int32),
            learning_rate=np.array([key.learning_rate for key in keys], np.float32),
            matrix=features.which[places],
            shift=self._shift[places],
            scale=self._scale[places],
            target_shift=problem.target_shift[places],
            target_scale=problem.target_scale[places],
            validation=_padded(validation, self._validation),
            valid=_padded([np.ones(len(rows), bool) for rows in validation], self._validation),
            draw=np.array([self._draw(key) for key in keys], np.uint32),
        )
        return self._program.place(lanes), self._program.start(self._weights(keys))

    def _order(self, group: list[Task], first: int) -> np.ndarray:
        """[devices x lanes, epochs a call, steps, batch] row numbers from epoch ``first`` on."""
        shape = (self._epochs_a_call, self.steps, self.batch_size)
        orders = [self._seed_order(key, first) for task in group for key in self._filled(task)]
        return np.stack([order.reshape(shape) for order in orders])

    def _examine(self, group: list[Task], lanes: Lanes, state: State) -> Examined:
        asked = [self._judged(key) for task in group for key in self._filled(task)]
        return self._program.examine(state, lanes, _padded(asked, self._asked))


def _padded(rows: Sequence[np.ndarray], length: int) -> np.ndarray:
    """[len(rows), length], each row followed by zeros (False)."""
    result = np.zeros((len(rows), length), rows[0].dtype)
    for line, values in zip(result, rows, strict=True):
        line[: len(values)] = values
    return result
