"""What the README says works as it stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import rectifier as rf

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_use_block_runs():
    (block,) = [block for block in PYTHON if "rf.get" in block]
    names = {"rf": rf, "x": np.linspace(-2, 2, 5, dtype=np.float32)}
    exec(block, names)
    assert names["act"].parameters == {"negative_slope": 0.2}


def test_the_choose_block_runs(tmp_path, monkeypatch):
    (block,) = [block for block in PYTHON if "rf.compare" in block]
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in rng.random((60, 2))]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,y", *lines]))
    monkeypatch.chdir(tmp_path)
    quick = "seeds=2, tune_seeds=1, epochs=2, hidden=(4,), activations=('relu', 'tanh')"
    names: dict = {}
    exec(block.replace("seeds=10", quick), names)
    assert "relu" in names["study"].verdict["reason"]
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_doors_block_runs():
    (block,) = [block for block in PYTHON if "rectifier.torch" in block]
    names: dict = {}
    exec(block, names)
    x = torch.tensor([-1.0, 2.0])
    assert torch.equal(names["LeakyReLU"]()(x), names["leaky_relu"](x))


def test_the_repair_block_runs(tmp_path, monkeypatch):
    (block,) = [block for block in PYTHON if "rf.diagnose" in block]
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    x, y = torch.randn(90, 3), torch.arange(90) % 2
    with torch.no_grad():
        model[0].bias[:6] = -50.0
    names = {"rf": rf, "model": model, "x": x, "y": y, "loss": torch.nn.CrossEntropyLoss()}
    exec(block, names)
    assert "dead_units" in [finding.kind for finding in names["diagnosis"].findings]
    assert (tmp_path / "diagnosis.html").stat().st_size > 10_000
    assert names["swapped"].model is not model
    assert "1" in str(names["swapped"])


def test_the_two_commands_are_there():
    assert 'pip install ".[study]" && rectifier compare wine' in README
    assert 'pip install ".[dev]" && pytest' in README


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", README))))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == rf.__version__
    assert f"## {rf.__version__}" in (ROOT / "CHANGELOG.md").read_text()
