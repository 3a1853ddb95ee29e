"""Convolutional, attention and recurrent networks of benchmarks/diagnosis.py, some with a fault.

The faults are those kinds that such a network can have: behind a normalisation no weights are of
the wrong size, and nothing vanishes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

from benchmarks.diagnosis_models import CLASSES, Case, Recipe, _arguments, table

CHANNELS, HIDDEN = 16, 24


@dataclass(frozen=True)
class Build:
    """What is built in another way than in a healthy network."""

    name: str = "relu"  # activation; of recurrent networks the kind of layer
    depth: int = 2
    tail: tuple[str, ...] = ()  # activations after the logits
    detached: bool = False  # after the first block
    bias: bool = False  # before normalisations
    straight: bool = False  # no activation in the middle block


# -- PyTorch -----------------------------------------------------------------------------------

_TORCH: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "softmax": lambda: nn.Softmax(-1),
    "sigmoid": nn.Sigmoid,
}


class Net(nn.Module):
    """Blocks and a head that is given what is to be classified."""

    def __init__(self, blocks: list[nn.Module], head: nn.Module, build: Build) -> None:
        super().__init__()
        self.blocks, self.head = nn.ModuleList(blocks), head
        self.tail = nn.Sequential(*[_TORCH[name]() for name in build.tail])
        self.detached = build.detached

    def forward(self, x: Any) -> Any:
        for place, block in enumerate(self.blocks):
            x = block(x)
            x = x[0] if isinstance(x, tuple) else x
            x = x.detach() if self.detached and place == 0 else x
        pooled = x.mean((2, 3)) if x.dim() == 4 else x.mean(1)
        return self.tail(self.head(pooled))


def torch_cnn(build: Build) -> nn.Module:
    blocks = []
    for k in range(build.depth):
        conv = nn.Conv2d(CHANNELS if k else 3, CHANNELS, 3, padding=1, bias=build.bias)
        if build.straight and k == build.depth // 2 - 1:
            blocks.append(nn.Sequential(nn.Conv2d(conv.in_channels, CHANNELS, 3, padding=1)))
            continue
        blocks.append(nn.Sequential(conv, nn.BatchNorm2d(CHANNELS), _TORCH[build.name]()))
    return Net(blocks, nn.Linear(CHANNELS, CLASSES), build)


class Block(nn.Module):
    """A transformer's block with its normalisations first."""

    def __init__(self, name: str | None) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(16), nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)
        self.act = _TORCH[name]() if name else nn.Identity()

    def forward(self, x: Any) -> Any:
        h = self.first(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.down(self.act(self.up(self.second(x))))


def torch_transformer(build: Build) -> nn.Module:
    middle = build.depth // 2
    blocks: list[nn.Module] = [
        Block(None if build.straight and k == middle else build.name) for k in range(build.depth)
    ]
    return Net(blocks, nn.Linear(16, CLASSES), build)


def torch_recurrent(build: Build) -> nn.Module:
    kind = {"lstm": nn.LSTM, "gru": nn.GRU, "relu": nn.RNN}[build.name]
    options: Any = {"nonlinearity": "relu"} if build.name == "relu" else {}
    blocks: list[nn.Module] = [
        kind(HIDDEN if k else 16, HIDDEN, batch_first=True, **options)
        for k in range(build.depth // 2)
    ]
    return Net(blocks, nn.Linear(HIDDEN, CLASSES), build)


# -- Keras -------------------------------------------------------------------------------------


def keras_cnn(build: Build) -> Any:
    x = inputs = keras.Input((8, 8, 3))
    for k in range(build.depth):
        if build.straight and k == build.depth // 2 - 1:
            x = keras.layers.Conv2D(CHANNELS, 3, padding="same")(x)
            continue
        x = keras.layers.Conv2D(CHANNELS, 3, padding="same", use_bias=build.bias)(x)
        x = keras.layers.Activation(build.name)(keras.layers.BatchNormalization()(x))
        x = keras.ops.stop_gradient(x) if build.detached and k == 0 else x
    return _keras_head(inputs, keras.layers.GlobalAveragePooling2D()(x), build)


def keras_transformer(build: Build) -> Any:
    x = inputs = keras.Input((12, 16))
    for k in range(build.depth):
        h = keras.layers.LayerNormalization()(x)
        x = keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 8)(h, h)])
        name = None if build.straight and k == build.depth // 2 else build.name
        h = keras.layers.Dense(32, name, name=f"up{k}")(keras.layers.LayerNormalization()(x))
        x = keras.layers.Add()([x, keras.layers.Dense(16)(h)])
        x = keras.ops.stop_gradient(x) if build.detached and k == 0 else x
    return _keras_head(inputs, keras.layers.GlobalAveragePooling1D()(x), build)


