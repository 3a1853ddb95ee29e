"""rectifier.sklearn: scikit-learn's own checks, its own networks' numbers, and its own tools."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import rectifier as rf
from rectifier.errors import InputError
from rectifier.sklearn import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("ours", "name"), [("identity", "identity"), ("tanh", "tanh"), ("sigmoid", "logistic")]
)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_steps_are_those_of_scikit_learn(ours, name, solver):
    """From the same weights, over the same batches, the same losses come out."""
    options = {"hidden_layer_sizes": (7, 5), "solver": solver, "shuffle": False, "max_iter": 1}
    options |= {"batch_size": 20, "alpha": 0.1, "learning_rate_init": 0.01, "random_state": 0}
    reference = theirs.MLPClassifier(activation=name, warm_start=True, **options).fit(X, Y)
    mine = MLPClassifier(activation=ours, warm_start=True, **options).fit(X, Y)
    pairs = zip(reference.coefs_, reference.intercepts_, strict=True)
    for layer, (kernel, bias) in enumerate(pairs):
        mine._network.coefs[layer][0] = kernel
        mine._network.intercepts[layer][0, 0] = bias
    mine.set_params(max_iter=5).fit(X, Y)
    reference.set_params(max_iter=5).fit(X, Y)
    assert mine.loss_ == pytest.approx(reference.loss_, rel=1e-6)
    if solver != "lbfgs":
        assert mine.loss_curve_[-5:] == pytest.approx(reference.loss_curve_[-5:], rel=1e-9)


@pytest.mark.parametrize("name", ["mish", "leaky_relu(negative_slope=0.2)", "hard_swish", "sine"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_gradients_are_those_of_differences(name, kind):
    rng = np.random.default_rng(0)
    target = Y if kind is MLPClassifier else rng.standard_normal(len(X))
    net = kind((4, 3), name, max_iter=1, n_estimators=2, random_state=0).fit(X, target)._network
    columns = net.coefs[-1].shape[2]
    x = rng.standard_normal((2, 9, 4))
    y = np.eye(columns)[rng.integers(0, columns, (2, 9))] if columns > 1 else x[..., :1]
    _, gradient = net.loss_and_gradient(x, y)
    for part, slope in zip(net.weights, gradient, strict=True):
        for place in [(0, 0, 0), (1, -1, -1)]:
            at, around = part[place], []
            for step in (1e-6, -1e-6):
                part[place] = at + step
                around.append(net.loss_and_gradient(x, y)[0].sum())
            part[place] = at
            assert (around[0] - around[1]) / 2e-6 == pytest.approx(slope[place], abs=1e-7)


def test_predictions_from_the_same_weights_are_scikit_learns():
    for name, ours in (("relu", "relu"), ("logistic", "logistic"), ("tanh", "tanh")):
        reference = theirs.MLPClassifier((6,), activation=name, max_iter=20, random_state=0)
        reference.fit(X, Y)
        mine = MLPClassifier((6,), activation=ours, max_iter=1, random_state=0).fit(X, Y)
        mine._network.coefs = [c[None] for c in reference.coefs_]
        mine._network.intercepts = [b[None, None] for b in reference.intercepts_]
        assert mine.predict_proba(X) == pytest.approx(reference.predict_proba(X), abs=1e-12)


def test_activations_that_scikit_learn_refuses_work_in_its_tools():
    with pytest.raises(ValueError, match="activation"):
        theirs.MLPClassifier(activation="mish").fit(X, Y)
    network = MLPClassifier((16,), "mish", learning_rate_init=0.01, random_state=0)
    pipe = make_pipeline(StandardScaler(), network)
    assert cross_val_score(pipe, X, Y, cv=3).mean() > 0.9
    grid = {"mlpclassifier__activation": ["mish", "elu(alpha=0.5)", rf.get("sine")]}
    assert GridSearchCV(pipe, grid, cv=2).fit(X, Y).best_score_ > 0.9


def test_it_pickles_by_name():
    model = MLPClassifier((5,), "elu(alpha=0.5)", max_iter=5, random_state=0).fit(X, Y)
    content = pickle.dumps(model)
    again = pickle.loads(content)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.activation_ == rf.get("elu(alpha=0.5)")
    again.partial_fit(X, Y)


def test_partial_fit_and_warm_start_go_on():
    model = MLPClassifier((8,), "silu", learning_rate_init=0.01, random_state=0)
    for _ in range(60):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    assert model.score(X, Y) > 0.9
    assert model.n_iter_ == 60
    warm = MLPClassifier((8,), "silu", max_iter=5, warm_start=True, random_state=0).fit(X, Y)
    before = warm.loss_
    assert warm.fit(X, Y).loss_ < before


def test_an_ensemble_is_the_mean_of_different_networks():
    model = MLPClassifier((8,), "tanh", n_estimators=4, max_iter=30, random_state=0).fit(X, Y)
    apart = model._network.outputs(X)
    assert apart.shape == (4, 150, 3)
    assert np.abs(apart[0] - apart[1]).max() > 0.01
    assert model.predict_proba(X) == pytest.approx(apart.mean(axis=0))
    assert model.coefs_[0].shape == (4, 4, 8)


def test_early_stopping_keeps_the_best_weights():
    model = MLPClassifier(
        (32,), "gelu", early_stopping=True, learning_rate_init=0.03, random_state=0
    ).fit(X, Y)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.n_iter_ < 200


def test_auto_lets_a_study_choose():
    few = {"activations": ("relu", "tanh"), "seeds": 2, "epochs": 3, "learning_rates": (0.01,)}
    model = MLPClassifier((4,), "auto", study=few, max_iter=3, random_state=0).fit(X, Y)
    assert str(model.activation_) == model.study_.verdict["recommended"]
    assert pickle.loads(pickle.dumps(model)).study_.verdict == model.study_.verdict


def test_regression_learns():
    x, y = load_diabetes(return_X_y=True)
    x, y = x / x.std(0), (y - y.mean()) / y.std()
    model = MLPRegressor((16,), "softplus", solver="lbfgs", max_iter=50, random_state=0)
    assert model.fit(x, y).score(x, y) > 0.5
    two = MLPRegressor((8,), "elu", max_iter=3).fit(x, np.stack([y, -y], axis=1))
    assert two.predict(x).shape == (len(x), 2)


def test_refusals_are_one_line():
    with pytest.raises(InputError, match="nearest: mish"):
        MLPClassifier(activation="mihs").fit(X, Y)
    with pytest.raises(InputError, match="cannot be a hidden activation"):
        MLPClassifier(activation="softmax").fit(X, Y)
    with pytest.raises(InputError, match="unknown solver"):
        MLPClassifier(solver="newton").fit(X, Y)
