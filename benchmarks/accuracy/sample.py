"""Every contender on inputs spread over all exponents, and in the other dtypes.

float32: one of every 4,096 neighbours. The catalogue's stable form in float64, in NumPy's words,
says which results are worst, and the oracle how far from exact these are. float64: some 400 points,
more of them around zeros, by the oracle. float16 and bfloat16: every input.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.metadata import version

import jax
import ml_dtypes
import numpy as np

import rectifier as rf
from benchmarks import oracle
from benchmarks.accuracy import short
from benchmarks.accuracy.contenders import Compute, doors, theirs
from benchmarks.accuracy.sweep import HALF, code_of
from rectifier.catalog.accuracy import DOORS, Measurement, Which

_JUDGED = 24
# Computing in float32, torch and JAX lose factors such as sigmoid(-88) before the product is made.
# There an error is never counted in smaller units than this. XLA takes subnormal numbers for zero
# besides, so that those are left out for JAX, of bfloat16 too, which has float32's exponents.
_UNDERFLOW = 1e-35
_HUGE = 1e30
_FLOAT64_UNDERFLOW = 2.0**-1064  # where a factor has lost its digits before the product


def sampled(
    name: str, which: Which, dtypes: Collection[str], ours: bool = True
) -> Iterator[Measurement]:
    """All that is measured of one function besides the sweep.

    Args:
        ours: our doors too, besides torch's and JAX's own functions.
    """

    def everyone() -> list[tuple[str, Compute]]:
        return [*(doors(name, which) if ours else ()), *theirs(name, which)]

    if "float32" in dtypes:
        yield from _float32(name, which, everyone())
    if "float64" in dtypes:
        with jax.enable_x64(True):
            yield from _float64(name, which, everyone())
    mine = list(doors(name, which)) if ours else []
    for dtype in (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)):
        if dtype.name not in dtypes or not mine:
            continue
        x = short.every(dtype)
        true = short.by_words(name, which, x)
        for by, compute in mine:
            fair = _fair(by, x, true)
            off, ulps, at = short.judged(name, which, x[fair], compute(x)[fair], true[fair])
            count = int(np.count_nonzero(fair))
            everything = by != "jax"
            kept = Measurement(name, which, by, dtype.name, count, everything, off, ulps, at)
            yield _dated(kept, name, which)


def _float32(
    name: str, which: Which, contenders: list[tuple[str, Compute]]
) -> Iterator[Measurement]:
    x = _spread(name)
    true = short.by_words(name, which, x)
    passed = disputed(name, which, x) | (np.abs(x) > _HUGE)  # nobody minds where 1e38 overflows
    for by, compute in contenders:
        got = np.asarray(compute(x))
        if by not in DOORS:
            with np.errstate(over="ignore"):
                got = np.where(passed, true.astype(np.float32), got)
        off, ulps, at = _judged(name, which, by, got, x, true)
        ends = _lost(name, which, compute, np.float32)
        kept = Measurement(name, which, by, "float32", x.size, False, off, ulps, at, ends)
        yield _dated(kept, name, which)


def disputed(name: str, which: Which, x: np.ndarray) -> np.ndarray:
    """Inputs at which digits do not tell who is right: every way to write a formula differs there.

    A kink and its neighbours: conventions differ, and ``x + 3`` is rounded to 6 before anybody
    asks whether it is less. And where the result passes through zero, so near that a neighbour of
    x has another result by a thousandth part or more.
    """
    kinks = np.array(rf.get(name).facts.kinks, x.dtype)
    near, beside = [kinks], []
    for end in (-np.inf, np.inf):
        near.append(np.nextafter(kinks, x.dtype.type(end)))
        with np.errstate(over="ignore"):  # beside the largest
            beside.append(short.by_words(name, which, np.nextafter(x, x.dtype.type(end))))
    left, right = beside
    here = short.by_words(name, which, x)
    with np.errstate(all="ignore"):
        steep = np.abs(right - left) > 1e-3 * np.abs(here)
        straight = np.abs(right - 2 * here + left) < 0.1 * np.abs(right - left)  # no wave
    return np.isin(x, np.concatenate(near)) | (steep & straight)


def _zeros(name: str, which: Which) -> np.ndarray:
    """Where a function changes its sign between -10 and 10, not counting 0 itself, to 1e-2."""
    x = np.arange(-10, 10, 1e-2) + 5e-3
    y = short.by_words(name, which, x)
    return x[:-1][(y[:-1] * y[1:] < 0) & (np.abs(x[:-1]) > 2e-2)]


def _spread(name: str) -> np.ndarray:
    """One float32 of every 4,096 neighbours, and those around kinks and between binades."""
    draw = np.random.default_rng(32)
    bits = np.arange(0, 0x7F800000, 1 << 12, dtype=np.uint32)
    side = (bits + draw.integers(0, 1 << 12, bits.size, dtype=np.uint32)).view(np.float32)
    ends = np.arange(0, 0x7F800000, 1 << 23, dtype=np.uint32)
    ends = np.concatenate([ends, ends + np.uint32(1), ends + np.uint32((1 << 23) - 1)])
    side = np.concatenate([side, ends.view(np.float32)])
    kinks = np.array(rf.get(name).facts.kinks, np.float32)
    around = [np.nextafter(kinks, np.float32(end)) for end in (-np.inf, np.inf)]
    return np.unique(np.concatenate([-side, side, kinks, *around]))


def _judged(
    name: str, which: Which, by: str, got: np.ndarray, x: np.ndarray, true: np.ndarray
) -> tuple[int, float, float | None]:
    floor = 0.0 if by == "numpy" else _UNDERFLOW
    with np.errstate(all="ignore"):
        rounded = true.astype(np.float32)
        unit = np.maximum(np.spacing(np.abs(rounded)).astype(np.float64), floor)
        away = np.abs(got.astype(np.float64) - true) / unit
        away = np.where(np.isfinite(away), away, np.inf)
        away[np.isinf(rounded) & (got == rounded)] = 0.0
    away[~_fair(by, x)] = 0.0
    chosen = np.argsort(away)[-_JUDGED:]
    # and some in any case, lest the stable form and ours be wrong alike
    chosen = np.concatenate([chosen, np.arange(0, x.size, x.size // _JUDGED)])
    chosen = chosen[_fair(by, x[chosen])]
    ulps = getattr(oracle, which)(name, x[chosen]).ulps(got[chosen], floor)
    worst = int(np.argmax(ulps))
    at = float(x[chosen[worst]]) if ulps[worst] > 0 else None
    return int(np.count_nonzero(away > HALF)), float(ulps[worst]), at


def _float64(
    name: str, which: Which, contenders: list[tuple[str, Compute]]
) -> Iterator[Measurement]:
    draw = np.random.default_rng(64)
    side = np.concatenate([np.exp(draw.uniform(-30, 6.7, 130)), draw.uniform(0, 30, 70)])
    kinks = np.array([*rf.get(name).facts.kinks, 0.0])
    around = np.concatenate([np.nextafter(kinks, -np.inf), kinks, np.nextafter(kinks, np.inf)])
    near = np.outer(1 + draw.uniform(-0.1, 0.1, 12), _zeros(name, which)).reshape(-1)
    x = np.unique(np.concatenate([-side, side, around, near]))
    exact = getattr(oracle, which)(name, x)
    for by, compute in contenders:
        floor = 1e-305 if by.startswith("jax") else _FLOAT64_UNDERFLOW
        ulps = np.where(_fair(by, x), exact.ulps(compute(x), floor), 0.0)
        worst = int(np.argmax(ulps))
        at = float(x[worst]) if ulps[worst] > 0 else None
        off = int(np.count_nonzero(ulps > HALF))
        ends = _lost(name, which, compute, np.float64)
        kept = Measurement(
            name, which, by, "float64", x.size, False, off, float(ulps[worst]), at, ends
        )
        yield _dated(kept, name, which)


def _fair(by: str, x: np.ndarray, true: np.ndarray | None = None) -> np.ndarray:
    """Where XLA is asked for numbers that it has: neither x nor, if given, the result is so small
    that it takes it for zero."""
    if not by.startswith("jax"):
        return np.ones(x.shape, bool)
    fair = (x == 0) | (np.abs(x) >= ml_dtypes.finfo(x.dtype).tiny)
    if true is not None and x.dtype.name == "bfloat16":
        fair &= (true == 0) | (np.abs(true) >= _UNDERFLOW)
    return fair


def _lost(name: str, which: Which, compute: Compute, dtype: type) -> tuple[str, ...]:
    """The ends at which there is a limit, but ``compute`` gives NaN."""
    ends = np.array([-np.inf, np.inf], dtype)
    act = rf.get(name)
    limits = act(ends) if which == "value" else act.derivative(ends)
    gone = np.isnan(compute(ends)) & ~np.isnan(limits)
    return tuple(text for text, lost in zip(("-inf", "inf"), gone, strict=True) if lost)


def _dated(row: Measurement, name: str, which: Which) -> Measurement:
    """With what was measured: the kernel's code, and the library that computed."""
    library = row.by.partition(".")[0]
    code = code_of(name, which) if row.by == "numpy" else ""
    versions = f"{library} {version(library)}"
    return Measurement(**{**row.__dict__, "code": code, "versions": versions})