def keras_recurrent(build: Build) -> Any:
    x = inputs = keras.Input((12, 16))
    for k in range(build.depth // 2):
        name = f"recurrent{k}"
        if build.name == "relu":
            x = keras.layers.SimpleRNN(HIDDEN, "relu", return_sequences=True, name=name)(x)
        else:
            kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[build.name]
            x = kind(HIDDEN, return_sequences=True, name=name)(x)
        x = keras.ops.stop_gradient(x) if build.detached and k == 0 else x
    return _keras_head(inputs, keras.layers.GlobalAveragePooling1D()(x), build)


def _keras_head(inputs: Any, x: Any, build: Build) -> Any:
    x = keras.layers.Dense(CLASSES)(x)
    for name in build.tail:
        x = keras.layers.Activation(name)(x)
    return keras.Model(inputs, x)


BUILDERS = {
    ("CNN", "torch"): torch_cnn,
    ("CNN", "keras"): keras_cnn,
    ("transformer", "torch"): torch_transformer,
    ("transformer", "keras"): keras_transformer,
    ("recurrent", "torch"): torch_recurrent,
    ("recurrent", "keras"): keras_recurrent,
}


# -- what is changed in the weights ----------------------------------------------------------------

Change = Callable[[list[np.ndarray], np.random.Generator], None]


def middle_weights(model: Any, family: str, framework: str) -> tuple[Any, list[np.ndarray]]:
    """(setter, arrays as [kernel or scale, bias ...]) of the middle block, as they are kept."""
    if framework == "torch":
        block = model.blocks[len(model.blocks) // 2]
        layer = block[1] if family == "CNN" else block.up if family == "transformer" else block
        named = list(layer.parameters())
        return named, [p.detach().numpy().copy() for p in named]
    if family == "CNN":
        norms = [o for o in model.layers if isinstance(o, keras.layers.BatchNormalization)]
        layer = norms[len(norms) // 2]
    elif family == "transformer":
        ups = [o for o in model.layers if o.name.startswith("up")]
        layer = ups[len(ups) // 2]
    else:
        those = [o for o in model.layers if o.name.startswith("recurrent")]
        layer = those[len(those) // 2]
    return layer.trainable_variables, [np.array(v) for v in layer.trainable_variables]


def _change(case: str, family: str) -> Change:
    def shift(by: float, share: float) -> Change:
        def change(arrays: list[np.ndarray], rng: np.random.Generator) -> None:
            bias = arrays[-1]
            units = bias.shape[-1]
            chosen = rng.permutation(units)[: round(share * units)]
            bias[..., chosen] += by

        return change

    def forget(arrays: list[np.ndarray], rng: np.random.Generator) -> None:
        # The second of the blocks is LSTM's forget gate, and one of GRU's in either library.
        arrays[-1][..., HIDDEN : 2 * HIDDEN] = -40.0

    def nan(arrays: list[np.ndarray], rng: np.random.Generator) -> None:
        arrays[0].reshape(-1)[int(rng.integers(arrays[0].size))] = np.nan

    def steep(arrays: list[np.ndarray], rng: np.random.Generator) -> None:
        arrays[0][:] = 300.0

    if case == "dead_units":
        return shift(-60.0 if family == "recurrent" else -15.0, 0.6)
    if case == "linear_layer":
        return shift(30.0, 1.0)
    if case == "saturated_units":
        return forget if family == "recurrent" else steep
    return nan


# family -> kind -> (what is built in another way, whether weights are changed, rate, data)
Plant = tuple[dict[str, Any], bool, float, Any]
_ANY: dict[str, Plant] = {
    "not_finite": ({}, True, 1e-3, None),
    "large_steps": ({}, False, 0.5, None),
    "small_steps": ({}, False, 1e-9, None),
    "probabilities_as_logits": ({"tail": ("softmax",)}, False, 1e-3, None),
    "squashed_twice": ({"tail": ("sigmoid", "softmax")}, False, 1e-3, None),
    "labels_out_of_range": ({}, False, 1e-3, lambda x, y: (x, y + 1)),
    "never_updated": ({"detached": True}, False, 1e-3, None),
}
_SCALED: Plant = ({}, False, 1e-3, lambda x, y: (x * 100 + 500, y))
_STRAIGHT: Plant = ({"straight": True}, False, 1e-3, None)
_CHANGED: Plant = ({}, True, 1e-3, None)
PLANTS: dict[str, dict[str, Plant]] = {
    "CNN": {
        **_ANY,
        "dead_units": _CHANGED,
        "linear_layer": _CHANGED,
        "saturated_units": ({"name": "tanh"}, True, 1e-3, None),
        "bias_before_norm": ({"bias": True}, False, 1e-3, None),
        "no_nonlinearity": _STRAIGHT,
        "unscaled_inputs": _SCALED,
    },
    "transformer": {
        **_ANY,
        "dead_units": _CHANGED,
        "linear_layer": _CHANGED,
        "no_nonlinearity": _STRAIGHT,
    },
    "recurrent": {
        **_ANY,
        "dead_units": ({"name": "relu"}, True, 1e-3, None),
        "saturated_units": _CHANGED,
        "unscaled_inputs": _SCALED,
    },
}
_NAMES = {"CNN": "relu", "transformer": "relu", "recurrent": "lstm"}


def planted(seed: int) -> Iterator[Case]:
    """Every kind that fits the family, at two depths, in both frameworks."""
    for framework in ("torch", "keras"):
        for family, plants in PLANTS.items():
            for depth in (2, 4):
                for fault, plant in plants.items():
                    yield _case(fault, family, framework, depth, seed, plant)


def healthy(seed: int) -> Iterator[Case]:
    """Recurrent networks as they should be; the others are in ``diagnosis_models.healthy``."""
    for framework in ("torch", "keras"):
        for name in ("lstm", "gru"):
            for depth in (2, 4):
                yield _case(
                    "", "recurrent", framework, depth, seed, ({"name": name}, False, 1e-3, None)
                )


def _case(fault: str, family: str, framework: str, depth: int, seed: int, plant: Plant) -> Case:
    options, changed, rate, data = plant

    def build() -> tuple[Any, Any, dict[str, Any]]:
        torch.manual_seed(seed)
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng([seed, 3])
        given = Build(**{"name": _NAMES[family], **options, "depth": depth})
        model = BUILDERS[family, framework](given)
        if changed:
            holders, arrays = middle_weights(model, family, framework)
            _change(fault, family)(arrays, rng)
            for holder, array in zip(holders, arrays, strict=True):
                if framework == "torch":
                    holder.data.copy_(torch.from_numpy(array))
                else:
                    holder.assign(array)
        x, y = table(seed, pictures=True)
        if family != "CNN":
            x = x.reshape(-1, 12, 16)
        elif framework == "keras":
            x = x.transpose(0, 2, 3, 1).copy()
        if data is not None:
            x, y = data(x, y)
        arguments = _arguments(Recipe([], options={"rate": rate}), framework, model)
        return model, (x, y), arguments

    return Case(fault, family if not fault else f"planted, {family}", framework, depth, seed, build)
