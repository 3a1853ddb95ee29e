"""Sweeps in processes of their own, a progress bar before them, a row kept as each ends."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.accuracy import sweep, table
from rectifier.catalog.accuracy import Measurement, Which

WHICH: tuple[Which, ...] = ("value", "derivative")
_steps: Any = None  # a counter that the processes share


def sampled(names: list[str], dtypes: Collection[str], ours: bool) -> None:
    """Measures everyone on spread inputs; what a sweep has said already stays."""
    from benchmarks.accuracy import sample  # torch and JAX are for this alone

    with _bar() as bar:
        shown = bar.add_task("", total=len(names) * len(WHICH))
        for name in names:
            for which in WHICH:
                swept = _is_there(name, which)
                rows = sample.sampled(name, which, dtypes, ours)
                table.update(r for r in rows if not (swept and r.key[2:] == ("numpy", "float32")))
                bar.advance(shown)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.completed:.0f} of {task.total:.0f} functions"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )


def exhaustive(names: list[str], workers: int, again: bool) -> None:
    """Sweeps what is missing of ``names``; every function's row is kept as it ends."""
    tasks: list[tuple[str, Which]] = [(n, which) for n in names for which in WHICH]
    if not again:
        tasks = [task for task in tasks if not _is_there(*task)]
    if not tasks:
        print("every input has been swept; --again does it once more")
        return
    context = multiprocessing.get_context("spawn")
    steps = context.Value("L", 0)
    bar = _bar()
    pool = ProcessPoolExecutor(workers, context, _share, (steps,))
    with bar, pool:
        shown = bar.add_task("", total=len(tasks))
        running = {pool.submit(_task, *task) for task in tasks}
        try:
            while running:
                done, running = wait(running, 1.0, FIRST_COMPLETED)
                for future in done:
                    row, seconds = future.result()
                    table.update([row])
                    bar.print(_line(row, seconds), highlight=False)
                bar.update(shown, completed=steps.value / sweep.STEPS)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _is_there(name: str, which: Which) -> bool:
    row = table.read().get((name, which, "numpy", "float32"))
    return row is not None and row.exhaustive and row.code == sweep.code_of(name, which)


def _line(row: Measurement, seconds: float) -> str:
    where = "rounded correctly" if row.at is None else f"{row.ulps:.6g} ulp at {row.at!r}"
    return f"{row.name} {row.which}: {where}; {row.off:,} off; {seconds:.1f} s"


def _share(steps: Any) -> None:
    global _steps
    _steps = steps


def _task(name: str, which: Which) -> tuple[Measurement, float]:
    def step() -> None:
        with _steps.get_lock():
            _steps.value += 1

    started = time.perf_counter()
    return sweep.sweep(name, which, step), time.perf_counter() - started
