"""Faults that show in gradients, in steps and in the size of weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from rectifier import catalog
from rectifier.repair.findings import Finding, Sure
from rectifier.repair.gradients import Gradients, Stepped
from rectifier.repair.structure import Network, Step, Weight

# |g| |w| / loss: a relative change of a layer changes the loss by this share of it. Healthy layers
# of the benchmark have 1e-3 and more, a first layer without learning signal 1e-6 and less.
VANISHING = 1e-5
EXPLODING = 1e3  # |g| / |w|: a step of 0.001 changes the weights by their own size
LARGE_STEP, SMALL_STEP = 0.1, 1e-6
SCALE = 4.0  # times away from every usual initial spread


def find(
    network: Network,
    weights: list[Weight],
    gradients: Gradients | None,
    flat: set[str],
    framework: str,
) -> list[Finding]:
    """All faults of weights; of gradients where there was a loss.

    Args:
        flat: layers whose units are dead or saturated: a lack of gradient is explained by them.
    """
    kernels = _kernels(network, weights)
    found = [*_initial_scale(kernels, network, framework), *_selu(kernels, network, framework)]
    if gradients is not None:
        found += _of_gradients(network, kernels, gradients, bool(flat), framework)
    return found


def find_live(steps: Sequence[Stepped]) -> list[Finding]:
    """Faults that one step of training shows by itself, without the loss and the wiring."""
    broken = next((s.layer for s in steps if s.broken), None)
    if broken is not None:
        what = f"the gradient of {broken} is NaN or infinite"
        remedy = "lower the learning rate, clip gradients, look for NaN in the data"
        return [Finding("not_finite", what, broken, remedy, "certain")]
    return list(_steps([(s.layer or "the model", s.ratio) for s in steps]))


def _kernels(network: Network, weights: list[Weight]) -> list[tuple[Step, Weight]]:
    """The weight of each step that applies one, in the order of the steps."""
    by_layer = {w.layer: w for w in weights if w.kernel}
    seen: set[str] = set()
    pairs = []
    for step in network.of_role("weights"):
        if step.layer in by_layer and step.layer not in seen:
            seen.add(step.layer)
            pairs.append((step, by_layer[step.layer]))
    return pairs


def _after(network: Network, step: Step) -> tuple[str | None, bool]:
    """The activation that follows a layer, and whether a normalisation stands between."""
    normalised = False
    users = network.users(step.place)
    while len(users) == 1:
        if users[0].role == "activation":
            return users[0].activation, normalised
        normalised = normalised or users[0].role == "normalise"
        users = network.users(users[0].place)
    return None, normalised


def _initial_scale(
    kernels: list[tuple[Step, Weight]], network: Network, framework: str
) -> Iterator[Finding]:
    # Transformers draw everything with 0.02 and let their normalisations make up for it.
    layered = any(s.operation.startswith("layer_norm") for s in network.of_role("normalise"))
    for step, weight in kernels:
        if weight.values.size < 32 or step.grouped or not np.isfinite(weight.values).all():
            continue
        name, normalised = _after(network, step)
        if normalised:
            continue  # the size of the weights drops out
        gain = (catalog.get(name).facts.gain if name else None) or 1.0
        spread = float(weight.values.std())
        inside, out = step.fan_in, step.fan_out
        usual = [g / math.sqrt(f) for g in (1.0, gain, math.sqrt(2)) for f in (inside, out)]
        usual += [1 / math.sqrt(3 * inside), math.sqrt(2 / (inside + out))]
        usual += [0.02] if layered else []
        low, high = min(usual) / SCALE, max(usual) * SCALE
        if low <= spread <= high:
            continue
        wanted = gain / math.sqrt(inside)
        size = "small" if spread < low else "large"
        what = (
            f"weights of {step.where} have a spread of {spread:.3g}, {spread / wanted:.2g} times "
            f"the {wanted:.3g} (gain {gain:.3g} / sqrt of {inside}) that keeps signals in size: "
            f"too {size}"
        )
        remedy = (
            f"torch.nn.init.normal_({_weight(step)}, std={wanted:.3g})"
            if framework == "torch"
            else f"kernel_initializer=keras.initializers.RandomNormal(stddev={wanted:.3g})"
        )
        numbers = {"spread": spread, "wanted": wanted, "gain": gain, "fan_in": inside}
        yield Finding("initial_scale", what, step.where, remedy, "likely", step.source, numbers)


def _weight(step: Step) -> str:
    return f"model.get_submodule({step.layer!r}).weight"


def _selu(
    kernels: list[tuple[Step, Weight]], network: Network, framework: str
) -> Iterator[Finding]:
    for step, weight in kernels:
        name, _ = _after(network, step)
        if name != "selu" or (step.initializer or "").startswith("lecun"):
            continue
        spread = float(weight.values.std())
        wanted = 1 / math.sqrt(step.fan_in)
        tolerance = 0.15 + 4 / math.sqrt(2 * weight.values.size)
        if abs(spread / wanted - 1) <= tolerance:
            continue
        what = (
            f"{step.where} feeds selu with weights of spread {spread:.3g}; LeCun normal draws "
            f"them with {wanted:.3g}"
        )
        remedy = (
            f"torch.nn.init.kaiming_normal_({_weight(step)}, nonlinearity='linear')"
            if framework == "torch"
            else f'kernel_initializer="lecun_normal" on {step.where}'
        )
        numbers = {"spread": spread, "wanted": wanted}
        sure: Sure = "certain" if step.initializer else "likely"
        yield Finding(
            "selu_initialiser",
            what,
            step.where,
            remedy,
            sure,
            step.source,
            numbers,
        )


def _only_compared(network: Network, step: Step) -> bool:
    """Whether it makes queries or keys: of a fresh attention they have next to no effect."""
    users = network.users(step.place)
    while users and users[0].role in ("shape", "linear"):
        users = network.users(users[0].place)
    return any(user.role == "other" for user in users)


def _of_gradients(
    network: Network,
    kernels: list[tuple[Step, Weight]],
    gradients: Gradients,
    flat: bool,
    framework: str,
) -> Iterator[Finding]:
    records = [(s, w, gradients.weights[w.path]) for s, w in kernels if w.path in gradients.weights]
    broken = [(s, r) for s, _, r in records if r.broken]
    if broken or not math.isfinite(gradients.loss):
        where = broken[0][0] if broken else None
        what = (
            f"the gradient of {where.where} is NaN or infinite in {broken[0][1].broken} of "
            f"{broken[0][1].batches} batches"
            if where is not None
            else f"the loss is {gradients.loss}"
        )
        remedy = "lower the learning rate, clip gradients, look for NaN in the data"
        yield Finding("not_finite", what, where.where if where else "", remedy, "certain")
        return
    yield from _never(gradients, flat, framework)
    passing = [r for r in records if not _only_compared(network, r[0])]
    if passing and not flat:
        step, weight, record = min(passing, key=lambda r: gradients.effect(r[1].path))
        effect = gradients.effect(weight.path)
        if 0 < effect < VANISHING:
            most = max(gradients.effect(w.path) for _, w, _ in records)
            what = (
                f"the gradient of {step.where} has norm {record.norm:.2g}: changing its weights by "
                f"1 % changes the loss by {effect:.1g} %, against {most:.1g} % for the layer with "
                "the largest effect"
            )
            remedy = (
                "weights with spread gain / sqrt(fan in), relu or elu instead of sigmoid, a "
                "normalisation or a shortcut around some layers"
            )
            numbers = {"norm": record.norm, "effect": effect, "most": most}
            yield Finding("vanishing_gradients", what, step.where, remedy, numbers=numbers)
    sized = [r for r in records if r[2].size > 0]
    if sized:
        step, weight, record = max(sized, key=lambda r: r[2].norm / r[2].size)
        ratio = record.norm / record.size
        if ratio > EXPLODING:
            what = (
                f"the gradient of {step.where} has norm {record.norm:.2g}, {ratio:.2g} times the "
                "norm of its weights: a plain step at rate 0.001 moves them by more than their size"
            )
            remedy = "weights with spread gain / sqrt(fan in), clip gradients to norm 1"
            numbers = {"norm": record.norm, "ratio": ratio}
            yield Finding("exploding_gradients", what, step.where, remedy, numbers=numbers)
    yield from _steps([(s.where, r.step_ratio) for s, _, r in records])


def _never(gradients: Gradients, flat: bool, framework: str) -> Iterator[Finding]:
    still = [
        r.weight
        for r in gradients.weights.values()
        if r.weight.trainable and r.batches and r.zero == r.batches
    ]
    remedy = "use them in the output, or freeze them: "
    remedy += "requires_grad_(False)" if framework == "torch" else "layer.trainable = False"
    by_layer: dict[str, list[str]] = {}
    for weight in still:
        by_layer.setdefault(weight.layer, []).append(weight.name)
    for layer, names in by_layer.items():
        if flat:
            break  # dead or saturated units are the reason, and are reported
        count = max(r.batches for r in gradients.weights.values())
        what = f"{' and '.join(names)} of {layer or 'the model'} had no gradient in {count} batches"
        yield Finding("never_updated", what, layer, remedy, "certain")
    for path in gradients.left_out:
        what = f"{path} is trainable, and the optimizer does not have it"
        remedy = "give the optimizer model.parameters()"
        yield Finding("never_updated", what, path.rpartition(".")[0], remedy, "certain")


def _steps(ratios: Sequence[tuple[str, float | None]]) -> Iterator[Finding]:
    """``ratios``: of each layer, the norm of one step over that of the weights."""
    known = [(where, r) for where, r in ratios if r is not None and math.isfinite(r)]
    if not known:
        return
    middle = float(np.median([ratio for _, ratio in known]))
    where, largest = max(known, key=lambda pair: pair[1])
    if middle > LARGE_STEP:
        what = (
            f"one step of the optimizer changes weights by {middle:.0%} of their norm in the "
            f"middle layer, by {largest:.0%} in {where}"
        )
        remedy = f"divide the learning rate by {10 ** round(math.log10(middle / 1e-3)):g}"
        yield Finding("large_steps", what, where, remedy, numbers={"ratio": middle})
    elif 0 < middle < SMALL_STEP:
        what = f"one step of the optimizer changes weights by {middle:.1g} of their norm"
        remedy = f"multiply the learning rate by {10 ** round(math.log10(1e-3 / middle)):g}"
        yield Finding("small_steps", what, where, remedy, numbers={"ratio": middle})
