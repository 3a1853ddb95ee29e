"""One forward pass of a PyTorch model, watched: which functions are called, from where."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FrameType, TracebackType
from typing import Any, Protocol

import torch
from torch.overrides import TorchFunctionMode

import rectifier
from rectifier.ops import on_torch
from rectifier.ops.rule import Rule

_TORCH = os.path.dirname(torch.__file__) + os.sep
_OWNERS = _TORCH + os.path.join("nn", "modules") + os.sep  # torch's code that is a model's code
_HERE = os.path.dirname(rectifier.__file__) + os.sep
_MODULE = os.path.join(_OWNERS, "module.py")

Path = tuple[tuple[CodeType, int], ...]


@dataclass
class Call:
    """A torch function that has been called inside a module.

    Attributes:
        name: of the function, without the underscore of in-place ones.
        function: the function.
        args, keywords: what it was given; ``z`` is the first argument as it was before.
        y: what it gave.
        owner: the innermost module at work.
        path: the code and the position in it of the call, then of that function's own caller,
            up to the module's ``forward``.
        where: file and line.
    """

    name: str
    function: Any
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]
    z: Any
    y: Any
    owner: Any
    path: Path
    where: tuple[str, int]

    root = None
    called = ""

    @property
    def key(self) -> tuple[Any, Path]:
        return self.owner, self.path

    @property
    def source(self) -> str:
        return f"{os.path.basename(self.where[0])}:{self.where[1]}"

    @cached_property
    def attribute(self) -> str | None:
        """The owner's attribute that holds the function, where it was called by that."""
        function = self.function
        holders = [
            name
            for name, held in vars(self.owner).items()
            if held is function
            or (function is not None and getattr(held, "rule", None) is function)
        ]
        names = self.path[0][0].co_names if self.path else ()
        return next((name for name in holders if name in names), None)


@dataclass
class Module:
    """A module that has been called: what it took, first and in all, and what it gave."""

    module: Any
    z: Any
    y: Any = None
    source: str | None = None
    args: tuple[Any, ...] = ()


class Listener(Protocol):
    """Who is told, in the order of the pass."""

    def on_call(self, call: Call) -> None: ...
    def on_enter(self, module: Module) -> None: ...
    def on_exit(self, module: Module) -> None: ...


class Watch(TorchFunctionMode):
    """Tells a listener of every torch function and module of a model's forward passes.

    Args:
        model: not a compiled wrapper.
        listener: who is told.
        before: called with the arguments of a pass before it starts.
    """

    def __init__(
        self,
        model: Any,
        listener: Listener,
        before: Callable[[tuple[Any, ...], Mapping[str, Any]], None] | None = None,
    ) -> None:
        super().__init__()
        self._model = model
        self._listener = listener
        self._before = before
        self._stack: list[Module] = []
        self._hooks = ExitStack()
        self._quiet = False

    # -- the pass -----------------------------------------------------------------------------

    def __enter__(self) -> Watch:
        for module in self._model.modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue  # no Python runs inside; its hooks are another kind
            enter = module.register_forward_pre_hook(self._enter, with_kwargs=True)
            leave = module.register_forward_hook(
                self._leave, with_kwargs=True, prepend=True, always_call=True
            )
            self._hooks.callback(enter.remove)
            self._hooks.callback(leave.remove)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hooks.close()
        self._stop_at(0)

    def run(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
        """A pass of the model, eagerly even where parts of it are compiled."""
        with eagerly():
            return self._model(*args, **keywords)

    def _enter(self, module: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if self._quiet:
            return
        if not self._stack:
            if self._before is not None:
                self._quiet = True  # the look before has hooks of its own
                try:
                    self._before(args, keywords)
                finally:
                    self._quiet = False
            super().__enter__()
        z = args[0] if args else next(iter(keywords.values()), None)
        entered = Module(module, z, None, _caller_of_module(), (*args, *keywords.values()))
        if isinstance(z, torch.Tensor) and getattr(module, "inplace", False):
            entered.z = z.clone()
        self._stack.append(entered)
        self._listener.on_enter(entered)

    def _leave(self, module: Any, args: Any, keywords: Any, y: Any) -> None:
        # A module that raised is left by its hook as well, those inside it first.
        if self._quiet or not self._stack or self._stack[-1].module is not module:
            return
        left = self._stack[-1]
        left.y = y
        self._listener.on_exit(left)
        self._stop_at(len(self._stack) - 1)

    def _stop_at(self, depth: int) -> None:
        if self._stack and depth == 0:
            super().__exit__(None, None, None)
        del self._stack[depth:]

    # -- its functions ------------------------------------------------------------------------

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        keywords = kwargs or {}
        if func is on_torch.value and self._stack:
            return self._ours(*args)
        name = getattr(func, "__name__", "")
        if self._quiet or not self._stack or name in _NEVER:
            return func(*args, **keywords)
        z = args[0] if args else keywords.get("input")
        if not isinstance(z, torch.Tensor) and not any(isinstance(a, torch.Tensor) for a in args):
            return func(*args, **keywords)
        inplace = name.endswith("_") and not name.endswith("__")
        if (inplace or keywords.get("inplace")) and isinstance(z, torch.Tensor):
            z = z.clone()
        y = func(*args, **keywords)
        path, where = _path_to_forward(sys._getframe(1))
        if not args:
            args, keywords = (z,), {k: v for k, v in keywords.items() if k != "input"}
        name = name.rstrip("_") if inplace else name
        owner = self._stack[-1].module
        self._listener.on_call(Call(name, func, args, keywords, z, y, owner, path, where))
        return y

    def _ours(self, rule: Rule, x: Any, parameters: tuple[Any, ...]) -> Any:
        """An activation of this library, called as a function."""
        y = on_torch.value(rule, x, parameters)
        path, where = _path_to_forward(sys._getframe(2))
        owner = self._stack[-1].module
        args = (x, *parameters)
        self._listener.on_call(Call("rectifier", rule, args, {}, x, y, owner, path, where))
        return y


def eagerly() -> AbstractContextManager[Any]:
    """Runs compiled parts as the Python they were compiled from.

    What has not imported the compiler has compiled nothing, and importing it takes seconds.
    """
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


# Asked for all the time, by torch's own code as well: no arithmetic in any of them.
_NEVER = {"__get__", "size", "dim", "is_floating_point", "numel", "stride", "__set__", "detach"}
_NEVER |= {"contiguous", "reshape", "view", "transpose", "permute", "__getitem__", "unsqueeze"}
_NEVER |= {"linear", "conv2d", "matmul", "batch_norm", "layer_norm", "embedding", "dropout"}


def _path_to_forward(frame: FrameType | None) -> tuple[Path, tuple[str, int]]:
    """The calls that led here from the module's ``forward``, innermost first."""
    path: list[tuple[CodeType, int]] = []
    where = ("", 0)
    while frame is not None:
        code = frame.f_code
        if code.co_filename == _MODULE:
            break
        between = code.co_filename.startswith((_TORCH, _HERE))
        if not between or code.co_filename.startswith(_OWNERS):
            if not path:
                where = (code.co_filename, frame.f_lineno)
            path.append((code, frame.f_lasti))
        frame = frame.f_back
    return tuple(path), where


def numbers(tensor: Any) -> Any:
    """A tensor's values as a NumPy array; bfloat16, which NumPy lacks, as float32."""
    values = tensor.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _caller_of_module() -> str | None:
    """File and line of the code, other than torch's, that called the module being entered."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_TORCH):
        frame = frame.f_back
    if frame is None or frame.f_code is Watch.run.__code__:
        return None
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
