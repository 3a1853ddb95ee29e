"""Faults that show in how operations follow each other, and in what the loss expects."""

from __future__ import annotations

from collections.abc import Iterator

from rectifier import catalog
from rectifier.repair.findings import Finding
from rectifier.repair.rules.task import Loss, Targets
from rectifier.repair.structure import Network, Step

_SQUASH = {"softmax", "sigmoid"}
_SAME_NUMBERS = {"shape", "dropout"}
_KERAS, _TORCH = "keras", "torch"


def find(
    network: Network, loss: Loss | None, targets: Targets | None, framework: str
) -> list[Finding]:
    """All faults of wiring.

    Args:
        network: the recorded forward pass.
        loss: None where none was given; then nothing is said of the output.
        targets: of the data, likewise.
        framework: ``"torch"`` or ``"keras"``, whose words the remedies use.
    """
    found = [
        *_squashed_twice(network),
        *_softmax_of_one(network),
        *_no_nonlinearity(network, framework),
        *_bias_before_norm(network, framework),
        *_selu_company(network, framework),
        *_steps(network),
        *_overwritten(network),
    ]
    if loss is not None:
        found += _output(network, loss, framework)
        if targets is not None and targets.rows:
            found += _targets(network, loss, targets, framework)
    return found


def _finding(kind: str, step: Step, what: str, remedy: str, **more: object) -> Finding:
    return Finding(kind, what, step.where, remedy, source=step.source, **more)  # type: ignore[arg-type]


# -- the output and the loss ----------------------------------------------------------------------


def _output(network: Network, loss: Loss, framework: str) -> Iterator[Finding]:
    step = network.output()
    if step is None:
        return
    name = step.activation if step.role == "activation" else None
    if loss.wants == "logits" and name in _SQUASH:
        remedy = (
            f"remove the {name} from {step.where} (apply it when predicting)"
            if framework == _TORCH
            else f"remove the {name} from {step.where}, or set from_logits=False in the loss"
        )
        what = (
            f"{step.where} ends in {name}, and {loss.name} takes logits, which it squashes itself"
        )
        yield _finding("probabilities_as_logits", step, what, remedy, sure="certain")
    elif loss.wants == "probabilities" and not _gives_probabilities(name):
        better = _with_logits(loss, framework)
        given = f"ends in {name}" if name else f"ends in {step.operation}, without an activation"
        what = f"{step.where} {given}, and {loss.name} takes probabilities in [0, 1]"
        sure = "certain" if step.role in ("weights", "activation") else "likely"
        yield _finding("logits_as_probabilities", step, what, better, sure=sure)
    elif loss.wants == "log-probabilities" and name not in ("log_softmax", "log_sigmoid"):
        given = f"ends in {name}" if name else f"ends in {step.operation}, without log_softmax"
        what = f"{step.where} {given}, and {loss.name} takes logarithms of probabilities"
        remedy = "use torch.nn.CrossEntropyLoss() on the logits instead of NLLLoss"
        sure = "certain" if step.role in ("weights", "activation") else "likely"
        yield _finding("logits_as_probabilities", step, what, remedy, sure=sure)
    units = step.shape[-1] if len(step.shape) > 1 else None
    if units == 1 and loss.family in ("sparse", "categorical") and name not in _ALONG:
        what = f"{step.where} has 1 unit, and {loss.name} compares classes: it needs one unit each"
        yield _finding("softmax_of_one", step, what, _one_unit(framework), sure="certain")


_ALONG = ("softmax", "log_softmax")  # reported as such already


def _gives_probabilities(name: str | None) -> bool:
    if name is None:
        return False
    if name in ("softmax", "sparsemax", "entmax15", "hardmax", "softmin"):
        return True
    low, high = catalog.get(name).facts.range
    return low >= 0 and high <= 1


def _with_logits(loss: Loss, framework: str) -> str:
    if framework == _TORCH:
        return "use torch.nn.BCEWithLogitsLoss() instead of BCELoss, or end in torch.sigmoid"
    end = "sigmoid" if loss.family == "binary" else "softmax"
    return f'set from_logits=True in the loss, or activation="{end}" on the last layer'


