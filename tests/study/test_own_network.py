"""Keras networks that are not ours: side by side and one by one, and the built-in one's numbers."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest

import rectifier as rf
from rectifier.errors import InputError

FEW = {"activations": ("relu", "tanh"), "learning_rates": (0.01,), "seeds": 5, "epochs": 6}


def dense(activation, inputs, outputs):
    return keras.Sequential(
        [
            keras.Input(inputs),
            keras.layers.Dense(8, activation=activation),
            keras.layers.Dropout(0.1),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(outputs),
        ]
    )


def plain(activation):
    layers = [keras.layers.Dense(8, activation=activation), keras.layers.Dense(3)]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    return rf.compare("iris", build=plain, out=tmp_path_factory.mktemp("own") / "s", **FEW)


def test_side_by_side_gives_what_keras_fit_gives(beside, monkeypatch):
    from rectifier.study.own import keras_lanes

    def refuse(*_):
        raise NotImplementedError("a layer")

    monkeypatch.setattr(keras_lanes, "train", refuse)
    apart = rf.compare("iris", build=plain, **FEW)
    assert beside.verdict["settings"]["trained"] == "side by side"
    assert apart.verdict["settings"]["trained"].startswith("one by one: vmap failed")
    for ours, theirs in zip(beside.runs, apart.runs, strict=True):
        assert ours.key == theirs.key
        assert ours.curves[:2] == pytest.approx(theirs.curves[:2], rel=2e-3)
        assert ours.epochs_to_best == theirs.epochs_to_best
    assert (beside.folder / "report.html").stat().st_size > 10_000


def test_dropout_and_batch_norm_train_side_by_side():
    study = rf.compare("wine", build=dense, **{**FEW, "seeds": 2, "activations": ("relu",)})
    assert study.verdict["settings"]["trained"] == "side by side"
    assert study.verdict["table"][0]["mean"] > 0.8


def test_the_same_seed_gives_the_same_verdict(beside):
    again = rf.compare("iris", build=plain, **FEW)
    for ours, theirs in zip(beside.runs, again.runs, strict=True):
        assert ours.score == theirs.score
        assert np.array_equal(ours.curves[:2], theirs.curves[:2])


def test_a_compiled_model_keeps_its_optimizer():
    def compiled(activation):
        model = plain(activation)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(1.0), loss)
        return model

    few = {**FEW, "seeds": 1, "epochs": 2, "activations": ("relu",)}
    study = rf.compare("iris", build=compiled, **few)
    assert "an optimizer of its own" in study.verdict["settings"]["trained"]


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda activation: None, "which is not a Keras model"),
        (lambda activation: 1 / 0, "cannot be built: ZeroDivisionError"),
        (lambda activation, i, o: dense(activation, i, o + 1), "outputs of shape"),
    ],
)
def test_what_is_no_network_is_one_line(build, told):
    with pytest.raises(InputError, match=told) as caught:
        rf.compare("iris", build=build, **FEW)
    assert len(str(caught.value).splitlines()) == 1


def test_the_command_line_takes_a_function_of_a_file(tmp_path):
    (tmp_path / "my.py").write_text(
        "import keras\n\n\ndef f(activation):\n"
        "    layers = [keras.layers.Dense(4, activation=activation), keras.layers.Dense(3)]\n"
        "    return keras.Sequential(layers)\n"
    )
    command = [sys.executable, "-m", "rectifier", "compare", "iris", "--seeds", "1"]
    command += ["--learning-rates", "0.01", "--epochs", "2", "--activations", "relu", "-q"]

    def run(network):
        done = [*command, "--network", network]
        return subprocess.run(done, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run("my.py:f")
    assert done.returncode == 0, done.stderr
    assert "relu" in done.stdout
    for network, told in (("my.py:g", "no function 'g'"), ("none.py:f", "there is no file")):
        failed = run(network)
        assert failed.returncode == 2
        assert told in failed.stderr
        assert len(failed.stderr.strip().splitlines()) == 1
