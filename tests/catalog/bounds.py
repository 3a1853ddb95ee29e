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
    "acon_c": ((4.0, 5.0), "a sum of products of rounded factors"),
    "logish": ((4.0, 5.0), "a sum of products of rounded factors"),
    "mish": ((4.0, 5.0), "a sum of products of rounded factors"),
    "gelu": ((6.0, 6.0), "a product of five rounded factors in the tail"),
    "gelu_10": ((6.0, 6.0), "gelu"),
    "phish": ((6.0, 12.0), "gelu, and a product with it"),
    "rational": ((5.0, 10.0), "a quotient of rounded polynomials"),
    "smish": ((4.0, 8.0), "a sum of two terms that partly cancel"),
    "isru": ((4.0, 6.0), "the cube of a rounded root"),
    "isrlu": ((4.0, 6.0), "the cube of a rounded root"),
}

# XLA on the CPU, float32. gelu: erfc(z) for z = x / sqrt(2) amplifies the rounding of z by x².
# gelu_tanh: sigmoid(u) amplifies the rounding of u, which reaches -87, by |u|.
JAX_FLOAT32 = {
    "acon_c": (5.0, 4.0),
    "arctan": (1.0, 1.5),
    "bent_identity": (1.5, 1.5),
    "binary_step": (0.0, 0.0),
    "celu": (4.0, 1.0),
    "elish": (4.5, 2.5),
    "elu": (4.0, 1.0),
    "exponential": (4.0, 4.0),
    "gaussian": (1.0, 1.0),
    "gelu": (256.0, 64.0),
    "gelu_10": (256.0, 64.0),
    "gelu_tanh": (96.0, 96.0),
    "hard_elish": (4.0, 2.0),
    "hard_mish": (1.5, 0.5),
    "hard_shrink": (0.0, 0.0),
    "hard_sigmoid": (1.5, 0.5),
    "hard_swish": (2.0, 1.5),
    "hard_tanh": (0.0, 0.0),
    "identity": (0.0, 0.0),
    "isrlu": (2.0, 7.5),
    "isru": (2.0, 7.5),
    "laplace": (2.5, 1.5),
    "prelu": (1.0, 0.5),
    "rrelu": (1.0, 0.5),
    "star_relu": (4.0, 1.5),
    "swish": (2.5, 4.0),
    "xielu": (16.0, 8.0),
    "leaky_relu": (1.0, 0.5),
    "lisht": (4.0, 3.0),
    "log_sigmoid": (2.5, 2.0),
    "logish": (4.5, 4.5),
    "mish": (4.0, 8.0),
    "nlrelu": (2.5, 2.0),
    "phish": (256.0, 64.0),
    "quick_gelu": (2.5, 3.0),
    "rational": (4.0, 9.0),
    "relu": (0.5, 0.0),
    "relu2": (0.5, 0.0),
    "relu6": (0.0, 0.0),
    "selu": (4.0, 1.5),
    "serf": (4.5, 3.5),
    "sigmoid": (2.0, 3.5),
    "silu": (2.5, 4.0),
    "sine": (0.6, 0.6),
    "smelu": (2.0, 1.5),
    "smish": (3.0, 7.0),
    "snake": (2.5, 3.5),
    "soft_shrink": (0.5, 0.0),
    "softplus": (2.5, 2.0),
    "softsign": (1.5, 3.0),
    "sparse_plus": (2.0, 0.5),
    "srelu": (1.5, 0.5),
    "sparse_sigmoid": (0.5, 0.0),
    "sqrt_softplus": (1.5, 3.0),
    "squareplus": (3.0, 4.5),
    "symlog": (2.0, 2.0),
    "tanh": (3.5, 4.0),
    "tanh_shrink": (3.0, 7.0),
    "telu": (4.0, 5.5),
    "threshold": (0.0, 0.0),
    "thresholded_relu": (0.0, 0.0),
}

# XLA takes subnormal numbers for zero. A factor such as sigmoid(-88) is then lost, so results
# this small have an absolute error instead, and subnormal inputs are left out.
JAX_UNDERFLOW = 1e-35
# In float64 such a factor keeps some of its digits: sigmoid(-740) has three bits.
FLOAT64_UNDERFLOW = 2.0**-1064

# Where f' is zero, digits are those of its terms, which are about 1/4: the unit there is theirs.
ROOT_OF_DERIVATIVE = {
    "acon_c": -1.2785,
    "elish": -0.8814,
    "gelu": -0.7518,
    "gelu_10": -0.7518,
    "gelu_tanh": -0.7524,
    "hard_elish": -0.4429,
    "logish": -1.3725,
    "mish": -1.1925,
    "phish": -1.1954,
    "quick_gelu": -0.7512,
    "serf": -1.1931,
    "silu": -1.2785,
    "smish": -1.3945,
    "telu": -1.0789,
    "swish": -1.2785,
}


def root_floor(name: str, points: np.ndarray, dtype: type) -> np.ndarray:
    """The least unit for f' at ``points``: that of 1/4 within 1 of its root."""
    if name == "snake":  # a root every period, of terms of size 1
        return np.full(points.shape, np.spacing(dtype(1.0)))
    near = np.abs(points - ROOT_OF_DERIVATIVE.get(name, np.inf)) < 1
    return np.where(near, np.spacing(dtype(0.25)), 0.0)


def terms_floor(name: str, points: np.ndarray, dtype: type) -> np.ndarray:
    """The least unit where a difference of terms passes through zero: that of the terms."""
    unit = float(np.spacing(dtype(0.5)))
    if name == "xielu":  # 0.8 (e^x - 1) - 0.3 x, and its slope
        return np.where(points < -0.05, unit, 0.0)
    if name == "star_relu":  # 0.894 x^2 - 0.447
        return np.where((points > 0.4) & (points < 1.2), unit, 0.0)
    if name == "acon_c":  # p1 x sigmoid(u) + p2 x sigmoid(-u), of opposite signs
        return np.where((points > -1.5) & (points < -1e-3), unit, 0.0)
    if name == "rational":  # left of 0 the terms of the polynomial alternate, as do those of f'
        return np.where(np.abs(points) > 0.1, unit, 0.0)
    return np.zeros(points.shape)


# Arguments that are rounded before the function sees them: their size times the unit is what
# that rounding may cost. Powers of two, the defaults among them, are exact and cost nothing.
_ARGUMENTS = {
    "celu": lambda x, alpha: x / alpha,
    "softplus": lambda x, beta: beta * x,
    "gaussian": lambda x: x**2 / 2,
    "laplace": lambda x: 0.66 * (3.545 * (x - 0.7071)) ** 2,
    "quick_gelu": lambda x: 1.702 * x,
    "swish": lambda x, beta: beta * x,
    "gelu_tanh": lambda x: 1.6 * (x + 0.0447 * x**3),
}


def amplified(name: str, points: np.ndarray, parameters: tuple[float, ...]) -> np.ndarray:
    """Further ulps that the rounding of the argument may cost at ``points``."""
    if name not in _ARGUMENTS or parameters == (1.0,):
        return np.zeros(points.shape)
    within = np.clip(points.astype(np.float64), -1e4, 1e4)
    argument = np.abs(_ARGUMENTS[name](within, *parameters))
    return 3 * np.where(argument < 1000, argument, 0.0)  # of a few roundings each
