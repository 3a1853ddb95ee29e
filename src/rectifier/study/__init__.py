"""Choose: which activation, on this table, for this network? Read it from top to bottom.

    load        a file, frame or pair of arrays becomes a Table              load.py
    inspect     what is in it, and what will go wrong                        inspect.py
    plan        rows and draws of every run, before any run                  plan.py
    prepare     numbers for every split, learnt from its training rows       problem.py
    tune        learning rates, on validation rows                           tune.py
    confirm     the chosen rate on fresh seeds; test rows are read, once     here
      (both train through an engine, every finished run journaled)           engine.py, train.py
    statistics  differences, intervals, shrinkage                            statistics.py
    verdict     one sentence with numbers                                    verdict.py

What comes out is an :class:`Outcome`, plain data that a report can be drawn from at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rectifier import catalog
from rectifier.errors import InputError
from rectifier.study.inspect import Inspection, inspect
from rectifier.study.journal import Journal, Run
from rectifier.study.judge.metrics import default_metric, get_metric
from rectifier.study.load import Table, check_splittable, load
from rectifier.study.plan import Task, choose_lanes, sample, splits, tasks
from rectifier.study.settings import FOLDS, Settings
from rectifier.study.train.native.job import LANES

if TYPE_CHECKING:
    from rectifier.study.train.engine import Speed

__all__ = ["Inspection", "Listener", "Outcome", "Settings", "inspect", "load", "study"]


class Listener(Protocol):
    """Somebody who watches a study."""

    def say(self, text: str) -> None:
        """A line worth reading: what will be done, how long it will take."""

    def progress(self, doing: str, done: float, total: int) -> None:
        """``done`` of ``total`` runs are finished (fractions: a share of the one being run)."""


class Silence:
    """A listener for those who do not want to watch."""

    def say(self, text: str) -> None: ...

    def progress(self, doing: str, done: float, total: int) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """All that a study found: what the files and the report are made of.

    Attributes:
        verdict: the content of ``verdict.json``.
        runs: every training, tuning ones first.
        inspection: ``Inspection.to_dict()``.
        variation: share of the variation of scores by source, summing to 1.
    """

    verdict: dict[str, Any]
    runs: list[Run]
    inspection: dict[str, Any]
    variation: dict[str, float]


@contextmanager
def enough_memory() -> Iterator[None]:
    """Turns a lack of memory into a line that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # XLA's own error is a RuntimeError with this word in it
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(
            "there is not enough memory to train; finished runs are kept, and the same command "
            "goes on from there when there is more, or try fewer rows or smaller --hidden"
        ) from error


@enough_memory()
def study(
    table: Table,
    settings: Settings,
    folder: Path | None = None,
    listener: Listener | None = None,
    command: str = "",
    build: Callable[..., Any] | None = None,
) -> Outcome:
    """The main job, from a loaded table to an outcome.

    Args:
        table: from :func:`load`.
        settings: as the user gave them; checked here.
        folder: keeps the journal; a study found there goes on where it stopped. None keeps
            nothing.
        listener: is told what happens.
        command: how to do it again, for the report.
        build: makes the Keras model that is trained, see :mod:`rectifier.study.own.network`;
            None trains the built-in network.

    Raises:
        InputError: something the user can mend, in one line.
    """
    from rectifier.study.judge.evidence import ALPHA
    from rectifier.study.judge.outcome import judge
    from rectifier.study.looks import until_settled
    from rectifier.study.tune import fit_budget

    began = time.perf_counter()
    listener = listener or Silence()
    check_splittable(table)
    metric = (
        get_metric(settings.metric, table.task) if settings.metric else default_metric(table.task)
    )
    settings = replace(settings, metric=metric.name).checked()
    code = {}
    if build is not None:
        if settings.engine != "local":
            raise InputError(
                f"--engine {settings.engine} trains the built-in networks; one of your own is "
                "trained on this machine: leave out --engine"
            )
        from rectifier.study.own.training import fingerprint_of

        code = {"code of the network": fingerprint_of(build)}
    else:
        from rectifier.study.train.choice import trainer_for

        settings = replace(settings, trainer=trainer_for(settings))
    journal = Journal(folder)
    team = None
    try:
        journal.reserve()
        if journal.salvaged:
            listener.say(journal.salvaged)
        journal.claim(
            settings.identity(f"{table.source}, {table.target}", table.fingerprint) | code,
            {a: catalog.get(a).text for a in settings.activations},
        )
        listener.say("inspecting the table")
        inspection = inspect(table, seed=settings.seed, pixels=settings.network == "cnn")
        team = Team(table, settings, journal, listener, build)
        asked = settings
        settings, rows = fit_budget(asked, table.rows, journal, team, listener, began)
        if rows < table.rows:
            team.dismiss()
            table = sample(table, rows, settings.seed)
            team = Team(table, asked, journal, listener, build)

        def once(settings: Settings, alpha: float = ALPHA) -> Outcome:
            nonlocal team
            assert team is not None
            if settings.seeds > asked.seeds:  # a later look: more splits than the team knows of
                team.dismiss()
                team = Team(table, replace(asked, seeds=settings.seeds), journal, listener, build)
            runs, chosen = search_and_confirm(team, settings, journal)
            tested = [s.test for s in splits(table, "confirm", settings.seeds, settings.seed)]
            known = ("inputs", "architecture", "trained")
            facts = {name: told for name in known if (told := journal.recall(name))}
            facts["command"] = command
            confidence = 1 - alpha
            return judge(
                table, settings, metric, inspection, runs, chosen, tested, facts, confidence
            )

        if settings.until_settled:
            return until_settled(settings, asked, journal, listener, began, once)
        return once(settings)
    finally:
        if team is not None:
            team.dismiss()
        journal.close()


