"""The planted faults of benchmarks/diagnosis.py, one recipe a kind, depth and seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.diagnosis_models import (
    CLASSES,
    DEPTHS,
    WIDTH,
    Case,
    Layer,
    Recipe,
    _case,
    make,
    mlp,
)

Weights = list[list[np.ndarray]]


def planted(seed: int) -> Iterator[Case]:
    """Every fault at every depth, in both frameworks where both can have it."""
    for framework in ("torch", "keras"):
        for depth in DEPTHS:
            for fault, recipe in recipes(depth).items():
                if fault in _TORCH_ONLY and framework == "keras":
                    continue
                yield _case(fault, "planted", framework, depth, seed, recipe)
            yield _never_updated(framework, depth, seed)


# Keras writes nothing in place; a bare NLL of logits exists in torch only, but Keras has the same.
_TORCH_ONLY = {"overwritten"}


def recipes(depth: int) -> dict[str, Recipe]:
    """One recipe a kind; changes hit the middle hidden layer where one layer is enough."""
    middle = depth // 2
    normed: list[Layer] = [("dense", WIDTH), ("norm",), ("act", "relu")] * depth
    output: Layer = ("dense", CLASSES)
    return {
        "dead_units": Recipe(mlp(depth), change=_shift(middle, -15, 0.6)),
        "saturated_units": Recipe(mlp(depth, "tanh"), change=_scale_rows(middle, 300)),
        "linear_layer": Recipe(mlp(depth), change=_shift(middle, 30, 1.0)),
        "constant_units": Recipe(mlp(depth, "tanh"), change=_nothing(middle)),
        "not_finite": Recipe(mlp(depth), change=_nan(middle)),
        "step_activation": Recipe(mlp(depth, "binary_step")),
        "vanishing_gradients": Recipe(
            mlp(depth, "tanh"), change=_scale_all(1e-8 ** (1 / (depth + 1)))
        ),
        "exploding_gradients": Recipe(mlp(depth), change=_scale_all(3e3 ** (2 / depth))),
        "initial_scale": Recipe(mlp(depth), change=_scale_rows(middle, 0.02)),
        "large_steps": Recipe(mlp(depth), options={"rate": 0.5}),
        "small_steps": Recipe(mlp(depth), options={"rate": 1e-9}),
        "probabilities_as_logits": Recipe([*mlp(depth), ("act", "softmax")]),
        "logits_as_probabilities": Recipe(mlp(depth), "probabilities"),
        "squashed_twice": Recipe(
            [*mlp(depth), ("act", "sigmoid"), ("dropout",), ("act", "softmax")]
        ),
        "softmax_of_one": Recipe([*mlp(depth, outputs=1), ("act", "softmax")], "values", outputs=1),
        "labels_out_of_range": Recipe(
            mlp(depth), data=lambda x, y: (x, y + (1 if depth == 4 else -1))
        ),
        "output_range": Recipe([*mlp(depth, outputs=1), ("act", "sigmoid")], "values", outputs=1),
        "no_nonlinearity": Recipe(mlp(depth, "relu", ("dense", WIDTH), output)),
        "selu_initialiser": Recipe(mlp(depth, "selu"), change=_scale_all(1.6)),
        "selu_company": Recipe(mlp(depth, "selu", ("dropout",), output)),
        "bias_before_norm": Recipe([*normed, output], init="default"),
        "overwritten": Recipe(mlp(depth, "tanh", ("inplace",), output)),
        "unscaled_inputs": Recipe(mlp(depth), data=lambda x, y: (x * 100 + 500, y)),
    }


def _shift(place: int, by: float, share: float) -> Any:
    def change(weights: Weights, rng: np.random.Generator) -> None:
        bias = weights[place][1]
        chosen = rng.permutation(len(bias))[: round(share * len(bias))]
        bias[chosen] += by

    return change


def _scale_rows(place: int, factor: float) -> Any:
    def change(weights: Weights, rng: np.random.Generator) -> None:
        weights[place][0] *= np.float32(factor)

    return change


def _scale_all(factor: float) -> Any:
    def change(weights: Weights, rng: np.random.Generator) -> None:
        for layer in weights:
            layer[0] *= np.float32(factor)

    return change


def _nothing(place: int) -> Any:
    def change(weights: Weights, rng: np.random.Generator) -> None:
        weights[place][0][:] = 0
        weights[place][1][:] = rng.normal(0, 0.5, len(weights[place][1]))

    return change


def _nan(place: int) -> Any:
    def change(weights: Weights, rng: np.random.Generator) -> None:
        weights[place][0][0, int(rng.integers(WIDTH))] = np.nan

    return change


class _Detached(nn.Module):
    """The first layer is cut off by a detach, as in copied code for frozen encoders."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.first, self.rest = layers[:2], layers[2:]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rest(self.first(x).detach())


def _never_updated(framework: str, depth: int, seed: int) -> Case:
    def build() -> tuple[Any, Any, dict[str, Any]]:
        model, data, arguments = make(Recipe(mlp(depth)), framework, seed)
        if framework == "torch":
            return _Detached(model), data, arguments
        import keras

        first, *rest = model.layers
        x = inputs = keras.Input(model.input_shape[1:])
        x = keras.ops.stop_gradient(first(x))
        for layer in rest:
            x = layer(x)
        return keras.Model(inputs, x), data, arguments

    return Case("never_updated", "planted", framework, depth, seed, build)
