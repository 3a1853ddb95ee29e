"""exp, log, sin and their kin on numbers of LLVM: polynomials without a branch.

A compiler does not vectorise calls to the C library; it does vectorise these. ``digits`` says
which coefficients are taken: "short" where the result is rounded to float32 anyway, "long" where
float64 has to come out right (at most 2 ulp each).

Every step leans on fused multiply-adds, which round once: ``x - k·log(2)`` is exact that way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from rectifier.ops import coefficients
from rectifier.ops.llvm_number import Bits, Number, Truth

_INFINITY = float("inf")
_NAN = float("nan")
_MANTISSA = 52
_BIAS = 1023
# Added to a small number it leaves the nearest whole one in the last bits of the sum.
_ROUNDER = 1.5 * 2.0**_MANTISSA
_ROUNDER_BITS = 0x4338000000000000

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471805599453, 2.3190468138462996e-17
_LN2_EVEN, _LN2_REST = 0.6931471803691238, 1.9082149292705877e-10  # the first times k is exact
_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
# Up to here three steps of k·π/2 leave the remainder exact; libm does what lies beyond.
_PHASE = 1e9
# The first gives the exponent 0, which stands for zero, the second 2047, which is infinity.
_SHORT_ENDS = -709.2, 710.0
_LARGEST = 709.0  # whose exponential is finite


class Elementary:
    """The words of :mod:`rectifier.ops.words` that are single functions of one number."""

    def __init__(self, number: Number, zero: Number, long: bool, everywhere: bool = False) -> None:
        """
        Args:
            number: any, for its builder.
            zero: 0.0, which the compiler must not know to be 0.0; see :meth:`where`.
            long: whether float64 has to come out right, rather than float32.
            everywhere: with the slow ways for arguments that the fast ones cannot take.
        """
        self._any = number
        self._zero = zero
        self._long = long
        self._everywhere = everywhere
        self._sigmoids: dict[ir.Value, Number] = {}  # 1 - s, by the argument of s
        self.near: list[Truth] = []  # where the fast ways hold

    # -- primitives ---------------------------------------------------------------------------

    def number(self, x: Any) -> Number:
        if isinstance(x, Number):
            return x
        return self._any.new(self._any.of(x)).within(float(x), float(x))

    def where(self, condition: Truth | bool, x: Any, y: Any) -> Number:
        x, y = self.number(x), self.number(y)
        if isinstance(condition, bool):  # of two plain numbers
            return x if condition else y
        if x.ratio is not None and y.ratio is not None:  # one division instead of two
            (above, below), (other_above, other_below) = x.ratio, y.ratio
            chosen = self.where(condition, above, other_above)
            return chosen / self.where(condition, below, other_below)
        # LLVM 22 takes x > 0 ? 0 : x for a minimum, whose zeros are all alike to it, where x was
        # a float32, and makes 0.0 of -0.0. It does not with a zero that it cannot see.
        constant = x.value.constant if isinstance(x.value, ir.Constant) else None
        first = self._zero if constant == 0 else x
        builder = self._any.builder
        chosen = self._any.new(builder.select(condition.value, first.value, y.value))
        return chosen.within(min(x.low, y.low), max(x.high, y.high))

    def absolute(self, x: Any) -> Number:
        return abs(self.number(x))

    def sqrt(self, x: Any) -> Number:
        return self._any.intrinsic("llvm.sqrt", x)

    def fused(self, x: Any, y: Any, z: Any) -> Number:
        """x·y + z, rounded once."""
        return self._any.fused(x, y, z)

    def with_sign(self, size: Any, sign: Any) -> Number:
        """The size of one number, the sign of another."""
        return self._any.intrinsic("llvm.copysign", size, sign)

    def polynomial(self, powers: Sequence[float], x: Number) -> Number:
        """Sum of powers[i]·x^i. In halves where it is long: one term waits for the other, and a
        processor has only so many instructions to choose from meanwhile."""
        if len(powers) < 6 or (self._long and len(powers) > 12):  # the halves cost an ulp there
            *lower, highest = powers
            result = x + lower.pop() if highest == 1 else self.number(highest)
            for coefficient in reversed(lower):
                result = self.fused(result, x, coefficient)
            return result
        square = x * x
        odd = self.polynomial(powers[1::2], square)
        return self.fused(odd, x, self.polynomial(powers[::2], square))

    def _fit(self, pair: tuple[Sequence[float], Sequence[float]], x: Number) -> Number:
        return self.polynomial(pair[self._long], x)

    def _clamped(self, x: Number, low: float, high: float) -> Number:
        """``x`` within [low, high]; NaN stays."""
        least, most = max(x.low, low), min(x.high, high)
        if x.low < low:
            x = self.where(x < low, low, x)
        if x.high > high:
            x = self.where(x > high, high, x)
        return x if (x.low, x.high) == (least, most) else self._any.new(x.value).within(least, most)

    # -- exponentials -------------------------------------------------------------------------

    def _reduced(self, x: Number, bias: int) -> tuple[Bits, Number]:
        """k + bias in the last bits of a word, and r: x = k·log(2) + r, |r| <= log(2) / 2."""
        shifted = self.fused(x, _LOG2_E, _ROUNDER + bias)
        k = shifted - (_ROUNDER + bias)
        r = self.fused(k, -_LN2_HIGH, x)
        if self._long:  # else 2e-14 of r is lost at most
            r = self.fused(k, -_LN2_LOW, r)
        return shifted.bits(), r

    def exp(self, x: Any, tail: Any = 0.0) -> Number:
        """e^(x + tail), for a tail that is small beside x's ulp."""
        x = self.number(x)
        result = self._exp_long(x, tail) if self._long else self._exp_short(x)
        return result.within(0.0, math.exp(x.high) if x.high < _LARGEST else _INFINITY)

    def _exp_short(self, x: Number) -> Number:
        k, r = self._reduced(self._clamped(x, *_SHORT_ENDS), _BIAS)
        return self.polynomial(coefficients.EXP, r) * (k << _MANTISSA).number()

    def _exp_ratio(
        self, x: Number, factor: float, powers: Sequence[float]
    ) -> tuple[Number, Number, Number]:
        """2^k, c and r with e^(factor · x) = 2^k (c + r) / (c - r), for those who divide anyway.

        With r of that exponent c is r coth(r / 2), an even function, which takes half the steps of
        an exponential's polynomial. Here both are divided by ``factor``, a power of two or less
        one: so there is no product of that with ``x``.
        """
        low, high = sorted(end / factor for end in _SHORT_ENDS)
        x = self._clamped(x, low, high)
        shifted = self.fused(x, _LOG2_E * factor, _ROUNDER + _BIAS)
        r = self.fused(shifted - (_ROUNDER + _BIAS), -_LN2_HIGH / factor, x)
        scaled = [power * factor ** (2 * i - 1) for i, power in enumerate(powers)]
        return (shifted.bits() << _MANTISSA).number(), self.polynomial(scaled, r * r), r

    def _exp_long(self, x: Number, tail: Any) -> Number:
        k, r = self._reduced(self._clamped(x, -746.0, 710.0), 2048)
        r = r + tail
        y = self.fused(r * r, self.polynomial(coefficients.EXP_REST, r), r) + 1.0
        # 2^k as two factors, so that subnormal results are rounded only once
        k = k - _ROUNDER_BITS
        half = k >> 1
        first = ((half - 1) << _MANTISSA).number()
        return y * first * ((k - half - 1) << _MANTISSA).number()

    def expm1(self, x: Any) -> Number:
        x = self.number(x)
        # half of 2^k, which is finite where 2^k is not; below -37 the result is -1
        k, r = self._reduced(self._clamped(x, -50.0, 710.0), _BIAS - 1)
        half = (k << _MANTISSA).number()
        if not self._long:
            p = r * self.polynomial(coefficients.EXPM1, r)
            return self.with_sign(2.0 * self.fused(half, p, half - 0.5), x)  # for -0.0
        p = self.fused(r * r, self.polynomial(coefficients.EXP_REST, r), r)
        result = 2.0 * self.fused(half, p, half - 0.5)
        tiny = abs(x) < 2.0**-54  # -0.0 and subnormal numbers among them
        return self.where(tiny, x, result)

    def sigmoid(self, x: Any) -> Number:
        x = self.number(x)
        if self._long:
            decay = self.exp(-abs(x))
            return self.where(x < 0, decay, 1.0) / (1.0 + decay)
        if x.opposite is not None and x.opposite.value in self._sigmoids:
            return self._sigmoids[x.opposite.value]
        power, c, r = self._exp_ratio(x, -1.0, coefficients.EXP_RATIO)
        above, below = c + r, c - r
        total = self.fused(power, above, below)  # infinity gives 0
        opposite = self.where(x < -50.0, 1.0, power * above / total)  # infinities make no quotient
        self._sigmoids[x.value] = opposite.within(0.0, 1.0)
        result = (below / total).within(0.0, 1.0)
        result.fades = x.value, -1
        return result

    def tanh(self, x: Any) -> Number:
        x = self.number(x)
        if self._long:
            fall = self.expm1(-2.0 * abs(x))
            return self.with_sign(fall / (2.0 + fall), x)
        size = self._clamped(abs(x), 0.0, 20.0)  # where tanh is 1
        # (1 - e) / (1 + e) with e^(-2|x|) = p (c + r) / (c - r); near 0 it is -r / c
        power, c, r = self._exp_ratio(size, -2.0, coefficients.TANH_RATIO)
        more, less = 1.0 + power, 1.0 - power
        above = self.fused(-r, more, c * less)
        return self.with_sign(above / self.fused(-r, less, c * more), x)

    # -- logarithms ---------------------------------------------------------------------------

    def _split(self, x: Number) -> tuple[Number, Number, Bits]:
        """x = 2^k (1 + f) with 1 + f in [√½, √2]: k, f and k in an exponent's place; for positive
        normal x."""
        bits = x.bits()
        moved = bits - (_ROOT_HALF_BITS - (_BIAS << _MANTISSA))
        k = ((moved >> _MANTISSA) + (_ROUNDER_BITS - _BIAS)).number() - _ROUNDER
        exponent = (moved & (0xFFF << _MANTISSA)) - (_BIAS << _MANTISSA)
        return k, (bits - exponent).number() - 1.0, exponent

    def _log_of_product(self, k: Number, f: Number) -> Number:
        """log(2^k (1 + f))."""
        s = f / (2.0 + f)
        z = s * s
        r = self._fit(coefficients.LOG, z)
        if not self._long:
            return self.fused(k, _LN2_HIGH, self.fused(-s, self.fused(-z, r, f), f))
        half_square = 0.5 * f * f
        # log(1 + f) = f - (f²/2 - s (f²/2 + z r)): only small terms are rounded
        small = self.fused(s, self.fused(z, r, half_square), k * _LN2_REST)
        return self.fused(k, _LN2_EVEN, f - (half_square - small))

    def log(self, x: Any) -> Number:
        x = self.number(x)
        subnormal = x < 2.0**-1022
        k, f, _ = self._split(self.where(subnormal, x * 2.0**54, x))
        result = self._log_of_product(self.where(subnormal, k - 54.0, k), f)
        result = self.where(x < _INFINITY, result, x)  # infinity and NaN
        return self.where(x <= 0, self.where(x == 0, -_INFINITY, _NAN), result)

    def log1p(self, x: Any) -> Number:
        x = self.number(x)
        if x.low >= 0 and x.high <= 1 and not self._long:
            s = x / (2.0 + x)
            return s * self.polynomial(coefficients.LOG1P_OF_UNIT, s * s)
        u = x + 1.0
        if self._long:
            more = x > 1.0
            lost = self.where(more, 1.0, x) - (u - self.where(more, x, 1.0))  # 1 + x = u + lost
        else:
            lost = x - (u - 1.0)  # above 1 it is less than the digits that count
        k, f, exponent = self._split(u)
        scale = ((_BIAS << _MANTISSA) - exponent).number()
        if self._long:  # from 2^1023.5 on these bits are no number; nothing is lost there
            scale = self.where(u < 2.0**1000, scale, 0.0)
        f = self.fused(lost, scale, f)
        result = self.with_sign(self._log_of_product(k, f), x)  # for -0.0
        result = self.where(x < _INFINITY, result, x)
        if x.low >= 0:
            return result
        return self.where(x <= -1.0, self.where(x == -1.0, -_INFINITY, _NAN), result)

    # -- circles ------------------------------------------------------------------------------

    def sin(self, x: Any) -> Number:
        return self._wave(self.number(x), 0, "llvm.sin")

    def cos(self, x: Any) -> Number:
        return self._wave(self.number(x), 1, "llvm.cos")

    def _wave(self, x: Number, quarters: int, libm: str) -> Number:
        """sin(x + quarters · π/2)."""
        near = self.where(abs(x) <= _PHASE, x, 0.0 * x)  # infinity gives NaN
        shifted = self.fused(near, 0.6366197723675814, _ROUNDER)
        k = shifted - _ROUNDER
        r = near
        for part in _HALF_PI if self._long else _HALF_PI[:2]:
            r = self.fused(k, -part, r)
        z = r * r
        sine = self.fused(z * r, self._fit(coefficients.SIN, z), r)
        cosine = self.fused(z * z, self._fit(coefficients.COS, z), 1.0 - 0.5 * z)
        turn = shifted.bits() + quarters
        size = self.where((turn & 1).is_zero(), sine, cosine)
        result = (size.bits() ^ ((turn & 2) << 62)).number()
        if quarters == 0:
            result = self.where(x == 0, x, result)  # -0.0
        far = abs(x) > _PHASE
        self.near.append(~far)
        return self.where(far, x.intrinsic(libm, x), result) if self._everywhere else result

    def arctan(self, x: Any) -> Number:
        x = self.number(x)
        size = abs(x)
        beyond = size > 1.0
        t = self.where(beyond, 1.0, size) / self.where(beyond, size, 1.0)
        z = t * t
        angle = self.fused(z * t, self._fit(coefficients.ARCTAN, z), t)
        angle = self.where(beyond, _HALF_PI[0] - (angle - _HALF_PI[1]), angle)
        return self.with_sign(angle, x)
