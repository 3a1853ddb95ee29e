"""Plain calls of PyTorch modules and Keras layers, swapped.

The owner gets a method with another call in it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rectifier.repair.swapping.pickling import subclass
from rectifier.repair.swapping.rewriting import (
    Edit,
    Path,
    Unreachable,
    callee,
    history,
    inner_functions,
    position_of,
    regrafted,
    rewritten,
)


class Place(Protocol):
    """What the files of the libraries know of a call; see ``Place`` of ``torch_survey``."""

    @property
    def path(self) -> Path: ...
    @property
    def root(self) -> tuple[Path, int] | None: ...
    @property
    def function(self) -> Any: ...


@dataclass(frozen=True)
class Task:
    """A call to be replaced: the path to it, innermost first, and what comes there."""

    path: Path
    root: tuple[Path, int] | None
    function: Any
    replacement: Callable[..., Any]

    @classmethod
    def of(cls, place: Place, replacement: Callable[..., Any]) -> Task:
        return cls(place.path, place.root, place.function, replacement)


def methods_with(owner: Any, tasks: Sequence[Task]) -> dict[str, types.FunctionType]:
    """The owner's methods that have to change, by name, with the tasks done in them.

    Raises:
        Unreachable: a task's call cannot be rewritten.
    """
    of_methods: dict[str, list[Task]] = {}
    for task in tasks:
        name, depth = _method_of(owner, task.path)
        root = None if task.root is None else (task.root[0][: depth + 1], task.root[1])
        inside = Task(task.path[: depth + 1], root, task.function, task.replacement)
        of_methods.setdefault(name, []).append(inside)
    return {
        name: _with_tasks(getattr(type(owner), name), these) for name, these in of_methods.items()
    }


def give(owner: Any, methods: Mapping[str, Callable[..., Any]]) -> None:
    """Makes ``owner`` an instance of a subclass of its class that has these methods.

    A subclass, as ``torch.nn.utils.parametrize`` does it, rather than an attribute: it survives
    ``deepcopy``, replication to several devices and compiling.
    """
    owner.__class__ = subclass(type(owner), methods)


def possible(owner: Any, tasks: Sequence[tuple[Any, Task]]) -> tuple[list[Task], dict[Any, str]]:
    """The tasks that can be done, and why the others cannot, by what they were given with."""
    can, reasons = [], {}
    for site, task in tasks:
        try:
            methods_with(owner, [task])
            can.append(task)
        except Unreachable as reason:
            reasons[site] = str(reason)
    return can, reasons


def _method_of(owner: Any, path: Path) -> tuple[str, int]:
    """The innermost method of the owner on a path, and its place on the path."""
    for name in ("forward", "call"):
        if name in vars(owner):
            raise Unreachable(f"its {name} has been replaced on the instance")
    for depth, (code, _) in enumerate(path):
        for kind in type(owner).__mro__:
            for name, held in vars(kind).items():
                ours = isinstance(held, types.FunctionType) and held.__code__ is code
                if ours and getattr(type(owner), name) is held:
                    return name, depth
    raise Unreachable(f"no method of {type(owner).__name__} leads to it")


def _with_tasks(function: types.FunctionType, tasks: Sequence[Task]) -> types.FunctionType:
    """``function``, whose code is the last on every path, with the tasks done."""
    edits: list[Edit] = []
    deeper: dict[tuple[int, types.CodeType], list[Task]] = {}
    for task in tasks:
        if len(task.path) == 1:
            start = None
            if task.root is not None:
                if len(task.root[0]) != 1:
                    raise Unreachable("its formula spans several functions")
                start = (position_of(*task.root[0][0]), task.root[1])
            position = position_of(*task.path[0])
            edits.append(Edit(position, task.function, task.replacement, start))
        else:
            root = None if task.root is None else (task.root[0][:-1], task.root[1])
            inside = Task(task.path[:-1], root, task.function, task.replacement)
            deeper.setdefault((task.path[-1][1], task.path[-2][0]), []).append(inside)
    for (lasti, code), these in deeper.items():
        wrapped = next((f for f in inner_functions(function) if f.__code__ is code), None)
        if wrapped is not None:
            function = regrafted(function, wrapped, _with_tasks(wrapped, these)) or function
            continue
        position = position_of(function.__code__, lasti)
        helper = callee(function, position, code)
        if not isinstance(helper, types.FunctionType):
            raise Unreachable(f"{code.co_qualname} is called by a name that cannot be followed")
        _, done = history(function) or (None, ())
        before = [edit.replacement for edit in done if edit.position == position]
        inner = next((f for f in (helper, *before) if getattr(f, "__code__", None) is code), None)
        if not isinstance(inner, types.FunctionType):
            raise Unreachable(f"{code.co_qualname} is called through {helper.__qualname__}")
        edits.append(Edit(position, helper, _with_tasks(inner, these)))
    return rewritten(function, edits) if edits else function