def search_and_confirm(
    team: Team, settings: Settings, journal: Journal
) -> tuple[list[Run], dict[str, float]]:
    """Both phases; what the journal holds already is not trained again.

    Returns:
        every run of the plan, tuning ones first, and the chosen learning rate by activation.
    """
    from rectifier.study.tune import best_rates

    rates = len(settings.learning_rates)
    every = [(a, r) for a in settings.activations for r in settings.learning_rates]
    tuning = list(tasks("tune", every, settings.tune_seeds, team.lanes)) if rates > 1 else []
    confirming = len(settings.activations) * settings.seeds
    total = sum(len(task.runs) for task in tuning) + confirming
    team.train(tuning, "tuning", 0, total, settings.epochs)

    chosen = best_rates(journal.runs(), settings)
    final = list(tasks("confirm", list(chosen.items()), settings.seeds, team.lanes))
    team.train(final, "confirming", total - confirming, total, settings.epochs)

    wanted = {key for task in (*tuning, *final) for key in task.runs}
    return [run for run in journal.runs() if run.key in wanted], chosen


def _engine(name: str) -> Any:
    if name == "ray":
        from rectifier.study.train.ray_engine import RayEngine

        return RayEngine
    from rectifier.study.train.choice import local_engine

    return local_engine


class Team:
    """The engine, hired when there is something left to train, and its journal."""

    def __init__(
        self,
        table: Table,
        settings: Settings,
        journal: Journal,
        listener: Listener,
        build: Callable[..., Any] | None = None,
    ) -> None:
        self._table, self._settings, self._build = table, settings, build
        self._journal, self._listener = journal, listener
        counts = [len(settings.learning_rates) * settings.tune_seeds, settings.seeds]
        # With a budget, seeds and rates may be cut: as many lanes as the fewest seeds fill.
        self.lanes = choose_lanes(counts) if settings.budget is None else FOLDS
        if settings.trainer == "native":
            self.lanes = LANES
        self._engine: Any = None

    def _hire(self) -> Any:
        """Builds the engine, which compiles nothing yet."""
        if self._engine is None:
            from rectifier.study.train.problem import prepare

            settings, seed = self._settings, self._settings.seed
            metric = get_metric(str(settings.metric), self._table.task)
            problem = prepare(
                self._table,
                metric,
                {
                    "tune": splits(self._table, "tune", settings.tune_seeds, seed),
                    "confirm": splits(self._table, "confirm", settings.seeds, seed),
                },
            )
            if self._build is not None:
                from rectifier.study.own.network import KerasEngine

                own = KerasEngine(problem, settings, self.lanes, self._build)
                self._engine = own
                self._journal.remember(inputs=own.inputs, architecture=own.architecture)
                return own
            self._engine = _engine(settings.engine)(problem, settings, self.lanes)
            network = self._engine.network
            self._journal.remember(inputs=network.inputs, architecture=network.architecture)
        return self._engine

    def dismiss(self) -> None:
        """Gives back what the engine holds of other machines."""
        if hasattr(self._engine, "close"):
            self._engine.close()
        self._engine = None

    def speed(self) -> Speed:
        """How fast the engine is here; compiles."""
        engine = self._hire()
        self._listener.say("compiling the training program")
        return engine.speed()

    def train(
        self, wanted: Sequence[Task], phase: str, before: int, total: int, epochs: int
    ) -> None:
        """Trains what the journal does not hold yet, and journals it task by task."""
        finished = self._journal.keys()
        missing = [task for task in wanted if not finished.issuperset(task.runs)]
        done = before + sum(len(task.runs) for task in wanted if task not in missing)
        if not missing:
            return

        def beat(doing: str, share: float) -> None:
            self._listener.progress(f"{phase} {doing}", done + share, total)

        for runs in self._hire().run(missing, beat, epochs):
            self._journal.add(runs)
            self._say_how()
            done += len(runs)
            self._listener.progress(f"{phase} {runs[0].activation}", done, total)

    def _say_how(self) -> None:
        """Once it is known, whether a network of the user's own is trained side by side."""
        if self._build is None or self._journal.recall("trained"):
            return
        why = self._engine.why_apart
        trained = f"one by one: {why}" if why else "side by side"
        self._journal.remember(trained=trained)
        self._listener.say(f"runs of this network are trained {trained}")
