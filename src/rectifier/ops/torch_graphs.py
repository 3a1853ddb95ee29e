"""What ``torch.compile`` sees of an activation: one call, traced through without Dynamo.

Dynamo cannot watch a function being built, as ``speak`` does. So it is shown a call with a text,
the rule's key, and what that call does is recorded by the ordinary tracer. Imported when Dynamo
first meets an activation; never before torch.
"""

from __future__ import annotations

from typing import Any

import torch

from rectifier.ops import torch_autograd
from rectifier.ops.rule import RULES


@torch.compiler.allow_in_graph
def value(key: str, x: Any, parameters: tuple[Any, ...]) -> Any:
    return torch_autograd.value(RULES[key], x, parameters)


@torch.compiler.allow_in_graph
def derivative(key: str, x: Any, parameters: tuple[Any, ...], by: int) -> Any:
    return torch_autograd.derivative(RULES[key], x, parameters, by)
