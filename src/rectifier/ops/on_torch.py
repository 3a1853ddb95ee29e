"""PyTorch: what is done with its tensors, and what is refused.

float16 and bfloat16 are computed in float32, wider types in themselves. Functions come with the
entry's own derivative, see :mod:`rectifier.ops.torch_autograd`; the words are in
:mod:`rectifier.ops.torch_words`. They work under ``torch.func``, double backward, forward mode,
``torch.compile`` and ``torch.export``.
"""

from __future__ import annotations

import sys
from typing import Any

from rectifier.ops.inputs import (
    check_axis,
    check_shapes,
    refuse_dtype,
    refuse_out,
    refuse_parameter,
    shape_of_result,
)
from rectifier.ops.rule import Rule

NAME = "torch"


def owns(x: Any) -> bool:
    """Torch tensors, subclasses such as ``Parameter`` and ``FakeTensor`` included."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def vocabulary() -> dict[str, Any]:
    """Every word of :mod:`rectifier.ops.words`, as a function of torch tensors."""
    from rectifier.ops import torch_words

    return torch_words.VOCABULARY


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    _check(rule, x, parameters, out)
    if rule.kind != "reshaping" and _is_empty(x):
        return x.clone()
    if _compiling():
        from rectifier.ops import torch_graphs

        return torch_graphs.value(rule.key, x, parameters)
    import torch

    if torch.overrides.has_torch_function_unary(x):  # somebody watches, as repair/sites does
        return torch.overrides.handle_torch_function(value, (x,), rule, x, parameters)
    from rectifier.ops import torch_autograd

    return torch_autograd.value(rule, x, parameters)


def gated(rule: Rule, a: Any, b: Any, halved: tuple[Any, int] | None) -> Any:
    """f(a, b) by one kernel, with its gradients by another; None where there is none.

    Args:
        halved: the tensor that a and b are the halves of, and along which axis.
    """
    if not a.is_cuda:
        return None
    from rectifier.ops import torch_plain

    kernels = torch_plain.on_gpu(a, b)
    if kernels is None or not kernels.on_triton.speaks(rule.value):
        return None
    if halved is None:
        return kernels.Gated.apply(rule, a, b)
    return kernels.Halved.apply(rule, *halved)


def derivative(
    rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None, by: int = 0
) -> Any:
    _check(rule, x, parameters, out)
    shape = shape_of_result(rule, True, tuple(x.shape), parameters)
    if shape is not None and _is_empty(x):
        return x.new_zeros(shape)
    if _compiling():
        from rectifier.ops import torch_graphs

        return torch_graphs.derivative(rule.key, x, parameters, by)
    from rectifier.ops import torch_autograd

    return torch_autograd.derivative(rule, x, parameters, by)


def _is_empty(x: Any) -> bool:
    # a size that is open in an exported graph is not looked at: the graph would not be for any
    return isinstance(x.numel(), int) and not x.numel()


def _compiling() -> bool:
    import torch

    return torch.compiler.is_dynamo_compiling()


def _check(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any) -> None:
    if out is not None:
        refuse_out(NAME)
    if not x.is_floating_point():
        refuse_dtype(str(x.dtype).removeprefix("torch."))
    if not rule.elementwise:
        check_axis(rule, tuple(x.shape), parameters)
    for parameter in parameters:
        if type(parameter) is not float:  # mostly
            _check_parameter(rule, x, parameter)


def _check_parameter(rule: Rule, x: Any, parameter: Any) -> None:
    import torch

    if not isinstance(parameter, (int, float, torch.Tensor)):
        refuse_parameter(NAME, parameter)
    if rule.elementwise:
        check_shapes(tuple(x.shape), (parameter,))
