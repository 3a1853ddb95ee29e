"""Derivatives of typed formulas: the chain rule on their trees.

Each word brings its own derivative in the form that keeps its digits (tanh' as a product of two
sigmoids rather than ``1 - tanh**2``), and nothing is expanded or collected on the way, so that
the derivative is as stable as the formula. SymPy's derivative of the textbook form is what the
tests hold this against.
"""

from __future__ import annotations

import ast
import math

from rectifier.trees import call, called, constant, names, negative, number

# word -> its derivative at u, in words
_RULES = {
    "exp": "exp(u)",
    "expm1": "exp(u)",
    "log": "1.0 / u",
    "log1p": "1.0 / (1.0 + u)",
    "sqrt": "0.5 / sqrt(u)",
    "sin": "cos(u)",
    "cos": "-sin(u)",
    "tan": "1.0 / (cos(u) * cos(u))",
    "sinh": "cosh(u)",
    "cosh": "sinh(u)",
    "arctan": "1.0 / (1.0 + u * u)",
    "tanh": "4.0 * sigmoid(2.0 * u) * sigmoid(-2.0 * u)",
    "sigmoid": "sigmoid(u) * sigmoid(-u)",
    "softplus": "sigmoid(u)",
    "relu": "where(u > 0.0, 1.0, 0.0)",
    "square": "2.0 * u",
    "erf": "1.1283791670955126 * exp(-u * u)",  # 2 / sqrt(pi)
    "erfc": "-1.1283791670955126 * exp(-u * u)",
    "normal_cdf": "normal_density(u)",
    "normal_density": "-u * normal_density(u)",
    "absolute": "sign(u)",
    "sign": "0.0",
}


def differentiate(tree: ast.expr) -> ast.expr:
    """d/dx of a formula's tree, as such a tree. At a tie of max or min: that of the second."""
    match tree:
        case _ if "x" not in names(tree):
            return number(0)
        case ast.Name():
            return number(1)
        case ast.UnaryOp(operand=operand):
            return negative(differentiate(operand))
        case ast.BinOp(left, ast.Add(), right):
            return _sum(differentiate(left), differentiate(right))
        case ast.BinOp(left, ast.Sub(), right):
            return _sum(differentiate(left), negative(differentiate(right)))
        case ast.BinOp(left, ast.Mult(), right):
            return _sum(_product(differentiate(left), right), _product(left, differentiate(right)))
        case ast.BinOp(left, ast.Div(), right):
            # (u' - (u / v) v') / v: no square of v, which would overflow first
            change = _product(tree, differentiate(right))
            return _ratio(_sum(differentiate(left), negative(change)), right)
        case ast.BinOp(base, ast.Pow(), exponent):
            return _of_power(tree, base, exponent)
        case ast.Call(args=[condition, yes, no]):
            return call("where", condition, differentiate(yes), differentiate(no))
        case ast.Call(args=[u, v]) if called(tree) == "hypot":
            legs = _sum(_product(u, differentiate(u)), _product(v, differentiate(v)))
            return _ratio(legs, tree)
        case ast.Call(args=[u, v]):
            first = ast.Gt() if called(tree) == "maximum" else ast.Lt()
            condition = ast.Compare(u, [first], [v])
            return call("where", condition, differentiate(u), differentiate(v))
        case ast.Call(args=[u]):
            return _product(_Put(u).visit(_rule(called(tree) or "")), differentiate(u))
    raise TypeError(f"no rule for {ast.dump(tree)[:60]}")


def _of_power(tree: ast.expr, base: ast.expr, exponent: ast.expr) -> ast.expr:
    if "x" in names(exponent):
        fixed = constant(base)
        if fixed is not None:
            return _product(_product(tree, number(math.log(fixed))), differentiate(exponent))
        growth = _product(differentiate(exponent), call("log", base))
        return _product(tree, _sum(growth, _ratio(_product(exponent, differentiate(base)), base)))
    power = constant(exponent)
    if power is None:
        lower: ast.expr = ast.BinOp(base, ast.Pow(), ast.BinOp(exponent, ast.Sub(), number(1)))
        return _product(_product(exponent, lower), differentiate(base))
    if power == 0:
        return number(0)
    if power == int(power):
        whole: ast.expr = ast.Constant(abs(int(power) - 1))
        lowered = whole if power >= 1 else negative(whole)
    else:
        lowered = number(power - 1)
    lower = base if power == 2 else ast.BinOp(base, ast.Pow(), lowered)
    slope = number(1) if power == 1 else _product(number(power), lower)
    return _product(slope, differentiate(base))


class _Put(ast.NodeTransformer):
    """Puts an expression where a rule says ``u``."""

    def __init__(self, expression: ast.expr) -> None:
        self.expression = expression

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.expression if node.id == "u" else node


def _rule(word: str) -> ast.expr:
    return ast.parse(_RULES[word], mode="eval").body


def _is(tree: ast.expr, value: int) -> bool:
    return isinstance(tree, ast.Constant) and tree.value == value


def _sum(u: ast.expr, v: ast.expr) -> ast.expr:
    if isinstance(v, ast.UnaryOp) and _is(v.operand, 0):
        return u
    if _is(u, 0) or _is(v, 0):
        return v if _is(u, 0) else u
    return ast.BinOp(u, ast.Add(), v)


def _product(u: ast.expr, v: ast.expr) -> ast.expr:
    if _is(u, 0) or _is(v, 0):
        return number(0)
    if _is(u, 1) or _is(v, 1):
        return v if _is(u, 1) else u
    return ast.BinOp(u, ast.Mult(), v)


def _ratio(u: ast.expr, v: ast.expr) -> ast.expr:
    return number(0) if _is(u, 0) else ast.BinOp(u, ast.Div(), v)
