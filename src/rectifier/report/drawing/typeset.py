"""Formulas written down: in two dimensions for a terminal, on one line, in MathML.

SymPy's printers do the work. Ours lay out the cases and mend what readers stumble over:
positive terms come first, numbers are short, parameters keep their own names.
"""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

from rectifier.facts import Parameter
from rectifier.report.drawing.formulas import Case, Formula, symbol

_DIGITS = 5  # of a number in a formula; selu's constants have 16


def as_lines(formula: Formula, unicode: bool = True, width: int = 88) -> list[str]:
    """Typeset in two dimensions out of characters, at most ``width`` wide where it can be.

    A formula that would be wider comes as its one-line form, which a terminal may wrap.

    Args:
        formula: from :func:`rectifier.report.drawing.formulas.formula` or ``derivative``.
        unicode: False for ASCII only.
        width: in characters.
    """
    printer = _block_printer(unicode)
    blocks = []
    for case in formula.cases:
        form = printer._print(_tidy(case.expression))
        rows = _plain(form.render(wrap_line=False), unicode).splitlines()
        widest = max(map(len, rows))
        blocks.append(([row.ljust(widest) for row in rows], form.baseline, _when(case, unicode)))
    if len(blocks) == 1:
        rows, middle, _ = blocks[0]
    else:
        rows, middle = _braced(blocks, unicode)
    left = f"{_plain(formula.left, unicode)} = "
    out = [(left if n == middle else " " * len(left)) + row for n, row in enumerate(rows)]
    if max(map(len, out)) > width:
        return [as_line(formula, unicode)]
    return [line.rstrip() for line in out]


def _braced(blocks: list[tuple[list[str], int, str]], unicode: bool) -> tuple[list[str], int]:
    """The cases under each other behind a brace, and the row of its point."""
    widest = max(len(rows[0]) for rows, _, _ in blocks)
    spaced = any(len(rows) > 1 for rows, _, _ in blocks)
    rows: list[str] = []
    for n, (block, baseline, when) in enumerate(blocks):
        if n and spaced:
            rows.append("")
        for m, line in enumerate(block):
            rows.append(line.ljust(widest) + (f"   {when}" if m == baseline else ""))
    if len(rows) == 2:
        rows.insert(1, "")  # the brace needs a row for its point
    middle, last = len(rows) // 2, len(rows) - 1
    top, point, bottom, bar = "⎧⎨⎩⎪" if unicode else "/<\\|"
    braces = {0: top, middle: point, last: bottom}
    return [f"{braces.get(n, bar)} {row}" for n, row in enumerate(rows)], middle


def letter(parameter: Parameter) -> str:
    """How a parameter looks in formulas by symbols: ``α``; empty where it is its own name."""
    from sympy.printing.pretty.pretty_symbology import pretty_symbol

    shown = str(pretty_symbol(symbol(parameter)))
    return "" if shown == parameter.name or len(shown) > 1 else shown


def as_line(formula: Formula, unicode: bool = True) -> str:
    """On one line: ``f(x) = 0.2·x for x ≤ 0, x for x > 0``."""
    parts = [
        f"{_text(case.expression, unicode)} {_when(case, unicode)}".rstrip()
        for case in formula.cases
    ]
    return f"{_plain(formula.left, unicode)} = {', '.join(parts)}"


def _when(case: Case, unicode: bool) -> str:
    if case.everywhere:
        return ""
    if case.condition is not None:
        return "otherwise" if _always(case) else f"for {_text(case.condition, unicode)}"
    words = _stretch(case, lambda expression: _text(expression, unicode))
    return _plain(f"for {' '.join(words)}", unicode)


def _always(case: Case) -> bool:
    import sympy

    return case.condition in (True, sympy.true)


_SIGNS = ("<", ">", "≤", "≥", "=")


def _stretch(case: Case, show: Any) -> list[str]:
    """``["-3", "<", "x", "≤", "3"]``: where a case holds, bounds written by ``show``."""
    if case.low is not None and case.low == case.high:
        return ["x", "=", show(case.low)]
    if case.low is None:
        return ["x", "≤" if case.high_closed else "<", show(case.high)]
    if case.high is None:
        return ["x", "≥" if case.low_closed else ">", show(case.low)]
    left, right = ("≤" if closed else "<" for closed in (case.low_closed, case.high_closed))
    return [show(case.low), left, "x", right, show(case.high)]


