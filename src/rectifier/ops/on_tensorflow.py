"""TensorFlow's words. float16 and bfloat16 are computed in float32; wider types in themselves.

Functions carry the entry's own derivative (``tf.custom_gradient``), eagerly and in ``tf.function``.
TensorFlow on the CPU takes subnormal numbers for zero; nothing here can change that.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from rectifier.ops.inputs import (
    check_axis,
    check_shapes,
    parts_of_axis,
    refuse_dtype,
    refuse_out,
    refuse_parameter,
)
from rectifier.ops.rule import Rule, spoken

NAME = "tensorflow"


def owns(x: Any) -> bool:
    """Tensors and variables, eager or symbolic."""
    tf = sys.modules.get("tensorflow")
    # Half-way through its import, TensorFlow is in sys.modules without its classes.
    return hasattr(tf, "Tensor") and isinstance(x, (tf.Tensor, tf.Variable))  # type: ignore[union-attr]


@cache
def vocabulary() -> dict[str, Any]:
    """Every word of :mod:`rectifier.ops.words`, as a function of TensorFlow tensors."""
    import tensorflow as tf

    def product(x: Any, y: Any) -> Any:
        result = x * y
        lost = tf.math.is_nan(result) & ~tf.math.is_nan(x) & ~tf.math.is_nan(y)
        # Only 0 * inf is lost; the product of the signs is then a zero of the right sign.
        return tf.where(lost, tf.sign(x) * tf.sign(y), result)

    def hypot(x: Any, y: Any) -> Any:
        x, y = tf.abs(x), tf.abs(tf.convert_to_tensor(y, x.dtype))
        longer, shorter = tf.maximum(x, y), tf.minimum(x, y)
        # Two infinite sides have no ratio, and neither have two of no length.
        ratio = tf.where((longer > 0) & (shorter < longer), shorter / longer, tf.sign(longer))
        ratio = tf.where(tf.math.is_inf(longer), tf.zeros_like(ratio), ratio)
        return longer * tf.sqrt(1 + ratio * ratio)

    def sizes(x: Any) -> list[Any]:
        """The length of every axis: a number where the graph knows it, else a tensor."""
        known, measured = x.shape.as_list(), tf.shape(x)
        return [measured[i] if n is None else n for i, n in enumerate(known)]

    def moveaxis(x: Any, source: int, destination: int) -> Any:
        order = list(range(len(x.shape)))
        order.insert(destination % len(order), order.pop(source % len(order)))
        return tf.transpose(x, order)

    def first_max_along(x: Any, axis: int) -> Any:
        first = tf.argmax(x, axis=axis)
        return tf.one_hot(first, sizes(x)[axis], axis=axis % len(x.shape), dtype=x.dtype)

    def threshold_along(x: Any, power: int, axis: int) -> Any:
        # Held against its largest, so that no sum of large scores swallows the 1. The number of
        # scores above the threshold is chosen first and the root taken then, for the gradients.
        top = tf.stop_gradient(tf.reduce_max(x, axis=axis, keepdims=True))
        falling = tf.sort(moveaxis(x - top, axis, -1), axis=-1, direction="DESCENDING")
        count = tf.range(1, sizes(falling)[-1] + 1)
        total, number = tf.cumsum(falling, axis=-1), tf.cast(count, x.dtype)
        mean = total / number
        if power == 1:
            candidates = (total - 1) / number
        else:
            spare = (1 - (tf.cumsum(falling * falling, axis=-1) - total * mean)) / number
            candidates = mean - tf.sqrt(tf.stop_gradient(tf.maximum(spare, 0)))
        above = tf.cast(candidates < falling, tf.int32)
        last = tf.maximum(tf.reduce_sum(above, axis=-1, keepdims=True), 1)

        def at_last(values: Any) -> Any:
            return tf.reduce_sum(tf.where(count == last, values, 0), axis=-1, keepdims=True)

        chosen = at_last(candidates) if power == 1 else at_last(mean) - tf.sqrt(at_last(spare))
        return moveaxis(chosen, -1, axis) + top

    def fold(x: Any, count: int, axis: int) -> Any:
        place, parts = parts_of_axis(sizes(x), count, axis, f"groups of {count}")
        lengths = sizes(x)
        split = tf.reshape(x, [*lengths[:place], parts, count, *lengths[place + 1 :]])
        return moveaxis(split, place + 1, -1)

    def unfold(x: Any, axis: int) -> Any:
        place = axis % (len(x.shape) - 1)
        lengths = sizes(x)
        together = [*lengths[:place], lengths[place] * lengths[-1], *lengths[place + 1 : -1]]
        return tf.reshape(moveaxis(x, -1, place + 1), together)

    return {
        "where": tf.where,
        "isnan": tf.math.is_nan,
        "zeros_like": tf.zeros_like,
        "ones_like": tf.ones_like,
        "absolute": tf.abs,
        "sign": tf.sign,
        "maximum": tf.maximum,
        "minimum": tf.minimum,
        "product": product,
        "sqrt": tf.sqrt,
        "hypot": hypot,
        "exp": tf.exp,
        "expm1": tf.math.expm1,
        "log": tf.math.log,
        "log1p": tf.math.log1p,
        "sin": tf.sin,
        "cos": tf.cos,
        "arctan": tf.atan,
        "tanh": tf.tanh,
        "sigmoid": tf.sigmoid,
        "erf": lambda x: tf.math.erf(tf.clip_by_value(x, -10, 10)),  # NaN at infinity in float64
        "erfc": tf.math.erfc,
        "normal_cdf": lambda x: 0.5 * tf.math.erfc(-0.7071067811865476 * x),
        "normal_density": lambda x: 0.3989422804014327 * tf.exp(-0.5 * x * x),
        "max_along": lambda x, axis: tf.reduce_max(x, axis=axis, keepdims=True),
        "sum_along": lambda x, axis: tf.reduce_sum(x, axis=axis, keepdims=True),
        "first_max_along": first_max_along,
        "threshold_along": threshold_along,
        "concatenate": lambda x, y, axis: tf.concat([x, y], axis=axis),
        "fold": fold,
        "unfold": unfold,
        "moveaxis": moveaxis,
        "eye_like": lambda x: tf.eye(sizes(x)[-1], dtype=x.dtype),
    }


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    return function(rule)(_checked(rule, x, parameters, out), *parameters)


def derivative(
    rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None, by: int = 0
) -> Any:
    return slope_of(rule, by)(_checked(rule, x, parameters, out), *parameters)


def _checked(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any) -> Any:
    """``x`` as a tensor, or the error that says what is wrong."""
    import numpy as np
    import tensorflow as tf

    if out is not None:
        refuse_out(NAME)
    if not x.dtype.is_floating:
        refuse_dtype(x.dtype.name)
    check_axis(rule, x.shape, parameters)
    for parameter in parameters:
        if not isinstance(parameter, (int, float, np.ndarray, np.generic)) and not owns(parameter):
            refuse_parameter(NAME, parameter)
    if rule.elementwise and x.shape.rank is not None:
        check_shapes(x.shape.as_list(), parameters)
    return tf.convert_to_tensor(x)


def _in_float32(compute: Any) -> Any:
    import tensorflow as tf

    def wide(x: Any, *parameters: Any) -> Any:
        if x.dtype.size >= 4:
            return compute(x, *parameters)
        grown = (p if isinstance(p, (int, float)) else tf.cast(p, tf.float32) for p in parameters)
        return tf.cast(compute(tf.cast(x, tf.float32), *grown), x.dtype)

    return wide


@cache
def slope_of(rule: Rule, by: int = 0) -> Any:
    """``f'(x, *parameters)`` of a rule, by ``x`` or by a parameter (counted from 1)."""
    return _in_float32(spoken(rule.slope(by), vocabulary))


