"""Forward and backward passes of Keras models, on each of its backends."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from rectifier.errors import InputError
from rectifier.repair.batches import Batch
from rectifier.repair.gradients import Gradients
from rectifier.repair.rules.task import Family, Loss, Wants
from rectifier.repair.sites import Site
from rectifier.repair.sites.on_keras import mode, refuse_unbuilt
from rectifier.repair.sites.recognise import refuse_odd_batch
from rectifier.repair.structure import Network, Weight
from rectifier.repair.structure import on_keras as structure

_FAMILIES: dict[str, Family] = {
    "sparse_categorical_crossentropy": "sparse",
    "categorical_crossentropy": "categorical",
    "categorical_focal_crossentropy": "categorical",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "mean_squared_error": "regression",
    "mean_absolute_error": "regression",
    "huber": "regression",
    "log_cosh": "regression",
}


class KerasPasses:
    """See :class:`rectifier.repair.passes.Passes`."""

    def __init__(self, model: Any, loss: Any, optimizer: Any, training: bool | None) -> None:
        refuse_unbuilt(model)
        self.model = model
        compiled = getattr(model, "loss", None) if loss is None else loss
        self._loss_function = _loss(compiled)
        self.loss = _described(self._loss_function)
        self._optimizer = optimizer if optimizer is not None else getattr(model, "optimizer", None)
        self._training = _fresh(model) if training is None else training
        self._jax_gradient: Any = None

    def has_loss(self, batch: Batch) -> bool:
        return self._loss_function is not None and batch.y is not None

    @contextmanager
    def untouched(self) -> Iterator[None]:
        with warnings.catch_warnings():
            # Keras says some of what the findings say; a user who asked us needs it once.
            for said in (".*received `from_logits=True`.*", ".*This axis has size 1.*"):
                warnings.filterwarnings("ignore", said, UserWarning)
            with self._variables_kept():
                yield

    @contextmanager
    def _variables_kept(self) -> Iterator[None]:
        before = [(v, keras.ops.copy(v.value)) for v in self.model.non_trainable_variables]
        try:
            yield
        finally:
            for variable, value in before:
                variable.assign(value)

    # -- passes --------------------------------------------------------------------------------

    def structure(self, batch: Batch) -> Network:
        inputs = self._inputs(batch)
        self._called(inputs)  # a batch that does not fit says so here
        return structure.trace(self.model, inputs)

    def forward(self, batch: Batch) -> None:
        self._called(self._inputs(batch))

    def _called(self, inputs: Any) -> Any:
        try:
            return self.model(inputs, training=self._training)
        except (
            ValueError,
            TypeError,
            RuntimeError,
            IndexError,
            KeyError,
            ArithmeticError,
        ) as error:
            raise refuse_odd_batch(error, self.model) from error
        except Exception as error:
            # TensorFlow's and XLA's own errors have no base that could be named without importing
            # them; from inside a model's call they mean a batch that does not fit.
            if type(error).__module__.startswith(("tensorflow", "jax")):
                raise refuse_odd_batch(error, self.model) from error
            raise

    def _inputs(self, batch: Batch) -> Any:
        x = list(batch.x) if isinstance(batch.x, tuple) else batch.x
        return keras.tree.map_structure(_tensor, x)

    def unit_axis(self, site: Site, z: Any) -> int:
        first = keras.config.image_data_format() == "channels_first"
        return 1 if first and len(z.shape) >= 4 else -1

    def array(self, value: Any) -> Any:
        return structure.numbers(value)

    def weights(self) -> list[Weight]:
        return structure.weights(self.model)

    # -- gradients -----------------------------------------------------------------------------

    def gradient(self, batch: Batch, into: Gradients) -> None:
        paths = structure.trainable_paths(self.model)
        loss, gradients = self._gradients(batch)
        into.losses.append(loss)
        for path, gradient in zip(paths, gradients, strict=True):
            into.weights[path].update(None if gradient is None else self._dense(gradient))

    def _gradients(self, batch: Batch) -> tuple[float, list[Any]]:
        """The loss and its gradient by every trainable variable, in the model's order."""
        x = self._inputs(batch)
        variables = self.model.trainable_variables
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = self._value(self._called(x), batch.y)
            gradients = tape.gradient(loss, [v.value for v in variables])
        elif backend == "torch":
            self.model.zero_grad()
            loss = self._value(self._called(x), batch.y)
            loss.backward()
            gradients = [v.value.grad for v in variables]
        elif backend == "jax":
            loss, gradients = self._jax(x, batch.y)
        else:
            raise InputError(
                f"Keras' {backend} backend has no gradients; use jax, torch or tensorflow"
            )
        return float(structure.numbers(loss)), list(gradients)

    def _jax(self, x: Any, y: Any) -> tuple[Any, Any]:
        import jax

        def of_weights(trainable: Any, other: Any, x: Any, y: Any) -> Any:
            how = mode(self.model, self._training)
            output, _ = self.model.stateless_call(trainable, other, x, **how)
            return self._value(output, y)

        if self._jax_gradient is None:
            self._jax_gradient = jax.jit(jax.value_and_grad(of_weights))
        trainable = [v.value for v in self.model.trainable_variables]
        other = [v.value for v in self.model.non_trainable_variables]
        return self._jax_gradient(trainable, other, x, y)

    def _value(self, output: Any, y: Any) -> Any:
        output = keras.tree.flatten(output)[0]
        target = keras.ops.convert_to_tensor(y)
        if self.loss is not None and len(target.shape) == len(output.shape) - 1:
            if self.loss.family == "categorical":
                target = keras.ops.one_hot(keras.ops.cast(target, "int32"), output.shape[-1])
            elif self.loss.family in ("binary", "regression") and output.shape[-1] == 1:
                target = keras.ops.expand_dims(target, -1)
        try:
            return keras.ops.mean(self._loss_function(target, output))
        except (ValueError, TypeError, RuntimeError, IndexError) as error:
            line = " ".join(str(error).split())[:200]
            raise InputError(f"the loss refuses output and target: {line}") from error

    def _dense(self, gradient: Any) -> np.ndarray:
        if keras.backend.backend() == "tensorflow" and hasattr(
            gradient, "indices"
        ):  # TensorFlow gives rows of an embedding by number
            gradient = gradient.values
        return structure.numbers(gradient).astype(np.float32)

    def step(self, batch: Batch, into: Gradients) -> None:
        if self._optimizer is None:
            return
        variables = self.model.trainable_variables
        _, gradients = self._gradients(batch)
        pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        # A copy steps, so that slots and counters of the model's own stay as they are.
        copy = keras.optimizers.deserialize(keras.optimizers.serialize(self._optimizer))
        copy.build(variables)
        if self._optimizer.built:
            for new, own in zip(copy.variables, self._optimizer.variables, strict=True):
                new.assign(own.value)
        before = [(v, structure.numbers(v.value).copy()) for v in variables]
        paths = dict(zip(map(id, variables), structure.trainable_paths(self.model), strict=True))
        try:
            copy.apply([g for g, _ in pairs], [v for _, v in pairs])
            for variable, old in before:
                change = structure.numbers(variable.value) - old
                into.weights[paths[id(variable)]].step = float(np.linalg.norm(change))
        finally:
            for variable, old in before:
                variable.assign(old)


