"""Activation sites of PyTorch models: finding them, and listening to what passes through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from rectifier.repair.sites import Known, Receive, Site, torch_gates
from rectifier.repair.sites.torch_pass import Call, Module, Watch, eagerly
from rectifier.repair.sites.torch_survey import Found, plain, survey, watched


def find(model: Any, batch: Any = None) -> list[Site]:
    """See :func:`rectifier.repair.sites.find`."""
    return list(survey(model, batch).sites)


@contextmanager
def tap(model: Any, receive: Receive, known: Known) -> Iterator[None]:
    """See :func:`rectifier.repair.sites.tap`."""
    listener = _Tap(plain(model), receive, known)
    with eagerly(), Watch(plain(model), listener, before=listener.discover):
        yield


class _Tap:
    """Hands on what passes through known sites."""

    def __init__(self, model: Any, receive: Receive, known: Known) -> None:
        self._model = model
        self._receive = receive
        self._known = known
        self._found: Found | None = None
        self._names = {module: name for name, module in model.named_modules()}
        self._roots: dict[Any, list[tuple[Site, int]]] = {}
        self._inputs: dict[Site, Any] = {}
        self._entered: list[Any] = []

    def discover(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """A first look, without gradients, before the pass that is listened to."""
        if self._found is not None:
            return
        if self._known.found is None:
            self._known.found = watched(self._model, args, keywords)
        self._found = found = self._known.found
        for site, place in found.sites.items():
            if place.root is not None:
                path, argument = place.root
                self._roots.setdefault((place.owner, path), []).append((site, argument))

    def on_call(self, call: Call) -> None:
        if self._found is None:
            return
        key = (call.owner, call.path)
        for composite, argument in self._roots.get(key, ()):
            self._inputs[composite] = call.args[argument].detach()
        site = self._found.calls.get(key)
        if site is None or site.how == "inside" or not isinstance(call.y, torch.Tensor):
            return
        z = self._inputs.pop(site) if site in self._inputs else call.z
        self._receive(site, z.detach(), call.y.detach())

    def on_enter(self, module: Module) -> None:
        pass

    def on_exit(self, module: Module) -> None:
        if self._found is not None and isinstance(module.module, torch_gates.MODULES):
            self._recurrent(module)
        site = None if self._found is None else self._found.modules.get(module.module)
        if site is not None and isinstance(module.y, torch.Tensor):
            self._receive(site, module.z.detach(), module.y.detach())

    def _recurrent(self, called: Module) -> None:
        """The gates of a recurrent module, one site each, computed again."""
        module = called.module
        name, kind = self._names[module], type(module).__name__
        reason = torch_gates.unseen(module, called.args)
        if reason is not None:
            self._known.unseen[name] = reason
            return
        for gate, activation, z, y in torch_gates.gates(module, called.args):
            site = Site(
                f"{name}:{gate}".lstrip(":"), name, activation, f"torch.nn.{kind}", "inside"
            )
            self._receive(site, z.detach(), y.detach())
