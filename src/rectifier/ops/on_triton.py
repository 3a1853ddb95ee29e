"""Triton's words: formulas as code for GPUs, in the loops of :mod:`rectifier.kernels.gpu`.

Numbers are float32 (narrower ones are widened on the way in and rounded once on the way out);
float64 is left to PyTorch. The polynomials are those of the CPU's kernels
(:mod:`rectifier.ops.coefficients`); their short forms are good to 1e-10.

In Triton's interpreter (``TRITON_INTERPRET=1`` when this is imported) words are plain Python
functions over its tensors. Imported when the first CUDA tensor arrives; never before triton.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import triton
import triton.language as tl

from rectifier.ops import coefficients
from rectifier.ops.rule import speak

NAME = "triton"
INTERPRETED: bool = triton.knobs.runtime.interpret


def word(function: Callable[..., Any]) -> Any:
    """A function of Triton's; in the interpreter the function itself, which is faster."""
    return function if INTERPRETED else triton.jit(function)


def _constant(value: Any) -> Any:
    return value if INTERPRETED else tl.constexpr(value)


_ERF = _constant(coefficients.ERF[0])
_ERF_LAST = _constant(len(coefficients.ERF[0]) - 1)
_ABOVE = _constant(coefficients.NORMAL_TAIL_ABOVE)
_ABOVE_LAST = _constant(len(coefficients.NORMAL_TAIL_ABOVE) - 1)
_BELOW = _constant(coefficients.NORMAL_TAIL_BELOW)
_BELOW_LAST = _constant(len(coefficients.NORMAL_TAIL_BELOW) - 1)
_ARCTAN = _constant(coefficients.ARCTAN[0])
_ARCTAN_LAST = _constant(len(coefficients.ARCTAN[0]) - 1)
_EXPM1 = _constant(coefficients.EXPM1)
_EXPM1_LAST = _constant(len(coefficients.EXPM1) - 1)
_LOG2_HALF = _constant(0.34657359027997264)
_ROOT_TWO = _constant(1.4142135623730951)
_DENSITY = _constant(0.3989422804014327)  # 1 / sqrt(2 pi)
_HALF_PI = _constant(1.5707963267948966)
_INF = _constant(float("inf"))
_PI = _constant(3.141592653589793)


@word
def _polynomial(x, powers: tl.constexpr, last: tl.constexpr):
    p = x * 0.0 + powers[last]
    for i in tl.static_range(last):
        p = p * x + powers[last - 1 - i]
    return p


@word
def where(condition, x, y):
    return tl.where(condition, x, y)


@word
def isnan(x):
    return x != x


@word
def zeros_like(x):
    return tl.zeros_like(x)


@word
def ones_like(x):
    return tl.zeros_like(x) + 1.0


@word
def absolute(x):
    return tl.abs(x)


@word
def sign(x):
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, x))  # 0 and NaN stay


@word
def maximum(x, y):
    return tl.where((x > y) | (x != x), x, y + tl.zeros_like(x))


@word
def minimum(x, y):
    return tl.where((x < y) | (x != x), x, y + tl.zeros_like(x))


@word
def _same_sign(x, y):
    return ((x < 0) | ((x == 0) & (1.0 / x < 0))) == ((y < 0) | ((y == 0) & (1.0 / y < 0)))


@word
def product(x, y):
    result = x * y
    lost = (result != result) & (x == x) & (y == y)
    # Only 0 * inf is lost; what remains of it is a zero with the product's sign.
    return tl.where(lost, tl.where(_same_sign(x, y), 0.0, -0.0), result)


@word
def sqrt(x):
    return tl.sqrt_rn(x)


@word
def hypot(x, y):
    x = tl.abs(x)
    y = tl.abs(y + tl.zeros_like(x))
    long = tl.where(x > y, x, y)
    short = tl.where(x > y, y, x)
    plain = (long == 0) | (long == _INF)
    ratio = short / tl.where(plain, 1.0, long)
    root = tl.where(plain, long, long * tl.sqrt_rn(1 + ratio * ratio))
    return tl.where((x != x) | (y != y), x + y, root)


@word
def exp(x):
    return tl.exp(x)


@word
def expm1(x):
    near = tl.where(tl.abs(x) < _LOG2_HALF, x, 0.0)
    p = _polynomial(near, _EXPM1, _EXPM1_LAST)
    return tl.where(tl.abs(x) < _LOG2_HALF, x * p, tl.exp(x) - 1.0)


@word
def log(x):
    return tl.log(x)


@word
def log1p(x):
    u = 1.0 + x
    rest = u - 1.0
    whole = (rest == 0) | (u == _INF)
    # what u has lost of x is put back in proportion
    scale = x / tl.where(whole, 1.0, rest)
    return tl.where(rest == 0, x, tl.where(u == _INF, x, tl.log(u) * scale))