def _text(expression: Any, unicode: bool) -> str:
    text = str(_line_printer(unicode).doprint(_tidy(expression)))
    return _plain(re.sub(r"√\((\w+)\)", r"√\1", text), unicode)


def _tidy(expression: Any) -> Any:
    """Floats at the digits people read."""
    import sympy

    floats = expression.atoms(sympy.Float)
    return expression.xreplace({number: sympy.Float(_brief(number)) for number in floats})


def _brief(number: Any) -> str:
    return f"{float(number):.{_DIGITS}g}"


_ASCII = {"′": "'", "ᵢ": "_i", "ⱼ": "_j", "∂": "d", "δ": "delta", "≤": "<=", "≥": ">="}


def _plain(text: str, unicode: bool) -> str:
    if not unicode:
        for fancy, plain in _ASCII.items():
            text = text.replace(fancy, plain)
    return text


class _PositiveFirst:
    """Part of a SymPy printer: ``x - 1`` rather than ``-1 + x``."""

    def _as_ordered_terms(self, expression: Any, order: Any = None) -> list[Any]:
        terms = super()._as_ordered_terms(expression, order=order)  # type: ignore[misc]
        return sorted(terms, key=lambda term: term.could_extract_minus_sign())


@cache
def _block_printer(unicode: bool) -> Any:
    from sympy.printing.pretty.pretty import PrettyPrinter
    from sympy.printing.pretty.pretty_symbology import pretty_use_unicode

    class InBlocks(_PositiveFirst, PrettyPrinter):
        def _print(self, *args: Any, **options: Any) -> Any:
            before = pretty_use_unicode(unicode)  # a global switch in SymPy: put it back
            try:
                return super()._print(*args, **options)
            finally:
                pretty_use_unicode(before)

    return InBlocks({"use_unicode": unicode, "full_prec": False, "wrap_line": False})


@cache
def _line_printer(unicode: bool) -> Any:
    from sympy.printing.str import StrPrinter

    class OneLine(_PositiveFirst, StrPrinter):
        def _print_Float(self, number: Any) -> str:
            return _brief(number)

        def _print_Indexed(self, indexed: Any) -> str:
            return f"{indexed.base}[{','.join(map(str, indexed.indices))}]"

        def _print_Sum(self, total: Any) -> str:
            bound = total.limits[0][0]
            return f"sum_{bound} {self._print(total.function)}"

        def _print_And(self, both: Any) -> str:
            return " and ".join(self._print(part) for part in both.args)

    class Readable(OneLine):
        def _print_Sum(self, total: Any) -> str:
            return super()._print_Sum(total).replace("sum_", "Σ")

        def _print_Mul(self, product: Any) -> str:
            return str(super()._print_Mul(product)).replace("*", "·")

        def _print_Pow(self, power: Any, rational: bool = False) -> str:
            if power.exp.is_Integer and power.exp > 1:
                raised = str(power.exp).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
                return f"{self.parenthesize(power.base, 60)}{raised}"
            return str(super()._print_Pow(power, rational)).replace("sqrt(", "√(")

        def _print_Abs(self, absolute: Any) -> str:
            return f"|{self._print(absolute.args[0])}|"

        def _print_Pi(self, pi: Any) -> str:
            return "π"

    return Readable() if unicode else OneLine()


# -- MathML -----------------------------------------------------------------------------------

_OF_X = '<mrow><mo stretchy="false">(</mo><mi>x</mi><mo stretchy="false">)</mo></mrow>'
_LEFT = {
    "f(x)": f"<mi>f</mi>{_OF_X}",
    "f′(x)": f'<msup><mi>f</mi><mo lspace="0em" rspace="0em">′</mo></msup>{_OF_X}',
    "f(x)ᵢ": f"<mi>f</mi><msub>{_OF_X}<mi>i</mi></msub>",
    "f(a, b)": '<mi>f</mi><mrow><mo stretchy="false">(</mo><mi>a</mi><mo>,</mo><mi>b</mi>'
    '<mo stretchy="false">)</mo></mrow>',
    "(∂f/∂a, ∂f/∂b)": "<mrow><mo>(</mo><mfrac><mrow><mo>∂</mo><mi>f</mi></mrow><mrow><mo>∂</mo>"
    "<mi>a</mi></mrow></mfrac><mo>,</mo><mfrac><mrow><mo>∂</mo><mi>f</mi></mrow><mrow>"
    "<mo>∂</mo><mi>b</mi></mrow></mfrac><mo>)</mo></mrow>",
    "∂fᵢ/∂xⱼ": "<mfrac><mrow><mo>∂</mo><msub><mi>f</mi><mi>i</mi></msub></mrow>"
    "<mrow><mo>∂</mo><msub><mi>x</mi><mi>j</mi></msub></mrow></mfrac>",
}


