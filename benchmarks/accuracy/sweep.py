"""All 2^32 inputs of float32, through the public call on NumPy arrays.

The exact result, rounded, is compared with ours, which tells at once whether we are within half
an ulp. The few inputs that are not are measured, and the worst of those are judged again by the
oracle itself, so what is reported leans on nothing but mpmath. NaN has to give NaN; the two
infinities are left to ``tests/catalog/test_limits.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import rectifier as rf
from benchmarks.accuracy.reference import BINADES, BLOCK, Reference, floats
from rectifier import dispatch
from rectifier.catalog.accuracy import Measurement, Which
from rectifier.kernels.source import source

INPUTS = 1 << 32
STEPS = 2 * BINADES  # of a progress bar, for each function
_BLOCKS = 64  # in a call: 2^18 inputs, which stay in the cache
_KEPT = 32  # candidates for the worst that the oracle sees
HALF = 0.5 + 1e-6  # beyond a tie, as float64 can tell

# What models are made of, most used first; the others follow by name.
ORDER = (
    *("relu", "gelu", "silu", "gelu_tanh", "sigmoid", "tanh", "leaky_relu", "relu6"),
    *("hard_swish", "hard_sigmoid", "softplus", "quick_gelu", "relu2", "elu", "prelu", "mish"),
    *("selu", "log_sigmoid", "identity", "hard_tanh", "celu", "softsign", "swish", "rrelu"),
    *("soft_shrink", "hard_shrink", "tanh_shrink", "threshold", "squareplus", "snake", "sine"),
    "star_relu",
)


def swept_names() -> list[str]:
    """Every elementwise entry, in the order of the sweep."""
    names = [name for name in rf.names() if rf.get(name).elementwise]
    return [n for n in ORDER if n in names] + [n for n in names if n not in ORDER]


def code_of(name: str, which: Which) -> str:
    """Twelve letters that change with the compiled code of an entry's float32 kernel."""
    act = rf.get(name)
    function = act.rule.value if which == "value" else act.rule.derivative
    values = tuple(act.parameters.values())
    kernel = dispatch.kernel_for(function, act.rule, "float32", 1 << 20, values)
    if kernel is None:
        raise RuntimeError(f"{name}: no kernel here; it takes llvmlite")
    return hashlib.sha256(source(function, kernel.shape).encode()).hexdigest()[:12]


def call_of(name: str, which: Which) -> Callable[..., Any]:
    """The public call, ``call(x, out=y)``."""
    act = rf.get(name)
    return act if which == "value" else act.derivative


@dataclass
class Tally:
    """What is known so far of one function: how many are off, and the worst."""

    off: int = 0
    worst: list[tuple[float, float]] = field(default_factory=list)  # (ulps, input)

    def add(self, x: np.ndarray, got: np.ndarray, true: np.ndarray) -> None:
        """Judges results by the exact ones, which are float64."""
        rounded = true.astype(got.dtype)
        places = np.flatnonzero(rounded != got)
        if not places.size:
            return
        unit = np.spacing(np.abs(rounded[places])).astype(np.float64)
        away = np.abs(got[places].astype(np.float64) - true[places]) / unit
        away = np.where(np.isfinite(away), away, np.inf)
        self.off += int(np.count_nonzero(away > HALF))
        chosen = np.argsort(away)[-_KEPT:]
        found = zip(away[chosen].tolist(), x[places[chosen]].tolist(), strict=True)
        self.worst = sorted([*self.worst, *found], reverse=True)[:_KEPT]


def sweep(name: str, which: Which, step: Callable[[], None] = lambda: None) -> Measurement:
    """One function at every float32.

    Args:
        step: called :data:`STEPS` times on the way.
    """
    call, code = call_of(name, which), code_of(name, which)
    call(np.zeros(1 << 20, np.float32))  # from here on its kernel serves arrays of any length
    reference = Reference(name, which, rf.get(name).facts.kinks)
    tally = Tally()
    places = np.arange(_BLOCKS * BLOCK, dtype=np.uint32)
    got = np.empty(places.size, np.float32)
    with np.errstate(all="ignore"):
        for sign in (0, 1):
            for exponent in range(BINADES):
                binade = reference.binade(sign, exponent)
                for first in range(0, (1 << 23) // BLOCK, _BLOCKS):
                    x = floats(sign, exponent, places + np.uint32(first * BLOCK))
                    call(x, out=got)
                    tally.add(x, got, binade.values(first, _BLOCKS))
                step()
        worst, at = judged(reference, call, tally)
    swallowed = _swallowed(call)
    if swallowed is not None:
        worst, at = np.inf, swallowed
    versions = f"numpy {np.__version__}"
    return Measurement(
        name, which, "numpy", "float32", INPUTS, True, tally.off, worst, at, (), code, versions
    )


def judged(
    reference: Reference, call: Callable[..., Any], tally: Tally
) -> tuple[float, float | None]:
    """The true distance of the worst candidate, and its input; half an ulp if there is none."""
    if not tally.worst:
        return 0.5, None
    x = np.array([x for _, x in tally.worst], np.float32)
    many = np.resize(x, 1 << 10)  # through the same kernel as in the sweep, whatever its length
    ulps = reference.exact(x).ulps(np.asarray(call(many))[: x.size])
    i = int(np.argmax(ulps))
    return (float(ulps[i]), float(x[i])) if ulps[i] > HALF else (0.5, None)


def _swallowed(call: Callable[..., Any]) -> float | None:
    """NaN, if one of the 2^24 - 2 of them does not give NaN."""
    for lead in (0x7F800001, 0xFF800001):
        bits = np.arange((1 << 23) - 1, dtype=np.uint32) + np.uint32(lead)
        if not np.isnan(call(bits.view(np.float32))).all():
            return float("nan")
    return None
