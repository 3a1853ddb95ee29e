"""The operations of one forward pass of a PyTorch model, by a mode that sees every call.

Calls of ``torch.nn.functional``, of tensor methods and of modules all pass through
``TorchFunctionMode``; hooks on the modules say in which of them a call happens. Nothing of the
model is changed, and code that ``torch.fx`` cannot trace is seen like any other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from rectifier import catalog
from rectifier.errors import InputError
from rectifier.repair.rules.task import LOSSES
from rectifier.repair.structure import Network, Overwritten, Role, Step, Weight

_SHAPE = {
    *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "unsqueeze", "squeeze"),
    *("contiguous", "__getitem__", "getitem", "chunk", "split", "expand", "clone", "to"),
    *("swapaxes", "movedim", "float", "type_as", "roll", "flip", "select", "narrow", "unbind"),
    *("t", "view_as", "reshape_as", "expand_as", "ravel", "T", "mT", "tensor_split", "alias"),
    *("adjoint", "masked_select", "index_select", "gather", "pad", "identity", "half", "double"),
}
_LINEAR = {"mean", "sum", "avg_pool1d", "avg_pool2d", "avg_pool3d", "neg", "interpolate"}
_LINEAR |= {f"adaptive_avg_pool{n}d" for n in (1, 2, 3)}
_JOIN = {"add", "sub", "cat", "concat", "stack", "hstack", "vstack", "__add__", "__sub__"}
_PRODUCT = {"mul", "div", "__mul__", "__truediv__", "true_divide", "multiply"}
_NORMALISE = {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"}
_RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}
_CELLS = {"lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"}
# The catalogue's name where the function's is another; names that it shares with no activation.
_SPELLED = {"hardtanh": "hard_tanh", "hardswish": "hard_swish", "hardsigmoid": "hard_sigmoid"}
_SPELLED |= {"logsigmoid": "log_sigmoid", "softshrink": "soft_shrink", "hardshrink": "hard_shrink"}
_NO_ACTIVATION = {"sin", "exp", "square", "abs", "sign", "normalize", "threshold_", "erf"}
_CHANNELS_FIRST = ("conv", "batch_norm", "group_norm", "instance_norm")


class Recorder:
    """Records while a model runs; :meth:`network` is then what it did.

    >>> with Recorder(model) as recorder: output = model(*inputs)
    >>> recorder.network(output)

    Args:
        modules: path of a module that is an activation -> its canonical name; what it computes
            inside is one step.
    """

    def __init__(self, model: torch.nn.Module, modules: Mapping[str, str] | None = None) -> None:
        self._model = model
        self._modules = modules or {}
        self._quiet = 0
        self._steps: list[Step] = []
        self._maker: dict[int, int] = {}  # id of a tensor -> place of the step that made it
        self._memory: dict[int, int] = {}  # address of its numbers -> the same
        self._alive: list[Any] = []  # ids stay unique while the tensors live
        self._layers: list[str] = []
        self.parameters = {id(p): p for p in model.parameters()}
        self._saved: list[tuple[torch.Tensor, int, int]] = []  # tensor, its version, step
        self._overwritten: list[tuple[int, int, int]] = []  # address, writer, version after
        self.losses: list[tuple[str, int | None]] = []  # torch's own losses, and what they took
        self._stack = ExitStack()

    def __enter__(self) -> Recorder:
        for name, module in self._model.named_modules():
            self._stack.enter_context(_named(module, name, self._layers))
            if name in self._modules:
                self._stack.enter_context(self._one_step(module, self._modules[name]))
        keep = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda kept: kept)
        self._stack.enter_context(keep)
        self._stack.enter_context(_Mode(self))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def _keep(self, tensor: torch.Tensor) -> torch.Tensor:
        self._saved.append((tensor, tensor._version, len(self._steps)))
        return tensor

    @contextmanager
    def _one_step(self, module: torch.nn.Module, activation: str) -> Iterator[None]:
        def enter(*_: Any) -> None:
            self._quiet += 1

        def leave(_: Any, args: Any, output: Any) -> None:
            self._quiet -= 1
            inputs = [self._maker[id(t)] for t in _tensors(args) if id(t) in self._maker]
            if inputs and not self._quiet:
                named = Step(-1, "activation", activation, "", tuple(inputs), activation=activation)
                self._append(named, list(_tensors(output)), args)

        handles = (module.register_forward_pre_hook(enter), module.register_forward_hook(leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def maker_of(self, tensor: torch.Tensor) -> Step | None:
        """The step that wrote this tensor's memory last, as seen so far."""
        place = self._memory.get(tensor.data_ptr())
        return None if place is None else self._steps[place]

    def record(self, function: Any, arguments: Any, result: Any, wrote: bool) -> None:
        """Takes in one call; ``wrote``: an argument's version rose, so it worked in place."""
        outputs = list(_tensors(result))
        if self._quiet:
            if wrote and outputs:  # nn.ReLU(inplace=True): the step to come is the writer
                where = (outputs[0].data_ptr(), len(self._steps), outputs[0]._version)
                self._overwritten.append(where)
            return
        if not outputs or not any(t.is_floating_point() for t in outputs):
            return
        name = getattr(function, "__name__", str(function))
        if name == "__get__":  # an attribute: x.T, x.data, x.grad
            name = "T"
        given = list(_tensors(arguments))
        if name == "detach":  # the same numbers under another name; taps do it at every site
            self._maker[id(outputs[0])] = self._maker.get(id(given[0]), -1)
            self._alive.append(outputs)
            return
        held = [t for t in given if id(t) in self.parameters]
        data = [t for t in given if id(t) in self._maker or id(t) not in self.parameters]
        inputs = tuple(dict.fromkeys(self._maker[id(t)] for t in data if id(t) in self._maker))
        if not inputs:
            return  # nothing of the model's input is in it: masks, positions, weights made ready
        step = replace(_described(name, held, data, arguments), inputs=inputs)
        if wrote:
            self._overwritten.append((outputs[0].data_ptr(), len(self._steps), outputs[0]._version))
        self._append(step, outputs, given)

    def _append(self, step: Step, outputs: list[torch.Tensor], given: Any) -> None:
        place = len(self._steps)
        self._steps.append(
            replace(
                step,
                place=place,
                layer=self._layers[-1] if self._layers else "",
                shape=tuple(outputs[0].shape),
                source=calling_line(),
            )
        )
        for tensor in outputs:
            self._maker[id(tensor)] = place
            self._memory[tensor.data_ptr()] = place
        self._alive.append((outputs, given))

    def note_loss(self, function: Any, arguments: Any) -> None:
        """Called before a function runs, since a loss may refuse its targets."""
        name = getattr(function, "__name__", "")
        if name in LOSSES:
            first = next(_tensors(arguments), None)
            self.losses.append((name, None if first is None else self._maker.get(id(first))))

    def steps(self) -> tuple[Step, ...]:
        """What has run so far."""
        return tuple(self._steps)

    def feed(self, batch: Any) -> None:
        """Says which tensors are the model's inputs."""
        for tensor in _tensors(batch):
            self._maker[id(tensor)] = -1
            self._alive.append(tensor)

    def network(self, output: Any) -> Network:
        """What ran since; ``output`` is what the model gave."""
        places = [self._maker.get(id(t), -1) for t in _tensors(output)]
        return Network(
            tuple(self._steps),
            tuple(p for p in dict.fromkeys(places) if p >= 0),
            tuple(self._conflicts()),
        )

    def _conflicts(self) -> Iterator[Overwritten]:
        seen = set()
        for tensor, version, keeper in self._saved:
            if tensor._version == version or keeper >= len(self._steps):
                continue
            for address, writer, after in self._overwritten:
                pair = (keeper, writer)
                if address == tensor.data_ptr() and after > version and pair not in seen:
                    seen.add(pair)
                    yield Overwritten(self._steps[keeper], self._steps[writer])
                    break


