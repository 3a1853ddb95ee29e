"""scikit-learn's multilayer perceptrons with any activation: ``activation="mish"``, or "auto".

>>> from rectifier.sklearn import MLPClassifier
>>> MLPClassifier((64, 64), activation="leaky_relu(negative_slope=0.2)", n_estimators=5)
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from rectifier import catalog
from rectifier.activation import Activation
from rectifier.errors import InputError, UnknownName
from rectifier.sklearn.network import Network, adam, minimise, sgd

__all__ = ["MLPClassifier", "MLPRegressor"]

_SOLVERS = ("adam", "sgd", "lbfgs")
_RATES = ("constant", "invscaling", "adaptive")
_AUTO = "auto"


class _Perceptron(BaseEstimator):
    """What both have in common.

    Args, besides those that scikit-learn's own have, with their meaning and defaults:
        activation: any elementwise activation as :func:`rectifier.get` reads it, or "auto": a
            study on the training rows chooses it (:func:`rectifier.compare`, kept as ``study_``).
        n_estimators: networks of different initial weights and batches that are trained side by
            side and whose predictions are averaged.
        study: settings of the study of "auto", such as ``{"seeds": 5, "budget": 60.0}``.

    Attributes:
        activation_: the :class:`~rectifier.Activation` that was trained with.
        coefs_, intercepts_: by layer, ``[inputs, units]`` and ``[units]``; with several
            estimators they have a leading axis.
        n_iter_, loss_, loss_curve_, best_loss_, validation_scores_: as in scikit-learn, averaged
            over the estimators.
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        n_estimators: int = 1,
        study: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.n_estimators = n_estimators
        self.study = study

    # -- training -----------------------------------------------------------------------------

    def _fit(self, x: np.ndarray, y: np.ndarray, labels: np.ndarray, once: bool) -> Any:
        """``y`` [rows, outputs] as the loss takes it, ``labels`` as the user gave them."""
        self._check()
        rng = check_random_state(self.random_state)
        fresh = not (hasattr(self, "_network") and (once or self.warm_start))
        if fresh:
            self.activation_ = self._choose(x, labels)
            hidden = np.atleast_1d(self.hidden_layer_sizes).astype(int).tolist()
            sizes = [x.shape[1], *hidden, y.shape[1]]
            kind = self._output(y)
            self._network = Network.draw(
                sizes,
                self.n_estimators,
                rng,
                x.dtype,
                activation=self.activation_,
                output=kind,
                alpha=self.alpha,
            )
            self.n_layers_, self.n_outputs_, self.out_activation_ = len(sizes), y.shape[1], kind
            self.n_iter_, self.t_ = 0, 0
            self.loss_curve_: list[float] = []
            self.validation_scores_: Any = [] if self.early_stopping else None
            self._step: Any = None
        network = self._network
        if self.solver == "lbfgs":
            if once:
                raise AttributeError("partial_fit needs solver='adam' or 'sgd', not 'lbfgs'")
            self.loss_, self.n_iter_ = minimise(
                network, x[np.newaxis], y[np.newaxis], self.max_iter, self.max_fun, self.tol
            )
        else:
            self._descend(x, y, rng, once)
        if not all(np.isfinite(part).all() for part in network.weights):
            raise InputError(
                "training diverged: weights are no longer finite; scale the columns, or try a "
                "smaller learning_rate_init"
            )
        one = self.n_estimators == 1
        self.coefs_ = [c[0] if one else c for c in network.coefs]
        self.intercepts_ = [b[0, 0] if one else b[:, 0] for b in network.intercepts]
        return self

    def _descend(
        self, x: np.ndarray, y: np.ndarray, rng: np.random.RandomState, once: bool
    ) -> None:
        network, stopping = self._network, self.early_stopping and not once
        if self._step is None or not once:
            if self.solver == "adam":
                self._step = adam(self.beta_1, self.beta_2, self.epsilon, network.weights)
            else:
                self._step = sgd(self.momentum, self.nesterovs_momentum, network.weights)
        kept_x = kept_y = x[:0]
        if stopping:
            codes = y.argmax(1) if y.shape[1] > 1 else y[:, 0]
            x, kept_x, y, kept_y = train_test_split(
                x,
                y,
                test_size=self.validation_fraction,
                random_state=rng.randint(2**31),
                stratify=codes if self._stratified else None,
            )
        rows = len(x)
        batch = min(200, rows) if self.batch_size == "auto" else min(int(self.batch_size), rows)
        rate, best, still = self.learning_rate_init, np.inf, 0
        best_weights, best_score = None, -np.inf
        order = np.tile(np.arange(rows), (self.n_estimators, 1))
        for _ in range(1 if once else self.max_iter):
            if self.shuffle:
                order = np.argsort(rng.random_sample(order.shape), axis=1)
            total = 0.0
            for start in range(0, rows, batch):
                which = order[:, start : start + batch]
                with np.errstate(over="ignore", invalid="ignore"):
                    loss, gradient = network.loss_and_gradient(x[which], y[which])
                    self._step(network.weights, gradient, rate)
                total += float(loss.mean()) * which.shape[1]
            self.loss_ = total / rows
            self.loss_curve_.append(self.loss_)
            self.n_iter_ += 1
            self.t_ += rows
            if self.verbose:
                print(f"iteration {self.n_iter_}, loss {self.loss_:.6f}")
            if not np.isfinite(self.loss_):
                break
            if self.solver == "sgd" and self.learning_rate == "invscaling":
                rate = self.learning_rate_init / (self.t_ + 1) ** self.power_t
            if stopping:
                score = self._validate(network.outputs(kept_x).mean(axis=0), kept_y)
                self.validation_scores_.append(score)
                still = still + 1 if score < best_score + self.tol else 0
                if score > best_score:
                    best_score, best_weights = score, network.copy()
            else:
                still = still + 1 if self.loss_ > best - self.tol else 0
            best = min(best, self.loss_)
            if still > self.n_iter_no_change and not once:
                if self.solver != "sgd" or self.learning_rate != "adaptive" or rate <= 1e-6:
                    break
                rate, still = rate / 5, 0
        else:
            if not once:
                warnings.warn(
                    f"{self.max_iter} iterations reached before the loss stopped falling by "
                    f"{self.tol:g}; raise max_iter",
                    ConvergenceWarning,
                    stacklevel=4,
                )
        self.best_loss_ = None if stopping else best
        if best_weights is not None:
            self.best_validation_score_ = best_score
            network.restore(best_weights)

    def _choose(self, x: np.ndarray, labels: np.ndarray) -> Activation:
        if isinstance(self.activation, str) and self.activation == _AUTO:
            import rectifier

            hidden = tuple(np.atleast_1d(self.hidden_layer_sizes).astype(int).tolist())
            settings = {"hidden": hidden, "task": self._task, **(self.study or {})}
            self.study_ = rectifier.compare((x, labels), **settings)
            return catalog.get(self.study_.verdict["recommended"])
        found = catalog.get(self.activation)
        if not found.elementwise or found.facts.kind == "step":
            raise InputError(f"{found.name} cannot be a hidden activation; gradients need a slope")
        return found

    def _check(self) -> None:
        for name, known in (("solver", _SOLVERS), ("learning_rate", _RATES)):
            if getattr(self, name) not in known:
                raise UnknownName(name, str(getattr(self, name)), known, ", ".join(known))
        for name in ("max_iter", "n_estimators", "n_iter_no_change"):
            if not getattr(self, name) >= 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        if np.any(np.atleast_1d(self.hidden_layer_sizes) < 1):
            raise InputError(
                f"hidden_layer_sizes must be at least 1, got {self.hidden_layer_sizes!r}"
            )
        if not self.learning_rate_init > 0:
            raise InputError(f"learning_rate_init must be positive, got {self.learning_rate_init}")

    # -- predicting ---------------------------------------------------------------------------

    def _predict(self, x: Any) -> np.ndarray:
        """[rows, outputs], averaged over the estimators."""
        check_is_fitted(self, "coefs_")
        x = validate_data(self, x, dtype=(np.float64, np.float32), reset=False)
        with np.errstate(over="ignore"):
            return self._network.outputs(x).mean(axis=0)

    def __getstate__(self) -> dict[str, Any]:
        # The solver's memory is a closure: after unpickling partial_fit starts it afresh.
        return {**super().__getstate__(), **({"_step": None} if hasattr(self, "_step") else {})}


