"""The multilayer perceptron that is trained, as pure functions of its weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

DEAD_EPSILON = 1e-3  # a unit with |f'(z)| below this ...
DEAD_SHARE = 0.99  # ... on at least this share of rows is dead
SILENT = 1e-3  # |f(z)| below this counts as sparse
NEAR = 4096  # validation rows, at most, on which these and gradients are judged

# From first to last layer: kernel [inputs, units] and bias [units]; with batch norm, of all layers
# but the last, also scale, moving mean and moving variance [units].
Weights = list[tuple[Any, ...]]

NORM_EPSILON = 1e-5
NORM_MOMENTUM = 0.9  # of the moving mean and variance


@dataclass(frozen=True)
class MLP:
    """Dense layers; the activation after each but the last, whose outputs are logits or values.

    Attributes:
        inputs, hidden, outputs: units.
        batch_norm: what goes into the activation is normalised over the batch, in evaluation by
            moving averages; the layer's bias is added after that.
        dropout: share of hidden outputs that training sets to 0; the others are scaled up.
    """

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    batch_norm: bool = False
    dropout: float = 0.0

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.inputs, *self.hidden, self.outputs)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Of every kernel: inputs and units."""
        return list(itertools.pairwise(self.sizes))

    @property
    def architecture(self) -> str:
        """In words, where a drawing does not say it; "" here."""
        return ""

    def standards(self, shift: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How inputs [.., columns] are standardised, given each column's own: just so."""
        return shift, scale

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Standard normal draws for every kernel, float32; :meth:`initial` gives them their scale.

        Drawn apart from the scale so that all activations of a seed start from the same numbers.
        """
        return [rng.standard_normal(shape, dtype=np.float32) for shape in self.shapes]

    def initial(self, draws: list[np.ndarray], gain: float) -> Weights:
        """Weights of variance ``gain² / fan_in`` behind an activation, ``1 / fan_in`` elsewhere.

        The input is standardised and the output is a sum, so the first layer has gain 1 and
        every layer that is fed by the activation has the activation's; He's rule for ReLU,
        LeCun's for SELU. Biases are 0.
        """
        weights: Weights = []
        for layer, draw in enumerate(draws):
            scale = (gain if layer else 1.0) / math.sqrt(draw.shape[0])
            zero, one = np.zeros(draw.shape[1], np.float32), np.ones(draw.shape[1], np.float32)
            norm = (one, zero, one) if self.batch_norm and layer < len(draws) - 1 else ()
            weights.append((draw * np.float32(scale), zero, *norm))
        return weights

    def apply(self, weights: Weights, x: Any, activation: Callable[[Any], Any]) -> tuple[Any, list]:
        """Outputs [rows, outputs] and the hidden layers' inputs z, each [rows, units]."""
        inputs_of_units = []
        for layer in weights[:-1]:
            z = normalised(x @ layer[0], layer)
            inputs_of_units.append(z)
            x = activation(z)
        return x @ weights[-1][0] + weights[-1][1], inputs_of_units

    def apply_training(
        self, weights: Weights, x: Any, activation: Callable[[Any], Any], key: Any
    ) -> tuple[Any, Weights]:
        """Outputs with dropout (drawn from ``key``) and the batch's own norm; moved averages."""
        after: Weights = []
        for place, layer in enumerate(weights[:-1]):
            z, layer = normalised_in_batch(x @ layer[0], layer)
            x = dropped(activation(z), self.dropout, key, place)
            after.append(layer)
        return x @ weights[-1][0] + weights[-1][1], [*after, weights[-1]]


def normalised(z: Any, layer: tuple[Any, ...]) -> Any:
    """``z`` [.., units] by the layer's moving averages, if it has any, plus its bias."""
    if len(layer) == 2:
        return z + layer[1]
    _, bias, scale, mean, variance = layer
    return (z - mean) * (scale * (variance + NORM_EPSILON) ** -0.5) + bias


def normalised_in_batch(z: Any, layer: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """``z`` [.., units] by its own mean and variance, and the layer with its averages moved."""
    if len(layer) == 2:
        return z + layer[1], layer
    kernel, bias, scale, mean, variance = layer
    axes = tuple(range(z.ndim - 1))
    own_mean, own_variance = z.mean(axes), z.var(axes)
    z = (z - own_mean) * (scale * (own_variance + NORM_EPSILON) ** -0.5) + bias
    keep = NORM_MOMENTUM
    mean = keep * mean + (1 - keep) * own_mean
    variance = keep * variance + (1 - keep) * own_variance
    return z, (kernel, bias, scale, mean, variance)


def dropped(x: Any, share: float, key: Any, place: int) -> Any:
    """``x`` with a ``share`` of its numbers set to 0 and the others scaled up to make up for it."""
    if not share:
        return x
    import jax

    kept = jax.random.bernoulli(jax.random.fold_in(key, place), 1 - share, x.shape)
    return jax.numpy.where(kept, x / (1 - share), 0.0)


def with_averages(weights: Weights, moved: Weights) -> Weights:
    """``weights`` with the moving averages of ``moved``, which no gradient changes."""
    return [(*layer[:3], *other[3:]) for layer, other in zip(weights, moved, strict=True)]
