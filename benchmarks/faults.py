"""Studies that something goes wrong with: each must go on to the verdict of an undisturbed one.

    python -m benchmarks.faults             # some minutes; writes benchmarks/results/faults.csv
    python -m benchmarks.faults --only disk

Real faults in real processes of the command line. After each the same command is run again,
and must end with the same verdict, byte for byte but for times. A full disk and a read-only folder
are small tmpfs mounts, which need root; without it they are listed as "not run".
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "faults.csv"
STUDY = (
    "compare iris --activations relu,tanh,identity,elu --hidden 6 --epochs 1500 "
    "--patience 1500 --batch-size 2 --learning-rates 0.003,0.03 --seeds 10 --tune-seeds 3"
).split()
RUNS = 4 * (2 * 3 + 10)
# Time jumps an hour forth or back at every tenth look, on all clocks a program reads.
JUMPING = """
import itertools, sys, time
for name in ("time", "perf_counter", "monotonic"):
    def jumping(real=getattr(time, name), count=itertools.count()):
        return real() + (0, 3600, -3600)[next(count) // 10 % 3]
    setattr(time, name, jumping)
from rectifier.cli import main
main()
"""

# Everything is loaded; then the address space is all but full.
SCARCE = """
import resource
import jax, llvmlite.binding, polars, sklearn.model_selection, skrub, vl_convert
from rectifier.cli import main
import rectifier.choose, rectifier.report.page, rectifier.report.terminal, rectifier.study.tune
import rectifier.study.train.jax_engine, rectifier.study.train.native.engine
import rectifier.report.addresses
rectifier.report.addresses.RESERVED = 0  # or the limit would be told before it is met
with open("/proc/self/statm") as file:
    held = int(file.read().split()[0]) * resource.getpagesize()
limit = held + MEBIBYTES * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main()
"""


def start(
    folder: Path,
    *more: str,
    program: str = "from rectifier.cli import main; main()",
    **options: Any,
) -> subprocess.Popen:
    """A compare in a process of its own, its output piped."""
    command = [sys.executable, "-c", program, *STUDY, "--out", str(folder), *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def finish(process: subprocess.Popen) -> tuple[int, str]:
    """Exit code and the last line of standard error."""
    _, error = process.communicate(timeout=1200)
    lines = error.strip().splitlines()
    return process.returncode, lines[-1] if lines else ""


def verdict(folder: Path) -> dict[str, Any]:
    """What the study in a folder says, less what depends on time and place."""
    found = json.loads((folder / "verdict.json").read_text())
    for row in found["table"]:
        del row["seconds"]
    for name in ("seconds", "command"):
        found["settings"].pop(name, None)
    return found


def keys(folder: Path) -> set[tuple]:
    """Runs in a journal, which must be sound."""
    if not (folder / "journal.sqlite").exists():
        return set()
    database = sqlite3.connect(folder / "journal.sqlite", timeout=30)
    try:
        assert database.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        found = database.execute("SELECT phase, activation, learning_rate, seed FROM runs")
        return set(found.fetchall())
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return set()
    finally:
        database.close()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs; PermissionError where mounting is not allowed."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise PermissionError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def kills(work: Path) -> Iterator[tuple[str, Path]]:
    """kill -9 at twenty random moments of studies that go on after each.

    Five of them at any moment, imports and report included; fifteen while runs are being journaled.
    """
    rng = np.random.default_rng(0)
    began = time.monotonic()
    process = start(work / "timing")
    seen = {len(keys(work / "timing")): time.monotonic() for _ in watching(process)}
    whole = time.monotonic() - began
    training = max(seen.values()) - seen[min(count for count in seen if count)]
    folder, number = work / "killed-0", 0
    for kill in range(20):
        if (folder / "verdict.json").exists():
            number += 1
            folder = work / f"killed-{number}"
        before = keys(folder)
        process = start(folder)
        began, after = time.monotonic(), whole * rng.uniform(0.0, 1.05)
        if kill % 4:
            for _ in watching(process):
                if keys(folder) != before:
                    break
            share = 1 - len(before) / RUNS  # of the training that is still to come
            after = time.monotonic() - began + training * share * rng.uniform(0.0, 1.0)
        try:
            process.wait(max(0.0, began + after - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        now = keys(folder)
        assert before <= now, "a finished run was lost"
        yield f"after {after:.1f} s, with {len(before)} to {len(now)} of {RUNS} runs", folder


def watching(process: subprocess.Popen) -> Iterator[None]:
    """Every hundredth of a second until the process ends."""
    while process.poll() is None:
        yield
        time.sleep(0.01)


def full_disk(work: Path) -> Iterator[tuple[str, Path]]:
    for size in (0, 24, 60):  # KiB left
        with mounted(work / f"small-{size}", "size=2m") as small:
            folder, stuffing = small / "study", small / "stuffing"
            folder.mkdir()
            with stuffing.open("wb", buffering=0) as file, suppress(OSError):
                for _ in range((2048 - size) // 4):
                    file.write(bytes(4096))
            code, line = finish(start(folder))
            left = sorted(p.name for p in folder.iterdir()) if folder.exists() else []
            assert code == 2, (code, line)
            assert size or "journal.sqlite" not in left, left
            stuffing.unlink()
            subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
            yield f"{size} KiB left: {line}", folder


def read_only(work: Path) -> Iterator[tuple[str, Path]]:
    with mounted(work / "sealed", "size=64m") as sealed:
        for folder, prepare in ((sealed / "new", False), (sealed / "half", True)):
            if prepare:
                process = start(folder)
                while len(keys(folder)) < 5 and process.poll() is None:
                    time.sleep(0.05)
                process.kill()
                process.communicate()
            subprocess.run(["mount", "-o", "remount,ro", str(sealed)], check=True)
            code, line = finish(start(folder))
            assert code == 2, (code, line)
            subprocess.run(["mount", "-o", "remount,rw", str(sealed)], check=True)
            yield line, folder


def two_processes(work: Path) -> Iterator[tuple[str, Path]]:
    folder = work / "shared"
    first = start(folder)
    while not keys(folder):
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)  # or it is done before the second one has begun
    code, line = finish(start(folder))
    assert (code, first.poll()) == (2, None), (code, line)
    os.kill(first.pid, signal.SIGCONT)
    assert finish(first)[0] == 0
    assert len(keys(folder)) == RUNS
    yield line, folder


def cut_journal(work: Path) -> Iterator[tuple[str, Path]]:
    for share in (0.02, 0.5, 0.9):
        folder = work / f"cut-{share}"
        finish(start(folder))
        journal = folder / "journal.sqlite"
        with journal.open("r+b") as file:
            file.truncate(int(share * journal.stat().st_size))
        (folder / "verdict.json").unlink()
        process = start(folder)
        output, _ = process.communicate(timeout=1200)
        assert process.returncode == 0
        line = " ".join(output.split())
        place = line.find("the journal was damaged")
        assert place >= 0, line
        yield f"at {share:.0%}: {line[place:].split(', the others')[0]}", folder
    folder = work / "overwritten"
    finish(start(folder))
    (folder / "journal.sqlite").write_bytes(b"no database at all" * 1000)
    code, line = finish(start(folder))
    assert code == 2, (code, line)
    shutil.rmtree(folder)
    yield f"overwritten: {line}", folder


def clock(work: Path) -> Iterator[tuple[str, Path]]:
    code, line = finish(start(work / "jumping", program=JUMPING))
    assert code == 0, line
    yield "an hour forth and back at every tenth look: finished", work / "jumping"


def memory(work: Path) -> Iterator[tuple[str, Path]]:
    """Too little to load the libraries; and too little to train, once they are loaded."""
    for mebibytes in (1, 4):
        folder = work / f"scarce-{mebibytes}"
        code, line = finish(start(folder, program=SCARCE.replace("MEBIBYTES", str(mebibytes))))
        assert code, "there was enough memory: lower the limit"
        yield f"{mebibytes} MiB left to train in, exit code {code}: {line[:160]}", folder
    for gibibytes in (0.75, 1.0, 1.5, 2.0):
        folder = work / f"poor-{gibibytes}"
        limit = int(gibibytes * 2**30)

        def limited(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        code, line = finish(start(folder, preexec_fn=limited))
        assert code, "there was enough memory: lower the limit"
        yield f"{gibibytes} GiB of addresses, exit code {code}: {line[:100]}", folder


def losses(work: Path) -> Iterator[tuple[str, Path]]:
    """A candidate whose losses are NaN from the first step: the others' verdict stands."""
    for number, formula in enumerate(("log(10.5 - x)", "log(10.5 + x)")):
        folder = work / f"nan-{number}"
        more = ("--define", f"bad={formula}")
        for place in (folder, folder.with_suffix(".again")):
            code, line = finish(start(place, *more))
            assert code == 0, line
        bad = next(row for row in verdict(folder)["table"] if row["activation"] == "bad")
        assert verdict(folder)["recommended"] != "bad"
        assert bad["diverged"]
        yield f"{formula}: {bad['diverged']} of {bad['runs']} runs diverged", folder


FAULTS: dict[str, Callable[[Path], Iterator[tuple[str, Path]]]] = {
    "kill": kills,
    "disk": full_disk,
    "read-only": read_only,
    "two processes": two_processes,
    "cut": cut_journal,
    "clock": clock,
    "nan": losses,
    "memory": memory,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=FAULTS)
    options = parser.parse_args(arguments)
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        finish(start(work / "undisturbed"))
        expected = verdict(work / "undisturbed")
        for fault, cause in FAULTS.items():
            if options.only not in (None, fault):
                continue
            try:
                for happened, folder in cause(work):
                    if fault == "nan":
                        same = verdict(folder) == verdict(folder.with_suffix(".again"))
                    else:
                        code, line = finish(start(folder))
                        same = code == 0 and verdict(folder) == expected
                        same = same and len(keys(folder)) == RUNS
                        happened = happened.replace(str(work), "")
                        happened += "" if code == 0 else f" AGAIN: {line}"
                    rows.append((fault, happened, "same verdict" if same else "DIFFERS"))
                    print(*rows[-1], sep=" | ", flush=True)
                    keep(fault, rows)  # now: a run that is stopped keeps what it has seen
            except PermissionError as error:
                rows.append((fault, f"not run: {error}", ""))
            keep(fault, rows)


def keep(fault: str, rows: list[tuple[str, str, str]]) -> None:
    """Replaces one fault's rows in the table of results."""
    known: list[list[str]] = []
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            known = [row for row in list(csv.reader(file))[1:] if row[0] != fault]
    known += [list(row) for row in rows if row[0] == fault]
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([["fault", "what happened", "the same command again"], *known])


if __name__ == "__main__":
    main()
