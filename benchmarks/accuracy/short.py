"""All 65,536 inputs of float16 and bfloat16: is every result the exact one, rounded?

The yardstick is the catalogue's stable form in float64, in NumPy's words. Whatever is off by it,
the oracle has the last word on, so that digits which the stable form might have lost there are
not held against anybody.
"""

from __future__ import annotations

import numpy as np

import rectifier as rf
from benchmarks import oracle
from rectifier.ops import on_numpy

INPUTS = 1 << 16
_JUDGED = 64  # of those that are off, by the oracle
_TIE = 0.5 + 1e-9  # an exact tie may fall either way


def every(dtype: np.dtype) -> np.ndarray:
    """Every finite number of a 16-bit dtype."""
    x = np.arange(INPUTS, dtype=np.uint16).view(dtype)
    with np.errstate(invalid="ignore"):
        return x[np.isfinite(x)]


def by_words(name: str, which: str, x: np.ndarray) -> np.ndarray:
    """The stable form in float64, without a kernel."""
    act = rf.get(name)
    compute = on_numpy.value if which == "value" else on_numpy.derivative
    with np.errstate(all="ignore"):
        return compute(act.rule, x.astype(np.float64), tuple(act.parameters.values()))


def judged(
    name: str, which: str, x: np.ndarray, got: np.ndarray, true: np.ndarray
) -> tuple[int, float, float | None]:
    """How many are off, the worst distance in ulp, and its input (None: none is off).

    Args:
        got: in the dtype of ``x``.
        true: what :func:`by_words` says.
    """
    away = _away(got, true)
    off = np.flatnonzero(~(away <= _TIE))
    if not off.size:
        return 0, 0.5, None
    chosen = off[np.argsort(away[off])[-_JUDGED:]]
    ulps = getattr(oracle, which)(name, x[chosen].astype(np.float64)).ulps(got[chosen])
    worst = int(np.argmax(ulps))
    if ulps[worst] <= _TIE:
        return 0, 0.5, None
    return int(off.size), float(ulps[worst]), float(x[chosen[worst]])


def _away(got: np.ndarray, true: np.ndarray) -> np.ndarray:
    """In ulp; 0 where both are infinite to the dtype, ``inf`` where either is NaN."""
    with np.errstate(all="ignore"):
        rounded = true.astype(got.dtype)
        unit = np.spacing(np.abs(rounded)).astype(np.float64)
        away = np.abs(got.astype(np.float64) - true) / unit
        same_end = np.isinf(rounded) & (got == rounded)
        return np.where(same_end, 0.0, np.where(np.isfinite(away), away, np.inf))
