"""Which activation is it? Names say so, numbers prove it.

A function is looked up by what its framework calls it (the ``peers`` of the catalogue), and then
held against what it gave for what it took, so that a function of a known name that computes
something else is not taken for it. What has no known name is compared with the whole catalogue.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from rectifier.activation import Activation
from rectifier.catalog import get, names
from rectifier.errors import InputError
from rectifier.ops.rule import Rule

# Arguments of the frameworks' functions beyond x, in their order; what is no parameter of ours
# (inplace, training, dtype) says how to compute, not what.
_ARGUMENTS = {
    "celu": ("alpha",),
    "elu": ("alpha",),
    "glu": ("axis",),
    "hard_shrink": ("threshold",),
    "hard_tanh": ("min_val", "max_val"),
    "leaky_relu": ("negative_slope",),
    "log_softmax": ("axis",),
    "prelu": ("negative_slope",),
    "rrelu": ("lower", "upper"),
    "soft_shrink": ("threshold",),
    "softmax": ("axis",),
    "softmin": ("axis",),
    "softplus": ("beta",),
    "sparsemax": ("axis",),
    "squareplus": ("b",),
    "threshold": ("threshold", "value"),
}
_IN_KERAS = {"relu": ("negative_slope", "max_value", "threshold")}
# Peers that are arithmetic first: a rotary embedding's sin is no activation.
_ARITHMETIC = {"exponential", "sine", "arctan", "binary_step", "identity"}
# Beyond the peers: the same functions under the names that calls see.
_SPELLINGS = {
    "torch": {"log_sigmoid": "log_sigmoid", "clamp_min": "clamp", "clip": "clamp"},
    "keras": {"silu": "silu", "hard_silu": "hard_swish", "hard_shrink": "hard_shrink"},
}
SAMPLE = 512  # elements that a comparison looks at
_SLACK = 32  # allowed error in units of the dtype's precision
_CLEARER = 8  # by this factor the second best must be worse


@cache
def known(library: str) -> Mapping[str, str]:
    """Last part of a function's name in ``library`` -> our call, ``{"hardtanh": "hard_tanh"}``."""
    found: dict[str, str] = {}
    for name in names():
        for peer in get(name).peers:
            if peer.library == library and name not in _ARITHMETIC:
                last = peer.call.rpartition(".")[2]
                if last[:1].islower() and peer.call != "keras.ops.gelu":
                    found.setdefault(last, peer.equals)
    return found | {k: v for k, v in _SPELLINGS[library].items() if v in found.values()}


