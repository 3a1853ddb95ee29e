"""What ``rf.watch`` costs a training, at its default sampling.

    python -m benchmarks.watch                # some minutes; needs the extra "dev"

The same training with and without a watch, in turns, so that both meet the same machine; each
turn is a fresh model. Rows go to ``benchmarks/results/watch.csv``: what, steps of a turn, CPU
seconds without and with (p50 over turns; the clock on the wall would measure the neighbours), what
the watch counted for itself by that clock over the CPU seconds, and the overhead in CPU time:
median over turns of (with / without - 1). PyTorch in a plain loop, Keras in ``fit``.
"""

from __future__ import annotations

import csv
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import torch
from torch import nn

import rectifier as rf

RESULTS = Path(__file__).parent / "results" / "watch.csv"
TURNS = 3


def mlp(watched: bool) -> tuple[float, float]:
    net = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU())
    return loop(nn.Sequential(*net, nn.Linear(512, 10)), (128, 64), 300, watched)


def cnn(watched: bool) -> tuple[float, float]:
    layers: list[nn.Module] = []
    for k in range(4):
        layers += [nn.Conv2d(32 if k else 3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)]
        layers.append(nn.ReLU())
    tail = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    return loop(nn.Sequential(*layers, *tail), (32, 3, 16, 16), 120, watched)


def loop(net: nn.Module, shape: tuple[int, ...], steps: int, watched: bool) -> tuple[float, float]:
    optimizer = torch.optim.Adam(net.parameters())
    x, y = torch.randn(shape), torch.randint(0, 10, shape[:1])
    start = time.process_time()
    watch = rf.watch(net, optimizer=optimizer) if watched else None
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    seconds = time.process_time() - start
    if watch is not None:
        watch.close()
    return seconds, watch.seconds if watch is not None else 0.0


def fit(watched: bool) -> tuple[float, float]:
    layers = keras.layers
    hidden = [layers.Dense(512, "relu"), layers.Dense(512, "relu")]
    net = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(128 * 60, 64)).astype(np.float32), rng.integers(0, 10, 128 * 60)
    net.fit(x[:256], y[:256], batch_size=128, verbose=0)  # compiles
    start = time.process_time()
    watch = rf.watch(net, x) if watched else None
    net.fit(x, y, batch_size=128, epochs=5, verbose=0, callbacks=[watch] if watch else [])
    return time.process_time() - start, watch.seconds if watch is not None else 0.0


CASES: dict[str, tuple[int, Callable[[bool], tuple[float, float]]]] = {
    "torch MLP 64-512-512-10, batch 128": (300, mlp),
    "torch CNN 4 x 32 channels, 16 x 16, batch 32": (120, cnn),
    f"keras fit ({keras.backend.backend()}) MLP 64-512-512-10, batch 128": (300, fit),
}


def main() -> None:
    rows: list[dict[str, Any]] = []
    torch.set_num_threads(1)
    for what, (steps, train) in CASES.items():
        train(True)  # caches that a process fills once
        turns = [(train(False)[0], *train(True)) for _ in range(TURNS)]
        without, with_, own = np.array(turns).T
        rows.append(
            {
                "what": what,
                "steps": steps,
                "seconds_without": f"{np.median(without):.3f}",
                "seconds_with": f"{np.median(with_):.3f}",
                "own_share": f"{np.median(own / with_):.3f}",
                "overhead": f"{np.median(with_ / without) - 1:.3f}",
                "turns": TURNS,
                "machine": platform.machine(),
                "versions": f"torch {version('torch')}, keras {version('keras')}",
            }
        )
        print(*rows[-1].values(), flush=True)
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
