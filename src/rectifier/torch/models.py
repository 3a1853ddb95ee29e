"""What is done to whole PyTorch models."""

from __future__ import annotations

from typing import Any

import torch

from rectifier.errors import InputError


def low_memory(model: torch.nn.Module, *, data: Any = None, inplace: bool = False) -> Any:
    """A model like this one whose activations keep next to nothing for the backward pass.

    >>> lean = rt.low_memory(model, data=batch).model

    Every activation that :func:`rectifier.swap` finds becomes ours with ``memory="low"``: modules
    of PyTorch, of Hugging Face and of this library, what layers hold as an attribute, and, with
    ``data``, plain calls such as ``F.gelu(x)``. Outputs stay but for rounding; what gradients lose
    is in ``docs/memory.md``.

    Args:
        model: a PyTorch module, compiled ones too.
        data: a batch, as :func:`rectifier.swap` takes it; with it plain calls are found, and the
            bytes kept are measured before and after.
        inplace: change the model itself instead of a copy.

    Returns:
        what :func:`rectifier.swap` returns: ``.model``, the places that changed, those that could
        not and why, and with ``data`` the effect.

    Raises:
        InputError: no PyTorch module, one that cannot be copied, or an odd batch.
    """
    if not isinstance(model, torch.nn.Module):
        raise InputError(
            f"low_memory takes a torch.nn.Module, got {type(model).__module__}."
            f"{type(model).__qualname__}"
        )
    from rectifier import swap  # the face: what finds activations in models lies above the doors

    return swap(model, memory="low", data=data, inplace=inplace)
