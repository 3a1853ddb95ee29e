"""Another function at one place of somebody's code, and everything else as it was.

``F.relu(x)`` has no module to replace. What is replaced is the call: the file that holds the
function is parsed, the call at its exact position becomes a call of ours, and the result is
compiled where it stood, so that closures, ``super()``, control flow, line numbers and
``torch.compile`` work as before. Nothing is executed; the function's own globals stay its own.
"""

from __future__ import annotations
import __future__

import ast
import copy
import linecache
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

Path = tuple[tuple[types.CodeType, int], ...]
_FACTORY = "rectifier_factory"
_ORIGIN = "__rectifier_origin__"  # of a rewritten function: what it was, and what was done to it


class Unreachable(Exception):
    """The code cannot be rewritten; the message says why."""


@dataclass(frozen=True)
class Edit:
    """One change of a function's code.

    Attributes:
        position: line and column of where the changed expression starts and ends.
        original: the function that is called there; calls of anything else stay what they are.
        replacement: what is called instead, with the same first argument.
        root: of a formula, the position of the operation that takes its input first, and which
            of its operands that is.
    """

    position: tuple[int, int, int, int]
    original: Any
    replacement: Callable[..., Any]
    root: tuple[tuple[int, int, int, int], int] | None = None


def position_of(code: types.CodeType, lasti: int) -> tuple[int, int, int, int]:
    """Line, last line, column, last column of the expression that an instruction belongs to.

    Raises:
        Unreachable: the code does not know.
    """
    place = list(code.co_positions())[lasti // 2]
    if any(number is None for number in place):
        raise Unreachable(f"{code.co_qualname} was compiled without positions")
    return place  # type: ignore[return-value]


def rewritten(function: types.FunctionType, edits: Sequence[Edit]) -> types.FunctionType:
    """``function`` with every edit applied, on the same globals and closure.

    Raises:
        Unreachable: its source is not there or has changed, or the place is no plain call.
    """
    original, earlier = getattr(function, _ORIGIN, (function, ()))
    # A place that is changed once more is in the source what it was at first.
    before = {edit.position: edit for edit in earlier}
    edits = [
        replace(edit, original=first.original, root=first.root)
        if (first := before.pop(edit.position, None)) is not None
        else edit
        for edit in edits
    ]
    edits = [*before.values(), *edits]
    code = original.__code__
    tree: Any = copy.deepcopy(_checked(original))
    node = _definition(tree, code)
    names = {
        f"rectifier_site_{i}": _apply(node, f"rectifier_site_{i}", edit)
        for i, edit in enumerate(edits)
    }
    _wrap(tree, node, list(names))
    ast.fix_missing_locations(tree)
    made = _code_in(_compiled(tree, code), code)
    cells = dict(zip(code.co_freevars, original.__closure__ or (), strict=True))
    cells |= {name: types.CellType(value) for name, value in names.items()}
    result = _on_closure(original, made, tuple(cells[name] for name in made.co_freevars))
    setattr(result, _ORIGIN, (original, tuple(edits)))
    return result


def history(
    function: types.FunctionType,
) -> tuple[types.FunctionType, tuple[Edit, ...]] | None:
    """What a rewritten function was and what was done to it; None for another one."""
    known: tuple[types.FunctionType, tuple[Edit, ...]] | None = getattr(function, _ORIGIN, None)
    return known


def regrafted(
    function: types.FunctionType, inner: types.FunctionType, new: types.FunctionType
) -> types.FunctionType | None:
    """A decorator's wrapper around ``new`` instead of ``inner``; None if it holds no ``inner``."""
    cells = function.__closure__ or ()
    if not any(_content(cell) is inner for cell in cells):
        return None
    changed = tuple(types.CellType(new) if _content(c) is inner else c for c in cells)
    return _on_closure(function, function.__code__, changed)


def inner_functions(function: types.FunctionType) -> Iterator[types.FunctionType]:
    """The functions that a wrapper holds."""
    for cell in function.__closure__ or ():
        if isinstance(content := _content(cell), types.FunctionType):
            yield content


def callee(
    function: types.FunctionType, position: tuple[int, int, int, int], code: types.CodeType
) -> Any:
    """What the call at a position calls, where ``code`` ran when it was watched.

    Read from globals and closure. Of a local variable (``interface = table.get(name, eager)``) it
    is the function of that code which stands in the globals, or in the file that the code is from:
    the rewritten call asks at run time whether the variable holds it. None if there is none.
    """
    original = getattr(function, _ORIGIN, (function, ()))[0]
    node = _call_at(_definition(_checked(original), original.__code__), position)
    names: list[str] = []
    target = node.func if isinstance(node, ast.Call) else None
    while isinstance(target, ast.Attribute):
        names.insert(0, target.attr)
        target = target.value
    cells = zip(original.__code__.co_freevars, original.__closure__ or (), strict=True)
    space = original.__globals__ | {name: _content(cell) for name, cell in cells}
    if not isinstance(target, ast.Name) or target.id not in space:
        files = [m for m in list(sys.modules.values()) if _file(m) == code.co_filename]
        those = [*space.values(), *(value for m in files for value in vars(m).values())]
        return next((v for v in those if getattr(v, "__code__", None) is code), None)
    found = space[target.id]
    for name in names:
        found = getattr(found, name, None)
    return found


def _file(module: Any) -> Any:
    return getattr(module, "__dict__", {}).get("__file__")


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _on_closure(
    function: types.FunctionType, code: types.CodeType, closure: tuple[Any, ...]
) -> types.FunctionType:
    made = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, closure
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    made.__doc__, made.__annotations__ = function.__doc__, function.__annotations__
    made.__dict__.update(function.__dict__)
    return made


def _chooser(edit: Edit) -> Callable[..., Any]:
    """What stands in the code: the replacement where the function is still the original."""
    original, replacement = edit.original, edit.replacement
    if isinstance(original, types.FunctionType):

        def choose(function: Any) -> Any:
            if function is original:
                return replacement
            if getattr(function, "__func__", None) is original:
                return types.MethodType(replacement, function.__self__)
            return function

    else:

        def choose(function: Any) -> Any:
            return replacement if function is original else function

    return choose


# -- the tree ---------------------------------------------------------------------------------


def _apply(function: ast.AST, name: str, edit: Edit) -> Callable[..., Any]:
    """Changes the tree at the edit's position; what ``name`` has to stand for there."""
    node = _call_at(function, edit.position)
    new: ast.expr
    meaning = edit.replacement
    if edit.root is not None:
        new = _called(name, _root(function, node, edit.root))
    elif not isinstance(node, ast.Call):
        raise Unreachable("its place in the source is no call")
    elif isinstance(node.func, ast.Attribute) and hasattr(edit.original, "__objclass__"):
        new = _called(name, node.func.value)  # x.relu()
    else:
        new = ast.Call(_called(name, node.func), node.args, node.keywords)
        meaning = _chooser(edit)
    _replace(function, node, new)
    return meaning


def _called(name: str, argument: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])


