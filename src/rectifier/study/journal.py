"""Every finished run, on disk the moment it is finished: append-only, one SQLite file.

A transaction holds the runs of one task, so that whatever kills the process, a task is there
whole or not at all, and what is there is never lost.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from rectifier.errors import InputError
from rectifier.study.plan import RunKey
from rectifier.study.salvage import is_damaged, salvage

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILE = "journal.sqlite"


@dataclass(frozen=True)
class Run:
    """What one training gave.

    Attributes:
        phase, activation, learning_rate, seed: which run it was.
        score: the metric on validation rows (tune) or test rows (confirm).
        validation_loss: the lowest over epochs; cross-entropy in nats, or the mean squared
            error of the standardised target.
        diverged: a loss stopped being a finite number; the run counts with the best weights
            it had before.
        epochs_to_best, epochs_run: epoch with the lowest validation loss (1 is the first), and
            how many were run.
        dead_fraction: share of hidden units with \\|f'(z)\\| < 1e-3 for at least 99 % of the
            validation rows, at the best epoch.
        sparsity: share of hidden outputs with \\|f(z)\\| < 1e-3 on the validation rows.
        gradient_ratio: gradient norm of the first layer's weights over the last layer's.
        seconds: wall time of its task, shared equally among the task's runs.
        curves: [3, epochs_run] float32: training loss, validation loss, dead fraction.
        contributions: [tested rows] float32, whose mean is ``score``; empty in tune.
    """

    phase: str
    activation: str
    learning_rate: float
    seed: int
    score: float
    validation_loss: float
    diverged: bool
    epochs_to_best: int
    epochs_run: int
    dead_fraction: float
    sparsity: float
    gradient_ratio: float
    seconds: float
    curves: np.ndarray
    contributions: np.ndarray

    @property
    def key(self) -> RunKey:
        return RunKey(self.phase, self.activation, self.learning_rate, self.seed)  # type: ignore[arg-type]


_SCALARS = [f.name for f in fields(Run) if f.name not in ("curves", "contributions")]
_COLUMNS = [f.name for f in fields(Run)]
_INSERT = f"INSERT OR IGNORE INTO runs VALUES ({', '.join('?' * len(_COLUMNS))})"


class Journal:
    """The runs of one study.

    Args:
        folder: where ``journal.sqlite`` is or will be; None keeps the journal in memory.

    Raises:
        InputError: the folder cannot be written, or the file is not a journal.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.salvaged = ""  # a line about it, if the file was damaged
        self._lock: int | None = None
        new = folder is not None and not (folder / FILE).exists()
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(":memory:" if folder is None else folder / FILE)
            if folder is not None and is_damaged(self._database):
                self._mend(folder / FILE)
            self._create()
        except (OSError, sqlite3.Error) as error:
            if new and folder is not None:  # a full disk leaves an empty file
                with contextlib.suppress(OSError, AttributeError):
                    self._database.close()
                    (folder / FILE).unlink(missing_ok=True)
            raise InputError(f"cannot keep a journal in {folder}: {error}") from error

    def _create(self) -> None:
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT)"
        )
        self._database.execute(
            f"CREATE TABLE IF NOT EXISTS runs ({', '.join(_COLUMNS)}, "
            "PRIMARY KEY (phase, activation, learning_rate, seed))"
        )
        self._database.commit()

    def _mend(self, path: Path) -> None:
        """A new journal with what a damaged one still holds."""
        self._database.close()
        aside, about, runs = salvage(path, _COLUMNS)
        self._database = sqlite3.connect(path)
        self._create()
        self._write("INSERT OR REPLACE INTO about VALUES (?, ?)", about)
        self._write(_INSERT, runs)
        self.salvaged = (
            f"the journal was damaged: {len(runs)} finished runs could be read and are kept, the "
            f"others are run again; the damaged file is {aside}"
        )

    def close(self) -> None:
        self._database.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def reserve(self) -> None:
        """Keeps other processes from training the same study at the same time.

        The lock is on the folder itself and ends with the process, however that ends. Where the
        file system knows no locks both train, and the journal keeps each run once.

        Raises:
            InputError: another process is at it.
        """
        if self.folder is None or fcntl is None:
            return
        try:
            self._lock = os.open(self.folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another process is training the study in {self.folder}; wait until it is done, "
                "or choose another folder with --out"
            ) from error
        except OSError:
            pass

    def claim(self, identity: Mapping[str, Any], formulas: Mapping[str, str | None]) -> None:
        """Binds the journal to one study, or raises when it is another's.

        Args:
            identity: by name, what the numbers of a run depend on; equal for studies whose
                runs may stand side by side.
            formulas: of the activations that users defined (None for the catalogue's); a name
                must not change its meaning half-way.
        """
        owner, wanted = self.recall("identity"), json.loads(json.dumps(dict(identity)))
        if owner is None:
            self.remember(identity=wanted)
        elif owner != wanted:
            differing = [
                f"{name} {_brief(owner.get(name))} there, {_brief(value)} here"
                for name, value in wanted.items()
                if owner.get(name) != value
            ]
            raise InputError(
                f"{self.folder} holds another study ({'; '.join(differing)}); "
                "choose another folder with --out, or delete that one"
            )
        known = self.recall("formulas") or {}
        defined = {name: text for name, text in formulas.items() if text is not None}
        for name in known.keys() & defined.keys():
            if known[name] != defined[name]:
                raise InputError(
                    f"{self.folder} has runs of {name} = {known[name]}; give the new formula "
                    "another name"
                )
        self.remember(formulas={**known, **defined})

    def remember(self, **facts: Any) -> None:
        """Keeps facts about the study, as JSON."""
        self._write(
            "INSERT OR REPLACE INTO about VALUES (?, ?)",
            [(name, json.dumps(value)) for name, value in facts.items()],
        )

    def recall(self, name: str) -> Any:
        """A remembered fact, or None."""
        row = self._database.execute("SELECT value FROM about WHERE name = ?", [name]).fetchone()
        return None if row is None else json.loads(row[0])

    def add(self, runs: Iterable[Run]) -> None:
        """Appends finished runs in one transaction; a run that is there already stays."""
        rows = [
            [
                *(getattr(run, name) for name in _SCALARS),
                run.curves.astype("<f4").tobytes(),
                run.contributions.astype("<f4").tobytes(),
            ]
            for run in runs
        ]
        self._write(_INSERT, rows)

    def _write(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """All rows in one transaction."""
        try:
            with self._database:
                self._database.executemany(statement, rows)
        except sqlite3.DatabaseError as error:  # disk full, folder gone, file overwritten
            raise InputError(
                f"cannot write to {self.folder}: {error}; what was finished before is kept, "
                "and the same command goes on from there"
            ) from error

    def keys(self) -> set[RunKey]:
        """Which runs are finished."""
        rows = self._database.execute("SELECT phase, activation, learning_rate, seed FROM runs")
        return {RunKey(*row) for row in rows}

    def runs(self) -> list[Run]:
        """Every finished run, by phase, activation, learning rate and seed."""
        order = "phase DESC, activation, learning_rate, seed"
        found = self._database.execute(f"SELECT {', '.join(_COLUMNS)} FROM runs ORDER BY {order}")
        return [_run(row) for row in found]


def _brief(value: Any) -> str:
    """A setting in few characters: a list as ``64,64``, a fingerprint by its first figures."""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 40 else text[:8]


def _run(row: Sequence[Any]) -> Run:
    named = dict(zip(_COLUMNS, row, strict=True))
    # SQLite keeps NaN as NULL
    named = {name: math.nan if value is None else value for name, value in named.items()}
    named["diverged"] = bool(named["diverged"])
    named["curves"] = np.frombuffer(named["curves"], "<f4").reshape(3, named["epochs_run"])
    named["contributions"] = np.frombuffer(named["contributions"], "<f4")
    return Run(**named)


def as_csv(runs: Iterable[Run]) -> str:
    """One row a training, scalars only, in the order given."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_SCALARS)
    writer.writerows([getattr(run, name) for name in _SCALARS] for run in runs)
    return text.getvalue()
