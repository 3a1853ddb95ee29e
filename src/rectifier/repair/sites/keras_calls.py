"""Plain calls of activations in the ``call`` of somebody's own Keras layers.

During an eager pass Python tells of every function that it enters and leaves, so that nothing of
Keras has to be replaced.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import CodeType, FrameType, FunctionType
from typing import Any

import keras

from rectifier.activation import Activation
from rectifier.keras.functions import Function
from rectifier.repair.sites import recognise

Path = tuple[tuple[CodeType, int], ...]
_SWAPS = "rectifier.repair.swapping"  # what a swap has put there is called through it


@dataclass(frozen=True)
class PlainCall:
    """One call.

    Attributes:
        layer: whose own code made it.
        activation, called: what it computes, and its name in Keras.
        function: what is called.
        source: file and line.
        path: the code and the position in it of the call, then of that function's own caller, up
            to the layer's ``call``.
    """

    layer: Any
    activation: Activation
    called: str
    function: Any
    source: str
    path: Path


@contextmanager
def plain_calls(receive: Callable[[PlainCall, Any, Any], None]) -> Iterator[None]:
    """While open, ``receive(call, z, y)`` is told of the activations that people's layers call."""
    open_: dict[FrameType, tuple[PlainCall, Any]] = {}

    def told(frame: FrameType, event: str, given: Any) -> None:
        if event == "call":
            code = frame.f_code
            if code in _known() or code is Function.__call__.__code__:
                call = _call(frame)
                if call is not None:
                    x = "x" if "x" in frame.f_locals else code.co_varnames[0]
                    open_[frame] = call, frame.f_locals[x]
        elif event == "return" and frame in open_:
            call, z = open_.pop(frame)
            if given is not None:  # it raised
                receive(call, z, given)

    before = sys.getprofile()
    sys.setprofile(told)
    try:
        yield
    finally:
        sys.setprofile(before)


@cache
def _known() -> dict[CodeType, tuple[str, FunctionType]]:
    """Code of an activation of Keras' own -> its name and the function."""
    known: dict[CodeType, tuple[str, FunctionType]] = {}
    for module in ("activations", "ops"):
        for name in recognise.known("keras"):
            function = getattr(getattr(keras, module), name, None)
            if isinstance(function, FunctionType):
                known.setdefault(function.__code__, (f"keras.{module}.{name}", function))
    return known


def _call(frame: FrameType) -> PlainCall | None:
    """Who called the activation that has just been entered; None where no layer of theirs did."""
    caller = frame.f_back
    while caller is not None and _module(caller).startswith(_SWAPS):
        caller = caller.f_back
    layer = None if caller is None or _is_library(caller) else _layer(caller)
    if caller is None or layer is None:
        return None
    code, values = frame.f_code, frame.f_locals
    first, *others = code.co_varnames[: code.co_argcount]
    activation: Activation | None
    if code in _known():
        called, function = _known()[code]
        given = {name: values[name] for name in others if values[name] is not None}
        activation = recognise.named("keras", called.rpartition(".")[2], (), given)
    else:
        function = values[first]
        activation = function.activation
        called = f"rectifier.keras.{activation.name}"
    if activation is None:
        return None
    source = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"
    return PlainCall(layer, activation, called, function, source, _path(caller))


def _path(frame: FrameType | None) -> Path:
    path: list[tuple[CodeType, int]] = []
    while frame is not None and not _is_library(frame):
        path.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(path)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_library(frame: FrameType) -> bool:
    return _module(frame).startswith(("keras.", "rectifier."))


def _layer(frame: FrameType | None) -> Any:
    """The innermost layer that is at work; None where it is one of Keras' own."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, keras.layers.Layer):
            return None if type(owner).__module__.startswith(("keras.", "rectifier.")) else owner
        frame = frame.f_back
    return None
