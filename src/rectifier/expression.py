"""Reads what users type: calls such as ``leaky_relu(negative_slope=0.2)`` and formulas.

Nothing is evaluated. A call is read into a name and numbers. A formula is parsed with
``ast``, every node is held against a whitelist, and a *new* tree is built from what was
understood: numbers, ``x``, declared parameters, the words of :mod:`rectifier.ops.words`,
arithmetic and comparisons. Only that new tree is ever turned into a function.
"""

from __future__ import annotations

import ast
import math
import re
import types
from collections.abc import Callable, Sequence
from typing import Any

from rectifier.errors import FormulaError, InputError, UnknownName
from rectifier.ops import words

_LONGEST = 500  # characters; the longest published activation needs fewer than 200
_DEEPEST = 40  # nested operations
_LARGEST_POWER = 64  # x**64 overflows float32 beyond |x| = 4; nobody means more


def read_call(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """``"elu(alpha=0.5)"`` as ``("elu", (), {"alpha": 0.5})``.

    The name is returned as typed, so that ``Leaky-ReLU`` passes. Values are numbers, None,
    booleans or quoted text.

    Raises:
        InputError: not of the form ``name`` or ``name(parameter=number, ...)``.
    """
    match = re.fullmatch(r"\s*([A-Za-z][\w\- ]*?)\s*(\(.*\))?\s*", text, re.DOTALL)
    wrong = InputError(
        f"cannot read {text[:80]!r}; write a name, or a name with numbers: "
        "leaky_relu(negative_slope=0.2)"
    )
    if match is None or len(text) > _LONGEST:
        raise wrong
    name, arguments = match.groups()
    if not arguments:
        return name, (), {}
    try:
        call = ast.parse(f"f{arguments}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise wrong
        positional = tuple(ast.literal_eval(node) for node in call.args)
        keywords = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg is not None}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise wrong from error
    if len(keywords) != len(call.keywords):
        raise wrong
    return name, positional, keywords


# How people write the words; the right-hand sides are words, or formulas of one argument.
_SPELLINGS = {
    "abs": "absolute",
    "max": "maximum",
    "min": "minimum",
    "atan": "arctan",
    "logistic": "sigmoid",
    "ln": "log",
}
_EXPANSIONS = {
    "relu": "where(u > 0, u, where(u <= 0, 0, u))",
    "softplus": "maximum(u, 0) + log1p(exp(-absolute(u)))",
    "sinh": "(exp(u) - exp(-u)) / 2",
    "cosh": "(exp(u) + exp(-u)) / 2",
    "tan": "sin(u) / cos(u)",
    "square": "u ** 2",
}
_ARITY = {
    **dict.fromkeys(
        ["absolute", "sign", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos"]
        + ["arctan", "tanh", "sigmoid", "erf", "erfc"],
        1,
    ),
    **dict.fromkeys(["maximum", "minimum", "hypot", "product"], 2),
    "where": 3,
}
_CONSTANTS = {"pi": math.pi, "e": math.e}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class Formula:
    """A formula in ``x`` that has been read and found to be arithmetic.

    Attributes:
        text: as typed.
        parameters: the names it may use besides ``x``.

    Raises (on construction):
        FormulaError: with the offending part of the text.
    """

    def __init__(self, text: str, parameters: Sequence[str] = (), longest: int = _LONGEST) -> None:
        self.text = text.strip()
        self.parameters = tuple(parameters)
        if len(self.text) > longest:
            raise FormulaError(f"the formula is longer than {longest} characters")
        taken = {"x", "u", *_CONSTANTS, *_ARITY, *_SPELLINGS, *_EXPANSIONS}
        for name in self.parameters:
            if not name.isidentifier() or name in taken:
                raise FormulaError(f"{name!r} cannot be the name of a parameter")
        self._tree = self._rebuild(_parse(self.text), 0)

    @property
    def uses_x(self) -> bool:
        """Whether the formula depends on ``x`` at all."""
        return any(isinstance(n, ast.Name) and n.id == "x" for n in ast.walk(self._tree))

    def function(self) -> Callable[..., Any]:
        """``f(x, *parameters)`` in the words of ``rectifier.ops``; unbound, like a catalogue entry."""
        arguments = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(name) for name in ("x", *self.parameters)],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        tree = ast.Expression(ast.Lambda(arguments, self._tree))
        module = compile(ast.fix_missing_locations(tree), "<formula>", "eval")
        code = next(c for c in module.co_consts if isinstance(c, types.CodeType))
        return types.FunctionType(code, {w: getattr(words, w) for w in words.WORDS}, "formula")

    def _rebuild(self, node: ast.AST, depth: int) -> ast.expr:
        if depth > _DEEPEST:
            raise FormulaError(f"the formula is nested deeper than {_DEEPEST} levels")

        def again(part: ast.AST) -> ast.expr:
            return self._rebuild(part, depth + 1)

        match node:
            case ast.Constant(value=bool() | complex() | str() | bytes() | None):
                raise FormulaError(f"{ast.unparse(node)} is not a real number")
            case ast.Constant(value=int() | float() as number):
                if abs(number) > 1e100 or not math.isfinite(number):
                    raise FormulaError(f"{str(number)[:20]} is too large a number")
                return ast.Constant(number)
            case ast.Name(id=name) if name == "x" or name in self.parameters:
                return ast.Name(name, ast.Load())
            case ast.Name(id=name) if name in _CONSTANTS:
                return ast.Constant(_CONSTANTS[name])
            case ast.Name(id=name):
                known = ["x", *self.parameters, *_CONSTANTS, *_ARITY, *_SPELLINGS, *_EXPANSIONS]
                raise FormulaError(str(UnknownName("name in the formula:", name, known)))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                return ast.UnaryOp(type(sign)(), again(operand))
            case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
                return self._power(again(base), again(exponent))
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                return ast.BinOp(again(left), type(op)(), again(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(
                op, _COMPARISONS
            ):
                return ast.Compare(again(left), [type(op)()], [again(right)])
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, [again(a) for a in arguments])
            case ast.Call(func=ast.Name(id=name)):
                raise FormulaError(f"{name}() takes no keywords in a formula")
            case ast.Attribute() | ast.Subscript():
                raise FormulaError(f"{ast.unparse(node)[:60]!r}: a formula has no attributes")
        raise FormulaError(
            f"{ast.unparse(node)[:60]!r} is not arithmetic; a formula uses x, numbers, "
            "+ - * / **, comparisons inside where(), and functions such as exp or tanh"
        )

    def _power(self, base: ast.expr, exponent: ast.expr) -> ast.expr:
        number = exponent.operand if isinstance(exponent, ast.UnaryOp) else exponent
        if isinstance(number, ast.Constant) and abs(number.value) > _LARGEST_POWER:  # type: ignore[operator, arg-type]
            raise FormulaError(f"powers beyond {_LARGEST_POWER} are refused")
        if not isinstance(number, ast.Constant) and isinstance(base, ast.Constant):
            # 2**x as exp(x log 2): SymPy must never meet a tower of integers
            if base.value <= 0:  # type: ignore[operator]
                raise FormulaError("a power of x needs a positive base")
            scaled = ast.BinOp(exponent, ast.Mult(), ast.Constant(math.log(base.value)))  # type: ignore[arg-type]
            return ast.Call(ast.Name("exp", ast.Load()), [scaled], [])
        return ast.BinOp(base, ast.Pow(), exponent)

    def _call(self, name: str, arguments: list[ast.expr]) -> ast.expr:
        word = _SPELLINGS.get(name, name)
        if word in _EXPANSIONS:
            if len(arguments) != 1:
                raise FormulaError(f"{name}() takes 1 argument, got {len(arguments)}")
            expanded = _Substitute(arguments[0]).visit(_parse(_EXPANSIONS[word]))
            return expanded
        if word not in _ARITY:
            known = [*_ARITY, *_SPELLINGS, *_EXPANSIONS]
            raise FormulaError(str(UnknownName("function in the formula:", name, known)))
        if word in ("maximum", "minimum") and len(arguments) > 2:
            arguments = [self._call(name, arguments[:-1]), arguments[-1]]
        if len(arguments) != _ARITY[word]:
            raise FormulaError(f"{name}() takes {_ARITY[word]} arguments, got {len(arguments)}")
        return ast.Call(ast.Name(word, ast.Load()), arguments, [])


class _Substitute(ast.NodeTransformer):
    """Puts an expression where an expansion says ``u``."""

    def __init__(self, expression: ast.expr) -> None:
        self.expression = expression

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.expression if node.id == "u" else node


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(
            f"cannot read the formula {text[:80]!r}: {_first_line(error)}"
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
