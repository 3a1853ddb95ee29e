"""The report page: complete, self-contained, small, and deaf to what names try to say."""

from __future__ import annotations

import html
import json
import re
import shutil
import time

import pytest
from fixtures import HOSTILE, make_study

import rectifier as rf
from rectifier.report.page import render
from rectifier.report.page.training import variation_sentence

SECTIONS = [
    *("verdict", "leaderboard", "differences", "learning", "dead", "variation"),
    *("network", "data", "settings", "code"),
]


def page(**options) -> str:
    study = make_study(**options)
    return render(study.verdict, study.runs, study.inspection, study.variation)


@pytest.fixture(scope="module")
def usual() -> str:
    return page()


@pytest.fixture(scope="module")
def hostile() -> str:
    return page(hostile=True, epochs=25, columns=30)


def test_sections_come_in_the_order_of_reading(usual):
    assert re.findall(r'<section id="([\w-]+)"', usual) == SECTIONS


@pytest.mark.parametrize("name", ["usual", "hostile"])
def test_nothing_is_fetched(name, request):
    text = request.getfixturevalue(name)
    # What lies in attributes and styles; in texts a name may say what it likes.
    assert not re.search(r"<[^>]*\b(?:src|srcset|poster|data|action)\s*=\s*[\"'][^\"']", text)
    assert all(link.startswith("#") for link in re.findall(r'<[^>]*\bhref="([^"]*)"', text))
    assert not re.search(r"@import|\burl\(", text)
    assert not re.search(r"https?:|//cdn|xmlns", text)
    assert "default-src 'none'" in html.unescape(text)


def test_every_number_of_the_leaderboard_is_there(usual):
    study = make_study()
    for row in study.verdict["table"]:
        assert f'<th scope="row">{row["activation"]}</th>' in usual
        assert f">{100 * row['mean']:.1f}<" in usual
    assert usual.count('class="recommended"') == 1
    assert usual.count('class="base"') >= 1


@pytest.mark.parametrize("strength", ["proven", "likely", "no matter"])
def test_verdict_comes_first_with_its_strength_and_sentence(strength):
    study = make_study(strength=strength, activations=["relu", "elu", "identity"], epochs=25)
    text = render(study.verdict, study.runs, study.inspection, study.variation)
    top = text[text.index("<main>") : text.index('id="leaderboard"')]
    assert f'class="verdict {strength.replace(" ", "-")}"' in top
    assert f">{strength.capitalize()}<" in top
    reason = study.verdict["reason"]
    assert reason[0].upper() + reason[1:] + "." in top
    assert "<svg" in top  # the recommended activation's curve


def test_hostile_names_are_text(hostile):
    body = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", hostile, flags=re.S)
    for tag in re.findall(r"<[^>]*>", body):
        assert not re.search(r"\son\w+\s*=", re.sub(r'"[^"]*"', '""', tag)), tag
    assert "<img" not in hostile
    assert hostile.count("<script") == 2
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in hostile
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\u200f\x00\x07\x1b]", hostile)
    assert "{{ 7 * 7 }} {% raw %}" in hostile  # a name is no template
    hostile.encode("utf-8")  # the lone surrogate is spelt out


def test_json_on_the_page_is_the_verdict(hostile):
    data = re.search(r'id="verdict-json">(.*?)</script>', hostile, re.S)
    assert data is not None
    assert "<" not in data[1]
    verdict = json.loads(data[1])
    assert verdict["table"] == make_study(hostile=True, epochs=25, columns=30).verdict["table"]
    assert verdict["data"]["target"] == HOSTILE[1]


