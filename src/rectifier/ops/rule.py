"""A rule is code written in words; to speak it is to give the code a library's words."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

from rectifier.ops import words

# Words are C code too, which may import (torch does, while it traces) and looks for this among the
# builtins of whoever called. Formulas cannot reach it: a name that is no word is refused below.
BUILTINS = {"__import__": __import__}

# Every rule by its key, for those who can pass a text but not an object (a compiled graph).
RULES: WeakValueDictionary[str, Rule] = WeakValueDictionary()
_NUMBERS = itertools.count()


@dataclass(frozen=True, eq=False)
class Rule:
    """What has to be computed: code in the words of :mod:`rectifier.ops.words`.

    ``value(x, *parameters)`` has the shape of ``x``. ``derivative(x, *parameters)`` has it
    too when ``elementwise``; otherwise (softmax and its kin, whose last parameter is the
    axis) it is the Jacobian along that axis, of shape ``x.shape + (n,)`` with the axis last.
    """

    value: Callable[..., Any]
    derivative: Callable[..., Any]
    elementwise: bool = True
    key: str = field(default_factory=lambda: f"rule {next(_NUMBERS)}", init=False)

    def __post_init__(self) -> None:
        RULES[self.key] = self


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
