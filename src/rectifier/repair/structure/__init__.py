"""What a model does with one batch, as plain data: the same for every framework.

A framework's file (``on_torch``, ``on_keras``) records the operations of one forward pass in their
order; the rules of ``wiring`` read only what is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Network", "Overwritten", "Role", "Step", "Weight"]

# weights: a matrix or kernel of the model is applied, linear in its input
# lookup: an embedding; a table is read, nothing is computed
# activation: one that the catalogue knows
# normalise, dropout: as the name says
# shape: the same numbers in another shape or order
# linear: linear without weights (mean, pooling by average, a product with a constant)
# join: several data paths are added or stacked
# other: anything else, taken for non-linear
Role = Literal[
    "weights", "lookup", "activation", "normalise", "dropout", "shape", "linear", "join", "other"
]


@dataclass(frozen=True)
class Step:
    """One operation of the forward pass.

    Attributes:
        place: position in :attr:`Network.steps`.
        role: see :data:`Role`.
        operation: its name in lower case: ``linear``, ``conv2d``, ``batch_norm``, ``relu``.
        layer: path of the layer it ran in, ``"features.3"``; "" where the model itself did.
        inputs: places of the steps that made its data inputs; -1 is an input of the model.
        activation: canonical name, for ``role == "activation"``.
        fan_in, fan_out: of one output and one input unit, for ``role == "weights"``.
        features: output units, likewise.
        grouped: a convolution whose outputs see a part of the channels only.
        bias: whether one is added, likewise.
        unit_axis: the axis of the output that tells units apart.
        initializer: what the framework says it drew the weights with; None where it does not.
        shape: of the output, the batch first.
        source: ``"model.py:42"``, the line that called it, where it can be known.
    """

    place: int
    role: Role
    operation: str
    layer: str
    inputs: tuple[int, ...]
    shape: tuple[int | None, ...] = ()
    activation: str | None = None
    fan_in: int = 0
    fan_out: int = 0
    features: int = 0
    grouped: bool = False
    bias: bool = False
    unit_axis: int = -1
    initializer: str | None = None
    source: str | None = None

    @property
    def where(self) -> str:
        """The layer's path, or the operation where the model itself calls it."""
        return self.layer or self.operation


@dataclass(frozen=True)
class Overwritten:
    """A tensor that backward needs and that an in-place operation changed before it."""

    keeper: Step
    writer: Step


@dataclass(frozen=True)
class Weight:
    """One array of the model that training may change.

    Attributes:
        layer, name: path of its layer and its name there.
        values: as NumPy, in the framework's order of axes.
        kernel: linear in a layer's input (biases, scales and embeddings are not).
        fan_in, fan_out: as in :class:`Step`.
        trainable: whether training is to change it.
    """

    layer: str
    name: str
    values: np.ndarray
    kernel: bool
    fan_in: int
    fan_out: int
    trainable: bool

    @property
    def path(self) -> str:
        return f"{self.layer}.{self.name}" if self.layer else self.name


@dataclass(frozen=True)
class Network:
    """The operations of one forward pass.

    Attributes:
        steps: in the order in which they ran.
        outputs: places of the steps that made the model's outputs.
        overwritten: see :class:`Overwritten`; only PyTorch writes in place.
        complete: False where the order of layers is all that could be seen.
    """

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    overwritten: tuple[Overwritten, ...] = ()
    complete: bool = True

    def users(self, place: int) -> list[Step]:
        """The steps that take what this one gives."""
        return [step for step in self.steps if place in step.inputs]

    def back(self, step: Step, through: set[str]) -> Step | None:
        """The step that made this one's first input, past steps of the given roles."""
        while step.inputs and step.inputs[0] >= 0:
            step = self.steps[step.inputs[0]]
            if step.role not in through:
                return step
        return None

    def output(self, through: frozenset[str] = frozenset({"shape"})) -> Step | None:
        """The step that gives the model's first output its numbers."""
        if not self.outputs or self.outputs[0] < 0:
            return None
        last = self.steps[self.outputs[0]]
        return last if last.role not in through else self.back(last, set(through))

    def of_role(self, role: Role) -> Iterator[Step]:
        return (step for step in self.steps if step.role == role)
