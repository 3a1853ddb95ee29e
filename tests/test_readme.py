"""What the README says works as it stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

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
