"""The same tasks on a Ray cluster: laptop, workstation or many machines, one journal.

Each worker is a process with an engine of its own (:mod:`rectifier.study.train.choice`) on two
cores, or with JAX on one GPU. The table goes to Ray's object store once and from there once to
every node. Which worker trains a task does not enter its numbers, so a worker that is lost costs
time and nothing else: its task is given to another one, and only what comes back is journaled,
here, by the process that asked.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from rectifier import catalog
from rectifier.errors import InputError, MissingLibrary
from rectifier.study.journal import Run
from rectifier.study.plan import Task
from rectifier.study.settings import Settings
from rectifier.study.train.built_in import network_for
from rectifier.study.train.choice import local_engine
from rectifier.study.train.engine import Beat, Speed
from rectifier.study.train.problem import Problem

try:
    import ray
except ImportError as error:
    raise MissingLibrary("ray", "ray") from error

# Tasks a worker trains at once. XLA compiles a program for one host device a little otherwise
# than for two and more, and losses then differ in the last bit from those of JaxEngine.
TOGETHER = 2
_LOOK = 1.0  # seconds between two looks at what has come or gone
_LOSSES = 3  # workers that may be lost over one task before it is the task's fault


class Worker:
    """One process of the cluster; made into a Ray actor by :class:`RayEngine`."""

    def __init__(
        self, problem: Problem, settings: Settings, lanes: int, formulas: dict[str, str]
    ) -> None:
        if settings.trainer == "jax":
            import jax

            # Before the engine takes every core of the node. GPUs are those that Ray shows.
            jax.config.update("jax_num_cpu_devices", TOGETHER)
            jax.devices()
        for name, formula in formulas.items():
            catalog.define(name, formula)
        self._engine = local_engine(problem, settings, lanes)

    def speed(self) -> Speed:
        return self._engine.speed()

    def train(self, tasks: list[Task], epochs: int) -> list[list[Run]]:
        return list(self._engine.run(tasks, epochs=epochs))


class RayEngine:
    """Trains tasks on a Ray cluster.

    Args:
        problem, settings, lanes: as :func:`local_engine`'s.

    Raises:
        InputError: no cluster at ``settings.address``.
    """

    def __init__(self, problem: Problem, settings: Settings, lanes: int) -> None:
        self.settings, self.lanes = settings, lanes
        self._gpus = settings.trainer == "jax"
        self.network = network_for(problem, settings)  # the workers' own; here for its facts
        self._started = _connect(settings.address)
        entries = [catalog.get(text) for text in settings.activations]
        formulas = {entry.name: entry.text for entry in entries if entry.text is not None}
        self._table = ray.put(problem)
        self._rest = (settings, lanes, formulas)
        self._workers: list[Any] = []

    def close(self) -> None:
        """Gives the workers back, and stops Ray if it was started here."""
        for worker in self._workers:
            ray.kill(worker)
        self._workers.clear()
        if self._started:
            ray.shutdown()

    def speed(self) -> Speed:
        """Of one worker, times the workers there can be."""
        self._hire(1)
        found: Speed = ray.get(self._workers[0].speed.remote())
        return Speed(found.overhead, found.epoch, found.devices * max(1, _places(self._gpus)[0]))

    def run(
        self,
        tasks: Sequence[Task],
        beat: Beat = lambda doing, share: None,
        epochs: int | None = None,
    ) -> Iterator[list[Run]]:
        """Trains the tasks on all workers; yields the runs of each as they come in."""
        waiting = deque(list(tasks[i : i + TOGETHER]) for i in range(0, len(tasks), TOGETHER))
        losses: dict[Task, int] = {}
        at_work: dict[Any, tuple[Any, list[Task]]] = {}
        while waiting or at_work:
            self._hire(len(waiting) + len(at_work))
            busy = {id(worker) for worker, _ in at_work.values()}
            for worker in self._workers:
                if waiting and id(worker) not in busy:
                    group = waiting.popleft()
                    order = worker.train.remote(group, epochs or self.settings.epochs)
                    at_work[order] = worker, group
            beat(next(iter(at_work.values()))[1][0].activation, 0.0)
            ready, _ = ray.wait([*at_work], timeout=_LOOK)
            for order in ready:
                worker, group = at_work.pop(order)
                try:
                    finished = ray.get(order)
                except (ray.exceptions.RayActorError, ray.exceptions.NodeDiedError):
                    self._workers = [w for w in self._workers if w is not worker]
                    self._count_loss(group[0], losses)
                    waiting.appendleft(group)
                else:
                    yield from finished

    def _count_loss(self, task: Task, losses: dict[Task, int]) -> None:
        losses[task] = losses.get(task, 0) + 1
        if losses[task] == _LOSSES:
            raise InputError(
                f"{_LOSSES} workers were lost while training {task.activation}; finished runs are "
                "kept, and the same command goes on from there; most often a node has too little "
                "memory"
            )

    def _hire(self, wanted: int) -> None:
        """As many workers as there is work and room for; nodes may have come since."""
        places, resources = _places(self._gpus)
        while len(self._workers) < min(wanted, max(places, 1)):
            actor = ray.remote(Worker).options(**resources)
            self._workers.append(actor.remote(self._table, *self._rest))


def _places(use_gpus: bool) -> tuple[int, dict[str, float]]:
    """How many workers the cluster has room for, and what each takes of it."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in alive)
    if gpus and use_gpus:
        return gpus, {"num_cpus": 1, "num_gpus": 1}
    cores = [int(node.get("CPU", 0)) for node in alive]
    each = TOGETHER if all(count == 0 or count >= TOGETHER for count in cores) else 1
    return sum(count // each for count in cores), {"num_cpus": each}


def _connect(address: str | None) -> bool:
    """Joins the cluster at ``address``, or starts one here; True if it was started here."""
    if ray.is_initialized():
        return False
    # Ray's choice between two behaviours, else announced in a warning; and it reports no usage
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address is None:
        # a dashboard would open a port and take memory
        options |= {"address": "local", "include_dashboard": False}
    else:
        options["address"] = address
        _knock(address)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(**options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else "no answer"
            raise _nobody(address, first) from error
    return True


def _knock(address: str) -> None:
    """Asks whether anybody listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "/" in address or not port.isdigit():
        return  # auto, or ray://...: Ray knows better
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise _nobody(address, str(error)) from error


def _nobody(address: str | None, why: str) -> InputError:
    return InputError(
        f"no Ray cluster at {address}: {why}; give the address that 'ray start --head' printed, "
        "or leave out --address to start Ray here"
    )
