"""The operations of one forward pass of a Keras model, traced without computing anything.

The model is called on symbolic tensors. Layers of Keras' own are operations; models and layers of
the user's are run through, so that a subclassed model shows as much as a functional one. Where
code insists on real numbers (``if tensor > 0``) that layer stays one opaque operation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from rectifier import catalog
from rectifier.activation import Activation
from rectifier.errors import UnknownName
from rectifier.repair.structure import Network, Role, Step, Weight

_SHAPE = {
    *("Flatten", "Reshape", "Permute", "RepeatVector", "Cropping1D", "Cropping2D", "Cropping3D"),
    *("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "Transpose", "GetItem", "Squeeze"),
    *("ExpandDims", "Split", "Cast", "BroadcastTo", "Swapaxes", "Moveaxis", "Pad", "Identity"),
    *("Masking", "Ravel", "Take", "Copy", "Repeat", "Flip", "Roll", "Slice", "InputLayer"),
    "ConvertToTensor",
}
_LINEAR = {"Mean", "Sum", "Negative", "UpSampling1D", "UpSampling2D", "UpSampling3D"}
_LINEAR |= {f"AveragePooling{n}D" for n in (1, 2, 3)}
_LINEAR |= {f"GlobalAveragePooling{n}D" for n in (1, 2, 3)} | {"Rescaling", "Normalization"}
_JOIN = {"Add", "Subtract", "Concatenate", "Stack", "Average"}
_PRODUCT = {"Multiply", "Divide", "TrueDivide"}
_DROPOUT = {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"}
_DROPOUT |= {"GaussianDropout", "GaussianNoise", "AlphaDropout"}
_LIKE_NAMES = {"ReLU": "relu", "Relu": "relu", "LeakyReLU": "leaky_relu", "PReLU": "prelu"}


class _Trace:
    """Receives every symbolic call while :func:`_receiving` is open."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.maker: dict[int, int] = {}  # id of a symbolic tensor -> place of its step
        self.alive: list[Any] = []
        self.stack: list[str] = []
        self.complete = True

    def call(self, operation: Any, args: Any, kwargs: Any) -> Any:
        """Runs through a composite, or notes a leaf; gives the symbolic outputs."""
        if _is_composite(operation):
            self.stack.append(operation.name)
            mark = len(self.steps)
            try:
                return operation.call(*args, **kwargs)
            except Exception:  # code that wants numbers may raise anything: it stays opaque
                del self.steps[mark:]
                self.complete = False
            finally:
                self.stack.pop()
        outputs = operation.compute_output_spec(*args, **kwargs)
        self.note(operation, args, kwargs, outputs)
        return outputs

    def note(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> None:
        tensors = [t for t in keras.tree.flatten((args, kwargs)) if _is_symbolic(t)]
        inputs = tuple(dict.fromkeys(self.maker.get(id(t), -1) for t in tensors))
        results = [t for t in keras.tree.flatten(outputs) if _is_symbolic(t)]
        layer = operation.name if isinstance(operation, keras.layers.Layer) else ""
        path = "/".join([*self.stack[1:], *([layer] if layer else [])])
        line = calling_line() if self.stack else None
        shape = tuple(results[0].shape) if results else ()
        for described in _described(operation, len(tensors)):
            place = len(self.steps)
            details: dict[str, Any] = {
                "layer": path,
                "inputs": inputs,
                "shape": shape,
                "source": line,
            }
            self.steps.append(Step(place, **details, **described))
            inputs = (place,)
        for tensor in results:
            self.maker[id(tensor)] = len(self.steps) - 1
        self.alive.append((tensors, outputs))


def trace(model: Any, batch: Any) -> Network:
    """The operations of ``model`` on inputs shaped like ``batch`` (arrays in any structure)."""
    record = _Trace()
    inputs = keras.tree.map_structure(
        lambda x: keras.KerasTensor(
            (None, *np.shape(x)[1:]), keras.backend.standardize_dtype(x.dtype)
        ),
        batch,
    )
    for tensor in keras.tree.flatten(inputs):
        record.maker[id(tensor)] = -1
    with _receiving(record), _nodes_kept(model):
        outputs = model(inputs)
    places = [record.maker.get(id(t), -1) for t in keras.tree.flatten(outputs)]
    used = tuple(p for p in dict.fromkeys(places) if p >= 0)
    return Network(tuple(record.steps), used, complete=record.complete)


@contextmanager
def _receiving(record: _Trace) -> Iterator[None]:
    """Symbolic calls go to ``record`` instead of into Keras' own graph of nodes."""
    owners = (keras.Operation, keras.layers.Layer)
    before = [owner.__dict__["symbolic_call"] for owner in owners]

    def symbolic_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return record.call(self, args, kwargs)

    for owner in owners:
        owner.symbolic_call = symbolic_call
    try:
        yield
    finally:
        for owner, own in zip(owners, before, strict=True):
            owner.symbolic_call = own


@contextmanager
def _nodes_kept(model: Any) -> Iterator[None]:
    """Layers note each symbolic call for ``layer.output``; ours are taken back."""
    owners = [*model._flatten_layers()]
    lists = [(getattr(o, n), len(getattr(o, n))) for o in owners for n in _NODES if hasattr(o, n)]
    try:
        yield
    finally:
        for nodes, length in lists:
            del nodes[length:]


_NODES = ("_inbound_nodes", "_outbound_nodes")


def _is_symbolic(value: Any) -> bool:
    return isinstance(value, keras.KerasTensor)


def _is_composite(operation: Any) -> bool:
    """Whether its own ``call`` is to be run through: models, and layers that users wrote."""
    if isinstance(operation, keras.Model):
        return True
    module = type(operation).__module__
    return isinstance(operation, keras.layers.Layer) and not module.startswith(
        ("keras.", "rectifier.")
    )


def _described(operation: Any, tensors: int) -> list[dict[str, Any]]:
    """Fields of the steps that one operation is: a Dense with an activation is two."""
    inner = operation
    if type(operation).__name__ == "TimeDistributed":
        inner = operation.layer
    kind = type(inner).__name__
    plain = snake(kind)
    name = activation_name(inner)
    if name is not None:
        return [{"role": "activation", "operation": plain, "activation": name}]
    kernel = getattr(inner, "kernel", None)
    recurrent = isinstance(inner, keras.layers.RNN | keras.layers.Bidirectional)
    if kernel is not None and not recurrent and len(kernel.shape) > 1:
        steps = [_weighted(inner, plain, tuple(kernel.shape))]
        name = activation_name(getattr(inner, "activation", None))
        if name is not None and name != "identity":
            steps.append({"role": "activation", "operation": plain, "activation": name})
        elif name is None and callable(getattr(inner, "activation", None)):
            steps.append({"role": "other", "operation": plain})
        return [{**step, "unit_axis": steps[0]["unit_axis"]} for step in steps]
    role: Role = "other"
    if isinstance(inner, keras.layers.Embedding):
        role = "lookup"
    elif "Normalization" in kind and kind not in _LINEAR:
        role = "normalise"
    elif kind in _DROPOUT:
        role = "dropout"
    elif kind in _SHAPE:
        role = "shape"
    elif kind in _JOIN:
        role = "join" if tensors > 1 else "linear"
    elif kind in _PRODUCT:
        role = "other" if tensors > 1 else "linear"
    elif kind in _LINEAR:
        role = "linear"
    return [{"role": role, "operation": plain}]


def _weighted(layer: Any, plain: str, shape: tuple[int, ...]) -> dict[str, Any]:
    inside, out = _fans(layer, shape)
    drawn = getattr(layer, "kernel_initializer", None)
    drawn = drawn or getattr(layer, "depthwise_initializer", None)
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return {
        "role": "weights",
        "operation": plain,
        "fan_in": inside,
        "fan_out": out,
        "features": shape[-2] if "transpose" in plain else shape[-1],
        "grouped": "depthwise" in plain or getattr(layer, "groups", 1) > 1,
        "bias": getattr(layer, "bias", None) is not None,
        "unit_axis": 1 if first else -1,
        "initializer": snake(type(drawn).__name__) if drawn is not None else None,
    }


def _fans(layer: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        return 0, 0
    field = int(np.prod(shape[:-2]))
    inside, out = shape[-2] * field, shape[-1] * field
    if "Transpose" in type(layer).__name__:
        return out, inside
    return (field, out) if "Depthwise" in type(layer).__name__ else (inside, out)


def activation_name(thing: Any) -> str | None:
    """The catalogue's name of a layer, an operation or a function; None for what is none."""
    own = getattr(thing, "activation", None)
    if isinstance(own, Activation):  # rectifier.keras' functions, layers and operations
        return own.name
    if isinstance(thing, keras.layers.Activation):
        return activation_name(thing.activation)
    kind = type(thing).__name__
    if isinstance(thing, keras.layers.Layer | keras.Operation):
        module = type(thing).__module__
        if ".activations." not in module and ".ops.nn" not in module and kind not in _NUMPY:
            return None
        name = _LIKE_NAMES.get(kind, snake(kind))
    else:
        name = getattr(thing, "__name__", "")
    if name == "linear":
        return "identity"
    try:
        return catalog.get(name).name if name else None
    except UnknownName:
        return None


_NUMPY = {"Tanh"}


_WHOLE = {"re_l_u": "relu", "e_l_u": "elu", "l_s_t_m": "lstm", "g_r_u": "gru", "r_n_n": "rnn"}


def snake(kind: str) -> str:
    out = "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(kind))
    for cut, whole in _WHOLE.items():
        out = out.replace(cut, whole)
    return out.replace("1_d", "1d").replace("2_d", "2d").replace("3_d", "3d")


def weights(model: Any) -> list[Weight]:
    """Every trainable or frozen weight of the model; counters and running statistics are not."""
    running = {id(v) for v in model.non_trainable_variables} - {
        id(v) for v in model.weights if v.trainable
    }
    training = {id(v) for v in model.trainable_variables}
    owners = _owners(model)
    found = []
    for variable in model.weights:
        if id(variable) in running and not variable.trainable:
            continue
        layer, name = owners.get(id(variable), ""), variable.path.split("/")[-1]
        shape = tuple(variable.shape)
        kernel = _is_kernel(variable)
        field = int(np.prod(shape[:-2])) if kernel else 1
        fans = (shape[-2] * field, shape[-1] * field) if kernel else (0, 0)
        values = numbers(variable.value).astype(np.float32)
        inside, out = fans
        found.append(Weight(layer, name, values, kernel, inside, out, id(variable) in training))
    return found


def _is_kernel(variable: Any) -> bool:
    """Whether it is linear in a layer's input: no bias, no scale, no table of an embedding."""
    return len(variable.shape) > 1 and "kernel" in variable.path.split("/")[-1]


def kernels(model: Any) -> list[tuple[str, Any]]:
    """Path of the layer and variable of every trainable kernel."""
    owners = _owners(model)
    return [(owners.get(id(v), ""), v) for v in model.trainable_variables if _is_kernel(v)]


def numbers(value: Any) -> np.ndarray:
    """A backend's tensor as NumPy."""
    if keras.backend.backend() == "tensorflow" and hasattr(value, "numpy"):
        return np.asarray(value.numpy())  # np.array(), which Keras calls, warns of its signature
    return np.asarray(keras.ops.convert_to_numpy(value))


def trainable_paths(model: Any) -> list[str]:
    """:attr:`Weight.path` of every trainable variable, in the model's order."""
    owners = _owners(model)
    pairs = [(owners.get(id(v), ""), v.path.split("/")[-1]) for v in model.trainable_variables]
    return [f"{layer}.{name}" if layer else name for layer, name in pairs]


def _owners(model: Any, prefix: str = "") -> dict[int, str]:
    """id of a variable -> path of its layer, spelt as in :attr:`Step.layer`."""
    found: dict[int, str] = {}
    for layer in model._flatten_layers(recursive=False, include_self=False):
        path = f"{prefix}{layer.name}"
        found.update({id(v): path for v in layer.weights if id(v) not in found})
        if _is_composite(layer):
            found.update(_owners(layer, f"{path}/"))
    return found


_KERAS = os.path.dirname(keras.__file__)
_OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))


def calling_line() -> str | None:
    """``"model.py:42"``: the innermost line of the user's ``call``; None where there is none."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if frame.f_code.co_name == "trace" and file == __file__:
            return None
        if (
            not file.startswith((_KERAS, _OURS + os.sep + "rectifier", "<"))
            and "optree" not in file
        ):
            return f"{os.path.basename(file)}:{frame.f_lineno}"
        frame = frame.f_back
    return None
