"""Activations as Keras layers: one class for each entry of the catalogue, made by one function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import keras
import numpy as np

from rectifier import catalog, doors
from rectifier.activation import Activation
from rectifier.errors import InputError
from rectifier.ops.inputs import parts_of_axis, refuse_absent_axis

# What keras.layers.Layer itself takes; every other name is a parameter of the activation.
_OF_KERAS = {"name", "dtype", "trainable", "autocast", "activity_regularizer"}
_OF_KERAS |= {"input_shape", "input_dim"}
_PARTS = ("initializer", "regularizer", "constraint")
_READ: dict[str, Any] = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}


class Layer(keras.layers.Layer):
    """What the layers have in common: the base class of ``rectifier.keras.LeakyReLU`` and all.

    Takes the activation's parameters, under every name that frameworks give them, its flags, and
    what every Keras layer takes (``name``, ``dtype``, ``trainable``). A gated one takes one input,
    which it splits in halves, or a list of two.

    Attributes:
        activation: the entry at this layer's parameter values; learnable ones at their start.
    """

    listed: ClassVar[doors.Listing]

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(**{k: arguments.pop(k) for k in _OF_KERAS & set(arguments)})
        own = set(self.listed.activation.flags) & set(arguments)
        self._flags = {name: arguments.pop(name) for name in sorted(own)}
        self._take_options(arguments)
        chosen = catalog.get(self.listed.function, **self._flags)
        self.activation: Activation = chosen.bind(*args, **arguments)
        for parameter in self.activation.declared:
            if not (parameter.learnable or parameter.drawn):
                setattr(self, parameter.name, self.activation.parameters[parameter.name])
        self.supports_masking = True

    def _take_options(self, arguments: dict[str, Any]) -> None:
        """Removes from ``arguments`` what is neither Keras' nor a parameter."""

    def call(self, inputs: Any) -> Any:
        if isinstance(inputs, (list, tuple)):
            self._refuse_several(len(inputs))
            return self.activation(*inputs)
        return self.activation(inputs)

    def _refuse_several(self, count: int) -> None:
        wanted = 2 if self.activation.kind == "gated" else 1
        if count != wanted:
            raise InputError(f"{self.listed.layer} takes {wanted} input tensors, got {count}")

    def compute_output_shape(self, input_shape: Any) -> Any:
        if input_shape and isinstance(input_shape[0], (list, tuple)):
            return tuple(input_shape[0])
        shape = tuple(input_shape)
        if self.activation.kind not in ("gated", "reshaping"):
            return shape
        axis = int(self.activation.parameters["axis"])
        refuse_absent_axis(axis, shape)
        if shape[axis] is None:
            return shape
        if self.activation.kind == "gated":
            _, length = parts_of_axis(shape, 2, axis, "two halves")
        else:  # only the activation knows: it is asked with one row
            row = np.zeros([n if i == axis % len(shape) else 1 for i, n in enumerate(shape)])
            length = self.activation(row).shape[axis]
        place = axis % len(shape)
        return (*shape[:place], length, *shape[place + 1 :])

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        if isinstance(previous_mask, (list, tuple)):
            return next((mask for mask in previous_mask if mask is not None), None)
        if self.activation.kind in ("gated", "reshaping") and previous_mask is not None:
            axis = int(self.activation.parameters["axis"])
            if axis % len(inputs.shape) < len(previous_mask.shape):
                return None  # the steps that it spoke of are no more
        return previous_mask

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **self.activation.config()["parameters"],
            **self._flags,
        }


