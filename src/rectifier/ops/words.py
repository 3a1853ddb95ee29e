"""The words in which activations are written.

A formula such as ``where(x > 0, x, alpha * expm1(x))`` is Python code whose free
names are the words of this file. To compute it in a library, the same code object
is given that library's words as its globals (see :func:`rectifier.ops.speak`); to
compute it at all, some library has to be chosen, so the functions below only carry
the meaning of each word and refuse to be called.

Laws that every library's words obey, and that ``tests/ops`` checks before any formula:

* dtype in, dtype out: a word never widens or narrows (float16 stays float16);
* NaN in, NaN out; infinities give the mathematical limit where there is one;
* Python numbers beside an array take the array's dtype.
"""

from __future__ import annotations

from typing import Any

Array = Any  # an array of whichever library speaks; a SymPy expression in on_sympy

pi = 3.141592653589793
inf = float("inf")


def _unspoken(word: str) -> Any:
    raise RuntimeError(f"{word}() belongs to a formula; a library has to speak it")


def where(condition: Array, x: Array, y: Array) -> Array:
    """``x`` where ``condition`` holds, ``y`` elsewhere."""
    return _unspoken("where")


def isnan(x: Array) -> Array:
    """True where ``x`` is not a number."""
    return _unspoken("isnan")


def zeros_like(x: Array) -> Array:
    """Zeros of the shape and dtype of ``x`` (``0 * x`` would be NaN at infinity)."""
    return _unspoken("zeros_like")


def ones_like(x: Array) -> Array:
    """Ones of the shape and dtype of ``x``."""
    return _unspoken("ones_like")


def absolute(x: Array) -> Array:
    """|x|."""
    return _unspoken("absolute")


def sign(x: Array) -> Array:
    """-1, 0 or 1; NaN gives NaN."""
    return _unspoken("sign")


def maximum(x: Array, y: Array) -> Array:
    """The larger; NaN if either is NaN. On a tie it counts as ``y``, so f' is that of ``y``."""
    return _unspoken("maximum")


def minimum(x: Array, y: Array) -> Array:
    """The smaller; NaN if either is NaN. On a tie it counts as ``y``, so f' is that of ``y``."""
    return _unspoken("minimum")


def product(x: Array, y: Array) -> Array:
    """``x * y``, with ``0 * inf = 0``: a factor that vanishes exponentially wins.

    It gives x·σ(x) its limit 0 at -inf, where plain multiplication gives NaN.
    """
    return _unspoken("product")


def sqrt(x: Array) -> Array:
    """Square root."""
    return _unspoken("sqrt")


def hypot(x: Array, y: Array) -> Array:
    """``sqrt(x**2 + y**2)`` without overflow between."""
    return _unspoken("hypot")


def exp(x: Array) -> Array:
    """e**x."""
    return _unspoken("exp")


def expm1(x: Array) -> Array:
    """``exp(x) - 1`` without cancellation near 0."""
    return _unspoken("expm1")


def log(x: Array) -> Array:
    """Natural logarithm."""
    return _unspoken("log")


def log1p(x: Array) -> Array:
    """``log(1 + x)`` without cancellation near 0."""
    return _unspoken("log1p")


def sin(x: Array) -> Array:
    """Sine of radians."""
    return _unspoken("sin")


def cos(x: Array) -> Array:
    """Cosine of radians."""
    return _unspoken("cos")


def arctan(x: Array) -> Array:
    """Inverse tangent, in radians."""
    return _unspoken("arctan")


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return _unspoken("tanh")


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, exact in both tails."""
    return _unspoken("sigmoid")


def erf(x: Array) -> Array:
    """Gauss's error function."""
    return _unspoken("erf")


def erfc(x: Array) -> Array:
    """``1 - erf(x)``, exact in the tail."""
    return _unspoken("erfc")


def normal_cdf(x: Array) -> Array:
    """The probability that a standard normal lies below x: ``(1 + erf(x / sqrt(2))) / 2``."""
    return _unspoken("normal_cdf")


def normal_density(x: Array) -> Array:
    """The standard normal's density: ``exp(-x**2 / 2) / sqrt(2 * pi)``."""
    return _unspoken("normal_density")


def max_along(x: Array, axis: int) -> Array:
    """Largest along ``axis``, which stays with length 1."""
    return _unspoken("max_along")


def sum_along(x: Array, axis: int) -> Array:
    """Sum along ``axis``, which stays with length 1."""
    return _unspoken("sum_along")


def first_max_along(x: Array, axis: int) -> Array:
    """1 at the first of the largest along ``axis``, 0 elsewhere, in the dtype of ``x``."""
    return _unspoken("first_max_along")


def threshold_along(x: Array, power: int, axis: int) -> Array:
    """The number t with ``sum(maximum(x - t, 0)**power) = 1`` along ``axis``, which stays with
    length 1; ``power`` is 1 or 2. Projections onto the probability simplex are made of it."""
    return _unspoken("threshold_along")


def concatenate(x: Array, y: Array, axis: int) -> Array:
    """``x`` and ``y`` beside each other along ``axis``."""
    return _unspoken("concatenate")


def fold(x: Array, count: int, axis: int) -> Array:
    """``x`` with every ``count`` neighbours along ``axis`` stacked in a new last axis."""
    return _unspoken("fold")


def unfold(x: Array, axis: int) -> Array:
    """The inverse of :func:`fold`: the last axis laid out along ``axis`` again."""
    return _unspoken("unfold")


def moveaxis(x: Array, source: int, destination: int) -> Array:
    """``x`` with one axis at another place."""
    return _unspoken("moveaxis")


def eye_like(x: Array) -> Array:
    """The identity matrix as wide as the last axis of ``x``, in its dtype."""
    return _unspoken("eye_like")


CONSTANTS: dict[str, float] = {"pi": pi, "inf": inf}
WORDS: tuple[str, ...] = tuple(
    name
    for name, thing in list(globals().items())
    if callable(thing) and getattr(thing, "__module__", None) == __name__ and name[0] != "_"
)
