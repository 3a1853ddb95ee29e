"""What one look at a PyTorch model finds: its sites, and where in the program they are.

One forward pass is watched: every torch function that is called is seen on its way
(``TorchFunctionMode``), and hooks say which module is at work, so that ``F.relu(x)`` inside
somebody's ``forward`` is found as surely as an ``nn.ReLU``. A module is a site of its own where
all it does is the activation; ``x * torch.sigmoid(x)`` and its kin are recognised by what they
compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rectifier.activation import Activation
from rectifier.catalog import get
from rectifier.ops.rule import Rule
from rectifier.repair.sites import How, Site, recognise
from rectifier.repair.sites.torch_expressions import Expressions
from rectifier.repair.sites.torch_gates import MODULES as RECURRENT
from rectifier.repair.sites.torch_gates import mode_of
from rectifier.repair.sites.torch_pass import Call, Module, Watch, numbers

# Recurrent modules -> what they compute inside, where no call can be seen.
_RECURRENT: dict[str, tuple[str, ...]] = {"RNN_TANH": ("tanh",), "RNN_RELU": ("relu",)}
_RECURRENT |= {"LSTM": ("sigmoid", "tanh"), "GRU": ("sigmoid", "tanh")}
# Fused operations that hold a softmax.
_FUSED = {"scaled_dot_product_attention", "multi_head_attention_forward", "flex_attention"}


@dataclass(frozen=True)
class Place:
    """Where a site is in the program: what swapping and tapping need beyond the site.

    Attributes:
        owner: the module.
        path: the code and the position in it of the call, then of the function that was called
            from, and so on up to the module's own ``forward``; empty for a module's site.
        root: of a composite, the path of the call that takes its input first, and which of that
            call's arguments it is.
        function: what is called: a function, or the module.
    """

    owner: Any
    path: tuple[tuple[Any, int], ...] = ()
    root: tuple[tuple[tuple[Any, int], ...], int] | None = None
    function: Any = None


@dataclass
class Found:
    """What one pass has found, in order.

    Attributes:
        sites: site -> its place.
        modules: the module sites by module.
        calls: the sites of calls by owner and path.
    """

    sites: dict[Site, Place] = field(default_factory=dict)
    modules: dict[Any, Site] = field(default_factory=dict)
    calls: dict[tuple[Any, Any], Site] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def add(self, site: Site, place: Place) -> None:
        self.sites[site] = place
        if site.how == "module":
            self.modules[place.owner] = site
        else:
            self.calls[place.owner, place.path] = site

    def unused(self, name: str) -> str:
        """``block:relu``, or ``block:relu#2`` when that is taken."""
        self._numbers[name] = number = self._numbers.get(name, 0) + 1
        return name if number == 1 else f"{name}#{number}"


def survey(model: Any, batch: Any = None) -> Found:
    """The sites of a model with their places; with a batch those of calls as well."""
    model = plain(model)
    if batch is not None:
        args, keywords = arguments(model, batch)
        return watched(model, args, keywords)
    return _looked_over(model)


def plain(model: Any) -> Any:
    """The model inside ``torch.compile``'s wrapper."""
    return getattr(model, "_orig_mod", model)


