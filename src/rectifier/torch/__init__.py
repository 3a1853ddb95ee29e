"""The door for PyTorch: every activation as a function and as a layer.

>>> from rectifier import torch as rt
>>> rt.leaky_relu(x, negative_slope=0.2), rt.gelu(x, approximate="tanh")
>>> rt.LeakyReLU(0.2, inplace=True), rt.PReLU(num_parameters=64), rt.SwiGLU(dim=1)

Constructors and calls that PyTorch has itself are understood as it understands them. The gradient
is the entry's own, with the stated value at each kink, and little is kept for it: see
:mod:`rectifier.ops.torch_autograd`; with ``memory="low"`` next to nothing, and
:func:`low_memory` does that to a whole model. Names and arguments: :mod:`rectifier.doors`; what
differs from PyTorch's own: ``docs/torch.md``.
"""

from __future__ import annotations

from rectifier import doors
from rectifier.errors import MissingLibrary

try:
    import torch as _torch  # noqa: F401  (before our own files, which need it)
except ImportError as error:
    raise MissingLibrary("torch", "torch") from error

from rectifier.torch.functions import function
from rectifier.torch.layers import Layer as Layer
from rectifier.torch.layers import layer_class
from rectifier.torch.models import low_memory as low_memory

__getattr__, __dir__ = doors.entrances(__name__, function, layer_class, own=("Layer", "low_memory"))
