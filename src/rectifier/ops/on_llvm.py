"""LLVM's words: formulas as machine code, for the loops of :mod:`rectifier.kernels`.

The numbers are float64; where float32 comes out in the end, ``digits="short"`` spares those that
its rounding would drop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from rectifier.ops.gaussian import Gaussian
from rectifier.ops.llvm_number import (
    DOUBLE,
    SIGN,
    TRUTH,
    FloatNumber,
    Inexact,
    Number,
    ShortNumber,
    Truth,
)
from rectifier.ops.rule import speak

NAME = "llvm"
_INFINITY = float("inf")
GATE = -1  # in place of a number of parameters: one, and it is an array
_BEYOND = 2.0**512  # in place of infinity, where float32 comes out in the end


class Words(Gaussian):
    """Every word of :mod:`rectifier.ops.words` that is said of single numbers."""

    def isnan(self, x: Any) -> Truth:
        return self.number(x) != x

    def zeros_like(self, x: Any) -> Number:
        return self.number(0.0)

    def ones_like(self, x: Any) -> Number:
        return self.number(1.0)

    def sign(self, x: Any) -> Number:
        x = self.number(x)
        return self.where(x > 0, 1.0, self.where(x < 0, -1.0, self.where(x == 0, 0.0, x)))

    def maximum(self, x: Any, y: Any) -> Number:
        return self._either(">", x, y)

    def minimum(self, x: Any, y: Any) -> Number:
        return self._either("<", x, y)

    def _either(self, sign: str, x: Any, y: Any) -> Number:
        if isinstance(y, Number) and isinstance(x, Number):
            first = x.compare(sign, y) | self.isnan(x)
        else:  # at most one of them is NaN, and one comparison will do
            first = self.number(x).compare(sign, y, unordered=isinstance(x, Number))
        chosen, (x, y) = self.where(first, x, y), (self.number(x), self.number(y))
        extreme = max if sign == ">" else min
        return chosen.within(extreme(x.low, y.low), extreme(x.high, y.high))

    def product(self, x: Any, y: Any) -> Number:
        x, y = self.number(x), self.number(y)
        for one, other in ((x, y), (y, x)):
            if isinstance(one.value, ir.Constant):
                if 0 < abs(one.value.constant) < _INFINITY:
                    return other * one  # a zero would be lost only at 0 or infinity
                if one.value.constant == 0:
                    zero = self.with_sign(0.0, other)
                    negative = math.copysign(1.0, one.value.constant) < 0
                    return self.where(self.isnan(other), other, -zero if negative else zero)
        if not self._long:
            for one, other in ((x, y), (y, x)):
                if one.low > -_INFINITY and one.high < _INFINITY:
                    # Finite, so that only an infinity can lose it. What takes its place is beyond
                    # float32 even after many a factor, and so is what becomes of it.
                    value, end = one.fades or (None, 0)
                    least = -_INFINITY if value is other.value and end > 0 else -_BEYOND
                    most = _INFINITY if value is other.value and end < 0 else _BEYOND
                    return self._clamped(other, least, most) * one
        result = x * y
        # Only 0 * inf is lost; what remains of it is a zero with the product's sign.
        lost = self.isnan(result) & x.compare("ord", y)
        zero = ((x.bits() ^ y.bits()) & SIGN).number()
        return self.where(lost, zero, result)

    def hypot(self, x: Any, y: Any) -> Number:
        x, y = abs(self.number(x)), abs(self.number(y))
        larger = self.where(x > y, x, y)
        # a power of two takes the squares away from overflow and underflow, and back again
        scale = self.where(larger > 1e150, 2.0**-600, self.where(larger < 1e-150, 2.0**600, 1.0))
        back = self.where(larger > 1e150, 2.0**600, self.where(larger < 1e-150, 2.0**-600, 1.0))
        x, y = x * scale, y * scale
        return self.sqrt(self.fused(x, x, y * y)) * back


SAID = (
    "where isnan zeros_like ones_like absolute sign maximum minimum product sqrt hypot exp expm1 "
    "log log1p sin cos arctan tanh sigmoid erf erfc normal_cdf normal_density"
).split()


def written(
    function: Callable[..., Any],
    parameters: int | tuple[float, ...],
    digits: str,
    slope: Callable[..., Any] | None = None,
) -> tuple[str, bool]:
    """``function(x, *parameters)`` of float64 numbers, as LLVM's text.

    The text defines ``double @f(double x, double ..., double zero)``, whose last argument is
    always 0.0 (see :meth:`Elementary.where`). Where a word has a fast way that does
    not hold for every argument, it also defines ``i1 @near(...)``, which says whether ``f`` may
    be trusted, and ``double @anywhere(...)``, which always may.

    Args:
        function: in the words of :mod:`rectifier.ops.words`.
        parameters: how many numbers it takes besides x, to be given with each call; or those
            numbers themselves; or GATE for one that differs between the elements.
        digits: "short" for results that are rounded to float32, "long" for float64.
        slope: a second function of the same arguments, defined as ``f.slope`` (and
            ``anywhere.slope``); ``near`` is then about both.

    Returns:
        The text, and whether it has those two.

    Raises:
        TypeError: the function uses a word that is not said of single numbers.
    """
    module = ir.Module("rule")
    kind = ShortNumber if digits == "short" else Number
    functions = [function] if slope is None else [function, slope]
    names = ["", ".slope"][: len(functions)]
    near = [
        bool(_define(module, f"f{name}", [one], parameters, kind, False).near)
        for name, one in zip(names, functions, strict=True)
    ]
    if any(near):
        for name, one in zip(names, functions, strict=True):
            _define(module, f"anywhere{name}", [one], parameters, kind, True)
        _define(module, "near", functions, parameters, kind, False)
    return _text(module), any(near)


def written_in_float32(
    function: Callable[..., Any], parameters: int | tuple[float, ...]
) -> str | None:
    """Like :func:`written`, ``float @f(float x, float zero)``; None where float64 may give another
    result, or has to be told the parameters."""
    module = ir.Module("rule")
    if isinstance(parameters, int) and parameters:
        return None
    try:
        _define(module, "f", [function], parameters, FloatNumber, False)
    except Inexact:
        return None
    return _text(module)


def _text(module: ir.Module) -> str:
    # The module's head names no machine; the compiler sets it.
    lines = [line for line in str(module).splitlines() if not line.startswith(("target", ";"))]
    text = "\n".join(lines)
    for kind in ("double", "float", "i1"):
        text = text.replace(f"define {kind}", f"define internal {kind}")
    return text


def _define(
    module: ir.Module,
    name: str,
    functions: list[Callable[..., Any]],
    parameters: int | tuple[float, ...],
    kind: type[Number],
    everywhere: bool,
) -> Words:
    count = abs(parameters) if isinstance(parameters, int) else 0
    result = TRUTH if name == "near" else kind.KIND
    signature = ir.FunctionType(result, [kind.KIND, *[DOUBLE] * count, kind.KIND])
    defined = ir.Function(module, signature, name)
    defined.attributes.add("alwaysinline")
    builder = ir.IRBuilder(defined.append_basic_block())
    x, *values, zero = (kind(builder, argument) for argument in defined.args)
    if not isinstance(parameters, int):
        values = [x.new(x.of(p)) for p in parameters]
    for value in values:
        value.fixed = parameters != GATE
    words = Words(x, zero, kind is Number, everywhere)
    vocabulary = {word: getattr(words, word) for word in SAID}
    results = [words.number(speak(one, vocabulary)(x, *values)) for one in functions]
    if name == "near":
        trusted = words.near[0]
        for condition in words.near[1:]:
            trusted = trusted & condition
        builder.ret(trusted.value)
    else:
        builder.ret(results[0].value)
    return words


__all__ = ["GATE", "NAME", "SAID", "Words", "written", "written_in_float32"]
