"""NumPy's words. float16 and float32 are computed in float64 and rounded once at the end."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from rectifier.errors import InputError
from rectifier.ops.inputs import (
    check_axis,
    check_shapes,
    parts_of_axis,
    refuse_dtype,
    refuse_parameter,
    shape_of_result,
)
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
    """Every word of :mod:`rectifier.ops.words`, as a function of NumPy arrays."""
    import numpy as np

    def sigmoid(x: Any) -> Any:
        decay = np.exp(-np.abs(x))  # never overflows
        return np.where(x < 0, decay, np.ones_like(decay)) / (1.0 + decay)

    def product(x: Any, y: Any) -> Any:
        result = x * y
        lost = np.isnan(result) & ~np.isnan(x) & ~np.isnan(y)
        # Only 0 * inf is lost; the product of the signs is then a zero of the right sign.
        return np.where(lost, np.sign(x) * np.sign(y), result)

    def first_max_along(x: Any, axis: int) -> Any:
        result = np.zeros_like(x)
        np.put_along_axis(result, np.expand_dims(np.argmax(x, axis=axis), axis), 1, axis=axis)
        return result

    def threshold_along(x: Any, power: int, axis: int) -> Any:
        # Held against its largest, so that no sum of large scores swallows the 1.
        top = np.max(x, axis=axis, keepdims=True)
        falling = np.moveaxis(np.flip(np.sort(x - top, axis=axis), axis=axis), axis, -1)
        count = np.arange(1, falling.shape[-1] + 1, dtype=x.dtype)
        total = np.cumsum(falling, axis=-1)
        if power == 1:
            candidates = (total - 1) / count
        else:
            mean = total / count
            excess = np.cumsum(falling * falling, axis=-1) - total * mean
            candidates = mean - np.sqrt(np.maximum((1 - excess) / count, 0))
        last = np.sum(candidates < falling, axis=-1, keepdims=True) - 1  # scores above it
        chosen = np.take_along_axis(candidates, np.maximum(last, 0), axis=-1)
        return np.moveaxis(chosen, -1, axis) + top

    def fold(x: Any, count: int, axis: int) -> Any:
        place, parts = parts_of_axis(x.shape, count, axis, f"groups of {count}")
        split = x.reshape(*x.shape[:place], parts, count, *x.shape[place + 1 :])
        return np.moveaxis(split, place + 1, -1)

    def unfold(x: Any, axis: int) -> Any:
        place = axis % (x.ndim - 1)
        split = np.moveaxis(x, -1, place + 1)
        return split.reshape(*x.shape[:place], -1, *x.shape[place + 1 : -1])

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
        **_error_functions(),
        "max_along": lambda x, axis: np.max(x, axis=axis, keepdims=True),
        "sum_along": lambda x, axis: np.sum(x, axis=axis, keepdims=True),
        "first_max_along": first_max_along,
        "threshold_along": threshold_along,
        "concatenate": lambda x, y, axis: np.concatenate([x, y], axis=axis),
        "fold": fold,
        "unfold": unfold,
        "moveaxis": np.moveaxis,
        "eye_like": lambda x: np.eye(x.shape[-1], dtype=x.dtype),
    }


@cache
def _scipy() -> Any:
    """``scipy.special`` where SciPy is installed, else None; imported when first needed."""
    try:
        from scipy import special
    except ImportError:
        return None
    return special


def _error_functions() -> dict[str, Any]:
    """erf and its kin: SciPy's where it is installed, else the C library's, one by one.

    All are spoken in the argument's dtype: SciPy's would turn float16 into float32.
    """
    import numpy as np

    def in_own_dtype(function: Any) -> Any:
        def word(x: Any) -> Any:
            x = np.asarray(x)
            return np.asarray(function(x.astype(np.float64, copy=False))).astype(x.dtype)

        return word

    def erf(x: Any) -> Any:
        special = _scipy()
        return special.erf(x) if special else np.frompyfunc(math.erf, 1, 1)(x)

    def erfc(x: Any) -> Any:
        special = _scipy()
        return special.erfc(x) if special else np.frompyfunc(math.erfc, 1, 1)(x)

    def halves(x: Any) -> tuple[Any, Any]:
        """exp(-x²/2) as two factors. Rounding x² costs x²/4 ulp: 300 where the tail ends.

        x is cut at a multiple of 1/64, whose square is exact.
        """
        x = np.clip(x, -64.0, 64.0)  # beyond 40 the result is 0
        coarse = np.floor(x * 64.0) / 64.0
        return np.exp(-0.5 * coarse * coarse), np.exp(-0.5 * (x - coarse) * (x + coarse))

    def normal_density(x: Any) -> Any:
        first, second = halves(x)
        return 0.3989422804014327 * second * first  # 1 / sqrt(2 pi)

    def normal_cdf(x: Any) -> Any:
        special = _scipy()
        centre = 0.5 * np.asarray(erfc(-0.7071067811865476 * x)).astype(np.float64)
        if not special:
            return centre  # short of digits in the tail, where float32 still has all of its own
        first, second = halves(x)
        tail = 0.5 * special.erfcx(0.7071067811865476 * np.abs(x)) * second * first
        return np.where(x < -1.0, tail, centre)

    return {
        "erf": in_own_dtype(erf),
        "erfc": in_own_dtype(erfc),
        "normal_cdf": in_own_dtype(normal_cdf),
        "normal_density": in_own_dtype(normal_density),
    }


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    return _apply(rule, rule.value, x, parameters, out)


def derivative(
    rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None, by: int = 0
) -> Any:
    return _apply(rule, rule.slope(by), x, parameters, out)


def _apply(rule: Rule, function: Any, x: Any, parameters: tuple[Any, ...], out: Any) -> Any:
    import numpy as np

    array = _floating(x)
    check_axis(rule, array.shape, parameters)
    for parameter in parameters:
        if not isinstance(parameter, (int, float, np.ndarray, np.generic)):
            refuse_parameter(NAME, parameter)
    if rule.elementwise:
        check_shapes(array.shape, parameters)
    shape = shape_of_result(rule, function is not rule.value, array.shape, parameters)
    _check_out(out, shape, array.dtype)
    precision = array.dtype if array.dtype.itemsize > 8 else np.dtype(np.float64)
    # NumPy's numbers: 1 / 0 among Python's is an exception, and (-1) ** 0.5 a complex number
    parameters = tuple(
        np.float64(p) if isinstance(p, float) else p if isinstance(p, int) else _floating(p)
        for p in parameters
    )
    arrays = [p for p in parameters if isinstance(p, np.ndarray)]
    in_blocks = rule.elementwise and all(p.shape == array.shape for p in [array, *arrays])
    in_blocks = in_blocks and all(p.flags.c_contiguous for p in [array, *arrays])
    compute = spoken(function, vocabulary)

    def wide(number: Any, part: Any = ...) -> Any:
        if not isinstance(number, np.ndarray):
            return number
        return (number if part is ... else number.reshape(-1)[part]).astype(precision, copy=False)

    with np.errstate(all="ignore"):  # overflow to a limit is the right answer, not an accident
        if shape is not None and not array.size:
            result = np.empty(shape, array.dtype)
        elif in_blocks and array.size > _BLOCK:
            result = np.empty(array.shape, array.dtype)
            flat_result = result.reshape(-1)
            for start in range(0, array.size, _BLOCK):
                part = slice(start, start + _BLOCK)
                computed = compute(wide(array, part), *(wide(p, part) for p in parameters))
                flat_result[part] = _rounded(np.asarray(computed), array.dtype)
        else:
            computed = np.asarray(compute(wide(array), *map(wide, parameters)))
            if shape is None:
                _check_out(out, computed.shape, array.dtype)
            result = _rounded(computed, array.dtype, copy=np.may_share_memory(computed, array))
    if out is not None:
        out[...] = result
        return out
    if isinstance(x, np.ndarray) or result.ndim:
        return result
    return result[()] if isinstance(x, np.generic) else float(result)


def _rounded(computed: Any, dtype: Any, copy: bool = False) -> Any:
    """``computed`` in ``dtype``, rounded once. ml_dtypes makes a bfloat16 of the float32 nearest
    to a float64, and so a tie, which may fall the wrong way, of what is close to one."""
    import numpy as np

    if dtype.name != "bfloat16":
        return computed.astype(dtype, copy=copy)
    single = computed.astype(np.float32)
    lost = (single != computed) & np.isfinite(single)
    above = lost & (np.abs(single) > np.abs(computed))
    # towards zero, and where anything was cut off the last bit says so: that is no tie
    bits = single.reshape(-1).view(np.uint32).reshape(single.shape) - above
    nearest = (bits | lost).astype(np.uint32).view(np.float32)
    return np.asarray(nearest).astype(dtype)  # NumPy's arithmetic makes a scalar of a 0-d array


def _floating(x: Any) -> Any:
    """``x`` as an array, or the error that says what it is instead."""
    import numpy as np

    if isinstance(x, np.ma.MaskedArray):
        raise InputError("an activation would drop the mask; give x.filled(...) or x.compressed()")
    if isinstance(x, (int, complex)) and not isinstance(x, np.generic):
        refuse_dtype(type(x).__name__)
    array = np.asarray(x)
    if not (np.issubdtype(array.dtype, np.floating) or array.dtype.name == "bfloat16"):
        refuse_dtype(array.dtype)
    return array


def _check_out(out: Any, shape: tuple[int, ...] | None, dtype: Any) -> None:
    import numpy as np

    if out is None or shape is None:
        return
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        given = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise InputError(f"out must be a NumPy array of {dtype} {shape}, got {given}")
    if not out.flags.writeable:
        raise InputError("out is read-only")
