"""Charts: valid grammar, nothing out of bounds, names as text, pictures that open."""

from __future__ import annotations

import re

import numpy as np
import pytest
from fixtures import HOSTILE, make_study

import rectifier as rf
from rectifier.report import charts
from rectifier.report.page import charts_epochs, charts_standings
from rectifier.report.page.network import network_svg, parameters
from rectifier.report.plain import Figures
from rectifier.study.judge.metrics import METRICS, get_metric

STUDY = make_study(epochs=30)
ACCURACY = Figures(get_metric("accuracy", "classification"))


def every_chart(width: int = 900) -> dict[str, object]:
    losses = charts_epochs.bands(STUDY.runs, charts_epochs.VALIDATION_LOSS)
    dead = charts_epochs.bands(STUDY.runs, charts_epochs.DEAD)
    scale = charts_epochs.shared_scale(losses)
    assert scale is not None
    recommended = STUDY.verdict["recommended"]
    drawn = charts_epochs.dead_units(dead, recommended, "relu", width)
    assert drawn is not None
    return {
        "standings": charts_standings.standings(STUDY.verdict, ACCURACY, width),
        "differences": charts_standings.differences(STUDY.verdict, ACCURACY, 0.005, width),
        "dead": drawn[0],
        "variation": charts_epochs.variation_bar(STUDY.variation, width),
        "curve": charts.activation_curve(rf.get("mish")),
        "panel": charts_epochs.panels(losses, recommended, "relu", scale)["relu"],
    }


@pytest.mark.parametrize("name", every_chart())
def test_chart_follows_the_grammar_and_draws(name):
    chart = every_chart()[name]
    if not isinstance(chart, dict):
        chart.to_dict()  # altair validates; to_svg does not, for speed
    svg = charts.to_svg(chart)
    assert svg.startswith("<svg")
    assert "NaN" not in svg
    assert "undefined" not in svg
    inline = charts.inline_svg(svg, 'a "label" <b>')
    assert "http" not in inline
    assert "url(" not in inline
    assert " id=" not in inline
    assert 'aria-label="a &quot;label&quot; &lt;b&gt;"' in inline
    assert not re.search(r"#[0-9a-f]{6}", inline)  # every colour is one of the palette


def test_png_is_a_png():
    png = charts.to_png(charts.activation_curve(rf.get("elu")), scale=1)
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", rf.names())
def test_every_activation_has_a_curve_or_none(name):
    chart = charts.activation_curve(rf.get(name))
    assert (chart is not None) == rf.get(name).elementwise


@pytest.mark.parametrize("text", HOSTILE)
def test_names_stay_text_in_a_drawing(text):
    verdict = {
        **STUDY.verdict,
        "table": [{**STUDY.verdict["table"][0], "activation": text}],
        "recommended": text,
    }
    chart = charts_standings.standings(verdict, ACCURACY, 900)
    svg = charts.inline_svg(charts.to_svg(chart), text)
    assert not re.search(r"<(?!/?(svg|g|path|line|text|rect|tspan)\b)", svg)
    assert not re.search(r"<[^>]* on\w+=", re.sub(r'"[^"]*"', '""', svg))


def test_far_outliers_do_not_rule_the_axis():
    rows = [{"middle": 95 + i / 10, "low": 94 + i / 10, "high": 96 + i / 10} for i in range(20)]
    near = charts_standings.reach(rows, [])
    far = charts_standings.reach([*rows, {"middle": 30.0, "low": 25.0, "high": 35.0}], [])
    assert far == pytest.approx(near, abs=0.5)
    assert far[0] < 94
    assert far[1] > 97.9
    svg = charts.to_svg(charts_standings.standings(STUDY.verdict, ACCURACY, 900))
    assert ">64.2<" in svg  # exponential: beside its arrow at the edge


def test_reach_of_equal_and_of_zero_scores_is_an_interval():
    for value in (0.0, 1.0, -3.0, 1e9):
        low, high = charts_standings.reach([{"middle": value, "low": value, "high": value}], [])
        assert low < value < high


def test_band_is_the_quantiles_and_ends_when_half_have_stopped():
    runs = [r for r in STUDY.runs if r.activation == "elu" and r.phase == "confirm"]
    band = charts_epochs.bands(runs, charts_epochs.VALIDATION_LOSS)["elu"]
    lengths = sorted(len(run.curves[1]) for run in runs)
    assert band.runs == len(runs) == 10
    assert band.epoch[-1] == lengths[5]
    first = np.sort([run.curves[1][0] for run in runs])
    assert band.middle[0] in first[4:6]
    assert first[0] <= band.low[0] <= band.middle[0] <= band.high[0] <= first[-1]


def test_tuning_runs_are_not_in_the_bands():
    tuning = [run for run in STUDY.runs if run.phase == "tune"]
    assert charts_epochs.bands(tuning, charts_epochs.VALIDATION_LOSS) == {}


def test_diverged_runs_count_as_infinite():
    band = charts_epochs.bands(STUDY.runs, charts_epochs.VALIDATION_LOSS)["exponential"]
    assert np.isinf(band.high[-1])
    assert not np.isnan(band.middle).any()


def test_no_dead_units_no_chart():
    quiet = {"elu": charts_epochs.Band(*np.zeros((4, 3)), runs=1)}
    assert charts_epochs.dead_units(quiet, "elu", "elu", 900) is None


def test_variation_bar_of_nothing_is_none():
    assert charts_epochs.variation_bar({"activation": 0.0}, 900) is None
    assert charts_epochs.variation_bar({}, 900) is None


@pytest.mark.parametrize("metric", METRICS)
def test_figures_have_no_unit_and_their_sign(metric):
    figures = Figures(METRICS[metric])
    shown = figures.value(0.5) + figures.difference(0.25) + figures.differences(-0.25, 0.25)
    assert not re.search(r"[a-z%]", shown.replace(" to ", ""))
    assert figures.difference(0.25).startswith("+")
    assert figures.difference(-0.25).startswith("−")


def test_a_blown_up_score_takes_no_more_room():
    figures = Figures(METRICS["r2"])
    assert figures.value(-20340982313.166) == "-2.03e+10"
    assert figures.differences(-2e10, 2e10) == "−2.00e+10 to +2.00e+10"


def test_network_drawing_abbreviates_and_counts():
    settings = {"inputs": 13, "hidden": [64, 4], "outputs": 3, "network": "mlp"}
    assert parameters(settings) == 14 * 64 + 65 * 4 + 5 * 3
    svg = network_svg(settings, "classification", "elu(alpha=0.5)", 900)
    assert svg.count('class="hidden" cx') == 8 + 4  # of 64 eight are drawn, of 4 all
    assert ">64<" in svg
    assert ">softmax<" in svg
    assert "elu(alpha=0.5)" in svg
