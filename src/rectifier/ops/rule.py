"""A rule is code written in words; to speak it is to give the code a library's words."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from rectifier.ops import words


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


def speak(function: Callable[..., Any], vocabulary: Mapping[str, Any]) -> Callable[..., Any]:
    """``function``, its free names bound to ``vocabulary``: the same code, another library.

    Free names may be words, numbers of the module that holds the function, and functions of
    that kind again (bound in turn). Anything else is refused, so that a formula cannot reach
    for a library by itself.
    """
    code = function.__code__
    spoken: dict[str, Any] = {}
    for name in code.co_names:
        if name in vocabulary:
            spoken[name] = vocabulary[name]
        elif name in words.CONSTANTS:
            spoken[name] = words.CONSTANTS[name]
        else:
            meaning = function.__globals__.get(name)
            if isinstance(meaning, (int, float)):
                spoken[name] = meaning
            elif isinstance(meaning, types.FunctionType):
                spoken[name] = speak(meaning, vocabulary)
            else:
                raise TypeError(f"{function.__qualname__} uses {name!r}, which is no word")
    return types.FunctionType(code, spoken, function.__name__, function.__defaults__)


@cache
def spoken(
    function: Callable[..., Any], vocabulary: Callable[[], Mapping[str, Any]]
) -> Callable[..., Any]:
    """:func:`speak` with what ``vocabulary()`` gives, once per function and library."""
    return speak(function, vocabulary())
