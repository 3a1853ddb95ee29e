"""LLVM's words: formulas as machine code, for the loops of :mod:`rectifier.kernels`.

The numbers are float64; where float32 comes out in the end, ``digits="short"`` spares those that
its rounding would drop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from rectifier.ops.gaussian import Gaussian
from rectifier.ops.llvm_number import DOUBLE, SIGN, TRUTH, Number, ShortNumber, Truth
from rectifier.ops.rule import speak

NAME = "llvm"


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
        return self.where(first, x, y)

    def product(self, x: Any, y: Any) -> Number:
        x, y = self.number(x), self.number(y)
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
            numbers themselves.
        digits: "short" for results that are rounded to float32, "long" for float64.
        slope: a second function of the same arguments, defined as ``f.slope`` (and
            ``anywhere.slope``); ``near`` is then about both.

    Returns:
        The text, and whether it has those two.

    Raises:
        TypeError: the function uses a word that is not said of single numbers.
    """
    module = ir.Module("rule")
    functions = [function] if slope is None else [function, slope]
    names = ["", ".slope"][: len(functions)]
    near = [
        bool(_define(module, f"f{name}", [one], parameters, digits, False).near)
        for name, one in zip(names, functions, strict=True)
    ]
    if any(near):
        for name, one in zip(names, functions, strict=True):
            _define(module, f"anywhere{name}", [one], parameters, digits, True)
        _define(module, "near", functions, parameters, digits, False)
    # The module's head names no machine; the compiler sets it.
    lines = [line for line in str(module).splitlines() if not line.startswith(("target", ";"))]
    text = "\n".join(lines).replace("define double", "define internal double")
    return text.replace("define i1", "define internal i1"), any(near)


def _define(
    module: ir.Module,
    name: str,
    functions: list[Callable[..., Any]],
    parameters: int | tuple[float, ...],
    digits: str,
    everywhere: bool,
) -> Words:
    count = parameters if isinstance(parameters, int) else 0
    kind = ir.FunctionType(TRUTH if name == "near" else DOUBLE, [DOUBLE] * (2 + count))
    defined = ir.Function(module, kind, name)
    defined.attributes.add("alwaysinline")
    builder = ir.IRBuilder(defined.append_basic_block())
    kind_of_number = ShortNumber if digits == "short" else Number
    x, *values, zero = (kind_of_number(builder, argument) for argument in defined.args)
    if not isinstance(parameters, int):
        values = [kind_of_number(builder, ir.Constant(DOUBLE, float(p))) for p in parameters]
    for value in values:
        value.fixed = True
    words = Words(x, zero, digits, everywhere)
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


__all__ = ["NAME", "SAID", "Words", "written"]
