"""Activations as callables that Keras can save: for ``activation=`` and for calls."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from rectifier import catalog, doors
from rectifier.activation import Activation
from rectifier.errors import InputError


@keras.saving.register_keras_serializable("rectifier")
class Function:
    """An activation for Keras, at given parameter values.

    It takes whatever Keras takes for a tensor and gives a tensor of the backend; a symbolic one
    (of the functional API) becomes a node of the model. Parameters and flags may be given again
    in the call: ``rk.leaky_relu(x, negative_slope=0.2)``, ``rk.gelu(x, approximate="tanh")``.
    A model file holds its name and its numbers, never code.

    Attributes:
        activation: the entry, as :func:`rectifier.get` gives it.
    """

    def __init__(self, activation: Activation) -> None:
        listed = doors.listing(activation)
        self.activation = activation
        self.__name__ = self.__qualname__ = activation.name
        self.__doc__ = doors.document(listed)
        self.__signature__: inspect.Signature = doors.signature(listed)

    @classmethod
    def of(cls, listed: doors.Listing) -> Function:
        """The function of a catalogue's listing."""
        return cls(listed.activation)

    def __call__(self, x: Any, /, *args: Any, **parameters: Any) -> Any:
        activation, rest = doors.chosen(self.activation, parameters)
        if any(isinstance(given, keras.KerasTensor) for given in (x, *args, *rest.values())):
            return Applied(activation)(x, *args, **rest)
        x = x.value if isinstance(x, keras.Variable) else keras.ops.convert_to_tensor(x)
        return activation(x, *args, **rest)

    def get_config(self) -> dict[str, Any]:
        return {"activation": self.activation.config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Function:
        return cls(catalog.get(config["activation"]))

    def __repr__(self) -> str:
        return f"<rectifier.keras function {self.activation}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and self.activation == other.activation

    def __hash__(self) -> int:
        return hash(self.activation)

    def __reduce__(self) -> tuple[Any, ...]:
        return Function, (self.activation,)


@keras.saving.register_keras_serializable("rectifier")
class Applied(keras.Operation):
    """The node that an activation of a symbolic tensor is in a functional model."""

    def __init__(self, activation: Activation, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.activation = activation

    def call(self, x: Any, *args: Any, **parameters: Any) -> Any:
        return self.activation(x, *args, **parameters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation.config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Applied:
        return cls(catalog.get(config["activation"]), name=config["name"])


def get(activation: Any, /, *args: Any, **parameters: Any) -> Any:
    """What ``activation=`` of a Keras layer takes: ``Dense(8, activation=rk.get("LeakyReLU"))``.

    Takes what :func:`rectifier.get` takes. Activations that learn or draw (``prelu``, ``rrelu``)
    come as a new layer, which keeps its weights inside the layer that it is given to; the others
    as a :class:`Function`.

    Raises:
        InputError: one that gives another number of features than it takes, such as ``glu``:
            ``Dense`` would announce a shape that it does not give.
    """
    chosen = catalog.get(activation, *args, **parameters)
    if chosen.kind in ("gated", "reshaping"):
        name = doors.layer_name(chosen.name)
        raise InputError(
            f"{chosen.name} changes the number of features, which a layer that it is given to "
            f"does not expect; put rectifier.keras.{name}() after that layer"
        )
    if any(p.learnable or p.drawn for p in chosen.declared):
        from rectifier.keras.layers import layer_class

        return layer_class(doors.listing(catalog.get(chosen.name)))(**chosen.parameters)
    return Function(chosen)
