"""Activations as PyTorch layers: one class for each entry, made by one function."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import torch

from rectifier import catalog, doors
from rectifier.activation import Activation
from rectifier.errors import InputError
from rectifier.facts import number_text
from rectifier.torch.arguments import split
from rectifier.torch.functions import applied, drawn, tensor


class Layer(torch.nn.Module):
    """What the layers have in common: the base class of ``rectifier.torch.LeakyReLU`` and all.

    Takes the activation's parameters, under every name that frameworks give them, its flags,
    ``memory`` ("exact", or "low" to keep next to nothing for the gradient: ``docs/memory.md``)
    and, if it works element by element, ``inplace``. A gated one takes one tensor, which it splits
    in halves, or two.

    Attributes:
        activation: the entry at this layer's parameter values; learnable ones at their start.
        inplace: whether the result is written into the input.
    """

    listed: ClassVar[doors.Listing]

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__()
        memory = arguments.pop("memory", "exact")
        positional = self._take_options(list(args), arguments)
        names = ("inplace",) if self.listed.activation.elementwise else ()
        positional, rest, on = split(self.listed, positional, arguments, names)
        self.inplace = on.get("inplace", False)
        flags = {name: rest.pop(name) for name in self.listed.activation.flags if name in rest}
        chosen = catalog.get(self.listed.function, **flags).keeping(memory)
        self.activation: Activation = chosen.bind(*positional, **rest)
        self._shown = [f"{name}={value!r}" for name, value in flags.items()]
        self._shown += [f"memory={memory!r}"] * (memory != "exact")
        self._begin()

    def _take_options(self, args: list[Any], arguments: dict[str, Any]) -> list[Any]:
        """Removes what is no parameter of the activation; what is left of ``args``."""
        return args

    def _begin(self) -> None:
        for parameter in self.activation.declared:
            if not (parameter.learnable or parameter.drawn):
                setattr(self, parameter.name, self.activation.parameters[parameter.name])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The activation of ``x``, of its dtype."""
        x = tensor(self.listed, x)
        return applied(self.activation, x, inplace=self.inplace, **self._given(x))

    def _given(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The parameters that are tensors."""
        return {}

    def extra_repr(self) -> str:
        values = self.activation.parameters
        shown = [
            f"{p.name}={number_text(values[p.name])}"
            for p in self.activation.declared
            if not (p.learnable or p.drawn or values[p.name] == p.neutral)
        ]
        return ", ".join([*shown, *self._shown, *["inplace=True"] * self.inplace])


class _Learning(Layer):
    """With learnable parameters: weights of their names, one number or one a channel.

    Takes ``num_parameters`` (the length of axis 1 of the input, or 1), ``device`` and ``dtype``.
    """

    def _take_options(self, args: list[Any], arguments: dict[str, Any]) -> list[Any]:
        args = super()._take_options(args, arguments)
        if args and _counts_first(self.listed) and "num_parameters" not in arguments:
            arguments["num_parameters"] = args.pop(0)
        if "init" in arguments:
            (learnt,) = _learnable(self.listed.activation)
            arguments[learnt.name] = arguments.pop("init")
        count = arguments.pop("num_parameters", 1)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InputError(
                f"{self.listed.layer}: num_parameters is the length of axis 1, or 1 for one "
                f"number that all share, got {count!r:.40}"
            )
        self.num_parameters = count
        self._made = {name: arguments.pop(name, None) for name in ("device", "dtype")}
        return args

    def _begin(self) -> None:
        super()._begin()
        made = self.__dict__.pop("_made")
        for parameter in _learnable(self.activation):
            weight = torch.nn.Parameter(torch.empty(self.num_parameters, **made))
            self.register_parameter(_stored(parameter), weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the learnable parameters to where they start."""
        for parameter in _learnable(self.activation):
            weight = getattr(self, _stored(parameter))
            torch.nn.init.constant_(weight, self.activation.parameters[parameter.name])

    def _given(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        shape: tuple[int, ...] = ()
        if self.num_parameters > 1:
            length = x.shape[1] if x.ndim > 1 else 1
            if length != self.num_parameters:
                raise InputError(
                    f"{self.listed.layer} has {self.num_parameters} numbers, one for each entry of "
                    f"axis 1, and the input has shape {tuple(x.shape)}; give num_parameters="
                    f"{length}"
                )
            shape = (self.num_parameters, *(1,) * (x.ndim - 2))
        learnt = _learnable(self.activation)
        return {p.name: getattr(self, _stored(p)).reshape(shape) for p in learnt}

    def extra_repr(self) -> str:
        return ", ".join(
            filter(None, [f"num_parameters={self.num_parameters}", super().extra_repr()])
        )


class _Gated(Layer):
    """With two inputs, or one to split in halves."""

    def forward(self, x: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        """The gated features: of the shape of both inputs, or of a half of the one."""
        x = tensor(self.listed, x)
        return self.activation(x) if other is None else self.activation(x, other)


class _Drawing(Layer):
    """With a parameter that is drawn for every element while training."""

    def _given(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return drawn(self.activation, x) if self.training else {}


class _Defined(Layer):
    """Of an activation made by ``rf.define``: it pickles with its formula, as text."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _bare, (self.listed.activation.config(),), self.__dict__


def _bare(config: Mapping[str, Any]) -> Layer:
    made = layer_class(doors.listing(catalog.get(config)))
    return made.__new__(made)


def _learnable(activation: Activation) -> list[Any]:
    return [p for p in activation.declared if p.learnable]


def _stored(parameter: Any) -> str:
    """Its name in a state dict: PyTorch's own for ``PReLU``, so that checkpoints fit both."""
    return "weight" if "weight" in parameter.aliases else parameter.name


def _counts_first(listed: doors.Listing) -> bool:
    """Whether ``num_parameters`` is the first argument, as it is in PyTorch's own ``PReLU``."""
    return hasattr(torch.nn, listed.layer)


@cache
def layer_class(listed: doors.Listing) -> type[Layer]:
    """The layer of a catalogue's listing."""
    activation = listed.activation
    learnt = _learnable(activation)
    bases: list[type[Layer]] = []
    options = ["inplace"] * activation.elementwise
    if learnt:
        bases.append(_Learning)
        options += ["num_parameters", "device", "dtype"]
    if any(p.drawn for p in activation.declared):
        bases.append(_Drawing)
    if activation.kind == "gated":
        bases.append(_Gated)
    if activation.text is not None:
        bases.append(_Defined)
    signature = doors.signature(listed, (), [*options, "memory"])
    if learnt and _counts_first(listed):
        arguments = dict(signature.parameters)
        count = arguments.pop("num_parameters").replace(
            kind=inspect.Parameter.POSITIONAL_OR_KEYWORD, default=1
        )
        signature = signature.replace(parameters=[count, *arguments.values()])
    space: dict[str, Any] = {
        "listed": listed,
        "__module__": "rectifier.torch",
        "__doc__": doors.document(listed),
        "__signature__": signature,
    }
    for parameter in learnt:
        if _stored(parameter) != parameter.name:
            space[parameter.name] = _by_another_name(_stored(parameter))
    return type(listed.layer, tuple(bases) or (Layer,), space)


def _by_another_name(stored: str) -> property:
    return property(lambda self: getattr(self, stored))
