"""Learnt on both sides: a slope for each end, with corners between (SReLU) or a bend (ACON-C)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from rectifier.activation import Activation, Facts, Parameter
from rectifier.ops.words import exp, inf, isnan, ones_like, product, sigmoid, where, zeros_like


def _srelu_formula(x: Any, t_left: Any, a_left: Any, a_right: Any, t_right: Any) -> Any:
    inner = where(x > t_left, x, t_left + a_left * (x - t_left))
    return where(x < t_right, inner, t_right + a_right * (x - t_right))


def _srelu_value(x: Any, t_left: Any, a_left: Any, a_right: Any, t_right: Any) -> Any:
    # Less 0 - t rather than plus t: where t is 0 that leaves -0.0 as it is.
    left = product(x - t_left, a_left + zeros_like(x)) - (0.0 - t_left)
    right = product(x - t_right, a_right + zeros_like(x)) - (0.0 - t_right)
    return where(x < t_right, where(x > t_left, x, left), right)


def _srelu_derivative(x: Any, t_left: Any, a_left: Any, a_right: Any, t_right: Any) -> Any:
    left = where(isnan(x), x, a_left + zeros_like(x))
    right = where(isnan(x), x, a_right + zeros_like(x))
    return where(x < t_right, where(x > t_left, ones_like(x), left), right)


def _srelu_by_t_left(x: Any, t_left: Any, a_left: Any, a_right: Any, t_right: Any) -> Any:
    left = where(x > t_left, zeros_like(x), 1 - a_left + zeros_like(x))
    return where(x < t_right, left, where(isnan(x), x, zeros_like(x)))


def _srelu_by_a_left(x: Any, t_left: Any, a_left: Any, a_right: Any, t_right: Any) -> Any:
    left = where(x > t_left, zeros_like(x), x - t_left)
    return where(x < t_right, left, where(isnan(x), x, zeros_like(x)))


def _srelu_by_t_right(x: Any, t_left: Any, a_left: Any, a_right: Any, t_right: Any) -> Any:
    right = where(isnan(x), x, 1 - a_right + zeros_like(x))
    return where(x < t_right, zeros_like(x), right)


def _srelu_by_a_right(x: Any, t_left: Any, a_left: Any, a_right: Any, t_right: Any) -> Any:
    return where(x < t_right, zeros_like(x), x - t_right)


def _srelu_facts(t_left: float, a_left: float, a_right: float, t_right: float) -> Facts:
    kinks = () if a_left == 1 else (t_left,)
    if a_right != 1:
        kinks = (*kinks, t_right)
    if t_left == t_right and a_left == a_right:  # both at 0, and nothing changes there
        kinks = ()
    lows, highs = [t_left, t_right], [t_left, t_right]
    if a_left > 0:
        lows.append(-inf)
    if a_left < 0:
        highs.append(inf)
    if a_right > 0:
        highs.append(inf)
    if a_right < 0:
        lows.append(-inf)
    low, high = min(lows), max(highs)
    slopes = [a_left, a_right] if t_left == t_right else [a_left, 1.0, a_right]
    return Facts(
        "linear" if not kinks else "non-linear",
        range=(low, high),
        attained=(low > -inf, high < inf),
        monotone=min(slopes) >= 0,
        convex=slopes == sorted(slopes),
        smoothness=0 if kinks else inf,
        kinks=kinks,
        lipschitz=max(abs(slope) for slope in slopes),
        zero_centred=t_left == -t_right and a_left == a_right,
    )


# It starts as a leaky ReLU, which the paper freezes at first. keras-contrib's SReLU has t_left = 0
# and a_right = 1 as well, and draws a_left from U(0, 1) and t_right from U(0, 5).
SRELU = Activation(
    "srelu",
    formula=_srelu_formula,
    value=_srelu_value,
    derivative=_srelu_derivative,
    parameters=(
        Parameter(
            "t_left",
            0.0,
            high=0.0,
            meaning="where the left piece ends, learnt",
            symbol="t_l",
            learnable=True,
            derivative=_srelu_by_t_left,
        ),
        Parameter(
            "a_left",
            0.2,
            meaning="slope of the left piece, learnt",
            symbol="a_l",
            learnable=True,
            derivative=_srelu_by_a_left,
        ),
        Parameter(
            "a_right",
            1.0,
            meaning="slope of the right piece, learnt",
            symbol="a_r",
            learnable=True,
            derivative=_srelu_by_a_right,
        ),
        Parameter(
            "t_right",
            1.0,
            low=0.0,
            meaning="where the right piece begins, learnt",
            symbol="t_r",
            learnable=True,
            derivative=_srelu_by_t_right,
        ),
    ),
    facts=_srelu_facts,
    summary="Three lines of learnt slopes; starts as leaky ReLU, and may become S-shaped.",
    paper="Jin, Xu, Feng, Wei, Xiong and Yan 2016, Deep learning with S-shaped rectified linear "
    "activation units",
    aliases=("s_shaped_relu",),
)

# x sigmoid(x) has slopes from -0.0998... to 1.0998..., at -+2.3993...
_STEEPEST = 1.0998393201288669
_STEEPEST_AT = 2.3993572805154668
_FAR = 60.0  # where its slope is 0 or 1 to the last digit


def _acon_formula(x: Any, p1: Any, p2: Any, beta: Any) -> Any:
    return (p1 - p2) * x / (1 + exp(-beta * (p1 - p2) * x)) + p2 * x


def _argument(x: Any, p1: Any, p2: Any, beta: Any) -> Any:
    return product(x, beta * (p1 - p2) + zeros_like(x))


def _acon_value(x: Any, p1: Any, p2: Any, beta: Any) -> Any:
    u = _argument(x, p1, p2, beta)
    return product(x, p1 * sigmoid(u) + p2 * sigmoid(-u))


def _acon_derivative(x: Any, p1: Any, p2: Any, beta: Any) -> Any:
    u = _argument(x, p1, p2, beta)
    bend = product(u, sigmoid(u) * sigmoid(-u))
    return p1 * sigmoid(u) + p2 * sigmoid(-u) + (p1 - p2) * bend


def _acon_by_p1(x: Any, p1: Any, p2: Any, beta: Any) -> Any:
    u = _argument(x, p1, p2, beta)
    return product(x, product(sigmoid(u), 1 + product(u, sigmoid(-u))))


def _acon_by_p2(x: Any, p1: Any, p2: Any, beta: Any) -> Any:
    u = _argument(x, p1, p2, beta)
    return product(x, product(sigmoid(-u), 1 - product(u, sigmoid(u))))


def _acon_by_beta(x: Any, p1: Any, p2: Any, beta: Any) -> Any:
    u = _argument(x, p1, p2, beta)
    scaled = product(x, p1 - p2 + zeros_like(x))
    return product(scaled, product(scaled, sigmoid(u) * sigmoid(-u)))


def _silu(t: float) -> float:
    return t / (1 + math.exp(-t))


def _silu_slope(t: float) -> float:
    return (1 + t / (1 + math.exp(t))) / (1 + math.exp(-t))


def _turning_points(r: float) -> list[float]:
    """Where r t + silu(t) turns, on each of the three stretches of which silu' is monotone."""
    found = []
    ends = (-_FAR, -_STEEPEST_AT, _STEEPEST_AT, _FAR)
    for low, high in pairwise(ends):
        below, above = _silu_slope(low) + r, _silu_slope(high) + r
        if below * above >= 0:
            continue
        for _ in range(100):
            middle = (low + high) / 2
            if (_silu_slope(middle) + r) * below > 0:
                low = middle
            else:
                high = middle
        found.append(low)
    return found


