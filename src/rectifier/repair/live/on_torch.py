"""A watch on a PyTorch model: for plain loops, Lightning and the Hugging Face Trainer."""

from __future__ import annotations

from typing import Any

import torch

from rectifier.repair.batches import Batch
from rectifier.repair.diagnosis import watch_sites
from rectifier.repair.gradients import Stepped
from rectifier.repair.live import ROWS, WEIGHTS, Record
from rectifier.repair.passes.on_torch import TorchPasses
from rectifier.repair.sites import Known
from rectifier.repair.statistics import UnitStatistics
from rectifier.repair.structure.on_torch import kernels


class TorchWatch:
    """Listens to the forward passes of training and to the optimizer's steps.

    Sampling repeats a pass on at most 64 rows without gradients, and puts random state and
    statistics of normalisation back: training goes on bit by bit as without it.

    The methods that Lightning and the Hugging Face Trainer call are there by name (``on_...``);
    neither library is imported.
    """

    def __init__(self, model: Any, optimizer: Any, record: Record) -> None:
        self._model = getattr(model, "_orig_mod", model)
        self._record = record
        self._passes = TorchPasses(model, None, None, True)
        self._known = Known()
        self._inside = False
        self._before: list[tuple[str, torch.nn.Parameter, torch.Tensor]] = []
        self._steps = 0
        self._handles = [self._model.register_forward_hook(self._after_forward, with_kwargs=True)]
        self._optimizer: Any = None
        if optimizer is not None:
            self._attach(optimizer)

    @property
    def findings(self) -> list[Any]:
        return self._record.findings

    @property
    def history(self) -> list[dict[str, Any]]:
        return self._record.history

    @property
    def seconds(self) -> float:
        """Time spent on samples."""
        return self._record.seconds

    def close(self) -> None:
        """Takes every hook away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> TorchWatch:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    # -- what training does --------------------------------------------------------------------

    def _after_forward(self, module: Any, args: Any, keywords: Any, output: Any) -> None:
        if self._inside or not (module.training and torch.is_grad_enabled()):
            return
        step, self._steps = self._steps, self._steps + 1
        if not self._record.due(step):
            return
        with self._record.timed():
            self._inside = True
            try:
                batch = Batch(_few(dict(keywords) or tuple(args)))
                with self._passes.untouched():
                    watched = watch_sites(
                        self._model, self._passes, [batch], UnitStatistics, known=self._known
                    )
                self._record.see_units(step, watched)
            finally:
                self._inside = False
            if self._optimizer is not None:
                self._before = [
                    (layer, p, _spread(p).clone())
                    for layer, _, p in kernels(self._model)
                    if p.requires_grad
                ]

    def _attach(self, optimizer: Any) -> None:
        if self._optimizer is None and hasattr(optimizer, "register_step_post_hook"):
            self._optimizer = optimizer
            self._handles.append(optimizer.register_step_post_hook(self._after_step))

    def _after_step(self, optimizer: Any, *_: Any) -> None:
        # Weights were copied with the sample, since a trainer may run forward and backward inside
        # optimizer.step(closure), where nothing comes between a forward pass and its step.
        if not self._before:
            return
        with self._record.timed():
            before, self._before = self._before, []
            have = {id(p) for group in optimizer.param_groups for p in group["params"]}
            self._record.see_step(
                [_stepped(layer, p, old) for layer, p, old in before if id(p) in have]
            )

    # -- what trainers call ----------------------------------------------------------------------

    def on_train_begin(self, *_: Any, **objects: Any) -> None:
        """Hugging Face: ``optimizer`` comes by name."""
        if objects.get("optimizer") is not None:
            self._attach(getattr(objects["optimizer"], "optimizer", objects["optimizer"]))

    def on_train_start(self, trainer: Any, *_: Any) -> None:
        """Lightning: the trainer has the optimizers."""
        for optimizer in trainer.optimizers:
            self._attach(getattr(optimizer, "_optimizer", optimizer))

    def on_train_end(self, *_: Any, **objects: Any) -> None:
        self.close()

    @property
    def state_key(self) -> str:
        return type(self).__qualname__

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Any) -> None:
        """There is nothing to restore."""

    def __getattr__(self, name: str) -> Any:
        # Trainers call some forty moments by name; those that are not used here do nothing.
        if name.startswith("on_") or name in ("setup", "teardown"):
            return _nothing
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


def _nothing(*_: Any, **__: Any) -> None:
    """A moment of training that is not looked at."""


def _few(value: Any) -> Any:
    """The first rows of every tensor in a pass's arguments."""
    if isinstance(value, torch.Tensor) and value.dim():
        return value[:ROWS].detach()
    if isinstance(value, tuple):
        return tuple(_few(item) for item in value)
    if isinstance(value, dict):
        return {k: _few(v) for k, v in value.items()}
    return value


def _spread(values: torch.Tensor) -> torch.Tensor:
    """At most ``WEIGHTS`` elements, evenly spread; a view where the memory is in one piece."""
    flat = values.detach().reshape(-1)
    return flat[:: max(1, -(-flat.numel() // WEIGHTS))]


def _stepped(layer: str, parameter: torch.Tensor, old: torch.Tensor) -> Stepped:
    size, step = old.float().norm(), (_spread(parameter) - old).float().norm()
    grad = parameter.grad
    broken = grad is not None and not bool(torch.isfinite(grad.detach().sum(dtype=torch.float64)))
    return Stepped(layer, float(step / size) if size else None, broken)
