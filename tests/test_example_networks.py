"""The examples of networks and training loops that are not ours run, and mean something."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from rectifier.study.own.models import prefer_jax

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


def test_keras_convolutions_with_leaky_relu_layers_on_images(tmp_path):
    prefer_jax()
    example = load_example("keras_images")
    few = {"activations": example.SLOPES[::2], "learning_rates": (1e-2,), "seeds": 1, "epochs": 8}
    study = example.main(500, str(tmp_path / "s"), **few)
    assert study.verdict["settings"]["trained"] == "side by side"
    assert [row["mean"] > 0.7 for row in study.verdict["table"]] == [True] * 2
    assert (tmp_path / "s" / "report.html").stat().st_size > 10_000


def test_a_transformer_block_in_pytorch(monkeypatch):
    example = load_example("torch_transformer")
    monkeypatch.setattr(example, "EPOCHS", 8)
    few = {"activations": ("gelu", "relu"), "learning_rates": (1e-2,), "seeds": 1}
    study = example.main(**few)
    assert all(row["mean"] > 0.6 for row in study.verdict["table"])  # guessing gives 0.5
    assert study.verdict["baseline"] == "gelu"