class MLPClassifier(ClassifierMixin, _Perceptron):
    __doc__ = f"""A multilayer perceptron for classes; cross-entropy.

    {_Perceptron.__doc__}
    """
    _stratified, _task = True, "classification"

    def fit(self, X: Any, y: Any) -> MLPClassifier:
        """Trains on ``X`` [rows, columns] and labels ``y`` [rows]."""
        x, y = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(y)
        if not (self.warm_start and hasattr(self, "classes_")):
            self.classes_ = np.unique(y)
        return self._fit(x, self._coded(y, x.dtype), y, once=False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> MLPClassifier:
        """One pass over these rows; the first call needs all ``classes``."""
        first = not hasattr(self, "classes_")
        x, y = validate_data(self, X, y, dtype=(np.float64, np.float32), reset=first)
        check_classification_targets(y)
        if first and classes is None:
            raise InputError("classes must be passed on the first call to partial_fit.")
        if first:
            self.classes_ = np.unique(classes)
        return self._fit(x, self._coded(y, x.dtype), y, once=True)

    def predict(self, X: Any) -> np.ndarray:
        """[rows] labels."""
        places = self.predict_proba(X).argmax(axis=1)
        return self.classes_[places]

    def predict_proba(self, X: Any) -> np.ndarray:
        """[rows, classes], in the order of ``classes_``."""
        share = self._predict(X)
        if len(self.classes_) == 1:
            return np.ones_like(share)
        return share if share.shape[1] > 1 else np.hstack([1 - share, share])

    def predict_log_proba(self, X: Any) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _coded(self, y: np.ndarray, dtype: Any) -> np.ndarray:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise InputError(f"y has labels {unknown.tolist()!r:.60} that are not in classes_")
        codes = np.searchsorted(self.classes_, y)
        if len(self.classes_) <= 2:
            return codes[:, np.newaxis].astype(dtype)
        return np.eye(len(self.classes_), dtype=dtype)[codes]

    def _output(self, y: np.ndarray) -> str:
        return "softmax" if y.shape[1] > 1 else "logistic"

    def _validate(self, share: np.ndarray, y: np.ndarray) -> float:
        said = share.argmax(1) == y.argmax(1) if y.shape[1] > 1 else (share > 0.5) == y
        return float(np.mean(said))


class MLPRegressor(RegressorMixin, _Perceptron):
    __doc__ = f"""A multilayer perceptron for numbers; half the squared error.

    {_Perceptron.__doc__}
    """
    _stratified, _task = False, "regression"

    def fit(self, X: Any, y: Any) -> MLPRegressor:
        """Trains on ``X`` [rows, columns] and ``y`` [rows] or [rows, outputs]."""
        return self._train(X, y, once=False)

    def partial_fit(self, X: Any, y: Any) -> MLPRegressor:
        """One pass over these rows."""
        return self._train(X, y, once=True)

    def _train(self, X: Any, y: Any, once: bool) -> Any:
        first = not (once and hasattr(self, "_network"))
        dtypes = (np.float64, np.float32)
        x, y = validate_data(
            self, X, y, dtype=dtypes, multi_output=True, reset=first, y_numeric=True
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._flat = y.ndim == 1
        values = y.reshape(len(y), -1).astype(x.dtype)
        return self._fit(x, values, y, once)

    def predict(self, X: Any) -> np.ndarray:
        """[rows], or [rows, outputs] where ``y`` was so."""
        values = self._predict(X)
        return values[:, 0] if self._flat else values

    def _output(self, y: np.ndarray) -> str:
        return "identity"

    def _validate(self, values: np.ndarray, y: np.ndarray) -> float:
        spread = ((y - y.mean(axis=0)) ** 2).sum() or 1.0
        return float(1 - ((y - values) ** 2).sum() / spread)
