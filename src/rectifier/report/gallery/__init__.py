"""``rectifier gallery``: every curve on one sheet, or on one page with sliders.

As a picture (PNG, SVG) the default is a sheet of nine, the functions that Keras's list of
activations made everybody's first ones. That list holds eleven: softmax is left out because
it has no curve (it acts on a row at once), exponential because nothing beside it could be
seen on its scale.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from rectifier.activation import Activation
from rectifier.catalog import get, names
from rectifier.report.drawing.curves import drawn_instead, levelled, ticks
from rectifier.report.drawing.exactness import exactness, judged_inputs
from rectifier.report.drawing.facts import brief, elsewhere, fact_rows, number
from rectifier.report.drawing.formulas import derivative, formula
from rectifier.report.drawing.typeset import as_mathml, letter
from rectifier.report.gallery.sweeps import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Frame,
    State,
    Sweep,
    paths,
    sweep,
)
from rectifier.report.templating import asset, embedded, environment, policy

# Rows of like scale: straight and rectified, with a floor, bounded.
NINE = (
    *("identity", "relu", "softplus"),
    *("elu", "selu", "softsign"),
    *("tanh", "sigmoid", "hard_sigmoid"),
)


def gallery(path: str | Path, all: bool = False) -> Path:
    """Draw the catalogue to ``path``: ``.png``, ``.svg`` or ``.html``.

    Args:
        path: the suffix decides. The page always has every entry, those of ``define`` too.
        all: every entry in the picture, rather than the nine of :data:`NINE`. Functions along
            an axis are drawn as their first output for the row (x, 0, 0).

    Raises:
        InputError: another suffix, or a place that cannot be written.
    """
    from rectifier.report.gallery import picture

    entries = [get(name) for name in (names() if all else NINE)]
    columns = math.ceil(math.sqrt(len(entries)))
    return picture.write(
        path,
        lambda: picture.grid(entries, columns),
        lambda: page([get(name) for name in names()]),
    )


def page(activations: Sequence[Activation], title: str = "") -> str:
    """One HTML page of ``activations`` that needs no network: formulas, curves, sliders, facts.

    Every curve is drawn by the definitions beforehand; see :mod:`rectifier.report.gallery.sweeps`.

    Args:
        activations: in order; sliders start at their present parameter values.
        title: of the page; empty for that of a gallery.
    """
    from rectifier import __version__

    swept = [(activation, sweep(activation)) for activation in activations]
    entries = [_entry(activation, moved) for activation, moved in swept]
    script = asset("gallery.js")
    return (
        environment()
        .get_template("gallery.html.jinja")
        .render(
            title=title or f"{len(entries)} activation functions",
            single=len(entries) == 1,
            version=__version__,
            style=asset("style.css") + asset("gallery.css"),
            script=script,
            policy=policy(script),
            entries=entries,
            kinds=list(dict.fromkeys(entry["kind"] for entry in entries)),
            data=embedded({entry["name"]: entry.pop("data") for entry in entries}),
            box={"width": WIDTH, "height": HEIGHT, "left": LEFT, "top": TOP}
            | {"right": RIGHT, "bottom": BOTTOM},
        )
    )


def _entry(activation: Activation, moved: Sweep) -> dict[str, Any]:
    start = moved.states[moved.start]
    low, high = levelled(start.drawing, (state.drawing for state in moved.states))
    frame = Frame(start.drawing.reach, low, high)
    peers = [
        {
            "call": _breakable(peer.call),
            "computes": _breakable(peer.computes),
            "note": peer.note,
            "differs": peer.differs,
        }
        for peer in elsewhere(activation)
    ]
    return {
        "name": activation.name,
        "kind": activation.facts.kind,
        "words": " ".join([activation.name, *activation.aliases, activation.summary]).lower(),
        "summary": activation.summary,
        "aliases": activation.aliases,
        "paper": activation.paper,
        "instead": drawn_instead(activation),
        "formula": Markup(as_mathml(formula(activation, named=True))),
        "derivative": Markup(as_mathml(derivative(activation, named=True))),
        "sliders": [
            {
                "name": slider.parameter.name,
                "letter": letter(slider.parameter),
                "meaning": slider.parameter.meaning,
                "last": len(slider.values) - 1,
                "start": slider.start,
                "text": number(slider.values[slider.start]),
            }
            for slider in moved.sliders
        ],
        "fixed": len(activation.declared) - len(moved.sliders),
        "peers": peers,
        "exactness": [
            {
                "who": _breakable(row.who),
                "value": row.value,
                "derivative": row.derivative,
                "wrong": row.wrong,
            }
            for row in exactness(activation)
        ],
        "judged": judged_inputs(activation),
        "shown": _shown(start, frame),
        "across": [(frame.x(x), number(x)) for x in ticks(-frame.reach, frame.reach, 6)],
        "upward": [(frame.y(y), number(y)) for y in ticks(low, high, 7)],
        "zero": (frame.x(0.0), frame.y(0.0)),
        "data": _data(moved, frame),
    }


def _breakable(call: str) -> Markup:
    """A dotted name that may go over two lines, before a dot or a parenthesis only."""
    return Markup(re.sub(r"([.(])", r"<wbr>\1", str(escape(call))))


def _shown(state: State, frame: Frame) -> dict[str, Any]:
    """What the page says of one state: its call, six paths, its facts."""
    drawing = state.drawing
    facts: Iterable[tuple[str, str]] = [("value", "not a number everywhere")]
    if state.sound:
        facts = fact_rows(state.activation)
    return {
        "call": brief(str(state.activation)),
        "value": paths(drawing.value, frame),
        "slope": paths(drawing.derivative, frame),
        "facts": [list(row) for row in facts],
    }


def _data(moved: Sweep, frame: Frame) -> dict[str, Any]:
    """The states for the page's script; nothing for an entry without sliders."""
    if not moved.sliders:
        return {"sliders": [], "states": []}
    shown = [_shown(state, frame) for state in moved.states]
    return {
        "sliders": [[number(value) for value in slider.values] for slider in moved.sliders],
        "states": [[s["call"], *s["value"], *s["slope"], s["facts"]] for s in shown],
    }
