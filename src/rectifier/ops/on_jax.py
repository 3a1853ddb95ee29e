"""JAX's words. float16 and bfloat16 are computed in float32; wider types in themselves.

Functions carry the entry's own derivative (``jax.custom_jvp``), so that gradients obey the
stated value at each kink and keep their digits in the tails. XLA on the CPU takes subnormal
numbers for zero, going in and coming out; nothing here can change that.
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
    shape_of_result,
)
from rectifier.ops.rule import Rule, spoken

NAME = "jax"


def owns(x: Any) -> bool:
    """JAX arrays and tracers; ``isinstance``, because a tracer's class is no subclass."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(x, jax.Array)


@cache
def vocabulary() -> dict[str, Any]:
    """Every word of :mod:`rectifier.ops.words`, as a function of JAX arrays."""
    import jax
    import jax.numpy as jnp

    def product(x: Any, y: Any) -> Any:
        result = x * y
        lost = jnp.isnan(result) & ~jnp.isnan(x) & ~jnp.isnan(y)
        # Only 0 * inf is lost; the product of the signs is then a zero of the right sign.
        return jnp.where(lost, jnp.sign(x) * jnp.sign(y), result)

    def first_max_along(x: Any, axis: int) -> Any:
        place = jnp.argmax(x, axis=axis)
        return jax.nn.one_hot(place, x.shape[axis], axis=axis, dtype=x.dtype)

    def threshold_along(x: Any, power: int, axis: int) -> Any:
        # Held against its largest, so that no sum of large scores swallows the 1. The number of
        # scores above the threshold is chosen first and the root taken then, for the gradients.
        top = jax.lax.stop_gradient(jnp.max(x, axis=axis, keepdims=True))
        falling = jnp.moveaxis(-jnp.sort(-(x - top), axis=axis), axis, -1)
        count = jnp.arange(1, falling.shape[-1] + 1, dtype=x.dtype)
        total = jnp.cumsum(falling, axis=-1)
        if power == 1:
            candidates = (total - 1) / count
        else:
            mean = total / count
            spare = (1 - (jnp.cumsum(falling * falling, axis=-1) - total * mean)) / count
            candidates = mean - jnp.sqrt(jax.lax.stop_gradient(jnp.maximum(spare, 0)))
        last = jnp.sum(candidates < falling, axis=-1, keepdims=True) - 1
        last = jnp.maximum(last, 0)
        chosen = jnp.take_along_axis(mean if power == 2 else candidates, last, axis=-1)
        if power == 2:
            chosen = chosen - jnp.sqrt(jnp.take_along_axis(spare, last, axis=-1))
        return jnp.moveaxis(chosen, -1, axis) + top

    def fold(x: Any, count: int, axis: int) -> Any:
        place, parts = parts_of_axis(x.shape, count, axis, f"groups of {count}")
        split = x.reshape(*x.shape[:place], parts, count, *x.shape[place + 1 :])
        return jnp.moveaxis(split, place + 1, -1)

    def unfold(x: Any, axis: int) -> Any:
        place = axis % (x.ndim - 1)
        split = jnp.moveaxis(x, -1, place + 1)
        shape = (*x.shape[:place], x.shape[place] * x.shape[-1], *x.shape[place + 1 : -1])
        return split.reshape(shape)

    return {
        "where": jnp.where,
        "isnan": jnp.isnan,
        "zeros_like": jnp.zeros_like,
        "ones_like": jnp.ones_like,
        "absolute": jnp.abs,
        "sign": jnp.sign,
        "maximum": jnp.maximum,
        "minimum": jnp.minimum,
        "product": product,
        "sqrt": jnp.sqrt,
        "hypot": jnp.hypot,
        "exp": jnp.exp,
        "expm1": jnp.expm1,
        "log": jnp.log,
        "log1p": jnp.log1p,
        "sin": jnp.sin,
        "cos": jnp.cos,
        "arctan": jnp.arctan,
        "tanh": jnp.tanh,
        "sigmoid": jax.nn.sigmoid,
        "erf": jax.scipy.special.erf,
        "erfc": jax.scipy.special.erfc,
        "normal_cdf": lambda x: 0.5 * jax.scipy.special.erfc(-0.7071067811865476 * x),
        "normal_density": lambda x: 0.3989422804014327 * jnp.exp(-0.5 * x * x),
        "max_along": lambda x, axis: jnp.max(x, axis=axis, keepdims=True),
        "sum_along": lambda x, axis: jnp.sum(x, axis=axis, keepdims=True),
        "first_max_along": first_max_along,
        "threshold_along": threshold_along,
        "concatenate": lambda x, y, axis: jnp.concatenate([x, y], axis=axis),
        "fold": fold,
        "unfold": unfold,
        "moveaxis": jnp.moveaxis,
        "eye_like": lambda x: jnp.eye(x.shape[-1], dtype=x.dtype),
    }


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    _check(rule, x, parameters, out)
    if rule.kind != "reshaping" and not x.size:
        return x
    return function(rule)(x, *parameters)


