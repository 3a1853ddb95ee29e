"""Activations as functions of torch tensors."""

from __future__ import annotations

from typing import Any

import torch

from rectifier import doors
from rectifier.activation import Activation
from rectifier.errors import InputError
from rectifier.ops.torch_autograd import keeps_input
from rectifier.ops.torch_eager import written_over
from rectifier.torch.arguments import split, switches


def function(listed: doors.Listing) -> Any:
    """The function of a catalogue's listing."""
    names = switches(listed)
    along_axis = listed.activation.kind == "along_axis"

    def function(x: Any, /, *args: Any, **keywords: Any) -> Any:
        if not args and not keywords:  # reading none would take longer than a small tensor does
            return listed.activation(tensor(listed, x))
        memory = keywords.pop("memory", "exact")
        args, keywords, on = split(listed, args, keywords, names)  # type: ignore[assignment]
        if along_axis and "dtype" in keywords:
            dtype = keywords.pop("dtype")
            x = x if dtype is None else x.to(dtype)
        activation, rest = doors.chosen(listed.activation, keywords)
        activation = activation.keeping(memory)
        if args and args[0] is None:  # the second input of a pair that came as one
            args = args[1:]
        if on.get("training"):
            rest |= drawn(activation, tensor(listed, x))
        return applied(
            activation, tensor(listed, x), *args, inplace=bool(on.get("inplace")), **rest
        )

    last = [*names, *["dtype"] * along_axis, "memory"]
    dressed = doors.dressed(function, listed, "rectifier.torch")
    dressed.__signature__ = doors.signature(listed, last=last)
    return dressed


def tensor(listed: doors.Listing, x: Any) -> torch.Tensor:
    """``x``, if it is a tensor.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(x, torch.Tensor):
        raise InputError(
            f"rectifier.torch.{listed.function} takes a torch tensor, got "
            f"{type(x).__module__}.{type(x).__name__}; convert it first: torch.as_tensor(x)"
        )
    return x


def drawn(activation: Activation, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The parameters that training draws for every element, from torch's generator."""
    return {p.name: torch.rand_like(x) for p in activation.declared if p.drawn}


def applied(
    activation: Activation, x: torch.Tensor, *args: Any, inplace: bool = False, **parameters: Any
) -> torch.Tensor:
    """``activation(x)``; with ``inplace`` written into ``x``, which is then returned.

    Autograd is told of the change. Where the gradient follows from the output, that is all there
    is; where it needs the input, a copy is made before, as PyTorch does for its own.

    Raises:
        InputError: in place on a tensor that collects gradients itself.
    """
    if not inplace:
        return activation(x, *args, **parameters)
    watched = torch.is_grad_enabled() and x.requires_grad
    if watched and x.is_leaf:
        raise InputError(
            f"{activation.name} cannot work in place on a leaf tensor that requires a gradient; "
            "leave out inplace=True"
        )
    source = x
    if watched:
        values = activation._bound(args, parameters)
        if not torch.compiler.is_dynamo_compiling():
            done = written_over(activation.rule, x, values)
            if done is not None:
                return done
        if keeps_input(activation.rule, x, values):
            source = x.clone()
    return x.copy_(activation(source, *args, **parameters))