def _one_unit(framework: str) -> str:
    if framework == _TORCH:
        return "for two classes: torch.nn.BCEWithLogitsLoss() on 1 unit; else one unit a class"
    return (
        'for two classes: activation="sigmoid" and loss="binary_crossentropy"; else Dense(classes)'
    )


def _targets(network: Network, loss: Loss, targets: Targets, framework: str) -> Iterator[Finding]:
    step = network.output()
    classes = step.shape[-1] if step is not None and len(step.shape) > 1 else None
    if framework == _TORCH and step is not None and len(step.shape) > 2:
        classes = step.shape[1]  # cross_entropy has the classes on axis 1
    seen = f"[{targets.low:g}, {targets.high:g}]"
    numbers = {"low": targets.low, "high": targets.high, "outputs": classes}
    where = step.where if step is not None else ""
    source = step.source if step is not None else None
    if loss.family == "sparse" and classes and classes > 1:
        outside = targets.beyond(0, classes - 1)
        if targets.low < 0 or targets.high > classes - 1:
            what = (
                f"{outside:,} targets lie outside 0..{classes - 1}: they are in {seen}, and the "
                f"model has {classes} outputs"
            )
            remedy = (
                f"count classes from 0: y = y - {targets.low:g}"
                if targets.high - targets.low < classes
                else f"give the last layer {int(targets.high) + 1} units, or mend the labels"
            )
            yield Finding("labels_out_of_range", what, where, remedy, "certain", source, numbers)
    elif loss.family in ("binary", "categorical") and (targets.low < 0 or targets.high > 1):
        outside = targets.beyond(0, 1)
        what = f"{loss.name} takes targets in [0, 1], and they are in {seen} ({outside:,} outside)"
        remedy = (
            "y = (y + 1) / 2" if targets.low == -1 else f"y = (y == {targets.high:g}), or one-hot"
        )
        yield Finding("labels_out_of_range", what, where, remedy, "certain", source, numbers)
    elif loss.family == "regression" and step is not None and step.role == "activation":
        yield from _output_range(step, targets, framework)


def _output_range(step: Step, targets: Targets, framework: str) -> Iterator[Finding]:
    activation = catalog.get(str(step.activation))
    low, high = (0.0, 1.0) if activation.kind == "along_axis" else activation.facts.range
    if targets.low >= low - 1e-6 and targets.high <= high + 1e-6:
        return
    what = (
        f"{step.where} ends in {activation.name}, which gives [{low:g}, {high:g}], and the targets "
        f"are in [{targets.low:g}, {targets.high:g}]"
    )
    remedy = f"remove the {activation.name} from {step.where}"
    remedy += ": no activation" if framework == _TORCH else ": activation=None"
    numbers = {"low": targets.low, "high": targets.high, "range": [low, high]}
    numbers["range"] = [v if abs(v) < float("inf") else None for v in (low, high)]
    yield _finding("output_range", step, what, remedy, sure="certain", numbers=numbers)


# -- one operation after another -------------------------------------------------------------------


def _squashed_twice(network: Network) -> Iterator[Finding]:
    for step in network.of_role("activation"):
        before = network.back(step, _SAME_NUMBERS)
        if (
            step.activation in {*_SQUASH, "log_softmax"}
            and before is not None
            and before.activation in _SQUASH
        ):
            what = (
                f"{step.activation} in {step.where} follows {before.activation} in {before.where}"
            )
            remedy = f"keep one of them: remove the {before.activation} from {before.where}"
            yield _finding("squashed_twice", step, what, remedy, sure="certain")


def _softmax_of_one(network: Network) -> Iterator[Finding]:
    for step in network.of_role("activation"):
        if step.activation in ("softmax", "log_softmax") and step.shape and step.shape[-1] == 1:
            what = f"{step.activation} in {step.where} runs over 1 unit: it always gives the same"
            remedy = "for two classes use sigmoid on 1 unit, or softmax on 2"
            yield _finding("softmax_of_one", step, what, remedy, sure="certain")