class _Learning(Layer):
    """With learnable parameters, which become weights of the same name."""

    def _take_options(self, arguments: dict[str, Any]) -> None:
        super()._take_options(arguments)
        default = None if _keras_has(self.listed.activation) else "all"
        shared = arguments.pop("shared_axes", default)
        self.shared_axes = [shared] if isinstance(shared, int) else shared
        self._parts: dict[str, Any] = {}
        for argument in self.listed.arguments:
            for spelling in (argument.name, *argument.aliases) * argument.learnable:
                for part in _PARTS:
                    given = arguments.pop(f"{spelling}_{part}", None)
                    if given is not None:
                        self._parts[f"{argument.name}_{part}"] = _READ[part].get(given)

    def build(self, input_shape: Sequence[int | None]) -> None:
        shape = self._weight_shape(input_shape)
        for parameter in self.activation.declared:
            if not parameter.learnable:
                continue
            start = keras.initializers.Constant(self.activation.parameters[parameter.name])
            name = parameter.name
            weight = self.add_weight(
                shape=shape,
                name=name,
                initializer=self._parts.get(f"{name}_initializer", start),
                regularizer=self._parts.get(f"{name}_regularizer"),
                constraint=self._parts.get(f"{name}_constraint"),
            )
            setattr(self, name, weight)

    def _weight_shape(self, input_shape: Sequence[int | None]) -> tuple[int, ...]:
        if self.shared_axes == "all":
            return ()
        shared = {axis % len(input_shape) for axis in self.shared_axes or ()}
        lengths = [1 if i in shared else n for i, n in enumerate(input_shape) if i > 0]
        if None in lengths:
            axis = lengths.index(None) + 1
            raise InputError(
                f"{self.listed.layer} keeps a number for every unit, and axis {axis} of shape "
                f"{tuple(input_shape)} has no fixed length; share it: shared_axes=[{axis}]"
            )
        return tuple(n for n in lengths if n is not None)

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs, **self._learnt())

    def _learnt(self) -> dict[str, Any]:
        names = (p.name for p in self.activation.declared if p.learnable)
        return {name: getattr(self, name).value for name in names}  # in the compute dtype

    def get_config(self) -> dict[str, Any]:
        parts = {
            name: _READ[name.rpartition("_")[2]].serialize(part)
            for name, part in self._parts.items()
        }
        return {**super().get_config(), "shared_axes": self.shared_axes, **parts}


class _Drawing(Layer):
    """With a parameter that is drawn for every element while training."""

    def _take_options(self, arguments: dict[str, Any]) -> None:
        super()._take_options(arguments)
        self.seed = arguments.pop("seed", None)
        self._generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return self.activation(inputs)
        drawn = {
            parameter.name: keras.random.uniform(
                keras.ops.shape(inputs),
                dtype=keras.backend.standardize_dtype(inputs.dtype),
                seed=self._generator,
            )
            for parameter in self.activation.declared
            if parameter.drawn
        }
        return self.activation(inputs, **drawn)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


class _Defined(Layer):
    """Of an activation made by ``rf.define``: its file holds the formula, as text."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "definition": self.listed.activation.config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        rest = dict(config)
        made: Any = layer_class(doors.listing(catalog.get(rest.pop("definition"))))
        return super(_Defined, made).from_config(rest)


@cache
def layer_class(listed: doors.Listing) -> type[Layer]:
    """The layer of a catalogue's listing, registered with Keras as ``rectifier>LeakyReLU``."""
    activation = listed.activation
    options = []
    bases: list[type[Layer]] = []
    if any(p.learnable for p in activation.declared):
        bases.append(_Learning)
        names = [p.name for p in activation.declared if p.learnable]
        options += ["shared_axes", *(f"{name}_{part}" for name in names for part in _PARTS)]
    if any(p.drawn for p in activation.declared):
        bases.append(_Drawing)
        options.append("seed")
    if activation.text is not None:
        bases.append(_Defined)
    made = type(
        listed.layer,
        tuple(bases) or (Layer,),
        {
            "listed": listed,
            "__module__": "rectifier.keras",
            "__doc__": doors.document(listed),
            "__signature__": doors.signature(listed, (), [*options, "name", "dtype"]),
        },
    )
    if activation.text is None:
        return keras.saving.register_keras_serializable("rectifier")(made)
    for known in (made, _Defined):  # they share a name; files are read by the last
        keras.saving.register_keras_serializable("rectifier", "Defined")(known)
    return made


def _keras_has(activation: Activation) -> bool:
    """Whether Keras has this layer itself: its weights are then shared as there."""
    return any(peer.call.startswith("keras.layers.") for peer in activation.peers)


# Known before any activation is defined, so that a file that has one loads.
keras.saving.register_keras_serializable("rectifier", "Defined")(_Defined)
