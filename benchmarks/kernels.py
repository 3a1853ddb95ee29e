"""How fast activations are on the CPU; what is measured, and how: :mod:`rectifier.bench`.

    python -m benchmarks.kernels             # about ten minutes
    python -m benchmarks.kernels --quick     # 1 M elements of float32, four functions
    python -m benchmarks.kernels --vectorised
    python -m benchmarks.kernels --in-cache  # nanoseconds an element without memory, 20 s

`rectifier bench` measures the same. Rows go to ``benchmarks/results/kernels.csv``.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from rectifier import bench

RESULTS = Path(__file__).parent / "results" / "kernels.csv"


def vectorised() -> None:
    """Prints which of the catalogue's elementwise functions are vectorised on this machine."""
    import rectifier as rf
    from rectifier.kernels import cpu
    from rectifier.kernels.source import Shape

    for name in rf.names():
        act = rf.get(name)
        if act.elementwise:
            shapes = [Shape(d, "long", len(act.parameters)) for d in ("float32", "float64")]
            found = [cpu.vectorised(act.rule.value, shape) for shape in shapes]
            print(f"{name:20} float32 {found[0]!s:6} float64 {found[1]}")


def in_cache(names: tuple[str, ...], rounds: int = 60) -> None:
    """Prints what an element takes where memory is no limit: float32, one thread, 256 KiB in all.

    The least of many rounds, in processor time of this thread, so that other programs cost little.
    """
    import torch

    import rectifier as rf
    from rectifier.kernels import cpu
    from rectifier.kernels.source import Shape

    torch.set_num_threads(1)
    x = (3 * np.random.default_rng(0).standard_normal(1 << 15)).astype(np.float32)
    y = np.empty_like(x)
    places = x.ctypes.data, y.ctypes.data, x.size
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    for name in names:
        act, (_, (operator, *arguments), _) = rf.get(name), bench.PEERS[name]
        constants = tuple(float(p) for p in act.parameters.values())
        kernel = cpu.kernel(act.rule.value, Shape("float32", "short", 0, constants))
        calls[name, "ours"] = partial(kernel.serial, *places)
        peer = partial(getattr(torch.ops.aten, operator).out, torch.from_numpy(x), *arguments)
        calls[name, "torch out="] = partial(peer, out=torch.from_numpy(y))
    least = dict.fromkeys(calls, math.inf)
    for _ in range(rounds):
        for key, call in calls.items():
            started = time.thread_time()
            for _ in range(5):
                call()
            least[key] = min(least[key], (time.thread_time() - started) / 5)
    for name in names:
        ours, theirs = (1e9 * least[name, by] / x.size for by in ("ours", "torch out="))
        print(f"{name:12} ours {ours:6.3f} ns   torch out= {theirs:6.3f} ns   {theirs / ours:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="1 M float32, four functions")
    parser.add_argument("--vectorised", action="store_true", help="only say what is")
    parser.add_argument("--functions", default="", help="comma-separated; default: all")
    parser.add_argument("--sizes", default="", help="of " + ", ".join(bench.SIZES))
    parser.add_argument("--seconds", type=float, default=1.5, help="for each table (default 1.5)")
    parser.add_argument("--in-cache", action="store_true", help="only one thread, no memory")
    options = parser.parse_args()
    if options.vectorised:
        return vectorised()
    names = tuple(options.functions.split(",")) if options.functions else tuple(bench.PEERS)
    if options.in_cache:
        bench.checked(names, ())
        return in_cache(names)
    sizes = tuple(options.sizes.split(",")) if options.sizes else tuple(bench.SIZES)
    dtypes: tuple[str, ...] = ("float32", "float64")
    if options.quick:
        names, sizes, dtypes = bench.QUICK, ("1M",), ("float32",)
    rows = bench.measure(names, sizes, dtypes, options.seconds, print)
    bench.write(rows, RESULTS)
    for row in rows:
        print("  ".join(f"{cell:>12}" for cell in row[:11]))
    return None


if __name__ == "__main__":
    main()
