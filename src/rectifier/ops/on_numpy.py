"""NumPy's words. float16 and float32 are computed in float64 and rounded once at the end."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from rectifier.errors import InputError
from rectifier.ops.rule import Rule, spoken

NAME = "numpy"

# 32,768 float64 are 256 KiB: the temporaries of a formula stay in the second-level cache.
_BLOCK = 1 << 15


def owns(x: Any) -> bool:
    """Python numbers, NumPy scalars and arrays."""
    if isinstance(x, (int, float, complex)):
        return True
    import numpy as np

    return isinstance(x, (np.ndarray, np.generic))


@cache
def vocabulary() -> dict[str, Any]:
    import numpy as np

    def sigmoid(x: Any) -> Any:
        decay = np.exp(-np.abs(x))  # never overflows
        return np.where(x < 0, decay, 1.0) / (1.0 + decay)

    def product(x: Any, y: Any) -> Any:
        result = x * y
        return np.where(np.isnan(result) & ~np.isnan(x) & ~np.isnan(y), 0.0 * np.sign(x), result)

    erf, erfc = _error_functions()
    return {
        "where": np.where,
        "isnan": np.isnan,
        "zeros_like": np.zeros_like,
        "ones_like": np.ones_like,
        "absolute": np.abs,
        "sign": np.sign,
        "maximum": np.maximum,
        "minimum": np.minimum,
        "product": product,
        "sqrt": np.sqrt,
        "hypot": np.hypot,
        "exp": np.exp,
        "expm1": np.expm1,
        "log": np.log,
        "log1p": np.log1p,
        "sin": np.sin,
        "cos": np.cos,
        "arctan": np.arctan,
        "tanh": np.tanh,
        "sigmoid": sigmoid,
        "erf": erf,
        "erfc": erfc,
        "max_along": lambda x, axis: np.max(x, axis=axis, keepdims=True),
        "sum_along": lambda x, axis: np.sum(x, axis=axis, keepdims=True),
        "moveaxis": np.moveaxis,
        "eye_like": lambda x: np.eye(x.shape[-1], dtype=x.dtype),
    }


def _error_functions() -> tuple[Any, Any]:
    """erf and erfc: SciPy's where it is installed, else the C library's, element by element.

    Both are spoken in the argument's dtype: SciPy's would turn float16 into float32.
    """
    import numpy as np

    try:
        from scipy import special
    except ImportError:
        plain_erf, plain_erfc = (np.frompyfunc(f, 1, 1) for f in (math.erf, math.erfc))
    else:
        plain_erf, plain_erfc = special.erf, special.erfc

    def erf(x: Any) -> Any:
        return np.asarray(plain_erf(x)).astype(np.asarray(x).dtype)

    def erfc(x: Any) -> Any:
        return np.asarray(plain_erfc(x)).astype(np.asarray(x).dtype)

    return erf, erfc


def value(rule: Rule, x: Any, parameters: tuple[float, ...], out: Any = None) -> Any:
    return _apply(rule, rule.value, x, parameters, out)


def derivative(rule: Rule, x: Any, parameters: tuple[float, ...], out: Any = None) -> Any:
    return _apply(rule, rule.derivative, x, parameters, out)


def _apply(rule: Rule, function: Any, x: Any, parameters: tuple[float, ...], out: Any) -> Any:
    import numpy as np

    array = np.asarray(x)
    # bool and Python int come here too: an activation of integers has no derivative.
    if not (np.issubdtype(array.dtype, np.floating) or array.dtype.name == "bfloat16"):
        raise InputError(
            f"an activation needs floating-point input, got {array.dtype}; "
            "convert it first, e.g. x.astype('float32')"
        )
    if out is not None and (
        not isinstance(out, np.ndarray) or out.shape != array.shape or out.dtype != array.dtype
    ):
        given = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise InputError(f"out must be a NumPy array of {array.dtype} {array.shape}, got {given}")
    compute = spoken(function, vocabulary)
    precision = array.dtype if array.dtype.itemsize > 8 else np.dtype(np.float64)
    with np.errstate(all="ignore"):  # overflow to a limit is the right answer, not an accident
        if rule.elementwise and array.size > _BLOCK and array.flags.c_contiguous:
            result = np.empty(array.shape, array.dtype)
            flat, flat_result = array.reshape(-1), result.reshape(-1)
            for start in range(0, array.size, _BLOCK):
                part = slice(start, start + _BLOCK)
                flat_result[part] = compute(flat[part].astype(precision, copy=False), *parameters)
        else:
            computed = np.asarray(compute(array.astype(precision, copy=False), *parameters))
            result = computed.astype(array.dtype, copy=computed is array)
    if out is not None:
        out[...] = result
        return out
    if isinstance(x, np.ndarray) or result.ndim:
        return result
    return result[()] if isinstance(x, np.generic) and not isinstance(x, float) else float(result)
