"""A rule is code written in words; to speak it is to give the code a library's words."""

from __future__ import annotations

import itertools
import operator
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Literal
from weakref import WeakValueDictionary

from rectifier.ops import words

# Words are C code too, which may import (torch does, while it traces) and looks for this among the
# builtins of whoever called. Formulas cannot reach it: a name that is no word is refused below.
BUILTINS = {"__import__": __import__}

# Every rule by its key, for those who can pass a text but not an object (a compiled graph).
RULES: WeakValueDictionary[str, Rule] = WeakValueDictionary()
_NUMBERS = itertools.count()

RuleKind = Literal["elementwise", "along_axis", "reshaping"]


@dataclass(frozen=True, eq=False)
class Rule:
    """What has to be computed: code in the words of :mod:`rectifier.ops.words`.

    By ``kind``, for ``value(x, *parameters)``, ``derivative(x, *parameters)``:

    * ``elementwise``: both of the shape of ``x``. ``partials`` are the derivatives by each
      parameter, of that shape too, None where nobody needs one. A gated pair is such a rule:
      its second input is the one parameter.
    * ``along_axis`` (softmax and its kin, whose last parameter is the axis): the value of the
      shape of ``x``, the derivative its Jacobian, of shape ``x.shape + (n,)``, the axis last.
    * ``reshaping``: both of the shape that they give.

    Two ways to a gradient without ``x``, for libraries that keep something between:

    * ``from_output``: ``f'`` as a function of the output, ``from_output(y, *parameters)``, with all
      the digits that it has from ``x``; along an axis, the gradient itself:
      ``from_output(y, grad, *parameters)``;
    * ``slopes``: of a function made of straight lines, every slope that it has at these parameters,
      one to three. All but the first are numbers that every dtype has (0 and 1).

    And one that gives up digits for it:

    * ``breaks``: of an elementwise one, the points between which the output tells the input, all
      but 0; None where nobody has said (:mod:`rectifier.ops.inverse`);
    * ``exact``: of a rule that little is to be kept for, at that price, the rule as it was.

    ``natives``: by library, the dotted name of its own function that gives the same numbers as
    ``value`` with the parameters ``usual``, and takes x alone; see :meth:`native`.

    ``cancels``: the value is zero somewhere as a difference of terms that are not. The float32
    beside xielu's zero has a value of 3e-8 there, of terms of 0.7: who computes float32 in float64
    may not save the digits that float32 drops.
    """

    value: Callable[..., Any]
    derivative: Callable[..., Any]
    kind: RuleKind = "elementwise"
    partials: tuple[Callable[..., Any] | None, ...] = ()
    from_output: Callable[..., Any] | None = None
    slopes: Callable[..., tuple[float, ...]] | None = None
    cancels: bool = False
    breaks: Callable[..., tuple[float, ...] | None] | None = None
    exact: Rule | None = None
    natives: Mapping[str, str] = field(default_factory=dict)
    usual: tuple[float, ...] = ()
    key: str = field(default_factory=lambda: f"rule {next(_NUMBERS)}", init=False)

    def __post_init__(self) -> None:
        RULES[self.key] = self

    @cached_property
    def lowered(self) -> Rule:
        """This rule, for those who want little kept."""
        return self if self.exact else replace(self, exact=self)

    def native(self, library: str, parameters: Sequence[Any]) -> Callable[..., Any] | None:
        """What a library, imported by now, has itself for the value at these parameters: one of its
        own operations in place of many. None where it has none, or one that differs."""
        if library not in self.natives or tuple(map(type, parameters)) != (float,) * len(
            self.usual
        ):
            return None
        return _named(self.natives[library]) if tuple(parameters) == self.usual else None

    @property
    def elementwise(self) -> bool:
        return self.kind == "elementwise"

    def partial(self, place: int) -> Callable[..., Any] | None:
        """The derivative by the parameter at ``place``, None where it has not been written."""
        return self.partials[place] if place < len(self.partials) else None

    def slope(self, by: int = 0) -> Callable[..., Any]:
        """The derivative by ``x`` (0) or by the parameter number ``by``, counted from 1.

        Raises:
            LookupError: nobody has written that one.
        """
        slope = self.derivative if by == 0 else self.partial(by - 1)
        if slope is None:
            raise LookupError(f"no derivative by parameter {by}")
        return slope


@cache
def _named(dotted: str) -> Callable[..., Any]:
    library, _, rest = dotted.partition(".")
    found: Callable[..., Any] = operator.attrgetter(rest)(sys.modules[library])
    return found


def speak(
    function: Callable[..., Any],
    vocabulary: Mapping[str, Any],
    number: Callable[[str, float], Any] | None = None,
) -> Callable[..., Any]:
    """``function``, its free names bound to ``vocabulary``: the same code, another library.

    Free names may be words, numbers of the module that holds the function, and functions of
    that kind again (bound in turn). Anything else is refused, so that a formula cannot reach
    for a library by itself: attributes, closures and Python's own functions are out of reach.

    Args:
        number: what becomes of a number's name and value; by default the value.

    Raises:
        TypeError: ``function`` uses something that is no word.
    """
    code = function.__code__
    if code.co_freevars:
        raise TypeError(f"{function.__qualname__} is a closure over {', '.join(code.co_freevars)}")
    # Without this entry Python would lend the function its own builtins.
    spoken: dict[str, Any] = {"__builtins__": BUILTINS}
    for name in code.co_names:
        if name in vocabulary:
            spoken[name] = vocabulary[name]
        elif name in words.CONSTANTS:
            spoken[name] = words.CONSTANTS[name]
        else:
            meaning = function.__globals__.get(name)
            if isinstance(meaning, (int, float)):
                spoken[name] = number(name, meaning) if number else meaning
            elif isinstance(meaning, types.FunctionType):
                spoken[name] = speak(meaning, vocabulary, number)
            else:
                raise TypeError(f"{function.__qualname__} uses {name!r}, which is no word")
    return types.FunctionType(code, spoken, function.__name__, function.__defaults__)


@cache
def spoken(
    function: Callable[..., Any], vocabulary: Callable[[], Mapping[str, Any]]
) -> Callable[..., Any]:
    """:func:`speak` with what ``vocabulary()`` gives, once per function and library."""
    return speak(function, vocabulary())
