"""The convolutional network for pictures, as pure functions of its weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rectifier.study.train.network import (
    MLP,
    Weights,
    dropped,
    normalised,
    normalised_in_batch,
)

SIDE = 3  # of every kernel


@dataclass(frozen=True)
class CNN(MLP):
    """3 x 3 convolutions with the activation behind each, then one dense layer.

    Pictures are padded with zeros so that a convolution keeps their size, and halved behind each
    activation by 2 x 2 max pooling while both sides are 2 or more. ``hidden`` are channels;
    ``inputs`` is height x width x channels, and a row is a picture flattened in that order.

    A convolution is one matrix product over patches. On two cores XLA's own took longer: a third
    (8 x 8 pictures) to two thirds (28 x 28) under ``vmap``, and more than four times as long one
    network after the other (benchmarks/results/convolutions.csv).
    """

    image: tuple[int, int, int] = (0, 0, 0)

    @property
    def sides(self) -> list[tuple[int, int]]:
        """Height and width that each convolution sees, and last what the dense layer sees."""
        found = [self.image[:2]]
        for _ in self.hidden:
            height, width = found[-1]
            found.append((height // 2, width // 2) if min(height, width) >= 2 else (height, width))
        return found

    @property
    def shapes(self) -> list[tuple[int, int]]:
        channels = (self.image[2], *self.hidden)
        height, width = self.sides[-1]
        kernels = [(SIDE**2 * a, b) for a, b in itertools.pairwise(channels)]
        return [*kernels, (height * width * channels[-1], self.outputs)]

    @property
    def architecture(self) -> str:
        each = " and ".join(map(str, self.hidden))
        count = sum((fan + 1 + 2 * self.batch_norm) * units for fan, units in self.shapes[:-1])
        count += (self.shapes[-1][0] + 1) * self.outputs
        return (
            f"pictures of {' x '.join(map(str, self.image))}, 3 x 3 convolutions of {each} "
            "channels with the activation and 2 x 2 max pooling behind each, a dense layer of "
            f"{self.outputs} outputs; {count:,} weights"
        )

    def standards(self, shift: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One mean and one spread for all pixels: a border that hardly varies stays dark."""
        variance = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0.0) ** 2
        total = variance.mean(axis=-1) + shift.var(axis=-1)
        whole = np.where(total > 0, 1 / np.sqrt(np.where(total > 0, total, 1)), 0.0)
        mean = shift.mean(axis=-1)
        spread = [np.broadcast_to(part[..., None], shift.shape) for part in (mean, whole)]
        return spread[0].astype(np.float32), spread[1].astype(np.float32)

    def apply(self, weights: Weights, x: Any, activation: Callable[[Any], Any]) -> tuple[Any, list]:
        """Outputs [rows, outputs] and every convolution's z, [rows, height x width x channels]."""
        inputs_of_units = []
        x = x.reshape(-1, *self.image)
        for layer in weights[:-1]:
            z = normalised(convolve(x, layer[0]), layer)
            inputs_of_units.append(z.reshape(len(z), -1))
            x = pool(activation(z))
        return x.reshape(len(x), -1) @ weights[-1][0] + weights[-1][1], inputs_of_units

    def apply_training(
        self, weights: Weights, x: Any, activation: Callable[[Any], Any], key: Any
    ) -> tuple[Any, Weights]:
        after: Weights = []
        x = x.reshape(-1, *self.image)
        for place, layer in enumerate(weights[:-1]):
            z, layer = normalised_in_batch(convolve(x, layer[0]), layer)
            x = dropped(pool(activation(z)), self.dropout, key, place)
            after.append(layer)
        x = x.reshape(len(x), -1)
        return x @ weights[-1][0] + weights[-1][1], [*after, weights[-1]]


def convolve(x: Any, kernel: Any) -> Any:
    """``x`` [rows, height, width, channels] with ``kernel`` [9 x channels, units], size kept."""
    import jax.numpy as jnp

    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [
        padded[:, down : down + height, right : right + width]
        for down in range(SIDE)
        for right in range(SIDE)
    ]
    return jnp.concatenate(shifted, axis=-1) @ kernel


def pool(x: Any) -> Any:
    """The greatest of every 2 x 2; an odd last row or column is left out."""
    rows, height, width, channels = x.shape
    if min(height, width) < 2:
        return x
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(rows, height // 2, 2, width // 2, 2, channels).max((2, 4))
