"""The gallery: sheets of curves, and the page with sliders, looked at in a browser."""

from __future__ import annotations

import html
import json
import re
import shutil

import numpy as np
import pytest

import rectifier as rf
from rectifier import catalog
from rectifier.errors import InputError
from rectifier.report.drawing.facts import brief
from rectifier.report.gallery import NINE, gallery, page
from rectifier.report.gallery.picture import grid
from rectifier.report.gallery.sweeps import BOTTOM, LEFT, RIGHT, TOP, sweep

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _BROWSERS)), None)


@pytest.fixture(scope="module")
def defined():
    """A registry with two formulas of a user's, put back afterwards."""
    patch = pytest.MonkeyPatch()
    patch.setattr(catalog, "_ENTRIES", dict(catalog._ENTRIES))
    patch.setattr(catalog, "_SPELLINGS", dict(catalog._SPELLINGS))
    rf.define("states", "where(x < 0, b * sin(x), x)", b=2.0)
    rf.define("rooted", "x * sqrt(1 - c) + 0 * x", c=0.5)  # no number beyond c = 1
    yield
    patch.undo()


@pytest.fixture(scope="module")
def made(defined, tmp_path_factory):
    """gallery.html with every entry, and its text."""
    path = gallery(tmp_path_factory.mktemp("gallery") / "gallery.html")
    return path, path.read_text("utf-8")


def _states(text):
    data = re.search(r'<script type="application/json" id="the-states">(.*?)</script>', text, re.S)
    return json.loads(data[1])


# -- pictures


def test_nine(tmp_path):
    text = gallery(tmp_path / "g.svg").read_text("utf-8")
    for name in NINE:
        assert f">{name}<" in text
    assert ">softmax<" not in text
    assert "range (0, 1)" in text


def test_every_entry_in_one_picture(defined, tmp_path):
    content = gallery(tmp_path / "all.png", all=True).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 60_000 * len(rf.names())
    width, height = (int.from_bytes(content[n : n + 4], "big") for n in (16, 20))
    assert min(width, height) >= 2000
    sheet = json.dumps(grid([rf.get(name) for name in rf.names()], 6).to_dict())
    for name in rf.names():
        assert f'"text": "{name}"' in sheet
    for instead in ("f(x, x)", "first output for the row (x, 0, 0)"):
        assert f"drawn: {instead}" in sheet


def test_another_suffix(tmp_path):
    with pytest.raises(InputError, match=r"\.png, \.svg or \.html"):
        gallery(tmp_path / "gallery.gif")


# -- the page as text


def test_page_has_every_entry_and_stays_small(made):
    path, text = made
    assert path.stat().st_size < 3_000_000
    for name in rf.names():
        assert f'<article class="entry" id="{name}"' in text
        for peer in rf.get(name).peers:
            assert peer.call in re.sub("<wbr>", "", text)
    assert text.count("<math") == 2 * len(rf.names())


def test_page_needs_nothing_from_elsewhere(made):
    _, text = made
    assert not re.search(r'(?:src|href|action)="(?!#)', text)
    assert not re.search(r"url\((?!#)|@import|https?:", text)
    assert "default-src 'none'" in html.unescape(text)


def test_nothing_in_the_data_can_end_it(made):
    _, text = made
    data = text[text.index('id="the-states">') :]
    assert "<" not in data[len('id="the-states">') : data.index("</script>")]
    assert "where(x &lt; 0, b * sin(x), x)" in text


def test_states_agree_with_the_definitions(made):
    """Paths of the page, back in the function's own coordinates, at some slider positions."""
    _, text = made
    states = _states(text)
    generator = np.random.default_rng(0)
    for name in ("elu", "hard_sigmoid", "relu", "sine", "leaky_relu", "states"):
        moved = sweep(rf.get(name))
        assert len(states[name]["states"]) == len(moved.states)
        for at in generator.choice(len(moved.states), 5):
            state = moved.states[at]
            call, value, _, _, slope, *_ = states[name]["states"][at]
            assert call == brief(str(state.activation))
            for path, curve, function in (
                (value, state.drawing.value, state.activation),
                (slope, state.drawing.derivative, state.activation.derivative),
            ):
                x, y = _points(text, name, path, state.drawing.reach)
                jumps = [jump.x for jump in curve.jumps]
                # beside a jump 0.1 pixels, to which a path is rounded, may be the other side
                apart = np.abs(np.subtract.outer(x, jumps)).min(axis=1, initial=1.0) > 0.01
                assert apart.sum() > 1
                np.testing.assert_allclose(y[apart], function(x[apart]), atol=0.04)


