"""Everything that can go wrong by the user's doing, as one tree.

    RectifierError
    └── InputError (ValueError)          what was given cannot be used; exit code 2
        ├── UnknownName (KeyError)       no such activation, column, metric ...; names the nearest
        ├── ParameterError (TypeError)   a parameter that is not one, or is out of its interval
        ├── FormulaError                 a formula that says more than arithmetic
        └── MissingLibrary (ImportError) an optional library is absent; names the extra

Every message is one line: what was given, where, and what to do. Whatever is
raised outside this tree is a defect of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RectifierError(Exception):
    """Base of every error raised on purpose."""


class InputError(RectifierError, ValueError):
    """The input is at fault; the message says what, where and what to do."""


class UnknownName(InputError, KeyError):
    """A name that is not known, with the nearest ones that are."""

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.name = name
        self.nearest = nearest(name, known)
        message = f"unknown {what} {name!r}"
        if self.nearest:
            message += "; nearest: " + ", ".join(self.nearest)
        if hint:
            message += f" ({hint})"
        super().__init__(message)

    __str__ = Exception.__str__  # KeyError would print the repr of the message


class ParameterError(InputError, TypeError):
    """A parameter that does not exist, or whose value is not allowed."""


class FormulaError(InputError):
    """A formula that cannot be read as arithmetic in ``x``."""


class MissingLibrary(InputError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(
            f"{library} is not installed; it comes with the extra {extra!r}: "
            f'pip install "rectifier[{extra}]"'
        )


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The ``count`` known names that look most like ``name``, best first."""
    by_folded = {option.casefold(): option for option in known}
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=count, cutoff=0.5)
    return [by_folded[match] for match in matches]