def _tensor(value: Any) -> Any:
    array = np.asarray(value) if not hasattr(value, "dtype") else value
    if str(array.dtype) == "float64":
        array = keras.ops.cast(array, keras.config.floatx())
    return keras.ops.convert_to_tensor(array)


def _fresh(model: Any) -> bool:
    """Whether a batch normalisation has never seen a batch."""
    for layer in model._flatten_layers():
        mean, spread = (getattr(layer, n, None) for n in ("moving_mean", "moving_variance"))
        if mean is not None and spread is not None:
            mean, spread = (structure.numbers(v.value) for v in (mean, spread))
            if not mean.any() and (spread == 1).all():
                return True
    return False


def _loss(given: Any) -> Any:
    if given is None or isinstance(given, list | tuple | dict):
        return None  # several outputs: which target belongs to which is not known here
    try:
        return keras.losses.get(given)
    except ValueError as error:
        raise InputError(f"no loss of Keras: {given!r}; such as loss='mse'") from error


def _described(loss: Any) -> Loss | None:
    if loss is None:
        return None
    name = structure.snake(type(loss).__name__) if isinstance(loss, keras.Loss) else loss.__name__
    family = _FAMILIES.get(name, "other")
    wants: Wants = "unknown"
    if family == "regression":
        wants = "values"
    elif family != "other":
        wants = "logits" if getattr(loss, "from_logits", False) else "probabilities"
    ignored = getattr(loss, "ignore_class", None)
    return Loss(name, family, wants, ignored)
