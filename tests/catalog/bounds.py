"""How far from exact each entry may be, in units in the last place: measured, rounded up.

NumPy: the law of the catalogue, with its exceptions. JAX: an entry each, since XLA's own
exp and expm1 are off by up to 4 ulp, its erfc by more.
"""

from __future__ import annotations

import numpy as np

# float16 is rounded correctly (to a hair: an exact tie may fall either way), float32 almost.
NUMPY = {"float16": (0.5001, 0.5001), "float32": (0.51, 1.0), "float64": (4.0, 4.0)}

# entry -> (value, derivative), why
NUMPY_FLOAT64 = {
    "gelu": ((6.0, 6.0), "a product of five rounded factors in the tail"),
}

# XLA on the CPU, float32. gelu: erfc(z) for z = x / sqrt(2) amplifies the rounding of z by x².
# gelu_tanh: sigmoid(u) amplifies the rounding of u, which reaches -87, by |u|.
JAX_FLOAT32 = {
    "binary_step": (0.0, 0.0),
    "celu": (4.0, 1.0),
    "elu": (4.0, 1.0),
    "exponential": (4.0, 4.0),
    "gelu": (256.0, 64.0),
    "gelu_tanh": (96.0, 96.0),
    "hard_sigmoid": (1.5, 0.5),
    "hard_swish": (2.0, 1.5),
    "hard_tanh": (0.0, 0.0),
    "identity": (0.0, 0.0),
    "leaky_relu": (1.0, 0.5),
    "log_sigmoid": (2.5, 2.0),
    "mish": (4.0, 8.0),
    "relu": (0.5, 0.0),
    "relu6": (0.0, 0.0),
    "selu": (4.0, 1.5),
    "sigmoid": (2.0, 3.5),
    "silu": (2.5, 4.0),
    "sine": (0.6, 0.6),
    "softplus": (2.5, 2.0),
    "softsign": (1.5, 3.0),
    "squareplus": (3.0, 4.5),
    "tanh": (3.5, 4.0),
}

# XLA takes subnormal numbers for zero. A factor such as sigmoid(-88) is then lost, so results
# this small have an absolute error instead, and subnormal inputs are left out.
JAX_UNDERFLOW = 1e-35
# In float64 such a factor keeps some of its digits: sigmoid(-740) has three bits.
FLOAT64_UNDERFLOW = 2.0**-1064

# Where f' is zero, digits are those of its terms, which are about 1/4: the unit there is theirs.
ROOT_OF_DERIVATIVE = {"gelu": -0.7518, "gelu_tanh": -0.7524, "mish": -1.1925, "silu": -1.2785}


def root_floor(name: str, points: np.ndarray, dtype: type) -> np.ndarray:
    """The least unit for f' at ``points``: that of 1/4 within 1 of its root."""
    near = np.abs(points - ROOT_OF_DERIVATIVE.get(name, np.inf)) < 1
    return np.where(near, np.spacing(dtype(0.25)), 0.0)


# Arguments that are rounded before the function sees them: their size times the unit is what
# that rounding may cost. Powers of two, the defaults among them, are exact and cost nothing.
_ARGUMENTS = {
    "celu": lambda x, alpha: x / alpha,
    "softplus": lambda x, beta: beta * x,
    "gelu_tanh": lambda x: 1.6 * (x + 0.0447 * x**3),
}


def amplified(name: str, points: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    """Further ulps that the rounding of the argument may cost at ``points``."""
    if name not in _ARGUMENTS or parameters == (1.0,):
        return np.zeros(points.shape)
    within = np.clip(points.astype(np.float64), -1e4, 1e4)
    argument = np.abs(_ARGUMENTS[name](within, *parameters))
    return 3 * np.where(argument < 1000, argument, 0.0)  # of a few roundings each
