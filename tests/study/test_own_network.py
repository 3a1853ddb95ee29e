"""Keras networks that are not ours: trained side by side or one by one, resumed, refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rectifier as rf
from rectifier import cli
from rectifier.errors import InputError
from rectifier.study.journal import Journal
from rectifier.study.own.models import prefer_jax
from rectifier.study.own.network import load_build

prefer_jax()
import keras  # noqa: E402

FEW = {"activations": ("relu",), "learning_rates": (0.01,), "seeds": 1, "epochs": 4}
OPTIONS = "--activations relu,tanh --learning-rates 0.01 --seeds 2 --epochs 2".split()
LEAST = "--activations relu --learning-rates 0.01 --seeds 1 --epochs 1 --out s"
MY = """
import keras
from beside import WIDTH

def f(activation):
    return keras.Sequential([keras.layers.Dense(WIDTH, activation=activation),
                             keras.layers.Dense(3)])

def fails(activation):
    raise KeyError("no such layer")

def nothing(activation):
    pass

def narrow(activation, inputs, outputs):
    return keras.Sequential([keras.Input(inputs), keras.layers.Dense(outputs - 1)])

def untrainable(activation):
    class Odd(keras.layers.Layer):
        def call(self, x, training=False):
            if training:
                raise ValueError("not while training")
            return x[:, :3]
    return keras.Sequential([keras.layers.Dense(3), Odd()])

number = 3
"""


def plain(activation):
    layers = [keras.layers.Dense(8, activation=activation), keras.layers.Dense(3)]
    return keras.Sequential(layers)


def compiled(activation):
    model = plain(activation)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(epsilon=1e-8), loss)
    return model


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "my.py").write_text(MY)
    (tmp_path / "beside.py").write_text("WIDTH = 8\n")
    yield tmp_path / "my.py"
    sys.modules.pop("beside", None)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="Keras was imported on another")
def test_side_by_side_and_one_by_one_train_the_same_networks(tmp_path):
    lanes = rf.compare("iris", build=plain, out=tmp_path / "s", **FEW)
    single = rf.compare("iris", build=compiled, **FEW)
    assert lanes.verdict["settings"]["trained"] == "side by side"
    told = single.verdict["settings"]["trained"]
    assert told == "one by one: the model is compiled with an optimizer of its own"
    for one, other in zip(lanes.runs, single.runs, strict=True):
        assert one.curves[:2] == pytest.approx(other.curves[:2], rel=2e-5)
        assert one.curves[0, -1] < one.curves[0, 0]
        assert np.array_equal(one.contributions, other.contributions)
    assert (tmp_path / "s" / "report.html").stat().st_size > 10_000


def test_it_goes_on_where_it_stopped(tmp_path):
    calls = []

    def counted(activation):
        calls.append(str(activation))
        if fails and str(activation) == "tanh":
            raise RuntimeError("the power went")
        return plain(activation)

    two = {**FEW, "activations": ("relu", "tanh")}
    fails = True
    with pytest.raises(InputError, match="with tanh cannot be built: RuntimeError: the power"):
        rf.compare("iris", build=counted, out=tmp_path / "s", **two)
    journal = Journal(tmp_path / "s")
    before = {run.key: run.score for run in journal.runs()}
    journal.close()
    assert {key.activation for key in before} == {"relu"}
    fails = False
    calls.clear()
    study = rf.compare("iris", build=counted, out=tmp_path / "s", **two)
    assert calls.count("tanh") == 1
    assert before.items() <= {run.key: run.score for run in study.runs}.items()


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_other_backends_train_one_by_one_from_the_command_line(backend, mine):
    command = [sys.executable, "-m", "rectifier", "compare", "iris", "--network", "my.py:f"]
    done = subprocess.run(
        [*command, *LEAST.split()],
        capture_output=True,
        text=True,
        cwd=mine.parent,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr
    verdict = json.loads((mine.parent / "s" / "verdict.json").read_text())
    assert verdict["settings"]["trained"].startswith(f"one by one: Keras runs on {backend}")
    assert verdict["settings"]["trained"] in " ".join(done.stdout.split())
    assert all(row["runs"] == 1 for row in verdict["table"])


def test_what_cannot_be_used_is_one_line(mine, monkeypatch, capsys):
    told_so = []

    def told(network, *more):
        command = ["rectifier", "compare", "iris", "--network", network, *OPTIONS, *more]
        monkeypatch.setattr(sys, "argv", [*command, "--out", f"{len(told_so)}"])
        told_so.append(network)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        lines = capsys.readouterr().err.strip().splitlines()
        assert (stop.value.code, len(lines)) == (2, 1), lines
        return lines[0]

    monkeypatch.chdir(mine.parent)
    assert "the network with relu cannot be built: KeyError: 'no such layer'" in told("my.py:fails")
    assert "it gave NoneType, which is not a Keras model" in told("my.py:nothing")
    assert "outputs of shape (None, 2), but this table needs (None, 3)" in told("my.py:narrow")
    assert "cannot be trained: ValueError" in told("my.py:untrainable")
    assert "my.py has no function 'gone'" in told("my.py:gone")
    assert "my.py has no function 'number'" in told("my.py:number")
    assert "name its function after the :" in told("my.py:")
    assert "there is no file other.py" in told("other.py:f")
    assert "nowhere cannot be imported: ModuleNotFoundError" in told("nowhere:f")
    assert "one of your own is trained on this machine" in told("my.py:f", "--engine", "ray")


def test_jax_is_preferred_where_nobody_chose(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for chosen, expected in (("torch", None), ("tensorflow", "jax"), ("", "jax")):
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
        (tmp_path / "keras.json").write_text(json.dumps({"backend": chosen}) if chosen else "")
        prefer_jax()
        assert os.environ.get("KERAS_BACKEND") == expected
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    prefer_jax()
    assert os.environ["KERAS_BACKEND"] == "torch"


def test_a_file_finds_what_lies_beside_it(mine):
    assert load_build(str(mine) + ":f").__module__ == "my"
    assert str(Path(mine).parent) not in sys.path
