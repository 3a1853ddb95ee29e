"""Training with machine code of our own: every core takes one task after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import numpy as np

from rectifier.kernels.threads import thread_count
from rectifier.study.journal import Run
from rectifier.study.plan import Phase, RunKey, Task
from rectifier.study.settings import Settings
from rectifier.study.train.engine import TRIAL_SECONDS, Beat, Engine, Speed
from rectifier.study.train.native.job import LANES
from rectifier.study.train.native.program import Job, pair, trainer
from rectifier.study.train.problem import Problem

_LOOK = 0.2  # seconds between two beats


class NativeEngine(Engine):
    """Trains each task in a thread of its own, without holding Python's lock.

    Args:
        lanes: at most ``LANES``; those that a task does not fill repeat its last run.
    """

    def __init__(self, problem: Problem, settings: Settings, lanes: int) -> None:
        super().__init__(problem, settings, min(lanes, LANES), thread_count())
        self._stop = threading.Event()
        self._drawing = threading.Lock()
        self._matrices = np.ascontiguousarray(problem.features.matrix)
        self._targets = np.ascontiguousarray(problem.targets)

    def speed(self) -> Speed:
        keys = [
            RunKey("confirm", name, self.settings.learning_rates[0], 0)
            for name in self.settings.activations
        ]
        overheads, epochs = [], []
        started = time.perf_counter()
        for key in keys:
            pair(self._entries[key.activation])  # compiles
            began = time.perf_counter()
            job = self._begin(Task(key.activation, (key,)))
            orders, count = self._lane_orders([key] * LANES, 0), min(2, self._epochs_a_call)
            ready = time.perf_counter()
            job.advance(orders, 0, count)
            advanced = time.perf_counter()
            job.examine()
            overheads.append(time.perf_counter() - advanced + ready - began)
            epochs.append((advanced - ready) / count)
            if time.perf_counter() - started > TRIAL_SECONDS:
                break
        return Speed(float(np.mean(overheads)), float(np.mean(epochs)), self.devices)

    def run(
        self,
        tasks: Sequence[Task],
        beat: Beat = lambda doing, share: None,
        epochs: int | None = None,
    ) -> Iterator[list[Run]]:
        epochs = epochs or self.settings.epochs
        shares: dict[Task, float] = {}
        self._stop.clear()
        pool = ThreadPoolExecutor(self.devices, thread_name_prefix="rectifier-train")
        try:
            waiting = {pool.submit(self._train, task, epochs, shares): task for task in tasks}
            while waiting:
                finished, _ = wait(waiting, _LOOK, FIRST_COMPLETED)
                for future in sorted(finished, key=lambda f: tasks.index(waiting[f])):
                    shares.pop(waiting.pop(future), None)
                    yield future.result()
                for task, share in list(shares.items())[:1]:  # a copy: threads add to it
                    beat(task.activation, share)
        finally:  # whoever asked may have stopped listening
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    # -- one task, in a thread ----------------------------------------------------------------

    def _train(self, task: Task, epochs: int, shares: dict[Task, float]) -> list[Run]:
        started = time.perf_counter()
        keys = self._lanes(task)
        with self._drawing:  # whoever comes second finds compiled what the first one needed
            job = self._begin(task)
        done = 0
        while done < epochs and not job.stopped.all() and not self._stop.is_set():
            shares[task] = done / epochs
            count = min(self._epochs_a_call, epochs - done)
            job.advance(self._lane_orders(keys, done), done, count)
            done += count
        job.examine()
        seconds = (time.perf_counter() - started) / len(task.runs)
        return [
            self._finished(
                key,
                np.ascontiguousarray(job.outputs[: len(self._judged(key)), :, lane]),
                job.lane(lane),
                seconds,
            )
            for lane, key in enumerate(task.runs)
        ]

    def _begin(self, task: Task) -> Job:
        keys, problem = self._lanes(task), self.problem
        places = [self._place(key) for key in keys]
        features = problem.features
        return Job(
            trainer(self.network, problem.classification),
            pair(self._entries[task.activation]),
            matrices=[self._matrices[which] for which in features.which[places]],
            shift=features.shift[places],
            scale=features.scale[places],
            targets=self._targets,
            target_shift=problem.target_shift[places],
            target_scale=problem.target_scale[places],
            validation=[self._split(key).validation for key in keys],
            asked=[self._judged(key) for key in keys],
            weights=self._weights(keys),
            rates=[key.learning_rate for key in keys],
            batch=self.batch_size,
            steps=self.steps,
            patience=self.settings.patience,
            epochs=self.settings.epochs,
        )

    def _lanes(self, task: Task) -> list[RunKey]:
        """The task's runs, the last repeated until every lane has one."""
        return [*task.runs, *[task.runs[-1]] * (LANES - len(task.runs))]

    def _lane_orders(self, keys: Sequence[RunKey], first: int) -> list[np.ndarray]:
        drawn: dict[tuple[Phase, int], np.ndarray] = {}
        with self._drawing:
            for key in keys:
                if (key.phase, key.seed) not in drawn:
                    drawn[key.phase, key.seed] = self._seed_order(key, first)
        return [drawn[key.phase, key.seed] for key in keys]
