"""A Keras model's runs one by one, by Keras' own ``fit``: any backend, any layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rectifier.study.own.models import Models

if TYPE_CHECKING:
    from rectifier.study.plan import RunKey
    from rectifier.study.train.engine import Beat


def train(source: Models, key: RunKey, model: Any, beat: Beat, epochs: int) -> Any:
    """``(outputs, curves, best epoch, diverged)`` of one run.

    A compiled model keeps its optimizer, at the study's learning rate, and its loss; others get
    Adam and the loss of the built-in network.
    """
    import keras

    problem, place = source.problem, source.place(key)
    features = problem.features
    x = (features.matrix[features.which[place]] - features.shift[place]) * features.scale[place]
    x, y = x.reshape(len(x), *source.shape), problem.targets
    if not problem.classification:
        y = (y - problem.target_shift[place]) / problem.target_scale[place]
    if model.compiled:
        model.optimizer.learning_rate = key.learning_rate
    else:
        losses = keras.losses
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(
            keras.optimizers.Adam(key.learning_rate, epsilon=1e-8),
            loss if problem.classification else losses.MeanSquaredError(),
        )
    validation = problem.splits(key.phase)[key.seed].validation
    best, best_epoch, kept, diverged = np.inf, 0, _weights(model), False
    curves: list[tuple[float, float]] = []
    for epoch in range(epochs):
        beat(key.activation, epoch / epochs)
        rows = source.order(key, epoch).ravel()
        past = model.fit(
            x[rows], y[rows], batch_size=source.batch_size, shuffle=False, verbose=0
        ).history["loss"][0]
        told = model.evaluate(x[validation], y[validation], verbose=0)
        loss = float(told[0] if isinstance(told, list) else told)
        curves.append((float(past), loss))
        if not np.isfinite([past, loss]).all():
            diverged = True
            break
        if loss < best:
            best, best_epoch, kept = loss, epoch + 1, _weights(model)
        if epoch + 1 - best_epoch >= source.settings.patience:
            break
    model.set_weights(kept)
    outputs = np.asarray(model.predict(x[source.judged(key)], verbose=0))
    return outputs, np.array(curves).T, best_epoch, diverged


def _weights(model: Any) -> list[np.ndarray]:
    """``model.get_weights()``, which hands NumPy variables instead of tensors: a warning."""
    import keras

    tensor, numpy = keras.ops.convert_to_tensor, keras.ops.convert_to_numpy
    return [np.array(numpy(tensor(weight))) for weight in model.weights]
