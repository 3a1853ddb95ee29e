"""Small networks for benchmarks/diagnosis.py: healthy ones, and ones with one planted fault.

A network is first a plan, a list of layers that both frameworks build alike; weights are then set
from one NumPy generator, so that a case is the same function in PyTorch and in Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import torch
from torch import nn

import rectifier as rf
import rectifier.keras as rk
import rectifier.torch as rt
from rectifier.doors import layer_name

ROWS, FEATURES, CLASSES, WIDTH = 512, 16, 4, 32
DEPTHS = (2, 4, 8)

Layer = tuple[Any, ...]  # ("dense", units), ("act", name), ("norm",) ...


@dataclass
class Case:
    """One network to diagnose.

    Attributes:
        fault: a key of KINDS, or "" for a healthy one.
        family: what it is, for the tables.
        build: gives model, data and the arguments of diagnose.
    """

    fault: str
    family: str
    framework: str
    depth: int
    seed: int
    build: Callable[[], tuple[Any, tuple[np.ndarray, np.ndarray], dict[str, Any]]]


@dataclass
class Recipe:
    """A plan, what is done to its weights, and how it is trained."""

    plan: list[Layer]
    loss: str = "classes"  # "classes", "probabilities", "values"
    change: Callable[[list[list[np.ndarray]], np.random.Generator], None] | None = None
    init: str = "gain"  # "gain": std gain / sqrt(fan in); "default": the framework's own
    outputs: int = CLASSES
    options: dict[str, Any] = field(default_factory=dict)
    data: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None


def table(seed: int, pictures: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows of unit spread and a class that depends on them non-linearly."""
    rng = np.random.default_rng([seed, 1])
    rows = ROWS // 4 if pictures else ROWS
    shape = (rows, 3, 8, 8) if pictures else (rows, FEATURES)
    x = rng.normal(size=shape).astype(np.float32)
    flat = x.reshape(rows, -1)
    y = (flat[:, 0] * flat[:, 1] > 0) * 2 + (flat[:, 2] > 0)
    return x, y.astype(np.int64)


def mlp(depth: int, name: str = "relu", *tail: Layer, outputs: int = CLASSES) -> list[Layer]:
    """``depth`` hidden layers, and an output layer unless a tail is given."""
    hidden: list[Layer] = []
    for _ in range(depth):
        hidden += [("dense", WIDTH), ("act", name)]
    return [*hidden, *(tail or (("dense", outputs),))]


# -- the two frameworks ------------------------------------------------------------------------


def build_torch(plan: list[Layer]) -> nn.Module:
    layers: list[nn.Module] = []
    units = FEATURES
    for kind, *rest in plan:
        if kind == "dense":
            layers.append(nn.Linear(units, rest[0], bias=len(rest) < 2))
            units = rest[0]
        elif kind == "act":
            layers.append(_torch_activation(rest[0]))
        elif kind == "norm":
            layers.append(nn.BatchNorm1d(units))
        elif kind == "dropout":
            layers.append(nn.Dropout(0.2))
        elif kind == "inplace":
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _torch_activation(name: str) -> nn.Module:
    own = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
    own |= {"elu": nn.ELU, "selu": nn.SELU, "silu": nn.SiLU, "leaky_relu": nn.LeakyReLU}
    if name == "softmax":
        return nn.Softmax(-1)
    return own[name]() if name in own else getattr(rt, layer_name(name))()


def build_keras(plan: list[Layer]) -> keras.Model:
    """Activations stand inside Dense where one follows the other, as people write it."""
    layers: list[Any] = [keras.Input((FEATURES,))]
    for place, (kind, *rest) in enumerate(plan):
        after = plan[place + 1] if place + 1 < len(plan) else ("",)
        if kind == "dense":
            inside = rk.get(after[1]) if after[0] == "act" and after[1] in _RECTIFIER else None
            inside = after[1] if after[0] == "act" and after[1] not in _RECTIFIER else inside
            layers.append(keras.layers.Dense(rest[0], inside, use_bias=len(rest) < 2))
        elif kind == "act" and (place == 0 or plan[place - 1][0] != "dense"):
            layers.append(keras.layers.Activation(rest[0]))
        elif kind == "norm":
            layers.append(keras.layers.BatchNormalization())
        elif kind == "dropout":
            layers.append(keras.layers.Dropout(0.2))
    return keras.Sequential(layers)


