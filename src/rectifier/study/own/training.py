"""Studies of training code that is not ours: ``rf.compare(train=g)``.

``g(activation, learning_rate, seed)`` trains once and gives scores. Planning, pairing by seed,
journal, statistics and verdict are those of every study; only who trains differs.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import math
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rectifier import catalog
from rectifier.errors import InputError
from rectifier.study import Listener, Outcome, Silence, Team, search_and_confirm
from rectifier.study.journal import Journal, Run
from rectifier.study.judge.metrics import OWN, Metric, get_metric
from rectifier.study.load.read import one_line
from rectifier.study.plan import RunKey, Task, tasks
from rectifier.study.settings import Settings

if TYPE_CHECKING:
    from rectifier.study.train.engine import Beat, Speed

# g(activation, learning_rate, seed) -> a score; (validation, test); {"validation":, "score":}
Train = Callable[[Any, float, int], Any]

_TUNING = 10_000  # tuning seeds start here, so that no confirming seed is ever tuned on
_EACH = 2 * _TUNING  # seeds that one study takes at most
_SEEDS = 2**31  # what every library takes as a seed
# What training code decides for itself.
NOT_OURS = frozenset({"network", "hidden", "epochs", "patience", "batch_size"})
NOT_OURS |= {"image", "weight_decay", "dropout", "batch_norm"}


@dataclass(frozen=True)
class Scored:
    """What one training gave, in the metric's own orientation; NaN where it diverged."""

    validation: float | None
    score: float


def study_training(
    train: Train,
    settings: Settings,
    folder: Path | None = None,
    listener: Listener | None = None,
    command: str = "",
) -> Outcome:
    """A study whose runs are calls of ``train``, one after the other.

    Args:
        train: called as ``train(activation, learning_rate, seed)`` with an
            :class:`~rectifier.activation.Activation`, a float and an int; equal seeds should give
            equal data and initial weights, whatever the activation, since differences are taken
            seed by seed. Returns ``(validation_score, test_score)``, or a dict with
            ``"validation"`` and ``"score"``, or, where a single learning rate is given, a number.
            Learning rates are chosen by the validation scores of seeds that are not reported.
            A score that is not finite says that the run diverged.
        settings: ``metric`` says what the scores are: a metric's name (shares are 0 to 1), or
            ``score`` (greater is better, the default) or ``loss`` (less is better). ``interval``
            may be ``nadeau-bengio`` where seeds are the folds of a repeated 5-fold
            cross-validation; else it is the paired t interval over seeds.
        folder, listener, command: as in :func:`rectifier.study.study`.

    Raises:
        InputError: ``train`` failed, or gave something else than scores.
    """
    from rectifier.study.judge.evidence import ALPHA
    from rectifier.study.judge.own import judge_own
    from rectifier.study.looks import until_settled
    from rectifier.study.tune import fit_budget

    if not callable(train):
        raise InputError(
            f"train needs a function of (activation, learning_rate, seed), got {train!r:.80}"
        )
    began = time.perf_counter()
    listener = listener or Silence()
    metric = get_metric(settings.metric or "score", OWN)
    # The code's own epochs are not ours to cut: a budget cuts seeds and rates.
    settings = replace(settings, metric=metric.name, epochs=1).checked()
    name, code = name_of(train), fingerprint_of(train)
    journal = Journal(folder)
    try:
        journal.reserve()
        if journal.salvaged:
            listener.say(journal.salvaged)
        journal.claim(
            {"training code": name, "content": code, "metric": metric.name, "seed": settings.seed},
            {a: catalog.get(a).text for a in settings.activations},
        )
        team = _Trainers(OwnTraining(train, settings, metric), settings, journal, listener)
        asked = settings
        settings, _ = fit_budget(asked, 1, journal, team, listener, began)
        about = {"name": name, "fingerprint": code, "command": command}

        def once(settings: Settings, alpha: float = ALPHA) -> Outcome:
            runs, chosen = search_and_confirm(team, settings, journal)
            return judge_own(settings, metric, runs, chosen, about, 1 - alpha)

        if settings.until_settled:
            return until_settled(settings, asked, journal, listener, began, once)
        return once(settings)
    finally:
        journal.close()


