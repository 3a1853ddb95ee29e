"""The gates of keras.layers.LSTM, GRU, SimpleRNN, and of RNN over one of their cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from rectifier.repair.sites.gates import ORDERS, Kind, Parts, Recurrence, run

_CELLS: tuple[tuple[type, Kind], ...] = (
    (keras.layers.LSTMCell, "lstm"),
    (keras.layers.GRUCell, "gru"),
    (keras.layers.SimpleRNNCell, "rnn"),
)
_ORDERS = ORDERS | {"gru": ("update gate", "reset gate", "candidate")}


def kind_of(cell: Any) -> Kind | None:
    """Which recurrence a cell of Keras' own is; None for another one."""
    return next((kind for of, kind in _CELLS if isinstance(cell, of)), None)


def unseen(layer: Any, mask: Any, activations: tuple[Any, Any]) -> str | None:
    """Why the gates cannot be computed again; None where they can."""
    if kind_of(layer.cell) is None:
        return f"{type(layer.cell).__name__} is no cell of Keras' own"
    if mask is not None:
        return "some steps of its sequences are masked"
    if any(activation is None for activation in activations):
        return "one of its activations is none of the catalogue"
    return None


def gates(
    layer: Any, x: Any, initial: Any, activations: tuple[Any, Any]
) -> Iterator[tuple[str, Any, Any, Any]]:
    """(gate, its activation, z, y) [rows, units] of one call of a recurrent layer.

    Args:
        x: [rows, steps, features]; ``initial``: its states before, or None for zeros.
        activations: of the gates and of the state, as the catalogue has them.
    """
    cell, ops = layer.cell, keras.ops
    kind = kind_of(cell)
    assert kind is not None
    bias, recurrent_bias = getattr(cell, "bias", None), None
    after = bool(getattr(cell, "reset_after", False))
    if bias is not None:
        bias = ops.convert_to_tensor(bias)
        if kind == "gru" and after:
            bias, recurrent_bias = bias[0], bias[1]
    kernel, recurrent = map(ops.convert_to_tensor, (cell.kernel, cell.recurrent_kernel))
    one = Recurrence(
        kind, kernel, recurrent, bias, recurrent_bias, *activations, _ORDERS[kind], after
    )
    x = ops.cast(x, kernel.dtype)
    steps = [x[:, k] for k in range(x.shape[1])]
    zero = ops.zeros((x.shape[0], cell.units), kernel.dtype)
    if initial is None and layer.stateful:
        initial = [ops.convert_to_tensor(state) for state in layer.states]
    states = list(initial) if isinstance(initial, list | tuple) else [initial]
    h, c = [zero if state is None else state for state in [*states, None, None][:2]]
    parts = Parts(lambda arrays: ops.concatenate(arrays, 0))
    run(one, steps[::-1] if layer.go_backwards else steps, h, c, parts.see)
    for part, z, y in parts.joined():
        yield part, one.activation(part), z, y
