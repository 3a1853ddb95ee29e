"""Terminal output: at most 100 characters, no control code from data, plain lines in a pipe."""

from __future__ import annotations

import io
import re

import pytest
from fixtures import HOSTILE, make_study
from rich.cells import cell_len
from rich.console import Console

from rectifier.report import terminal
from rectifier.report.plain import duration, sentence, visible
from rectifier.report.progress import StudyProgress

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]")


def printed(renderable, width=100, **options) -> str:
    console = Console(width=width, file=io.StringIO(), **options)
    console.print(renderable)
    return console.file.getvalue()


def widest(text: str) -> int:
    return max(cell_len(line) for line in text.splitlines())


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "rmse", "r2"])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_leaderboard_fits(metric, width):
    text = printed(terminal.leaderboard(make_study(metric=metric, epochs=25).verdict), width)
    assert widest(text) <= min(width, 100)
    assert "…" not in text
    assert "exponential" in text
    assert "hard_sigmoid" in text


def test_leaderboard_at_100_has_every_column_and_marks():
    verdict = make_study(epochs=25).verdict
    text = printed(terminal.leaderboard(verdict))
    for word in ("activation", "rate", "accuracy", "interval", "gain", "chance", "dead", "blew"):
        assert word in text
    rows = [line.split() for line in text.splitlines() if re.match(r" *\d+ ", line)]
    assert [row[2] if row[1] in ">=" else row[1] for row in rows] == [
        row["activation"] for row in verdict["table"]
    ]
    assert [row[2] for row in rows if row[1] == ">"] == [verdict["recommended"]]
    assert [row[2] for row in rows if row[1] == "="] == ["relu"]


def test_sixty_long_names_are_cut():
    names = [f"an_activation_whose_name_is_very_long_number_{i}" for i in range(60)]
    text = printed(terminal.leaderboard(make_study(activations=names, epochs=25).verdict))
    assert widest(text) <= 100
    assert "…" in text


def test_unknown_numbers_are_dashes():
    verdict = make_study(epochs=25).verdict
    for row in verdict["table"]:
        row.update(dict.fromkeys(set(row) - {"activation", "runs", "diverged"}))
    assert "-" in printed(terminal.leaderboard(verdict))


@pytest.mark.parametrize("strength", ["proven", "likely", "no matter"])
def test_verdict_line(strength):
    verdict = make_study(strength=strength, epochs=25).verdict
    text = printed(terminal.verdict_line(verdict), 1000)
    assert text.startswith(strength.capitalize() + ". ")
    assert verdict["reason"][1:] in text


@pytest.mark.parametrize("draw", [terminal.findings, terminal.inspection])
@pytest.mark.parametrize("width", [50, 80, 100, 200])
def test_hostile_names_are_harmless(draw, width):
    inspection = make_study(hostile=True, epochs=25).inspection
    text = printed(draw(inspection), width)
    assert widest(text) <= min(width, 100)
    assert not CONTROL.search(text)
    text.encode()  # no lone surrogate
    assert "[bold red]" in text or draw is terminal.findings  # markup is not obeyed


def test_inspection_says_what_it_leaves_out():
    text = printed(terminal.inspection(make_study(columns=2000, epochs=25).inspection))
    assert "1970 more; --json" in text
    assert "more findings; --json" in text
    assert len(text.splitlines()) < 200


def test_warnings_are_capped():
    verdict = make_study(epochs=25).verdict
    verdict["warnings"] = [{"kind": "k", "column": None, "message": f"m{i}"} for i in range(9)]
    lines = [line.plain for line in terminal.warnings(verdict)]
    assert lines[0] == "k: M0."
    assert lines[-1] == "and 4 more warnings, in the report"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_progress_speaks_now_and_then_without_codes():
    console = Console(file=io.StringIO(), force_terminal=False, width=80)
    clock = Clock()
    with StudyProgress(console, clock=clock) as listener:
        listener.say("22 activations, at most 14 s")
        for done in range(551):
            clock.now = done / 10
            listener.progress("tuning [red]leaky\x1b_relu", done, 550)
    text = console.file.getvalue()
    lines = text.splitlines()
    assert not CONTROL.search(text)
    assert lines[0] == "22 activations, at most 14 s"
    assert lines[1] == "tuning [red]leaky\\x1b_relu: 100 of 550 runs, about 45 s left"
    assert lines[-1] == "550 of 550 runs done in 55 s"
    assert len(lines) == 7


def test_time_left_counts_down_and_ignores_the_journals_runs():
    clock = Clock()
    progress = StudyProgress(Console(file=io.StringIO()), clock=clock)
    assert progress.seconds_left() is None
    progress.progress("tuning elu", 400, 500)  # found in the journal
    assert progress.seconds_left() is None
    clock.now = 10.0
    progress.progress("tuning elu", 420, 500)
    assert progress.seconds_left() == pytest.approx(40.0)
    clock.now = 15.0
    assert progress.seconds_left() == pytest.approx(35.0)
    clock.now = 99.0
    assert progress.seconds_left() == 0.0


@pytest.mark.parametrize("width", [40, 80, 120])
def test_live_progress_shows_and_goes_even_on_errors(width):
    console = Console(file=io.StringIO(), force_terminal=True, force_interactive=True, width=width)

    def interrupted():
        with StudyProgress(console) as listener:
            listener.progress("confirming mish", 30.5, 550)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    text = console.file.getvalue()
    assert "confirming mish" in text
    assert "30 of 550" in text
    assert text.endswith("\x1b[2K")  # the live line is wiped
    assert "\x1b[?25h" in text  # and the cursor is back


@pytest.mark.parametrize("text", HOSTILE)
def test_visible(text):
    shown = visible(text)
    assert len(shown) <= 120 * 6
    assert not CONTROL.search(shown)
    shown.encode()


def test_small_words():
    assert visible("a\nb\u202e") == "a\\nb\\u202e"
    assert visible("x" * 300, 10) == "x" * 9 + "…"
    assert visible("بيانات 数据") == "بيانات 数据"
    assert sentence("use elu: it is better") == "Use elu: it is better."
    assert sentence("") == ""
    assert [duration(s) for s in (0.44, 12.0, 9, 200.0, 7500.0)] == [
        *("0.4 s", "12 s", "9 s", "3 min 20 s", "2 h 05 min")
    ]
