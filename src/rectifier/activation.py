"""The record everyone speaks of: an activation, its parameters, its facts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from rectifier import ops
from rectifier.errors import ParameterError, nearest
from rectifier.ops.rule import Rule, spoken

Kind = Literal["step", "linear", "non-linear"]


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
    """

    name: str
    default: float
    low: float = -math.inf
    high: float = math.inf
    positive: bool = False
    aliases: tuple[str, ...] = ()
    integer: bool = False
    meaning: str = ""

    @property
    def interval(self) -> str:
        """The allowed values as text, such as ``[0, ∞)``."""
        opening = "(" if self.positive or self.low == -math.inf else "["
        closing = ")" if self.high == math.inf else "]"
        return f"{opening}{_number(self.low)}, {_number(self.high)}{closing}"

    def check(self, value: Any, owner: str) -> Any:
        """``value`` as a number of this parameter, or a one-line error.

        Arrays pass unchecked: they are learnt or traced, and have no value to look at.
        """
        if value is None and self.default == math.inf:
            return math.inf  # Keras says "no maximum" with None, and JSON has no infinity
        if isinstance(value, bool) or isinstance(value, (str, bytes, list, tuple, dict, set)):
            raise ParameterError(f"{owner}: {self.name} must be a number, got {value!r}")
        if getattr(value, "ndim", 0) or not isinstance(value, (int, float)):
            return value
        if self.integer:
            if value != int(value):
                raise ParameterError(f"{owner}: {self.name} must be an integer, got {value!r}")
            return int(value)
        allowed = self.low <= value <= self.high and not (self.positive and value <= self.low)
        if not allowed or (math.isinf(value) and value != self.default):
            raise ParameterError(
                f"{owner}: {self.name} must lie in {self.interval}, got {_number(value)}"
            )
        return float(value)


@dataclass(frozen=True)
class Facts:
    """What is true of an activation on all reals; every field is checked against the formula.

    Attributes:
        kind: ``step``, ``linear`` or ``non-linear``, as tutorials sort them.
        range: infimum and supremum of the values.
        attained: whether some finite input reaches each end of the range.
        monotone: never decreasing.
        convex: convex on all reals.
        smoothness: number of continuous derivatives; -1 with a jump, ``inf`` for smooth.
        kinks: where the first derivative jumps (or the function itself, if ``smoothness`` is -1).
        lipschitz: the largest \\|f'\\|; ``inf`` when unbounded.
        zero_centred: odd, so symmetric input gives output of mean zero.
        gain: the factor for initial weights, ``1 / sqrt(E[f(z)²])`` with z ~ N(0, 1), which
            keeps the scale of signals from layer to layer (He et al. 2015 for ReLU: √2).
            Derived from the definition rather than typed; None where nothing is elementwise.
    """

    kind: Kind
    range: tuple[float, float]
    attained: tuple[bool, bool] = (False, False)
    monotone: bool = True
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
        return f"{opening}{_number(self.range[0])}, {_number(self.range[1])}{closing}"


@dataclass(frozen=True)
class Peer:
    """What another framework calls an activation.

    Attributes:
        call: dotted name there, e.g. ``keras.layers.LeakyReLU``.
        equals: the activation of ours, with parameters, that it computes by default.
        note: where it differs in ways that parameters cannot say.
    """

    call: str
    equals: str
    note: str = ""

    @property
    def library(self) -> str:
        return self.call.partition(".")[0]