def _root(function: ast.AST, node: ast.expr, root: Any) -> ast.expr:
    """The expression of a formula's input, if it may be read twice and from one place."""
    position, operand = root
    first = _call_at(function, position)
    if not any(inner is first for inner in ast.walk(node)):
        raise Unreachable("its formula spans several statements")
    parts: list[ast.expr]
    if isinstance(first, ast.BinOp):
        parts = [first.left, first.right]
    elif isinstance(first, ast.UnaryOp):
        parts = [first.operand]
    elif isinstance(first, ast.Call):
        method = isinstance(first.func, ast.Attribute) and len(first.args) <= operand
        parts = [first.func.value, *first.args] if method else first.args  # type: ignore[attr-defined]
    else:
        parts = []
    # 2 * x multiplies x by 2 as far as torch is told
    plain = [p for p in parts if not isinstance(p, (ast.Constant, ast.UnaryOp))]
    taken = parts[operand] if len(plain) > operand and operand < len(parts) else None
    if taken is None or isinstance(taken, ast.Constant):
        taken = plain[0] if len(plain) == 1 else None
    if not isinstance(taken, (ast.Name, ast.Attribute)):
        raise Unreachable("its formula computes its input on the way")
    return taken


def _call_at(function: ast.AST, position: tuple[int, int, int, int]) -> ast.expr:
    """The expression at a position; a call over several lines is known by where it ends."""
    _, end, _, end_column = position
    ending = [
        node
        for node in ast.walk(function)
        if isinstance(node, (ast.Call, ast.BinOp, ast.UnaryOp))
        and (node.end_lineno, node.end_col_offset) == (end, end_column)
    ]
    exact = [n for n in ending if (n.lineno, n.col_offset) == (position[0], position[2])]
    if len(exact) == 1:
        return exact[0]
    calls = [node for node in ending if isinstance(node, ast.Call)]
    if len(calls) != 1:
        raise Unreachable("its place in the source is no expression of its own")
    return calls[0]


def _replace(tree: ast.AST, old: ast.AST, new: ast.expr) -> None:
    ast.copy_location(new, old)
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
                return
            if isinstance(value, list) and any(item is old for item in value):
                value[:] = [new if item is old else item for item in value]
                return


def _wrap(tree: ast.AST, node: Any, names: list[str]) -> None:
    """Puts the function into one that has ``names`` as variables: they become its closure."""
    arguments = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
    factory: Any = ast.FunctionDef(_FACTORY, arguments, [node], [], None, None)
    factory.type_params = []
    _replace(tree, node, factory)


def _definition(tree: ast.AST, code: types.CodeType) -> ast.AST:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    raise Unreachable(f"{code.co_qualname} is no function of {code.co_filename}")


def _checked(function: types.FunctionType) -> ast.AST:
    """The tree of the file that ``function`` was compiled from."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        raise Unreachable(f"the source of {code.co_qualname} is not there")
    tree, codes = _parsed("".join(lines), code.co_filename, _flags(code))
    same = [c for c in codes if c.co_firstlineno == code.co_firstlineno and _same(c, code)]
    if not same:
        raise Unreachable(f"the source of {code.co_qualname} has changed since it was imported")
    return tree


@lru_cache(maxsize=16)
def _parsed(text: str, file: str, flags: int) -> tuple[ast.AST, list[types.CodeType]]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise Unreachable(f"{file} cannot be read: {error}") from error
    return tree, list(_codes(compile(tree, file, "exec", flags, dont_inherit=True)))


def _same(one: types.CodeType, other: types.CodeType) -> bool:
    return one.co_name == other.co_name and one.co_code == other.co_code


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _compiled(tree: Any, code: types.CodeType) -> types.CodeType:
    made: types.CodeType = compile(
        tree,
        code.co_filename,
        "exec",
        _flags(code),
        dont_inherit=True,
    )
    return made


def _flags(code: types.CodeType) -> int:
    known = [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names]
    return code.co_flags & sum(set(known) - {0})


def _code_in(whole: types.CodeType, code: types.CodeType) -> types.CodeType:
    factory = next(c for c in _codes(whole) if c.co_name == _FACTORY)
    made = next(c for c in _codes(factory) if c.co_name == code.co_name)
    return made.replace(co_qualname=code.co_qualname)
