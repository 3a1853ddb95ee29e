"""What the gates of recurrent layers take and give, computed again from inputs and weights.

Frameworks run LSTM, GRU and plain recurrent layers as one operation, whose gates no listener meets.
Where the weights are of a known layout the recurrence is run once more, step by step, in the
operators that every library's arrays have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from rectifier.activation import Activation

Kind = Literal["lstm", "gru", "rnn"]
# The columns of the weights, in order; torch and Keras differ for GRU only.
ORDERS: dict[Kind, tuple[str, ...]] = {
    "lstm": ("input gate", "forget gate", "candidate", "output gate"),
    "gru": ("reset gate", "update gate", "candidate"),
    "rnn": ("state",),
}


@dataclass(frozen=True)
class Recurrence:
    """One layer and direction.

    Attributes:
        kernel: [features, gates * units]; ``recurrent`` [units, gates * units].
        bias, recurrent_bias: [gates * units]; None where there is none.
        gate, state: the activations: sigmoid and tanh, unless somebody chose others.
        order: what the blocks of columns are.
        reset_after: of a GRU, whether the reset gate comes after the product (cuDNN's variant).
        projection: of an LSTM, [units, outputs]; None where there is none.
    """

    kind: Kind
    kernel: Any
    recurrent: Any
    bias: Any
    recurrent_bias: Any
    gate: Activation
    state: Activation
    order: tuple[str, ...]
    reset_after: bool = True
    projection: Any = None

    def activation(self, part: str) -> Activation:
        return self.gate if part.endswith("gate") else self.state


def run(
    recurrence: Recurrence,
    steps: Iterable[Any],
    h: Any,
    c: Any,
    see: Callable[[str, Any, Any], None],
) -> list[Any]:
    """The outputs of all steps; ``see(part, z, y)`` is told of each gate at each step.

    Args:
        steps: the inputs [rows, features], in the order of the recurrence.
        h, c: the state before the first of them, [rows, units]; ``c`` for LSTM only.
    """
    outputs = []
    for x in steps:
        h, c = _STEP[recurrence.kind](recurrence, x, h, c, see)
        outputs.append(h)
    return outputs


def _blocks(values: Any, count: int) -> list[Any]:
    units = values.shape[-1] // count
    return [values[..., k * units : (k + 1) * units] for k in range(count)]


def _plus(values: Any, bias: Any) -> Any:
    return values if bias is None else values + bias


def _seen(recurrence: Recurrence, part: str, z: Any, see: Callable[[str, Any, Any], None]) -> Any:
    y = recurrence.activation(part)(z)
    see(part, z, y)
    return y


def _lstm(r: Recurrence, x: Any, h: Any, c: Any, see: Any) -> tuple[Any, Any]:
    z = _plus(_plus(x @ r.kernel, r.bias) + h @ r.recurrent, r.recurrent_bias)
    y = {part: _seen(r, part, one, see) for part, one in zip(r.order, _blocks(z, 4), strict=True)}
    c = y["forget gate"] * c + y["input gate"] * y["candidate"]
    h = y["output gate"] * _seen(r, "state", c, see)
    return (h if r.projection is None else h @ r.projection), c


def _gru(r: Recurrence, x: Any, h: Any, c: Any, see: Any) -> tuple[Any, Any]:
    of_x = dict(zip(r.order, _blocks(_plus(x @ r.kernel, r.bias), 3), strict=True))
    of_h = dict(zip(r.order, _blocks(_plus(h @ r.recurrent, r.recurrent_bias), 3), strict=True))
    reset, update = (_seen(r, p, of_x[p] + of_h[p], see) for p in ("reset gate", "update gate"))
    if r.reset_after:
        held = reset * of_h["candidate"]
    else:
        columns = _blocks(r.recurrent, 3)[r.order.index("candidate")]
        held = (reset * h) @ columns
    candidate = _seen(r, "candidate", of_x["candidate"] + held, see)
    return update * h + (1 - update) * candidate, c


def _rnn(r: Recurrence, x: Any, h: Any, c: Any, see: Any) -> tuple[Any, Any]:
    z = _plus(_plus(x @ r.kernel, r.bias) + h @ r.recurrent, r.recurrent_bias)
    return _seen(r, "state", z, see), c


_STEP: dict[Kind, Callable[..., tuple[Any, Any]]] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}


class Parts:
    """Collects what gates took and gave, for one report at the end of a pass."""

    def __init__(self, join: Callable[[list[Any]], Any]) -> None:
        self._join = join
        self._seen: dict[str, tuple[list[Any], list[Any]]] = {}

    def see(self, part: str, z: Any, y: Any) -> None:
        taken, given = self._seen.setdefault(part, ([], []))
        taken.append(z)
        given.append(y)

    def joined(self) -> Iterable[tuple[str, Any, Any]]:
        """Each gate with all its rows, steps after steps."""
        return ((part, self._join(z), self._join(y)) for part, (z, y) in self._seen.items())
