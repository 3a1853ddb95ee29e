"""The places in a model where an activation is computed, and what passes through them.

``find(model, batch)`` names them, ``tap(model, receive)`` streams what they take and give. One
file per library does the looking; which one is decided by what the model is, and no library is
imported to ask.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from rectifier.activation import Activation
from rectifier.errors import InputError

__all__ = ["How", "Known", "Receive", "Site", "find", "library_of", "tap"]

How = Literal["module", "call", "attribute", "layer", "inside"]


@dataclass(frozen=True)
class Site:
    """One place in a model where an activation is computed.

    Attributes:
        name: unique and readable: ``encoder.layer.0.act``; ``block:relu`` and ``block:relu#2``
            for plain calls; ``dense_1.activation`` for what a layer was given.
        layer: the module or layer that it belongs to: the dotted path in PyTorch, the path of
            layer names in Keras; empty for the model itself.
        activation: which one, with its parameters, as :func:`rectifier.get` gives it; None where
            it is none of the catalogue.
        called: what the framework calls it: ``torch.nn.GELU``, ``torch.nn.functional.relu``,
            ``keras.layers.Dense(activation='relu')``.
        how: a ``module`` or ``layer`` of its own; an ``attribute`` that holds a function; a
            ``call`` in somebody's code; or ``inside`` a fused operation, where it cannot be
            tapped.
        source: file and line of the code that calls it, ``model.py:42``, where that is known.
        reachable: None where it can be swapped, else the reason why not.
    """

    name: str
    layer: str
    activation: Activation | None
    called: str
    how: How
    source: str | None = None
    reachable: str | None = None

    def __str__(self) -> str:
        what = self.activation if self.activation is not None else "not recognised"
        return f"{self.name}: {what} ({self.called})"


Receive = Callable[[Site, Any, Any], None]


def find(model: Any, batch: Any = None) -> list[Site]:
    """Every activation site of a model, in the order in which a forward pass meets them.

    Args:
        model: a ``torch.nn.Module`` (compiled ones too) or a Keras model or layer.
        batch: what the model takes: an array, a tuple of positional arguments or a dict of named
            ones, of the model's library or NumPy. It is passed forward once, in evaluation mode
            and without gradients. Plain calls inside ``forward`` or ``call`` (``F.relu(x)``) can
            only be seen that way: without a batch, only layers and their attributes are found.

    Raises:
        InputError: neither kind of model, one that is not built, or a batch that it refuses.
    """
    return list(_finder(model).find(model, batch))


@dataclass
class Known:
    """What a tap found in its first look at a model, kept for the next tap of the same one.

    Attributes:
        found: the sites, as ``found.sites``, with what the library's own file needs beside them.
        unseen: path of a recurrent layer -> why its gates could not be computed.
    """

    found: Any = None
    unseen: dict[str, str] = field(default_factory=dict)


def tap(model: Any, receive: Receive, known: Known | None = None) -> AbstractContextManager[None]:
    """While open, every forward pass calls ``receive(site, z, y)`` at each site it meets.

    ``z`` is what goes into the activation and ``y`` what comes out, arrays of the model's library
    that no gradient flows through; keeping them is the receiver's business. A site that is met
    several times in a pass (shared layers, loops) reports each time. Of recurrent layers each gate
    is a site of its own (``lstm:forget gate``), computed again from inputs and weights; other sites
    ``inside`` fused operations report nothing.

    In Keras a forward pass is ``model(x)``, run eagerly; what passes through a compiled
    ``fit`` or ``predict`` has no values to show.

    Args:
        known: where the first look at the model is kept; a tap that is given one that has been
            used for this model before looks no more. By default every tap looks for itself.

    Raises:
        InputError: neither a PyTorch nor a Keras model, or a Keras model that is not built.
    """
    context: AbstractContextManager[None] = _tapper(model).tap(model, receive, known or Known())
    return context


def library_of(model: Any) -> str:
    """``"torch"`` or ``"keras"``; a Keras layer on the torch backend, which is both, is Keras'.

    Raises:
        InputError: neither.
    """
    keras, torch = (sys.modules.get(name) for name in ("keras", "torch"))
    if keras is not None and isinstance(model, keras.layers.Layer):
        return "keras"
    if torch is not None and isinstance(model, torch.nn.Module):
        return "torch"
    kind = type(model)
    raise InputError(
        "a model is a torch.nn.Module or a Keras model, "
        f"got {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")
    )


def _finder(model: Any) -> ModuleType:
    if library_of(model) == "keras":
        from rectifier.repair.sites import on_keras

        return on_keras
    from rectifier.repair.sites import on_torch

    return on_torch


def _tapper(model: Any) -> ModuleType:
    if library_of(model) == "keras":
        from rectifier.repair.sites import keras_tap

        return keras_tap
    from rectifier.repair.sites import on_torch

    return on_torch
