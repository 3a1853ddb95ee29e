"""Every layer of ``rectifier.torch`` compiled, exported, and run by onnxruntime.

    python -m benchmarks.torch_door        # a minute; writes benchmarks/results/torch_door.csv

One row an entry: the largest difference from the eager layer, in float32 and on normal input, as a
share of the largest value: of ``torch.compile(fullgraph=True)`` (backend ``aot_eager``) for values
and for gradients, of ``torch.export``, and of onnxruntime. The tests do the same for a third.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import torch

from rectifier import doors
from rectifier import torch as rt

RESULTS = Path(__file__).parent / "results" / "torch_door.csv"


class Everything(torch.nn.Module):
    """Every layer beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(getattr(rt, e.layer)() for e in doors.listings())

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(layer(x) for layer in self.layers)


def off(found: Any, expected: torch.Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    difference = (torch.as_tensor(found) - expected).abs().max()
    return float(difference / expected.abs().max().clamp(min=1e-30))


def main() -> None:
    torch.manual_seed(0)
    x = 3 * torch.randn(16, 24, 12)
    model = Everything().eval()
    eager = [y.detach() for y in model(x)]

    def gradients(network: Any) -> list[torch.Tensor]:
        given = x.clone().requires_grad_()
        outputs = network(given)
        return [torch.autograd.grad(y.sin().sum(), given, retain_graph=True)[0] for y in outputs]

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    program = torch.export.export(model, (x,))
    # Not optimised: the optimiser loses a constant that several of these share.
    graph = torch.onnx.export(model, (x,), dynamo=True, verbose=False, optimize=False)
    session = onnxruntime.InferenceSession(graph.model_proto.SerializeToString())
    columns = {
        "compiled": [y.detach() for y in compiled(x)],
        "exported": [y.detach() for y in program.module()(x)],
        "onnxruntime": session.run(None, {session.get_inputs()[0].name: x.numpy()}),
    }
    slopes = list(zip(gradients(compiled), gradients(model), strict=True))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["layer", *columns, "compiled_gradient"])
        for i, entry in enumerate(doors.listings()):
            row = [off(found[i], eager[i]) for found in columns.values()]
            row.append(off(*slopes[i]))
            writer.writerow([entry.layer, *(f"{value:.1e}" for value in row)])
    sys.stdout.write(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
