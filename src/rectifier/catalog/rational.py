"""A quotient of polynomials whose coefficients are learnt: the Padé activation unit."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rectifier.activation import Activation, Facts, Parameter
from rectifier.ops.words import (
    absolute,
    inf,
    ones_like,
    product,
    where,
    zeros_like,
)

# f = P / Q with P = a0 + a1 x + ... + a5 x^5 and Q = 1 + |S|, S = b1 x + ... + b4 x^4: the safe
# form of the paper, which has no pole. Beyond 1 both are divided by x^4 and written in y = 1/x.
#
# The defaults are the Padé approximant of x sigmoid(x) around 0, one of the paper's ways to begin
# (tests/catalog/test_sources.py has SymPy agree). The authors' code (ml-research/pau) begins with a
# fit of leaky ReLU, and its Q has |b_k x^k| one by one, which is the same for these b.
_A = (0.0, 1 / 2, 1 / 4, 3 / 56, 1 / 168, 1 / 3360)
_B = (0.0, 3 / 28, 0.0, 1 / 1680)


def _rational_formula(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    above = a0 + a1 * x + a2 * x**2 + a3 * x**3 + a4 * x**4 + a5 * x**5
    return above / (1 + absolute(b1 * x + b2 * x**2 + b3 * x**3 + b4 * x**4))


def _inside(x: Any) -> Any:
    """x within [-1, 1], the nearer end beyond."""
    return where(x > 1, ones_like(x), where(x < -1, -ones_like(x), x))


def _inverse(x: Any) -> Any:
    """1/x beyond 1, and 1 or -1 within."""
    return 1 / where(absolute(x) > 1, x, where(x < 0, -ones_like(x), ones_like(x)))


def _upright(s: Any) -> Any:
    """1 or -1: what |S| multiplies S by. Where S is 0 without changing sign, both of f's sides
    have 1, as S is positive next to it (b4 is)."""
    return where(s < 0, -ones_like(s), ones_like(s))


def _sum(x: Any, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    return x * (b1 + x * (b2 + x * (b3 + x * b4)))


def _far_sum(y: Any, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    """S / x^4."""
    return b4 + y * (b3 + y * (b2 + y * b1))


def _rational_value(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    z, y = _inside(x), _inverse(x)
    # Less 0 - a0 rather than plus a0: where that is 0, -0.0 stays as it is.
    near = z * (a1 + z * (a2 + z * (a3 + z * (a4 + z * a5)))) - (0.0 - a0)
    near = near / (1 + absolute(_sum(z, b1, b2, b3, b4)))
    far = product(x, a5 + zeros_like(x)) + (a4 + y * (a3 + y * (a2 + y * (a1 + y * a0))))
    far = far / (y * y * y * y + absolute(_far_sum(y, b1, b2, b3, b4)))
    return where(absolute(x) > 1, far, near)


def _rational_derivative(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    z, y = _inside(x), _inverse(x)
    s = _sum(z, b1, b2, b3, b4)
    below = 1 + absolute(s)
    p = a0 + z * (a1 + z * (a2 + z * (a3 + z * (a4 + z * a5))))
    slope = a1 + z * (2 * a2 + z * (3 * a3 + z * (4 * a4 + z * 5 * a5)))
    fall = _upright(s) * (b1 + z * (2 * b2 + z * (3 * b3 + z * 4 * b4)))
    near = (slope - p / below * fall) / below
    # f = x g(y), so f' = g - y g'
    far_s = _far_sum(y, b1, b2, b3, b4)
    far_below = y * y * y * y + absolute(far_s)
    g = a5 + y * (a4 + y * (a3 + y * (a2 + y * (a1 + y * a0))))
    g = g / far_below
    g_above = a4 + y * (2 * a3 + y * (3 * a2 + y * (4 * a1 + y * 5 * a0)))
    g_below = 4 * y * y * y + _upright(far_s) * (b3 + y * (2 * b2 + y * 3 * b1))
    far = g - y * ((g_above - g * g_below) / far_below)
    return where(absolute(x) > 1, far, near)


def _power(x: Any, exponent: int) -> Any:
    # products: not every vocabulary has ** of its numbers
    if exponent == 0:
        return ones_like(x)
    if exponent == 1:
        return x
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x
    return x * x * x * x


def _power_over_below(x: Any, power: int, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    """x^power / Q, for powers up to 4."""
    z, y = _inside(x), _inverse(x)
    near = _power(z, power) / (1 + absolute(_sum(z, b1, b2, b3, b4)))
    far = _power(y, 4 - power) / (y * y * y * y + absolute(_far_sum(y, b1, b2, b3, b4)))
    return where(absolute(x) > 1, far, near)


def _sign_of_sum(x: Any, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    near, far = _sum(_inside(x), b1, b2, b3, b4), _far_sum(_inverse(x), b1, b2, b3, b4)
    return _upright(where(absolute(x) > 1, far, near))


# Each with every coefficient by name: the compiler of GPU kernels (Triton) takes no *args.
def _by_a0(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    return _power_over_below(x, 0, b1, b2, b3, b4)


def _by_a1(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    return _power_over_below(x, 1, b1, b2, b3, b4)


def _by_a2(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    return _power_over_below(x, 2, b1, b2, b3, b4)


def _by_a3(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    return _power_over_below(x, 3, b1, b2, b3, b4)


def _by_a4(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    return _power_over_below(x, 4, b1, b2, b3, b4)


def _by_a5(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    return product(x, _power_over_below(x, 4, b1, b2, b3, b4))


def _by_b1(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    f = _rational_value(x, a0, a1, a2, a3, a4, a5, b1, b2, b3, b4)
    share = _power_over_below(x, 1, b1, b2, b3, b4) * _sign_of_sum(x, b1, b2, b3, b4)
    return -product(f, share)


def _by_b2(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    f = _rational_value(x, a0, a1, a2, a3, a4, a5, b1, b2, b3, b4)
    share = _power_over_below(x, 2, b1, b2, b3, b4) * _sign_of_sum(x, b1, b2, b3, b4)
    return -product(f, share)


def _by_b3(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    f = _rational_value(x, a0, a1, a2, a3, a4, a5, b1, b2, b3, b4)
    share = _power_over_below(x, 3, b1, b2, b3, b4) * _sign_of_sum(x, b1, b2, b3, b4)
    return -product(f, share)


def _by_b4(
    x: Any, a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, b1: Any, b2: Any, b3: Any, b4: Any
) -> Any:
    f = _rational_value(x, a0, a1, a2, a3, a4, a5, b1, b2, b3, b4)
    share = _power_over_below(x, 4, b1, b2, b3, b4) * _sign_of_sum(x, b1, b2, b3, b4)
    return -product(f, share)


@lru_cache(maxsize=1024)  # 3 ms each; a gallery with sliders asks for the same ones again
def _rational_facts(*coefficients: float) -> Facts:
    """From the roots of the polynomials that f' and f'' are made of, on either side of S = 0."""
    if coefficients == (*_A, *_B):
        return Facts(
            "non-linear",
            range=(-inf, inf),
            monotone=False,
            stationary=None,
            lipschitz=1.0997617875625371,
        )
    import numpy as np
    from numpy.polynomial import Polynomial

    above, s = Polynomial(coefficients[:6]), Polynomial((0.0, *coefficients[6:]))

    def real_roots(p: Any) -> list[float]:
        p = p.trim()
        found = p.roots() if p.degree() else np.array([])
        near_real = np.abs(found.imag) < 1e-7 * (1 + np.abs(found))
        return [float(x) + 0.0 for x in found.real[near_real]]

    def slope(x: Any, side: Any) -> Any:
        below = 1 + np.abs(s(x))
        return (above.deriv()(x) - above(x) / below * side * s.deriv()(x)) / below

    crossings = [x for x in real_roots(s) if s(x - 1e-4) * s(x + 1e-4) < 0]
    kinks = sorted(x for x in crossings if abs(above(x) * s.deriv()(x)) > 1e-9)
    turns, steep = [0.0, *kinks], [0.0]
    for side in (1.0, -1.0):
        below = 1 + side * s
        first = above.deriv() * below - above * below.deriv()
        second = first.deriv() * below - 2 * first * below.deriv()
        turns += [x for x in real_roots(first) if side * s(x) >= -1e-12]
        steep += [x for x in real_roots(second) if side * s(x) >= -1e-12]
    values = [float(v) for v in above(np.array(turns)) / (1 + np.abs(s(np.array(turns))))]
    slopes = [abs(float(slope(x, np.sign(s(x))))) for x in steep]
    slopes += [abs(float(slope(x, side))) for x in kinks for side in (-1.0, 1.0)]
    a4, a5, b4 = *coefficients[4:6], coefficients[9]
    slopes.append(abs(a5) / b4)  # far out
    end = a5 / b4 * inf if a5 else a4 / b4
    between = np.linspace(-40, 40, 1602)
    rise = slope(between, np.sign(s(between)))
    ends = (-end, end) if a5 else (end,)
    low, high = min(*values, *ends), max(*values, *ends)
    return Facts(
        "linear" if np.ptp(rise) == 0 else "non-linear",
        range=(low, high),
        attained=(low in values, high in values),
        monotone=bool(rise.min() >= -1e-12),
        stationary=None,
        convex=bool(np.diff(rise).min() >= -1e-12),
        smoothness=0 if kinks else 1 if crossings else inf,
        kinks=tuple(kinks),
        lipschitz=max(slopes),
        zero_centred=not np.any(above.coef[::2]) and not np.any(s.coef[1::2]),
    )


