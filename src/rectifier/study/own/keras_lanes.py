"""A Keras model's runs side by side: ``vmap`` over its stateless call, on the JAX backend."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rectifier.study.own.models import Models

if TYPE_CHECKING:
    from rectifier.study.plan import Task
    from rectifier.study.train.engine import Beat


def train(
    source: Models,
    programs: dict[str, Any],
    task: Task,
    models: list[Any],
    beat: Beat,
    epochs: int,
) -> list[Any]:
    """``[(outputs, curves, best epoch, diverged)]`` of the task's runs, Adam at each one's rate."""
    problem, keys = source.problem, task.runs
    program = programs.get(task.activation)
    if program is None:
        programs.clear()  # one activation at a time: models are large
        program = programs[task.activation] = _Program(source, models[0])
    places = [source.place(key) for key in keys]
    features = problem.features
    data = (
        features.which[places],
        features.shift[places],
        features.scale[places],
        problem.target_shift[places],
        problem.target_scale[places],
    )
    rates = np.array([key.learning_rate for key in keys], np.float32)
    splits = [problem.splits(key.phase)[key.seed].validation for key in keys]
    validation, valid = _padded(splits)
    weights = [_stacked(models, "trainable_variables"), _stacked(models, "non_trainable_variables")]
    moments = jax.vmap(optax.scale_by_adam().init)(weights[0])
    best_weights, best = weights, np.full(len(keys), np.inf)
    best_epoch, ran = np.zeros(len(keys), int), np.zeros(len(keys), int)
    stopped, diverged = np.zeros(len(keys), bool), np.zeros(len(keys), bool)
    curves = np.full((len(keys), 2, epochs), np.nan)
    for epoch in range(epochs):
        beat(task.activation, epoch / epochs)
        order = np.stack([source.order(key, epoch) for key in keys])
        *weights, moments, told, kept = program.epoch(
            *weights, moments, data, rates, order, validation, valid
        )
        training, loss = np.asarray(told, np.float64), np.asarray(kept, np.float64)
        finite = np.isfinite(training) & np.isfinite(loss)
        better = ~stopped & finite & (loss < best)
        best, best_epoch = np.where(better, loss, best), np.where(better, epoch + 1, best_epoch)
        best_weights = _choose(better, weights, best_weights)
        curves[~stopped, 0, epoch], curves[~stopped, 1, epoch] = training[~stopped], loss[~stopped]
        ran[~stopped] = epoch + 1
        diverged |= ~stopped & ~finite
        stopped |= ~finite | (epoch + 1 - best_epoch >= source.settings.patience)
        if stopped.all():
            break
    asked, _ = _padded([source.judged(key) for key in keys])
    outputs = np.asarray(program.outputs(*best_weights, data, asked))
    return [
        (
            outputs[lane, : len(source.judged(key))],
            curves[lane, :, : ran[lane]],
            int(best_epoch[lane]),
            bool(diverged[lane]),
        )
        for lane, key in enumerate(keys)
    ]


class _Program:
    """The compiled functions of one activation's model."""

    def __init__(self, source: Models, model: Any) -> None:
        self._model, self._shape = model, source.shape
        self._matrix = jnp.asarray(source.problem.features.matrix)
        self._targets = jnp.asarray(source.problem.targets)
        self._classes = source.problem.classification
        self._adam = optax.scale_by_adam()
        self.epoch = jax.jit(jax.vmap(self._epoch))
        self.outputs = jax.jit(jax.vmap(self._outputs))

    def _rows(self, data: Any, rows: Any) -> tuple[Any, Any]:
        which, shift, scale, target_shift, target_scale = data
        x = (self._matrix[which, rows] - shift) * scale
        y = self._targets[rows]
        y = y if self._classes else (y - target_shift) / target_scale
        return x.reshape(len(rows), *self._shape), y

    def _losses(self, outputs: Any, y: Any) -> Any:
        if self._classes:
            return optax.softmax_cross_entropy_with_integer_labels(outputs, y)
        return (outputs[:, 0] - y) ** 2

    def _epoch(
        self,
        weights: Any,
        rest: Any,
        moments: Any,
        data: Any,
        rate: Any,
        order: Any,
        validation: Any,
        valid: Any,
    ) -> Any:
        def step(carry: Any, rows: Any) -> Any:
            weights, rest, moments = carry
            x, y = self._rows(data, rows)

            def loss(weights: Any) -> Any:
                outputs, after, added = self._model.stateless_call(
                    weights, rest, x, training=True, return_losses=True
                )
                mean = self._losses(outputs, y).mean()
                return mean + sum(added, jnp.float32(0)), (mean, after)

            gradient, (mean, after) = jax.grad(loss, has_aux=True)(weights)
            update, moments = self._adam.update(gradient, moments)
            weights = [w - rate * u for w, u in zip(weights, update, strict=True)]
            return (weights, after, moments), mean

        (weights, rest, moments), losses = jax.lax.scan(step, (weights, rest, moments), order)
        x, y = self._rows(data, validation)
        outputs, _ = self._model.stateless_call(weights, rest, x, training=False)
        kept = jnp.mean(self._losses(outputs, y), where=valid)
        return weights, rest, moments, losses.mean(), kept

    def _outputs(self, weights: Any, rest: Any, data: Any, rows: Any) -> Any:
        x, _ = self._rows(data, rows)
        return self._model.stateless_call(weights, rest, x, training=False)[0]


def _stacked(models: list[Any], which: str) -> list[Any]:
    lists = zip(*([v.value for v in getattr(m, which)] for m in models), strict=True)
    return [jnp.stack(values) for values in lists]


def _padded(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """[runs, most rows] and where they are true ones."""
    most = max(map(len, rows))
    padded = [np.pad(part, (0, most - len(part))) for part in rows]
    return np.stack(padded), np.stack([np.arange(most) < len(part) for part in rows])


@partial(jax.jit, donate_argnums=())
def _choose(better: Any, yes: Any, no: Any) -> Any:
    def pick(a: Any, b: Any) -> Any:
        return jnp.where(better.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, yes, no)
