"""What every engine of this machine shares: what a run is given, and what becomes of it.

An engine trains tasks: :class:`~rectifier.study.train.native.engine.NativeEngine` with machine
code of its own, :class:`~rectifier.study.train.jax_engine.JaxEngine` with JAX;
:func:`~rectifier.study.train.choice.local_engine` picks. Another engine is another class with
the same two methods, ``speed`` and ``run``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
from rectifier.study.train.built_in import network_for
from rectifier.study.train.network import Weights
from rectifier.study.train.problem import Problem

_ORDER_BYTES = 32 << 20  # row numbers made for one call of the trainer
_KEPT_ORDERS_BYTES = 256 << 20  # batch orders kept for the next activation

TRIAL_SECONDS = 2.0  # spent on finding out how fast this machine is, an activation at least

Beat = Callable[[str, float], None]  # what is running, share of it done


@dataclass(frozen=True)
class Speed:
    """Seconds that a group of tasks, one a device, takes besides its epochs, and for each."""

    overhead: float
    epoch: float
    devices: int


class Engine(ABC):
    """Trains tasks on this machine.

    Args:
        problem: the table in numbers, with the splits of every phase.
        settings: checked.
        lanes: runs a task has at most.
        devices: tasks that are trained at once.
    """

    def __init__(self, problem: Problem, settings: Settings, lanes: int, devices: int) -> None:
        self.problem, self.settings = problem, settings
        self.lanes, self.devices = lanes, devices
        self.network = network_for(problem, settings)
        self._entries = {text: catalog.get(text) for text in settings.activations}
        fit = fewest_fit_rows(problem.table.rows)
        self.batch_size = min(settings.batch_size, fit)
        self.steps = fit // self.batch_size
        visited = 4 * self.steps * self.batch_size * devices * lanes
        self._epochs_a_call = max(1, min(settings.epochs, _ORDER_BYTES // visited))
        self._orders: dict[tuple[Phase, int], np.ndarray] = {}

    @abstractmethod
    def speed(self) -> Speed:
        """Compiles, then measures on a few epochs of the activations, which are thrown away."""

    @abstractmethod
    def run(
        self,
        tasks: Sequence[Task],
        beat: Beat = lambda doing, share: None,
        epochs: int | None = None,
    ) -> Iterator[list[Run]]:
        """Trains the tasks, ``devices`` of them at once; yields the runs of each finished task.

        ``epochs`` may be fewer than the settings', which is what the trainer was made for.
        """

    # -- what a run is given ------------------------------------------------------------------

    def _weights(self, keys: list[RunKey]) -> Weights:
        """Initial weights [lanes, ...]: the seed's own draws, scaled as the activation needs."""
        runs = []
        for key in keys:
            rng = generator(self.settings.seed, key.phase, "weights", key.seed)
            gain = self._entries[key.activation].facts.gain or 1.0
            runs.append(self.network.initial(self.network.draw(rng), gain))
        layers = zip(*runs, strict=True)
        return [tuple(map(np.stack, zip(*layer, strict=True))) for layer in layers]

    def _draw(self, key: RunKey) -> int:
        """The seed of a run's dropout, the same for every activation and rate."""
        return int(generator(self.settings.seed, key.phase, "dropout", key.seed).integers(2**32))

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

    # -- what becomes of it -------------------------------------------------------------------

    def _finished(
        self,
        key: RunKey,
        outputs: np.ndarray,
        found: dict[str, Any],
        seconds: float,
    ) -> Run:
        """A run's record.

        Args:
            outputs: [judged rows, outputs] of its best weights.
            found: its ``best_loss``, ``best_epoch``, ``epochs``, ``diverged``, ``curves``
                [3, epochs of the study], ``sparsity`` and ``gradient_ratio``.
        """
        rows = self._judged(key)
        contributions = self.problem.contributions(rows, outputs, self._place(key))
        best, epochs = int(found["best_epoch"]), int(found["epochs"])
        curves = np.array(found["curves"][:, :epochs])
        return Run(
            phase=key.phase,
            activation=key.activation,
            learning_rate=key.learning_rate,
            seed=key.seed,
            score=float(contributions.mean()),
            validation_loss=float(found["best_loss"]),
            diverged=bool(found["diverged"]),
            epochs_to_best=best,
            epochs_run=epochs,
            dead_fraction=float(curves[2, max(best - 1, 0)]),
            sparsity=float(found["sparsity"]),
            gradient_ratio=float(found["gradient_ratio"]),
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