class Activation:
    """An activation function: callable, differentiable, named, in any array library.

    >>> act = rf.get("leaky_relu(negative_slope=0.2)")
    >>> act(x), act.derivative(x), act(x, out=y), act(x, negative_slope=0.3)

    ``x`` is a float or a floating-point array of NumPy or JAX (tracers too); the result has
    its library, shape and dtype. Integer input is an error, not a silent conversion.

    Args:
        name: canonical name, lower snake case.
        formula: ``f(x, *parameters)`` as textbooks print it; SymPy reads it.
        value: the same in a form that keeps its digits, in the words of ``rectifier.ops``.
        derivative: f' likewise, with the stated value at each kink.
        parameters: in the order of the functions' arguments.
        facts: the facts, or a function of the parameters that gives them.
        summary: one line for people.
        aliases: other spellings (case, ``-`` and ``_`` never matter).
        flags: frameworks' flags that choose another activation, e.g.
            ``{"approximate": {"tanh": "gelu_tanh"}}``; an empty text stays with this one.
        elementwise: False for functions along an axis.
        peers: what the frameworks call it.
        paper: where it comes from.
        text: the formula as its author typed it, for those made by ``define``.
    """

    def __init__(
        self,
        name: str,
        *,
        formula: Callable[..., Any],
        value: Callable[..., Any],
        derivative: Callable[..., Any],
        facts: Facts | Callable[..., Facts],
        summary: str,
        paper: str,
        parameters: tuple[Parameter, ...] = (),
        aliases: tuple[str, ...] = (),
        flags: Mapping[str, Mapping[Any, str]] = MappingProxyType({}),
        elementwise: bool = True,
        peers: tuple[Peer, ...] = (),
        text: str | None = None,
    ) -> None:
        self.name = name
        self.summary = summary
        self.paper = paper
        self.declared = parameters
        self.aliases = aliases
        self.flags = flags
        self.peers = peers
        self.text = text
        self.rule = Rule(value, derivative, elementwise)
        self._formula = formula
        self._facts = facts
        self._values: tuple[Any, ...] = tuple(p.default for p in parameters)

    # -- parameters ---------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Name and value of every parameter, in order."""
        names = (p.name for p in self.declared)
        return MappingProxyType(dict(zip(names, self._values, strict=True)))

    def bind(self, *args: Any, **parameters: Any) -> Activation:
        """This activation with other parameter values; aliases are understood.

        Raises:
            ParameterError: no such parameter, one given twice, or outside its interval.
        """
        values = self._bound(args, parameters)
        if values == self._values:
            return self
        copy = object.__new__(Activation)
        copy.__dict__.update({k: v for k, v in self.__dict__.items() if k not in _DERIVED})
        copy._values = values
        return copy

    def _bound(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[Any, ...]:
        if not args and not keywords:
            return self._values
        values = list(self._values)
        if len(args) > len(values):
            raise ParameterError(f"{self.name} takes {self._taken()}, got {len(args)} of them")
        given: set[int] = set()
        positions = {n: i for i, p in enumerate(self.declared) for n in (p.name, *p.aliases)}
        for position, (name, value) in enumerate(
            [(None, a) for a in args] + list(keywords.items())
        ):
            if name is not None:
                if name not in positions:
                    close = nearest(name, [p.name for p in self.declared])
                    hint = f"; nearest: {close[0]}" if close else ""
                    raise ParameterError(
                        f"{self.name} has no parameter {name!r}; it takes {self._taken()}{hint}"
                    )
                position = positions[name]
            if position in given:
                raise ParameterError(f"{self.name}: {self.declared[position].name} is given twice")
            given.add(position)
            values[position] = self.declared[position].check(value, self.name)
        return tuple(values)

    def _taken(self) -> str:
        return ", ".join(p.name for p in self.declared) or "no parameters"

    # -- computing ----------------------------------------------------------------------------

    def __call__(self, x: Any, /, *args: Any, out: Any = None, **parameters: Any) -> Any:
        """f(x), elementwise or along the axis parameter.

        Args:
            x: float, or floating-point array of any shape.
            out: NumPy array of the same shape and dtype that receives the result; may be ``x``.
            *args, **parameters: parameter values for this call only.
        """
        return ops.library_of(x).value(self.rule, x, self._bound(args, parameters), out)

    def derivative(self, x: Any, /, *args: Any, out: Any = None, **parameters: Any) -> Any:
        """f'(x), of the shape of ``x``; along an axis: the Jacobian, ``x.shape + (n,)``.

        At a kink it is the derivative of the branch that does not belong to ``x > kink`` going
        outwards from zero: ``relu'(0) = 0``, ``leaky_relu'(0) = negative_slope``,
        ``relu6'(6) = 0``, in every library alike.
        """
        return ops.library_of(x).derivative(self.rule, x, self._bound(args, parameters), out)

    # -- knowing ------------------------------------------------------------------------------

    @property
    def elementwise(self) -> bool:
        """False for functions along an axis, such as softmax."""
        return self.rule.elementwise

    @cached_property
    def facts(self) -> Facts:
        """The facts at the present parameter values."""
        stated = self._facts if isinstance(self._facts, Facts) else self._facts(*self._values)
        return replace(stated, gain=self._gain()) if self.elementwise else stated

    def _gain(self) -> float:
        import numpy as np

        # Trapezoids on a fine grid: kinks spoil Gauss-Hermite, and here cost 1e-9.
        z = np.linspace(-12.0, 12.0, 48001)
        density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        second_moment = float(np.trapezoid(self(z) ** 2 * density, z))
        return 1.0 / math.sqrt(second_moment)

    @cached_property
    def formula(self) -> Any:
        """The textbook form as a SymPy expression, parameters at their present values."""
        import sympy

        exact = [sympy.nsimplify(v) if math.isfinite(v) else sympy.oo for v in self._values]
        return self._textbook(exact)

    @cached_property
    def latex(self) -> str:
        """The textbook form as LaTeX, parameters by name."""
        import sympy

        symbols = [sympy.Symbol(p.name, real=True) for p in self.declared]
        return sympy.latex(self._textbook(symbols))

    def _textbook(self, parameters: list[Any]) -> Any:
        import sympy

        from rectifier.ops import on_sympy

        if self.elementwise:
            x = sympy.Symbol("x", real=True)
        else:
            x = sympy.IndexedBase("x")[sympy.Symbol("i", integer=True, positive=True)]
        return sympy.sympify(spoken(self._formula, on_sympy.vocabulary)(x, *parameters))

    # -- travelling ---------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Name and JSON numbers: all that an activation needs to travel."""
        numbers = {k: None if v == math.inf else v for k, v in self.parameters.items()}
        config: dict[str, Any] = {"name": self.name, "parameters": numbers}
        if self.text is not None:
            config["formula"] = self.text
        return config

    def __str__(self) -> str:
        """Name and the parameters that differ from their defaults; ``get`` reads it back."""
        changed = [
            f"{p.name}={_number(v)}"
            for p, v in zip(self.declared, self._values, strict=True)
            if not _same(v, p.default)
        ]
        return f"{self.name}({', '.join(changed)})" if changed else self.name

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={_number(v)}" for k, v in self.parameters.items())
        return f"<Activation {self.name}({inside})>" if inside else f"<Activation {self.name}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Activation):
            return NotImplemented
        return self.rule is other.rule and self._values == other._values

    def __hash__(self) -> int:
        return hash((self.name, self._values))


_DERIVED = ("facts", "formula", "latex")  # cached, and different once parameters change


def _same(a: Any, b: Any) -> bool:
    return isinstance(a, (int, float)) and a == b


def _number(value: Any) -> str:
    """A parameter for people: ``0.2``, ``-∞``, ``6`` rather than ``6.0``."""
    if not isinstance(value, (int, float)):
        return type(value).__name__
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
