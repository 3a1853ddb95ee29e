"""A Keras Conv2D network on images, with the activation as a layer: `rf.compare(build=...)`.

    python examples/keras_images.py
    KERAS_BACKEND=torch python examples/keras_images.py      # one run after the other instead

The question behind it: is `LeakyReLU` worth a layer of its own, and at which slope? PyTorch's
default is 0.01, `keras.layers.LeakyReLU`'s is 0.3. On Keras' JAX backend all runs of an activation
are trained side by side.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
from sklearn.datasets import load_digits

import rectifier as rf

SLOPES = ("relu", "leaky_relu(negative_slope=0.01)", "leaky_relu(negative_slope=0.3)")


def build(activation, inputs, outputs) -> keras.Model:
    """Logits of the classes. ``inputs`` is (height, width, channels), ``outputs`` how many."""
    return keras.Sequential(
        [
            keras.Input(inputs),
            keras.layers.Conv2D(8, 3),
            keras.layers.Activation(activation),
            keras.layers.Conv2D(16, 3, strides=2),
            keras.layers.Activation(activation),
            keras.layers.Flatten(),
            keras.layers.Dense(outputs),
        ]
    )


def main(rows: int | None = None, out: str | None = None, **settings: Any) -> rf.Study:
    digits = load_digits()
    pictures, labels = digits.images[:rows] / 16, digits.target[:rows]  # [rows, 8, 8], 0 to 9
    usual = {"activations": SLOPES, "learning_rates": (3e-3, 1e-2), "epochs": 30, "seeds": 5}
    return rf.compare((pictures, labels), build=build, out=out, **{**usual, **settings})


if __name__ == "__main__":
    study = main(out="rectifier-runs/keras-images")
    print(study.table.select("activation", "mean", "difference", "probability_better"))
    print(study.verdict["reason"])
    print("runs were trained", study.verdict["settings"]["trained"])
