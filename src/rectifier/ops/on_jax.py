"""JAX's words. float16 and bfloat16 are computed in float32; wider types in themselves.

Functions carry the entry's own derivative (``jax.custom_jvp``), so that gradients obey the
stated value at each kink and keep their digits in the tails. XLA on the CPU takes subnormal
numbers for zero, going in and coming out; nothing here can change that.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from rectifier.errors import InputError
from rectifier.ops.inputs import check_axis, refuse_dtype, refuse_parameter, shape_of_result
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
        "moveaxis": jnp.moveaxis,
        "eye_like": lambda x: jnp.eye(x.shape[-1], dtype=x.dtype),
    }


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    _check(rule, x, parameters, out)
    if not x.size:
        return x
    return function(rule)(x, *parameters)


def derivative(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    import jax.numpy as jnp

    _check(rule, x, parameters, out)
    if not x.size:
        return jnp.zeros(shape_of_result(rule, True, x.shape, parameters), x.dtype)
    return _in_float32(spoken(rule.derivative, vocabulary))(x, *parameters)


def _check(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    if out is not None:
        raise InputError("out= is for NumPy arrays; JAX arrays cannot be written into")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        refuse_dtype(x.dtype)
    check_axis(rule, x.shape, parameters)
    for parameter in parameters:
        if not isinstance(parameter, (int, float, np.ndarray, np.generic, jax.Array)):
            refuse_parameter(NAME, parameter)


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

    The derivative for ``x`` is the rule's own; for parameters (when they are arrays) it is
    JAX's, taken through the value.
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

        @jax.custom_jvp
        def activation(x: Any, *arrays: Any) -> Any:
            return compute(x, *complete(arrays))

        def jvp(primals: Any, tangents: Any) -> Any:
            x, *arrays = primals
            x_dot, *array_dots = tangents
            y = activation(x, *arrays)
            y_dot = slope(x, *complete(arrays)) * x_dot
            if arrays:
                y_dot += jax.jvp(lambda *a: compute(x, *complete(a)), arrays, array_dots)[1]
            return y, y_dot

        activation.defjvp(jvp)
        return activation(x, *(jnp.asarray(parameters[i], x.dtype) for i in traced))

    return bound
