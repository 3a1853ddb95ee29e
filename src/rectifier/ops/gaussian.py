"""erf and the normal distribution on numbers of LLVM, with all their digits in the tail."""

from __future__ import annotations

from typing import Any

from rectifier.ops import coefficients
from rectifier.ops.elementary import Elementary
from rectifier.ops.llvm_number import Number

_ROOT_HALF = 0.7071067811865476
_ROOT_TWO = 1.4142135623730951
_FAR = 37.66  # whose bell is the first that is 0, see elementary._SHORT_ENDS
_POLE, _AFFINE = 5.0, 49 / 39  # see coefficients.NORMAL_TAIL


class Gaussian(Elementary):
    """What a bell curve and its area are made of."""

    def _bell(self, x: Number, half: float) -> Number:
        """exp(-half · x²), ``half`` a power of two. Rounding x² would cost x²/4 ulp."""
        square = x * x
        if not self._long:
            return self.exp(-half * square)
        rounded_off = self.fused(x, x, -square)
        # infinity less infinity is no tail
        tail = self.where(square < 1e4, -half * rounded_off, 0.0)
        return self.exp(-half * square, tail)

    def _tail(self, x: Number) -> Number:
        """P(z > x) of a standard normal z, for x >= 0, at most 40 (long) or _FAR."""
        if self._long:
            return self._bell(x, 0.5) * self._scaled_tail(x)
        # two ratios, one division
        power, c, r = self._exp_ratio(x * x, -0.5, coefficients.EXP_RATIO)
        above = (c + r) * self.polynomial(coefficients.NORMAL_TAIL_ABOVE, x)
        below = (c - r) * self.polynomial(coefficients.NORMAL_TAIL_BELOW, x)
        return power * above / below

    def _scaled_tail(self, x: Number) -> Number:
        """exp(x²/2) P(z > x), for 0 <= x <= 40; later it is 0 anyway."""
        w = 1.0 / (x + _POLE)
        v = self.fused(x, _AFFINE, -_POLE) * w
        return w * self.polynomial(coefficients.NORMAL_TAIL, v)

    def _erfc_of_size(self, x: Number) -> Number:
        if self._long:
            size = self._clamped(abs(x), 0.0, 28.0)  # where erfc is 0
            return self._bell(size, 1.0) * (2.0 * self._scaled_tail(_ROOT_TWO * size))
        return 2.0 * self._tail(self._clamped(_ROOT_TWO * abs(x), 0.0, _FAR))

    def erf(self, x: Any) -> Number:
        x = self.number(x)
        centre = x * self._fit(coefficients.ERF, x * x)
        far = self.with_sign(1.0 - self._erfc_of_size(x), x)
        return self.where(abs(x) < 1.0, centre, far)

    def erfc(self, x: Any) -> Number:
        x = self.number(x)
        tail = self._erfc_of_size(x)
        result = self.where(x < 0, 2.0 - tail, tail)
        if not self._long:
            return result
        # near 0 the tail is large, and so are its last digits
        centre = self.fused(-x, self._fit(coefficients.ERF, x * x), 1.0)
        return self.where(abs(x) < 0.5, centre, result)

    def normal_cdf(self, x: Any) -> Number:
        x = self.number(x)
        tail = self._tail(self._clamped(abs(x), 0.0, 40.0 if self._long else _FAR))
        area = self.where(x < 0, tail, 1.0 - tail)
        if not self._long:
            area.fades = x.value, -1
            return area.within(0.0, 1.0)
        u = _ROOT_HALF * x
        centre = self.fused(0.5 * u, self._fit(coefficients.ERF, u * u), 0.5)
        return self.where(abs(x) < 1.0, centre, area)

    def normal_density(self, x: Any) -> Number:
        return 0.3989422804014327 * self._bell(self.number(x), 0.5)  # 1 / sqrt(2 pi)
