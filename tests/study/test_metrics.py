"""Metrics: equal to scikit-learn's, with sampling errors that hold under resampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from rectifier.errors import InputError, UnknownName
from rectifier.study.judge import metrics
from rectifier.study.judge.metrics import METRICS

CLASSIFICATION = [name for name, metric in METRICS.items() if metric.task == "classification"]
REGRESSION = [name for name, metric in METRICS.items() if metric.task == "regression"]


def predictions(rng, rows, classes):
    """Labels and logits that know something of them."""
    y = rng.choice(classes, size=rows, p=softmax(-0.5 * np.arange(classes)))
    logits = rng.normal(size=(rows, classes))
    logits[np.arange(rows), y] += 1.0
    return y, logits


def regression(rng, rows):
    y = rng.gamma(2.0, size=rows)
    return y, (0.7 * y + rng.normal(scale=0.4, size=rows))[:, None]


def by_sklearn(name, y, logits):
    probability = softmax(logits, axis=1)
    labels = np.arange(logits.shape[1])
    if name == "accuracy":
        return sklearn.metrics.accuracy_score(y, logits.argmax(axis=1))
    if name == "balanced_accuracy":
        return sklearn.metrics.balanced_accuracy_score(y, logits.argmax(axis=1))
    if name == "log_loss":
        return sklearn.metrics.log_loss(y, probability, labels=labels)
    if logits.shape[1] == 2:
        return sklearn.metrics.roc_auc_score(y, probability[:, 1])
    return sklearn.metrics.roc_auc_score(y, probability, multi_class="ovr", labels=labels)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classification_equals_sklearn(name, classes):
    y, logits = predictions(np.random.default_rng(0), 157, classes)
    ours = METRICS[name].contributions(y, logits)
    assert ours.shape == (157,)
    assert ours.dtype == np.float64
    assert abs(ours.mean() - by_sklearn(name, y, logits)) < 1e-10


def test_roc_auc_with_ties_equals_sklearn():
    rng = np.random.default_rng(1)
    y, logits = predictions(rng, 200, 2)
    logits = np.stack([np.zeros(200), np.round(logits[:, 1] - logits[:, 0])], axis=1)
    ours = METRICS["roc_auc"].contributions(y, logits).mean()
    assert abs(ours - by_sklearn("roc_auc", y, logits)) < 1e-10


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_equals_sklearn(name):
    y, prediction = regression(np.random.default_rng(2), 143)
    theirs = {
        "rmse": sklearn.metrics.root_mean_squared_error,
        "mae": sklearn.metrics.mean_absolute_error,
        "r2": sklearn.metrics.r2_score,
    }[name](y, prediction[:, 0])
    assert abs(METRICS[name].contributions(y, prediction).mean() - theirs) < 1e-10
    assert np.array_equal(
        METRICS[name].contributions(y, prediction), METRICS[name].contributions(y, prediction[:, 0])
    )


@pytest.mark.parametrize("name", list(METRICS))
def test_spread_of_contributions_is_the_sampling_error(name):
    """The metric on 1,500 fresh samples varies as the contributions of one sample say."""
    metric, rng = METRICS[name], np.random.default_rng(3)
    rows, repeats = 300, 1500
    values, said = [], []
    for _ in range(repeats):
        if metric.task == "regression":
            y, prediction = regression(rng, rows)
        else:
            y, prediction = predictions(rng, rows, 3)
        part = metric.contributions(y, prediction)
        values.append(part.mean())
        said.append(part.var(ddof=1) / rows)
    # 1,500 repeats know a standard deviation to 2 %; the delta method is off by its own 1/rows.
    assert math.sqrt(np.mean(said)) == pytest.approx(np.std(values), rel=0.08)


def test_absent_classes():
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    one_class = np.array([1, 1, 1])
    assert np.array_equal(METRICS["roc_auc"].contributions(one_class, logits), np.full(3, 0.5))
    assert METRICS["balanced_accuracy"].contributions(one_class, logits).mean() == 1 / 3
    two_of_three = METRICS["roc_auc"].contributions(np.array([0, 1, 0]), logits)
    assert two_of_three.mean() == pytest.approx(1.0)  # class 2 is left out, not counted as 0
    balanced = METRICS["balanced_accuracy"].contributions(np.array([0, 1, 1]), logits)
    assert balanced.mean() == pytest.approx(0.75)


def test_log_loss_is_stable_and_bounded():
    loss = METRICS["log_loss"].contributions
    logits = np.array([[1000.0, 0.0], [1000.0, 0.0], [1e308, -1e308], [0.0, 0.0]])
    value = loss(np.array([0, 1, 1, 1]), logits)
    assert value.tolist() == [0.0, metrics.LOG_LOSS_CEILING, metrics.LOG_LOSS_CEILING, np.log(2)]


def test_diverged_predictions():
    y, bad = np.array([0, 1, 1]), np.full((3, 2), np.nan)
    assert METRICS["accuracy"].contributions(y, bad).tolist() == [1.0, 0.0, 0.0]
    assert METRICS["log_loss"].contributions(y, bad) == pytest.approx(np.log(2))
    assert METRICS["roc_auc"].contributions(y, bad).mean() == 0.5
    target, wild = np.array([1.0, 2.0, 6.0]), np.array([[np.inf], [np.nan], [-np.inf]])
    assert METRICS["r2"].contributions(target, wild).mean() == pytest.approx(0.0)
    assert METRICS["mae"].contributions(target, wild, 2.0).tolist() == [1.0, 0.0, 4.0]
    assert np.isfinite(METRICS["r2"].contributions(target, np.full((3, 1), 1e300))).all()


def test_constant_target():
    flat = np.full(4, 2.0)
    assert METRICS["r2"].contributions(flat, flat).mean() == 1.0
    assert METRICS["r2"].contributions(flat, flat + 1).mean() == 0.0
    assert METRICS["rmse"].contributions(flat, flat).tolist() == [0.0] * 4


FLOATS = st.floats(width=32)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 12), st.integers(2, 4))
def test_never_nan(data, rows, classes):
    y = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows)))
    flat = data.draw(st.lists(FLOATS, min_size=rows * classes, max_size=rows * classes))
    logits = np.array(flat).reshape(rows, classes)
    for name in CLASSIFICATION:
        assert np.isfinite(METRICS[name].contributions(y, logits)).all(), name
    target = np.array(
        data.draw(st.lists(st.floats(-1e6, 1e6, width=32), min_size=rows, max_size=rows))
    )
    for name in REGRESSION:
        assert np.isfinite(METRICS[name].contributions(target, logits[:, 0])).all(), name


def test_names():
    assert metrics.default_metric("classification").name == "accuracy"
    assert metrics.default_metric("regression").name == "r2"
    assert metrics.get_metric("mae", "regression").name == "mae"
    with pytest.raises(UnknownName, match="nearest: accuracy") as unknown:
        metrics.get_metric("acuracy", "classification")
    with pytest.raises(InputError, match="'rmse' is for regression") as other:
        metrics.get_metric("rmse", "classification")
    assert "\n" not in f"{unknown.value}{other.value}"
    with pytest.raises(InputError, match="do not fit"):
        METRICS["accuracy"].contributions(np.zeros(3, int), np.zeros((2, 2)))
    with pytest.raises(InputError, match="do not fit"):
        METRICS["mae"].contributions(np.zeros(0), np.zeros((0, 1)))


@pytest.mark.parametrize(
    ("name", "value", "text", "difference"),
    [
        ("accuracy", 0.9721, "97.2 %", "+97.2 points"),
        ("accuracy", -0.0001, "-0.0 %", "+0.0 points"),
        ("r2", 0.51234, "0.512", "+0.512"),
        ("log_loss", 0.10341, "0.1034 nats", "+0.103 nats"),
        ("rmse", 54321.9, "54322", "+54322"),
        ("rmse", 0.31, "0.3100", "+0.310"),
        ("mae", -2.5e-7, "-2.5e-07", "-2.5e-07"),
        ("mae", math.nan, "-", "-"),
    ],
)
def test_formats(name, value, text, difference):
    assert metrics.format_value(METRICS[name], value) == text
    assert metrics.format_difference(METRICS[name], value) == difference


def test_margin_and_size():
    assert metrics.equivalence_margin(METRICS["accuracy"], 0.9) == 0.005
    assert metrics.equivalence_margin(METRICS["r2"], -3.0) == 0.005
    assert metrics.equivalence_margin(METRICS["rmse"], -50.0) == 0.5
    assert metrics.format_difference(METRICS["accuracy"], -0.028, sign=False) == "2.8 points"
