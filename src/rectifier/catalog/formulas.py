"""An entry from a formula that a user typed: what ``define`` registers."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from typing import Any

from rectifier.activation import Activation, Facts, Parameter
from rectifier.catalog.calculus import derivative_text
from rectifier.errors import FormulaError
from rectifier.expression import Formula
from rectifier.ops import on_numpy
from rectifier.ops.rule import spoken
from rectifier.ops.words import maximum, minimum

_CORNERED = {"where", "maximum", "minimum", "absolute", "sign"}


def activation_from_formula(name: str, text: str, parameters: Mapping[str, float]) -> Activation:
    """An activation whose derivative is SymPy's and whose facts are measured on a grid.

    Args:
        name: an identifier, lower snake case by habit.
        text: a formula in ``x`` and the parameters.
        parameters: default value of each parameter.

    Raises:
        FormulaError: not arithmetic, free of ``x``, or undefined for some finite ``x``.
    """
    if not (name.isidentifier() and name.isascii() and len(name) <= 60):
        raise FormulaError(f"{name!r} cannot be a name; use letters, digits and _")
    formula = Formula(text, tuple(parameters))
    if not formula.uses_x:
        raise FormulaError(f"{formula.text!r} does not depend on x")
    defaults = tuple(float(v) for v in parameters.values())
    value = formula.function()
    slope_text = derivative_text(value, formula.parameters)
    slope = Formula(slope_text, formula.parameters, longest=20_000).function()
    derivative = _within_floats(value, slope, defaults, formula.text)
    return Activation(
        name,
        formula=value,
        value=value,
        derivative=derivative,
        parameters=tuple(Parameter(p, v) for p, v in zip(parameters, defaults, strict=True)),
        facts=lambda *values: _measured_facts(value, derivative, values),
        summary=f"Defined as {formula.text}",
        paper="a formula of the user's own",
        text=formula.text,
    )


def _windowed(x: Any, *values: Any) -> Any:
    return _slope(minimum(maximum(x, _low), _high), *values)


# What _windowed is given in place of these: see _within_floats.
_slope: Any = None
_low = _high = 0.0


def _within_floats(
    value: Callable[..., Any], slope: Callable[..., Any], defaults: tuple[float, ...], text: str
) -> Callable[..., Any]:
    """``slope``, held constant beyond the range in which float32 can compute it.

    exp(x) overflows at 88, and ``0 * inf`` further on would be NaN where the true slope has
    long settled. The range is found by trying, on a grid out to the largest float32.
    """
    import numpy as np

    side = np.concatenate([np.linspace(0, 20, 401), np.geomspace(20, 3e38, 800)])
    grid = np.concatenate([-side[:0:-1], side]).astype(np.float32)
    # In float32 throughout, as JAX would; on_numpy.value() would compute in float64.
    with np.errstate(all="ignore"):
        values = np.broadcast_to(spoken(value, on_numpy.vocabulary)(grid, *defaults), grid.shape)
        slopes = np.broadcast_to(spoken(slope, on_numpy.vocabulary)(grid, *defaults), grid.shape)
    near = np.abs(grid) <= 10
    if not np.isfinite(values[near]).all():
        at = grid[near][~np.isfinite(values[near])][0]
        raise FormulaError(f"{text!r} is not a finite number at x = {at:g}; it must be everywhere")
    sound = np.isfinite(slopes)
    if sound.all():
        return slope
    zero = len(side) - 1
    if not sound[near].all():
        at = grid[near][~sound[near]][0]
        raise FormulaError(f"the derivative of {text!r} is not finite at x = {at:g}")
    low = grid[: zero + 1][~sound[: zero + 1]]
    high = grid[zero:][~sound[zero:]]
    window = {
        "_slope": slope,
        "_low": float(grid[np.searchsorted(grid, low[-1]) + 1]) if low.size else -math.inf,
        "_high": float(grid[np.searchsorted(grid, high[0]) - 1]) if high.size else math.inf,
    }
    return types.FunctionType(_windowed.__code__, {**globals(), **window}, "derivative")


def _measured_facts(
    value: Callable[..., Any], derivative: Callable[..., Any], values: tuple[float, ...]
) -> Facts:
    """Facts read off a fine grid on [-50, 50] and a coarse one beyond."""
    import numpy as np

    far = np.geomspace(50, 1e6, 200)
    grid = np.concatenate([-far[::-1], np.linspace(-50, 50, 20_001), far])
    with np.errstate(all="ignore"):
        y = np.broadcast_to(spoken(value, on_numpy.vocabulary)(grid, *values), grid.shape)
        slope = np.broadcast_to(spoken(derivative, on_numpy.vocabulary)(grid, *values), grid.shape)
    low, high = (float(v) for v in (np.nanmin(y), np.nanmax(y)))
    steepest = float(np.nanmax(np.abs(slope)))
    tolerance = 1e-9 * (1 + np.abs(y[1:]))
    words = {*value.__code__.co_names}
    return Facts(
        "linear" if np.ptp(slope) == 0 else "step" if steepest == 0 else "non-linear",
        range=(-math.inf if low < -1e4 else low, math.inf if high > 1e4 else high),
        attained=(bool(-50 < grid[np.nanargmin(y)] < 50), bool(-50 < grid[np.nanargmax(y)] < 50)),
        monotone=bool((np.diff(y) >= -tolerance).all()),
        convex=bool((np.diff(slope) >= -1e-9 * (1 + steepest)).all()),
        smoothness=0 if words & _CORNERED else math.inf,
        lipschitz=math.inf if steepest > 1e4 else steepest,
        zero_centred=bool(np.allclose(y, -y[::-1], rtol=1e-9, atol=1e-12)),
    )
