"""The first job's face: ``compare`` and ``inspect`` for Python, and a study's files on disk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rectifier import catalog
from rectifier.errors import InputError, UnknownName
from rectifier.expression import split_calls
from rectifier.report.addresses import check_addresses
from rectifier.study import Inspection, Listener, Outcome, Settings, load, study
from rectifier.study import inspect as inspect_table
from rectifier.study.journal import FILE, Journal, Run, as_csv

if TYPE_CHECKING:
    from rectifier.study.own.training import Train
from rectifier.study.settings import AUTO, CANDIDATES


class Study:
    """A finished comparison.

    Attributes:
        verdict: the content of ``verdict.json``: recommended, strength, reason, table ...
        runs: every training, as :class:`rectifier.study.journal.Run`.
        inspection: what was seen in the table.
        variation: share of the variation of scores by source.
        folder: where the files are, or None.
    """

    def __init__(self, outcome: Outcome, folder: Path | None) -> None:
        self.verdict: dict[str, Any] = outcome.verdict
        self.runs: list[Run] = outcome.runs
        self.inspection: dict[str, Any] = outcome.inspection
        self.variation: dict[str, float] = outcome.variation
        self.folder = folder

    @property
    def table(self) -> Any:
        """The leaderboard as a polars frame, best mean first; columns as in ``verdict.json``."""
        import polars as pl

        return pl.DataFrame(self.verdict["table"], infer_schema_length=None)

    def report(self, path: str | Path) -> Path:
        """Writes the report, one self-contained HTML file; returns its path."""
        path = Path(path)
        _replace(path, self._page())
        return path

    def write(self, folder: Path) -> None:
        """``runs.csv``, ``verdict.json`` and ``report.html`` beside the journal."""
        text = json.dumps(self.verdict, indent=2, ensure_ascii=False, allow_nan=False)
        _replace(folder / "runs.csv", as_csv(self.runs))
        _replace(folder / "verdict.json", text + "\n")
        self.report(folder / "report.html")

    def _page(self) -> str:
        from rectifier.report.page import render

        return render(self.verdict, self.runs, self.inspection, self.variation)

    def _repr_html_(self) -> str:
        """For notebooks: the sentence and the leaderboard."""
        from html import escape

        return f"<p>{escape(self.verdict['reason'])}</p>{self.table._repr_html_()}"

    def __repr__(self) -> str:
        return f"<Study {self.verdict['strength']}: {self.verdict['reason']}>"


def compare(
    data: Any = None,
    target: str | None = None,
    *,
    train: Train | None = None,
    build: Callable[..., Any] | None = None,
    drop: Sequence[str] = (),
    task: str | None = None,
    define: Mapping[str, str] | None = None,
    out: str | Path | None = None,
    listener: Listener | None = None,
    command: str = "",
    **settings: Any,
) -> Study:
    """Trains one network with every activation and says which to use, or that it does not matter.

    Args:
        data: path, built-in name (``"wine"``), pandas or polars frame, or ``(X, y)`` arrays.
        target: column to predict; may be left out where the data name it.
        train: instead of data: training code of your own, any function
            ``g(activation, learning_rate, seed)`` that gives ``(validation_score, test_score)``;
            see :func:`rectifier.study.own.training.study_training` and docs/own-network.md.
        build: network of your own, a function ``f(activation)`` or
            ``f(activation, inputs, outputs)`` that gives a Keras model;
            see :mod:`rectifier.study.own.network` and docs/own-network.md.
        drop: columns to leave out.
        task: ``"classification"`` or ``"regression"``, over what the target looks like.
        define: name and formula of further candidates, ``{"tanhexp": "x * tanh(exp(x))"}``.
        out: folder that keeps the journal and the report; the same call goes on there.
        listener: is told what happens.
        command: how to do it again, for the report.
        **settings: fields of :class:`rectifier.study.settings.Settings`: ``activations``,
            ``baseline``, ``metric``, ``hidden``, ``epochs``, ``seeds`` (``"auto"`` adds seeds until
            the verdict is settled) ...

    Raises:
        InputError: the input is at fault; one line that says what to do.
    """
    chosen = _settings(settings)
    defined = [catalog.define(name, formula).name for name, formula in (define or {}).items()]
    if defined:
        chosen = replace(chosen, activations=(*(chosen.activations or CANDIDATES), *defined))
    if train is not None:
        about = {"target": target, "drop": drop, "task": task, "build": build}
        _refuse_beside_train(data, settings, **about)
    elif data is None:
        raise InputError("compare needs data (a path, frame or arrays) or train= (a function)")
    if build is not None:
        from rectifier.study.own.training import name_of

        chosen = replace(chosen, network=":".join(name_of(build).rsplit(".", 1)))
    table = None if train is not None else load(data, target, drop=drop, task=task)
    folder = None if out is None else usable_folder(Path(out))
    if folder is not None:
        check_addresses()  # before hours of training, not after
    if table is None:
        from rectifier.study.own.training import study_training

        outcome = study_training(train, chosen, folder, listener, command)  # type: ignore[arg-type]
    else:
        outcome = study(table, chosen, folder, listener, command, build or own_build(chosen))
    done = Study(outcome, folder)
    if folder is not None:
        keep_outcome(folder, done)
    return done


def own_build(settings: Settings) -> Callable[..., Any] | None:
    """The function that ``network="my.py:function"`` names; None for a built-in network."""
    if ":" not in settings.network:
        return None
    from rectifier.study.own.network import load_build

    return load_build(settings.network)


def _refuse_beside_train(data: Any, settings: Mapping[str, Any], **about_data: Any) -> None:
    """What training code decides for itself cannot be told from outside."""
    from rectifier.study.own.training import NOT_OURS

    given = [name for name, value in about_data.items() if value]
    given += ["data"] if data is not None else []
    given += [name for name in settings if name in NOT_OURS]
    given += ["engine"] if settings.get("engine", "local") != "local" else []
    if given:
        raise InputError(
            f"{given[0]} cannot be given beside train=, whose code decides that for itself"
        )


def inspect(
    data: Any, target: str | None = None, *, drop: Sequence[str] = (), task: str | None = None
) -> Inspection:
    """What is in a table, and what will go wrong when a network is trained on it.

    Args:
        data, target, drop, task: as in :func:`compare`.
    """
    return inspect_table(load(data, target, drop=drop, task=task))


def default_folder(name: str, target: str) -> Path:
    """``rectifier-runs/<table>-<target>``, with nothing in it that a file system dislikes."""
    plain = re.sub(r"[^\w.-]+", "_", f"{name}-{target}").strip("._") or "study"
    return Path("rectifier-runs") / plain[:100]


def keep_outcome(folder: Path, done: Study) -> None:
    """Writes the files, and into the journal what the report needs besides the runs."""
    journal = Journal(folder)
    try:
        journal.remember(verdict=done.verdict, inspection=done.inspection, variation=done.variation)
    finally:
        journal.close()
    done.write(folder)


def reopen(folder: str | Path) -> Study:
    """A finished study from its folder, without training anything.

    Raises:
        InputError: no study there, or one that is not finished.
    """
    folder = Path(folder)
    if not (folder / FILE).is_file():
        raise InputError(f"{folder} holds no study (no {FILE}); give the folder of a compare")
    journal = Journal(folder)
    try:
        verdict = journal.recall("verdict")
        if verdict is None:
            raise InputError(f"the study in {folder} is not finished; run its command again first")
        kept = {row["activation"] for row in verdict["table"]}
        runs = [run for run in journal.runs() if run.activation in kept]
        outcome = Outcome(verdict, runs, journal.recall("inspection"), journal.recall("variation"))
    finally:
        journal.close()
    return Study(outcome, folder)


def _replace(path: Path, text: str) -> None:
    """Writes a file whole or not at all: a full disk leaves what was there before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8", newline="")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def _settings(given: Mapping[str, Any]) -> Settings:
    known = [field.name for field in fields(Settings)]
    for name in given:
        if name not in known:
            raise UnknownName("setting", name, known, "one of: " + ", ".join(known))
    values = dict(given)
    for name in ("activations", "hidden", "learning_rates", "image"):
        if values.get(name) is not None:
            values[name] = _several(values[name])
    if values.get("seeds") == AUTO:
        values |= {"seeds": Settings.seeds, "until_settled": True}
    return Settings(**values)


def _several(value: Any) -> tuple[Any, ...]:
    """One value or several, as a tuple; ``"relu,elu(alpha=0.5)"`` is two."""
    if isinstance(value, str):
        return tuple(split_calls(value))
    return tuple(value) if isinstance(value, Iterable) else (value,)


def usable_folder(folder: Path) -> Path:
    """``folder``, if a study can live there: absent, empty, or a study's already.

    Raises:
        InputError: a file, or a folder with something else in it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out names a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FILE).exists():
        raise InputError(f"{folder} is not empty and holds no study; choose another with --out")
    return folder