def as_mathml(formula: Formula) -> str:
    """Presentation MathML, which browsers typeset by themselves, without script or network."""
    if len(formula.cases) == 1:
        right = _mathml(formula.cases[0].expression)
    else:
        rows = "".join(map(_mathml_row, formula.cases))
        right = f'<mrow><mo stretchy="true">{{</mo><mtable class="cases">{rows}</mtable></mrow>'
    return f'<math display="block"><mrow>{_LEFT[formula.left]}<mo>=</mo>{right}</mrow></math>'


# "x tanh": a thin space where a factor is followed by the name of a function
_TIMES_A_WORD = re.compile(r"(<mo>&InvisibleTimes;</mo>)((?:<mrow>)*<mi>[a-z]{2,}</mi>)")


def _mathml(expression: Any) -> str:
    text = str(_mathml_printer().doprint(_tidy(expression)))
    text = text.replace("<mo>-</mo>", "<mo>−</mo>").replace("<mn>-", "<mn>−")
    return _TIMES_A_WORD.sub(r'\1<mspace width="0.17em"/>\2', text)


def _mathml_row(case: Case) -> str:
    if case.condition is None:
        parts = _stretch(case, _mathml)
        when = "".join(
            f"<mo>{html.escape(p)}</mo>" if p in _SIGNS else "<mi>x</mi>" if p == "x" else p
            for p in parts
        )
        word = "for"
    else:
        word, when = ("otherwise", "") if _always(case) else ("for", _mathml(case.condition))
    return (
        f"<mtr><mtd>{_mathml(case.expression)}</mtd>"
        f"<mtd><mtext>{word}&#160;</mtext>{when}</mtd></mtr>"
    )


def _letters(node: Any) -> str:
    """The text of a MathML leaf as the reader sees it; empty for a subscript and the like."""
    leaf = len(node.childNodes) == 1 and node.firstChild.nodeType == node.TEXT_NODE
    return html.unescape(node.firstChild.data) if leaf else ""


@cache
def _mathml_printer() -> Any:
    from sympy.printing.mathml import MathMLPresentationPrinter

    class ForBrowsers(_PositiveFirst, MathMLPresentationPrinter):
        def _leaf(self, tag: str, text: str) -> Any:
            node = self.dom.createElement(tag)
            node.appendChild(self.dom.createTextNode(html.escape(text)))  # SymPy leaves it raw
            return node

        def _print_Symbol(self, symbol: Any, style: str = "plain") -> Any:
            shown = super()._print_Symbol(symbol, style)
            if len(symbol.name) == 1 or not symbol.name.isascii() or len(_letters(shown)) == 1:
                return shown  # x, or a Greek letter
            row = self.dom.createElement("mrow")  # never a subscript: it is a parameter's name
            name = self._leaf("mi", symbol.name)
            name.setAttribute("class", "name")
            space = self.dom.createElement("mspace")
            space.setAttribute("width", "0.17em")
            row.appendChild(name)
            row.appendChild(space)
            return row

        def _print_Indexed(self, indexed: Any) -> Any:
            below = self.dom.createElement("mrow")
            for index in indexed.indices:
                below.appendChild(self._print(index))
            both = self.dom.createElement("msub")
            both.appendChild(self._print(indexed.base))
            both.appendChild(below)
            return both

        def _print_Mul(self, product: Any) -> Any:
            above, below = product.as_numer_denom()
            if not (above.is_Add and below != 1):
                return super()._print_Mul(product)
            fraction = self.dom.createElement("mfrac")  # SymPy's own would say -(β - 1)/α
            fraction.appendChild(self._print(above))
            fraction.appendChild(self._print(below))
            return fraction

        def _print_Exp1(self, number: Any) -> Any:
            return self._leaf("mi", "e")  # not the double-struck ⅇ

        def _print_Float(self, number: Any) -> Any:
            return self._leaf("mn", _brief(number))

        def _print_Relational(self, relation: Any) -> Any:
            row = self.dom.createElement("mrow")
            row.appendChild(self._print(relation.lhs))
            sign = {">=": "≥", "<=": "≤"}.get(relation.rel_op, relation.rel_op)
            row.appendChild(self._leaf("mo", sign))
            row.appendChild(self._print(relation.rhs))
            return row

    return ForBrowsers()
