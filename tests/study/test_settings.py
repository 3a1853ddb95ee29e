"""Choices: what is refused, and in which words."""

from __future__ import annotations

import inspect

import pytest

from rectifier import cli
from rectifier.errors import InputError
from rectifier.study.judge.statistics import DEFAULT_METHOD, METHODS
from rectifier.study.settings import (
    CANDIDATES,
    INTERVALS,
    Settings,
    parse_duration,
    trainable_names,
)


def test_the_default_candidates_are_those_a_gradient_can_train():
    names = Settings().checked().activations
    assert set(names) == set(CANDIDATES)
    assert set(CANDIDATES) <= set(trainable_names())
    assert not {"binary_step", "softmax", "log_softmax"} & set(trainable_names())


def test_the_default_interval_is_the_calibrated_one_on_every_way_in():
    asked = inspect.signature(cli.compare).parameters["interval"].default
    assert asked == Settings().interval == DEFAULT_METHOD == "crossed-corrected"
    assert set(INTERVALS) <= set(METHODS)


def test_all_is_every_activation_that_could_be_a_candidate():
    assert set(Settings(activations=("all",)).checked().activations) == set(trainable_names())
    with_another = Settings(activations=("all", "elu(alpha=0.5)")).checked().activations
    assert set(with_another) == {*trainable_names(), "elu(alpha=0.5)"}


def test_spellings_become_canonical_and_the_baseline_joins():
    settings = Settings(activations=("LeakyReLU", "lrelu(0.2)", "SiLU", "leaky-relu")).checked()
    assert settings.activations == ("leaky_relu", "leaky_relu(negative_slope=0.2)", "silu", "relu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": -1}, "seeds must be a whole number of at least 1"),
        ({"seeds": True}, "seeds must be a whole number"),
        ({"seed": -3}, "seed must be a whole number of at least 0"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"hidden": ()}, "at least one layer"),
        ({"hidden": (0,)}, "hidden must be"),
        ({"learning_rates": (0.0,)}, "learning rate must be a positive number"),
        ({"learning_rates": ()}, "learning_rates is empty"),
        ({"budget": -1.0}, "budget must be a positive time"),
        ({"network": "mlpp"}, "nearest: mlp"),
        ({"engine": "slurm"}, "one of: local"),
        ({"interval": "crosed"}, "nearest: crossed"),
        ({"activations": ("softmax",)}, "cannot be a hidden activation"),
        ({"activations": ("rellu",)}, "nearest: relu"),
        ({"baseline": "leaky_relu(slope=1)"}, "has no parameter 'slope'"),
    ],
)
def test_impossible_choices_are_one_line(change, words):
    with pytest.raises(InputError) as error:
        Settings(**change).checked()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("0.5m", 30), (7, 7)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "m5", "-5m"])
def test_other_durations_are_refused(text):
    with pytest.raises(InputError, match="write 90s, 5m or 1h30m"):
        parse_duration(text)


def test_identity_tells_studies_apart_but_not_their_extent():
    base = Settings()
    same = Settings(seeds=50, activations=("elu",), budget=60.0)
    assert base.identity("t", "f") == same.identity("t", "f")
    assert base.identity("t", "f") != base.identity("t", "g")
    assert base.identity("t", "f") != Settings(hidden=(8,)).identity("t", "f")
    assert base.identity("t", "f") != Settings(seed=1).identity("t", "f")
