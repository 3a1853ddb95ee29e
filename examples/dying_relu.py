"""A dying ReLU, repaired: diagnosed, swapped, trained on.

    python examples/dying_relu.py dying_relu.html

A small network learns sin(2x). Twenty steps at a learning rate far too high push every unit of a
layer below zero for every row: its gradient is zero from then on, and no learning rate brings it
back. Another activation in the very same weights does.
"""

from __future__ import annotations

import copy
import html
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import rectifier as rf

SEED, ROWS, WIDTH = 1, 256, 32
TOO_HIGH, USUAL = 0.5, 0.03
REPAIRS = ("leaky_relu(negative_slope=0.1)", "elu")


@dataclass
class Story:
    """What happened.

    Attributes:
        loss: mean squared error at every step, by activation; all share the steps that killed.
        killed_at: the step at which training goes on at the usual learning rate.
        findings: what ``rf.diagnose`` says of the dead network.
        swaps: what ``rf.swap`` says of each repair.
    """

    loss: dict[str, list[float]]
    killed_at: int
    findings: list[Any]
    swaps: dict[str, Any]


def train(model: nn.Module, optimiser: Any, x: Any, y: Any, steps: int) -> list[float]:
    """Full-batch training; the loss before every step."""
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def tell(steps: int = 200) -> Story:
    """Kills the network, diagnoses it, swaps, and trains each repair for ``steps`` steps."""
    torch.manual_seed(SEED)
    x = 6 * torch.rand(ROWS, 1, generator=torch.Generator().manual_seed(SEED)) - 3
    y = torch.sin(2 * x)
    model = nn.Sequential(
        nn.Linear(1, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)
    )
    killed = train(model, torch.optim.SGD(model.parameters(), lr=TOO_HIGH), x, y, 20)
    diagnosis = rf.diagnose(model, (x.numpy(), y.numpy()), loss=nn.MSELoss())
    swaps = {name: rf.swap(model, {"relu": name}, data=x) for name in REPAIRS}
    models = {"relu": copy.deepcopy(model), **{name: done.model for name, done in swaps.items()}}
    loss = {}
    for name, repaired in models.items():
        adam = torch.optim.Adam(repaired.parameters(), lr=USUAL)
        loss[name] = killed + train(repaired, adam, x, y, steps)
    return Story(loss, len(killed), diagnosis.findings, swaps)


def page(story: Story) -> str:
    """One self-contained HTML page with the curves."""
    import altair as alt

    from rectifier.report.charts import data, to_svg

    rows = [
        {"step": step, "loss": loss, "activation": name}
        for name, losses in story.loss.items()
        for step, loss in enumerate(losses)
    ]
    curves = (
        alt.Chart(data(rows), width=640, height=300)
        .mark_line()
        .encode(
            alt.X("step:Q", title="training step"),
            alt.Y("loss:Q", scale=alt.Scale(type="log"), title="mean squared error"),
            alt.Color("activation:N", title=None, sort=["relu", *REPAIRS]),
        )
    )
    swapped = alt.Chart(data([{"step": story.killed_at}])).mark_rule(strokeDash=[4, 3])
    svg = to_svg(curves + swapped.encode(alt.X("step:Q")))
    found = "".join(f"<li>{html.escape(f'layer {f.layer}: {f.what}')}</li>" for f in story.findings)
    swaps = "".join(
        f"<h3>{name}</h3><pre>{html.escape(str(s))}</pre>" for name, s in story.swaps.items()
    )
    ends = ", ".join(f"{name} {losses[-1]:.4f}" for name, losses in story.loss.items())
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<title>A dying ReLU, repaired</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto;
padding: 0 1rem }} svg {{ max-width: 100%; height: auto }} pre {{ overflow-x: auto }}</style>
<h1>A dying ReLU, repaired</h1>
<p>{story.killed_at} steps at a learning rate of {TOO_HIGH} kill every unit of a layer. Then
(dashed line) the same weights train on at {USUAL}, as they are and with another activation, whose
outputs differ at first: the error jumps before it falls. With relu it stays where it was, at the
variance of y, which is what a constant reaches. Mean squared error at the end:
{html.escape(ends)}.</p>{svg}
<h2>rf.diagnose(model, (x, y))</h2><ul>{found}</ul>
<h2>rf.swap(model, {{"relu": ...}}, data=x)</h2>{swaps}</html>"""


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "dying_relu.html")
    target.write_text(page(tell()), encoding="utf-8")
    print(target)
