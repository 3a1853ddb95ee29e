"""Swapping in PyTorch models."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from rectifier import torch as door
from rectifier.activation import Activation
from rectifier.doors import layer_name
from rectifier.errors import InputError
from rectifier.repair.sites import Site
from rectifier.repair.sites.torch_pass import numbers as array
from rectifier.repair.sites.torch_survey import Found, Place, arguments, evaluating, plain, survey
from rectifier.repair.swapping import methods
from rectifier.torch.functions import applied

__all__ = ["array", "copied", "memory", "outputs", "replaced"]


def copied(model: Any) -> Any:
    """A copy with its own weights; of a compiled model, compiled with the same options.

    Raises:
        InputError: something in the model refuses to be copied.
    """
    inner = plain(model)
    try:
        copy_ = copy.deepcopy(inner)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"{type(inner).__name__} cannot be copied ({error}); swap in it: inplace=True"
        ) from error
    return copy_ if inner is model else type(model)(copy_, model.dynamo_ctx)


def replaced(
    model: Any, wanted: Mapping[Site, Activation], data: Any
) -> tuple[dict[Site, str], Any]:
    """Puts the activations there; the sites that could not be reached with the reasons, and the
    model (another object only where the model itself is the site)."""
    found = survey(model, data)
    inner = plain(model)
    reasons: dict[Site, str] = {}
    calls: dict[Any, list[tuple[Site, methods.Task]]] = {}
    for site, activation in wanted.items():
        if site.activation == activation:
            continue
        place = _place(found, site)
        reason = site.reachable or _refusal(site, activation)
        if reason:
            reasons[site] = reason
        elif site.how == "module":
            new = _module(activation, place.owner, inner)
            if place.owner is inner:
                model = inner = new
            else:
                _put(inner, place.owner, new)
        elif site.how == "attribute":
            _set(place.owner, site.name.rpartition(".")[2].partition("#")[0], activation, inner)
        else:
            task = methods.Task.of(place, _Call(activation, place.function))
            calls.setdefault(place.owner, []).append((site, task))
    for owner, tasks in calls.items():
        can, cannot = methods.possible(owner, tasks)
        reasons |= cannot
        if can:
            methods.give(owner, methods.methods_with(owner, can))
    return reasons, model


def _place(found: Found, site: Site) -> Place:
    return next(place for other, place in found.sites.items() if other.name == site.name)


def _refusal(site: Site, activation: Activation) -> str | None:
    learns = any(p.learnable for p in activation.declared)
    if learns and site.how == "call":
        return f"{activation.name} learns, and a plain call has no place for its weights"
    return None


class _Call:
    """For a call: of what else the old function was given, only "in place" is for the new one."""

    def __init__(self, activation: Activation, old: Any) -> None:
        self.activation = activation
        self.always = getattr(old, "__name__", "").endswith("_")

    def __call__(self, x: Any, *args: Any, **keywords: Any) -> Any:
        inplace = self.always or keywords.get("inplace", False) or any(a is True for a in args)
        return applied(self.activation, x, inplace=inplace)


def _module(activation: Activation, old: Any, model: Any) -> Any:
    """A module of ours in the mode, on the device and with the hooks of the old one."""
    kept: dict[str, Any] = {}
    if getattr(old, "inplace", False) and activation.elementwise:
        kept["inplace"] = True
    if activation.memory != "exact":
        kept["memory"] = activation.memory
    new = getattr(door, layer_name(activation.name))(**activation.parameters, **kept)
    like = next(model.parameters(), None)
    if like is not None and like.is_floating_point():
        new = new.to(like.device, like.dtype)
    new.train(old.training)
    for name, value in vars(old).items():
        if "hooks" in name and name in vars(new):
            vars(new)[name] = value
    return new


def _put(model: Any, old: Any, new: Any) -> None:
    """Everywhere the old module is, under every name."""
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child is old:
                parent._modules[name] = new
                _tell_fast_path(parent, name)


def _set(owner: Any, attribute: str, activation: Activation, model: Any) -> None:
    learns = any(p.learnable for p in activation.declared)
    value = _module(activation, owner, model) if learns else activation
    vars(owner).pop(attribute, None)
    setattr(owner, attribute, value)
    _tell_fast_path(owner, attribute)


def _tell_fast_path(owner: Any, attribute: str) -> None:
    """nn.TransformerEncoderLayer keeps a number for its fused path: 1 for relu, 2 for gelu."""
    if attribute == "activation" and hasattr(owner, "activation_relu_or_gelu"):
        owner.activation_relu_or_gelu = 0


def outputs(model: Any, data: Any) -> list[Any]:
    """What the model gives for a batch, in evaluation mode: its floating-point tensors."""
    args, keywords = arguments(plain(model), data)
    with evaluating(plain(model)):
        return list(_tensors(plain(model)(*args, **keywords)))


def memory(model: Any, data: Any) -> int:
    """Bytes that a pass in evaluation mode, with gradients, keeps; parameters aside."""
    inner = plain(model)
    args, keywords = arguments(inner, data)
    with evaluating(inner), torch.enable_grad():
        return kept_by(lambda: inner(*args, **keywords), [*inner.parameters(), *inner.buffers()])


def kept_by(forward: Callable[[], Any], own: Sequence[Any]) -> int:
    """Bytes that autograd saves during ``forward()``, each storage once, ``own`` aside."""
    known = {tensor.untyped_storage().data_ptr() for tensor in own}
    kept: dict[int, int] = {}
    alive = []

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(kept.values())


def _tensors(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)
