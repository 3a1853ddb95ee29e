"""Activation sites of Keras models, on every backend.

Layers are walked: those that are an activation, those that were given one (``Dense(8, "relu")``),
recurrent cells, and the operations of a functional model's graph (``keras.ops.relu(x)``).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from rectifier.activation import Activation
from rectifier.catalog import get
from rectifier.errors import InputError, ParameterError, UnknownName
from rectifier.repair.sites import How, Site, recognise
from rectifier.repair.sites.keras_calls import Path, PlainCall, plain_calls

# Attributes that hold an activation, whatever function that is; other attributes count when they
# hold a function of Keras or ours that is one.
SLOTS = ("activation", "recurrent_activation")
_OF_LAYERS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax")


@dataclass(frozen=True)
class Place:
    """Where a site is: the layer or operation, and the attribute that holds the function.

    Attributes:
        path, function: of a plain call, see :class:`PlainCall`; else empty.
    """

    owner: Any
    attribute: str | None = None
    path: Path = ()
    function: Any = None
    root = None  # no formula is recognised in Keras


@dataclass
class Found:
    """The sites of a model, in order, with their places."""

    sites: dict[Site, Place] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)  # id of a layer -> its path
    _numbers: dict[str, int] = field(default_factory=dict)
    _calls: dict[tuple[int, Path], Site | None] = field(default_factory=dict)

    def meet(self, call: PlainCall) -> None:
        self.of_call(call)

    def of_call(self, call: PlainCall) -> Site | None:
        """The site of a plain call, a new one where it is met for the first time."""
        key = id(call.layer), call.path
        if key not in self._calls:
            self._calls[key] = None
            path = self.paths.get(id(call.layer))
            if path is not None and call.activation.name != "identity":
                name = self.unused(f"{path}:{call.activation.name}")
                site = Site(name, path, call.activation, call.called, "call", call.source)
                self.sites[site] = Place(call.layer, None, call.path, call.function)
                self._calls[key] = site
        return self._calls[key]

    def unused(self, name: str) -> str:
        self._numbers[name] = number = self._numbers.get(name, 0) + 1
        return name if number == 1 else f"{name}#{number}"


def find(model: Any, batch: Any = None) -> list[Site]:
    """See :func:`rectifier.repair.sites.find`."""
    return list(survey(model, batch).sites)


def survey(model: Any, batch: Any = None) -> Found:
    """The sites of a model with their places."""
    refuse_unbuilt(model)
    found = Found()
    by_path: dict[str, Any] = {}
    for node, path in nodes_of(model):
        if isinstance(node, keras.layers.Layer):
            by_path[path] = node
            found.paths[id(node)] = path
            _add_layer(found, node, path, by_path.get(path.rpartition("/")[0]))
        else:
            _add_operation(found, node, path)
    if batch is not None:
        with plain_calls(lambda call, z, y: found.meet(call)):
            called_on(model, batch)
    return found


def called_on(model: Any, data: Any) -> Any:
    """``model(data)``, eagerly, in inference mode.

    Raises:
        InputError: the model does not take it.
    """
    try:
        return model(tensors(data), training=False)
    except (ValueError, TypeError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"the model {model.name!r} does not take this batch: {said}") from error


def mode(model: Any, training: Any) -> dict[str, Any]:
    """``training`` for ``stateless_call``, which hands it on to a ``call`` without one, too."""
    taken = inspect.signature(model.call).parameters.values()
    known = any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in taken)
    return {"training": training} if known else {}


def tensors(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {k: tensors(v) for k, v in data.items()}
    if isinstance(data, (tuple, list)):
        return [tensors(v) for v in data]
    data = np.asarray(data, dtype=np.float32) if _is_float(data) else data
    return keras.ops.convert_to_tensor(data)


def _is_float(data: Any) -> bool:
    return isinstance(data, np.ndarray) and data.dtype.kind == "f"


def refuse_unbuilt(model: Any) -> None:
    """
    Raises:
        InputError: the model has no weights yet.
    """
    if not model.built:
        raise InputError(
            f"the model {model.name!r} is not built, so its layers are not all there; "
            "call it on a batch first: model(x)"
        )


def nodes_of(model: Any) -> Iterator[tuple[Any, str]]:
    """Every layer once, the model itself first, with its path of names: ``encoder/dense_1``.

    The graph of a functional model comes in its own order, with the operations that are no
    layers (``keras.ops.relu(x)``) at the path of their model.
    """
    seen: set[int] = set()

    def walk(node: Any, path: str) -> Iterator[tuple[Any, str]]:
        if id(node) in seen:
            return
        seen.add(id(node))
        yield node, path
        for operation in getattr(node, "operations", ()):
            if isinstance(operation, keras.layers.Layer):
                yield from walk(operation, f"{path}/{operation.name}".lstrip("/"))
            else:
                yield operation, path
        for inner in node._flatten_layers(include_self=False, recursive=False):
            if not any(inner is held(node).get(name) for name in SLOTS):
                yield from walk(inner, f"{path}/{inner.name}".lstrip("/"))

    yield from walk(model, "")


def held(layer: Any) -> dict[str, Any]:
    """A layer's attributes; on the torch backend those that are layers are kept apart."""
    return vars(layer) | vars(layer).get("_modules", {})


