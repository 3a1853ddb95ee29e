"""What a call through ``rectifier.torch`` takes beside PyTorch's own, on CPU tensors.

    python -m benchmarks.torch_speed     # a minute; writes benchmarks/results/torch_speed.csv

One row an activation, a number of elements (float32) and a step: ``forward`` without gradients, and
``step``, forward and backward. Both functions in turn, each as often as fits into a tenth of a
second, the fastest turn of a dozen; microseconds, and their ratio. One thread, unless
``OMP_NUM_THREADS`` says otherwise.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.nn.functional as F

from rectifier import torch as rt

RESULTS = Path(__file__).parent / "results" / "torch_speed.csv"
PAIRS: dict[str, Callable[..., torch.Tensor]] = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "hard_tanh": F.hardtanh,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "elu": F.elu,
    "silu": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
}
SIZES = (256, 4096, 100_000, 1_000_000)
_ROUNDS, _ROUND = 12, 0.1  # turns, seconds of one


def fastest(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Seconds of each call, the best of several turns."""
    best = [float("inf")] * len(calls)
    for _ in range(_ROUNDS):
        for i, call in enumerate(calls):
            started, count = time.perf_counter(), 0
            while count < 3 or time.perf_counter() - started < _ROUND / len(calls) / 4:
                once = time.perf_counter()
                call()
                best[i] = min(best[i], time.perf_counter() - once)
                count += 1
    return best


def main() -> None:
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    generator = torch.Generator().manual_seed(1)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "elements", "step", "ours_us", "torch_us", "ratio"])
        for name, theirs in PAIRS.items():
            ours = getattr(rt, name)
            for size in SIZES:
                plain = torch.randn(size, generator=generator)
                x, grad = plain.clone().requires_grad_(), torch.randn(size, generator=generator)
                for _ in range(2 + (1 << 20) // size if size == SIZES[0] else 4):  # compile
                    torch.autograd.grad(ours(x), x, grad)
                    ours(plain)

                def step(f: Callable[..., torch.Tensor], x=x, grad=grad) -> Callable[[], object]:
                    return lambda: torch.autograd.grad(f(x), x, grad)

                def forward(f: Callable[..., torch.Tensor], x=plain) -> Callable[[], object]:
                    return lambda: f(x)

                for what, made in (("forward", forward), ("step", step)):
                    a, b = fastest([made(ours), made(theirs)])
                    row = [name, size, what, f"{a * 1e6:.1f}", f"{b * 1e6:.1f}", f"{a / b:.2f}"]
                    writer.writerow(row)
                    print(*row, flush=True)
    sys.stdout.write(f"{RESULTS}\n")


if __name__ == "__main__":
    main()
