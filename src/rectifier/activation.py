"""The record everyone speaks of: an activation under its name, in any library."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from rectifier import dispatch, ops, textbook
from rectifier.errors import InputError, ParameterError, nearest
from rectifier.facts import Facts, Kind, Parameter, Peer, Shape, dtype_name, number_text
from rectifier.ops.inputs import halves, refuse_parameter
from rectifier.ops.rule import Rule

Memory = Literal["exact", "low"]
MEMORIES: tuple[Memory, ...] = ("exact", "low")

__all__ = ["Activation", "Facts", "Kind", "Parameter", "Peer", "Shape"]


class Activation:
    """An activation function: callable, differentiable, named, in any array library.

    >>> act = rf.get("leaky_relu(negative_slope=0.2)")
    >>> act(x), act.derivative(x), act(x, out=y), act(x, negative_slope=0.3)

    ``x`` is a float or a floating-point array of NumPy, JAX (tracers too) or torch; the result has
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
        kind: what it takes and gives. ``elementwise``: the shape of ``x``. ``gated``: two inputs
            ``a`` and ``b`` of one shape, or the halves of one along an axis; ``formula``,
            ``value`` and ``derivative`` (by ``a``) take ``(a, b)``. ``along_axis``: the shape of
            ``x``, every output made of a whole row. ``reshaping``: another length along the axis.
        gate_derivative: of a gated one, the derivative by ``b``.
        from_output: f' as a function of the output and the parameters, where it keeps its digits;
            along an axis ``from_output(y, grad, axis)``, the gradient. Who trains then keeps the
            output, which the next layer keeps anyway, rather than the input.
        slopes: of one made of straight lines, its slopes as a function of the parameters; see
            ``rectifier.ops.rule``. Two bits then tell what the gradient is.
        cancels: its value is zero somewhere as a difference of terms that are not, of which all
            digits are needed; see ``rectifier.ops.rule``.
        peers: what the frameworks call it.
        paper: where it comes from.
        rules: for code that depends on the parameters' values beyond its arguments: makes the
            rule at given values.
        constants: of the numbers that ``formula`` uses, those which are printed as a symbol,
            e.g. ``{"SELU_SCALE": "lambda"}``.
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
        kind: Shape = "elementwise",
        gate_derivative: Callable[..., Any] | None = None,
        from_output: Callable[..., Any] | None = None,
        slopes: Callable[..., tuple[float, ...]] | None = None,
        cancels: bool = False,
        peers: tuple[Peer, ...] = (),
        rules: Callable[..., Rule] | None = None,
        constants: Mapping[str, str] = MappingProxyType({}),
        text: str | None = None,
    ) -> None:
        self.name = name
        self.summary = summary
        self.paper = paper
        self.declared = parameters
        self.aliases = aliases
        self.flags = flags
        self.peers = peers
        self.constants = constants
        self.text = text
        self.kind = kind
        if kind == "gated":
            self.rule = Rule(value, derivative, partials=(gate_derivative,))
        else:
            partials = tuple(p.derivative for p in parameters)
            partials = partials if any(partials) else ()
            ends = self._breaks if kind == "elementwise" else None
            self.rule = Rule(value, derivative, kind, partials, from_output, slopes, cancels, ends)
            if natives := {peer.library: peer.call for peer in peers if peer.native}:
                usual = tuple(p.default for p in parameters)
                self.rule = replace(self.rule, natives=natives, usual=usual)
        self._formula = formula
        self._facts = facts
        self._rules = rules
        self._values: tuple[Any, ...] = tuple(p.default for p in parameters)
        self.memory: Memory = "exact"

    # -- parameters ---------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Name and value of every parameter, in order."""
        names = (p.name for p in self.declared)
        return MappingProxyType(dict(zip(names, self._values, strict=True)))

    def bind(self, *args: Any, **parameters: Any) -> Activation:
        """This activation with other parameter values; aliases are understood.

        Raises:
            ParameterError: no such parameter, one given twice, outside its interval, or an
                array: a record travels as numbers, so arrays are given with each call.
        """
        values = self._bound(args, parameters, arrays=False)
        if values == self._values:
            return self
        copy = object.__new__(Activation)
        copy.__dict__.update({k: v for k, v in self.__dict__.items() if k not in _DERIVED})
        copy._values = values
        copy.rule = self._rule_at(values)
        return copy

    def _bound(
        self, args: tuple[Any, ...], keywords: Mapping[str, Any], arrays: bool = True
    ) -> tuple[Any, ...]:
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
                    if name in self.flags:
                        variants = sorted({v for v in self.flags[name].values() if v})
                        raise ParameterError(
                            f"{name} chooses another function; call it by its own name: "
                            + " or ".join(variants)
                        )
                    close = nearest(name, [p.name for p in self.declared])
                    hint = f"; nearest: {close[0]}" if close else ""
                    raise ParameterError(
                        f"{self.name} has no parameter {name!r}; it takes {self._taken()}{hint}"
                    )
                position = positions[name]
            if position in given:
                raise ParameterError(f"{self.name}: {self.declared[position].name} is given twice")
            given.add(position)
            values[position] = self.declared[position].check(value, self.name, arrays=arrays)
        return tuple(values)

    def _taken(self) -> str:
        return ", ".join(p.name for p in self.declared) or "no parameters"

    # -- computing ----------------------------------------------------------------------------

    def __call__(self, x: Any, /, *args: Any, out: Any = None, **parameters: Any) -> Any:
        """f(x), elementwise or along the axis parameter.

        Args:
            x: float, or floating-point array of any shape.
            out: NumPy array of the result's shape and dtype that receives it; may be ``x``.
            *args, **parameters: parameter values for this call only. A gated activation takes
                its second input first, ``act(a, b)``; without it, ``x`` is split in halves.
        """
        if self.kind == "gated":
            a, b, axis = self._two_inputs(x, args, parameters)
            return dispatch.gated(self.rule, a, b, None if axis is None else (x, axis), out)
        values = self._bound(args, parameters)
        return dispatch.value(self._rule_at(values), x, values, out)

    def derivative(
        self, x: Any, /, *args: Any, out: Any = None, wrt: str | None = None, **parameters: Any
    ) -> Any:
        """f'(x), of the shape of ``x``; along an axis: the Jacobian, ``x.shape + (n,)``.

        Of a gated activation both partial derivatives: as a pair for ``derivative(a, b)``, side
        by side in the shape of ``x`` for halves. Of one that changes the shape: what each output
        owes to the input it was made of, in the longer of the two shapes.

        Args:
            wrt: a parameter that has a derivative (the learnable ones do): df/dparameter at every
                element, in the shape of ``x``.

        At a kink it is the derivative of the branch that the formula takes there, in every
        library alike. Formulas take the outer branch: ``relu'(0) = 0``, ``relu6'(6) = 0``,
        ``leaky_relu'(0) = negative_slope``, ``hard_tanh'(±1) = 0``, ``hard_swish'(3) = 1``.
        """
        if self.kind == "gated":
            a, b, axis = self._two_inputs(x, args, parameters)
            by_a = dispatch.derivative(self.rule, a, (b,))
            by_b = dispatch.derivative(self.rule, a, (b,), by=1)
            return (by_a, by_b) if axis is None else dispatch.concatenate(by_a, by_b, axis)
        values = self._bound(args, parameters)
        by = 0 if wrt is None else self._place_of(wrt)
        return dispatch.derivative(self._rule_at(values), x, values, out, by)

    def _two_inputs(
        self, x: Any, args: tuple[Any, ...], parameters: Mapping[str, Any]
    ) -> tuple[Any, Any, int | None]:
        """Both inputs, and the axis that was halved for them (None: they came as two)."""
        if args and (hasattr(args[0], "shape") or isinstance(x, (int, float))):
            second, *args_left = args
            self._bound(tuple(args_left), parameters)
            library = ops.library_of(x)
            if not library.owns(second):
                refuse_parameter(library.NAME, second, "the second input")
            mine, other = (getattr(v, "dtype", float) for v in (x, second))
            if mine != other or getattr(x, "shape", ()) != getattr(second, "shape", ()):
                raise InputError(
                    f"{self.name} takes two inputs of one shape and dtype, got "
                    f"{_described(x)} and {_described(second)}"
                )
            return x, second, None
        (axis,) = self._bound(args, parameters)
        if not hasattr(x, "shape"):
            raise InputError(f"{self.name} takes two inputs, or an array to split in halves")
        return *halves(x, axis), axis

    def _place_of(self, name: str) -> int:
        """The number of a parameter that has a derivative, counted from 1."""
        known = {p.name: i for i, p in enumerate(self.declared, 1) if p.derivative is not None}
        if name not in known:
            with_one = ", ".join(known) or "none of its parameters"
            raise ParameterError(f"{self.name} has a derivative by x and {with_one}, not {name!r}")
        return known[name]

    def _rule_at(self, values: tuple[Any, ...]) -> Rule:
        if self._rules is None or values is self._values:
            return self.rule
        if not all(isinstance(v, (int, float)) for v in values):
            return self.rule
        rule = self._rules(*values)
        return rule.lowered if self.memory == "low" else rule

    def keeping(self, memory: Memory) -> Activation:
        """This activation; in PyTorch its gradient is made of what ``memory`` lets it keep.

        Args:
            memory: ``"exact"``: the least from which the gradient follows with all its digits.
                ``"low"``: next to nothing beside the output, for a gradient that is right to the
                rounding of that output (``docs/memory.md``).

        Raises:
            ParameterError: neither of these.
        """
        if memory not in MEMORIES:
            known = " or ".join(map(repr, MEMORIES))
            raise ParameterError(f"{self.name}: memory must be {known}, got {memory!r:.40}")
        if memory == self.memory:
            return self
        copy = object.__new__(Activation)
        copy.__dict__.update(self.__dict__)
        copy.memory = memory
        copy.rule = self.rule.lowered if memory == "low" else self.rule.exact or self.rule
        return copy

    def _breaks(self, *values: float) -> tuple[float, ...] | None:
        """The points between which the output tells the input, all but 0; None where unknown."""
        facts = self._facts if isinstance(self._facts, Facts) else self._facts(*values)
        if facts.stationary is None or facts.smoothness < 0:
            return None
        return (*facts.stationary, *facts.kinks)

    # -- knowing ------------------------------------------------------------------------------

    @property
    def elementwise(self) -> bool:
        """Whether every output depends on one element of one input."""
        return self.kind == "elementwise"

    @cached_property
    def facts(self) -> Facts:
        """The facts at the present parameter values."""
        stated = self._facts if isinstance(self._facts, Facts) else self._facts(*self._values)
        return replace(stated, gain=self._gain()) if self.elementwise else stated

    def _gain(self) -> float | None:
        import numpy as np

        # Midpoints of a fine grid: kinks spoil Gauss-Hermite, and here cost 1e-9. A jump at a
        # multiple of 1/2048 falls between two points, and costs nothing either.
        step = 2.0**-11
        z = np.arange(-12.0, 12.0, step) + step / 2
        density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        with np.errstate(over="ignore"):
            second_moment = float(np.sum(self(z) ** 2 * density) * step)
        usable = math.isfinite(second_moment) and second_moment > 0
        return 1.0 / math.sqrt(second_moment) if usable else None

    @cached_property
    def formula(self) -> Any:
        """The textbook form as a SymPy expression in a real ``x``, at the present parameters.

        Numbers are exact: 0.1 is 1/10. Along an axis the variable is ``x[i]``; two inputs are
        ``a`` and ``b``.
        """
        exact = [textbook.exact(v) for v in self._values]
        return self._textbook(exact, lambda name, value: textbook.exact(value))

    @cached_property
    def derivative_formula(self) -> Any:
        """The derivative of :attr:`formula` by SymPy; a kink belongs to the branch taken there."""
        return textbook.derivative(self.formula)

    @cached_property
    def latex(self) -> str:
        """The textbook form as LaTeX, parameters by their symbols, cases in one brace."""
        return textbook.latex(self._printed()) + self._constants_latex()

    @cached_property
    def derivative_latex(self) -> str:
        """The derivative as LaTeX, likewise; along an axis ∂f(x_i)/∂x_j."""
        return textbook.latex(textbook.short_derivative(self._printed())) + self._constants_latex()

    def _printed(self) -> Any:
        import sympy

        parameters = [
            textbook.exact(value)
            if parameter.neutral is not None and value == parameter.neutral
            else sympy.Symbol(parameter.symbol or parameter.name, real=True)
            for parameter, value in zip(self.declared, self._values, strict=True)
        ]
        symbols = {n: sympy.Symbol(s, positive=True) for n, s in self.constants.items()}

        def number(name: str, value: float) -> Any:
            return symbols.get(name, int(value) if value == int(value) else value)

        return self._textbook(parameters, number)

    def _constants_latex(self) -> str:
        values = ((s, self._formula.__globals__[name]) for name, s in self.constants.items())
        return "".join(rf",\quad \{symbol} \approx {value:.4f}" for symbol, value in values)

    def _textbook(self, parameters: list[Any], number: Any = None) -> Any:
        return textbook.expression(self._formula, parameters, number, self.kind)

    # -- travelling ---------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Name and JSON numbers: all that an activation needs to travel."""
        numbers = {k: None if v == math.inf else v for k, v in self.parameters.items()}
        config: dict[str, Any] = {"name": self.name, "parameters": numbers}
        if self.text is not None:
            config["formula"] = self.text
            if self.declared:
                config["defaults"] = {p.name: p.default for p in self.declared}
        return config

    def __str__(self) -> str:
        """Name and the parameters that differ from their defaults; ``get`` reads it back."""
        changed = [
            f"{p.name}={number_text(v)}"
            for p, v in zip(self.declared, self._values, strict=True)
            if v != p.default
        ]
        return f"{self.name}({', '.join(changed)})" if changed else self.name

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={number_text(v)}" for k, v in self.parameters.items())
        return f"<Activation {self.name}({inside})>" if inside else f"<Activation {self.name}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Activation):
            return NotImplemented
        mine, others = ((a.name, a.text, a.memory) for a in (self, other))
        return mine == others and self._values == other._values

    def __hash__(self) -> int:
        return hash((self.name, self._values))


def _described(x: Any) -> str:
    """``float32 (2, 3)`` for an error."""
    dtype, shape = getattr(x, "dtype", type(x).__name__), getattr(x, "shape", ())
    return f"{dtype_name(dtype)} {tuple(shape)}"


# cached, and different once parameters change
_DERIVED = ("facts", "formula", "derivative_formula", "latex", "derivative_latex")
