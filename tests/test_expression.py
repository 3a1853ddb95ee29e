"""What users type: calls and formulas are read, never run; the rest is one clear line."""

from __future__ import annotations

import ast
import builtins
import time
import warnings
from pathlib import Path
from types import CodeType

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rectifier import catalog, expression, trees
from rectifier.catalog.calculus import _RULES, differentiate
from rectifier.errors import FormulaError, InputError
from rectifier.expression import Formula, read_call
from rectifier.ops import on_numpy, words
from rectifier.ops.rule import speak
from strategies import expressions

HOSTILE = {
    # reaching out of arithmetic
    "import": "__import__('os').system('true')",
    "import, quoted otherwise": '__import__("os")',
    "bare dunder": "__builtins__",
    "dunder call": "__import__(x)",
    "eval": "eval(x)",
    "exec": "exec(x)",
    "open": "open(x)",
    "getattr": "getattr(x, x)",
    "globals": "globals()",
    "attribute": "x.__class__",
    "attribute of a number": "(1.0).real",
    "attribute of a call": "exp(x).real",
    "chain": "().__class__.__bases__",
    "method call": "x.sum()",
    "subscript": "x[0]",
    "slice": "x[1:2]",
    "lambda": "lambda x: x",
    "called lambda": "(lambda: x)()",
    "walrus": "(y := x)",
    "comprehension": "[x for x in x]",
    "generator": "(x for x in x)",
    "dict": "{x: x}",
    "set": "{x}",
    "list": "[x]",
    "tuple": "(x, x)",
    "string": "'x'",
    "bytes": "b'x'",
    "f-string": "f'{x}'",
    "ellipsis": "...",
    "conditional": "x if x > 0 else 0",
    "boolean operators": "where(x > 0 and x < 1, x, 0)",
    "not": "not x",
    "await": "await x",
    "yield": "(yield x)",
    "starred": "max(*x)",
    "keyword": "exp(x=x)",
    "double star": "exp(**x)",
    "statement": "x; x",
    "assignment": "x = 3",
    "two lines": "x\nimport os",
    "comment": "x # comment",
    "matrix product": "x @ x",
    "floor division": "x // 2",
    "modulo": "x % 2",
    "bits": "x & 1",
    "shift": "x << 70",
    "invert": "~x",
    "xor": "x ^ 2",
    "NUL": "x\0",
    "backslash": "x\\\n+1",
    "tab and feed": "x\x0c+\x0b1\x1b",
    "confusable x": "\u0445 + 1",
    "full width": "ｅｘｐ(x)",
    "superscript": "x²",
    "minus sign": "x − 1",
    "fraction": "½ * x",
    "infinity": "∞ * x",
    # names
    "unknown name": "x + y",
    "unknown function": "foo(x)",
    "word of arrays": "zeros_like(x)",
    "another": "moveaxis(x, 0, 1)",
    "inf": "inf * x",
    "nan": "nan + x",
    "none": "None",
    "true": "True * x",
    "complex": "1j * x",
    "function as a name": "exp + x",
    "called number": "2(x)",
    "called x": "x(2)",
    "called call": "exp(x)(x)",
    # shapes of calls
    "too many": "exp(x, x)",
    "too few": "where(x > 0, x)",
    "none given": "max()",
    "one for max": "max(x)",
    "where without a comparison": "where(x, x, 0)",
    "comparison outside": "(x > 0) * x",
    "chained": "where(0 < x < 1, x, 0)",
    "equality": "where(x == 0, 1, x)",
    "where in a comparison": "where(where(x > 0, x, 1) > 0.5, x, 0)",
    "nested condition": "where((x > 0) > 0, x, 0)",
    # size
    "tower": "9**9**9",
    "tower of x": "x**9**9",
    "huge power": "x**65",
    "huge negative power": "(x*x+1)**-65",
    "tower in brackets": "((9**64)**64)**64 * x",
    "huge number": "1e308 * x",
    "overflowing number": "1e999 * x",
    "long integer": "9" * 400 + "* x",
    "growing constant": "exp(exp(exp(9))) * x",
    "constant product": "1e29 * 1e29 * x",
    "deep brackets": "(" * 240 + "x" + ")" * 240,
    "deep signs": "-" * 400 + "x",
    "deep calls": "exp(" * 110 + "x" + ")" * 110,
    "ten thousand": "x" + " + x" * 2500,
    "doubling": "sinh(" * 40 + "x" + ")" * 40,
    "many cases": "max(" * 20 + "x" + ", x)" * 20,
    # not arithmetic of reals
    "division by a constant zero": "x / 0 + 1 / 0",
    "zero to a negative": "0 ** -1 + x",
    "root of a negative": "(-1) ** 0.5 * x",
    "logarithm of a constant": "log(-1) * x",
    "negative base": "(-2) ** x",
    "unbalanced": "exp(x",
    "dangling": "x +",
    "empty": "",
    "blank": "   ",
    "two expressions": "x x",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_formula_is_refused_in_one_line(what):
    started = time.process_time()
    with pytest.raises(FormulaError) as caught:
        Formula(HOSTILE[what])
    assert time.process_time() - started < 0.5
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert len(message) < 330


def test_there_are_enough_of_them():
    assert len(HOSTILE) >= 90
    assert len(set(HOSTILE.values())) == len(HOSTILE)


@pytest.mark.parametrize("text", [None, 3, b"x", ["x"], object()])
def test_a_formula_is_a_text(text):
    with pytest.raises(FormulaError, match="a formula is a text, got"):
        Formula(text)


@pytest.mark.parametrize("name", ["x", "exp", "pi", "e", "max", "relu", "a b", "", "1a", "_a", "é"])
def test_names_that_parameters_cannot_have(name):
    with pytest.raises(FormulaError, match="cannot be the name of a parameter"):
        Formula("x", (name,))


MESSAGES = {
    "tanhh(x)": "unknown function in the formula: 'tanhh'; nearest: tanh",
    "x + bta": "unknown name in the formula: 'bta'; nearest: beta",
    "x.real": "'x.real': a formula has no attributes",
    "x[0]": r"'\[' has no place in a formula; a formula uses x, numbers, \+ - \* / \*\*",
    "where(x, 1, 2)": r"'x': where\(\) begins with one comparison",
    "x > 0": r"'x > 0': a comparison belongs inside where\(\), alone",
    "exp(x, 2)": r"exp\(\) takes 1 argument, got 2",
    "exp(x=x)": r"exp\(\) takes no keywords",
    "x**100": "powers beyond 64 are refused",
    "x // 2": "'x // 2' is not arithmetic",
    "x * (1 / 0)": "'1 / 0' is not a real number",
}


@pytest.mark.parametrize("text", MESSAGES)
def test_the_message_says_which_part(text):
    with pytest.raises(FormulaError, match=MESSAGES[text]):
        Formula(text, ("beta",))


def value_of(text: str, x: float, **parameters: float) -> float:
    formula = Formula(text, tuple(parameters))
    said = speak(formula.function(), on_numpy.vocabulary())
    return float(said(np.float64(x), *parameters.values()))


READ = {
    "x": 0.7,
    "+x": 0.7,
    "-x": -0.7,
    "--x": 0.7,
    "x + 1": 1.7,
    "1_000 * x": 700.0,
    "0x10 * x": 0.7 * 16,
    "x ** 2": 0.7**2,
    "x ** -2": 0.7**-2,
    "-x ** 2": -(0.7**2),
    "(-2) ** 2 * x": 2.8,
    "2 ** 3 ** 2 * x": 512 * 0.7,
    "x ** 0.5": 0.7**0.5,
    "2 ** x": 2**0.7,
    "e ** x": np.exp(0.7),
    "x ** x": 0.7**0.7,
    "pi * x": np.pi * 0.7,
    "e * x": np.e * 0.7,
    "abs(-x)": 0.7,
    "max(x, 1)": 1.0,
    "max(0, x)": 0.7,
    "min(x, 1, 0.5)": 0.5,
    "where(x > 0, x, 0)": 0.7,
    "where(x <= 0, x, 5)": 5.0,
    "ln(x)": np.log(0.7),
    "log(1 + exp(x))": np.log1p(np.exp(0.7)),
    "log(exp(x) + 1)": np.log1p(np.exp(0.7)),
    "log1p(exp(x))": np.log1p(np.exp(0.7)),
    "softplus(x)": np.log1p(np.exp(0.7)),
    "relu(x) + relu(-x)": 0.7,
    "sinh(x) / cosh(x)": np.tanh(0.7),
    "square(x)": 0.49,
    "atan(x)": np.arctan(0.7),
    "logistic(x)": 1 / (1 + np.exp(-0.7)),
    "hypot(x, 2)": np.hypot(0.7, 2),
    "normal_cdf(x)": 0.758036347776927,
    "a * x + b": 0.7 * 3 + 4,
    "(x)": 0.7,
    " x\n": 0.7,
    "(x\n+ 1)": 1.7,
}


@pytest.mark.parametrize("text", READ)
def test_arithmetic_is_read_as_written(text):
    got = value_of(text, 0.7, a=3.0, b=4.0)
    assert got == pytest.approx(READ[text], rel=1e-14)


def test_a_power_that_overflows_in_between_is_not_refused_but_computed():
    assert value_of("log(1 + exp(x))", 1000.0) == 1000.0
    assert value_of("log(1 + exp(2 * x))", -1000.0) == 0.0


def test_canonical_forgets_spaces_and_spellings():
    one, other = Formula("x*max( 0,x )"), Formula("x * maximum(x, 0.0)")
    assert one.canonical == other.canonical
    assert Formula("x + 1").canonical != Formula("1 + x").canonical


def test_the_trees_hold_nothing_but_arithmetic():
    allowed = (ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.Compare, ast.Call)
    operators = (ast.operator, ast.unaryop, ast.cmpop, ast.expr_context)
    for text in READ:
        tree = Formula(text, ("a", "b")).tree
        for made in (tree, differentiate(tree)):
            for node in ast.walk(made):
                assert isinstance(node, (*allowed, *operators)), ast.dump(node)
                if isinstance(node, ast.Constant):
                    assert type(node.value) in (int, float)
                if isinstance(node, ast.Name):
                    known = {"x", "a", "b", "pi", *words.WORDS, *trees.COMPOUNDS}
                    assert node.id in known
                if isinstance(node, ast.Call):
                    assert not node.keywords


def test_nothing_is_within_reach_of_a_made_function():
    """Every name in its code is a word or a number that was put there; of Python's own functions
    there is none (but the import hook, which torch's C code asks for, under no such name)."""
    formula = Formula("x * tanh(exp(x)) + softplus(x) * 0.3 + sinh(a * x)", ("a",))
    said = speak(formula.function(), on_numpy.vocabulary())
    for function in (formula.function(), formula.textbook(), said):
        assert set(function.__builtins__) <= {"__import__"}
        names = set(function.__code__.co_names)
        assert names <= set(function.__globals__) - {"__builtins__"}
        assert not names & set(vars(builtins))
        assert not any(isinstance(c, CodeType) for c in function.__code__.co_consts)
        for name in names:
            meaning = function.__globals__[name]
            assert callable(meaning) or isinstance(meaning, float)


def test_nothing_that_evaluates_is_called_anywhere_in_these_files():
    """eval, exec and compile-and-run of the user's own text do not occur in the sources."""
    for module in (expression, trees, catalog, catalog.calculus, catalog.formulas):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        called = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec", "__import__", "globals", "getattr"} - (
            {"getattr"} if module is trees else set()  # of rectifier.ops.words, by its own list
        )


