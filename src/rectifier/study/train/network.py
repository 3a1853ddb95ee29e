"""The network that is trained: a multilayer perceptron, as pure functions of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

DEAD_EPSILON = 1e-3  # a unit with |f'(z)| below this ...
DEAD_SHARE = 0.99  # ... on at least this share of rows is dead
SILENT = 1e-3  # |f(z)| below this counts as sparse
NEAR = 4096  # validation rows, at most, on which these and gradients are judged

Weights = list[tuple[Any, Any]]  # (kernel [inputs, units], bias [units]) from first to last layer


@dataclass(frozen=True)
class MLP:
    """Dense layers; the activation after each but the last, whose outputs are logits or values."""

    inputs: int
    hidden: tuple[int, ...]
    outputs: int

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.inputs, *self.hidden, self.outputs)

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Standard normal draws for every kernel, float32; :meth:`initial` gives them their scale.

        Drawn apart from the scale so that all activations of a seed start from the same numbers.
        """
        shapes = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]

    def initial(self, draws: list[np.ndarray], gain: float) -> Weights:
        """Weights of variance ``gain² / fan_in`` behind an activation, ``1 / fan_in`` elsewhere.

        The input is standardised and the output is a sum, so the first layer has gain 1 and
        every layer that is fed by the activation has the activation's; He's rule for ReLU,
        LeCun's for SELU. Biases are 0.
        """
        weights = []
        for layer, draw in enumerate(draws):
            scale = (gain if layer else 1.0) / math.sqrt(draw.shape[0])
            weights.append((draw * np.float32(scale), np.zeros(draw.shape[1], np.float32)))
        return weights

    def apply(self, weights: Weights, x: Any, activation: Callable[[Any], Any]) -> tuple[Any, list]:
        """Outputs [rows, outputs] and the hidden layers' inputs z, each [rows, units]."""
        inputs_of_units = []
        for kernel, bias in weights[:-1]:
            z = x @ kernel + bias
            inputs_of_units.append(z)
            x = activation(z)
        kernel, bias = weights[-1]
        return x @ kernel + bias, inputs_of_units