class _Trainers(Team):
    """A team of one: calls the code, run after run."""

    lanes = 1

    def __init__(
        self, engine: OwnTraining, settings: Settings, journal: Journal, listener: Listener
    ) -> None:
        self._settings, self._journal, self._listener = settings, journal, listener
        self._engine = engine

        self._build = None

    def _hire(self) -> Any:
        return self._engine

    def speed(self) -> Speed:
        """From what is journaled; at first one run is made, which is kept like all others."""
        from rectifier.study.train.engine import Speed

        settings = self._settings
        if not self._journal.keys():
            phase = "tune" if len(settings.learning_rates) > 1 else "confirm"
            middle = settings.learning_rates[len(settings.learning_rates) // 2]
            first = tasks(phase, [(settings.baseline, middle)], 1, 1)  # type: ignore[arg-type]
            self._listener.say(f"a first run, with {settings.baseline}, to see how long one takes")
            self.train(list(first), "trying", 0, 1, 1)
        return Speed(float(np.mean([run.seconds for run in self._journal.runs()])), 0.0, 1)


class OwnTraining:
    """The engine: calls training code once a run.

    Args:
        train: see :func:`study_training`.
        settings: checked.
        metric: what the scores are.
    """

    lanes = 1

    def __init__(self, train: Train, settings: Settings, metric: Metric) -> None:
        self._train, self._settings, self._metric = train, settings, metric
        self._activations = {text: catalog.get(text) for text in settings.activations}

    def run(
        self,
        tasks: Sequence[Task],
        beat: Beat = lambda doing, share: None,
        epochs: int | None = None,
    ) -> Iterator[list[Run]]:
        """Trains the tasks in order; yields the runs of each."""
        for task in tasks:
            beat(task.activation, 0.0)
            yield [self._call(key) for key in task.runs]

    def _call(self, key: RunKey) -> Run:
        began = time.perf_counter()
        where = (
            f"training code with {key.activation}, learning rate {key.learning_rate:g}, "
            f"seed {seed_of(self._settings, key)}"
        )
        try:
            given = self._train(
                self._activations[key.activation],
                key.learning_rate,
                seed_of(self._settings, key),
            )
        except Exception as error:
            raise InputError(
                f"{where} failed: {type(error).__name__}: {one_line(error)}; finished runs are kept"
            ) from error
        searching = len(self._settings.learning_rates) > 1
        scored = read_scores(given, where, searching, self._metric)
        told = math.nan if scored.validation is None else scored.validation
        score = told if key.phase == "tune" else scored.score  # test scores are not even kept
        return Run(
            phase=key.phase,
            activation=key.activation,
            learning_rate=key.learning_rate,
            seed=key.seed,
            score=score,
            validation_loss=-self._metric.sign * told,
            diverged=not math.isfinite(score),
            epochs_to_best=0,
            epochs_run=0,
            dead_fraction=math.nan,
            sparsity=math.nan,
            gradient_ratio=math.nan,
            seconds=time.perf_counter() - began,
            curves=np.zeros((3, 0), np.float32),
            contributions=np.zeros(0, np.float32),
        )


def seed_of(settings: Settings, key: RunKey) -> int:
    """The seed that training code is called with: 0, 1, ... to confirm; 10000, ... to tune.

    A study with another ``seed`` has others. Modulo 5 they run through the folds of a 5-fold
    cross-validation, should the code make one.
    """
    first = settings.seed * _EACH + (_TUNING if key.phase == "tune" else 0)
    return (first + key.seed) % _SEEDS


def read_scores(given: Any, where: str, searching: bool, metric: Metric) -> Scored:
    """Scores as training code may give them.

    Args:
        given: a number, a pair (validation, test), or a mapping with "score" and "validation".
        where: which run, for errors.
        searching: learning rates are to be chosen, so that a validation score is needed.

    Raises:
        InputError: none of these, or a score that the metric cannot take.
    """
    validation: Any = None
    if isinstance(given, Mapping):
        unknown = set(given) - {"score", "validation"}
        if unknown or "score" not in given:
            keys = ", ".join(sorted(map(str, given))) or "nothing"
            raise InputError(
                f'{where} gave a dict of {keys}; it needs "score" (on test rows) and, to choose '
                'a learning rate, "validation"'
            )
        validation, score = given.get("validation"), given["score"]
    elif isinstance(given, (tuple, list)):
        if len(given) != 2:
            raise InputError(
                f"{where} gave {len(given)} values; a pair is (validation_score, test_score)"
            )
        validation, score = given
    else:
        score = given
    if searching and validation is None:
        raise InputError(
            f"{where} gave one score, but learning rates are to be chosen, which test scores must "
            "not do: give (validation_score, test_score), or a single learning rate"
        )
    return Scored(
        None if validation is None else _number(validation, where, metric),
        _number(score, where, metric),
    )


def _number(value: Any, where: str, metric: Metric) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{where} gave {type(value).__name__} where a score belongs; give a number, "
            "(validation_score, test_score), or a dict"
        ) from None
    if not metric.low <= number <= metric.high and math.isfinite(number):
        raise InputError(
            f"{where} gave {number:g}, but {metric.name} lies between {metric.low:g} and "
            f"{metric.high:g}; give it so, or choose metric='score'"
        )
    return number


def name_of(train: Callable[..., Any]) -> str:
    """``module.function``, or what else tells one piece of training code from another."""
    named = inspect.unwrap(train)
    module = getattr(named, "__module__", None) or type(train).__module__
    name = getattr(named, "__qualname__", None) or type(train).__qualname__
    return f"{module}.{name}"


def fingerprint_of(train: Callable[..., Any]) -> str:
    """sha256 of the function's own code, less its comments and layout; of its name if unknown.

    Runs of a function that has changed must not be mixed with older ones. What it calls is not
    looked at.
    """
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(train)))
        text = ast.dump(ast.parse(source))
    except (OSError, TypeError):
        text = name_of(train)
    except SyntaxError:  # a lambda in the middle of an expression
        text = source
    return hashlib.sha256(text.encode()).hexdigest()