_KERAS_OWN = {"relu", "gelu", "tanh", "sigmoid", "elu", "selu", "silu", "softmax"}
_RECTIFIER = set(rf.names()) - _KERAS_OWN


def weights_of(model: Any, framework: str) -> list[list[np.ndarray]]:
    """[kernel [in, out], bias] of every dense layer, as copies."""
    if framework == "torch":
        dense = [m for m in model.modules() if isinstance(m, nn.Linear)]
        return [[p.detach().numpy().T.copy() for p in m.parameters()] for m in dense]
    return [layer.get_weights() for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def set_weights(model: Any, framework: str, weights: list[list[np.ndarray]]) -> None:
    if framework == "torch":
        dense = [m for m in model.modules() if isinstance(m, nn.Linear)]
        with torch.no_grad():
            for module, (kernel, *bias) in zip(dense, weights, strict=True):
                module.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel.T)))
                if bias:
                    module.bias.copy_(torch.from_numpy(bias[0]))
        return
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for layer, values in zip(dense, weights, strict=True):
        layer.set_weights(values)


def make(recipe: Recipe, framework: str, seed: int) -> tuple[Any, Any, dict[str, Any]]:
    """Model, data and arguments of diagnose for a recipe."""
    rng = np.random.default_rng([seed, 2])
    torch.manual_seed(seed)
    keras.utils.set_random_seed(seed)
    model = (build_torch if framework == "torch" else build_keras)(recipe.plan)
    weights = weights_of(model, framework)
    if recipe.init == "gain":
        names = [p[1] for p in recipe.plan if p[0] == "act"]
        for place, layer in enumerate(weights):
            name = names[min(place, len(names) - 1)] if place < len(weights) - 1 else "identity"
            gain = (rf.get(name).facts.gain if rf.get(name).elementwise else None) or 1.0
            layer[0] = rng.normal(0, gain / math.sqrt(len(layer[0])), layer[0].shape)
            layer[0] = layer[0].astype(np.float32)
            layer[1:] = [np.zeros_like(bias) for bias in layer[1:]]
    if recipe.change is not None:
        recipe.change(weights, rng)
    set_weights(model, framework, weights)
    x, y = table(seed)
    if recipe.loss == "values":
        y = (x[:, 0] * x[:, 1] * 3).astype(np.float32)
    if recipe.data is not None:
        x, y = recipe.data(x, y)
    return model, (x, y), _arguments(recipe, framework, model)


def _arguments(recipe: Recipe, framework: str, model: Any) -> dict[str, Any]:
    rate = recipe.options.get("rate", 1e-3)
    if framework == "torch":
        losses = {"classes": nn.CrossEntropyLoss(), "values": nn.MSELoss()}
        losses["probabilities"] = nn.NLLLoss()
        optimizer = torch.optim.Adam(model.parameters(), rate)
        return {"loss": losses[recipe.loss], "optimizer": optimizer}
    sparse = keras.losses.SparseCategoricalCrossentropy
    loss: Any = {"classes": sparse(from_logits=True), "values": "mse"}.get(recipe.loss, sparse())
    return {"loss": loss, "optimizer": keras.optimizers.Adam(rate)}


# -- healthy -------------------------------------------------------------------------------------


def elementwise() -> list[str]:
    """The entries that a hidden layer can learn with: no steps, and not the identity."""
    entries = [rf.get(name) for name in rf.names()]
    return [e.name for e in entries if e.elementwise and e.facts.kind == "non-linear"]


