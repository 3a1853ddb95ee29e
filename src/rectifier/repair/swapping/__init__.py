"""Another activation at chosen places of a model, and the proof of what that does.

``selection`` says which places, one file per library does it (calls inside somebody's code by
``torch_methods`` and ``rewriting``), ``effect`` measures before and after, ``outcome`` is what
the user gets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from rectifier.activation import Activation, Memory
from rectifier.errors import InputError
from rectifier.repair.sites import Site, find, library_of
from rectifier.repair.swapping.effect import Measured, effect_of, measure
from rectifier.repair.swapping.outcome import Change, Swapped
from rectifier.repair.swapping.selection import chosen

__all__ = ["Change", "Swapped", "swap"]


def swap(
    model: Any,
    replace: Mapping[str | Activation | Callable[[Site], bool], Any] | None = None,
    *,
    memory: Memory | None = None,
    data: Any = None,
    inplace: bool = False,
) -> Swapped:
    """A model like this one with other activations in it.

    >>> rf.swap(model, {"relu": "leaky_relu(negative_slope=0.1)"}, data=x).model
    >>> rf.swap(model, {"encoder.layer.0": "gelu", lambda site: site.how == "call": "elu"})

    Weights, names, shared layers, hooks, training mode, device and dtype stay. An activation that
    is what it should become already is left as it is, so such a swap changes no bit; what works
    in place (``nn.ReLU(inplace=True)``) goes on doing so.

    Args:
        model: a PyTorch module (compiled ones too) or a Keras model.
        replace: which places -> which activation. A place is the name of an activation
            (``"relu"`` whatever its parameters, ``"leaky_relu(negative_slope=0.3)"`` only those),
            of a site or a layer (with all that is in it), or a function ``f(site)`` that says
            yes; the first that fits decides. An activation is all that :func:`rectifier.get`
            takes. May be left out with ``memory``: every activation then stays what it is.
        memory: what the activations that come there keep for the backward pass, ``"exact"`` or
            ``"low"``, in PyTorch models (``docs/memory.md``).
        data: a batch, as :func:`rectifier.repair.sites.find` takes it. With it, plain calls
            (``F.relu(x)``) are found and swapped as well, and the effect is measured.
        inplace: change the model itself instead of a copy; optimisers then go on with the very
            parameters they have.

    Returns:
        the model, the places that changed, those that could not and why, and the effect.

    Raises:
        UnknownName: no such activation, site or layer in the model; says what is there.
        ParameterError: ``memory`` is neither of these.
        InputError: no model, neither ``replace`` nor ``memory``, ``memory`` for a Keras model, a
            model that is not built or cannot be copied, an odd batch.
    """
    name = library_of(model)
    library = import_module(f"{__name__}.on_{name}")
    if memory is not None and name != "torch":
        raise InputError(
            "memory= is for PyTorch models: Keras' layers leave gradients to their backend"
        )
    wanted = chosen(find(model, data), replace, memory)
    before = None if data is None else measure(model, data, library)
    changed_model = model if inplace else library.copied(model)
    reasons, changed_model = library.replaced(changed_model, wanted, data)
    changes, unreached = [], []
    for site, activation in wanted.items():
        if site in reasons:
            unreached.append((site, reasons[site]))
        else:
            changes.append(Change(site, activation))
    effect = None
    if before is not None:
        after: Measured = measure(changed_model, data, library)
        effect = effect_of(before, after, [c.site.name for c in changes if c.different])
    return Swapped(changed_model, tuple(changes), tuple(unreached), effect)
