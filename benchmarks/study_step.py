"""What one training step costs in the native trainer, by activation.

    python -m benchmarks.study_step         # seconds

Eight runs side by side, batches of 32; the clock is that of the thread that trains, the best of
five. Prints microseconds a step and run, and thousand million multiply-adds a second.
"""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np

from rectifier import catalog
from rectifier.study.train.native.job import LANES
from rectifier.study.train.native.program import Job, pair, trainer
from rectifier.study.train.network import MLP

ROWS, BATCH = 2000, 32


def seconds(sizes: tuple[int, ...], activation: str, steps: int) -> float:
    """Of ``steps`` steps of all lanes; ``sizes`` are inputs, hidden units, classes."""
    network, rng = MLP(sizes[0], sizes[1:-1], sizes[-1]), np.random.default_rng(0)
    matrix = rng.standard_normal((ROWS, sizes[0]), dtype=np.float32)
    targets = rng.integers(0, sizes[-1], ROWS).astype(np.int32)
    runs = [network.initial(network.draw(rng), 1.0) for _ in range(LANES)]
    layers = zip(*runs, strict=True)
    few = [np.arange(LANES, dtype=np.int32)] * LANES
    job = Job(
        trainer(network, True),
        pair(catalog.get(activation)),
        matrices=[matrix] * LANES,
        shift=np.zeros((LANES, sizes[0])),
        scale=np.ones((LANES, sizes[0])),
        targets=targets,
        target_shift=np.zeros(LANES),
        target_scale=np.ones(LANES),
        validation=few,
        asked=few,
        weights=[(np.stack([k for k, _ in la]), np.stack([b for _, b in la])) for la in layers],
        rates=[1e-3] * LANES,
        batch=BATCH,
        steps=steps,
        patience=100,
        epochs=1,
    )
    orders = [rng.integers(0, ROWS, (1, steps * BATCH)).astype(np.int32) for _ in range(LANES)]
    started = time.thread_time()
    job.advance(orders, 0, 1)
    return time.thread_time() - started


def main() -> None:
    for sizes, steps in (((6, 16, 16, 2), 300), ((64, 64, 64, 10), 100)):
        # forward, the weights' gradients, and back to every layer but the first
        products = 3 * sum(a * b for a, b in pairwise(sizes)) - sizes[0] * sizes[1]
        for activation in ("identity", "relu", "silu", "gelu"):
            each = min(seconds(sizes, activation, steps) for _ in range(5)) / steps / LANES
            rate = products * BATCH / each / 1e9
            print("-".join(map(str, sizes)), activation, f"{each * 1e6:.2f} us, {rate:.1f} GMAC/s")


if __name__ == "__main__":
    main()