@word
def sin(x):
    return tl.where(tl.abs(x) == _INF, float("nan"), tl.sin(x))


@word
def cos(x):
    return tl.where(tl.abs(x) == _INF, float("nan"), tl.cos(x))


@word
def arctan(x):
    size = tl.abs(x)
    beyond = size > 1.0
    t = tl.where(beyond, 1.0, size) / tl.where(beyond, size, 1.0)
    z = t * t
    angle = t + t * z * _polynomial(z, _ARCTAN, _ARCTAN_LAST)
    angle = tl.where(beyond, _HALF_PI - angle, angle)
    return tl.where(x < 0, -angle, tl.where(x == 0, x, angle))


@word
def tanh(x):
    far = expm1(-2.0 * tl.abs(x))
    size = -far / (far + 2.0)
    return tl.where(x < 0, -size, tl.where(x == 0, x, size))


@word
def sigmoid(x):
    t = tl.exp(-tl.abs(x))
    return tl.where(x < 0, t, 1.0) / (1.0 + t)


@word
def _bell(x, half):
    """exp(-half x²), x cut at a multiple of 1/64 whose square is exact, since x² is not."""
    x = tl.where(tl.abs(x) < 64.0, x, 64.0)
    coarse = tl.floor(x * 64.0) / 64.0
    return tl.exp(-half * coarse * coarse) * tl.exp(-half * (x - coarse) * (x + coarse))


@word
def _scaled_tail(x):
    return _polynomial(x, _ABOVE, _ABOVE_LAST) / _polynomial(x, _BELOW, _BELOW_LAST)


@word
def _erf_near(x):
    z = tl.where(tl.abs(x) < 1.0, x * x, 0.0)
    return x * _polynomial(z, _ERF, _ERF_LAST)


@word
def _tail_of_size(x):
    size = tl.where(tl.abs(x) > 20.0, 20.0, tl.abs(x))  # where erfc is 0
    return _bell(size, 1.0) * (2.0 * _scaled_tail(_ROOT_TWO * size))


@word
def erf(x):
    far = 1.0 - _tail_of_size(x)
    whole = tl.where(tl.abs(x) < 1.0, _erf_near(x), tl.where(x < 0, -far, far))
    return tl.where(x != x, x, whole)


@word
def erfc(x):
    tail = _tail_of_size(x)
    whole = tl.where(tl.abs(x) < 0.5, 1.0 - _erf_near(x), tl.where(x < 0, 2.0 - tail, tail))
    return tl.where(x != x, x, whole)


@word
def normal_cdf(x):
    size = tl.where(tl.abs(x) > 30.0, 30.0, tl.abs(x))  # where the tail is 0
    tail = _bell(size, 0.5) * _scaled_tail(size)
    return tl.where(x != x, x, tl.where(x < 0, tail, 1.0 - tail))


@word
def normal_density(x):
    return tl.where(x != x, x, _DENSITY * _bell(x, 0.5))


_WORDS: list[Any] = [where, isnan, zeros_like, ones_like, absolute, sign, maximum, minimum]
_WORDS += [product, sqrt, hypot, exp, expm1, log, log1p, sin, cos, arctan, tanh, sigmoid]
_WORDS += [erf, erfc, normal_cdf, normal_density]
VOCABULARY: dict[str, Any] = {w.__name__: w for w in _WORDS}


@cache
def speaks(function: Callable[..., Any]) -> bool:
    """Whether Triton can read a function: one of a source file's, in words, without powers.

    What a user typed at a prompt has no source file.
    """
    if not Path(function.__code__.co_filename).is_file():
        return False
    if any(one.argrepr == "**" for one in dis.get_instructions(function.__code__)):
        return False
    called = (function.__globals__.get(name) for name in function.__code__.co_names)
    inner = (g for g in called if isinstance(g, types.FunctionType))
    return all(g.__name__ in VOCABULARY or speaks(g) for g in inner)


@cache
def compiled(function: Callable[..., Any]) -> Any:
    """An entry's own code with Triton's words, as a function that loops may call."""
    return word(_bound(function, VOCABULARY))


def _bound(function: Callable[..., Any], vocabulary: dict[str, Any]) -> Callable[..., Any]:
    """As :func:`rectifier.ops.rule.speak`, where every function below is one of Triton's too."""
    inner: dict[str, Any] = {}
    for name in function.__code__.co_names:
        meaning = function.__globals__.get(name)
        if name not in vocabulary and isinstance(meaning, types.FunctionType):
            inner[name] = compiled(meaning)
    spoken = speak(function, {**vocabulary, **inner}, lambda _, value: _constant(float(value)))
    # Triton looks for its own language among the globals, and reads annotations too.
    spoken.__globals__.update(tl=tl, Any=tl.tensor, inf=_INF, pi=_PI)
    spoken.__module__ = __name__
    return spoken