class _Mode(TorchFunctionMode):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = list(_tensors((args, kwargs)))
        before = [t._version for t in given if not t.is_inference()]
        self._recorder.note_loss(func, (args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        after = [t._version for t in given if not t.is_inference()]
        own = self._recorder.parameters
        wrote = before != after and not all(id(t) in own for t in given)
        self._recorder.record(func, (args, kwargs or {}), result, wrote)
        return result


@contextmanager
def _named(module: torch.nn.Module, name: str, stack: list[str]) -> Iterator[None]:
    """While open, ``stack`` ends with ``name`` whenever ``module`` is running."""
    if not name:
        yield
        return
    enter = module.register_forward_pre_hook(lambda *_: stack.append(name))
    leave = module.register_forward_hook(lambda *_: stack.pop() and None, always_call=True)
    try:
        yield
    finally:
        enter.remove()
        leave.remove()


def _described(name: str, held: list[Any], data: list[Any], arguments: Any) -> Step:
    """Role and details of a call; place, inputs and the rest are filled in by the caller."""
    plain = name.strip("_") if name.startswith("__") else name.rstrip("_")
    plain = plain.removeprefix("r") if plain in ("radd", "rmul", "rsub") else plain
    plain = plain.removeprefix("i") if plain in ("iadd", "imul", "isub") else plain
    role: Role = "other"
    several = len([t for t in data if t.dim()]) > 1
    kernel = next((p for p in held if p.dim() > 1), None)
    details: dict[str, Any] = {}
    if (plain == "linear" or plain.startswith("conv")) and kernel is not None:
        role = "weights"
        details = _fans(plain, kernel, data[0] if data else None)
        details["bias"] = any(p.dim() == 1 for p in held)
    elif plain == "embedding":
        role = "lookup"
    elif plain in _NORMALISE:
        role = "normalise"
    elif "dropout" in plain:
        role = "dropout"
    elif plain in _SHAPE or plain == "getitem":
        role = "shape"
    elif plain in _JOIN:
        role = "join" if several else "linear"
    elif plain in _PRODUCT:
        role = "other" if several else "linear"
    elif plain in _LINEAR:
        role = "linear"
    else:
        activation = activation_name(plain)
        if activation:
            role, details = "activation", {"activation": activation}
    axis = 1 if plain.startswith(_CHANNELS_FIRST) else -1
    return Step(-1, role, plain, "", (), unit_axis=axis, **details)


def activation_name(function: str) -> str | None:
    """The catalogue's name of a function of torch; None for one that is no activation."""
    if function in _NO_ACTIVATION or function in _RECURRENT or function in _CELLS:
        return None
    try:
        return catalog.get(_SPELLED.get(function, function)).name
    except InputError:  # unknown, or no name of an activation at all: _pack_padded_sequence
        return None


def _fans(operation: str, kernel: torch.Tensor, given: torch.Tensor | None) -> dict[str, Any]:
    out, inside = kernel.shape[0], kernel.shape[1]
    if operation.startswith("conv_transpose"):
        out, inside = inside, out
    field = kernel[0, 0].numel() if kernel.dim() > 2 else 1
    channels = given.shape[1] if given is not None and given.dim() > 2 and field else inside
    return {
        "fan_in": inside * field,
        "fan_out": out * field,
        "features": out,
        "grouped": operation.startswith("conv") and channels != inside,
    }


def weights(model: torch.nn.Module) -> list[Weight]:
    """Every parameter of the model, in its own order, one that is shared once."""
    modules = dict(model.named_modules())
    own = {id(p) for _, _, p in kernels(model)}
    found = []
    for path, parameter in model.named_parameters():
        layer, _, name = path.rpartition(".")
        values = parameter.detach().float().cpu().numpy()
        kernel = id(parameter) in own
        field = int(values[0, 0].size) if values.ndim > 2 else 1
        fans = (values.shape[1] * field, values.shape[0] * field) if kernel else (0, 0)
        if isinstance(modules.get(layer), torch.nn.modules.conv._ConvTransposeNd):
            fans = fans[::-1]
        inside, out = fans
        found.append(Weight(layer, name, values, kernel, inside, out, parameter.requires_grad))
    return found


def kernels(model: torch.nn.Module) -> Iterator[tuple[str, str, torch.nn.Parameter]]:
    """Path of the layer, name and parameter of all that is linear in a layer's input."""
    modules = dict(model.named_modules())
    for path, parameter in model.named_parameters():
        layer, _, name = path.rpartition(".")
        lookup = isinstance(modules.get(layer), torch.nn.Embedding | torch.nn.EmbeddingBag)
        if parameter.dim() > 1 and not lookup and "weight" in name:
            yield layer, name, parameter


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested lists, tuples and dicts, and in models' output records."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict) or hasattr(value, "items"):
        for _, item in value.items():
            yield from _tensors(item)


_TORCH = os.path.dirname(torch.__file__) + os.sep
_OURS = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep
_CALLERS = os.path.join(_OURS, "repair") + os.sep
_BELOW = tuple(os.path.join(_CALLERS, room) + os.sep for room in ("structure", "sites"))


def calling_line() -> str | None:
    """``"model.py:42"``: the innermost line that is neither torch's nor ours.

    None when our own call of the model comes first: then no code of the model's author ran.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_CALLERS) and not file.startswith(_BELOW):
            return None
        if not file.startswith((_TORCH, _OURS, "<")):
            return f"{os.path.basename(file)}:{frame.f_lineno}"
        frame = frame.f_back
    return None
