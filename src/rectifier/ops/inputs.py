"""What an activation can be applied to: the same refusals, in the same words, everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from rectifier.errors import InputError
from rectifier.ops.rule import Rule


def refuse_dtype(dtype: Any) -> NoReturn:
    """The error for integers, booleans, complex numbers and objects."""
    raise InputError(
        f"an activation needs floating-point input, got {dtype}; "
        "convert it first, e.g. x.astype('float32')"
    )


def refuse_parameter(library: str, parameter: Any, what: str = "a parameter") -> NoReturn:
    """The error for an array of another library than ``x``."""
    raise InputError(
        f"x is of {library}, {what} is {type(parameter).__module__}."
        f"{type(parameter).__name__}; give both as arrays of one library"
    )


def refuse_out(library: str) -> NoReturn:
    """The error for ``out=`` where arrays are not written into."""
    raise InputError(
        f"out= is for NumPy arrays, x is of {library}; assign the result instead, e.g. y = f(x)"
    )


def check_shapes(shape: Sequence[int], parameters: Sequence[Any]) -> None:
    """Refuses parameters that would change the shape of an elementwise result."""
    for parameter in parameters:
        own = getattr(parameter, "shape", ())
        if len(own) > len(shape) or any(
            mine not in (1, there, None) and there is not None  # None: a graph's unknown length
            for mine, there in zip(reversed(own), reversed(shape), strict=False)
        ):
            raise InputError(
                f"parameters must broadcast to the shape of x, {tuple(shape)}, got {tuple(own)}"
            )


def check_axis(rule: Rule, shape: Sequence[int], parameters: Sequence[Any]) -> None:
    """Refuses an axis that ``shape`` does not have; the axis is a rule's last parameter."""
    if rule.elementwise:
        return
    refuse_absent_axis(parameters[-1], shape)


def refuse_absent_axis(axis: int, shape: Sequence[int]) -> None:
    """The error for an axis that ``shape`` does not have."""
    if not -len(shape) <= axis < len(shape):
        raise InputError(f"axis {axis} is not one of the {len(shape)} axes of shape {tuple(shape)}")


def shape_of_result(
    rule: Rule, derivative: bool, shape: tuple[int, ...], parameters: Sequence[Any]
) -> tuple[int, ...] | None:
    """The law of shape: that of ``x``, and one axis more for a Jacobian; None for its own."""
    if rule.kind == "reshaping":
        return None
    return shape if rule.elementwise or not derivative else (*shape, shape[parameters[-1]])


def parts_of_axis(shape: Sequence[int], count: int, axis: int, what: str) -> tuple[int, int]:
    """The axis counted from 0, and its length over ``count``.

    Raises:
        InputError: no such axis, or one that ``count`` does not divide.
    """
    refuse_absent_axis(axis, shape)
    length = shape[axis]
    if length % count:
        raise InputError(
            f"axis {axis} of shape {tuple(shape)} has {length} entries, "
            f"which cannot be dealt into {what}"
        )
    return axis % len(shape), length // count


def halves(x: Any, axis: int) -> tuple[Any, Any]:
    """The first and the second half of ``x`` along ``axis``, as views where the library has them.

    Raises:
        InputError: no such axis, or one of odd length.
    """
    place, half = parts_of_axis(tuple(x.shape), 2, axis, "two halves")
    before = (slice(None),) * place
    return x[(*before, slice(0, half))], x[(*before, slice(half, None))]
