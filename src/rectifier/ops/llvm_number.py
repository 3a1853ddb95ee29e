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


class Truth:
    """A condition: the outcome of a comparison of :class:`Number`."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    def __and__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.and_(self.value, other.value))

    def __or__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.or_(self.value, other.value))

    def __invert__(self) -> Truth:
        return Truth(self.builder, self.builder.not_(self.value))

    def __bool__(self) -> bool:
        raise TypeError("a formula cannot branch on its argument; use where()")


class Number:
    """A float64 of the compiled code, with Python's arithmetic and comparisons."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    def of(self, other: Any) -> ir.Value:
        """``other``, a number of any kind, as a value of LLVM."""
        return other.value if isinstance(other, Number) else ir.Constant(DOUBLE, float(other))

    def new(self, value: ir.Value) -> Number:
        return Number(self.builder, value)

    def __add__(self, other: Any) -> Number:
        return self.new(self.builder.fadd(self.value, self.of(other)))

    def __radd__(self, other: Any) -> Number:
        return self.new(self.builder.fadd(self.of(other), self.value))

    def __sub__(self, other: Any) -> Number:
        return self.new(self.builder.fsub(self.value, self.of(other)))

    def __rsub__(self, other: Any) -> Number:
        return self.new(self.builder.fsub(self.of(other), self.value))

    def __mul__(self, other: Any) -> Number:
        return self.new(self.builder.fmul(self.value, self.of(other)))

    def __rmul__(self, other: Any) -> Number:
        return self.new(self.builder.fmul(self.of(other), self.value))

    def __truediv__(self, other: Any) -> Number:
        return self.new(self.builder.fdiv(self.value, self.of(other)))

    def __rtruediv__(self, other: Any) -> Number:
        return self.new(self.builder.fdiv(self.of(other), self.value))

    def __pow__(self, exponent: Any) -> Number:
        if not isinstance(exponent, Number):
            if exponent == 0.5:
                return self.intrinsic("llvm.sqrt", self)
            if exponent == int(exponent) and abs(exponent) <= 16:
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
        return self.new(self.builder.fneg(self.value))

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return self.intrinsic("llvm.fabs", self)

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
        return self.new(self.builder.call(function, [self.of(a) for a in arguments]))

    def bits(self) -> Bits:
        """The 64 bits that stand for it."""
        return Bits(self.builder, self.builder.bitcast(self.value, INTEGER))


class Bits:
    """64 bits: those of a float, or a whole number to build one from."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    def _of(self, other: Any) -> ir.Value:
        return other.value if isinstance(other, Bits) else ir.Constant(INTEGER, int(other))

    def __add__(self, other: Any) -> Bits:
        return Bits(self.builder, self.builder.add(self.value, self._of(other)))

    def __sub__(self, other: Any) -> Bits:
        return Bits(self.builder, self.builder.sub(self.value, self._of(other)))

    def __rsub__(self, other: Any) -> Bits:
        return Bits(self.builder, self.builder.sub(self._of(other), self.value))

    def __and__(self, other: Any) -> Bits:
        return Bits(self.builder, self.builder.and_(self.value, self._of(other)))

    def __xor__(self, other: Any) -> Bits:
        return Bits(self.builder, self.builder.xor(self.value, self._of(other)))

    def __lshift__(self, count: int) -> Bits:
        return Bits(self.builder, self.builder.shl(self.value, self._of(count)))

    def __rshift__(self, count: int) -> Bits:
        """Zeros come in from the left."""
        return Bits(self.builder, self.builder.lshr(self.value, self._of(count)))

    def is_zero(self) -> Truth:
        return Truth(self.builder, self.builder.icmp_signed("==", self.value, self._of(0)))

    def number(self) -> Number:
        """The float64 that these bits stand for."""
        return Number(self.builder, self.builder.bitcast(self.value, DOUBLE))
