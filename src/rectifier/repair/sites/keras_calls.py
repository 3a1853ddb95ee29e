"""Plain calls of activations in the ``call`` of somebody's own Keras layers.

An eager pass is run while Python tells of every function that it enters, so that nothing of
Keras has to be replaced. Such calls are found and named; they cannot be swapped or tapped yet.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import FrameType, FunctionType
from typing import Any

import keras

from rectifier.activation import Activation
from rectifier.keras.functions import Function
from rectifier.repair.sites import recognise

REASON = (
    "a plain call in a layer's own call(); give the layer a keras.layers.Activation, or an "
    "activation= of its own, and use that"
)


@dataclass(frozen=True)
class PlainCall:
    """One call: the layer whose ``call`` made it, what it computes, and where it stands."""

    layer: Any
    activation: Activation
    called: str
    source: str


def plain_calls(run: Any) -> list[PlainCall]:
    """The activations that people's own layers call during ``run()``, each place once."""
    known: dict[Any, str] = {}
    for module in ("activations", "ops"):
        for name in recognise.known("keras"):
            function = getattr(getattr(keras, module), name, None)
            if isinstance(function, FunctionType):
                known.setdefault(function.__code__, f"keras.{module}.{name}")
    found: dict[Any, PlainCall] = {}

    def entered(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or not (code in known or code is Function.__call__.__code__):
            return
        caller = frame.f_back
        layer = None if caller is None or _is_library(caller) else _layer(caller)
        if caller is None or layer is None:
            return
        here = (id(layer), caller.f_code, caller.f_lasti)
        values = frame.f_locals
        first, *others = code.co_varnames[: code.co_argcount]
        if code in known:
            given = {name: values[name] for name in others if values[name] is not None}
            called = known[code]
            activation = recognise.named("keras", called.rpartition(".")[2], (), given)
        else:
            activation = values[first].activation
            called = f"rectifier.keras.{activation.name}"
        if activation is not None:
            source = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"
            found.setdefault(here, PlainCall(layer, activation, called, source))

    before = sys.getprofile()
    sys.setprofile(entered)
    try:
        run()
    finally:
        sys.setprofile(before)
    return list(found.values())


def _is_library(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(("keras.", "rectifier."))


def _layer(frame: FrameType | None) -> Any:
    """The innermost layer that is at work; None where it is one of Keras' own."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, keras.layers.Layer):
            return None if type(owner).__module__.startswith(("keras.", "rectifier.")) else owner
        frame = frame.f_back
    return None
