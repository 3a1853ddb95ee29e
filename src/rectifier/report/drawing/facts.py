"""The facts of an activation in words, the same in the terminal and on the page."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from rectifier.activation import Activation
from rectifier.catalog import get
from rectifier.facts import Facts

_NEAR = 1e-9  # how far from a kink its two sides are looked at
_LONG = re.compile(r"-?\d+\.\d{4,}(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Elsewhere:
    """What another framework has under its own name.

    ``differs`` is True where its default computes something else than our default; ``computes``
    then names that, and is empty otherwise. ``shown`` is True where it computes what is being
    shown, at parameters that are not our defaults.
    """

    call: str
    computes: str
    note: str
    differs: bool
    shown: bool


def stated(activation: Activation) -> Facts:
    """The facts as typed, without the gain: that one is an integral and needs NumPy.

    Those of a user's formula are measured, which is worth keeping.
    """
    if activation.text is not None or "facts" in vars(activation):
        return activation.facts
    facts = activation._facts
    return facts if isinstance(facts, Facts) else facts(*activation.parameters.values())


def brief(text: str) -> str:
    """``text`` with its long decimals at four digits: ``[-0.16997120747990366, ∞)``."""
    return _LONG.sub(lambda match: f"{float(match[0]):.4g}", text)


def number(value: float) -> str:
    """``0.2``, ``1.098``, ``∞``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value + 0.0:.4g}"


def range_text(facts: Facts) -> str:
    return brief(facts.interval)


def smooth_word(facts: Facts) -> str:
    """One word for a table: ``yes``, ``once`` (a continuous slope), ``kinks``, ``jumps``."""
    if facts.smoothness == math.inf:
        return "yes"
    return {-1: "jumps", 0: "kinks", 1: "once"}.get(int(facts.smoothness), "some")


def fact_rows(activation: Activation) -> list[tuple[str, str]]:
    """Label and text of every fact at the present parameter values, in reading order."""
    facts = activation.facts
    rows = [
        ("kind", facts.kind),
        ("range", range_text(facts)),
        ("monotone", _yes(facts.monotone)),
        ("convex", _yes(facts.convex)),
        ("smooth", _smoothness(facts)),
    ]
    if activation.elementwise:
        rows += [(f"f′({number(kink)})", _at(activation, kink)) for kink in facts.kinks]
    steepest = "none, f′ is unbounded" if facts.lipschitz == math.inf else number(facts.lipschitz)
    if facts.smoothness < 0:
        steepest = "none, it jumps"
    rows.append(("Lipschitz", steepest))
    if activation.elementwise:
        rows.append(("zero-centred", _yes(facts.zero_centred)))
    if facts.gain is not None:
        rows.append(("gain", number(facts.gain)))
    if activation.elementwise:
        ends = (-math.inf, math.inf)
        rows.append(("f(±∞)", _ends([float(activation(end)) for end in ends])))
        rows.append(("f′(±∞)", _ends([float(activation.derivative(end)) for end in ends])))
    return rows


def parameter_text(activation: Activation) -> str:
    """``negative_slope=0.01, ...`` with the present values; empty without parameters."""
    return ", ".join(f"{name}={number(value)}" for name, value in activation.parameters.items())


def elsewhere(activation: Activation) -> list[Elsewhere]:
    """The frameworks' names for ``activation``, and where their defaults are not ours."""
    ours = activation.bind(**{p.name: p.default for p in activation.declared})
    rows = []
    for peer in activation.peers:
        theirs = get(peer.equals)
        differs = theirs != ours
        shown = differs and theirs == activation
        computes = str(theirs) if differs else ""
        rows.append(Elsewhere(peer.call, computes, peer.note, differs, shown))
    return rows


def ascii_text(text: str) -> str:
    """``text`` for a terminal that cannot show more than ASCII."""
    for fancy, plain in _PLAIN.items():
        text = text.replace(fancy, plain)
    bare = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in bare if not unicodedata.combining(c))
    return bare.encode("ascii", "replace").decode("ascii")


_PLAIN = {
    "∞": "inf",
    "±": "+-",
    "′": "'",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "−": "-",
    "–": "-",
    "…": "...",
    "√": "sqrt",
    "²": "^2",
    "³": "^3",
    "·": "*",
}


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _at(activation: Activation, kink: float) -> str:
    near = _NEAR * max(1.0, abs(kink))
    rise = abs(activation(kink + near) - activation(kink - near))
    place = "jump" if rise > 1e3 * near else "kink"
    return f"{number(activation.derivative(kink))}, at the {place}"


def _smoothness(facts: Facts) -> str:
    if facts.smoothness < 0:
        return "no, it jumps"
    if facts.smoothness == 0:
        return "continuous, kinks"
    if facts.smoothness == math.inf:
        return "yes"
    times = int(facts.smoothness)
    return "f′ is continuous" if times == 1 else f"{times} continuous derivatives"


def _ends(values: list[float]) -> str:
    return " and ".join(number(value) for value in values)
