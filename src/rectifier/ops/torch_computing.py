"""A rule's code on torch tensors: by a kernel where there is one for it, else by torch's own
function where that gives the same, else in torch's words.

Imported when the first torch tensor arrives; never before torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch

from rectifier.ops import torch_plain
from rectifier.ops.rule import Rule, spoken
from rectifier.ops.torch_words import VOCABULARY


def computed(
    rule: Rule, code: Callable[..., Any], x: torch.Tensor, parameters: Sequence[Any]
) -> torch.Tensor:
    """``code(x, *parameters)`` of a rule, in at least float32, rounded once to the dtype of x."""
    done = torch_plain.by_kernel(rule, code, x, parameters) if rule.elementwise else None
    if done is not None:
        return done
    native = rule.native("torch", parameters) if code is rule.value else None
    if native is not None:
        return native(x)
    return speak(code)(*widened(x, parameters)).to(x.dtype)


def chained(
    rule: Rule,
    code: Callable[..., Any],
    x: torch.Tensor,
    parameters: Sequence[Any],
    grad: torch.Tensor,
) -> torch.Tensor:
    """``grad * code(x, *parameters)``, likewise, but still in the dtype that it is computed in."""
    done = torch_plain.by_kernel(rule, code, x, parameters, grad)
    if done is not None:
        return done
    wide, *others = widened(x, parameters)
    return grad.to(wide.dtype) * speak(code)(wide, *others)


@cache
def speak(code: Callable[..., Any]) -> Callable[..., Any]:
    """``code`` in torch's words."""
    return spoken(code, _vocabulary)


def _vocabulary() -> dict[str, Any]:
    return VOCABULARY


def wide_of(dtype: torch.dtype) -> torch.dtype:
    """What a dtype is computed in: at least float32."""
    return dtype if dtype.itemsize >= 4 else torch.float32


def widened(x: torch.Tensor, parameters: Sequence[Any]) -> list[Any]:
    """x and the parameters in at least float32; a parameter never changes the dtype of x."""
    dtype = wide_of(x.dtype)
    others = (p.to(dtype) if isinstance(p, torch.Tensor) else p for p in parameters)
    return [x.to(dtype), *others]
