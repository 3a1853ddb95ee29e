"""Several small networks at once in NumPy: forward, backward, and the solvers that use them.

Arrays have a leading axis ``[estimators]``, so that one matrix product serves all of them. No
compiler is involved: a fit of twenty rows takes milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from rectifier.activation import Activation

Layers = list[np.ndarray]


@dataclass
class Network:
    """Dense layers; ``coefs[layer]`` [estimators, inputs, units], ``intercepts[layer]``
    [estimators, 1, units].

    Attributes:
        activation: after every layer but the last.
        output: "softmax", "logistic" (one output, two classes) or "identity".
        alpha: L2 penalty on ``coefs``, over twice the rows of a batch, as in scikit-learn.
    """

    coefs: Layers
    intercepts: Layers
    activation: Activation
    output: str
    alpha: float

    @classmethod
    def draw(
        cls,
        sizes: Sequence[int],
        estimators: int,
        rng: np.random.RandomState,
        dtype: Any,
        **rest: Any,
    ) -> Network:
        """Weights of variance ``gain² / fan_in`` behind the activation, ``1 / fan_in`` before it
        (He's rule for relu, LeCun's for selu); biases 0."""
        gain = rest["activation"].facts.gain or 1.0
        coefs, intercepts = [], []
        for layer, (fan_in, units) in enumerate(pairwise(sizes)):
            scale = (gain if layer else 1.0) / math.sqrt(fan_in)
            draws = rng.standard_normal((estimators, fan_in, units))
            coefs.append((scale * draws).astype(dtype))
            intercepts.append(np.zeros((estimators, 1, units), dtype))
        return cls(coefs, intercepts, **rest)

    @property
    def weights(self) -> Layers:
        return [*self.coefs, *self.intercepts]

    def copy(self) -> Layers:
        return [part.copy() for part in self.weights]

    def restore(self, kept: Layers) -> None:
        for part, value in zip(self.weights, kept, strict=True):
            part[...] = value

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """[estimators, rows, outputs] probabilities or values of ``x`` [rows, inputs]."""
        h = x[np.newaxis]
        for kernel, bias in zip(self.coefs[:-1], self.intercepts[:-1], strict=True):
            h = self.activation(h @ kernel + bias)
        return _transfer(h @ self.coefs[-1] + self.intercepts[-1], self.output)

    def loss_and_gradient(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Layers]:
        """Mean loss of every estimator and the gradient, in the order of ``weights``.

        Args:
            x: [estimators or 1, rows, inputs].
            y: [estimators or 1, rows, outputs], one-hot, 0/1, or values.
        """
        hidden, before = [x], []
        for kernel, bias in zip(self.coefs[:-1], self.intercepts[:-1], strict=True):
            before.append(hidden[-1] @ kernel + bias)
            hidden.append(self.activation(before[-1]))
        logits = hidden[-1] @ self.coefs[-1] + self.intercepts[-1]
        rows = x.shape[1]
        penalty = sum((kernel**2).sum(axis=(1, 2)) for kernel in self.coefs)
        loss = _loss(logits, y, self.output) + 0.5 * self.alpha * penalty / rows
        delta = (_transfer(logits, self.output) - y) / rows
        if self.output == "identity":
            delta /= y.shape[2]
        by_coefs, by_intercepts = [], []
        for layer in reversed(range(len(self.coefs))):
            by_kernel = np.swapaxes(hidden[layer], 1, 2) @ delta
            by_coefs.append(by_kernel + (self.alpha / rows) * self.coefs[layer])
            by_intercepts.append(delta.sum(axis=1, keepdims=True))
            if layer:
                slope = self.activation.derivative(before[layer - 1])
                delta = (delta @ np.swapaxes(self.coefs[layer], 1, 2)) * slope
        return loss, [*by_coefs[::-1], *by_intercepts[::-1]]


def _transfer(logits: np.ndarray, output: str) -> np.ndarray:
    if output == "identity":
        return logits
    if output == "logistic":
        return np.exp(-np.logaddexp(0, -logits)).astype(logits.dtype)
    power = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return power / power.sum(axis=-1, keepdims=True)


def _loss(logits: np.ndarray, y: np.ndarray, output: str) -> np.ndarray:
    """[estimators]: cross-entropy in nats, or half the squared error."""
    if output == "identity":
        return 0.5 * ((logits - y) ** 2).mean(axis=(1, 2))
    if output == "logistic":
        return (np.logaddexp(0, logits) - y * logits).sum(axis=2).mean(axis=1)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    normal = np.log(np.exp(shifted).sum(axis=-1))
    return (normal - (shifted * y).sum(axis=-1)).mean(axis=1)


Step = Callable[[Layers, Layers, float], None]  # changes weights, given gradient and rate


def adam(beta_1: float, beta_2: float, epsilon: float, like: Layers) -> Step:
    """Kingma and Ba (2015), with bias correction."""
    first, second = [np.zeros_like(p) for p in like], [np.zeros_like(p) for p in like]
    count = 0

    def step(weights: Layers, gradient: Layers, rate: float) -> None:
        nonlocal count
        count += 1
        scaled = rate * math.sqrt(1 - beta_2**count) / (1 - beta_1**count)
        for w, g, m, v in zip(weights, gradient, first, second, strict=True):
            m += (1 - beta_1) * (g - m)
            v += (1 - beta_2) * (g * g - v)
            w -= scaled * m / (np.sqrt(v) + epsilon)

    return step


def sgd(momentum: float, nesterov: bool, like: Layers) -> Step:
    """Gradient descent with (Nesterov's) momentum."""
    velocity = [np.zeros_like(p) for p in like]

    def step(weights: Layers, gradient: Layers, rate: float) -> None:
        for w, g, v in zip(weights, gradient, velocity, strict=True):
            v *= momentum
            v -= rate * g
            w += momentum * v - rate * g if nesterov else v

    return step


def minimise(
    network: Network, x: np.ndarray, y: np.ndarray, iterations: int, calls: int, tol: float
) -> tuple[float, int]:
    """L-BFGS over all rows, every estimator apart (SciPy's); returns mean loss and iterations."""
    from scipy.optimize import minimize

    losses, most = [], 1
    for place in range(len(network.coefs[0])):
        one = Network(
            [c[place : place + 1] for c in network.coefs],
            [b[place : place + 1] for b in network.intercepts],
            network.activation,
            network.output,
            network.alpha,
        )

        def value(flat: np.ndarray, one: Network = one) -> tuple[float, np.ndarray]:
            start = 0
            for part in one.weights:  # views of the whole network's arrays
                part[...] = flat[start : start + part.size].reshape(part.shape)
                start += part.size
            loss, gradient = one.loss_and_gradient(x, y)
            return float(loss[0]), np.concatenate([g.ravel() for g in gradient]).astype(float)

        begin = np.concatenate([part.ravel() for part in one.weights]).astype(float)
        options = {"maxiter": iterations, "maxfun": calls, "gtol": tol}
        found = minimize(value, begin, jac=True, method="L-BFGS-B", options=options)
        value(found.x)
        losses.append(float(found.fun))
        most = max(most, int(found.nit))
    return float(np.mean(losses)), most
