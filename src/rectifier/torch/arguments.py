"""PyTorch's own ways to give arguments, read into a catalogue entry's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rectifier import doors
from rectifier.errors import InputError, ParameterError

# Above it PyTorch's softplus is a straight line. At its default of 20 that differs by 2e-9, a
# thousandth of float32's rounding there.
_LINE = "threshold"
_HIGH_ENOUGH = 20.0


def switches(listed: doors.Listing) -> tuple[str, ...]:
    """The arguments of a function that are True or False, in PyTorch's order."""
    if not listed.activation.elementwise:
        return ()
    drawn = any(argument.drawn for argument in listed.arguments)
    return ("training", "inplace") if drawn else ("inplace",)


def split(
    listed: doors.Listing,
    args: Sequence[Any],
    keywords: dict[str, Any],
    names: Sequence[str],
) -> tuple[list[Any], dict[str, Any], dict[str, bool]]:
    """Positional arguments and keywords for the entry, and the switches called ``names``.

    A positional True or False is a switch, as in ``ReLU(True)`` and ``leaky_relu(x, 0.2, True)``,
    and a positional text is a flag's value, as in ``GELU("tanh")``.

    Raises:
        ParameterError: a switch is given twice, or is no bool.
        InputError: a threshold above which ``softplus`` would visibly be a straight line.
    """
    rest, left = dict(keywords), list(args)
    given = [a for a in left if isinstance(a, bool)]
    left = [a for a in left if not isinstance(a, bool)]
    for flag in listed.activation.flags:
        if left and isinstance(left[0], str) and flag not in rest:
            rest[flag] = left.pop(0)
    if len(given) > len(names):
        raise ParameterError(f"{listed.function} takes {_listed(names)}, got {given[-1]} too many")
    chosen = dict.fromkeys(names, False)
    for name, switch in zip(names, given, strict=False):
        if name in rest:
            raise ParameterError(f"{listed.function}: {name} is given twice")
        chosen[name] = switch
    for name in names:
        if name in rest:
            switch = rest.pop(name)
            if not isinstance(switch, bool):
                raise ParameterError(
                    f"{listed.function}: {name} must be True or False, got {switch!r:.40}"
                )
            chosen[name] = switch
    if listed.function == "softplus":
        for line in [*left[1:], rest.pop(_LINE, _HIGH_ENOUGH)]:
            if not isinstance(line, (int, float)) or line < _HIGH_ENOUGH:
                raise InputError(
                    f"softplus is exact everywhere, and {_LINE}={line!r:.40} would make it a line "
                    f"early; leave it out, or give {_HIGH_ENOUGH:g} or more, which changes nothing"
                )
        left = left[:1]
    return left, rest, chosen


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) or "no True or False"
