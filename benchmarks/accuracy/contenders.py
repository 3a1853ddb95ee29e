"""Everyone who computes an entry: our three doors, and torch's and JAX's own functions.

Each takes and gives NumPy arrays. Derivatives of the others are those of their automatic
differentiation, which is what trains networks there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import rectifier as rf
from benchmarks.accuracy.sweep import call_of
from rectifier.catalog.accuracy import Which

Compute = Callable[[np.ndarray], np.ndarray]

_NOT_DIFFERENTIABLE = ("torch.heaviside",)  # an error there
# Calls that take an argument to be another entry than by default.
_WITH_ARGUMENTS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "gelu": (("jax.nn.gelu", {"approximate": False}),),
    "gelu_tanh": (("torch.nn.functional.gelu", {"approximate": "tanh"}),),
}


def doors(name: str, which: Which) -> Iterator[tuple[str, Compute]]:
    """Ours: what measures it is called in the table, and how to compute it."""
    call = call_of(name, which)
    yield "numpy", call
    yield "torch", lambda x: _from_torch(call(_to_torch(x)))
    compiled = jax.jit(call)
    yield "jax", lambda x: np.asarray(compiled(jnp.asarray(x)))


def theirs(name: str, which: Which) -> Iterator[tuple[str, Compute]]:
    """torch's and JAX's own functions that are this entry at its default parameters."""
    calls: list[tuple[str, tuple[float, ...], dict[str, Any]]] = [
        (peer.call, peer.arguments, {})
        for peer in rf.get(name).peers
        if peer.equals == name and peer.library in ("torch", "jax")
    ]
    calls += [(call, (), given) for call, given in _WITH_ARGUMENTS.get(name, ())]
    for call, arguments, given in calls:
        shown = ", ".join(f"{k}={v!r}" for k, v in given.items())
        if which == "derivative" and call in _NOT_DIFFERENTIABLE:
            continue
        function = _found(call)
        if isinstance(function, type):
            function = function()
        by = f"{call}({shown})" if shown else call
        if call.startswith("torch"):
            yield by, partial(_of_torch, partial(function, **given), arguments, which)
        else:
            yield by, partial(_of_jax, partial(function, **given), arguments, which)


def _of_torch(
    function: Callable[..., Any], arguments: tuple[float, ...], which: Which, x: np.ndarray
) -> np.ndarray:
    given = _to_torch(x)
    # prelu and heaviside want tensors, threshold wants numbers
    as_tensors = "prelu" in repr(function) or "heaviside" in repr(function)
    others = [torch.tensor(a, dtype=given.dtype) if as_tensors else a for a in arguments]
    if which == "value":
        return _from_torch(function(given, *others))
    given.requires_grad_(True)
    result = function(given, *others)
    (slope,) = torch.autograd.grad(result.sum(), given)
    return _from_torch(slope)


def _of_jax(
    function: Callable[..., Any], arguments: tuple[float, ...], which: Which, x: np.ndarray
) -> np.ndarray:
    def call(z: Any) -> Any:
        return function(z, *arguments)

    if which == "derivative":
        call = jax.vmap(jax.grad(call))
    return np.asarray(jax.jit(call)(jnp.asarray(x)))


def _to_torch(x: np.ndarray) -> torch.Tensor:
    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(x)


def _from_torch(y: torch.Tensor) -> np.ndarray:
    y = y.detach()
    if y.dtype == torch.bfloat16:
        return y.view(torch.int16).numpy().view(jnp.bfloat16)
    return y.numpy()


def _found(dotted: str) -> Any:
    """The function or class of a dotted name."""
    parts = dotted.split(".")
    for count in range(len(parts) - 1, 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            thing = getattr(thing, name)
        return thing
    raise LookupError(dotted)
