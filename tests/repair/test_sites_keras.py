"""Activation sites of Keras models."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from keras import layers

from rectifier import keras as rk
from rectifier.errors import InputError
from rectifier.repair.sites import find, tap

# Keras' own variables, when NumPy makes arrays of them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def model() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = layers.Conv2D(4, 3, activation=rk.get("LeakyReLU", alpha=0.2), name="ours")(x)
    x = layers.Activation("gelu", name="act")(x)
    x = keras.ops.relu(x)
    x = rk.mish(x)
    x = rk.ELU(0.5, name="our_elu")(x)
    x = layers.LeakyReLU(name="leaky")(x)
    x = layers.ReLU(6.0, name="six")(x)
    x = layers.Reshape((4, 16))(x)
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True), name="both")(x)
    x = layers.MultiHeadAttention(2, 2, name="attention")(x, x)
    x = layers.MultiHeadAttention(2, 2, dropout=0.1, name="dropping")(x, x)
    x = layers.Flatten()(x)
    inner = [
        layers.Dense(8, activation=lambda x: x * keras.ops.sigmoid(x), name="written"),
        layers.Dense(8, activation=layers.LeakyReLU(0.1), name="given"),
        layers.Dense(8, name="linear"),
    ]
    x = keras.Sequential(inner, name="inner")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="out")(x))


EXPECTED = {
    "conv.activation": ("relu", "keras.layers.Conv2D(activation='relu')", "attribute"),
    "ours.activation": ("leaky_relu(negative_slope=0.2)", "", "attribute"),
    "act": ("gelu", "keras.layers.Activation", "layer"),
    ":relu": ("relu", "keras.ops.relu", "call"),
    ":applied": ("mish", "rectifier.keras.mish", "call"),
    "our_elu": ("elu(alpha=0.5)", "rectifier.keras.ELU", "layer"),
    "leaky": ("leaky_relu(negative_slope=0.3)", "keras.layers.LeakyReLU", "layer"),
    "six": ("relu6", "keras.layers.ReLU", "layer"),
    "both/forward_gru/gru_cell.activation": ("tanh", "", "inside"),
    "both/forward_gru/gru_cell.recurrent_activation": ("sigmoid", "", "inside"),
    "both/backward_gru/gru_cell.activation": ("tanh", "", "inside"),
    "both/backward_gru/gru_cell.recurrent_activation": ("sigmoid", "", "inside"),
    "attention/softmax": ("softmax", "keras.layers.Softmax", "inside"),
    "dropping/softmax": ("softmax", "keras.layers.Softmax", "layer"),
    "inner/written.activation": ("silu", "", "attribute"),
    "inner/given.activation": ("leaky_relu(negative_slope=0.1)", "", "attribute"),
    "out.activation": ("softmax", "", "attribute"),
}


def test_layers_what_they_were_given_and_the_graphs_operations():
    keras.backend.clear_session()
    net = model()
    sites = find(net)
    assert [re.sub("_1|_2", "", s.name) for s in sites] == list(EXPECTED)
    for site, (activation, called, how) in zip(sites, EXPECTED.values(), strict=True):
        assert (str(site.activation), site.how) == (activation, how)
        assert called in site.called

    x = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("float32")
    before = net.predict(x, verbose=0)
    received = []
    with tap(net, lambda site, z, y: received.append((site, z, y))):
        net(x)
    gates = [s.name.rpartition(":")[2] for s, _, _ in received if s.how == "inside"]
    assert gates == 2 * ["reset gate", "update gate", "candidate"]  # there and back
    met = [s for s, _, _ in received if s.how != "inside"]
    assert met == [s for s in sites if s.how != "inside"]
    for site, z, y in received:
        expected = site.activation(keras.ops.convert_to_numpy(z).astype(float))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, atol=2e-6, rtol=1e-5)
    assert np.array_equal(before, net.predict(x, verbose=0))
    count = len(received)
    net(x)
    assert len(received) == count


def test_a_model_without_weights_is_told_so():
    with pytest.raises(InputError, match="is not built"):
        find(keras.Sequential([layers.Dense(3, activation="relu")]))


class Own(keras.Model):
    """Plain calls in somebody's own ``call``."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(4, activation="relu", name="hidden")

    def call(self, x):
        x = keras.ops.relu(self.hidden(x))
        x = keras.activations.leaky_relu(self.hidden(x), negative_slope=0.3)
        return rk.mish(keras.activations.gelu(self.hidden(x), approximate=True))


def test_plain_calls_of_a_subclass_are_found_and_tapped():
    net = Own()
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    net(x)
    calls = [s for s in find(net, x) if s.how == "call"]
    assert [str(s.activation) for s in calls] == [
        "relu",
        "leaky_relu(negative_slope=0.3)",
        "gelu_tanh",
        "mish",
    ]
    assert all(s.source.startswith("test_sites_keras.py:") for s in calls)
    received = []
    with tap(net, lambda site, z, y: received.append((site, z, y))):
        net(x)
    assert [s for s, _, _ in received if s.how == "call"] == calls
    for site, z, y in received:
        expected = site.activation(keras.ops.convert_to_numpy(z).astype(float))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, atol=2e-6, rtol=1e-5)
