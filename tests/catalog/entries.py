"""What the catalogue's tests run over: every name, and other parameter values of those that
have parameters."""

from __future__ import annotations

import numpy as np

import rectifier as rf

ELEMENTWISE = [name for name in rf.names() if rf.get(name).elementwise]
ALONG_AXIS = [name for name in rf.names() if rf.get(name).kind == "along_axis"]
GATED = [name for name in rf.names() if rf.get(name).kind == "gated"]
RESHAPING = [name for name in rf.names() if rf.get(name).kind == "reshaping"]

# A new entry with parameters belongs here; test_names says so.
VARIANTS = {
    "relu": [
        "relu(negative_slope=0.25)",
        "relu(negative_slope=1)",
        "relu(max_value=6)",
        "relu(threshold=1)",
        "relu(max_value=1, threshold=2)",
        "relu(negative_slope=0.5, max_value=4, threshold=1)",
    ],
    "leaky_relu": [f"leaky_relu(negative_slope={a})" for a in (0.2, 0, 1, -1, 2)],
    "elu": [f"elu(alpha={a})" for a in (0, 0.5, 2)],
    "celu": [f"celu(alpha={a})" for a in (0.5, 3)],
    "softplus": [f"softplus(beta={b})" for b in (0.5, 3)],
    "squareplus": [f"squareplus(b={b})" for b in (0.01, 1, 100)],
    "hard_sigmoid": ["hard_sigmoid(slope=0.2)", "hard_sigmoid(slope=0.25, offset=0.25)"],
    "hard_tanh": ["hard_tanh(min_val=-2, max_val=0.5)", "hard_tanh(min_val=0, max_val=6)"],
    "sine": ["sine(frequency=30)", "sine(frequency=0.5)"],
    "snake": ["snake(frequency=5)", "snake(frequency=0.5)"],
    "soft_shrink": ["soft_shrink(threshold=0.125)", "soft_shrink(threshold=2)"],
    "hard_shrink": ["hard_shrink(threshold=0.25)", "hard_shrink(threshold=2)"],
    "threshold": ["threshold(threshold=0.25, value=20)", "threshold(threshold=-1, value=-2)"],
    "thresholded_relu": [f"thresholded_relu(alpha={a})" for a in (0, 2.5)],
    "smelu": [f"smelu(beta={b})" for b in (0.25, 3)],
    "isru": [f"isru(alpha={a})" for a in (0.01, 3)],
    "isrlu": [f"isrlu(alpha={a})" for a in (0.01, 3)],
    "nlrelu": [f"nlrelu(beta={b})" for b in (0.3, 4)],
    "softmax": ["softmax(axis=0)"],
    "log_softmax": ["log_softmax(axis=0)"],
    "prelu": [f"prelu(negative_slope={a})" for a in (0, 1, -0.5)],
    "rrelu": ["rrelu(noise=0)", "rrelu(lower=-1, upper=2, noise=0.75)"],
    "swish": [f"swish(beta={b})" for b in (0, 0.5, 2, -1)],
    "star_relu": ["star_relu(scale=1, bias=0)"],
    "xielu": ["xielu(alpha_n=0.25)", "xielu(alpha_n=0.5)", "xielu(alpha_p=2, beta=0.125)"],
    "srelu": ["srelu(t_left=-1, a_left=0.5, a_right=0.25)", "srelu(a_left=-0.5, a_right=2)"],
    "acon_c": ["acon_c(p1=1.25, p2=-0.75)", "acon_c(p1=0.25, p2=0.5, beta=2)"],
    "rational": [
        "rational(a0=0.5, a2=0, a4=0, b2=0.125)",
        "rational(a1=0.75, a4=0, a5=0, b2=0.25, b3=0.125, b4=0.0625)",
    ],
    # Of the others the number is an axis or a count, which tests of their kind vary.
    **{name: [f"{name}(axis=0)"] for name in ("softmin", "sparsemax", "entmax15", "hardmax")},
    **{name: [f"{name}(axis=0)"] for name in (*GATED, *RESHAPING)},
}
OTHERS = [text for name in ELEMENTWISE for text in VARIANTS.get(name, [])]

_EXTREMES = [1e-3, 0.1, 0.5, 1, 2, 3, 6, 10, 16.6, 17.3, 20, 50, 80, 87, 88, 88.7, 89, 90, 100]
_EXTREMES += [103, 104, 110, 150, 200, 300, 400, 1e4, 1e10, 1e30, 1e38]


def around(places: tuple[float, ...], dtype: type) -> np.ndarray:
    """Each place and its neighbours on both sides."""
    at = np.array(places, dtype)
    return np.concatenate([np.nextafter(at, dtype(-np.inf)), at, np.nextafter(at, dtype(np.inf))])


def float32_points(text: str, count: int = 240) -> np.ndarray:
    """A stride through all finite float32, more between 1e-6 and 150, and the hard places."""
    strided = np.linspace(0, 0x7F7FFFFF, count).astype(np.uint32).view(np.float32)
    random = np.random.default_rng(20)
    spread = np.exp(random.uniform(-14, 5, count // 2)).astype(np.float32)
    tiny = np.array([0.0, 2**-149, 1e-44, 1e-40, 2**-126, 1e-20], np.float32)
    side = np.concatenate([strided, spread, tiny, np.array(_EXTREMES, np.float32)])
    kinks = around(rf.get(text).facts.kinks, np.float32)
    return np.unique(np.concatenate([-side, side, kinks]))


def float64_points(text: str, count: int = 60) -> np.ndarray:
    """float64 between 1e-8 and 800, and the hard places."""
    random = np.random.default_rng(64)
    spread = np.exp(random.uniform(-18, 6.7, count))
    side = np.concatenate(
        [spread, random.uniform(0, 30, count), _EXTREMES, [5e-324, 1e-310, 1e300]]
    )
    return np.unique(np.concatenate([-side, side, around(rf.get(text).facts.kinks, np.float64)]))


def float16_points(text: str, count: int = 80) -> np.ndarray:
    """A stride through all finite float16, and the kinks."""
    side = np.linspace(0, 0x7BFF, count).astype(np.uint16).view(np.float16)
    return np.unique(np.concatenate([-side, side, around(rf.get(text).facts.kinks, np.float16)]))
