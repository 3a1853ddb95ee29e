"""Forward and backward passes of a model that leave it as it was."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from rectifier.repair.batches import Batch
from rectifier.repair.gradients import Gradients
from rectifier.repair.rules.task import Loss
from rectifier.repair.sites import Site, library_of
from rectifier.repair.structure import Network, Weight

__all__ = ["Passes", "passes_of"]


class Passes(Protocol):
    """What diagnosis asks of a framework."""

    loss: Loss | None

    def untouched(self) -> AbstractContextManager[None]:
        """Mode, statistics of normalisation, gradients and random state are put back at the end."""

    def structure(self, batch: Batch) -> Network:
        """The recorded forward pass; sets :attr:`loss`."""

    def forward(self, batch: Batch) -> None:
        """One pass without gradients."""

    def unit_axis(self, site: Site, z: Any) -> int:
        """Which axis of a site's arrays tells units apart."""

    def array(self, value: Any) -> Any:
        """A framework's array as NumPy."""

    def has_loss(self, batch: Batch) -> bool:
        """Whether a backward pass is possible; known after :meth:`structure`."""

    def weights(self) -> list[Weight]: ...

    def gradient(self, batch: Batch, into: Gradients) -> None:
        """One backward pass of the loss."""

    def step(self, batch: Batch, into: Gradients) -> None:
        """One step of the optimizer, measured and taken back."""


def passes_of(model: Any, loss: Any, optimizer: Any, training: bool | None) -> Passes:
    """The passes of a PyTorch or Keras model."""
    if library_of(model) == "keras":
        from rectifier.repair.passes.on_keras import KerasPasses

        return KerasPasses(model, loss, optimizer, training)
    from rectifier.repair.passes.on_torch import TorchPasses

    return TorchPasses(model, loss, optimizer, training)
