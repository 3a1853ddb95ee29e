"""Calls that cannot be answered, made in any library, and the one line that each gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rectifier as rf
from rectifier.errors import InputError

Make = Callable[[np.ndarray], Any]  # a NumPy array as an array of the library


def calls(library: str, make: Make, stranger: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name and call; ``stranger`` is an array of another library."""
    x = make(np.linspace(-1, 1, 4).astype(np.float32))
    for name in (n for n in rf.names() if rf.get(n).text is None):  # others come and go
        entry = rf.get(name)
        for dtype in ("int32", "bool", "complex64"):
            bad = make(np.ones(4).astype(dtype))
            yield f"{name} of {dtype}", lambda entry=entry, bad=bad: entry(bad)
            yield f"{name}' of {dtype}", lambda entry=entry, bad=bad: entry.derivative(bad)
        yield f"{name}, unknown keyword", lambda entry=entry: entry(x, gamma=1.0)
        yield f"{name}, too many", lambda entry=entry: entry(x, *[1.0] * (len(entry.declared) + 2))
        for parameter in entry.declared:
            p = parameter.name
            for what, value in wrong(parameter, make, stranger):
                given = {p: value}
                yield f"{name}, {p} {what}", lambda entry=entry, given=given: entry(x, **given)
        if entry.kind == "gated":
            yield f"{name}, mixed", lambda entry=entry: entry(x, stranger)
            yield f"{name}, shapes", lambda entry=entry: entry(x, make(np.ones(3, np.float32)))
            yield f"{name}, odd", lambda entry=entry: entry(make(np.ones(3, np.float32)))
    yield "no such axis", lambda: rf.softmax(x, axis=1)
    if library != "numpy":
        yield "out", lambda: rf.relu(x, out=np.ones(4, np.float32))


def wrong(parameter: Any, make: Make, stranger: Any) -> Iterator[tuple[str, Any]]:
    """Values that a parameter cannot take."""
    yield "text", "x"
    yield "truth", True
    for dtype in ("int32", "bool", "complex64"):
        yield f"array of {dtype}", make(np.ones(4).astype(dtype))
    if parameter.integer:
        yield "half", 0.5
        return
    yield "mixed", stranger
    yield "wide", make(np.ones((3, 4), np.float32))
    yield "infinite", -np.inf
    if np.isfinite(parameter.low):
        yield "below", parameter.low - 1
    if np.isfinite(parameter.high):
        yield "above", parameter.high + 1


def told(library: str, make: Make, stranger: Any) -> dict[str, str]:
    """What each call is told, without the library's own name in it."""
    found = {}
    for name, call in calls(library, make, stranger):
        try:
            call()
        except InputError as error:
            found[name] = str(error).replace(f"of {library}", "of LIBRARY")
        else:
            raise AssertionError(f"{name} is answered by {library}")
    return found