def _no_nonlinearity(network: Network, framework: str) -> Iterator[Finding]:
    through = {*_SAME_NUMBERS, "linear", "normalise"}
    for second in network.of_role("weights"):
        first = network.back(second, through)
        if first is None or first.role != "weights" or first.grouped or second.grouped:
            continue
        between = _chain(network, first, second)
        if between is None or any(
            s.role == "normalise" and not s.operation.startswith("batch") for s in between
        ):
            continue
        # A narrow layer between two wide ones is a factorisation: it limits the rank on purpose.
        if first.features < min(first.fan_in, second.features):
            continue
        what = (
            f"{second.where} ({second.features} units) follows {first.where} ({first.features} "
            "units) with no activation between them"
        )
        remedy = (
            f"put an activation between them: torch.relu({first.layer}(x)), or torch.nn.ReLU()"
            if framework == _TORCH
            else f'activation="relu" on {first.where}, or remove one of the two'
        )
        plain = all(s.role in _SAME_NUMBERS for s in between)
        yield _finding(
            "no_nonlinearity", second, what, remedy, sure="certain" if plain else "likely"
        )


def _chain(network: Network, first: Step, last: Step) -> list[Step] | None:
    """The steps between two; None where another path leaves on the way."""
    steps: list[Step] = []
    place = last.inputs[0]
    while place != first.place:
        steps.append(network.steps[place])
        place = network.steps[place].inputs[0]
    alone = all(len(network.users(s.place)) == 1 for s in [first, *steps])
    return steps if alone else None


def _bias_before_norm(network: Network, framework: str) -> Iterator[Finding]:
    pairs = []
    for step in network.of_role("weights"):
        users = network.users(step.place)
        if step.bias and len(users) == 1 and users[0].operation.startswith("batch_norm"):
            pairs.append((step, users[0]))
    if not pairs:
        return
    step, norm = pairs[0]
    what = f"{step.where} adds a bias of {step.features} numbers, and {norm.where} subtracts the "
    what += "mean right after"
    remedy = f"{'bias=False' if framework == _TORCH else 'use_bias=False'} on {step.where}"
    if len(pairs) > 1:  # a habit of whoever wrote the model: said once
        what += f"; so do {len(pairs) - 1} more layers"
        remedy += f" and {len(pairs) - 1} more"
    layers = [s.where for s, _ in pairs]
    numbers = {"layers": layers, "parameters": sum(s.features for s, _ in pairs)}
    yield _finding("bias_before_norm", step, what, remedy, sure="certain", numbers=numbers)


def _selu_company(network: Network, framework: str) -> Iterator[Finding]:
    for step in network.of_role("activation"):
        if step.activation != "selu":
            continue
        near = [s for s in (network.back(step, {"shape"}), *network.users(step.place)) if s]
        for other in near:
            if other.role == "normalise":
                what = f"selu in {step.where} stands beside {other.where} ({other.operation})"
                remedy = f"remove {other.where}, or use another activation there, such as relu"
            elif other.role == "dropout" and "alpha" not in other.operation:
                what = f"{other.where} ({other.operation}) follows selu in {step.where}"
                layers = "torch.nn" if framework == _TORCH else "keras.layers"
                remedy = f"{layers}.AlphaDropout instead of {other.where}"
            else:
                continue
            yield _finding("selu_company", step, what, remedy, sure="certain")


def _steps(network: Network) -> Iterator[Finding]:
    for step in network.of_role("activation"):
        activation = catalog.get(str(step.activation))
        below = network.back(step, {"shape", "dropout", "normalise", "linear"})
        if not activation.elementwise or activation.facts.kind != "step":
            continue
        if below is not None and below.role == "weights":
            what = f"{step.activation} in {step.where} has slope 0 everywhere, behind {below.where}"
            remedy = "use sigmoid or hard_tanh while training"
            yield _finding("step_activation", step, what, remedy, sure="certain")


def _overwritten(network: Network) -> Iterator[Finding]:
    for case in network.overwritten:
        keeper, writer = case.keeper, case.writer
        at = f" ({writer.source})" if writer.source else ""
        what = (
            f"{writer.operation} in {writer.where}{at} works in place on what {keeper.operation} "
            f"in {keeper.where} keeps for backward"
        )
        remedy = f"inplace=False in {writer.where}, or {writer.operation.rstrip('_')} on a clone()"
        yield Finding(
            "overwritten", what, keeper.where, remedy, "certain", writer.source or keeper.source
        )
