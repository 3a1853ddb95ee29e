"""How fast activations are on the CPU: ours beside NumPy, numexpr, torch, JAX and a plain copy.

Everything is measured in one run, in turns: one call of each contender, then the next round, so
that a busy machine is busy for all. Fresh: the result is a new array. out=: into one that is
there. GB/s counts what is read and what is written. A copy is np.copyto in one thread; "copy,
threads" is the same, cut up as our kernels are. NumPy's expressions are those that people write,
numexpr's the same.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from rectifier.errors import InputError

SIZES = {"1K": 1 << 10, "100K": 100_000, "1M": 1 << 20, "16M": 1 << 24}
# name -> numexpr's expression, torch.ops.aten's name and further arguments, jax.nn's name
PEERS: dict[str, tuple[str | None, tuple[Any, ...], str | None]] = {
    "relu": ("where(x > 0, x, zero)", ("clamp_min", 0.0), "relu"),
    "leaky_relu": ("where(x > 0, x, slope * x)", ("leaky_relu",), "leaky_relu"),
    "hard_swish": (
        "x * where(x > 3, 6, where(x < -3, 0, x + 3)) / 6",
        ("hardswish",),
        "hard_swish",
    ),
    "elu": ("where(x > 0, x, expm1(x))", ("elu",), "elu"),
    "sigmoid": ("1 / (1 + exp(-x))", ("sigmoid",), "sigmoid"),
    "silu": ("x / (1 + exp(-x))", ("silu",), "silu"),
    "tanh": ("tanh(x)", ("tanh",), "tanh"),
    "gelu": (None, ("gelu",), "gelu"),
    "mish": ("x * tanh(log1p(exp(x)))", ("mish",), "mish"),
    "softplus": ("log1p(exp(x))", ("softplus",), "softplus"),
    "sine": ("sin(x)", ("sin",), None),
}
# as people write them
EXPRESSIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": lambda x: np.tanh(x),
    "gelu": lambda x: 0.5 * x * (1 + special.erf(x / np.sqrt(x.dtype.type(2)))),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "sine": lambda x: np.sin(x),
}
QUICK = ("relu", "elu", "silu", "gelu")
HEAD = "function,contender,size,dtype,p20_us,p50_us,p80_us,gb_per_s,of_copy,of_numpy,of_torch_out"
HEADINGS = [*HEAD.split(","), "load", "cores", "processor", "with"]


def contenders(name: str, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everyone who computes ``name`` of ``x``; ``y`` receives what goes to ``out=``."""
    yield "copy", lambda: np.copyto(y, x)
    yield "copy, threads", lambda: copy_in_threads(y, x)
    yield from ours(name, x, y)
    for_numexpr, (operator, *arguments), for_jax = PEERS[name]
    yield "numpy", lambda: in_numpy(name, x)
    if for_numexpr and importlib.util.find_spec("numexpr"):
        import numexpr

        names = {"x": x, "slope": x.dtype.type(0.01), "zero": x.dtype.type(0)}
        yield "numexpr out=", lambda: numexpr.evaluate(for_numexpr, names, out=y)
    if importlib.util.find_spec("torch"):
        import torch

        function = getattr(torch.ops.aten, operator)
        given, target = torch.from_numpy(x), torch.from_numpy(y)
        yield "torch", lambda: function(given, *arguments)
        yield "torch out=", lambda: function.out(given, *arguments, out=target)
    if for_jax and importlib.util.find_spec("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
        exact = {"approximate": False} if name == "gelu" else {}
        compiled = jax.jit(lambda z: getattr(jax.nn, for_jax)(z, **exact))
        placed = jax.numpy.asarray(x)
        yield "jax jit", lambda: compiled(placed).block_until_ready()


def ours(name: str, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, Callable[[], Any]]]:
    import rectifier as rf
    from rectifier import dispatch

    act = rf.get(name)
    values = tuple(act.parameters.values())
    grad = np.ones_like(x)
    yield "ours", lambda: dispatch.value(act.rule, x, values)
    yield "ours out=", lambda: dispatch.value(act.rule, x, values, y)
    yield "ours, derivative out=", lambda: dispatch.derivative(act.rule, x, values, y)
    yield "ours, grad * derivative out=", lambda: dispatch.chain(act.rule, x, grad, values, y)