def test_every_word_that_can_be_typed_has_a_derivative():
    from rectifier.expression import _ARITY

    alone = {word for word, count in _ARITY.items() if count == 1}
    assert alone == set(_RULES)


# -- calls ------------------------------------------------------------------------------------

CALLS = {
    "elu": ("elu", (), {}),
    "elu()": ("elu", (), {}),
    " Leaky-ReLU ": ("Leaky-ReLU", (), {}),
    "leaky relu(0.2)": ("leaky relu", (0.2,), {}),
    "elu(alpha=-0.5)": ("elu", (), {"alpha": -0.5}),
    "relu(max_value=None, threshold=1)": ("relu", (), {"max_value": None, "threshold": 1}),
    "gelu(approximate='tanh')": ("gelu", (), {"approximate": "tanh"}),
    "gelu(approximate=True)": ("gelu", (), {"approximate": True}),
    "f(1,)": ("f", (1,), {}),
}


@pytest.mark.parametrize("text", CALLS)
def test_a_call_is_read(text):
    assert read_call(text) == CALLS[text]


HOSTILE_CALLS = [
    "",
    " ",
    "(",
    "elu(",
    "elu)",
    "elu(alpha=)",
    "elu(alpha=x)",
    "elu(alpha=1+1)",
    "elu(alpha=__import__('os'))",
    "elu(alpha=(lambda: 1)())",
    "elu(alpha=open('x'))",
    "elu(**{'alpha': 1})",
    "elu(*[1])",
    "elu(alpha=[1])",
    "elu(alpha={1: 2})",
    "elu(alpha=1j)",
    "elu(alpha=b'1')",
    "elu(alpha=f'{1}')",
    "elu(alpha=...)",
    "elu(1)(2)",
    "elu(1).bind",
    "elu.bind(1)",
    "elu(1); import os",
    "elu(alpha=1, alpha=2)",
    "elu(" + "(" * 300 + "1" + ")" * 300 + ")",
    "elu(alpha=" + "-" * 400 + "1)",
    "elu" * 400,
    "elu(alpha=1\0)",
    "1elu",
    "_elu",
    "__import__('os')",
    "ｅｌｕ",
    "elü",
    "elu(alpha=１)x",
    "elu\n(1)\nimport os",
]


