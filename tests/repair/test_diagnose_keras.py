"""Keras models with one fault each, on whatever backend the tests run."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import rectifier as rf
from rectifier.errors import InputError

# Keras' own variables on JAX, when its get_weights makes arrays of them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def data(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 10)).astype(np.float32), rng.integers(0, classes, 200)


def net(*tail, bias: float = 0.0):
    start = keras.initializers.Constant(bias)
    return keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu", bias_initializer=start, name="second"),
            *tail,
        ]
    )


def kinds(diagnosis) -> set[str]:
    return {f.kind for f in diagnosis.findings}


def test_a_healthy_compiled_model_has_no_findings_and_is_left_as_it_was():
    model = net(layers.BatchNormalization(), layers.Dense(3, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    diagnosis = rf.diagnose(model, data())
    assert diagnosis.findings == []
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert len(model.layers[0]._inbound_nodes) == 1
    ratios = [r.step_ratio for p, r in diagnosis.gradients.weights.items() if "kernel" in p]
    assert all(1e-4 < ratio < 0.1 for ratio in ratios)


def test_dead_units_of_a_subclassed_model_with_its_line():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(16, bias_initializer=keras.initializers.Constant(-9))

        def call(self, x):
            return keras.ops.relu(self.dense(x))

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.block, self.head = Block(), layers.Dense(16, activation="relu")

        def call(self, x):
            return self.head(layers.Dropout(0.1)(self.block(x)))

    model = Net()
    x, _ = data()
    model(x)
    diagnosis = rf.diagnose(model, x)
    assert [s.operation for s in diagnosis.network.steps][:2] == ["dense", "relu"]
    assert diagnosis.network.steps[1].source.startswith("test_diagnose_keras.py:")


CASES = {
    "dead_units": (None, [layers.Dense(3)], {"bias": -9.0}),
    "probabilities_as_logits": (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        [layers.Dense(3, activation="softmax")],
        {},
    ),
    "logits_as_probabilities": ("sparse_categorical_crossentropy", [layers.Dense(3)], {}),
    "squashed_twice": (None, [layers.Dense(3, activation="softmax"), layers.Softmax()], {}),
    "labels_out_of_range": (
        "sparse_categorical_crossentropy",
        [layers.Dense(2, activation="softmax")],
        {},
    ),
    "output_range": ("mse", [layers.Dense(1, activation="tanh")], {}),
    "no_nonlinearity": (None, [layers.Dense(32), layers.Dense(3)], {}),
    "selu_company": (
        None,
        [layers.Dense(32, "selu", kernel_initializer="lecun_normal"), layers.Dropout(0.2)],
        {},
    ),
    "bias_before_norm": (
        None,
        [layers.Dense(32), layers.BatchNormalization(), layers.ReLU()],
        {},
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_wiring(kind):
    loss, tail, options = CASES[kind]
    assert kinds(rf.diagnose(net(*tail, **options), data(), loss=loss)) == {kind}


def test_a_model_that_is_not_built_is_one_line():
    with pytest.raises(InputError, match="not built"):
        rf.diagnose(keras.Sequential([layers.Dense(3)]), data())
    with pytest.raises(InputError, match="does not take this batch"):
        rf.diagnose(net(layers.Dense(3)), np.zeros((4, 7), np.float32))
