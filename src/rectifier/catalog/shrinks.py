"""What is small becomes zero, or nearly so: the shrinkage functions, and plain thresholds."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import absolute, inf, isnan, minimum, ones_like, tanh, where, zeros_like

_SWALLOWED = "NaN becomes 0 on the NumPy and JAX backends"


def _soft_formula(x: Any, threshold: Any) -> Any:
    return where(x > threshold, x - threshold, where(x < -threshold, x + threshold, 0))


def _soft_value(x: Any, threshold: Any) -> Any:
    # 0 * x rather than 0: it keeps the sign of -0.0, and NaN
    return where(x > threshold, x - threshold, where(x < -threshold, x + threshold, 0.0 * x))


def _outside(x: Any, threshold: Any) -> Any:
    return where(absolute(x) > threshold, ones_like(x), where(isnan(x), x, zeros_like(x)))


_THRESHOLD = Parameter(
    "threshold",
    0.5,
    low=0.0,
    positive=True,
    aliases=("lambd", "lambda_"),
    meaning="half the width of the dead zone",
    symbol="lambda",
)

SOFT_SHRINK = Activation(
    "soft_shrink",
    formula=_soft_formula,
    value=_soft_value,
    derivative=_outside,
    slopes=lambda threshold: (0.0, 1.0),
    parameters=(_THRESHOLD,),
    facts=lambda threshold: Facts(
        "non-linear",
        range=(-inf, inf),
        smoothness=0,
        kinks=(-threshold, threshold),
        zero_centred=True,
    ),
    summary="Drops what is smaller than the threshold and moves the rest towards zero by it.",
    paper="Donoho 1995, De-noising by soft-thresholding",
    aliases=("soft_threshold",),
    peers=(
        Peer("keras.activations.soft_shrink", "soft_shrink", _SWALLOWED),
        Peer("torch.nn.functional.softshrink", "soft_shrink", "named lambd"),
    ),
)


def _hard_formula(x: Any, threshold: Any) -> Any:
    return where(x > threshold, x, where(x < -threshold, x, 0))


def _hard_value(x: Any, threshold: Any) -> Any:
    return where(absolute(x) > threshold, x, 0.0 * x)


HARD_SHRINK = Activation(
    "hard_shrink",
    formula=_hard_formula,
    value=_hard_value,
    derivative=_outside,
    slopes=lambda threshold: (0.0, 1.0),
    parameters=(_THRESHOLD,),
    facts=lambda threshold: Facts(
        "non-linear",
        range=(-inf, inf),
        smoothness=-1,
        kinks=(-threshold, threshold),
        lipschitz=inf,
        zero_centred=True,
    ),
    summary="Drops what is smaller than the threshold and leaves the rest as it is.",
    paper="Donoho and Johnstone 1994, Ideal spatial adaptation by wavelet shrinkage",
    aliases=("hard_threshold", "shrink"),
    peers=(
        Peer("keras.activations.hard_shrink", "hard_shrink", _SWALLOWED),
        Peer("torch.nn.functional.hardshrink", "hard_shrink", "named lambd"),
        Peer("onnx.Shrink", "hard_shrink", "named lambd; a bias of lambd makes it soft_shrink"),
    ),
)


def _tanh_shrink_formula(x: Any) -> Any:
    return x - tanh(x)


def _tanh_shrink_value(x: Any) -> Any:
    # Near 0 both terms are x, and x³/3 is what remains. Lambert's continued fraction for tanh,
    # cut after ten terms, is x P(z)/Q(z) with z = x²; Q - P has no negative coefficient, so
    # nothing cancels in x (Q - P)/Q. Below 1.5 it is good to 1e-18.
    z = minimum(x * x, 2.25)
    above = 4583103525.0 + z * (349188840.0 + z * (6891885.0 + z * (42900.0 + z * 65.0)))
    below = 6547290750.0 + z * (413513100.0 + z * (7567560.0 + z * (45045.0 + z * 66.0)))
    near = x * (z * (above / (13749310575.0 + z * below)))
    return where(absolute(x) < 1.5, near, x - tanh(x))


def _tanh_shrink_derivative(x: Any) -> Any:
    return tanh(x) * tanh(x)


TANH_SHRINK = Activation(
    "tanh_shrink",
    formula=_tanh_shrink_formula,
    value=_tanh_shrink_value,
    derivative=_tanh_shrink_derivative,
    facts=Facts("non-linear", range=(-inf, inf), stationary=(0.0,), zero_centred=True),
    summary="The input less its tanh: cubic near zero, a shifted identity far out.",
    paper="PyTorch's Tanhshrink; no paper is known",
    peers=(
        Peer("keras.activations.tanh_shrink", "tanh_shrink", "0 below 5e-4 in float32"),
        Peer("torch.nn.functional.tanhshrink", "tanh_shrink", "0 below 5e-4 in float32"),
    ),
)


def _threshold_formula(x: Any, threshold: Any, value: Any) -> Any:
    return where(x > threshold, x, value)


def _threshold_value(x: Any, threshold: Any, value: Any) -> Any:
    return where(x > threshold, x, where(isnan(x), x, value + zeros_like(x)))


def _threshold_derivative(x: Any, threshold: Any, value: Any) -> Any:
    return where(x > threshold, ones_like(x), where(isnan(x), x, zeros_like(x)))


def _threshold_facts(threshold: float, value: float) -> Facts:
    jump = threshold != value
    return Facts(
        "non-linear",
        range=(min(threshold, value), inf),
        attained=(value <= threshold, False),
        monotone=value <= threshold,
        convex=not jump,
        smoothness=-1 if jump else 0,
        kinks=(threshold,),
        lipschitz=inf if jump else 1.0,
    )


THRESHOLD = Activation(
    "threshold",
    formula=_threshold_formula,
    value=_threshold_value,
    derivative=_threshold_derivative,
    slopes=lambda threshold, value: (0.0, 1.0),
    parameters=(
        Parameter("threshold", 0.0, meaning="what is not above it is replaced", symbol="theta"),
        Parameter("value", 0.0, meaning="what replaces it", symbol="v"),
    ),
    facts=_threshold_facts,
    summary="Replaces what is not above a threshold by a value; ReLU unless they are given.",
    paper="PyTorch's Threshold; no framework has defaults, and 0 and 0 make it ReLU",
    peers=(
        Peer("keras.activations.threshold", "threshold", "no defaults; " + _SWALLOWED, (0, 0)),
        Peer("torch.nn.functional.threshold", "threshold", "no defaults", (0, 0)),
    ),
)


def _thresholded_formula(x: Any, alpha: Any) -> Any:
    return where(x > alpha, x, 0)


def _thresholded_value(x: Any, alpha: Any) -> Any:
    return where(x > alpha, x, where(isnan(x), x, zeros_like(x)))


def _thresholded_derivative(x: Any, alpha: Any) -> Any:
    return where(x > alpha, ones_like(x), where(isnan(x), x, zeros_like(x)))


def _thresholded_facts(alpha: float) -> Facts:
    return Facts(
        "non-linear",
        range=(0.0, inf),
        attained=(True, False),
        convex=alpha == 0,
        smoothness=-1 if alpha > 0 else 0,
        kinks=(alpha,),
        lipschitz=inf if alpha > 0 else 1.0,
    )


THRESHOLDED_RELU = Activation(
    "thresholded_relu",
    formula=_thresholded_formula,
    value=_thresholded_value,
    derivative=_thresholded_derivative,
    slopes=lambda alpha: (0.0, 1.0),
    parameters=(
        Parameter(
            "alpha",
            1.0,
            low=0.0,
            aliases=("theta", "threshold"),
            meaning="where it starts",
            symbol="alpha",
        ),
    ),
    facts=_thresholded_facts,
    summary="ReLU that also drops what is positive but small; it jumps at the threshold.",
    paper="Konda, Memisevic and Krueger 2015, Zero-bias autoencoders and the benefits of "
    "co-adapting features",
    aliases=("trec",),
    peers=(Peer("onnx.ThresholdedRelu", "thresholded_relu"),),
)
