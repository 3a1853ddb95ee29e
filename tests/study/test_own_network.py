"""Keras networks that are not ours are trained side by side, and reported."""

from __future__ import annotations

import keras

import rectifier as rf


def plain(activation):
    layers = [keras.layers.Dense(8, activation=activation), keras.layers.Dense(3)]
    return keras.Sequential(layers)


def test_a_keras_network_is_trained_side_by_side(tmp_path):
    few = {"activations": ("relu",), "learning_rates": (0.01,), "seeds": 2, "epochs": 6}
    study = rf.compare("iris", build=plain, out=tmp_path / "s", **few)
    assert study.verdict["settings"]["trained"] == "side by side"
    assert all(run.curves[0, -1] < run.curves[0, 0] for run in study.runs)
    assert (tmp_path / "s" / "report.html").stat().st_size > 10_000
