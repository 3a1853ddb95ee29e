"""Bytes that a torch function keeps for its backward pass: ours beside PyTorch's own.

    python -m benchmarks.torch_memory            # prints the table
    python -m benchmarks.torch_memory --write    # and writes benchmarks/results/torch_memory.csv

Counted by ``torch.autograd.graph.saved_tensors_hooks``, in bytes an element of float32 input (of
a gated pair: for each hidden unit, that is for two inputs), every storage once. ``output`` is what
the next layer mostly keeps anyway, ``bits`` are packed.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import rectifier as rf
from rectifier import torch as rt

RESULTS = Path(__file__).parent / "results" / "torch_memory.csv"
SIZE = (64, 128)

# What PyTorch has no function for, as it is usually written.
WRITTEN: dict[str, Callable[..., torch.Tensor]] = {
    "gelu_tanh": lambda x: (
        0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3))))
    ),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "relu2": lambda x: torch.square(F.relu(x)),
    "squareplus": lambda x: (x + torch.sqrt(x * x + 4)) / 2,
    "swiglu": lambda a, b: F.silu(a) * b,
    "geglu": lambda a, b: F.gelu(a) * b,
    "reglu": lambda a, b: F.relu(a) * b,
    "bilinear": lambda a, b: a * b,
    "crelu": lambda x: torch.cat([F.relu(x), F.relu(-x)], -1),
}
# What has to be called in a way of its own.
CALLED: dict[str, tuple[str, Callable[..., torch.Tensor]]] = {
    "glu": ("torch.nn.functional.glu", lambda a, b: F.glu(torch.cat([a, b], -1))),
    "rrelu": ("torch.nn.functional.rrelu", lambda x: F.rrelu(x, training=True)),
    "prelu": ("torch.nn.PReLU", lambda x: torch.nn.PReLU()(x)),
}
OURS: dict[str, Callable[..., torch.Tensor]] = {
    "rrelu": lambda x: rt.rrelu(x, training=True),
    "prelu": lambda x: rt.PReLU()(x),
}


def kept(function: Callable[..., torch.Tensor], inputs: list[torch.Tensor]) -> tuple[float, str]:
    """Bytes an element that ``function(*inputs)`` keeps, and what: input, output, bits, other."""
    saved: list[torch.Tensor] = []
    given = [x.detach().clone().requires_grad_() * 1 for x in inputs]

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = function(*given)
    names = {x.untyped_storage().data_ptr(): "input" for x in given}
    names[result.untyped_storage().data_ptr()] = "output"
    storages = {t.untyped_storage().data_ptr(): t for t in saved if t.numel() > 1}
    what = {
        names.get(place, "bits" if tensor.dtype == torch.uint8 else "other")
        for place, tensor in storages.items()
    }
    total = sum(t.untyped_storage().nbytes() for t in storages.values())
    return total / given[0].numel(), "+".join(sorted(what))


def peer_of(name: str) -> tuple[str, Callable[..., torch.Tensor]] | None:
    """PyTorch's own function of that name, or how it is usually written."""
    if name in CALLED:
        return CALLED[name]
    if name in WRITTEN:
        return "written in Python", WRITTEN[name]
    for peer in rf.get(name).peers:
        if peer.library == "torch" and peer.call != "torch.heaviside":  # which has no gradient
            found: Any = torch
            for part in peer.call.split(".")[1:]:
                found = getattr(found, part)
            if name == "identity":
                found = found()
            return peer.call, _with(found, peer.arguments)
    return None


def _with(function: Any, arguments: tuple[Any, ...]) -> Callable[..., torch.Tensor]:
    return lambda x: function(x, *arguments)


def table() -> list[dict[str, Any]]:
    """One row for each entry of the catalogue."""
    rows = []
    generator = torch.Generator().manual_seed(0)
    for name in rf.names():
        act = rf.get(name)
        if act.text is not None:  # somebody's own
            continue
        count = 2 if act.kind == "gated" else 1
        inputs = [torch.randn(SIZE, generator=generator) for _ in range(count)]
        ours, what = kept(OURS.get(name, getattr(rt, name)), inputs)
        peer = peer_of(name)
        theirs, theirs_what = kept(peer[1], inputs) if peer else (None, "")
        rows.append(
            {
                "name": name,
                "bytes": ours,
                "kept": what,
                "torch_bytes": theirs,
                "torch_kept": theirs_what,
                "torch": peer[0] if peer else "",
            }
        )
    return rows


def text(rows: list[dict[str, Any]]) -> str:
    """The table for people."""
    lines = [f"{'activation':18}{'bytes':>7}  {'kept':14}{'torch':>7}  kept there"]
    for row in rows:
        theirs = "" if row["torch_bytes"] is None else f"{row['torch_bytes']:g}"
        lines.append(
            f"{row['name']:18}{row['bytes']:>7g}  {row['kept']:14}{theirs:>7}  "
            f"{row['torch_kept']:14}{row['torch']}"
        )
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"writes {RESULTS.name}")
    rows = table()
    if parser.parse_args().write:
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    sys.stdout.write(text(rows) + "\n")


if __name__ == "__main__":
    main()
