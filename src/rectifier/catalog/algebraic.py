"""Made of square roots, logarithms and the arc tangent: tails that settle or grow slowly."""

from __future__ import annotations

from typing import Any

from rectifier.activation import Activation, Facts, Parameter, Peer
from rectifier.ops.words import (
    absolute,
    arctan,
    hypot,
    inf,
    isnan,
    log,
    log1p,
    maximum,
    minimum,
    sign,
    sqrt,
    where,
    zeros_like,
)


def _over_root(x: Any, slope: Any) -> Any:
    """x / sqrt(1 + (slope x)²), beyond 1 divided through by |x| for the limit at infinity."""
    size = absolute(x)
    far = sign(x) / hypot(1 / maximum(size, 1.0), slope)
    return where(size > 1, far, x / hypot(slope * x, 1.0))


def _isru_formula(x: Any, alpha: Any) -> Any:
    return x / sqrt(1 + alpha * x**2)


def _isru_value(x: Any, alpha: Any) -> Any:
    return _over_root(x, sqrt(alpha + zeros_like(x)))


def _isru_derivative(x: Any, alpha: Any) -> Any:
    r = 1 / hypot(sqrt(alpha + zeros_like(x)) * x, 1.0)
    return r * r * r


_ALPHA = Parameter(
    "alpha", 1.0, low=0.0, positive=True, meaning="1/alpha is the limit's square", symbol="alpha"
)
_CARLILE = (
    "Carlile, Delamarter, Kinney, Marti and Whitney 2017, Improving deep learning by inverse "
    "square root linear units (ISRLUs)"
)

ISRU = Activation(
    "isru",
    formula=_isru_formula,
    value=_isru_value,
    derivative=_isru_derivative,
    parameters=(_ALPHA,),
    facts=lambda alpha: Facts("non-linear", range=(-(alpha**-0.5), alpha**-0.5), zero_centred=True),
    summary="A tanh without an exponential: the input over the root of 1 + alpha x².",
    paper=_CARLILE,
    aliases=("inverse_square_root_unit",),
)


def _isrlu_formula(x: Any, alpha: Any) -> Any:
    return where(x < 0, x / sqrt(1 + alpha * x**2), x)


def _isrlu_value(x: Any, alpha: Any) -> Any:
    return where(x > 0, x, _over_root(x, sqrt(alpha + zeros_like(x))))


def _isrlu_derivative(x: Any, alpha: Any) -> Any:
    return where(x > 0, 1 + zeros_like(x), _isru_derivative(x, alpha))


ISRLU = Activation(
    "isrlu",
    formula=_isrlu_formula,
    value=_isrlu_value,
    derivative=_isrlu_derivative,
    parameters=(_ALPHA,),
    facts=lambda alpha: Facts("non-linear", range=(-(alpha**-0.5), inf), convex=True, smoothness=2),
    summary="ELU without an exponential: an inverse square root on the left.",
    paper=_CARLILE,
    aliases=("inverse_square_root_linear_unit",),
)


def _bent_formula(x: Any) -> Any:
    return (sqrt(x**2 + 1) - 1) / 2 + x


def _bent_value(x: Any) -> Any:
    root = hypot(x, 1.0)
    middle = minimum(maximum(x, -1.0), 1.0)
    near = x + middle * (middle / (hypot(middle, 1.0) + 1)) / 2  # root - 1 without cancellation
    left = x / 2 - 0.5 + 0.5 / (root + absolute(x))  # root + x without infinity less infinity
    right = x + (root - 1) / 2
    return where(x > 1, right, where(x < -1, left, near))


def _bent_derivative(x: Any) -> Any:
    return _over_root(x, 1.0) / 2 + 1


def _bent_from_output(y: Any) -> Any:
    # x is a root of 3 x² - (8 y + 4) x + 4 y² + 4 y = 0, and this is 1 / (dx/dy)
    return 3 / (4 - 2 * _over_root((y + 0.5) / 0.75**0.5, 1.0))


BENT_IDENTITY = Activation(
    "bent_identity",
    formula=_bent_formula,
    value=_bent_value,
    derivative=_bent_derivative,
    from_output=_bent_from_output,
    facts=Facts("non-linear", range=(-inf, inf), convex=True, lipschitz=1.5),
    summary="A line that bends: slope 1/2 far left, 3/2 far right, no corner between.",
    paper="no paper is known; a branch of a hyperbola, listed in Wikipedia's table of activations",
)


def _arctan_formula(x: Any) -> Any:
    return arctan(x)


def _arctan_derivative(x: Any) -> Any:
    return 1 / (1 + x * x)


ARCTAN = Activation(
    "arctan",
    formula=_arctan_formula,
    value=_arctan_formula,
    derivative=_arctan_derivative,
    facts=Facts("non-linear", range=(-1.5707963267948966, 1.5707963267948966), zero_centred=True),
    summary="The angle whose tangent is the input; flattens more slowly than tanh.",
    paper="the inverse tangent; one of the sigmoids of Cybenko 1989, Approximation by "
    "superpositions of a sigmoidal function",
    aliases=("atan",),
    peers=(
        Peer("numpy.arctan", "arctan"),
        Peer("torch.arctan", "arctan"),
        Peer("jax.numpy.arctan", "arctan"),
        Peer("keras.ops.arctan", "arctan"),
        Peer("onnx.Atan", "arctan"),
    ),
)


def _symlog_formula(x: Any) -> Any:
    return where(x > 0, log(1 + x), -log(1 - x))


def _symlog_value(x: Any) -> Any:
    return where(x > 0, log1p(maximum(x, 0.0)), -log1p(_size_of_negative(x)))


def _size_of_negative(x: Any) -> Any:
    # -x below zero; where() rather than maximum(), which may turn 0.0 into -0.0 or back
    return where(x > 0, zeros_like(x), -x)


def _symlog_derivative(x: Any) -> Any:
    return 1 / (1 + absolute(x))


SYMLOG = Activation(
    "symlog",
    formula=_symlog_formula,
    value=_symlog_value,
    derivative=_symlog_derivative,
    facts=Facts("non-linear", range=(-inf, inf), smoothness=1, zero_centred=True),
    summary="The logarithm on both sides of zero: compresses what is large, keeps what is small.",
    paper="Hafner, Pasukonis, Ba and Lillicrap 2023, Mastering diverse domains through world "
    "models",
)


def _nlrelu_formula(x: Any, beta: Any) -> Any:
    return where(x > 0, log(1 + beta * x), 0)


def _nlrelu_value(x: Any, beta: Any) -> Any:
    inside = where(x > 0, x, zeros_like(x))
    return where(isnan(x), x, log1p(beta * inside))


def _nlrelu_derivative(x: Any, beta: Any) -> Any:
    inside = where(x > 0, x, zeros_like(x))
    return where(x > 0, beta / (1 + beta * inside), where(isnan(x), x, zeros_like(x)))


NLRELU = Activation(
    "nlrelu",
    formula=_nlrelu_formula,
    value=_nlrelu_value,
    derivative=_nlrelu_derivative,
    parameters=(
        Parameter("beta", 1.0, low=0.0, positive=True, meaning="slope at zero", symbol="beta"),
    ),
    facts=lambda beta: Facts(
        "non-linear",
        range=(0.0, inf),
        attained=(True, False),
        smoothness=0,
        kinks=(0.0,),
        lipschitz=beta,
    ),
    summary="The logarithm of 1 plus ReLU: large inputs count less and less.",
    paper="Liu, Zhang, Gao, Qu and Ji 2019, Natural-logarithm-rectified activation function in "
    "convolutional neural networks",
)