def test_small_whatever_the_study():
    names = [f"{n}(alpha={i})" for i in range(1, 31) for n in ("elu", "celu")]
    study = make_study(activations=["relu", *names], seeds=25, epochs=500, columns=2000)
    assert len(study.runs) > 2400
    study.verdict["data"]["classes"] = [f"class {i} {'x' * 500}" for i in range(20_000)]
    study.inspection["classes"] = study.verdict["data"]["classes"]
    study.inspection["counts"] = [1] * 20_000
    start = time.process_time()
    text = render(study.verdict, study.runs, study.inspection, study.variation)
    assert len(text.encode()) < 1_500_000
    assert time.process_time() - start < 20  # a guard against quadratic work, not a benchmark
    assert "more columns not shown" in text
    assert "more findings not shown" in text
    assert "more classes not shown" in text
    assert "Not drawn: " in text


def test_studies_of_next_to_nothing_are_drawn():
    study = make_study(activations=["relu"], epochs=25)
    for row in study.verdict["table"]:
        row.update(dict.fromkeys(set(row) - {"activation", "runs", "diverged"}))
    study.verdict["warnings"] = []
    study.verdict["settings"]["command"] = ""
    text = render(study.verdict, [], {}, {})
    assert re.findall(r'<section id="([\w-]+)"', text) == SECTIONS
    assert "rectifier.compare(data, target=" in text


def test_a_formula_of_another_process_is_drawn_without_its_curve():
    text = page(activations=["relu", "defined_elsewhere"], epochs=25)
    assert "defined_elsewhere" in text


def test_a_formula_of_this_process_comes_with_its_definition():
    rf.define("page_swish", "x * sigmoid(1.5 * x)")
    study = make_study(activations=["relu", "page_swish"], epochs=25)
    study.verdict["recommended"] = "page_swish"
    text = render(study.verdict, study.runs, study.inspection, study.variation)
    assert "rectifier.define(&#34;page_swish&#34;, &#34;x * sigmoid(1.5 * x)&#34;)" in text


@pytest.mark.parametrize("metric", ["r2", "rmse", "mae", "log_loss", "roc_auc"])
def test_every_kind_of_metric_is_drawn(metric):
    text = page(metric=metric, activations=["relu", "elu", "identity"], epochs=25)
    assert 'id="code"' in text


def test_the_larger_share_is_said_plainly():
    said = variation_sentence({"activation": 0.09, "learning rate": 0.33, "rows": 0.58})
    assert said.startswith("The learning rate mattered more than the activation: 33 % of the ")
    assert "Tune it first" in said
    assert "58 % is the luck" in said
    assert "activation mattered more" in variation_sentence(
        {"activation": 0.4, "learning rate": 0.1}
    )
    assert "did not vary" in variation_sentence({}) == variation_sentence({"activation": 0.0})


# --- in a browser ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on the path: the page is not looked at in a browser")
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        ) as running,
    ):
        yield running


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["usual", "hostile"])
def test_in_a_browser(browser, tmp_path, request, name, width):
    file = tmp_path / "report.html"
    file.write_text(request.getfixturevalue(name), encoding="utf-8")
    trouble: list[str] = []
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark")
    tab.on("console", lambda message: trouble.append(message.text))
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    tab.on("request", lambda asked: asked.url.startswith("file:") or trouble.append(asked.url))
    tab.goto(file.as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for section in SECTIONS:
        assert tab.locator(f"#{section}").is_visible()
    # Nothing stands out to the right but what scrolls in a box of its own.
    outside = tab.evaluate(
        """width => [...document.querySelectorAll("main *")].filter(part =>
            !part.closest(".scroll, pre, svg") && part.getBoundingClientRect().right > width + 1
        ).map(part => part.outerHTML.slice(0, 200))""",
        width,
    )
    assert outside == []
    shown = tab.locator("#leaderboard figure svg:visible")
    assert shown.count() == 1
    assert shown.bounding_box()["width"] <= width
    # The header sorts: worst mean first, then best mean first again.
    means = "[...document.querySelectorAll('.board tbody tr')].map(r => +r.cells[3].dataset.sort)"
    header = tab.locator(".board thead th").nth(3).locator("button")
    header.click()
    assert tab.evaluate(means) == sorted(tab.evaluate(means))
    header.click()
    assert tab.evaluate(means) == sorted(tab.evaluate(means), reverse=True)
    tab.close()
    assert trouble == []
