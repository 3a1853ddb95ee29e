"""JAX's words. float16 and bfloat16 are computed in float32; wider types in themselves.

Functions carry the entry's own derivative (``jax.custom_jvp``), so that gradients obey the
stated value at each kink and keep their digits in the tails.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from rectifier.errors import InputError
from rectifier.ops.rule import Rule, spoken

NAME = "jax"


def owns(x: Any) -> bool:
    """JAX arrays and tracers; ``isinstance``, because a tracer's class is no subclass."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(x, jax.Array)


@cache
def vocabulary() -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    def product(x: Any, y: Any) -> Any:
        result = x * y
        lost = jnp.isnan(result) & ~jnp.isnan(x) & ~jnp.isnan(y)
        return jnp.where(lost, jnp.zeros_like(result), result)

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
        "max_along": lambda x, axis: jnp.max(x, axis=axis, keepdims=True),
        "sum_along": lambda x, axis: jnp.sum(x, axis=axis, keepdims=True),
        "moveaxis": jnp.moveaxis,
        "eye_like": lambda x: jnp.eye(x.shape[-1], dtype=x.dtype),
    }


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    _check(x, out)
    return function(rule)(x, *parameters)


def derivative(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    _check(x, out)
    return _in_float32(spoken(rule.derivative, vocabulary))(x, *parameters)


def _check(x: Any, out: Any) -> None:
    import jax.numpy as jnp

    if out is not None:
        raise InputError("out= is for NumPy arrays; JAX arrays cannot be written into")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(
            f"an activation needs floating-point input, got {x.dtype}; "
            "convert it first, e.g. x.astype('float32')"
        )


def _in_float32(compute: Any) -> Any:
    import jax.numpy as jnp

    def wide(x: Any, *parameters: Any) -> Any:
        if x.dtype.itemsize < 4:
            return compute(x.astype(jnp.float32), *parameters).astype(x.dtype)
        return compute(x, *parameters)

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