def in_numpy(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return EXPRESSIONS[name](x)


def copy_in_threads(target: np.ndarray, x: np.ndarray) -> None:
    from rectifier.kernels import threads

    def work(start: int, stop: int) -> None:
        np.copyto(target[start:stop], x[start:stop])

    threads.spread(work, x.size)


def measured(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, np.ndarray]:
    """Percentiles 20, 50, 80 of each call's time in seconds, all in turns."""
    repeats = {}
    for name, call in calls.items():
        call()
        call()
        started = time.perf_counter()
        call()
        # a short call is repeated until the clock can tell
        repeats[name] = max(1, int(2e-4 / (time.perf_counter() - started)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    ends = time.perf_counter() + seconds
    rounds = 0
    while rounds < 5 or (time.perf_counter() < ends and rounds < 200):
        for name, call in calls.items():
            count = repeats[name]
            started = time.perf_counter()
            for _ in range(count):
                call()
            times[name].append((time.perf_counter() - started) / count)
        rounds += 1
    return {name: np.percentile(taken, [20, 50, 80]) for name, taken in times.items()}


def rows(name: str, size: str, dtype: str, seconds: float) -> Iterator[list[str]]:
    rng = np.random.default_rng(0)
    x = (3 * rng.standard_normal(SIZES[size], dtype=np.float32)).astype(dtype)
    y = np.empty_like(x)
    found = measured(dict(contenders(name, x, y)), seconds)
    medians = {contender: p[1] for contender, p in found.items()}
    for contender, (p20, p50, p80) in found.items():
        arrays = 3 if "grad" in contender else 2
        ratios = [
            f"{medians[peer] / p50:.2f}" if peer in medians else ""
            for peer in ("copy", "numpy", "torch out=")
        ]
        times = [f"{1e6 * p:.2f}" for p in (p20, p50, p80)]
        rate = f"{arrays * x.nbytes / p50 / 1e9:.2f}"
        yield [name, contender, size, dtype, *times, rate, *ratios]


def warm_up(names: tuple[str, ...], dtypes: tuple[str, ...]) -> None:
    """Compiles what is measured, so that no small array meets NumPy's path."""
    from rectifier import dispatch

    for dtype in dtypes:
        x = np.zeros(dispatch._WORTH_COMPILING, dtype)
        for name in names:
            for _, call in ours(name, x, np.empty_like(x)):
                call()


def missing() -> list[str]:
    """The peers that are not installed, and so not measured."""
    return [p for p in ("numexpr", "torch", "jax") if not importlib.util.find_spec(p)]


def checked(names: Iterable[str], sizes: Iterable[str]) -> None:
    """Refuses functions and sizes that nobody measures."""
    for what, given, known in (("function", names, PEERS), ("size", sizes, SIZES)):
        for name in given:
            if name not in known:
                raise InputError(f"no {what} {name!r} is measured; there are {', '.join(known)}")


def measure(
    names: tuple[str, ...],
    sizes: tuple[str, ...],
    dtypes: tuple[str, ...],
    seconds: float,
    done: Callable[[str], None] = lambda _: None,
) -> list[list[str]]:
    """Rows under :data:`HEADINGS`; ``done`` is told of each table when it is finished."""
    checked(names, sizes)
    warm_up(names, dtypes)
    packages = ("numpy", "llvmlite", "numexpr", "torch", "jax")
    have = [f"{p} {version(p)}" for p in packages if importlib.util.find_spec(p)]
    about = [str(os.cpu_count()), processor(), ", ".join(have)]
    collected = []
    for dtype in dtypes:
        for size in sizes:
            for name in names:
                load = f"{os.getloadavg()[0]:.1f}"
                collected += [[*r, load, *about] for r in rows(name, size, dtype, seconds)]
                done(f"{name}, {size} {dtype}")
    return collected


def write(rows: list[list[str]], path: Path) -> None:
    """The rows as a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADINGS)
        writer.writerows(rows)


def processor() -> str:
    """The processor's name as its maker prints it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()
