"""Activations written out in arithmetic: ``x * torch.sigmoid(x)`` is silu.

While a module runs, elementwise operations are kept with what they were made of. Whenever one of
them contains a bend (a sigmoid, an exp, a clamp), what it makes of one of its ancestors is
compared with the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from rectifier.activation import Activation
from rectifier.repair.sites import recognise
from rectifier.repair.sites.torch_pass import Call, Path, numbers

# Elementwise arithmetic that expressions are made of ...
_PLAIN = set("mul add sub rsub div true_divide neg pow square sqrt abs __rsub__ __rpow__".split())
_PLAIN |= set("__rmul__ __radd__ __rtruediv__ __rdiv__ multiply float to type type_as".split())
_PLAIN |= {"__mul__", "__add__", "__sub__", "__truediv__", "__pow__", "__neg__", "reciprocal"}
# ... and what bends, beyond the activations themselves.
_BENDS = set("exp expm1 log1p erf erfc clamp clamp_min clip maximum minimum where".split())
_LONGEST = 24  # operations; the longest known, gelu_tanh, has nine


@dataclass
class Node:
    """One operation's result: the call, and those of its arguments that are tensors."""

    call: Call
    parents: tuple[Any, ...]
    bends: bool
    activation: Activation | None


@dataclass
class Composite:
    """An activation that several operations compute together.

    Attributes:
        parts: keys of the calls inside it that are activations by themselves.
        z, y: what goes in and comes out.
        root: path of the call that takes ``z``, and which of its arguments that is.
    """

    activation: Activation
    last: Call
    z: Any
    parts: list[Any]
    root: tuple[Path, int]
    attribute = None

    @property
    def y(self) -> Any:
        return self.last.y

    def __getattr__(self, name: str) -> Any:  # owner, path, key, source, where: those of the last
        if name in ("owner", "path", "key", "source", "where", "name", "function"):
            return getattr(self.last, name)
        raise AttributeError(name)

    @property
    def called(self) -> str:
        return f"arithmetic with {', '.join(dict.fromkeys(self.names))}"

    names: list[str] = field(default_factory=list)


class Expressions:
    """The elementwise operations of the modules that are running, outermost first."""

    def __init__(self) -> None:
        self._levels: list[dict[int, Node]] = [{}]

    def enter(self) -> None:
        self._levels.append({})

    def leave(self) -> None:
        self._levels.pop()

    def add(self, call: Call, activation: Activation | None) -> Composite | None:
        """Takes an operation note; the composite that is complete with it, if one is."""
        bends = activation is not None or call.name in _BENDS
        if not (bends or call.name in _PLAIN) or not isinstance(call.y, torch.Tensor):
            return None
        if not call.y.is_floating_point():
            return None
        nodes = self._levels[-1]
        given = (call.z, *call.args[1:], *call.keywords.values())
        parents = tuple(p for p in given if isinstance(p, torch.Tensor) and p.dim())
        # What gives its own input back (contiguous, in place) would be its own parent.
        if not parents or any(p is call.y for p in parents):
            return None
        node = Node(call, parents, bends, activation)
        composite = self._composite(node, nodes)
        nodes[id(call.y)] = node  # which keeps call.y alive, so that its id stays its own
        return composite

    def _composite(self, node: Node, nodes: dict[int, Node]) -> Composite | None:
        known = [nodes[id(p)] for p in node.parents if id(p) in nodes]
        if not known:
            return None
        inside = self._inside(node, nodes)
        if not any(n.bends for n in inside) or len(inside) > _LONGEST:
            return None
        y = node.call.y
        for root in self._roots(node, nodes):
            if root.shape != y.shape or not root.is_floating_point():
                continue
            between = self._inside(node, nodes, root)
            if len(between) < 2 or not any(n.bends for n in between):
                continue
            found = recognise.by_values(numbers(root), numbers(y), torch.finfo(y.dtype).eps)
            alone = [n.activation for n in between if n.activation is not None]
            if found is None or found in alone:
                continue
            first = next(n for n in reversed(between) if any(p is root for p in n.parents))
            place = next(i for i, a in enumerate((first.call.z, *first.call.args[1:])) if a is root)
            return Composite(
                found,
                node.call,
                root,
                [n.call.key for n in between],
                (first.call.path, place),
                [n.call.name for n in between if n.bends],
            )
        return None

    def _inside(self, node: Node, nodes: dict[int, Node], root: Any = None) -> list[Node]:
        """The operations that a result is made of, up to ``root``, latest first."""
        seen: list[Node] = []
        waiting = [node]
        while waiting:
            one = waiting.pop(0)
            if any(one is s for s in seen):
                continue
            seen.append(one)
            waiting += [nodes[id(p)] for p in one.parents if p is not root and id(p) in nodes]
        return seen

    def _roots(self, node: Node, nodes: dict[int, Node]) -> Iterator[Any]:
        """Tensors that the result is a function of, by themselves; nearest first."""
        inside = self._inside(node, nodes)
        tensors: list[Any] = []
        for one in inside:
            tensors += [p for p in one.parents if not any(p is t for t in tensors)]
        for tensor in tensors:
            if self._only_through(node, tensor, nodes):
                yield tensor

    def _only_through(self, node: Node, root: Any, nodes: dict[int, Node]) -> bool:
        return all(
            p is root or (id(p) in nodes and self._only_through(nodes[id(p)], root, nodes))
            for p in node.parents
        )