def _acon_facts(p1: float, p2: float, beta: float) -> Facts:
    d = p1 - p2
    if d == 0 or beta == 0:  # at beta = 0 the sigmoid is 1/2
        slope = p2 + d / 2
        end = inf if slope else 0.0
        return Facts(
            "linear" if slope else "step",
            range=(-end, end),
            attained=(not slope, not slope),
            monotone=slope >= 0,
            convex=True,
            lipschitz=abs(slope),
            zero_centred=True,
        )
    # f is (r t + silu(t)) / beta, with t = beta d x
    r = p2 / d
    values = [(r * t + _silu(t)) / beta for t in _turning_points(r)]
    for slope, end in ((1 + r, inf), (r, -inf)):
        values.append(slope * end * beta if slope else 0.0)
    low, high = min(values), max(values)
    slopes = (p2 + d * _STEEPEST, p2 + d * (1 - _STEEPEST))
    return Facts(
        "non-linear",
        range=(low, high),
        attained=(low > -inf, high < inf),  # where an end tends to 0, f(0) is 0 too
        monotone=min(slopes) >= 0,
        stationary=tuple(sorted(t / (beta * d) for t in _turning_points(r))),
        lipschitz=max(abs(slope) for slope in slopes),
    )


def _acon_parameter(name: str, default: float, meaning: str, symbol: str, slope: Any) -> Parameter:
    return Parameter(
        name, default, meaning=meaning, symbol=symbol, learnable=True, derivative=slope
    )


# p1 = 1, p2 = 0, beta = 1 is the paper's ACON-A, which is SiLU. The authors' code (nmaac/acon) has
# the same formula, draws p1 and p2 from N(0, 1) and starts beta at 1.
ACON_C = Activation(
    "acon_c",
    formula=_acon_formula,
    value=_acon_value,
    derivative=_acon_derivative,
    parameters=(
        _acon_parameter("p1", 1.0, "slope of one end, learnt", "p_1", _acon_by_p1),
        _acon_parameter("p2", 0.0, "slope of the other end, learnt", "p_2", _acon_by_p2),
        _acon_parameter("beta", 1.0, "sharpness of the bend, learnt", "beta", _acon_by_beta),
    ),
    facts=_acon_facts,
    summary="A smooth maximum of two lines of learnt slopes; starts as SiLU.",
    paper="Ma, Zhang, Liu and Sun 2021, Activate or not: learning customized activation",
    aliases=("acon",),
)