def arguments(model: Any, batch: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A batch as ``model(*args, **keywords)`` takes it, on the model's device.

    NumPy arrays become tensors; floating-point ones in the dtype of the model's parameters.
    """
    reference = next(model.parameters(), torch.zeros(()))

    def tensor(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
            if value.is_floating_point():
                value = value.to(reference.dtype)
        return value.to(reference.device) if isinstance(value, torch.Tensor) else value

    if isinstance(batch, Mapping):
        return (), {name: tensor(value) for name, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return tuple(tensor(value) for value in batch), {}
    return (tensor(batch),), {}


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode without gradients; every module's own mode is back afterwards."""
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


def watched(model: Any, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Found:
    finder = _Finder(model)
    with evaluating(model), ExitStack() as stack:
        watch = stack.enter_context(Watch(model, finder))
        try:
            watch.run(args, keywords)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise recognise.refuse_odd_batch(error, model) from error
    return finder.found()


def _looked_over(model: Any) -> Found:
    """The sites that can be seen without a pass: each small module is asked by itself."""
    found = Found()
    names = {module: name for name, module in model.named_modules()}
    for module, name in names.items():
        _add_recurrent(found, module, name)
        for attribute, value in vars(module).items():
            if callable(value) and (activation := _of_function(value)) is not None:
                site = Site(
                    f"{name}.{attribute}".lstrip("."), name, activation, called(value), "attribute"
                )
                found.add(site, Place(module, ((attribute, 0),), None, value))
        if _could_be_one(module):
            activation = _asked(module)
            if activation is not None:
                found.add(
                    Site(name or called(module), name, activation, called(module), "module"),
                    Place(module, function=module),
                )
    return found


def _ours(module: Any) -> Activation | None:
    """The activation that a layer of rectifier.torch is, with the slopes that it has learnt."""
    activation = getattr(module, "activation", None)
    if not isinstance(activation, Activation) or not hasattr(module, "listed"):
        return None
    return activation


def _could_be_one(module: Any) -> bool:
    """Whether a module may be an activation and nothing else: it keeps nothing but slopes."""
    if _ours(module) is not None:
        return True
    if any(module.children()):
        return False
    own = [*module.parameters(), *module.buffers()]
    slopes = isinstance(module, torch.nn.PReLU) or type(module).__name__ in ("XIELUActivation",)
    return slopes or not own


def _asked(module: Any) -> Activation | None:
    """What a module computes on a small tensor, if it is an activation."""
    if (ours := _ours(module)) is not None:
        return ours
    finder = _Finder(module)
    grid = torch.from_numpy(recognise.grid()).reshape(1, 1, 1, -1)
    if isinstance(module, torch.nn.PReLU):
        grid = grid.expand(1, module.num_parameters, 1, -1)
    like = next(module.parameters(), grid)
    with evaluating(module), Watch(module, finder) as watch:
        try:
            watch.run((grid.to(like),), {})
        except Exception:
            return None  # it takes something else than one array of numbers: no activation
    site = finder.found().modules.get(module)
    return None if site is None else site.activation


def _of_function(function: Any) -> Activation | None:
    """The activation that a function kept as an attribute is."""
    if isinstance(function, (torch.nn.Module, type)):
        return None
    if isinstance(function, Activation):
        return function
    module = getattr(function, "__module__", None) or ""
    if module.startswith("torch"):
        return recognise.named("torch", getattr(function, "__name__", ""), (), {})
    return None


def called(thing: Any) -> str:
    """``torch.nn.GELU``, ``torch.nn.functional.relu``: the name that people use."""
    if isinstance(thing, Rule):
        return "rectifier.torch"
    if isinstance(thing, torch.nn.Module):
        kind = type(thing)
        if getattr(torch.nn, kind.__name__, None) is kind:
            return f"torch.nn.{kind.__name__}"
        return f"{kind.__module__}.{kind.__qualname__}"
    name = getattr(thing, "__name__", type(thing).__name__)
    if getattr(torch.nn.functional, name, None) is thing:
        return f"torch.nn.functional.{name}"
    if getattr(thing, "__objclass__", None) is not None or hasattr(torch.Tensor, name):
        if getattr(torch, name, None) is thing:
            return f"torch.{name}"
        if getattr(torch.Tensor, name, None) is thing:
            return f"torch.Tensor.{name}"
    module = getattr(thing, "__module__", None) or "torch"
    return f"{module}.{name}".replace("torch._C._nn.", "torch.nn.functional.")


def _add_recurrent(found: Found, module: Any, name: str) -> None:
    mode = mode_of(module)
    if mode not in _RECURRENT:
        return
    for activation in _RECURRENT[mode]:
        site = Site(
            found.unused(f"{name}:{activation}".lstrip(":")),
            name,
            get(activation),
            called(module),
            "inside",
            None,
            f"{called(module)} computes it inside one fused operation",
        )
        found.add(site, Place(module, ((activation, 0),), None, module))


class _Finder:
    """Listens to one pass and makes sites of what it hears."""

    def __init__(self, model: Any) -> None:
        self._names = {module: name for name, module in model.named_modules()}
        self._expressions = Expressions()
        # In the order of the pass: key -> (call or module, activation); later ones may supersede.
        self._heard: dict[Any, tuple[Any, Activation | None]] = {}
        self._composites: dict[Any, Any] = {}

    def on_call(self, call: Call) -> None:
        name = call.name
        if call.owner in self._heard:
            return  # a shared module, met again
        if name in _FUSED:
            self._heard.setdefault(call.key, (call, get("softmax")))
            return
        activation = (
            recognise.of_rule(call.function, call.args[1:])
            if name == "rectifier"
            else recognise.named("torch", name, call.args[1:], call.keywords)
        )
        if activation is not None and call.key not in self._heard:
            if not call.z.is_floating_point():
                activation = None
            elif not any(p.learnable or p.drawn for p in activation.declared):
                z, y = numbers(call.z), numbers(call.y)
                if not recognise.proved(activation, z, y, torch.finfo(call.y.dtype).eps):
                    activation = None
            if activation is not None:
                self._heard[call.key] = (call, activation)
        composite = self._expressions.add(call, activation)
        if composite is not None:
            for key in composite.parts:
                self._heard.pop(key, None)
            self._heard[call.key] = (composite, composite.activation)

    def on_enter(self, module: Module) -> None:
        self._expressions.enter()

    def on_exit(self, module: Module) -> None:
        self._expressions.leave()
        if isinstance(module.module, RECURRENT):
            self._heard.setdefault(module.module, (module, None))
        if module.module in self._heard or not _could_be_one(module.module):
            return
        if not isinstance(module.z, torch.Tensor) or not isinstance(module.y, torch.Tensor):
            return
        inside = [key for key in self._heard if self._is_within(key, module.module)]
        activation = _ours(module.module)
        if activation is not None:
            pass
        elif len(inside) == 1:
            heard, activation = self._heard[inside[0]]
            if isinstance(heard, Module) or heard.y is not module.y:
                return  # the innermost module is the site
        elif not inside and module.z.shape == module.y.shape and module.y.is_floating_point():
            z, y = numbers(module.z), numbers(module.y)
            activation = recognise.by_values(z, y, torch.finfo(module.y.dtype).eps)
        if activation is None:
            return
        for key in inside:
            del self._heard[key]
        self._heard[module.module] = (module, activation)

    def _is_within(self, key: Any, module: Any) -> bool:
        owner = key[0] if isinstance(key, tuple) else key
        return any(owner is inner for inner in module.modules())

    def found(self) -> Found:
        """The sites, in the order of the pass."""
        found = Found()
        for heard, activation in self._heard.values():
            if isinstance(heard, Module) and isinstance(heard.module, RECURRENT):
                _add_recurrent(found, heard.module, self._names[heard.module])
            elif isinstance(heard, Module):
                name = self._names[heard.module]
                kind = called(heard.module)
                found.add(
                    Site(name or kind, name, activation, kind, "module", heard.source),
                    Place(heard.module, function=heard.module),
                )
            else:
                self._add_call(found, heard, activation)
        return found

    def _add_call(self, found: Found, call: Any, activation: Activation | None) -> None:
        name = self._names[call.owner]
        short = activation.name if activation is not None else call.name
        attribute = call.attribute
        how: How
        if attribute is not None:
            address, how = f"{name}.{attribute}".lstrip("."), "attribute"
        else:
            address, how = f"{name}:{short}", "call"
        reason = None
        if call.name in _FUSED:
            how, reason = "inside", f"{called(call.function)} computes it inside one operation"
        ours = f"rectifier.{short}" if call.name == "rectifier" else None
        site = Site(
            found.unused(address),
            name,
            activation,
            ours or call.called or called(call.function),
            how,
            call.source,
            reason,
        )
        found.add(site, Place(call.owner, call.path, call.root, call.function))