def named(
    library: str, name: str, args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> Activation | None:
    """The activation that ``name(x, *args, **keywords)`` of a framework stands for.

    Args:
        args, keywords: what the call was given besides ``x``.
    """
    if library == "torch" and name in ("clamp", "clamp_min", "clip"):
        return _clamped(name, args, keywords)
    call = known(library).get(name)
    if call is None:
        return None
    entry = get(call)
    flags = {k: v for k, v in keywords.items() if k in entry.flags}
    if flags:
        entry = get(entry.name, **flags)
    order = _ARGUMENTS.get(entry.name, ())
    if library == "keras":
        order = _IN_KERAS.get(entry.name, order)
        if entry.name == "gelu" and args:
            return get("gelu", approximate=bool(args[0]))
    given = dict(zip(order, args, strict=False))
    own = {spelling: p.name for p in entry.declared for spelling in (p.name, *p.aliases)}
    given |= {own[k]: v for k, v in keywords.items() if k in own}
    numbers = {k: float_of(v) for k, v in given.items() if v is not None}
    return plainest(entry.bind(**numbers))


# What some parameter values make of an activation is another entry.
_PLAINER = {
    "hard_tanh(min_val=0, max_val=6)": "relu6",
    "relu(max_value=6)": "relu6",
    "swish": "silu",
    "threshold": "relu",
}


def plainest(activation: Activation) -> Activation:
    """The entry that people would name: relu6 for ``relu(max_value=6)``."""
    slope = activation.parameters.get("negative_slope", 0)
    if activation.name == "relu" and slope and activation == get("relu", negative_slope=slope):
        return get("leaky_relu", negative_slope=slope)
    return get(_PLAINER.get(str(activation), activation))


def of_rule(rule: Rule, parameters: tuple[Any, ...]) -> Activation | None:
    """The activation of the catalogue whose rule it is, at these parameter values."""
    entry = next((e for e in map(get, names()) if e.rule is rule), None)
    if entry is None or entry.kind == "gated":
        return entry
    return entry.bind(*(float_of(value) for value in parameters))


def float_of(value: Any) -> Any:
    """A number; the mean of an array of them (slopes that were learnt, one for each unit)."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if hasattr(value, "shape"):
        return float(np.mean(np.asarray(value, dtype=np.float64)))
    return value


def _clamped(name: str, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Activation | None:
    """``clamp(min=0)`` is relu, ``clamp(0, 6)`` relu6, ``clamp(-1, 1)`` hard_tanh."""
    bounds = dict(zip(("min", "max"), args, strict=False)) | dict(keywords)
    low, high = bounds.get("min"), bounds.get("max")
    if hasattr(low, "shape") or hasattr(high, "shape"):
        return None
    if low == 0 and high is None:
        return get("relu")
    return {(0, 6): get("relu6"), (-1, 1): get("hard_tanh")}.get((low, high))  # type: ignore[arg-type]


# -- by numbers -------------------------------------------------------------------------------


def proved(activation: Activation, z: Any, y: Any, precision: float) -> bool:
    """Whether ``y`` is what ``activation`` makes of ``z``, both NumPy arrays, to rounding.

    Args:
        precision: of the numbers' own type, ``finfo.eps``.
    """
    if z.size == 0 or activation.kind in ("gated", "reshaping"):
        return True  # nothing to hold against it
    if activation.kind == "along_axis":
        axis = int(activation.parameters["axis"])
        z, y = (np.moveaxis(v, axis, -1).reshape(-1, v.shape[axis])[:64] for v in (z, y))
        return _agree(activation.bind(axis=-1)(z.astype(np.float64)), z, y, precision)
    z, y = sample(z), sample(y)
    return _agree(activation(z.astype(np.float64)), z, y, precision)


def by_values(z: Any, y: Any, precision: float) -> Activation | None:
    """The one elementwise activation of the catalogue that makes ``y`` of ``z``, if there is one.

    None where several do: numbers that are all positive do not tell relu from identity, and zeros
    all over are what ``relu(x - 20)`` gives as well as any other threshold.
    """
    z, y = sample(z).astype(np.float64), sample(y).astype(np.float64)
    if z.size < 16 or np.ptp(z) == 0 or np.ptp(y) == 0:
        return None
    with np.errstate(all="ignore"):
        errors = {a: _error(a(z), z, y) for a in _distinct()}
    # What learns starts near something plain (rational as silu), which is what a formula is then.
    plain = {a: e for a, e in errors.items() if not any(p.learnable for p in a.declared)}
    for those in (plain, errors):
        (best, name), (second, _) = sorted((e, a.name) for a, e in those.items())[:2]
        if best <= _SLACK * precision and second > _CLEARER * max(best, precision):
            return get(name) if name != "identity" else None
    return None


def sample(x: Any) -> Any:
    """At most ``SAMPLE`` elements, evenly spread over the array."""
    flat = np.asarray(x).reshape(-1)
    return flat[:: max(1, flat.size // SAMPLE)][:SAMPLE]


def grid() -> Any:
    """Where unknown functions are asked: both tails, both sides of every usual kink. float32."""
    return np.linspace(-8, 8, 257, dtype=np.float32)


def by_asking(function: Callable[[Any], Any]) -> Activation | None:
    """The activation that ``function`` computes on a NumPy grid, which it takes and gives."""
    z = grid()
    y = np.asarray(function(z), dtype=np.float64)
    if y.shape != z.shape:
        return None
    return by_values(z, y, float(np.finfo(np.float32).eps))


def _agree(expected: Any, z: Any, y: Any, precision: float) -> bool:
    return _error(expected, z, y) <= _SLACK * precision


def _error(expected: Any, z: Any, y: Any) -> float:
    """The largest difference, on the scale of what went in and came out; inf for no numbers."""
    usable = np.isfinite(z) & np.isfinite(expected) & np.isfinite(y)
    if not usable.any():
        return math.inf
    wanted, got = expected[usable], y[usable].astype(np.float64)
    scale = 1e-6 + np.abs(wanted) + np.abs(z[usable])
    return float(np.max(np.abs(wanted - got) / scale))


@cache
def _distinct() -> tuple[Activation, ...]:
    """The elementwise catalogue, one entry for each function: silu, not swish(beta=1)."""
    kept: dict[bytes, Activation] = {}
    z = grid().astype(np.float64)
    entries = [get(name) for name in names()]
    # The best known name first: relu before threshold(0, 0), elu before celu.
    for entry in sorted(entries, key=lambda a: (-len(a.peers), len(a.declared), a.name)):
        if entry.kind == "elementwise" and not any(p.drawn for p in entry.declared):
            with np.errstate(all="ignore"):
                kept.setdefault(np.round(entry(z), 9).tobytes(), entry)
    return tuple(kept.values())


def refuse_odd_batch(error: Exception, model: Any) -> InputError:
    """One line for a batch that a model does not take."""
    said = " ".join(re.sub(r"\x1b\[[\d;]*m", "", str(error)).split())  # Keras prints bold
    return InputError(
        f"{type(model).__name__} does not take this batch: {type(error).__name__}: {said[:200]}"
    )