@cache
def function(rule: Rule) -> Any:
    """``f(x, *parameters)`` of a rule, differentiable any number of times.

    The derivative for ``x`` is the rule's own, and so are those for parameters (when they are
    tensors) that the rule has; others are TensorFlow's, taken through the value.
    """
    import tensorflow as tf

    compute = _in_float32(spoken(rule.value, vocabulary))
    if not rule.elementwise:
        return compute

    def bound(x: Any, *parameters: Any) -> Any:
        places = [i for i, p in enumerate(parameters) if not isinstance(p, (int, float))]

        def complete(tensors: tuple[Any, ...]) -> list[Any]:
            filled = list(parameters)
            for place, tensor in zip(places, tensors, strict=True):
                filled[place] = tensor
            return filled

        def for_parameter(number: int, x: Any, tensors: tuple[Any, ...], grad: Any) -> Any:
            place, tensor = places[number], tensors[number]
            if rule.partial(place) is not None:
                slope = grad * slope_of(rule, place + 1)(x, *complete(tensors))
                return _sum_to(slope, tensor)
            with tf.GradientTape() as tape:
                tape.watch(tensor)
                y = compute(x, *complete(tensors))
            return tape.gradient(y, tensor, grad, tf.UnconnectedGradients.ZERO)

        @tf.custom_gradient
        def activation(x: Any, *tensors: Any) -> Any:
            def backward(grad: Any) -> Any:
                for_x = grad * slope_of(rule)(x, *complete(tensors))
                return for_x, *(for_parameter(i, x, tensors, grad) for i in range(len(tensors)))

            return compute(x, *complete(tensors)), backward

        return activation(x, *(tf.convert_to_tensor(parameters[i], x.dtype) for i in places))

    return bound


def _sum_to(grad: Any, parameter: Any) -> Any:
    """``grad`` summed over what ``parameter`` was broadcast along."""
    import tensorflow as tf

    _, axes = tf.raw_ops.BroadcastGradientArgs(s0=tf.shape(grad), s1=tf.shape(parameter))
    return tf.reshape(tf.reduce_sum(grad, axes), tf.shape(parameter))