def healthy(seed: int) -> Iterator[Case]:
    """About 150 networks that are as they should be."""
    for place, name in enumerate(elementwise()):
        framework = ("torch", "keras")[place % 2]
        yield _case("", "MLP, each entry", framework, 3, seed, Recipe(mlp(3, name)))
    for framework in ("torch", "keras"):
        for depth in DEPTHS:
            for name in ("relu", "gelu", "tanh", "elu", "silu", "leaky_relu"):
                recipe = Recipe(mlp(depth, name), init="default" if depth < 8 else "gain")
                yield _case("", "MLP, depths", framework, depth, seed, recipe)
            normed: list[Layer] = []
            for _ in range(depth):
                normed += [("dense", WIDTH, "no bias"), ("norm",), ("act", "relu")]
            plan = [*normed, ("dense", CLASSES)]
            yield _case("", "MLP, normalised", framework, depth, seed, Recipe(plan, init="default"))
            yield _case("", "MLP, SELU", framework, depth, seed, Recipe(mlp(depth, "selu")))
            init = "default" if depth < 8 else "gain"
            values = Recipe(mlp(depth, "relu", outputs=1), "values", init=init)
            yield _case("", "MLP, regression", framework, depth, seed, values)
        for name in ("relu", "gelu", "silu", "elu", "tanh", "leaky_relu"):
            for depth in (2, 4):
                yield _built("CNN", framework, depth, seed, name)
        for name in ("relu", "gelu"):
            for depth in (2, 4):
                yield _built("transformer", framework, depth, seed, name)


def _case(fault: str, family: str, framework: str, depth: int, seed: int, recipe: Recipe) -> Case:
    return Case(fault, family, framework, depth, seed, lambda: make(recipe, framework, seed))


def _built(family: str, framework: str, depth: int, seed: int, name: str) -> Case:
    def build() -> tuple[Any, Any, dict[str, Any]]:
        torch.manual_seed(seed)
        keras.utils.set_random_seed(seed)
        maker = {("CNN", "torch"): _torch_cnn, ("CNN", "keras"): _keras_cnn}.get(
            (family, framework), _torch_transformer if framework == "torch" else _keras_transformer
        )
        model = maker(depth, name)
        x, y = table(seed, pictures=True)
        if family == "transformer":
            x = x.reshape(-1, 12, 16)
        elif framework == "keras":
            x = x.transpose(0, 2, 3, 1).copy()
        return model, (x, y), _arguments(Recipe([]), framework, model)

    return Case("", family, framework, depth, seed, build)


def _torch_cnn(depth: int, name: str) -> nn.Module:
    layers: list[nn.Module] = []
    for k in range(depth):
        layers += [nn.Conv2d(16 if k else 3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
        layers.append(_torch_activation(name))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))


def _keras_cnn(depth: int, name: str) -> keras.Model:
    layers: list[Any] = [keras.Input((8, 8, 3))]
    for _ in range(depth):
        layers += [keras.layers.Conv2D(16, 3, padding="same", use_bias=False)]
        layers += [keras.layers.BatchNormalization(), keras.layers.Activation(name)]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)]
    return keras.Sequential(layers)


class _Tokens(nn.Module):
    def __init__(self, depth: int, name: str) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(16, 2, 32, activation=name, batch_first=True)
        self.encoder = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Any) -> Any:
        return self.head(self.encoder(x).mean(1))


def _torch_transformer(depth: int, name: str) -> nn.Module:
    return _Tokens(depth, name)


def _keras_transformer(depth: int, name: str) -> keras.Model:
    x = inputs = keras.Input((12, 16))
    for _ in range(depth):
        h = keras.layers.LayerNormalization()(x)
        x = keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 8)(h, h)])
        h = keras.layers.Dense(32, name)(keras.layers.LayerNormalization()(x))
        x = keras.layers.Add()([x, keras.layers.Dense(16)(h)])
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(x))
