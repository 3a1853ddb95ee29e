"""How long a study takes beside the same trainings as peers do them, in one run.

    python -m benchmarks.study            # about five minutes on two cores; needs the extra "dev"
    python -m benchmarks.study --rounds 3 --sampled 20

``small``: 20 activations x 5 learning rates x 10 seeds on 800 x 6 rows, 16-16. ``small, four``: of
those the activations that scikit-learn has. ``digits``: 20 activations x 8 seeds on 1797 x 64 rows,
64-64. All with Adam, batches of 32, 100 epochs; see :mod:`benchmarks.study_workload`.

Ours is a fresh process, timed from its start to the last journaled run: ``cold`` with empty
caches, ``warm`` with those that it left. Peers are fresh processes too; a few of their runs are
timed, and the total is *extrapolated*: the mean of those times the number of runs, plus the
process's start. Rounds take turns, and ratios are those of the medians. ``times_cold`` and
``times_warm`` say how often our time goes into a peer's; ``times_warm_cpu`` is the same of the
seconds that the processors worked, which other people's work on the machine changes least.

Rows go to ``benchmarks/results/study.csv``, the chart to ``docs/study-speed.svg``.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import altair as alt
import numpy as np

from benchmarks.study_workload import TRAINERS, WORKLOADS
from rectifier.report.charts import PALETTE, data, styled, to_svg

HERE = Path(__file__).parent
RESULTS, CHART = HERE / "results" / "study.csv", HERE.parent / "docs" / "study-speed.svg"
COLUMNS = ("workload", "what", "runs", "timed", "seconds", "cpu_seconds")
COLUMNS += ("times_cold", "times_warm", "times_warm_cpu", "cores")
PEERS = {  # of each workload: how many runs are timed in each round, as a share of --sampled
    "small": {
        "keras fit": 1.0,
        "keras fit, 16 steps an execution": 1.0,
        "torch loop": 0.5,
        "torch.func ensemble": 1.0,
    },
    "small, four": {"scikit-learn under joblib": 2.0},
    "digits": {"keras fit": 0.5},
}


def timed(workload: str, what: str, sampled: int, **environment: str) -> tuple[float, float]:
    """Seconds and CPU seconds of all runs of a workload, extrapolated where only some are made."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.study", "--child", workload, what, str(sampled)],
        env={**os.environ, "KERAS_BACKEND": "jax", **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds, after = time.perf_counter() - started, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    each = [float(line) for line in done.stdout.split()]
    if not each:
        return seconds, cpu
    runs = WORKLOADS[workload].runs
    # An ensemble or a pool times the run of the average; the others print every one.
    start = max(0.0, seconds - sum(each)) if len(each) > 1 else 0.0
    whole = start + runs * float(np.mean(each))
    return whole, cpu * whole / seconds


def measured(rounds: int, sampled: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for workload, peers in PEERS.items():
        runs = WORKLOADS[workload].runs
        found: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                for state in ("cold", "warm"):
                    one = timed(workload, "rectifier", runs, XDG_CACHE_HOME=cache)
                    found.setdefault((f"rectifier {state}", runs), []).append(one)
            for what, share in peers.items():
                count = max(2, round(share * sampled))
                found.setdefault((what, count), []).append(timed(workload, what, count))
        middle = {
            key: [median(column) for column in zip(*times, strict=True)]
            for key, times in found.items()
        }
        (cold, _), (warm, warm_cpu) = (middle[f"rectifier {s}", runs] for s in ("cold", "warm"))
        for (what, count), (seconds, cpu) in middle.items():
            ratios = (f"{r:.1f}" for r in (seconds / cold, seconds / warm, cpu / warm_cpu))
            values = (f"{count} x {rounds}", f"{seconds:.2f}", f"{cpu:.2f}", *ratios)
            row = (workload, what, runs, *values, os.cpu_count())
            rows.append(dict(zip(COLUMNS, row, strict=True)))
            print(*row, sep="  ", flush=True)
    return rows


def draw(rows: list[dict[str, object]]) -> None:
    """How many times as long as ours (warm), one point a peer, on a logarithmic axis."""
    points = [
        {
            "who": f"{row['workload']}: {row['what']}",
            "times": float(str(row["times_warm"])),
            "text": f"{row['times_warm']} x, {float(str(row['seconds'])):,.0f} s",
        }
        for row in rows
    ]
    scale = alt.Scale(type="log", domain=[0.5, 3000], nice=False)
    place = alt.X("times:Q", title="times as long as ours, warm", scale=scale)
    names = alt.Axis(labelLimit=320)
    base = alt.Chart(data(points)).encode(place, alt.Y("who:N", sort=None, title=None, axis=names))
    dots = base.mark_point(filled=True, size=60, color=PALETTE["accent"])
    words = base.mark_text(align="left", dx=8, fontSize=10).encode(alt.Text("text:N"))
    chart = styled((dots + words).properties(width=420))
    CHART.write_text(to_svg(chart.properties(background=PALETTE["paper"])), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sampled", type=int, default=10, help="runs of a peer in a round")
    parser.add_argument("--child", nargs=3)
    options = parser.parse_args()
    if options.child:
        workload, what, sampled = options.child
        return TRAINERS[what](WORKLOADS[workload], int(sampled))
    rows = measured(options.rounds, options.sampled)
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("llvmlite", "keras", "jax", "torch", "scikit-learn")
    )
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "with"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "with": f"{libraries}, {platform.machine()}"} for row in rows)
    draw(rows)
    return None


if __name__ == "__main__":
    main()