def _points(text, name, path, reach):
    """x and y of the path's corners that lie inside the frame."""
    article = text[text.index(f'id="{name}" data-kind') :]
    labels = re.findall(r'y="([\d.]+)" class="side">([−\d.]+)<', article)[:2]
    (y0, v0), (y1, v1) = ((float(y) - 4, float(v.replace("−", "-"))) for y, v in labels)
    across, down = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), float).T
    inside = (down > TOP) & (down < BOTTOM)
    x = (across[inside] - LEFT) / (RIGHT - LEFT) * 2 * reach - reach
    return x, v0 + (down[inside] - y0) / (y1 - y0) * (v1 - v0)


def test_positions_that_give_no_number_say_so(made):
    _, text = made
    rows = [state[-1] for state in _states(text)["rooted"]["states"]]
    assert [["value", "not a number everywhere"]] in rows
    assert any(label == "range" for row in rows for label, _ in row)


@pytest.mark.parametrize("name", rf.names())
def test_sliders_start_at_the_present_values(name):
    activation = rf.get(name)
    moved = sweep(activation)
    assert moved.states[moved.start].activation == activation
    for slider in moved.sliders:
        assert slider.values[slider.start] == activation.parameters[slider.parameter.name]
        assert list(slider.values) == sorted(set(slider.values))


def test_sliders_of_an_activation_with_other_parameters():
    activation = rf.get("relu(negative_slope=0.33, max_value=7)")
    moved = sweep(activation)
    assert moved.states[moved.start].activation == activation
    assert "<h1>relu(negative_slope=0.33, max_value=7)</h1>" in page([activation], str(activation))


def test_a_fourth_parameter_keeps_its_value():
    from rectifier.catalog.formulas import activation_from_formula

    names = dict.fromkeys("abcd", 1.0)
    many = activation_from_formula("many", "a * x + b * sin(c * x) + d", names)
    moved = sweep(many)
    assert [slider.parameter.name for slider in moved.sliders] == ["a", "b", "c"]
    assert "1 more parameter keeps its value" in page([many])


# -- the page in a browser


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the page was not opened in a browser")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture
def tab(browser, made):
    """The page opened; errors and requests for anything but the file itself fail the test."""
    path, _ = made
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    trouble = []
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("console", lambda message: trouble.append(message.text))
    tab.on("request", lambda request: trouble.append(request.url))
    tab.goto(path.as_uri())
    yield tab
    tab.close()
    assert trouble == [path.as_uri()]


def test_moving_a_slider_redraws(tab):
    elu = tab.locator("article#elu")
    path = elu.locator("path#value-elu")
    before = path.get_attribute("d"), elu.locator("dl").inner_text()
    elu.locator("input[type=range]").fill("25")
    after = path.get_attribute("d"), elu.locator("dl").inner_text()
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert elu.locator("output").inner_text() == "2.5"
    assert elu.locator(".call code").inner_text() == 'rf.get("elu(alpha=2.5)")'
    elu.locator("button.reset").click()
    assert (path.get_attribute("d"), elu.locator("dl").inner_text()) == before


def test_sliders_work_together(tab):
    relu = tab.locator("article#relu")
    for n in range(3):
        relu.locator("input[type=range]").nth(n).fill("1")
    call = relu.locator(".call code").inner_text()
    values = relu.locator("output").all_inner_texts()
    assert rf.get(call[8:-2]) == rf.get("relu", *map(float, values))


def test_every_slider_moves_its_curve(tab):
    for slider in tab.locator("article input[type=range]").all():
        entry = slider.locator("xpath=ancestor::article")
        name = entry.get_attribute("id")
        drawn = set()
        for position in (0, int(slider.get_attribute("max"))):
            slider.fill(str(position))
            drawn.add(entry.locator(f'path[id="value-{name}"]').get_attribute("d"))
        assert len(drawn) == 2, name
        slider.fill(slider.get_attribute("value"))  # at lower = upper rrelu's noise does nothing


def test_finding(tab):
    shown = tab.locator("article.entry:visible")
    everything = shown.count()
    assert everything == len(rf.names())
    tab.locator("input[type=search]").fill("Parametric-ReLU")
    assert tab.locator("nav a:visible").all_inner_texts() == ["prelu"]
    tab.locator("input[type=search]").fill("Leaky-ReLU")
    found = tab.locator("nav a:visible").all_inner_texts()
    assert "leaky_relu" in found
    assert shown.count() == len(found) < 5
    tab.locator("input[type=search]").fill("")
    tab.get_by_label("step", exact=True).check()
    assert tab.locator("nav a:visible").all_inner_texts() == [
        name for name in rf.names() if rf.get(name).facts.kind == "step"
    ]


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out(tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    heights = tab.locator("math").evaluate_all(
        "all => all.map(math => math.getBoundingClientRect().height)"
    )
    assert min(heights) > 10