def derivative(
    rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None, by: int = 0
) -> Any:
    import jax.numpy as jnp

    _check(rule, x, parameters, out)
    shape = shape_of_result(rule, True, x.shape, parameters)
    if shape is not None and not x.size:
        return jnp.zeros(shape, x.dtype)
    return _in_float32(spoken(rule.slope(by), vocabulary))(x, *parameters)


def _check(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    if out is not None:
        refuse_out(NAME)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        refuse_dtype(x.dtype)
    check_axis(rule, x.shape, parameters)
    for parameter in parameters:
        if not isinstance(parameter, (int, float, np.ndarray, np.generic, jax.Array)):
            refuse_parameter(NAME, parameter)
    if rule.elementwise:
        check_shapes(x.shape, parameters)


def _in_float32(compute: Any) -> Any:
    import jax.numpy as jnp

    def wide(x: Any, *parameters: Any) -> Any:
        if x.dtype.itemsize >= 4:
            return compute(x, *parameters)
        grown = (p if isinstance(p, (int, float)) else p.astype(jnp.float32) for p in parameters)
        return compute(x.astype(jnp.float32), *grown).astype(x.dtype)

    return wide


@cache
def function(rule: Rule) -> Any:
    """``f(x, *parameters)`` of a rule, differentiable any number of times.

    The derivative for ``x`` is the rule's own, and so are those for parameters (when they are
    arrays) that the rule has; others are JAX's, taken through the value.
    """
    import jax
    import jax.numpy as jnp

    compute = _in_float32(spoken(rule.value, vocabulary))
    if not rule.elementwise:
        return compute
    slope = _in_float32(spoken(rule.derivative, vocabulary))

    def bound(x: Any, *parameters: Any) -> Any:
        # Numbers stay outside custom_jvp, so that XLA sees them as constants.
        traced = [i for i, p in enumerate(parameters) if not isinstance(p, (int, float))]

        def complete(arrays: tuple[Any, ...]) -> list[Any]:
            filled = list(parameters)
            for position, array in zip(traced, arrays, strict=True):
                filled[position] = array
            return filled

        native = rule.native("jax", parameters)

        @jax.custom_jvp
        def activation(x: Any, *arrays: Any) -> Any:
            return compute(x, *complete(arrays)) if native is None else native(x)

        def jvp(primals: Any, tangents: Any) -> Any:
            x, *arrays = primals
            x_dot, *array_dots = tangents
            y = activation(x, *arrays)
            given = complete(arrays)
            y_dot = slope(x, *given) * x_dot
            for place, dot in zip(traced, array_dots, strict=True):
                written = rule.partial(place)
                if written is not None:
                    y_dot += _in_float32(spoken(written, vocabulary))(x, *given) * dot
                    continue

                def through(p: Any, place: int = place) -> Any:
                    return compute(x, *given[:place], p, *given[place + 1 :])

                y_dot += jax.jvp(through, (given[place],), (dot,))[1]
            return y, y_dot

        activation.defjvp(jvp)
        return activation(x, *(jnp.asarray(parameters[i], x.dtype) for i in traced))

    return bound
