"""What ``rf.watch`` costs a training, at its default sampling.

    python -m benchmarks.watch                # some three minutes; needs the extra "dev"
    python -m benchmarks.watch --threads 1 2  # of torch; two only where both cores are free

The same training with and without a watch, in turns in one process, so that both meet the same
machine; each turn is a fresh model, and which of the two goes first alternates. PyTorch in a plain
loop, Keras in ``fit``. Every step is timed, since a machine's neighbours come and go within a turn.
Rows go to ``benchmarks/results/watch.csv``, times in milliseconds:

* threads: torch's; NumPy's BLAS has one for each core either way
* step_without, step_with: of the processors, medians over the steps of all turns; with a watch, of
  those that are not among the ten from a sample on
* sample: what those ten took beyond ten plain steps, so that threads which a sample has woken and
  left spinning are counted; median over samples
* overhead: (step_with + sample * samples / steps) / step_without - 1
* overhead_turns, overhead_wall: the least of the processors' seconds of a turn with a watch over
  the least without, less 1, and the same on the clock on the wall; what these are worth depends on
  how busy the machine is. Of Keras on JAX they are all there is: its ``fit`` begins steps before
  those ahead of them are computed, so that no step has a time of its own
* charged: the share of the time that the watch counted for itself
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import torch
from torch import nn

import rectifier as rf

RESULTS = Path(__file__).parent / "results" / "watch.csv"
TURNS = 8


STEPS_AFTER = 10


class Turn(NamedTuple):
    """One training: seconds of the processors and on the wall of every step, in order."""

    cpu: np.ndarray
    wall: np.ndarray
    charged: float
    samples: list[int]  # the steps that were sampled


class Clock:
    """Notes the time at every step."""

    def __init__(self) -> None:
        self.cpu, self.wall = [time.process_time()], [time.perf_counter()]

    def tick(self) -> None:
        self.cpu.append(time.process_time())
        self.wall.append(time.perf_counter())

    def turn(self, watch: Any) -> Turn:
        charged = 0.0 if watch is None else watch.seconds
        samples = [] if watch is None else sorted({row["step"] for row in watch.history})
        return Turn(np.diff(self.cpu), np.diff(self.wall), charged, samples)


class Ticking(keras.callbacks.Callback):
    """A clock's tick at the beginning of every batch but the first."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.clock.tick()


def mlp(watched: bool) -> Turn:
    net = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU())
    return loop(nn.Sequential(*net, nn.Linear(512, 10)), (128, 64), 300, watched)


def cnn(watched: bool, steps: int = 120) -> Turn:
    layers: list[nn.Module] = []
    for k in range(4):
        layers += [nn.Conv2d(32 if k else 3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)]
        layers.append(nn.ReLU())
    tail = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    return loop(nn.Sequential(*layers, *tail), (32, 3, 16, 16), steps, watched)


def loop(net: nn.Module, shape: tuple[int, ...], steps: int, watched: bool) -> Turn:
    optimizer = torch.optim.Adam(net.parameters())
    x, y = torch.randn(shape), torch.randint(0, 10, shape[:1])
    watch = rf.watch(net, optimizer=optimizer) if watched else None
    clock = Clock()
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        clock.tick()
    if watch is not None:
        watch.close()
    return clock.turn(watch)


def fit(watched: bool) -> Turn:
    layers = keras.layers
    hidden = [layers.Dense(512, "relu"), layers.Dense(512, "relu")]
    net = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(128 * 60, 64)).astype(np.float32), rng.integers(0, 10, 128 * 60)
    net.fit(x[:256], y[:256], batch_size=128, verbose=0)  # compiles
    watch = rf.watch(net, x) if watched else None
    clock = Clock()
    callbacks = [Ticking(clock), *([watch] if watch else [])]
    net.fit(x, y, batch_size=128, epochs=5, verbose=0, callbacks=callbacks)
    clock.tick()
    clock.cpu[1:2], clock.wall[1:2] = [], []  # the first tick came before the first step
    return clock.turn(watch)


KERAS = f"keras fit ({keras.backend.backend()}) MLP 64-512-512-10, batch 128"
CASES: dict[str, tuple[int, Callable[[bool], Turn]]] = {
    "torch MLP 64-512-512-10, batch 128": (300, mlp),
    "torch CNN 4 x 32 channels, 16 x 16, batch 32": (120, cnn),
    "the same CNN, five times as long": (600, partial(cnn, steps=600)),
    KERAS: (300, fit),
}


def row(what: str, threads: int, steps: int, train: Callable[[bool], Turn], turns: int) -> dict:
    torch.set_num_threads(threads)
    train(True)  # caches that a process fills once
    without: list[Turn] = []
    with_: list[Turn] = []
    for turn in range(turns):
        for watched in (turn % 2 == 0, turn % 2 == 1):
            (with_ if watched else without).append(train(watched))
    step = 1e3 * np.median(np.concatenate([t.cpu for t in without]))
    plain, samples = [], []
    for one in with_:
        near = {k + i for k in one.samples for i in range(STEPS_AFTER)}
        plain += [seconds for k, seconds in enumerate(one.cpu) if k not in near]
        samples += [one.cpu[k : k + STEPS_AFTER] for k in one.samples]
    watched_step = 1e3 * np.median(plain)
    sample = np.median([1e3 * np.sum(cpu) - len(cpu) * step for cpu in samples])
    count = float(np.mean([len(t.samples) for t in with_]))
    cpu = [min(t.cpu.sum() for t in those) for those in (with_, without)]
    wall = [min(t.wall.sum() for t in those) for those in (with_, without)]
    by_step = {
        "step_without": f"{step:.3f}",
        "step_with": f"{watched_step:.3f}",
        "sample": f"{sample:.2f}",
        "overhead": f"{(watched_step + sample * count / steps) / step - 1:.3f}",
    }
    return {
        "what": what,
        "threads": threads if what != KERAS else "",
        "steps": steps,
        "samples": f"{count:.1f}",
        **(by_step if what != KERAS else dict.fromkeys(by_step, "")),
        "overhead_turns": f"{cpu[0] / cpu[1] - 1:.3f}",
        "overhead_wall": f"{wall[0] / wall[1] - 1:.3f}",
        "charged": f"{np.median([t.charged / t.wall.sum() for t in with_]):.3f}",
        "turns": turns,
        "machine": platform.machine(),
        "versions": f"torch {version('torch')}, keras {version('keras')}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for what, (steps, train) in CASES.items():
        for count in chosen.threads if what != KERAS else chosen.threads[:1]:
            rows.append(row(what, count, steps, train, chosen.turns))
            print(*rows[-1].values(), flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
