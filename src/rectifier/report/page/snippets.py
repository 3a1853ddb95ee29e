"""Three lines of code that use an activation in Keras, PyTorch and JAX.

All call Rectifier's own record, but PyTorch gets its own function where one computes exactly the
same.
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
}
# Calls that are not simply function(z, keywords).
_TORCH_SPECIAL = {
    "identity": "{}",
    "gelu_tanh": 'torch.nn.functional.gelu({}, approximate="tanh")',
}


def snippets(activation: str, settings: dict[str, Any]) -> list[tuple[str, str]]:
    """``[(library, code)]``; each code runs as it stands and defines ``hidden``.

    ``hidden`` is a dense layer with the activation: a Keras layer, a function of ``x`` for
    PyTorch, a function of ``x, w, b`` for JAX.

    Args:
        activation: an elementwise one, as a study recommends, and as ``rectifier.get`` reads it.
            A name that is not known here (a formula defined in another process) gets the code
            without its definition.
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
    dense = f"dense = torch.nn.Linear({inputs}, {units})\n"
    own = torch_call(record, "dense(x)") if record is not None else None
    torch = (
        f"import torch\n{dense}hidden = lambda x: {own}"
        if own
        else f"import torch, rectifier\n{get}{dense}hidden = lambda x: act(dense(x))"
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
    plain = rf.get(activation.name)
    if activation.name in _TORCH_SPECIAL and activation == plain:
        return _TORCH_SPECIAL[activation.name].format(argument)
    same = [
        peer.call
        for peer in activation.peers
        if peer.library == "torch" and not peer.arguments and rf.get(peer.equals) == plain
    ]
    keywords = _TORCH_KEYWORDS.get(activation.name, {})
    fixed = {p.name: p.default for p in activation.declared if p.name not in keywords}
    if not same or any(activation.parameters[name] != value for name, value in fixed.items()):
        return None
    given = [f"{keywords[name]}={activation.parameters[name]!r}" for name in keywords]
    return f"{same[0]}({', '.join([argument, *given])})"
