"""What a record says of an activation: its parameters, what is true of it, its peers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

from rectifier.errors import ParameterError

Kind = Literal["step", "linear", "non-linear"]
Shape = Literal["elementwise", "gated", "along_axis", "reshaping"]


@dataclass(frozen=True)
class Parameter:
    """One number that shapes an activation.

    Attributes:
        name: the standard name, PyTorch's where it has one.
        default: the value used everywhere unless another is given.
        low, high: the closed interval of allowed values; open at ``low`` when ``positive``.
        aliases: names that other libraries use for it.
        integer: an axis rather than a real number.
        meaning: half a line for people.
        symbol: how formulas print it, in SymPy's spelling (``alpha``) or LaTeX's.
        learnable: layers train it, from the default on; functions take a number or an array that
            broadcasts to the shape of ``x``.
        drawn: layers draw it from U(0, 1) for every element while they train; the default is its
            value in evaluation.
        derivative: f's derivative by it, ``derivative(x, *parameters)`` in the words of
            ``rectifier.ops``.
        neutral: the value at which formulas print the number instead, because it then drops
            out (a threshold of 0, a ceiling of infinity); None for none.
    """

    name: str
    default: float
    low: float = -math.inf
    high: float = math.inf
    positive: bool = False
    aliases: tuple[str, ...] = ()
    integer: bool = False
    meaning: str = ""
    symbol: str = ""
    neutral: float | None = None
    learnable: bool = False
    drawn: bool = False
    derivative: Callable[..., Any] | None = None

    @property
    def interval(self) -> str:
        """The allowed values as text, such as ``[0, ∞)``."""
        opening = "(" if self.positive or self.low == -math.inf else "["
        closing = ")" if self.high == math.inf else "]"
        return f"{opening}{number_text(self.low)}, {number_text(self.high)}{closing}"

    def check(self, value: Any, owner: str, *, arrays: bool = True) -> Any:
        """``value`` as a number of this parameter, or a one-line error.

        Arrays pass unchecked where ``arrays`` allows them: they are learnt or traced, and have
        no value to look at.

        Raises:
            ParameterError: no number, or outside the interval.
        """
        if value is None and self.default == math.inf:
            return math.inf  # Keras says "no maximum" with None, and JSON has no infinity
        if isinstance(value, Real) and not isinstance(value, bool):
            return self._within(value, owner)
        dtype = getattr(value, "dtype", None)
        what = "an integer" if self.integer else "a number"
        if dtype is None:
            shown = repr(value)
            raise ParameterError(
                f"{owner}: {self.name} must be {what}, "
                f"got {shown if len(shown) <= 60 else type(value).__name__}"
            )
        name = dtype_name(dtype)
        if self.integer or not name.startswith(("float", "bfloat")):
            wanted = what if self.integer else "a number or a floating-point array"
            raise ParameterError(f"{owner}: {self.name} must be {wanted}, got an array of {name}")
        if not arrays:
            raise ParameterError(
                f"{owner}: {self.name} must be a number here; give arrays in the call, "
                f"{owner}(x, {self.name}=...)"
            )
        return value

    def _within(self, value: Real, owner: str) -> float | int:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf  # an integer or fraction beyond all floats; the sign is no matter
        if self.integer:
            if not number.is_integer():
                raise ParameterError(f"{owner}: {self.name} must be an integer, got {number:g}")
            if not self.low <= number <= self.high:
                raise ParameterError(
                    f"{owner}: {self.name} must lie in {self.interval}, got {int(number)}"
                )
            return int(number)
        allowed = self.low <= number <= self.high and not (self.positive and number <= self.low)
        if not allowed or (math.isinf(number) and number != self.default):
            raise ParameterError(
                f"{owner}: {self.name} must lie in {self.interval}, got {number_text(number)}"
            )
        return number + 0.0  # -0.0 and 0.0 are one setting, with one name


@dataclass(frozen=True)
class Facts:
    """What is true of an activation on all reals; every field is checked against the formula.

    Of functions along an axis the range is that of each output, for two scores or more, and
    ``lipschitz`` the largest spectral norm of the Jacobian over every number of scores.

    Attributes:
        kind: ``step``, ``linear`` or ``non-linear``, as tutorials sort them.
        range: infimum and supremum of the values.
        attained: whether some finite input reaches each end of the range.
        monotone: never decreasing.
        stationary: the points alone among others where f' is 0; None where nobody has said, or
            they are without end. Between these and the kinks the output tells the input.
        convex: convex on all reals.
        smoothness: number of continuous derivatives; -1 with a jump, ``inf`` for smooth.
        kinks: where the first derivative jumps (or the function itself, if ``smoothness`` is -1).
        lipschitz: the largest \\|f'\\|; ``inf`` when unbounded, or where the function jumps.
        zero_centred: odd, so symmetric input gives output of mean zero.
        gain: the factor for initial weights, ``1 / sqrt(E[f(z)²])`` with z ~ N(0, 1), which
            keeps the scale of signals from layer to layer (He et al. 2015 for ReLU: √2).
            Derived from the definition rather than typed; None where nothing is elementwise,
            and where the expectation is 0 or not finite.
    """

    kind: Kind
    range: tuple[float, float]
    attained: tuple[bool, bool] = (False, False)
    monotone: bool = True
    stationary: tuple[float, ...] | None = ()
    convex: bool = False
    smoothness: float = math.inf
    kinks: tuple[float, ...] = ()
    lipschitz: float = 1.0
    zero_centred: bool = False
    gain: float | None = None

    @property
    def interval(self) -> str:
        """The range as text, such as ``[0, ∞)``."""
        opening, closing = ("[" if self.attained[0] else "("), ("]" if self.attained[1] else ")")
        return f"{opening}{number_text(self.range[0])}, {number_text(self.range[1])}{closing}"


@dataclass(frozen=True)
class Peer:
    """What another framework calls an activation.

    Attributes:
        call: dotted name there, e.g. ``keras.layers.LeakyReLU``.
        equals: the activation of ours, with parameters, that it computes by default.
        note: where it differs in ways that parameters cannot say.
        arguments: what has to be given there besides ``x``, because it has no default.
        native: its value may stand in for ours where no kernel of ours is at hand: the same number
            in every dtype for every input, limits and NaN included, in one operation. The gradient
            remains ours. Held by ``tests/catalog/test_natives.py``.
    """

    call: str
    equals: str
    note: str = ""
    arguments: tuple[float, ...] = ()
    native: bool = False

    @property
    def library(self) -> str:
        """The first part of the name: what has to be imported."""
        return self.call.partition(".")[0]


def dtype_name(dtype: Any) -> str:
    """The same name in every library: ``float32`` for ``torch.float32`` too."""
    return getattr(dtype, "name", str(dtype).removeprefix("torch."))


def number_text(value: Any) -> str:
    """A number for people: ``0.2``, ``-∞``, ``6`` rather than ``6.0``; a type's name otherwise."""
    if not isinstance(value, (int, float)):
        return type(value).__name__
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if math.isnan(value):
        return "nan"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
