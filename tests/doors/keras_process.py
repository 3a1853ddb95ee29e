"""What one process of the Keras tests does: ``keras_process.py save|load FILE STEP [FILE STEP]``.

The backend is ``KERAS_BACKEND``. ``save`` writes a model of every STEP-th entry, as layers, as
functions in the graph and inside ``Dense``; ``load`` reads it, having imported nothing but
``rectifier.keras``, and holds it against the same model built anew. It prints JSON.
"""

from __future__ import annotations

import json
import os
import sys

if os.environ["KERAS_BACKEND"] != "tensorflow":
    sys.modules["tensorflow"] = None  # Keras would import it to look at it

import numpy as np

from rectifier import keras as rk  # before keras: it is all that a user imports

# isort: split
import keras

from rectifier import doors
from rectifier.errors import InputError

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
# Other settings than the defaults, of every sort: a number, a flag, a learnable start, an axis.
SET = {
    "leaky_relu": {"alpha": 0.2},
    "gelu": {"approximate": "tanh"},
    "prelu": {"negative_slope": 0.125, "shared_axes": [1]},
    "swish": {"beta": 1.5},
    "relu": {"max_value": 2.0},
    "rrelu": {"lower": 0.1, "seed": 3},
    "maxout": {"num_pieces": 3},
}


def model(step: int) -> keras.Model:
    """One input, and an output for every way to use every STEP-th entry."""
    keras.utils.clear_session()  # names are counted from one again
    start = keras.Input((6,))
    outputs = []
    for i, entry in enumerate(doors.listings()):
        if i % step and entry.function not in SET:
            continue
        settings = SET.get(entry.function, {})
        layer = getattr(rk, entry.layer)(name=f"layer_{entry.function}", **settings)
        outputs.append(layer(start))
        outputs.append(getattr(rk, entry.function)(start))
        if entry.activation.kind in ("elementwise", "along_axis"):
            of_call = {k: v for k, v in settings.items() if k not in ("shared_axes", "seed")}
            inside = rk.get(entry.function, **of_call) if entry.function != "gelu" else rk.gelu
            name = f"dense_{entry.function}"
            outputs.append(keras.layers.Dense(4, activation=inside, name=name)(start))
    made = keras.Model(start, outputs)
    # as after training: weights that no initialiser gives, the same on every backend
    draw = np.random.default_rng(1).uniform
    weights = made.get_weights()
    made.set_weights([draw(-0.5, 1, w.shape) if w.dtype.kind == "f" else w for w in weights])
    return made


def configuration(of: keras.Model) -> dict:
    """Every layer's class and settings, less the names that Keras counts up."""
    return {
        layer.name: [type(layer).__module__, type(layer).__name__, layer.get_config()]
        for layer in of.layers
        if layer.name.startswith(("layer_", "dense_"))
    }


def load(path: str, step: int) -> dict:
    """Whether what comes back is what was saved, and how plain uses go."""
    loaded = keras.models.load_model(path)  # safe mode, which is the default
    built = model(step)
    differs = [
        f"{tensor.name}"
        for tensor, one, two in zip(built.outputs, loaded(X), built(X), strict=True)
        if not np.array_equal(*map(keras.ops.convert_to_numpy, (one, two)), equal_nan=True)
    ]
    ours, theirs = (
        json.dumps(configuration(m), sort_keys=True, default=str) for m in (built, loaded)
    )
    registered = [str(name) for name in keras.saving.get_custom_objects()]
    return {
        "backend": keras.backend.backend(),
        "outputs": len(built.outputs),
        "differs": differs,
        "same_configuration": ours == theirs,
        "bare": [name for name in registered if not name.startswith("rectifier>")],
        **plain_uses(),
    }


def plain_uses() -> dict:
    """The calls of the documentation, and one step of training."""
    dense = keras.layers.Dense(8, activation=rk.get("LeakyReLU", alpha=0.2))
    dense.build((None, 6))
    dense.set_weights([-np.ones((6, 8)), np.zeros(8)])
    slope = keras.ops.convert_to_numpy(dense(np.ones((1, 6), np.float32)))
    conv = keras.layers.Conv2D(2, 3, activation=rk.LeakyReLU(), kernel_initializer="ones")
    image = keras.ops.convert_to_numpy(conv(-np.ones((1, 3, 3, 1), np.float32)))
    before = _string("LeakyReLU")
    with rk.register_strings() as strings:
        known = _string("LeakyReLU"), "LeakyReLU" in strings.names
    small = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(6), rk.PReLU(), rk.Swish(), rk.RReLU(seed=0)]
    )
    small.compile("sgd", "mse")
    starts = [keras.ops.convert_to_numpy(w) for w in small.trainable_weights[2:]]
    small.train_on_batch(X, np.ones_like(X))
    ends = [keras.ops.convert_to_numpy(w) for w in small.trainable_weights[2:]]
    try:
        rk.get("glu")
        refused = ""
    except InputError as error:
        refused = str(error)
    return {
        "slope": float(slope[0, 0]),
        "image": float(image.ravel()[0]),
        "strings": [before, *known, _string("LeakyReLU")],
        "learnt": [not np.array_equal(a, b) for a, b in zip(starts, ends, strict=True)],
        "refused": refused,
    }


def _string(name: str) -> bool:
    try:
        return callable(keras.layers.Dense(1, activation=name).activation)
    except ValueError:
        return False


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    for path, step in zip(given[::2], given[1::2], strict=True):
        if what == "save":
            model(int(step)).save(path)
            print("{}")
        else:
            print(json.dumps(load(path, int(step))))
