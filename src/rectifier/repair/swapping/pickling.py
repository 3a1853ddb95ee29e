"""Models with swapped calls can be pickled whole: ``torch.save(model)``.

Such a module's class was made while the program ran, so that pickle could not find it by name.
What is pickled instead is the class below it, by name, and what was changed in its methods:
positions in the source, what is called there and the activation that comes in its place. Loading
makes the same changes again; where the source is another one by then, it says so.
"""

from __future__ import annotations

import copyreg
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from rectifier.errors import InputError
from rectifier.repair.swapping.rewriting import Edit, Unreachable, history, rewritten


class Rewritten(type):
    """Of classes that are others with changed methods."""


def subclass(kind: type, methods: Mapping[str, Callable[..., Any]]) -> type:
    """A class like ``kind``, with these methods, that pickles."""
    about = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    space = {**about, "__doc__": kind.__doc__, **methods}
    return _metaclass(type(kind))(kind.__name__, (kind,), space)


@cache
def _metaclass(of: type) -> Any:
    made = of
    if not issubclass(of, Rewritten):
        made = Rewritten if of is type else type("Rewritten", (Rewritten, of), {})
    copyreg.pickle(made, _reduced)
    return made


@dataclass(frozen=True)
class _Changes:
    """Of one function: where, what is called there, what instead, and where a formula starts."""

    function: types.FunctionType | None  # None: the method of the class below
    edits: tuple[tuple[Any, Any, Any, Any], ...]

    def done(self, function: types.FunctionType) -> types.FunctionType:
        edits = [
            Edit(
                place,
                old,
                new.done(new.function or old) if isinstance(new, _Changes) else new,
                root,
            )
            for place, old, new, root in self.edits
        ]
        return rewritten(function, edits)


def _reduced(kind: type) -> Any:
    functions = {n: f for n, f in vars(kind).items() if isinstance(f, types.FunctionType)}
    changes = {name: _changes(kind, f, method=True) for name, f in functions.items()}
    return _restored, (kind.__bases__[0], changes)


def _changes(kind: type, function: types.FunctionType, method: bool) -> _Changes:
    known = history(function)
    if known is None:
        raise InputError(
            f"{function.__qualname__} is a decorated function with a swapped call in it, which "
            f"pickle cannot hold; save {kind.__name__}.state_dict() and swap again on loading"
        )
    original, edits = known
    rows = []
    for edit in edits:
        new: Any = edit.replacement
        if isinstance(new, types.FunctionType):
            new = _changes(kind, new, method=False)
        rows.append((edit.position, edit.original, new, edit.root))
    return _Changes(None if method else original, tuple(rows))


def _restored(kind: type, changes: Mapping[str, _Changes]) -> type:
    """
    Raises:
        InputError: the source is not what it was.
    """
    try:
        methods = {name: one.done(getattr(kind, name)) for name, one in changes.items()}
    except Unreachable as reason:
        raise InputError(
            f"the calls that were swapped in {kind.__name__} cannot be swapped again: {reason}"
        ) from reason
    return subclass(kind, methods)