def _coefficient(name: str, default: float, slope: Any) -> Parameter:
    above = name.startswith("a")
    return Parameter(
        name,
        default,
        # The sign of S is free, so that of b4 may be fixed; above 0 there are limits at infinity.
        low=0.0 if name == "b4" else -inf,
        positive=name == "b4",
        meaning=f"of x^{name[1]} {'above' if above else 'below'} the line, learnt",
        symbol=f"{name[0]}_{name[1]}",
        neutral=None if name == "b4" else 0.0,
        learnable=True,
        derivative=slope,
    )


RATIONAL = Activation(
    "rational",
    formula=_rational_formula,
    value=_rational_value,
    derivative=_rational_derivative,
    parameters=(
        _coefficient("a0", _A[0], _by_a0),
        _coefficient("a1", _A[1], _by_a1),
        _coefficient("a2", _A[2], _by_a2),
        _coefficient("a3", _A[3], _by_a3),
        _coefficient("a4", _A[4], _by_a4),
        _coefficient("a5", _A[5], _by_a5),
        _coefficient("b1", _B[0], _by_b1),
        _coefficient("b2", _B[1], _by_b2),
        _coefficient("b3", _B[2], _by_b3),
        _coefficient("b4", _B[3], _by_b4),
    ),
    facts=_rational_facts,
    summary="A quotient of polynomials without a pole, its coefficients learnt; starts as SiLU.",
    paper="Molina, Schramowski and Kersting 2020, Padé activation units: end-to-end learning of "
    "flexible activation functions in deep networks (safe form)",
    aliases=("pade", "pau", "pade_activation_unit"),
)
