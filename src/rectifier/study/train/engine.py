"""Runs tasks: fills the lanes, calls the compiled program, hands back finished runs.

This engine keeps every core (or GPU) of one machine busy. Another engine is another class with
the same two methods, ``speed`` and ``run``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rectifier import catalog
from rectifier.study.journal import Run
from rectifier.study.plan import (
    Phase,
    RunKey,
    Split,
    Task,
    batch_order,
    fewest_fit_rows,
    generator,
)
from rectifier.study.settings import Settings
from rectifier.study.train.network import MLP, Weights
from rectifier.study.train.problem import Problem
from rectifier.study.train.program import (
    Examined,
    Lanes,
    Program,
    State,
    keep_compiled_programs,
    use_all_cores,
)

_ORDER_BYTES = 32 << 20  # row numbers sent to the program at once
_KEPT_ORDERS_BYTES = 256 << 20  # batch orders kept for the next activation

_TRIAL_SECONDS = 2.0  # spent on finding out how fast this machine is, an activation at least

Beat = Callable[[str, float], None]  # what is running, share of it done


@dataclass(frozen=True)
class Speed:
    """Seconds that a group of tasks, one a device, takes besides its epochs, and for each."""

    overhead: float
    epoch: float
    devices: int


class LocalEngine:
    """Trains tasks on this machine.

    Args:
        problem: the table in numbers, with the splits of every phase.
        settings: checked.
        lanes: runs a task has at most.
    """

    def __init__(self, problem: Problem, settings: Settings, lanes: int) -> None:
        self.problem, self.settings, self.lanes = problem, settings, lanes
        columns = problem.features.matrix.shape[2]
        self.network = MLP(columns, settings.hidden, problem.outputs)
        self._entries = {text: catalog.get(text) for text in settings.activations}
        splits = [s for phase in ("tune", "confirm") for s in problem.splits(phase)]
        fit = fewest_fit_rows(problem.table.rows)
        self.batch_size = min(settings.batch_size, fit)
        self.steps = fit // self.batch_size
        self._validation = max(len(split.validation) for split in splits)
        self._asked = max(max(len(split.test), len(split.validation)) for split in splits)
        keep_compiled_programs()
        devices = use_all_cores()
        self.devices = len(devices)
        visited = 4 * self.steps * self.batch_size * self.devices * lanes
        self._epochs_a_call = max(1, min(settings.epochs, _ORDER_BYTES // visited))
        self._orders: dict[tuple[Phase, int], np.ndarray] = {}
        self._program = Program(
            self.network,
            list(self._entries.values()),
            problem.features.matrix,
            problem.targets,
            epochs=settings.epochs,
            patience=settings.patience,
            batch_size=self.batch_size,
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
            if time.perf_counter() - started > _TRIAL_SECONDS:
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
        """Trains the tasks in order, a task per device at once; yields the runs of each task.

        ``epochs`` may be fewer than the settings', which is what the program was compiled for.
        """
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
        for place, task in enumerate(group):
            first = place * self.lanes
            yield [
                self._finished(key, first + lane, finished, examined, seconds)
                for lane, key in enumerate(task.runs)
            ]

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
            shift=features.shift[places],
            scale=features.scale[places],
            target_shift=problem.target_shift[places],
            target_scale=problem.target_scale[places],
            validation=_padded(validation, self._validation),
            valid=_padded([np.ones(len(rows), bool) for rows in validation], self._validation),
        )
        return self._program.place(lanes), self._program.start(self._weights(keys))

    def _weights(self, keys: list[RunKey]) -> Weights:
        """Initial weights [lanes, ...]: the seed's own draws, scaled as the activation needs."""
        runs = []
        for key in keys:
            rng = generator(self.settings.seed, key.phase, "weights", key.seed)
            gain = self._entries[key.activation].facts.gain or 1.0
            runs.append(self.network.initial(self.network.draw(rng), gain))
        layers = zip(*runs, strict=True)
        return [
            (np.stack([k for k, _ in layer]), np.stack([b for _, b in layer])) for layer in layers
        ]

    def _order(self, group: list[Task], first: int) -> np.ndarray:
        """[devices x lanes, epochs a call, steps, batch] row numbers from epoch ``first`` on."""
        shape = (self._epochs_a_call, self.steps, self.batch_size)
        orders = [self._seed_order(key, first) for task in group for key in self._filled(task)]
        return np.stack([order.reshape(shape) for order in orders])

    def _seed_order(self, key: RunKey, first: int) -> np.ndarray:
        visited, settings = self.steps * self.batch_size, self.settings
        kept = self._orders.get((key.phase, key.seed))
        if kept is not None:
            return kept
        fit = self._split(key).fit
        order = np.zeros((self._epochs_a_call, visited), np.int32)
        for offset in range(min(self._epochs_a_call, settings.epochs - first)):
            epoch = batch_order(settings, key.phase, key.seed, fit, first + offset)
            order[offset] = epoch[:visited]
        whole_study = (settings.seeds + settings.tune_seeds) * order.nbytes
        if self._epochs_a_call == settings.epochs and whole_study <= _KEPT_ORDERS_BYTES:
            self._orders[key.phase, key.seed] = order
        return order

    def _examine(self, group: list[Task], lanes: Lanes, state: State) -> Examined:
        asked = [self._judged(key) for task in group for key in self._filled(task)]
        return self._program.examine(state, lanes, _padded(asked, self._asked))

    def _finished(
        self,
        key: RunKey,
        lane: int,
        state: dict[str, np.ndarray],
        examined: Examined,
        seconds: float,
    ) -> Run:
        rows = self._judged(key)
        outputs = examined.outputs[lane, : len(rows)]
        contributions = self.problem.contributions(rows, outputs, self._place(key))
        best, epochs = int(state["best_epoch"][lane]), int(state["epochs"][lane])
        curves = state["curves"][lane, :, :epochs]
        return Run(
            phase=key.phase,
            activation=key.activation,
            learning_rate=key.learning_rate,
            seed=key.seed,
            score=float(contributions.mean()),
            validation_loss=float(state["best_loss"][lane]),
            diverged=bool(state["diverged"][lane]),
            epochs_to_best=best,
            epochs_run=epochs,
            dead_fraction=float(curves[2, max(best - 1, 0)]),
            sparsity=float(examined.sparsity[lane]),
            gradient_ratio=float(examined.gradient_ratio[lane]),
            seconds=seconds,
            curves=curves,
            contributions=(contributions if key.phase == "confirm" else contributions[:0]),
        )

    # -- lookups ------------------------------------------------------------------------------

    def _filled(self, task: Task) -> list[RunKey]:
        """The task's runs, the last repeated until every lane has one."""
        return [*task.runs, *[task.runs[-1]] * (self.lanes - len(task.runs))]

    def _split(self, key: RunKey) -> Split:
        return self.problem.splits(key.phase)[key.seed]

    def _judged(self, key: RunKey) -> np.ndarray:
        """The rows whose score is the run's: test rows are read in ``confirm`` alone."""
        split = self._split(key)
        return split.test if key.phase == "confirm" else split.validation

    def _place(self, key: RunKey) -> int:
        return self.problem.position(key.phase, key.seed)


def _padded(rows: Sequence[np.ndarray], length: int) -> np.ndarray:
    """[len(rows), length], each row followed by zeros (False)."""
    result = np.zeros((len(rows), length), rows[0].dtype)
    for line, values in zip(result, rows, strict=True):
        line[: len(values)] = values
    return result
