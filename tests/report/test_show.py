"""``rectifier list`` and ``rectifier show``: what the terminal says, and what --save writes."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

import rectifier as rf
from rectifier.catalog.formulas import activation_from_formula
from rectifier.errors import InputError
from rectifier.report.drawing.exactness import exactness, judged_inputs
from rectifier.report.drawing.facts import ascii_text, elsewhere, fact_rows
from rectifier.report.show import list_table, save, show

HEAVY = ("numpy", "sympy", "scipy", "jax", "polars", "altair", "sklearn", "pandas")


class _Pipe(io.StringIO):
    """A file that is no terminal, of a given encoding."""

    def __init__(self, encoding):
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self):
        return self._encoding


def _printed(renderable, width=100, encoding="utf-8"):
    console = Console(file=_Pipe(encoding), width=width)
    console.print(renderable)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def entries():
    return [rf.get(name) for name in rf.names()]


# -- list


def test_list_has_every_entry_and_fits(entries):
    text = _printed(list_table(entries))
    lines = text.splitlines()
    assert all(len(line) <= 100 for line in lines)
    begun = [line for line in lines[2:] if not line.startswith(" ")]  # not an entry's second
    assert [line.split()[0] for line in begun] == rf.names()
    assert "\x1b" not in text  # plain where it is no terminal
    row = next(line for line in lines if line.startswith("leaky_relu"))
    assert row.split()[:6] == ["leaky_relu", "non-linear", "(-∞,", "∞)", "yes", "kinks"]
    assert row.rstrip().endswith("negative_slope=0.01")


def test_list_in_ascii(entries):
    text = _printed(list_table(entries), encoding="ascii")
    assert text.isascii()
    assert "(-inf, inf)" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_list_has_the_users_own():
    bump = activation_from_formula("bump", "exp(-x * x)", {})
    assert "bump" in _printed(list_table([bump]))


def _heavy_modules(also=""):
    code = (
        "import sys, rectifier as rf\n"
        "from rich.console import Console\n"
        "from rectifier.report.show import list_table\n"
        f"{also}\n"
        "Console().print(list_table([rf.get(n) for n in rf.names()]))\n"
        f"print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.split()


def test_list_imports_nothing_heavy():
    assert _heavy_modules() == []


def test_the_test_above_can_fail():
    assert "numpy" in _heavy_modules(also="rf.get('relu').facts")


# -- show


@pytest.mark.parametrize("name", rf.names())
def test_show_fits_and_names_every_peer(name):
    activation = rf.get(name)
    text = _printed(show(activation))
    assert max(map(len, text.splitlines())) <= 100
    for peer in elsewhere(activation):
        above = text.partition("How exact")[0]
        (line,) = [line for line in above.splitlines() if line.split()[:1] == [peer.call]]
        assert ("≠" in line) == peer.differs
        assert peer.computes in line
    for parameter in activation.declared:
        assert parameter.name in text
    assert "⠉" in text or "⣀" in text or "⠒" in text  # something was drawn


@pytest.mark.parametrize("name", rf.names())
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_show_in_ascii(name, encoding):
    text = _printed(show(rf.get(name)), encoding=encoding)
    assert text.isascii()
    assert "?" not in text  # nothing was left that has no plain spelling
    assert "***" in text


@pytest.mark.parametrize("name", ["relu", "mish", "hard_sigmoid", "softmax"])
def test_show_in_80_columns(name):
    assert max(map(len, _printed(show(rf.get(name)), width=80).splitlines())) <= 80


def test_show_at_other_parameters():
    text = _printed(show(rf.get("leaky_relu", negative_slope=0.2)))
    assert text.startswith("leaky_relu(negative_slope=0.2)")
    assert "0.2⋅x" in text
    assert "f′(0)         0.2, at the kink" in text
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "≠ leaky_relu(negative_slope=0.2), as above" in lines["keras.activations.leaky_relu"]
    assert "as above" not in lines["keras.layers.LeakyReLU"]
    assert lines["negative_slope"].split()[:3] == ["negative_slope", "0.2", "0.01"]


def test_differing_defaults_stand_out_in_colour():
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    console.print(show(rf.get("leaky_relu")))
    (line,) = [s for s in console.file.getvalue().splitlines() if "keras.layers.LeakyReLU" in s]
    assert "\x1b[1;33m" in line


def test_show_of_the_users_own():
    swell = activation_from_formula("swell", "where(x < 0, b * sin(x), x)", {"b": 2.0})
    text = _printed(show(swell))
    assert "none has it" in text
    assert "2⋅sin(x)   for x < 0" in text
    assert "where(x < 0, b * sin(x), x)" in text


def test_markup_is_shown_and_not_obeyed():
    odd = activation_from_formula("odd", "x * x", {})
    odd.summary = "[bold]x[/bold]"
    assert "[bold]x[/bold]" in _printed(show(odd))


@pytest.mark.parametrize(
    ("call", "label", "text"),
    [
        ("gelu", "range", "[-0.17, ∞)"),
        ("sine", "f(±∞)", "NaN and NaN"),
        ("binary_step", "f′(0)", "0, at the jump"),
        ("relu(threshold=1, max_value=3)", "f′(3)", "0, at the kink"),
        ("softsign", "smooth", "f′ is continuous"),
        ("exponential", "Lipschitz", "none, f′ is unbounded"),
        ("relu", "gain", "1.414"),
    ],
)
def test_facts(call, label, text):
    assert dict(fact_rows(rf.get(call)))[label] == text


def test_ascii_text():
    assert ascii_text("[-1, ∞) ≠ f′, Bégio ≤ 2") == "[-1, inf) != f', Begio <= 2"


# -- save


@pytest.mark.parametrize("call", ["leaky_relu(0.2)", "softmax", "gelu_tanh", "binary_step"])
def test_save(call, tmp_path):
    activation = rf.get(call)
    png, svg, html = (save(activation, tmp_path / f"x.{end}") for end in ("png", "SVG", "html"))
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size < 2_000_000
    text = svg.read_text("utf-8")
    assert text.startswith("<svg")
    assert "f, the value" in text
    page = html.read_text("utf-8")
    assert f"<h1>{activation}</h1>" in page
    assert "<math" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.SVG", "x.html", "x.png"]


@pytest.mark.parametrize("name", ["relu.jpg", "relu", "relu.pdf"])
def test_save_to_another_suffix(name, tmp_path):
    with pytest.raises(InputError, match=r"\.png, \.svg or \.html"):
        save(rf.get("relu"), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_save_where_nothing_can_be(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        save(rf.get("relu"), tmp_path / "absent" / "relu.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        save(rf.get("relu"), tmp_path / "folder.png")


# -- exactness


def test_show_tells_how_exact_everyone_is():
    text = _printed(show(rf.gelu), width=120)
    section = text[text.index("How exact") : text.index("More")]
    ours = next(line for line in section.splitlines() if "Rectifier on NumPy" in line)
    assert re.search(r"0\.50\d* ulp at|rounded correctly", ours)
    theirs = next(line for line in section.splitlines() if "torch.nn.functional.gelu" in line)
    assert re.search(r"\de\+0\d ulp at -\d+", theirs)  # the tail that torch has not
    wrong = {row.who: row.wrong for row in exactness(rf.gelu)}
    assert wrong["torch.nn.functional.gelu"]
    assert not wrong["Rectifier on NumPy"]


def test_what_was_not_measured_says_nothing_of_exactness():
    assert "How exact" not in _printed(show(rf.softmax))
    defined = activation_from_formula("plain_twice", "2 * x", {})
    assert exactness(defined) == []
    slope = rf.get("leaky_relu(negative_slope=0.5)")
    assert judged_inputs(slope).endswith("at default parameters")
