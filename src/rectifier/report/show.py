"""``rectifier list`` and ``rectifier show``: activations in the terminal, or as one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rectifier.activation import Activation
from rectifier.report.drawing.exactness import exactness, judged_inputs
from rectifier.report.drawing.facts import (
    ascii_text,
    elsewhere,
    fact_rows,
    number,
    parameter_text,
    range_text,
    smooth_word,
    stated,
)

_PLOT = (60, 16)  # characters
_BESIDE = 100  # columns from which the facts stand beside the plot
_DIFFERS = "bold yellow"


class Fitting:
    """Something to print that is built when the terminal is known: its letters, its width.

    ``console.print(it)`` is all there is to do. A terminal (or pipe) whose encoding is not a
    Unicode one gets ASCII throughout.
    """

    def __init__(self, build: Callable[[bool, int], Any]) -> None:
        self.build = build

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.build(not options.ascii_only, options.max_width)


# -- list -------------------------------------------------------------------------------------


def list_table(entries: Iterable[Activation]) -> Fitting:
    """A table of ``entries``: name, kind, range, monotone, smooth, parameters with defaults.

    Quick: needs no NumPy, so that ``rectifier list`` answers at once.
    """
    rows: list[tuple[str, ...]] = []
    for entry in entries:
        facts = stated(entry)
        monotone = "yes" if facts.monotone else "no"
        rows.append(
            (
                *(entry.name, facts.kind, range_text(facts), monotone, smooth_word(facts)),
                parameter_text(entry),
            )
        )
    return Fitting(lambda unicode, width: _list_table(rows, unicode))


def _list_table(rows: list[tuple[str, ...]], unicode: bool) -> Table:
    table = _plain_table(unicode)
    table.add_column("name", style="bold", max_width=30, overflow="fold")
    for heading in ("kind", "range", "monotone", "smooth"):
        table.add_column(heading, no_wrap=True)
    table.add_column("parameters", ratio=1)
    for row in rows:
        table.add_row(*(Text(cell if unicode else ascii_text(cell)) for cell in row))
    return table


def _plain_table(unicode: bool, **options: Any) -> Table:
    """No frame, a rule under the headings, one blank between columns."""
    return Table(
        box=box.SIMPLE_HEAD if unicode else _RULED,
        header_style="dim",
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        **options,
    )


# A rule of hyphens under the headings and nothing else.
_RULED = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


# -- show -------------------------------------------------------------------------------------


def show(activation: Activation) -> Fitting:
    """Everything about one activation, for ``console.print``.

    Formula and derivative, a plot of both, facts, parameters, what each framework calls it
    and where its default is another one, how exact all are, the paper and other spellings.
    """
    return Fitting(lambda unicode, width: Group(*_sections(activation, unicode, width)))


def _sections(activation: Activation, unicode: bool, width: int) -> Iterable[Any]:
    from rectifier.report.drawing.curves import drawn_instead

    def say(text: str) -> str:
        return text if unicode else ascii_text(text)

    yield Text(str(activation), style="bold")
    yield Text(say(activation.summary))
    yield from _formulas(activation, unicode, width)
    yield Text()
    yield _plot_and_facts(activation, unicode, width)
    if instead := drawn_instead(activation):
        yield Text(f"       drawn: {instead}", style="dim")
    if activation.declared:
        yield _heading("Parameters")
        yield _parameters(activation, unicode)
    yield _heading("In other libraries")
    yield _peers(activation, unicode)
    if exactness(activation):
        yield _heading("How exact")
        yield _exactness(activation, unicode)
    yield _heading("More")
    more = _grid(2)
    if activation.aliases:
        more.add_row(Text("also as", "dim"), Text(", ".join(activation.aliases)))
    more.add_row(Text("paper", "dim"), Text(say(activation.paper)))
    yield Padding(more, (0, 0, 0, 2))


def _formulas(activation: Activation, unicode: bool, width: int) -> Iterable[Any]:
    from rectifier.report.drawing.formulas import derivative, formula
    from rectifier.report.drawing.typeset import as_lines

    room = min(width, 100) - 4
    value = as_lines(formula(activation), unicode, room)
    slope = as_lines(derivative(activation), unicode, room)
    for lines in (value, slope):
        yield Text()
        for line in lines:
            yield Padding(Text(line, style="bold" if lines is value else ""), (0, 0, 0, 2))


def _plot_and_facts(activation: Activation, unicode: bool, width: int) -> Any:
    from rectifier.report.drawing.canvas import plot
    from rectifier.report.drawing.curves import draw

    columns, rows = _PLOT
    lines = plot(draw(activation), min(columns, max(20, width - 8)), rows, unicode)
    facts = _grid(2)
    for label, text in fact_rows(activation):
        label, text = (label, text) if unicode else (ascii_text(label), ascii_text(text))
        facts.add_row(Text(label, style="dim", no_wrap=True), Text(text))
    if width < _BESIDE:
        return Group(*lines, Text(), Padding(facts, (0, 0, 0, 2)))
    both = Table.grid(padding=(0, 2, 0, 0))
    both.add_column(width=columns + 7)
    both.add_column(ratio=1)
    both.add_row(Group(*lines), Group(Text(), facts))
    return both


def _parameters(activation: Activation, unicode: bool) -> Any:
    table = _plain_table(unicode)
    for heading in ("name", "value", "default", "allowed", "meaning", "also as"):
        table.add_column(heading, no_wrap=heading in ("value", "default", "allowed"))
    for parameter in activation.declared:
        value = activation.parameters[parameter.name]
        changed = value != parameter.default
        cells: tuple[Text, ...] = (
            Text(parameter.name, style="bold"),
            Text(number(value), style="bold cyan" if changed else ""),
            Text(number(parameter.default)),
            Text("an integer" if parameter.integer else parameter.interval),
            Text(parameter.meaning),
            Text(", ".join(parameter.aliases)),
        )
        if not unicode:
            cells = tuple(Text(ascii_text(cell.plain), style=cell.style) for cell in cells)
        table.add_row(*cells)
    return Padding(table, (0, 0, 0, 2))


def _peers(activation: Activation, unicode: bool) -> Any:
    peers = elsewhere(activation)
    if not peers:
        return Padding(Text("none has it"), (0, 0, 0, 2))
    mark = "≠" if unicode else "!="
    table = _plain_table(unicode)
    table.add_column("call", no_wrap=True)
    table.add_column("its default", no_wrap=True)
    table.add_column("note")
    for peer in peers:
        default = Text("as Rectifier's")
        if peer.differs:
            default = Text(f"{mark} {peer.computes}", _DIFFERS)
        default.append(", as above" if peer.shown else "", "")
        note = peer.note if unicode else ascii_text(peer.note)
        table.add_row(Text(peer.call, _DIFFERS if peer.differs else ""), default, Text(note))
    return Padding(table, (0, 0, 0, 2))


def _exactness(activation: Activation, unicode: bool) -> Any:
    def say(text: str, style: str = "") -> Text:
        return Text(text if unicode else ascii_text(text), style)

    table = _plain_table(unicode)
    table.add_column("float32", overflow="fold")
    table.add_column("value, at worst")
    table.add_column("derivative, at worst")
    for row in exactness(activation):
        style = _DIFFERS if row.wrong else "bold" if row.ours else ""
        table.add_row(say(row.who, style), say(row.value, style), say(row.derivative, style))
    judged = say(judged_inputs(activation), "dim")
    return Padding(Group(table, judged), (0, 0, 0, 2))


def _heading(text: str) -> Any:
    return Padding(Text(text, style="bold underline"), (1, 0, 0, 0))


def _grid(columns: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns):
        grid.add_column()
    return grid


# -- save -------------------------------------------------------------------------------------


def save(activation: Activation, path: str | Path) -> Path:
    """A picture of value and derivative with their formulas, as ``.png``, ``.svg`` or ``.html``.

    The page has sliders for the parameters, which start at the present values.

    Raises:
        InputError: another suffix, or a place that cannot be written.
    """
    from rectifier.report.gallery.picture import one, write

    return write(path, lambda: one(activation), lambda: _page(activation))


def _page(activation: Activation) -> str:
    from rectifier.report.gallery import page

    return page([activation], title=str(activation))
