"""Plain calls of PyTorch modules, swapped: the owner gets a method with another call in it."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rectifier.repair.sites.torch_survey import Place
from rectifier.repair.swapping.rewriting import (
    Edit,
    Path,
    Unreachable,
    callee,
    inner_functions,
    position_of,
    regrafted,
    rewritten,
)


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


def give(owner: Any, methods: dict[str, types.FunctionType]) -> None:
    """Makes ``owner`` an instance of a subclass of its class that has these methods.

    A subclass, as ``torch.nn.utils.parametrize`` does it, rather than an attribute: it survives
    ``deepcopy``, replication to several devices and compiling.
    """
    kind = type(owner)
    about = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    owner.__class__ = type(kind.__name__, (kind,), {**about, "__doc__": kind.__doc__, **methods})


def _method_of(owner: Any, path: Path) -> tuple[str, int]:
    """The innermost method of the owner on a path, and its place on the path."""
    if "forward" in vars(owner):
        raise Unreachable("the module's forward has been replaced on the instance")
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
        inner = helper if helper.__code__ is code else None
        if inner is None:
            raise Unreachable(f"{code.co_qualname} is called through {helper.__qualname__}")
        edits.append(Edit(position, helper, _with_tasks(inner, these)))
    return rewritten(function, edits) if edits else function
