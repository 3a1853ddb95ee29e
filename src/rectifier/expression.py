"""Reads what users type: calls such as ``leaky_relu(negative_slope=0.2)`` and formulas.

No code of the user's is ever executed:

1. A text with a character that arithmetic does not need (quotes, brackets, braces, ``:``, ``@``,
   backslashes, anything beyond ASCII) is refused before it is parsed.
2. ``ast.parse`` only builds a tree. Every node of it is held against a whitelist, and a *new*
   tree is built from what was understood: finite numbers, ``x``, declared parameters, names of
   words, the operators ``+ - * / **``, and one comparison as the first argument of ``where``.
   No attribute, subscript, keyword, string or other name can be part of it.
3. Only the new tree is compiled. The function so made has the words as its globals and
   no builtins to speak of (:func:`rectifier.ops.rule.speak`), so no name leads out of it.

Sizes are bounded as well: of the text, of its nesting, of every constant on the way (so no
tower of powers is ever computed), and of the operations it unfolds into, so that SymPy answers
at once for whatever is accepted.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from rectifier.errors import FormulaError, InputError, UnknownName
from rectifier.ops import words
from rectifier.ops.compounds import COMPOUNDS
from rectifier.trees import (
    as_function,
    as_textbook,
    call,
    called,
    constant,
    names,
    negative,
    size_written_out,
    words_of,
)
from rectifier.trees import number as number_tree

_LONGEST = 500  # characters; the longest published activation needs fewer than 200
_DEEPEST = 100  # nested operations: a sum of 100 terms
_LARGEST_POWER = 64  # x**64 overflows float32 beyond |x| = 4; nobody means more
_LARGEST_NUMBER = 1e30  # leaves float32 room to multiply
_LARGEST = 450  # operations; SymPy takes a second for nested formulas of that size

_NO_ARITHMETIC = re.compile(r"[^A-Za-z0-9_+\-*/().,<>=\s]")


def split_calls(text: str) -> list[str]:
    """``"relu, elu(alpha=0.5)"`` as its two parts: commas inside brackets do not count."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def read_call(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """``"elu(alpha=0.5)"`` as ``("elu", (), {"alpha": 0.5})``.

    The name is returned as typed, so that ``Leaky-ReLU`` passes. Values are numbers, None,
    booleans or quoted text.

    Raises:
        InputError: not of the form ``name`` or ``name(parameter=number, ...)``.
    """
    wrong = InputError(
        f"cannot read {text[:80]!r}; write a name, or a name with numbers: "
        "leaky_relu(negative_slope=0.2)"
    )
    if len(text) > _LONGEST:
        raise wrong
    match = re.fullmatch(r"\s*([A-Za-z][\w\- ]*?)\s*(\(.*\))?\s*", text, re.DOTALL | re.ASCII)
    if match is None:
        raise wrong
    name, arguments = match.groups()
    if not arguments:
        return name, (), {}
    try:
        call = _tree(f"f{arguments}")
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise wrong
        positional = tuple(_literal(node) for node in call.args)
        keywords = {k.arg: _literal(k.value) for k in call.keywords if k.arg is not None}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise wrong from error
    if len(keywords) != len(call.keywords):
        raise wrong
    return name, positional, keywords


def _literal(node: ast.expr) -> Any:
    """A number with its sign, None, a boolean or a text; anything else is a ValueError."""
    value = ast.literal_eval(node)
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise ValueError("not a number")
    return value


# How people write the words.
_SPELLINGS = {
    "abs": "absolute",
    "max": "maximum",
    "min": "minimum",
    "atan": "arctan",
    "logistic": "sigmoid",
    "ln": "log",
}
_ARITY = {
    **dict.fromkeys(
        ["absolute", "sign", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos"]
        + ["arctan", "tanh", "sigmoid", "erf", "erfc", "normal_cdf", "normal_density"]
        + [*COMPOUNDS],
        1,
    ),
    **dict.fromkeys(["maximum", "minimum", "hypot"], 2),
    "where": 3,
}
_CONSTANTS = {"pi": math.pi, "e": math.e}
_FUNCTIONS = (*_ARITY, *_SPELLINGS)
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Formula:
    """A formula in ``x`` that has been read and found to be arithmetic.

    Attributes:
        text: as typed.
        parameters: the names it may use besides ``x``.
        tree: what was understood, an expression of ``ast`` in words and numbers.

    Raises (on construction):
        FormulaError: with the offending part of the text.
    """

    def __init__(self, text: str, parameters: Sequence[str] = ()) -> None:
        if not isinstance(text, str):
            raise FormulaError(f"a formula is a text, got {type(text).__name__}")
        self.text = text.strip()
        self.parameters = tuple(parameters)
        if len(self.text) > _LONGEST:
            raise FormulaError(f"the formula is longer than {_LONGEST} characters")
        taken = {"x", *_CONSTANTS, *_FUNCTIONS, *words.WORDS}
        for name in self.parameters:
            if not _NAME.fullmatch(name) or name in taken:
                raise FormulaError(f"{name!r} cannot be the name of a parameter")
        self.tree = self._rebuild(_parse(self.text), 0)
        if size_written_out(self.tree) > _LARGEST:
            raise FormulaError(
                f"the formula is too intricate: written out it has more than {_LARGEST} operations"
            )

    @property
    def uses_x(self) -> bool:
        """Whether the formula depends on ``x`` at all."""
        return "x" in names(self.tree)

    @cached_property
    def canonical(self) -> str:
        """The formula as understood: the same text for formulas that differ in spaces only."""
        return ast.unparse(self.tree)

    def function(self) -> Callable[..., Any]:
        """``f(x, *parameters)`` in the words of ``rectifier.ops``: unbound, like an entry's."""
        return as_function(self.tree, self.parameters)

    def textbook(self) -> Callable[..., Any]:
        """The same for SymPy: as textbooks have it, with exact numbers."""
        return as_textbook(self.tree, self.parameters)

    def _rebuild(self, node: ast.AST, depth: int) -> ast.expr:
        if depth > _DEEPEST:
            raise FormulaError(f"the formula is nested deeper than {_DEEPEST} levels")

        def again(part: ast.AST) -> ast.expr:
            return self._rebuild(part, depth + 1)

        match node:
            case ast.Constant(value=bool() | complex() | str() | bytes() | None):
                raise FormulaError(f"{self._source(node)} is not a real number")
            case ast.Constant(value=int() | float() as number):
                return _bounded_number(number, str(number)[:20])
            case ast.Name(id=name) if name == "x" or name in self.parameters or name == "pi":
                return ast.Name(name, ast.Load())
            case ast.Name(id=name) if name in _CONSTANTS:
                return number_tree(_CONSTANTS[name])
            case ast.Name(id=name):
                known = ["x", *self.parameters, *_CONSTANTS, *_FUNCTIONS]
                raise FormulaError(str(UnknownName("name in the formula:", name, known)))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return again(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return negative(again(operand))
            case ast.BinOp(left=ast.Name(id="e"), op=ast.Pow(), right=exponent):
                return self._bounded(node, call("exp", again(exponent)))
            case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
                return self._bounded(node, self._power(again(base), again(exponent)))
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                return self._bounded(node, ast.BinOp(again(left), type(op)(), again(right)))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._bounded(node, self._called(name, arguments, again))
            case ast.Call(func=ast.Name(id=name)):
                raise FormulaError(f"{name}() takes no keywords in a formula")
            case ast.Compare():
                raise FormulaError(
                    f"{self._source(node)!r}: a comparison belongs inside where(), alone: "
                    "where(x > 0, x, 0)"
                )
            case ast.Attribute() | ast.Subscript():
                raise FormulaError(f"{self._source(node)!r}: a formula has no attributes")
        raise FormulaError(
            f"{self._source(node)!r} is not arithmetic; a formula uses x, numbers, "
            "+ - * / **, comparisons inside where(), and functions such as exp or tanh"
        )

    def _source(self, node: ast.AST) -> str:
        return (ast.get_source_segment(self.text, node) or type(node).__name__)[:60]

    def _power(self, base: ast.expr, exponent: ast.expr) -> ast.expr:
        fixed, power = constant(base), constant(exponent)
        if power is not None:
            if not abs(power) <= _LARGEST_POWER:
                raise FormulaError(f"powers beyond {_LARGEST_POWER} are refused")
            if power == int(power):  # as an integer: libraries multiply, and take no logarithm
                whole: ast.expr = ast.Constant(abs(int(power)))
                return ast.BinOp(base, ast.Pow(), whole if power >= 0 else negative(whole))
        elif fixed is not None and not fixed > 0:
            raise FormulaError("a power of x needs a positive base")
        return ast.BinOp(base, ast.Pow(), exponent)

    def _called(
        self, name: str, arguments: list[ast.expr], again: Callable[[ast.AST], ast.expr]
    ) -> ast.expr:
        word = _SPELLINGS.get(name, name)
        if word not in _ARITY:
            raise FormulaError(str(UnknownName("function in the formula:", name, _FUNCTIONS)))
        many = word in ("maximum", "minimum") and len(arguments) > 2
        if len(arguments) != _ARITY[word] and not many:
            plural = "" if _ARITY[word] == 1 else "s"
            raise FormulaError(
                f"{name}() takes {_ARITY[word]} argument{plural}, got {len(arguments)}"
            )
        if word == "where":
            return call(word, self._condition(arguments[0], again), *map(again, arguments[1:]))
        parts = [again(a) for a in arguments]
        if word in ("maximum", "minimum"):
            # A tie counts as the second, and so as the constant: max(0, x) is relu.
            parts.sort(key=lambda part: constant(part) is not None)
            tree = parts[0]
            for part in parts[1:]:
                tree = call(word, tree, part)
            return tree
        return _without_overflow(call(word, *parts))

    def _condition(self, node: ast.AST, again: Callable[[ast.AST], ast.expr]) -> ast.expr:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(
                op, _COMPARISONS
            ):
                condition = ast.Compare(again(left), [type(op)()], [again(right)])
                if "where" in words_of(condition):  # SymPy would solve it, for minutes
                    raise FormulaError(f"{self._source(node)!r}: no where() inside a comparison")
                return condition
        raise FormulaError(
            f"{self._source(node)!r}: where() begins with one comparison by < <= > >=, "
            "such as where(x > 0, x, 0)"
        )

    def _bounded(self, node: ast.AST, tree: ast.expr) -> ast.expr:
        """``tree``, unless it is a constant that no float32 network could use."""
        value = constant(tree)
        if value is not None:
            if math.isnan(value):
                raise FormulaError(f"{self._source(node)!r} is not a real number")
            _bounded_number(value, repr(self._source(node)))
        return tree


def _bounded_number(value: float, source: str) -> ast.expr:
    if abs(value) > _LARGEST_NUMBER:
        raise FormulaError(f"{source} is too large a number; the limit is {_LARGEST_NUMBER:g}")
    return number_tree(value)


def _without_overflow(tree: ast.expr) -> ast.expr:
    """``log(1 + exp(u))``, as published formulas have it, as ``softplus(u)``.

    Beyond 88 float32's exp is infinite, and the formula with it.
    """
    match tree:
        case ast.Call(ast.Name("log1p"), [grown]) if called(grown) == "exp":
            return call("softplus", grown.args[0])  # type: ignore[attr-defined]
        case ast.Call(ast.Name("log"), [ast.BinOp(left, ast.Add(), right)]):
            one, grown = (left, right) if called(right) == "exp" else (right, left)
            if called(grown) == "exp" and constant(one) == 1:
                return call("softplus", grown.args[0])  # type: ignore[attr-defined]
    return tree


def _parse(text: str) -> ast.expr:
    if strange := _NO_ARITHMETIC.search(text):
        raise FormulaError(
            f"{strange.group()!r} has no place in a formula; a formula uses x, numbers, "
            "+ - * / **, comparisons inside where(), and functions such as exp or tanh"
        )
    try:
        return _tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(
            f"cannot read the formula {text[:80]!r}: {_first_line(error)}"
        ) from error


def _tree(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's advice on code, such as "perhaps a comma?"
        return ast.parse(text, mode="eval").body


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
