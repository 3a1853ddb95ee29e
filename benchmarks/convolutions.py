"""A training step of many small convolutional networks at once, computed in three ways.

    python -m benchmarks.convolutions       # a minute; writes benchmarks/results/convolutions.csv

``patches``: one matrix product over 3 x 3 patches, under ``vmap`` (what ``--network cnn`` does);
``vmap``: XLA's own convolution under ``vmap``, which turns it into a grouped one; ``sequential``:
XLA's own, one network after the other. A step is loss and gradient of ``LANES`` networks on one
batch each, on one core (XLA keeps the intra-op threads it has by default).
"""

from __future__ import annotations

import csv
import functools
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rectifier.study.train import convolutional
from rectifier.study.train.convolutional import CNN

RESULTS = Path(__file__).parent / "results" / "convolutions.csv"
LANES, BATCH, REPEATS = 10, 32, 20
CASES = {"digits 8x8": ((8, 8, 1), (16, 32)), "MNIST 28x28": ((28, 28, 1), (16, 32))}
COLUMNS = ("what", "way", "p20_ms", "p50_ms", "p80_ms", "ratio_to_patches", "load", "cores", "with")


def of_xla(x, kernel):
    """The same convolution by ``lax.conv_general_dilated``."""
    kernel = kernel.reshape(3, 3, x.shape[-1], -1)
    sizes = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=sizes)


def step_of(network: CNN, way: str):
    def loss(weights, x, y):
        outputs, _ = network.apply(weights, x, jax.nn.relu)
        return -jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], 1).mean()

    gradient = jax.value_and_grad(loss)
    if way == "sequential":
        return jax.jit(lambda weights, x, y: jax.lax.map(lambda a: gradient(*a), (weights, x, y)))
    return jax.jit(jax.vmap(gradient))


def main() -> None:
    rows, patches = [], convolutional.convolve
    about = f"jax {version('jax')}, {platform.machine()}"
    for what, (image, channels) in CASES.items():
        network = CNN(int(np.prod(image)), channels, 10, image=image)
        rng = np.random.default_rng(0)
        runs = [network.initial(network.draw(rng), 1.4) for _ in range(LANES)]
        weights = jax.tree.map(lambda *parts: jnp.stack(parts), *runs)
        x = rng.normal(size=(LANES, BATCH, network.inputs)).astype(np.float32)
        y = rng.integers(10, size=(LANES, BATCH))
        steps, taken, losses = {}, {}, {}
        for way in ("patches", "vmap", "sequential"):
            convolutional.convolve = patches if way == "patches" else of_xla
            steps[way] = functools.partial(step_of(network, way), weights, x, y)
            losses[way] = np.asarray(steps[way]()[0])  # traces and compiles
            taken[way] = []
        convolutional.convolve = patches
        for way in losses:
            assert np.allclose(losses[way], losses["patches"], rtol=1e-4), way
        for _ in range(REPEATS):  # taking turns, so that a busy machine is busy for all alike
            for way, step in steps.items():
                began = time.perf_counter()
                jax.block_until_ready(step())
                taken[way].append(1e3 * (time.perf_counter() - began))
        usual = {way: np.percentile(seen, 20) for way, seen in taken.items()}  # on a busy machine
        for way, seen in taken.items():
            low, middle, high = (f"{value:.2f}" for value in np.percentile(seen, [20, 50, 80]))
            ratio = f"{usual[way] / usual['patches']:.2f}"
            load, cores = f"{os.getloadavg()[0]:.1f}", os.cpu_count()
            rows.append((what, way, low, middle, high, ratio, load, cores, about))
            print(*rows[-1], sep=" | ", flush=True)
    with RESULTS.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
