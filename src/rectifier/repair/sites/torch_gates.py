"""The gates of torch.nn.LSTM, GRU and RNN and of their cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from rectifier.catalog import get
from rectifier.repair.sites.gates import ORDERS, Kind, Parts, Recurrence, run

MODULES = (torch.nn.RNNBase, torch.nn.RNNCellBase)
_MODES: dict[str, tuple[Kind, str]] = {
    "LSTM": ("lstm", "tanh"),
    "GRU": ("gru", "tanh"),
    "RNN_TANH": ("rnn", "tanh"),
    "RNN_RELU": ("rnn", "relu"),
}


def mode_of(module: Any) -> str | None:
    """``"LSTM"``, ``"RNN_RELU"``; None for what is no recurrent module of torch's."""
    if isinstance(module, torch.nn.RNNCell):
        return f"RNN_{module.nonlinearity.upper()}"
    if isinstance(module, torch.nn.RNNCellBase):
        return type(module).__name__.removesuffix("Cell")
    return str(module.mode) if isinstance(module, torch.nn.RNNBase) else None


def unseen(module: Any, args: tuple[Any, ...]) -> str | None:
    """Why the gates cannot be computed again; None where they can."""
    if mode_of(module) not in _MODES:
        return f"{type(module).__name__} is no LSTM, GRU or RNN"
    if not args or not isinstance(args[0], torch.Tensor):
        return "it takes a packed sequence"
    return None


def gates(
    module: Any, args: tuple[Any, ...]
) -> Iterator[tuple[str, Any, torch.Tensor, torch.Tensor]]:
    """(gate, its activation, z, y) [rows, units] of one call; dropout between layers is left out.

    Args:
        args: what the module was called with: the input and, where given, the states.
    """
    # Not heard by those who listen to the model's own calls.
    with torch.no_grad(), torch._C.DisableTorchFunction():
        yield from list(_gates(module, args))


def _gates(module: Any, args: tuple[Any, ...]) -> Iterator[tuple[str, Any, Any, Any]]:
    x, states = args[0], args[1] if len(args) > 1 else None
    cell = isinstance(module, torch.nn.RNNCellBase)
    alone = x.dim() == (1 if cell else 2)  # no axis of examples
    batch_first = not cell and module.batch_first
    x = x.unsqueeze(0 if cell or batch_first else 1) if alone else x
    sequence = [x] if cell else list(x.unbind(1 if batch_first else 0))
    pair = states if isinstance(states, tuple) else (states, None)
    layers, directions = (1, 1) if cell else (module.num_layers, 2 if module.bidirectional else 1)
    for layer in range(layers):
        ways = []
        for way in range(directions):
            one = _recurrence(module, layer, way)
            place = layer * directions + way
            h, c = (
                _state(value, place, alone, cell, sequence[0], units)
                for value, units in zip(pair, _units(one), strict=True)
            )
            parts = Parts(torch.cat)
            given = run(one, sequence[::-1] if way else sequence, h, c, parts.see)
            ways.append(given[::-1] if way else given)
            suffix = f", layer {layer + 1}" * (layers > 1) + " backwards" * way
            for part, z, y in parts.joined():
                yield f"{part}{suffix}", one.activation(part), z, y
        sequence = [torch.cat(both, -1) for both in zip(*ways, strict=True)]


def _recurrence(module: Any, layer: int, way: int) -> Recurrence:
    kind, state = _MODES[str(mode_of(module))]
    cell = isinstance(module, torch.nn.RNNCellBase)
    end = "" if cell else f"_l{layer}{'_reverse' * way}"
    projection = getattr(module, f"weight_hr{end}", None)
    return Recurrence(
        kind,
        getattr(module, f"weight_ih{end}").T,
        getattr(module, f"weight_hh{end}").T,
        getattr(module, f"bias_ih{end}", None),
        getattr(module, f"bias_hh{end}", None),
        get("sigmoid"),
        get(state),
        ORDERS[kind],
        projection=None if projection is None else projection.T,
    )


def _units(one: Recurrence) -> tuple[int, int]:
    """Of the output and of the cell."""
    return one.recurrent.shape[0], one.recurrent.shape[1] // len(one.order)


def _state(value: Any, place: int, alone: bool, cell: bool, like: Any, units: int) -> Any:
    if value is None:
        return like.new_zeros(len(like), units)
    if cell:
        return value.unsqueeze(0) if alone else value
    return value[place].unsqueeze(0) if alone else value[place]
