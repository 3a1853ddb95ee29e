"""Forward and backward passes of PyTorch models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rectifier.errors import InputError
from rectifier.repair.batches import Batch
from rectifier.repair.gradients import Gradients
from rectifier.repair.rules.task import LOSSES, Loss
from rectifier.repair.sites import Site, find, tap
from rectifier.repair.sites.recognise import refuse_odd_batch
from rectifier.repair.structure import Network, Step, Weight
from rectifier.repair.structure import on_torch as structure

_NORMS = (torch.nn.modules.batchnorm._NormBase,)
_DROPOUTS = (torch.nn.modules.dropout._DropoutNd,)


class TorchPasses:
    """See :class:`rectifier.repair.passes.Passes`."""

    def __init__(self, model: Any, loss: Any, optimizer: Any, training: bool | None) -> None:
        if loss is not None and not callable(loss):
            raise InputError(
                f"loss is a module such as torch.nn.CrossEntropyLoss() or a function "
                f"loss(output, target), got {type(loss).__name__}"
            )
        lazy = [p for p in model.parameters() if isinstance(p, torch.nn.UninitializedParameter)]
        if lazy:
            raise InputError("the model is not built: it has lazy layers; call it on a batch first")
        self.model = getattr(model, "_orig_mod", model)  # what torch.compile wrapped
        self.loss: Loss | None = None
        self._loss_function = loss
        self._optimizer = optimizer
        self._own_loss = False  # whether the model gives its loss itself, as Hugging Face's do
        self._axes: dict[str, int] = {}
        first = next(self.model.parameters(), None)
        self._device = torch.device("cpu") if first is None else first.device
        self._dtype = torch.float32 if first is None else first.dtype
        embeds = any(isinstance(m, torch.nn.Embedding) for m in self.model.modules())
        self._whole_numbers = embeds
        self._training = _fresh(self.model) if training is None else training

    # -- what stays as it was ----------------------------------------------------------------

    @contextmanager
    def untouched(self) -> Iterator[None]:
        modes = [(m, m.training) for m in self.model.modules()]
        # Passes write into copies: a graph of training that is waiting for its backward pass may
        # hold the buffers themselves, and would notice if they were written and put back.
        buffers = [(m, n, b) for m, _ in modes for n, b in m._buffers.items() if b is not None]
        gradients = [(p, p.grad) for p in self.model.parameters()]
        state = torch.get_rng_state()
        for module, _ in modes:
            module.training = self._training and not isinstance(module, _DROPOUTS)
        for parameter, _ in gradients:
            parameter.grad = None
        copies = {id(b): b.detach().clone() for _, _, b in buffers}
        for module, name, buffer in buffers:
            module._buffers[name] = copies[id(buffer)]
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for module, name, buffer in buffers:
                module._buffers[name] = buffer
            for parameter, gradient in gradients:
                parameter.grad = gradient
            torch.set_rng_state(state)

    # -- passes --------------------------------------------------------------------------------

    def structure(self, batch: Batch) -> Network:
        arguments = self._arguments(batch)
        modules = {
            site.layer: site.activation.name
            for site in find(self.model)
            if site.how == "module" and site.activation is not None
        }
        recorder = structure.Recorder(self.model, modules)
        target = None if batch.y is None else self._tensor(batch.y)

        def receive(site: Site, z: Any, y: Any) -> None:
            # Nothing is recorded of the pass in which the tap looks around.
            if isinstance(z, torch.Tensor) and recorder.steps() and site.name not in self._axes:
                self._axes[site.name] = _axis(recorder, recorder.maker_of(z), z)

        with tap(self.model, receive):
            with torch.no_grad():
                self._called(arguments)  # the tap looks around in its first pass
            with torch.enable_grad(), recorder:
                recorder.feed(arguments)
                output = self._called(arguments)
                self._own_loss = self._loss_function is None and _loss_of(output) is not None
                network = recorder.network(output)  # before the loss adds its own steps
                if self._loss_function is not None and target is not None:
                    # Targets that do not fit raise here; which, the rules say.
                    with suppress(IndexError, RuntimeError, ValueError):
                        self._loss_function(_first(output), self._fitted(target, _first(output)))
        called = next((name for name, _ in recorder.losses if name in LOSSES), None)
        if called:
            self.loss = LOSSES[called]
            ignored = getattr(self._loss_function, "ignore_index", self.loss.ignored)
            self.loss = replace(self.loss, ignored=ignored)
            if self.loss.family == "sparse" and target is not None and target.is_floating_point():
                self.loss = replace(self.loss, family="categorical", ignored=None)
            place = next(place for name, place in recorder.losses if name == called)
            if place is not None:
                network = replace(network, outputs=(place,), steps=recorder.steps())
        elif self._loss_function is not None:
            self.loss = Loss(type(self._loss_function).__name__)
        return network

    def forward(self, batch: Batch) -> None:
        with torch.no_grad():
            self._called(self._arguments(batch))

    def _called(self, arguments: Any) -> Any:
        try:
            if isinstance(arguments, dict):
                return self.model(**arguments)
            return self.model(*arguments)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            raise refuse_odd_batch(error, self.model) from error

    def _arguments(self, batch: Batch) -> Any:
        if isinstance(batch.x, dict):
            return {name: self._tensor(value, True) for name, value in batch.x.items()}
        given = batch.x if isinstance(batch.x, tuple) else (batch.x,)
        return tuple(self._tensor(value, True) for value in given)

    def _tensor(self, value: Any, is_input: bool = False) -> Any:
        if not isinstance(value, torch.Tensor):
            if not hasattr(value, "shape"):
                return value
            array = np.asarray(value)
            tensor = torch.from_numpy(np.array(array, copy=True))
            if tensor.is_floating_point() or (is_input and not self._whole_numbers):
                tensor = tensor.to(self._dtype)
            elif tensor.dtype != torch.bool:
                tensor = tensor.long()
            value = tensor
        return value.to(self._device)

    def _fitted(self, target: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """Targets from arrays and tables in the shape and type that losses of values take."""
        if self.loss is None:
            name = getattr(self._loss_function, "__name__", type(self._loss_function).__name__)
            binary = "bce" in name.lower() or "binary" in name.lower()
            values = binary or any(w in name.lower() for w in ("mse", "l1", "huber"))
        else:
            values = self.loss.family in ("binary", "regression")
        if values:
            target = target.to(output.dtype)
            if output.dim() == target.dim() + 1 and output.shape[-1] == 1:
                target = target.unsqueeze(-1)
        return target

    def unit_axis(self, site: Site, z: Any) -> int:
        return self._axes.get(site.name, 1 if z.dim() >= 4 else -1)

    def array(self, value: Any) -> Any:
        return value.detach().float().cpu().numpy()

    def weights(self) -> list[Weight]:
        return structure.weights(self.model)

    # -- gradients -----------------------------------------------------------------------------

    def gradient(self, batch: Batch, into: Gradients) -> None:
        loss = self._backward(batch)
        into.losses.append(float(loss.detach()))
        for path, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                grad = parameter.grad
                into.weights[path].update(None if grad is None else grad.float().cpu().numpy())

    def _backward(self, batch: Batch) -> torch.Tensor:
        self.model.zero_grad(set_to_none=True)
        output = self._called(self._arguments(batch))
        if self._loss_function is not None and batch.y is not None:
            target = self._fitted(self._tensor(batch.y), _first(output))
            try:
                loss = self._loss_function(_first(output), target)
            except (RuntimeError, ValueError, TypeError, IndexError) as error:
                raise InputError(f"the loss refuses output and target: {_line(error)}") from error
        else:
            loss = _loss_of(output)
        if loss.dim():
            loss = loss.mean()
        if loss.requires_grad:
            loss.backward()
        return loss

    def has_loss(self, batch: Batch) -> bool:
        return self._own_loss or (self._loss_function is not None and batch.y is not None)

    def step(self, batch: Batch, into: Gradients) -> None:
        if self._optimizer is None:
            return
        optimizer = self._optimizer
        have = {id(p) for group in optimizer.param_groups for p in group["params"]}
        named = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        into.left_out = tuple(n for n, p in named if id(p) not in have)
        state = deepcopy(optimizer.state_dict())
        before = [(n, p, p.detach().clone()) for n, p in named]
        self._backward(batch)
        try:
            optimizer.step()
            for name, parameter, old in before:
                if id(parameter) in have:
                    into.weights[name].step = float((parameter.detach() - old).float().norm())
        finally:
            with torch.no_grad():
                for _, parameter, old in before:
                    parameter.copy_(old)
            optimizer.load_state_dict(state)


def _fresh(model: torch.nn.Module) -> bool:
    """Whether a normalisation has never seen a batch: its running statistics mean nothing yet."""
    norms = [m for m in model.modules() if isinstance(m, _NORMS) and m.track_running_stats]
    return any(m.num_batches_tracked is not None and int(m.num_batches_tracked) == 0 for m in norms)


def _axis(recorder: structure.Recorder, step: Step | None, z: torch.Tensor) -> int:
    steps = recorder.steps()
    while step is not None and step.role not in ("weights", "normalise"):
        step = steps[step.inputs[0]] if step.inputs and step.inputs[0] >= 0 else None
    return step.unit_axis if step is not None and z.dim() > 2 else 1 if z.dim() >= 4 else -1


def _loss_of(output: Any) -> Any:
    """The loss that a model gives beside its outputs, or None."""
    found = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
    return found if isinstance(found, torch.Tensor) else None


def _first(output: Any) -> Any:
    """The tensor that a loss takes: the first of several, the logits of a named output."""
    if isinstance(output, torch.Tensor):
        return output
    if hasattr(output, "logits"):
        return output.logits
    values = list(output.values()) if isinstance(output, dict) else list(output)
    return _first(values[0])


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
