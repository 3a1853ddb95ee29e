"""The examples of networks and training loops that are not ours run, and mean something."""

from __future__ import annotations

import importlib.util
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def load_example(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pytorch_loop(tmp_path):
    example = load_example("pytorch_loop")
    example.EPOCHS = 4
    few = {"activations": ("relu", "tanh"), "seeds": 2, "tune_seeds": 1}
    study = example.main(str(tmp_path / "s"), **few)
    assert study.verdict["metric"] == "accuracy"
    assert all(row["mean"] > 0.85 for row in study.verdict["table"])
    assert (tmp_path / "s" / "report.html").stat().st_size > 10_000
