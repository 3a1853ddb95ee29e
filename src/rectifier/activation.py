"""The record everyone speaks of: an activation under its name, in any library."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from rectifier import dispatch, textbook
from rectifier.errors import ParameterError, nearest
from rectifier.facts import Facts, Kind, Parameter, Peer, number_text
from rectifier.ops.rule import Rule

__all__ = ["Activation", "Facts", "Kind", "Parameter", "Peer"]


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
        elementwise: False for functions along an axis.
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
        elementwise: bool = True,
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
        self.rule = Rule(value, derivative, elementwise)
        self._formula = formula
        self._facts = facts
        self._rules = rules
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
            out: NumPy array of the same shape and dtype that receives the result; may be ``x``.
            *args, **parameters: parameter values for this call only.
        """
        values = self._bound(args, parameters)
        return dispatch.value(self._rule_at(values), x, values, out)

    def derivative(self, x: Any, /, *args: Any, out: Any = None, **parameters: Any) -> Any:
        """f'(x), of the shape of ``x``; along an axis: the Jacobian, ``x.shape + (n,)``.

        At a kink it is the derivative of the branch that the formula takes there, in every
        library alike. Formulas take the outer branch: ``relu'(0) = 0``, ``relu6'(6) = 0``,
        ``leaky_relu'(0) = negative_slope``, ``hard_tanh'(±1) = 0``, ``hard_swish'(3) = 1``.
        """
        values = self._bound(args, parameters)
        return dispatch.derivative(self._rule_at(values), x, values, out)

    def _rule_at(self, values: tuple[Any, ...]) -> Rule:
        if self._rules is None or values is self._values:
            return self.rule
        numbers = all(isinstance(v, (int, float)) for v in values)
        return self._rules(*values) if numbers else self.rule

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

        Numbers are exact: 0.1 is 1/10. Along an axis the variable is ``x[i]``.
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
        return textbook.expression(self._formula, parameters, number, self.elementwise)

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
        mine, others = (self.name, self.text), (other.name, other.text)
        return mine == others and self._values == other._values

    def __hash__(self) -> int:
        return hash((self.name, self._values))


# cached, and different once parameters change
_DERIVED = ("facts", "formula", "derivative_formula", "latex", "derivative_latex")