def _add_layer(found: Found, layer: Any, path: str, holder: Any) -> None:
    alone = of_layer(layer)
    if alone is not None:
        if alone.name != "identity":
            name = found.unused(path or layer.name)
            fused = _fused(holder)
            how: How = "inside" if fused else "layer"
            found.sites[Site(name, path, alone, called(layer), how, None, fused)] = Place(layer)
        return
    for attribute, value in held(layer).items():
        slot = attribute in SLOTS
        if not slot and isinstance(value, keras.layers.Layer):
            continue  # walked by itself
        activation = of_function(value, ask=slot)
        if activation is None and not (slot and callable(value)):
            continue
        if activation is not None and activation.name == "identity":
            continue
        name = found.unused(f"{path}.{attribute}".lstrip("."))
        spelled = f"{called(layer)}({attribute}={_spelled(value)!r})"
        how = "inside" if _is_cell(layer) else "attribute"
        site = Site(name, path, activation, spelled, how)
        found.sites[site] = Place(layer, attribute)


def _fused(holder: Any) -> str | None:
    """Why the softmax that an attention layer keeps is not what it computes; None if it is."""
    kinds = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
    if isinstance(holder, kinds) and not getattr(holder, "dropout", getattr(holder, "_dropout", 0)):
        return f"{called(holder)} without dropout computes it inside one operation"
    return None


def _is_cell(layer: Any) -> bool:
    """Whether a layer computes one step of a loop that is compiled as a whole."""
    cells = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
    return isinstance(layer, cells) or hasattr(layer, "recurrent_activation")


def _add_operation(found: Found, operation: Any, path: str) -> None:
    """An operation of a functional model that is no layer: ``keras.ops.relu(x)``."""
    activation = of_operation(operation)
    if activation is None or activation.name == "identity":
        return
    ours = f"rectifier.keras.{activation.name}"
    spelled = f"keras.ops.{_snake(operation)}" if _snake(operation) else ours
    site = Site(found.unused(f"{path}:{operation.name}"), path, activation, spelled, "call")
    found.sites[site] = Place(operation)


def called(layer: Any) -> str:
    """``keras.layers.Dense``: the name that people use."""
    kind = type(layer)
    if getattr(keras.layers, kind.__name__, None) is kind:
        return f"keras.layers.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def of_layer(layer: Any) -> Activation | None:
    """The activation that a layer is, with the values of its parameters."""
    kind = type(layer)
    if isinstance(layer, keras.layers.Activation):
        return of_function(layer.activation, ask=True)
    ours = getattr(layer, "activation", None)
    if isinstance(ours, Activation) and hasattr(layer, "listed"):
        return ours
    if kind.__name__ in _OF_LAYERS and getattr(keras.layers, kind.__name__, None) is kind:
        return _with_parameters(kind.__name__, layer)
    return None


def of_operation(operation: Any) -> Activation | None:
    """The activation that a node of a functional graph computes."""
    ours = getattr(operation, "activation", None)
    if isinstance(ours, Activation):
        return ours
    module = type(operation).__module__
    name = type(operation).__name__
    if not module.startswith("keras.") or _snake(operation) not in recognise.known("keras"):
        return None
    return _with_parameters(name, operation)


def _snake(operation: Any) -> str:
    name = type(operation).__name__
    return next((k for k in recognise.known("keras") if k.replace("_", "") == name.lower()), "")


def _with_parameters(name: str, holder: Any) -> Activation | None:
    """The entry called ``name`` with those parameters that ``holder`` has as attributes."""
    try:
        entry = get(name)
    except UnknownName:
        return None
    flags = {k: getattr(holder, k) for k in entry.flags if hasattr(holder, k)}
    if flags:
        entry = get(entry.name, **flags)
    values: dict[str, Any] = {}
    for parameter in entry.declared:
        for spelling in (parameter.name, *parameter.aliases):
            value = vars(holder).get(spelling)
            if value is not None and not callable(value):
                values[parameter.name] = recognise.float_of(_array(value))
    try:
        return recognise.plainest(entry.bind(**values))
    except ParameterError:  # e.g. a softmax over several axes
        return entry


def _array(value: Any) -> Any:
    return keras.ops.convert_to_numpy(value) if isinstance(value, keras.Variable) else value


def of_function(function: Any, ask: bool = False) -> Activation | None:
    """The activation that a function is; any function is asked for values where ``ask``."""
    if isinstance(function, keras.layers.Layer):
        return of_layer(function)
    if isinstance(function, Activation):
        return function
    if not callable(function) or isinstance(function, type):
        return None
    ours = getattr(function, "activation", None)
    if isinstance(ours, Activation):
        return ours
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__name__", "")
    if module.startswith(("keras.src.activations", "keras.src.ops.nn")):
        if name == "linear":
            return get("identity")
        return recognise.named("keras", name, (), {})
    return recognise.by_asking(lambda z: _asked(function, z)) if ask else None


def _asked(function: Any, z: Any) -> Any:
    return keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(z)))


def _spelled(value: Any) -> Any:
    """What somebody writes for an activation: a string where Keras has one."""
    return getattr(value, "__name__", None) or type(value).__name__
