"""The worked repair: a ReLU network that a high learning rate killed learns again."""

from __future__ import annotations

from examples.dying_relu import REPAIRS, WIDTH, page, tell


def test_a_dead_network_is_diagnosed_swapped_and_learns_again():
    story = tell(steps=120)
    stuck = story.loss["relu"]
    variance = 0.519  # of sin(2x) over these rows: the best that a constant does
    assert abs(stuck[-1] - variance) < 0.01
    dead = [f for f in story.findings if f.kind == "dead_units"]
    assert [f.layer for f in dead] == ["3"]
    for name in REPAIRS:
        effect = story.swaps[name].effect
        assert effect.dead_before >= WIDTH
        assert effect.dead_after < effect.dead_before - WIDTH / 2
        assert story.loss[name][: story.killed_at] == stuck[: story.killed_at]
        assert story.loss[name][-1] < 0.25 * variance
    text = page(story)
    assert "<svg" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
