"""Textbook forms: an entry's formula as SymPy's expression, its derivative, and their LaTeX.

SymPy is imported when a formula is first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from rectifier.facts import Shape
from rectifier.ops import on_sympy
from rectifier.ops.rule import speak

_SIMPLE = 1000  # 0.16666666666666666 is 1/6; fractions beyond this are decimals to people
_TRIED = 60  # operations up to which a shorter form of a derivative is looked for


def exact(value: float) -> Any:
    """The number that a float is short for: 1/6, 1/10, or the decimal as printed."""
    import sympy

    if math.isinf(value):
        return sympy.oo if value > 0 else -sympy.oo
    simple = Fraction(value).limit_denominator(_SIMPLE)
    return sympy.Rational(simple if float(simple) == value else Fraction(repr(float(value))))


def expression(
    formula: Callable[..., Any],
    parameters: Sequence[Any],
    number: Callable[[str, float], Any] | None = None,
    kind: Shape = "elementwise",
) -> Any:
    """``formula(x, *parameters)`` in SymPy, in a real symbol ``x`` or, along an axis, ``x[i]``.

    Gated: ``formula(a, b)``.

    Args:
        number: what becomes of the numbers that the formula uses by name.
    """
    import sympy

    spoken = speak(formula, on_sympy.vocabulary(), number)
    if kind == "gated":
        return sympy.sympify(spoken(*sympy.symbols("a b", real=True)))
    if kind == "elementwise":
        x = sympy.Symbol("x", real=True)
    else:
        x = sympy.IndexedBase("x")[sympy.Symbol("i", integer=True, positive=True)]
    return sympy.sympify(spoken(x, *parameters))


def derivative(form: Any) -> Any:
    """df/dx by SymPy; along an axis ∂f(x_i)/∂x_j; of two inputs the pair.

    Steps have no impulse, and are 0 at the jump.
    """
    import sympy

    x, a, b = sympy.symbols("x a b", real=True)
    if {a, b} <= form.free_symbols - {x}:
        return sympy.Tuple(_slope(form, a, cases=False), _slope(form, b, cases=False))
    if form.atoms(sympy.Indexed):
        return _jacobian(form)
    return _slope(form, x)


def _slope(form: Any, variable: Any, cases: bool = True) -> Any:
    import sympy

    def as_cases(step: Any, *_: Any) -> Any:
        if step.has(sympy.Piecewise):
            return sympy.Heaviside(step)  # as a condition SymPy would solve it, for minutes
        return sympy.Piecewise((1, step > 0), (0, True))

    smooth = form.diff(variable).replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))
    if not cases:
        return smooth
    return smooth.replace(sympy.Heaviside, as_cases)


def _jacobian(form: Any) -> Any:
    """The product rule through the one term that makes every output depend on every score."""
    import sympy
    from sympy.core.function import AppliedUndef

    if isinstance(form, sympy.Tuple):
        return sympy.Tuple(*map(_jacobian, form))
    here, there, other = sympy.symbols("i j k", integer=True, positive=True)
    (row,) = form.atoms(sympy.IndexedBase)
    if not form.atoms(sympy.Sum):  # a threshold or a largest: its own slope stays as it is
        score = sympy.Dummy(real=True)
        terms = {term: sympy.Dummy(real=True) for term in form.atoms(AppliedUndef)}
        inner = form.subs(terms).subs(row[here], score)
        result = sympy.KroneckerDelta(here, there) * _slope(inner, score, cases=False)
        for term, stand_in in terms.items():
            result += _slope(inner, stand_in, cases=False) * sympy.Derivative(
                term, row[there], evaluate=False
            )
        back = {stand_in: term for term, stand_in in terms.items()}
        return result.subs(score, row[here]).subs(back)
    (total,) = form.atoms(sympy.Sum)
    bound, first, last = total.limits[0]
    (x,) = {e for e in form.atoms(sympy.Indexed) if e.indices == (here,)}
    stand_in = sympy.Dummy(positive=True)
    inner = form.subs(total, stand_in)
    through = total.function.diff(x.base[bound]).subs(bound, there)
    slope = sympy.KroneckerDelta(here, there) * inner.diff(x) + inner.diff(stand_in) * through
    return slope.subs(stand_in, sympy.Sum(total.function.subs(bound, other), (other, first, last)))


def short_derivative(form: Any) -> Any:
    """:func:`derivative` in the shortest of a few equal forms, branch by branch."""
    import sympy

    slope = derivative(form)
    if form.atoms(sympy.Indexed) or isinstance(slope, sympy.Tuple):
        return slope
    if not slope.has(sympy.Piecewise):
        return _shortest(slope)
    return slope.replace(
        lambda e: isinstance(e, sympy.Piecewise),
        lambda e: sympy.Piecewise(*((_shortest(b), c) for b, c in e.args), evaluate=False),
    )


def _shortest(slope: Any) -> Any:
    import sympy

    x = sympy.Symbol("x", real=True)
    size = sympy.Dummy(positive=True)  # |x|, which SymPy would not see in x sign(x)
    plain = slope.subs(x * sympy.sign(x), size).subs(sympy.Abs(x), size)
    forms = [slope, plain]
    if plain.count_ops() <= _TRIED and not plain.has(sympy.Float, sympy.Piecewise):
        forms.append(sympy.factor(sympy.cancel(plain)))
    return min(forms, key=lambda form: form.count_ops()).subs(size, sympy.Abs(x))


def latex(form: Any) -> str:
    """LaTeX for people: nested cases in one brace, each with its stretch of the line."""
    import sympy

    printer, power = _printer()
    # Of a power whose exponent varies SymPy's printer asks whether it is a constant, by
    # simplifying: it takes seconds for exp(exp(exp(...))). A power by another name is not asked.
    shown = form.replace(
        lambda e: isinstance(e, (sympy.exp, sympy.Pow)) and bool(e.exp.free_symbols),
        lambda e: power(sympy.E if isinstance(e, sympy.exp) else e.base, e.exp),
    )
    return str(printer.doprint(shown))


@cache
def _printer() -> tuple[Any, Any]:
    """A printer, and the function that it prints as a power."""
    import sympy
    from sympy.printing.latex import LatexPrinter
    from sympy.printing.precedence import PRECEDENCE

    class Raised(sympy.Function):
        nargs = 2

    class ForPeople(LatexPrinter):
        def _print_Raised(self, power: Any, exp: str | None = None) -> str:
            base, exponent = power.args
            text = rf"{self.parenthesize(base, PRECEDENCE['Pow'])}^{{{self._print(exponent)}}}"
            return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

        def _print_Piecewise(self, piecewise: Any) -> str:
            *branches, (last, _) = _branches(piecewise, ())
            lines = [
                rf"{self._print(branch)} & \text{{if }} {self._stretch(conditions)}"
                for branch, conditions in branches
                if branch != last
            ]
            lines.append(rf"{self._print(last)} & \text{{otherwise}}")
            return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}"

        def _needs_mul_brackets(self, form: Any, first: bool = False, last: bool = False) -> bool:
            if last and isinstance(form, sympy.Piecewise):
                return False  # the brace of the cases is bracket enough
            return bool(super()._needs_mul_brackets(form, first, last))

        def _stretch(self, conditions: Sequence[Any]) -> str:
            """``0 < x \\leq 6``. Of two bounds on one side the inner, later one counts."""
            x = sympy.Symbol("x", real=True)
            bounds: dict[bool, tuple[str, bool]] = {}
            others = []
            for condition in conditions:
                if not isinstance(condition, sympy.core.relational.Relational):
                    others.append(self._print(condition))
                    continue
                relation = condition.reversed if condition.rhs == x else condition
                if relation.lhs == x and not relation.rhs.has(x):
                    above = relation.rel_op in (">", ">=")
                    bounds[above] = (self._print(relation.rhs), "=" in relation.rel_op)
                else:
                    others.append(self._print(condition))
            text = "x"
            if len(bounds) == 2:
                (low, low_closed), (high, high_closed) = bounds[True], bounds[False]
                text = rf"{low} {_sign('<', low_closed)} x {_sign('<', high_closed)} {high}"
            elif bounds:
                ((above, (bound, closed)),) = bounds.items()
                text = rf"x {_sign('>' if above else '<', closed)} {bound}"
            return r" \text{ and } ".join([text] * bool(bounds) + others)

    return ForPeople(), Raised


def _sign(sign: str, closed: bool) -> str:
    return {"<": r"\leq", ">": r"\geq"}[sign] if closed else sign


def _branches(piecewise: Any, outer: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """(expression, conditions that all hold), nested Piecewise opened, in their order."""
    import sympy

    for branch, condition in piecewise.args:
        always = condition == sympy.true
        here = outer if always else (*outer, condition)
        if isinstance(branch, sympy.Piecewise):
            yield from _branches(branch, here)
        else:
            yield branch, here
        if not always:
            outer = (*outer, sympy.Not(condition))
