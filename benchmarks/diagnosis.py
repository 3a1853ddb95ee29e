"""How many planted faults ``rf.diagnose`` finds, and how many healthy networks it accuses.

    python -m benchmarks.diagnosis               # some minutes on one core
    python -m benchmarks.diagnosis --seeds 0      # the seed that thresholds were chosen on

Each kind of fault is planted in MLPs at three depths and three seeds in both frameworks (Keras on
its torch backend), and in CNNs, transformers and recurrent networks where it fits; each healthy
network is diagnosed for one seed. A network counts as accused when it has any finding at all, notes
included. Beside ours, the rules that SageMaker Debugger and AUTOTRAINER (Zhang et al. 2021)
publish, on the same networks:

* ``sagemaker dead relu``: more than half of a ReLU layer's units are positive in under 1 % of rows
* ``sagemaker saturation``: more than half of a tanh layer's units have a median |z| over 9.4999
* ``sagemaker vanishing``: the mean |gradient| of some weight is under 1e-7
* ``autotrainer dying relu``: at least 0.7 of some kernel's gradient is exactly zero

Rows go to ``benchmarks/results/diagnosis.csv``: rule, kind, planted, found, recall, accused
networks that do not have it, precision. Thresholds were chosen on seed 0; what is reported
are seeds 100 to 102, which nothing was chosen on.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
warnings.filterwarnings("ignore", message=".*(not allocated with|lr_scheduler|size 1).*")

import numpy as np  # noqa: E402
import torch  # noqa: E402

import rectifier as rf  # noqa: E402
from benchmarks import diagnosis_families as families  # noqa: E402
from benchmarks.diagnosis_faults import planted  # noqa: E402
from benchmarks.diagnosis_models import Case, healthy  # noqa: E402
from rectifier.repair.batches import Batch  # noqa: E402
from rectifier.repair.gradients import Gradients  # noqa: E402
from rectifier.repair.passes import passes_of  # noqa: E402
from rectifier.repair.sites import tap  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "diagnosis.csv"
SEEDS = (100, 101, 102)
# What a fault brings about besides: a finding of it is no false one.
BRINGS = {
    "constant_units": {"initial_scale", "vanishing_gradients", "never_updated"},
    "initial_scale": {"vanishing_gradients", "dead_units", "linear_layer", "large_steps"},
    "vanishing_gradients": {"initial_scale", "linear_layer", "large_steps"},
    "exploding_gradients": {"initial_scale", "large_steps"},
    "saturated_units": {"initial_scale", "exploding_gradients"},
    "unscaled_inputs": {"exploding_gradients", "dead_units", "linear_layer", "saturated_units"},
    "selu_initialiser": {"exploding_gradients"},
    "step_activation": {"never_updated"},
    "overwritten": {"linear_layer"},
    "softmax_of_one": {"output_range", "never_updated"},
    "logits_as_probabilities": {"not_finite", "never_updated"},
    "squashed_twice": {"probabilities_as_logits"},
    "linear_layer": {"exploding_gradients", "dead_units"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--only", help="families whose name holds this; nothing is written")
    chosen = parser.parse_args()
    torch.set_num_threads(1)  # networks this small only wait for each other's threads
    cases = [*healthy(chosen.seeds[0]), *families.healthy(chosen.seeds[0])]
    for seed in chosen.seeds:
        cases += [*planted(seed), *families.planted(seed)]
    if chosen.only:
        cases = [case for case in cases if chosen.only in case.family]
    found: list[tuple[Case, set[str], set[str]]] = []
    start = time.perf_counter()
    for case in cases:
        model, data, arguments = case.build()
        kinds = {f.kind for f in rf.diagnose(model, data, **arguments).findings}
        found.append((case, kinds, baselines(model, data, arguments)))
        wrong = kinds if not case.fault else kinds - {case.fault} - BRINGS.get(case.fault, set())
        if chosen.verbose and (wrong or (case.fault and case.fault not in kinds)):
            print(
                case.fault or "healthy", case.family, case.framework, case.depth, case.seed, kinds
            )
    if chosen.only:
        missed = [c for c, kinds, _ in found if c.fault and c.fault not in kinds]
        accused = [c for c, kinds, _ in found if not c.fault and kinds]
        print(f"{len(cases)} networks, {len(missed)} missed, {len(accused)} accused")
        return
    rows = table(found)
    RESULTS.parent.mkdir(exist_ok=True)
    if tuple(chosen.seeds) == SEEDS:
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    for row in rows:
        print(*row.values())
    print(f"{len(cases)} networks in {time.perf_counter() - start:.0f} s")


def baselines(model: Any, data: Any, arguments: dict[str, Any]) -> set[str]:
    """The published rules that fire."""
    rules: set[str] = set()
    passes = passes_of(model, arguments["loss"], None, None)
    x, y = data
    batch = Batch(x, y)

    def receive(site: Any, z: Any, _: Any) -> None:
        values, name = passes.array(z), site.activation.name if site.activation else ""
        if name == "relu" and np.mean((values > 0).mean(0) < 0.01) > 0.5:
            rules.add("sagemaker dead relu")
        if name == "tanh" and np.mean(np.median(np.abs(values), 0) > 9.4999) > 0.5:
            rules.add("sagemaker saturation")

    with passes.untouched(), tap(model, receive):
        passes.forward(batch)
    kept = {w.path: _Kept() for w in passes.weights() if w.trainable}
    try:
        with passes.untouched():
            passes.structure(batch)
            passes.gradient(batch, Gradients(kept))  # type: ignore[arg-type]
    except (rf.InputError, RuntimeError, IndexError):
        return rules  # the loss or the backward pass refuses: these rules see nothing then
    for record in kept.values():
        if record.gradient is None:
            continue
        if np.mean(np.abs(record.gradient)) < 1e-7:
            rules.add("sagemaker vanishing")
        if record.gradient.ndim > 1 and np.mean(record.gradient == 0) >= 0.7:
            rules.add("autotrainer dying relu")
    return rules


class _Kept:
    gradient: np.ndarray | None = None

    def update(self, gradient: np.ndarray | None) -> None:
        self.gradient = gradient


OF_BASELINE = {
    "sagemaker dead relu": "dead_units",
    "autotrainer dying relu": "dead_units",
    "sagemaker saturation": "saturated_units",
    "sagemaker vanishing": "vanishing_gradients",
}


def table(found: list[tuple[Case, set[str], set[str]]]) -> list[dict[str, Any]]:
    rows = []
    for kind in dict.fromkeys(case.fault for case, _, _ in found if case.fault):
        rows.append(_row("rectifier", kind, [(c, kind in kinds) for c, kinds, _ in found]))
    for family in families.PLANTS:
        mine = [(c, kinds) for c, kinds, _ in found if c.family == f"planted, {family}"]
        for framework in ("torch", "keras"):
            these = [(c, c.fault in kinds) for c, kinds in mine if c.framework == framework]
            if these:
                rows.append(_of_family(f"planted: {family}, {framework}", these))
    for rule, kind in OF_BASELINE.items():
        rows.append(_row(rule, kind, [(c, rule in rules) for c, _, rules in found]))
    for name, part in (("rectifier", 1), ("sagemaker and autotrainer", 2)):
        well = [(c, bool(f[part - 1])) for c, *f in found if not c.fault]
        accused = sum(hit for _, hit in well)
        rows.append(
            {
                "rule": name,
                "kind": "healthy networks",
                "planted": len(well),
                "found": accused,
                "recall": f"{accused / len(well):.3f}",
                "accused": accused,
                "precision": "",
            }
        )
    by_family: dict[str, list[bool]] = defaultdict(list)
    for case, kinds, _ in found:
        if not case.fault:
            by_family[f"healthy: {case.family}, {case.framework}"].append(bool(kinds))
    for family, hits in by_family.items():
        rows.append(
            {
                **dict.fromkeys(rows[0], ""),
                "rule": "rectifier",
                "kind": family,
                "planted": len(hits),
                "found": sum(hits),
                "accused": sum(hits),
            }
        )
    return rows


def _of_family(name: str, hits: list[tuple[Case, bool]]) -> dict[str, Any]:
    count = sum(hit for _, hit in hits)
    missed = sorted({case.fault for case, hit in hits if not hit})
    return {
        "rule": "rectifier",
        "kind": name,
        "planted": len(hits),
        "found": count,
        "recall": f"{count / len(hits):.3f}",
        "accused": f"missed: {' '.join(missed)}" if missed else "",
        "precision": "",
    }


def _row(rule: str, kind: str, hits: list[tuple[Case, bool]]) -> dict[str, Any]:
    """``accused``: networks without that fault, and without one that brings it about."""
    having = [hit for case, hit in hits if case.fault == kind]
    without = [
        hit for case, hit in hits if case.fault != kind and kind not in BRINGS.get(case.fault, ())
    ]
    found, accused = sum(having), sum(without)
    return {
        "rule": rule,
        "kind": kind,
        "planted": len(having),
        "found": found,
        "recall": f"{found / len(having):.3f}",
        "accused": accused,
        "precision": f"{found / max(1, found + accused):.3f}",
    }


if __name__ == "__main__":
    main()
