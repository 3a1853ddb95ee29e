"""PyTorch's OpInfo inputs, from its wheel, on every entry of ours that torch has.

``sample_inputs`` are those of torch's own operator tests; ``reference_inputs`` add shapes,
strides, broadcasts and the small, large and extremal numbers. They come in float32 and float64;
what ours are compared with is torch's own operator, at the tolerances of ``torch.testing``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

import rectifier as rf
from benchmarks.outcomes import Outcome, back, difference
from rectifier.errors import InputError

# torch.testing.assert_close's own
_TOLERANCES = {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
_NOT_CONSTANT = "slopes are drawn in training; here noise= says which"

Inputs = Mapping[str, Any]
# Entry, where its results may differ (of x, torch's result and the sample's arguments), why.
DEVIATIONS: tuple[tuple[str, Callable[[np.ndarray, np.ndarray, Inputs], Any], str], ...] = (
    ("", lambda x, y, _: np.isinf(x) & np.isnan(y), "NaN at an infinity; the limit here"),
    ("binary_step", lambda x, y, _: x == 0, "the value at 0 is an input; 0 here"),
    ("binary_step", lambda x, y, _: np.isnan(x), "swallows NaN"),
    ("rrelu", lambda x, y, given: (x < 0) & given.get("training", False), _NOT_CONSTANT),
    (
        "softplus",
        lambda x, y, given: given["beta"] * x > given["threshold"],
        "the identity above a threshold; exact here",
    ),
)
_NO_AXIS = "a number without axes has no axis 0 here"
# Entry -> why an argument of torch's is refused.
REFUSED = {
    "hard_shrink": "the threshold is above 0 here",
    "soft_shrink": "the threshold is above 0 here",
    "hard_tanh": "the upper end is above 0 here",
    "softmax": _NO_AXIS,
    "softmin": _NO_AXIS,
    "log_softmax": _NO_AXIS,
    "prelu": "a number without axes has no channels here",
}
_COMPLEX = "complex numbers are refused"


def operators() -> Iterator[tuple[str, Any]]:
    """Entry and OpInfo of every operator that the catalogue calls a peer in torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing it warns of what it looks for
        from torch.testing._internal.common_methods_invocations import op_db
    peers = {
        peer.call.removeprefix("torch."): name
        for name in rf.names()
        for peer in rf.get(name).peers
        if peer.library == "torch"
    }
    for operator in op_db:
        spellings = [operator.name, *(alias.name for alias in operator.aliases)]
        known = [peers[name] for name in spellings if name in peers]
        if known:
            yield known[0], operator


def outcomes(
    dtypes: tuple[str, ...] = ("float32", "float64"), most: float = np.inf
) -> list[Outcome]:
    """Every input of every operator, on NumPy and torch.

    Args:
        most: inputs of more elements are left out; the largest have 2**20.
    """
    import torch

    collected = []
    for name, operator in operators():
        real = operator.supports_dtype(torch.float32, "cpu")
        for dtype in dtypes if real else ("complex64",):
            torch.manual_seed(0)  # some inputs are drawn, and some results
            for kind in ("sample_inputs", "reference_inputs"):
                inputs = getattr(operator, kind)("cpu", getattr(torch, dtype), requires_grad=False)
                for number, sample in enumerate(inputs):
                    if sample.input.numel() > most:
                        continue
                    case = f"{operator.formatted_name} {dtype} {kind} {number}"
                    for library in ("numpy", "torch"):
                        found = outcome(name, operator, sample, library)
                        collected.append(Outcome(case, name, library, *found))
    return collected


def outcome(name: str, operator: Any, sample: Any, library: str) -> tuple[str, str]:
    """What differs in one case, and why it may."""
    try:
        x, got = ours(name, sample, library)
    except InputError as error:
        return str(error), _COMPLEX if sample.input.is_complex() else REFUSED.get(name, "")
    theirs = operator(sample.input, *sample.args, **sample.kwargs)
    expected, got = back(theirs), back(got)
    if got.shape != expected.shape:
        return f"shape {got.shape} instead of {expected.shape}", ""
    tolerances = _TOLERANCES[str(theirs.dtype).removeprefix("torch.")]
    wrong = difference(got, expected, *tolerances)
    reason = ""
    for entry, where, why in DEVIATIONS if wrong else ():
        if entry in ("", name):
            allowed = np.broadcast_to(where(x, expected, sample.kwargs), got.shape)
            if not difference(np.where(allowed, expected, got), expected, *tolerances):
                reason = why
    return wrong, reason


def ours(name: str, sample: Any, library: str) -> tuple[np.ndarray, Any]:
    """The sample's array, and the entry's result with the sample's arguments as its own."""
    import torch

    x, given = sample.input, {k: v for k, v in sample.kwargs.items() if k != "training"}
    arguments = list(sample.args)
    if "dtype" in given:  # convert first, as torch does
        x = x.to(given.pop("dtype"))
    if name == "binary_step":  # the shape of both; what it says at 0 is dropped
        x, _ = torch.broadcast_tensors(x, arguments.pop())
    if name == "prelu":
        weight = given.pop("weight", None)
        weight = arguments.pop() if weight is None else weight
        if weight.numel() > 1:  # one a channel, the second axis
            weight = weight.reshape(-1, *[1] * (x.ndim - 2))
        arguments = [weight]
    given.pop("threshold" if name == "softplus" else "", None)
    if library == "numpy":
        x = x.numpy()
        arguments = [a.numpy() if isinstance(a, torch.Tensor) else a for a in arguments]
    entry = rf.get(name, **{k: given.pop(k) for k in ("approximate",) if k in given})
    if arguments and not entry.elementwise:
        given["axis"] = arguments.pop()
    return np.asarray(x), entry(x, *arguments, **given)