@pytest.mark.parametrize("text", HOSTILE_CALLS, ids=range(len(HOSTILE_CALLS)))
def test_a_hostile_call_is_refused_in_one_line(text):
    with pytest.raises(InputError) as caught:
        catalog.get(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ["elu(0or 1)", "elu(1(2))", "elu(alpha='\\d')"])
def test_pythons_advice_on_code_is_not_printed(text):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for read in (catalog.get, Formula):
            with pytest.raises(InputError):
                read(text)
    assert not heard


# -- fuzz -------------------------------------------------------------------------------------

PIECES = [
    "x",
    "1",
    "2.5",
    "0",
    "64",
    "1e9",
    "a",
    "pi",
    "e",
    "+",
    "-",
    "*",
    "/",
    "**",
    "(",
    ")",
    ",",
]
PIECES += [" ", ">", "<=", "where(", "max(", "min(", "exp(", "log(", "tanh(", "sqrt(", "relu("]
PIECES += ["softplus(", "abs(", "erf(", "sinh(", ".", "_", "=", "x.y", "f'", "[", "lambda x:", "\0"]


def reads_or_refuses(text: str) -> None:
    started = time.process_time()
    message = ""
    try:
        formula = Formula(text, ("a",))
    except FormulaError as error:
        message = str(error)
    else:
        with np.errstate(all="ignore"):
            said = speak(formula.function(), on_numpy.vocabulary())
            np.asarray(said(np.linspace(-2, 2, 5), np.float64(1.0)), float)
        trees.as_function(differentiate(formula.tree), ("a",))
        assert Formula(formula.canonical, ("a",)).canonical == formula.canonical
    assert "\n" not in message
    assert time.process_time() - started < 1


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60))
@example("٣*x")
@example("x" * 501)
@example("0or x")
@example("1if x else 2")
def test_any_text_is_a_formula_or_a_formula_error(text):
    reads_or_refuses(text)


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_pieces_are_a_formula_or_a_formula_error(text):
    reads_or_refuses(text)


@settings(deadline=None, max_examples=200)
@given(expressions, st.integers(0, 200), st.sampled_from([*PIECES, ""]))
def test_any_damaged_formula_is_a_formula_or_a_formula_error(text, at, piece):
    reads_or_refuses(text)
    reads_or_refuses(text[:at] + piece + text[at + 1 :])


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40))
@example("elu(0or 1)")
def test_any_text_is_an_activation_or_an_input_error(text):
    message = ""
    try:
        catalog.get(text)
    except InputError as error:
        message = str(error)
    assert "\n" not in message
