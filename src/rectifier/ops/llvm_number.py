"""A float64 that does not exist yet: arithmetic on it writes instructions of LLVM.

Code that is run once with such numbers becomes straight machine code without a branch, which is
what a compiler needs to do eight of them at a time.
"""

from __future__ import annotations

import functools
import math
import operator
import struct
from typing import Any, ClassVar

from llvmlite import ir

DOUBLE, FLOAT = ir.DoubleType(), ir.FloatType()
INTEGER = ir.IntType(64)
TRUTH = ir.IntType(1)
SIGN = 1 << 63
_INFINITY = float("inf")
_MOST = 3.4028234663852886e38  # of float32
_FOLDED = {"fadd": operator.add, "fsub": operator.sub, "fmul": operator.mul}


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
    * ``low``, ``high``: what it is known to lie between, if it is not NaN;
    * ``fades``: a number and -1 or 1, if it is 0 only where that number goes to that infinity;
    * ``fixed``: that it is the same for all elements: a parameter, or made of those. Of such no
      bounds are known, so that code for given parameters and code for any is the same.
    """

    __slots__ = ("builder", "fades", "fixed", "high", "low", "opposite", "ratio", "value")
    KIND: ClassVar[ir.Type] = DOUBLE

    def __init__(self, builder: ir.IRBuilder, value: ir.Value, fixed: bool = False) -> None:
        self.builder = builder
        self.value = value
        self.fixed = fixed
        self.opposite: Number | None = None
        self.ratio: tuple[Any, Any] | None = None
        self.low, self.high = -_INFINITY, _INFINITY
        self.fades: tuple[ir.Value, int] | None = None

    def of(self, other: Any) -> ir.Value:
        """``other``, a number of any kind, as a value of LLVM."""
        return other.value if isinstance(other, Number) else ir.Constant(self.KIND, float(other))

    def new(self, value: ir.Value, *others: Any) -> Number:
        """A number made of this one and ``others``."""
        fixed = self.fixed and all(o.fixed for o in others if isinstance(o, Number))
        return type(self)(self.builder, value, fixed)

    def within(self, low: float, high: float) -> Number:
        """This number, of which these bounds are known; NaN is none."""
        self.low = low if low == low else -_INFINITY
        self.high = high if high == high else _INFINITY
        return self

    def _bounds(self, other: Any) -> tuple[float, float]:
        if isinstance(other, Number):
            return other.low, other.high
        return float(other), float(other)

    def _made(self, name: str, x: Any, y: Any) -> Number:
        """What an instruction makes of two numbers; of two constants, what Python makes of them."""
        first, second = self.of(x), self.of(y)
        if isinstance(first, ir.Constant) and isinstance(second, ir.Constant):
            return self.new(self.of(_FOLDED[name](first.constant, second.constant)), x, y)
        return self.new(getattr(self.builder, name)(first, second), x, y)

    def _sum(self, x: Any, y: Any) -> Number:
        (low, high), (other_low, other_high) = self._bounds(x), self._bounds(y)
        return self._made("fadd", x, y).within(low + other_low, high + other_high)

    def _difference(self, x: Any, y: Any) -> Number:
        (low, high), (other_low, other_high) = self._bounds(x), self._bounds(y)
        return self._made("fsub", x, y).within(low - other_high, high - other_low)

    def _product(self, x: Any, y: Any) -> Number:
        result = self._made("fmul", x, y)
        (low, high), (other_low, other_high) = self._bounds(x), self._bounds(y)
        corners = [a * b for a in (low, high) for b in (other_low, other_high)]
        known = all(corner == corner for corner in corners)
        return result.within(min(corners), max(corners)) if known else result

    def __add__(self, other: Any) -> Number:
        return self._sum(self, other)

    def __radd__(self, other: Any) -> Number:
        return self._sum(other, self)

    def __sub__(self, other: Any) -> Number:
        return self._difference(self, other)

    def __rsub__(self, other: Any) -> Number:
        return self._difference(other, self)

    def __mul__(self, other: Any) -> Number:
        return self._product(self, other)

    def __rmul__(self, other: Any) -> Number:
        return self._product(other, self)

    def __truediv__(self, other: Any) -> Number:
        return self._quotient(self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return self._quotient(other, self)

    def _quotient(self, above: Any, below: Any) -> Number:
        result = self.new(self.builder.fdiv(self.of(above), self.of(below)), above, below)
        result.ratio = above, below
        (low, high), (least, most) = self._bounds(above), self._bounds(below)
        return result.within(low / most, high / least) if low >= 0 and least > 0 else result

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
        result = self.new(self.builder.fneg(self.value)).within(-self.high, -self.low)
        result.opposite = self
        return result

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return self.intrinsic("llvm.fabs", self).within(0.0, _INFINITY)

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

    def fused(self, x: Any, y: Any, z: Any) -> Number:
        """x·y + z, rounded once."""
        return self.new(self.builder.fma(self.of(x), self.of(y), self.of(z)))

    def intrinsic(self, name: str, *arguments: Any) -> Number:
        """What LLVM does by itself, such as ``llvm.sqrt``, of float64 arguments."""
        types = [self.KIND] * len(arguments)
        function = self.builder.module.declare_intrinsic(
            name, [self.KIND], ir.FunctionType(self.KIND, types)
        )
        return self.new(self.builder.call(function, [self.of(a) for a in arguments]), *arguments)

    def bits(self) -> Bits:
        """The 64 bits that stand for it."""
        return Bits(self.builder, self.builder.bitcast(self.value, INTEGER), type(self))


class ShortNumber(Number):
    """One whose result is rounded to float32: it divides by what is fixed through the reciprocal.

    A division of eight numbers takes as long as 9 to 30 other operations. (By a reciprocal in
    float32 and a step of Newton's it takes longer: on a Zen 4 sigmoid went from 0.60 ns an element
    to 0.85, since the division is hidden behind the rest and its substitute is not.)
    """

    __slots__ = ()

    def _quotient(self, above: Any, below: Any) -> Number:
        varies = isinstance(above, Number) and not above.fixed
        if isinstance(below, Number):
            worthwhile = varies and below.fixed
        else:  # a reciprocal that is subnormal or infinite would lose digits
            worthwhile = varies and 1e-300 < abs(below) < 1e300
        return above * (1.0 / below) if worthwhile else super()._quotient(above, below)


class Inexact(Exception):
    """What was asked for is not the same in float32 as in float64, rounded once."""


class FloatNumber(Number):
    """A float32, of which only that can be asked which needs no more digits than it has.

    Choosing among numbers is of that kind, and so whole rectifiers are: sixteen of them fit where
    eight float64 do, and there is no widening and rounding.

    Raises:
        Inexact: by everything else.
    """

    __slots__ = ()
    KIND: ClassVar[ir.Type] = FLOAT

    def of(self, other: Any) -> ir.Value:
        if isinstance(other, Number):
            return other.value
        number = float(other)
        if math.isfinite(number) and (abs(number) > _MOST or _in_float32(number) != number):
            raise Inexact(number)
        return ir.Constant(FLOAT, number)

    def _made(self, name: str, x: Any, y: Any) -> Number:
        constants = [v.constant for v in (self.of(x), self.of(y)) if isinstance(v, ir.Constant)]
        harmless = (0.0, 1.0, -1.0) if name == "fmul" else (0.0,)
        if len(constants) < 2 and not any(c in harmless for c in constants):
            raise Inexact(name)
        return super()._made(name, x, y)

    def _quotient(self, above: Any, below: Any) -> Number:
        raise Inexact("fdiv")

    def fused(self, x: Any, y: Any, z: Any) -> Number:
        raise Inexact("fma")

    def intrinsic(self, name: str, *arguments: Any) -> Number:
        if name not in ("llvm.fabs", "llvm.copysign"):
            raise Inexact(name)
        return super().intrinsic(name, *arguments)

    def bits(self) -> Bits:
        raise Inexact("bits")


def _in_float32(number: float) -> float:
    rounded: float = struct.unpack("f", struct.pack("f", number))[0]
    return rounded


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
