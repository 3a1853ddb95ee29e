"""What passes through the activation sites of Keras models, in eager passes on every backend."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from rectifier.repair.sites import Known, Receive, Site, keras_gates
from rectifier.repair.sites.keras_calls import PlainCall, plain_calls
from rectifier.repair.sites.on_keras import Place, called, nodes_of, of_function, survey


@contextmanager
def tap(model: Any, receive: Receive, known: Known) -> Iterator[None]:
    """See :func:`rectifier.repair.sites.tap`."""
    if known.found is None:
        known.found = survey(model)

    def call(call: PlainCall, z: Any, y: Any) -> None:
        site = known.found.of_call(call)
        if site is not None and _has_values(z) and _has_values(y):
            receive(site, keras.ops.stop_gradient(z), keras.ops.stop_gradient(y))

    own = False  # whether there are layers that people wrote
    with ExitStack() as stack:
        for site, place in known.found.sites.items():
            if site.how != "inside" and not place.path:
                stack.enter_context(_tapped(site, place, receive))
        for node, path in nodes_of(model):
            if isinstance(node, keras.layers.RNN):
                stack.enter_context(_recurrent(node, path, receive, known))
            elif isinstance(node, keras.layers.Layer) and not _is_library(node):
                own = True
        if own:
            stack.enter_context(plain_calls(call))
        yield


def _is_library(layer: Any) -> bool:
    return type(layer).__module__.startswith(("keras.", "rectifier."))


@contextmanager
def _recurrent(layer: Any, path: str, receive: Receive, known: Known) -> Iterator[None]:
    """The gates of a recurrent layer, computed again whenever it is called."""
    state = of_function(getattr(layer.cell, "activation", None), ask=True)
    gate = of_function(getattr(layer.cell, "recurrent_activation", None), ask=True)
    plain = not hasattr(layer.cell, "recurrent_activation")  # a plain recurrence has no gates
    activations = (state if plain else gate, state)
    function, own = layer.call, "call" in vars(layer)

    def listening(x: Any, *args: Any, **keywords: Any) -> Any:
        y = function(x, *args, **keywords)
        if not (_has_values(x) and _has_values(y)):
            return y
        given = dict(zip(("initial_state", "mask"), args, strict=False)) | keywords
        reason = keras_gates.unseen(layer, given.get("mask"), activations)
        if reason is not None:
            known.unseen[path] = reason
            return y
        parts = keras_gates.gates(layer, x, given.get("initial_state"), activations)
        for gate, activation, z, out in parts:
            site = Site(f"{path}:{gate}".lstrip(":"), path, activation, called(layer), "inside")
            receive(site, keras.ops.stop_gradient(z), keras.ops.stop_gradient(out))
        return y

    layer.call = listening
    try:
        yield
    finally:
        if own:
            layer.call = function
        else:
            del layer.call


@contextmanager
def _tapped(site: Site, place: Place, receive: Receive) -> Iterator[None]:
    owner, attribute = place.owner, place.attribute or "call"
    if place.attribute is not None:
        given = getattr(owner, attribute)
        if isinstance(given, keras.layers.Layer):
            owner, attribute = given, "call"
    function = getattr(owner, attribute)
    own = attribute in vars(owner)
    setattr(owner, attribute, _listening(site, function, receive))
    try:
        yield
    finally:
        if own:
            setattr(owner, attribute, function)
        else:
            delattr(owner, attribute)


def _listening(site: Site, function: Callable[..., Any], receive: Receive) -> Callable[..., Any]:
    def listening(z: Any, *args: Any, **keywords: Any) -> Any:
        y = function(z, *args, **keywords)
        if _has_values(z) and _has_values(y):
            receive(site, keras.ops.stop_gradient(z), keras.ops.stop_gradient(y))
        return y

    return listening


def _has_values(x: Any) -> bool:
    """Whether ``x`` is an array with numbers in it, not a stand-in of a compiler."""
    if isinstance(x, keras.KerasTensor):
        return False
    backend = keras.backend.backend()
    if backend == "jax":
        return not isinstance(x, sys.modules["jax"].core.Tracer)
    if backend == "tensorflow":
        return bool(sys.modules["tensorflow"].executing_eagerly())
    return True
