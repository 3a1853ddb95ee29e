"""Three lines of code that use an activation in Keras, PyTorch and JAX.

Keras and JAX call Rectifier's own record. PyTorch gets its own function where one computes
exactly the same, else the textbook formula written out, and a comment that says so.
"""

from __future__ import annotations

import json
from typing import Any

import rectifier as rf
from rectifier.activation import Activation
from rectifier.errors import InputError

# What PyTorch's function can be told besides x: our parameter -> its keyword. All others must
# have their defaults for it to be the same function.
_TORCH_KEYWORDS: dict[str, dict[str, str]] = {
    "leaky_relu": {"negative_slope": "negative_slope"},
    "elu": {"alpha": "alpha"},
    "celu": {"alpha": "alpha"},
    "softplus": {"beta": "beta"},
    "hard_tanh": {"min_val": "min_val", "max_val": "max_val"},
    "softmax": {"axis": "dim"},
    "log_softmax": {"axis": "dim"},
}
# Calls that are not simply function(z, keywords).
_TORCH_SPECIAL = {
    "identity": "z",
    "binary_step": "torch.heaviside(z, torch.zeros_like(z))",
    "gelu_tanh": 'torch.nn.functional.gelu(z, approximate="tanh")',
}


def snippets(activation: str, settings: dict[str, Any]) -> list[tuple[str, str]]:
    """``[(library, code)]``; each code runs as it stands and defines ``hidden``.

    ``hidden`` is a dense layer with the activation: a Keras layer, a function of ``x`` for
    PyTorch, a function of ``x, w, b`` for JAX.

    Args:
        activation: as ``rectifier.get`` reads it. A name that is not known here (a formula
            defined in another process) gets the code without its definition.
        settings: of a verdict; the first layer's ``inputs`` and ``hidden`` units are used.
    """
    inputs = int(settings.get("inputs") or 64)  # unknown where the network is not ours
    units = int(next(iter(settings.get("hidden") or ()), 64))
    record = known(activation)
    get = f"act = rectifier.get({json.dumps(activation)})\n"
    if record is not None and record.text is not None:
        # A pair of names and numbers, never code: read back by rectifier's own reader.
        numbers = "".join(f", {p.name}={p.default!r}" for p in record.declared)
        texts = f"{json.dumps(record.name)}, {json.dumps(record.text)}{numbers}"
        get = f"rectifier.define({texts})\n{get}"
    keras = (
        f"import keras, rectifier  # with KERAS_BACKEND=jax\n{get}"
        f"hidden = keras.layers.Dense({units}, activation=act)"
    )
    jax = f"import jax, rectifier\n{get}hidden = jax.jit(lambda x, w, b: act(x @ w + b))"
    torch = (
        f"import torch\n{_comment(activation, record)}"
        f"dense = torch.nn.Linear({inputs}, {units})\n{_torch(activation, record)}"
    )
    return [("Keras", keras), ("PyTorch", torch), ("JAX", jax)]


def known(activation: str) -> Activation | None:
    """The record of a name, or None where it is not known in this process."""
    try:
        return rf.get(activation)
    except InputError:
        return None


def torch_call(activation: Activation, argument: str = "z") -> str | None:
    """PyTorch's own call that computes the same at these parameters; None if there is none.

    >>> torch_call(rf.get("leaky_relu"))
    'torch.nn.functional.leaky_relu(z, negative_slope=0.01)'
    """
    at_defaults = activation == rf.get(activation.name)
    if activation.name in _TORCH_SPECIAL and at_defaults:
        return _TORCH_SPECIAL[activation.name].replace("z", argument)
    same = [
        peer.call
        for peer in activation.peers
        if peer.library == "torch" and rf.get(peer.equals).name == activation.name
    ]
    keywords = _TORCH_KEYWORDS.get(activation.name, {})
    fixed = {p.name: p.default for p in activation.declared if p.name not in keywords}
    if not same or any(activation.parameters[name] != value for name, value in fixed.items()):
        return None
    given = [f"{keywords[name]}={activation.parameters[name]!r}" for name in keywords]
    return f"{same[0]}({', '.join([argument, *given])})"


def _comment(activation: str, record: Activation | None) -> str:
    if record is not None and torch_call(record) is None:
        return f"# PyTorch has no function for {record}: its formula, written out\n"
    if record is None:
        return f"# {json.dumps(activation)} is not known here: put its formula in place of z\n"
    return ""


def _torch(activation: str, record: Activation | None) -> str:
    call = "z" if record is None else torch_call(record) or _torch_formula(record)
    if "(z" in call and call.count("z") == 1:
        return f"hidden = lambda x: {call.replace('z', 'dense(x)')}"
    return f"act = lambda z: {call}\nhidden = lambda x: act(dense(x))"


def _torch_formula(activation: Activation) -> str:
    """The textbook form with PyTorch's functions, by SymPy's printer."""
    import sympy
    from sympy.printing.pytorch import TorchPrinter

    # The printer knows no erfc, and PyTorch's sqrt takes tensors only: constants become numbers.
    formula = activation.formula.replace(sympy.erfc, lambda part: 1 - sympy.erf(part))
    formula = formula.replace(
        lambda part: part.is_number and not part.is_Rational and part.is_finite,
        lambda part: part.evalf(17),
    )
    text: str = TorchPrinter().doprint(
        formula.subs(sympy.Symbol("x", real=True), sympy.Symbol("z"))
    )
    return text
