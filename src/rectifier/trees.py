"""The trees that typed formulas become: arithmetic in words, as nodes of ``ast``.

:class:`rectifier.expression.Formula` builds them from text, :mod:`rectifier.catalog.calculus`
from one another. What is compiled here has passed one of those two.
"""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Callable, Mapping, Sequence

from rectifier.errors import FormulaError
from rectifier.ops import on_numpy, words
from rectifier.ops.compounds import COMPOUNDS
from rectifier.ops.rule import BUILTINS, speak

_TWICE = ("maximum", "minimum", "relu", "sinh", "cosh", "tan")
CORNERED = ("where", "maximum", "minimum", "relu", "absolute", "sign")  # words with a corner


def number(value: float) -> ast.expr:
    """A number; always a float, since no integer may outgrow an array's own."""
    tree: ast.expr = ast.Constant(abs(float(value)))
    return tree if value >= 0 else negative(tree)


def negative(tree: ast.expr) -> ast.expr:
    """``-tree``."""
    return ast.UnaryOp(ast.USub(), tree)


def call(word: str, *arguments: ast.expr) -> ast.expr:
    """``word(*arguments)``."""
    return ast.Call(ast.Name(word, ast.Load()), list(arguments), [])


def called(tree: ast.AST) -> str | None:
    """The word that a tree calls at its top; None for other trees."""
    return tree.func.id if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) else None


def names(tree: ast.expr) -> set[str]:
    """The variables in a tree: ``x`` and parameters, not words."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in functions)
    return {node.id for node in found} - {*words.CONSTANTS}


def words_of(tree: ast.expr) -> set[str]:
    """The words that a tree calls."""
    return {word for node in ast.walk(tree) if (word := called(node)) is not None}


def constant(tree: ast.expr) -> float | None:
    """The value of a tree without variables, NaN where there is none; None for other trees."""
    if names(tree):
        return None
    import numpy as np

    with np.errstate(all="ignore"):
        try:
            value = speak(as_function(tree, ()), on_numpy.vocabulary())(np.float64(0))
        except (ArithmeticError, ValueError):  # 1 / 0 between Python's own floats
            return float("nan")
    return float("nan") if isinstance(value, complex) else float(value)


def size_written_out(tree: ast.expr) -> int:
    """Operations of a formula once the words that name their argument twice are written out."""
    parts = (p for p in ast.iter_child_nodes(tree) if isinstance(p, ast.expr))
    size = 1 + sum(size_written_out(p) for p in parts)
    return 2 * size if called(tree) in _TWICE else size


def as_function(
    tree: ast.expr,
    parameters: Sequence[str],
    *,
    textbook: bool = False,
    numbers: Mapping[str, float] | None = None,
) -> Callable:
    """``f(x, *parameters)``, in the words of ``rectifier.ops``: unbound, like an entry's.

    Args:
        textbook: compounds as textbooks print them.
        numbers: numbers that the tree uses by name.
    """
    arguments = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(name) for name in ("x", *parameters)],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
    )
    body = tree if textbook else _Arrays().visit(copy.deepcopy(tree))
    expression = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    try:
        module = compile(expression, "<formula>", "eval")
    except (RecursionError, MemoryError) as error:
        raise FormulaError("the formula is nested too deep") from error
    code = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    meanings = {
        "__builtins__": BUILTINS,
        **{word: getattr(words, word) for word in words.WORDS},
        **{name: pair[textbook] for name, pair in COMPOUNDS.items()},
        **(numbers or {}),
    }
    return types.FunctionType(code, meanings, "formula")


class _Arrays(ast.NodeTransformer):
    """Spreads what words are told without ``x`` over an array like ``x``.

    In ``sqrt(2) * x`` the root is of a number, for which torch has no word, and TensorFlow gives
    one that is float32 whatever ``x`` is; so does torch for ``where(x > 0, 1, 2)``.
    """

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        values = slice(1, None) if called(node) == "where" else slice(None)
        node.args[values] = self._spread(node.args[values])
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        node.left, *node.comparators = self._spread([node.left, *node.comparators])
        return node

    def _spread(self, values: list[ast.expr]) -> list[ast.expr]:
        if not values or any("x" in names(value) for value in values):
            return values
        first, *others = values
        return [ast.BinOp(first, ast.Add(), call("zeros_like", ast.Name("x", ast.Load()))), *others]


def as_textbook(tree: ast.expr, parameters: Sequence[str]) -> Callable:
    """:func:`as_function` for SymPy: its numbers by name, so that it can be given exact ones."""
    numbers: dict[str, float] = {}

    class Named(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.expr:
            if isinstance(node.value, int):
                return node
            name = f"number_{len(numbers)}"
            numbers[name] = float(node.value)  # type: ignore[arg-type]
            return ast.Name(name, ast.Load())

    named = Named().visit(copy.deepcopy(tree))
    return as_function(named, parameters, textbook=True, numbers=numbers)
