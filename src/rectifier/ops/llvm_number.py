"""A float64 that does not exist yet: arithmetic on it writes instructions of LLVM.

Code that is run once with such numbers becomes straight machine code without a branch, which is
what a compiler needs to do eight of them at a time.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

from llvmlite import ir

DOUBLE = ir.DoubleType()
INTEGER = ir.IntType(64)
TRUTH = ir.IntType(1)
SIGN = 1 << 63


class Truth:
    """A condition: the outcome of a comparison of :class:`Number`."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    def _of(self, other: Truth | bool) -> ir.Value:
        return other.value if isinstance(other, Truth) else ir.Constant(TRUTH, int(other))

    def __and__(self, other: Truth | bool) -> Truth:
        return Truth(self.builder, self.builder.and_(self.value, self._of(other)))

    def __or__(self, other: Truth | bool) -> Truth:
        return Truth(self.builder, self.builder.or_(self.value, self._of(other)))

    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> Truth:
        return Truth(self.builder, self.builder.not_(self.value))

    def __bool__(self) -> bool:
        raise TypeError("a formula cannot branch on its argument; use where()")


class Number:
    """A float64 of the compiled code, with Python's arithmetic and comparisons.

    It remembers of itself what spares work elsewhere:

    * ``opposite``: the number that this is the negative of;
    * ``ratio``: the two whose quotient it is;
    * ``positive``: that it is known to be 0 or above, or NaN; ``unit``: also at most 1;
    * ``fixed``: that it is the same for all elements: a parameter, or made of those.
    """

    __slots__ = ("builder", "fixed", "opposite", "positive", "ratio", "unit", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value, fixed: bool = False) -> None:
        self.builder = builder
        self.value = value
        self.fixed = fixed
        self.opposite: Number | None = None
        self.ratio: tuple[Any, Any] | None = None
        self.positive = False
        self.unit = False

    def of(self, other: Any) -> ir.Value:
        """``other``, a number of any kind, as a value of LLVM."""
        return other.value if isinstance(other, Number) else ir.Constant(DOUBLE, float(other))

    def new(self, value: ir.Value, *others: Any) -> Number:
        """A number made of this one and ``others``."""
        fixed = self.fixed and all(o.fixed for o in others if isinstance(o, Number))
        return type(self)(self.builder, value, fixed)

    def __add__(self, other: Any) -> Number:
        return self.new(self.builder.fadd(self.value, self.of(other)), other)

    def __radd__(self, other: Any) -> Number:
        return self.new(self.builder.fadd(self.of(other), self.value), other)

    def __sub__(self, other: Any) -> Number:
        return self.new(self.builder.fsub(self.value, self.of(other)), other)

    def __rsub__(self, other: Any) -> Number:
        return self.new(self.builder.fsub(self.of(other), self.value), other)

    def __mul__(self, other: Any) -> Number:
        return self.new(self.builder.fmul(self.value, self.of(other)), other)

    def __rmul__(self, other: Any) -> Number:
        return self.new(self.builder.fmul(self.of(other), self.value), other)

    def __truediv__(self, other: Any) -> Number:
        return self._quotient(self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return self._quotient(other, self)

    def _quotient(self, above: Any, below: Any) -> Number:
        result = self.new(self.builder.fdiv(self.of(above), self.of(below)), above, below)
        result.ratio = above, below
        return result

    def __pow__(self, exponent: Any) -> Number:
        if not isinstance(exponent, Number):
            if exponent == 0.5:
                return self.intrinsic("llvm.sqrt", self)
            if float(exponent).is_integer() and abs(exponent) <= 16:
                return self._whole_power(int(exponent))
        return self.intrinsic("llvm.pow", self, exponent)

    def __rpow__(self, base: Any) -> Number:
        return self.intrinsic("llvm.pow", base, self)

    def _whole_power(self, exponent: int) -> Number:
        if exponent < 0:
            return 1.0 / self._whole_power(-exponent)
        factors, square = [], self
        for bit in reversed(f"{exponent:b}"):
            if bit == "1":
                factors.append(square)
            square = square * square
        return functools.reduce(operator.mul, factors, self.new(self.of(1.0)))

    def __neg__(self) -> Number:
        result = self.new(self.builder.fneg(self.value))
        result.opposite = self
        return result

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        result = self.intrinsic("llvm.fabs", self)
        result.positive = True
        return result

    def compare(self, sign: str, other: Any, unordered: bool = False) -> Truth:
        """A comparison; ``unordered``: that also holds where either is NaN."""
        kind = self.builder.fcmp_unordered if unordered else self.builder.fcmp_ordered
        return Truth(self.builder, kind(sign, self.value, self.of(other)))

    def __lt__(self, other: Any) -> Truth:
        return self.compare("<", other)

    def __le__(self, other: Any) -> Truth:
        return self.compare("<=", other)

    def __gt__(self, other: Any) -> Truth:
        return self.compare(">", other)

    def __ge__(self, other: Any) -> Truth:
        return self.compare(">=", other)

    def __eq__(self, other: Any) -> Truth:  # type: ignore[override]
        return self.compare("==", other)

    def __ne__(self, other: Any) -> Truth:  # type: ignore[override]
        return self.compare("!=", other, unordered=True)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("a formula cannot branch on its argument; use where()")

    def intrinsic(self, name: str, *arguments: Any) -> Number:
        """What LLVM does by itself, such as ``llvm.sqrt``, of float64 arguments."""
        types = [DOUBLE] * len(arguments)
        function = self.builder.module.declare_intrinsic(
            name, [DOUBLE], ir.FunctionType(DOUBLE, types)
        )
        return self.new(self.builder.call(function, [self.of(a) for a in arguments]), *arguments)

    def bits(self) -> Bits:
        """The 64 bits that stand for it."""
        return Bits(self.builder, self.builder.bitcast(self.value, INTEGER), type(self))


class ShortNumber(Number):
    """One whose result is rounded to float32: it divides by what is fixed through the reciprocal.

    A division of eight numbers takes as long as 16 to 30 other operations.
    """

    __slots__ = ()

    def _quotient(self, above: Any, below: Any) -> Number:
        varies = isinstance(above, Number) and not above.fixed
        if isinstance(below, Number):
            worthwhile = varies and below.fixed
        else:  # a reciprocal that is subnormal or infinite would lose digits
            worthwhile = varies and 1e-300 < abs(below) < 1e300
        return above * (1.0 / below) if worthwhile else super()._quotient(above, below)


class Bits:
    """64 bits: those of a float, or a whole number to build one from."""

    __slots__ = ("builder", "kind", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value, kind: type[Number]) -> None:
        self.builder = builder
        self.value = value
        self.kind = kind  # of the floats it is taken from and given back as

    def _new(self, value: ir.Value) -> Bits:
        return Bits(self.builder, value, self.kind)

    def _of(self, other: Any) -> ir.Value:
        return other.value if isinstance(other, Bits) else ir.Constant(INTEGER, int(other))

    def __add__(self, other: Any) -> Bits:
        return self._new(self.builder.add(self.value, self._of(other)))

    def __sub__(self, other: Any) -> Bits:
        return self._new(self.builder.sub(self.value, self._of(other)))

    def __rsub__(self, other: Any) -> Bits:
        return self._new(self.builder.sub(self._of(other), self.value))

    def __and__(self, other: Any) -> Bits:
        return self._new(self.builder.and_(self.value, self._of(other)))

    def __xor__(self, other: Any) -> Bits:
        return self._new(self.builder.xor(self.value, self._of(other)))

    def __lshift__(self, count: int) -> Bits:
        return self._new(self.builder.shl(self.value, self._of(count)))

    def __rshift__(self, count: int) -> Bits:
        """Zeros come in from the left."""
        return self._new(self.builder.lshr(self.value, self._of(count)))

    def is_zero(self) -> Truth:
        return Truth(self.builder, self.builder.icmp_signed("==", self.value, self._of(0)))

    def number(self) -> Number:
        """The float64 that these bits stand for."""
        return self.kind(self.builder, self.builder.bitcast(self.value, DOUBLE))
