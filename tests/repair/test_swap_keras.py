"""Other activations in Keras models, and the command that does it to a file."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
from keras import layers
from tests.repair.test_sites_keras import model

import rectifier as rf
import rectifier.keras as rk
from rectifier import cli
from rectifier.errors import InputError
from rectifier.repair.sites import find

# Keras' own saving on the TensorFlow backend
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def rows(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 8, 8, 3)).astype("float32")


def test_layers_graphs_cells_and_what_layers_were_given(tmp_path):
    net = model()
    net.compile("adam", "sparse_categorical_crossentropy")
    net.fit(rows(), np.zeros(5), verbose=0)
    before = net.predict(rows(), verbose=0)
    keys = {
        "relu": "elu",
        "leaky_relu": "prelu",
        "mish": "relu",
        "silu": "softsign",
        "relu6": "elu",
    }
    done = rf.swap(net, {**keys, "tanh": "hard_tanh"}, data=rows())
    assert len(done.changed) == 10
    assert not done.unreached
    assert np.array_equal(net.predict(rows(), verbose=0), before)
    after = {s.name: str(s.activation) for s in find(done.model)}
    for site in done.changed:
        assert rf.get(keys.get(site.activation.name, "hard_tanh")).name in after[site.name]
    told = keras.backend.backend() != "tensorflow"
    assert (done.effect.memory_before or 0) > 0 if told else done.effect.memory_before is None
    outputs = done.model.predict(rows(), verbose=0)
    assert not np.allclose(outputs, before)
    assert [w.shape for w in done.model.weights if "slope" not in w.path] == [
        w.shape for w in net.weights
    ]
    done.model.compile("adam", "sparse_categorical_crossentropy")
    done.model.save(tmp_path / "swapped.keras")
    loaded = keras.saving.load_model(tmp_path / "swapped.keras", compile=False)
    assert np.array_equal(loaded.predict(rows(), verbose=0), outputs)


def test_the_same_changes_no_bit_and_keeps_the_optimiser():
    net = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1, "tanh")])
    net.compile("adam", "mse")
    x = np.random.default_rng(1).normal(size=(16, 4)).astype("float32")
    net.fit(x, x[:, :1], verbose=0)
    same = rf.swap(net, {"relu": "relu", "tanh": "tanh"}, data=x)
    assert same.changed == ()
    assert same.effect.same_bits
    assert np.array_equal(same.model.predict(x, verbose=0), net.predict(x, verbose=0))
    assert int(same.model.optimizer.iterations) == 1
    assert same.model.layers[0].activation is keras.activations.relu
    before = net.predict(x, verbose=0)
    assert rf.swap(net, {"relu": "elu"}, inplace=True).model is net
    assert not np.array_equal(net.predict(x, verbose=0), before), "predict is compiled anew"
    net.fit(x, x[:, :1], verbose=0)


@keras.saving.register_keras_serializable("test")
class Block(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(8)

    def build(self, shape):
        self.dense.build(shape)
        super().build(shape)

    def call(self, x):
        return keras.ops.relu(self.dense(x)) + self.bent(x)

    def bent(self, x):
        return rk.elu(x, 0.5)


def test_plain_calls_of_peoples_own_layers():
    net = keras.Sequential([keras.Input((8,)), Block(name="block"), layers.Dense(1, name="head")])
    x = np.random.default_rng(1).normal(size=(50, 8)).astype("float32")
    block = net.get_layer("block")
    block.dense.bias.assign(np.full(8, -99.0, "float32"))
    diagnosis = rf.diagnose(net, x)
    assert [(row["site"], row["dead"]) for row in diagnosis.rows] == [
        ("block:relu", 1.0),
        ("block:elu", 0.0),
    ]
    before = net.predict(x, verbose=0)
    done = rf.swap(net, {"relu": "softsign", "block:elu": "tanh"}, data=x)
    assert [s.name for s in done.changed] == ["block:relu", "block:elu"]
    assert not done.unreached
    assert (done.effect.dead_before, done.effect.dead_after) == (8, 8), "softsign is flat at -99"
    assert np.array_equal(net.predict(x, verbose=0), before)
    kernel, bias = block.dense.get_weights()
    hidden = rf.softsign(x @ kernel + bias) + np.tanh(x)
    wanted = hidden @ net.get_layer("head").get_weights()[0]
    np.testing.assert_allclose(done.model.predict(x, verbose=0), wanted, atol=1e-5)
    assert [str(s.activation) for s in find(done.model, x)] == ["softsign", "tanh"]
    again = rf.swap(done.model, {"tanh": "relu"}, data=x, inplace=True)
    assert [str(s.activation) for s in find(again.model, x)] == ["softsign", "relu"]
    with pytest.raises(InputError, match="have been swapped, which a config cannot hold"):
        done.model.get_layer("block").get_config()
    with pytest.raises(InputError, match="cannot be copied"):
        rf.swap(done.model, {"relu": "prelu"}, data=x)
    ((_, reason),) = rf.swap(done.model, {"relu": "prelu"}, data=x, inplace=True).unreached
    assert reason.startswith("prelu learns")


def command(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["rectifier", "swap", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code


def test_the_command_swaps_in_a_file(tmp_path, monkeypatch, capsys):
    path, new = str(tmp_path / "model.keras"), str(tmp_path / "new.keras")
    net = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu", name="hidden")])
    net.save(path)
    what = "relu=leaky_relu(negative_slope=0.5)"
    assert command(monkeypatch, path, "--replace", what, "--save", new) == 0
    assert "hidden.activation  relu -> leaky_relu(negative_slope=0.5)" in capsys.readouterr().out
    x = np.random.default_rng(1).normal(size=(16, 4)).astype("float32")
    kernel, bias = net.get_weights()
    y = keras.saving.load_model(new).predict(x, verbose=0)
    np.testing.assert_allclose(y, rf.leaky_relu(x @ kernel + bias, 0.5), atol=1e-6)


@pytest.mark.parametrize(
    ("replace", "save", "message"),
    [
        ("rely=elu", "new.keras", "nearest: relu"),
        ("relu", "new.keras", "--replace takes place=activation"),
        ("relu=elu", "new.h5", "a Keras model is saved as .keras"),
    ],
)
def test_the_commands_errors_are_one_line(tmp_path, monkeypatch, capsys, replace, save, message):
    path = str(tmp_path / "model.keras")
    keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu", name="hidden")]).save(path)
    arguments = (path, "--replace", replace, "--save", str(tmp_path / save))
    assert command(monkeypatch, *arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_files_that_are_none_or_want_code_run(tmp_path, monkeypatch, capsys):
    nothing, unsafe = tmp_path / "nothing.keras", tmp_path / "unsafe.keras"
    nothing.write_text("no model")
    keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x + 1)]).save(unsafe)
    for path, message in ((nothing, "is not a Keras model file"), (unsafe, "holds code")):
        arguments = (str(path), "--replace", "relu=elu", "--save", "x.keras")
        assert command(monkeypatch, *arguments) == 2
        assert message in capsys.readouterr().err
