"""Every kind of fault that is looked for, and what a finding of one is.

``KINDS`` is the one list of them: the rules name a kind, the tables, the page, the benchmark and
docs/diagnosis.md take titles and reasons from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Sure = Literal["certain", "likely", "possible"]
Severity = Literal["fault", "note"]


@dataclass(frozen=True)
class Kind:
    """``why``: how it comes about and what follows; a ``fault`` keeps a model from learning."""

    title: str
    severity: Severity
    why: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # -- units ----------------------------------------------------------------------------
        "not_finite": Kind(
            "NaN or infinity",
            "fault",
            "a value that is no number spreads to every layer after it, and through the loss to "
            "every weight; it comes from too large a step, a logarithm or root of nothing, or "
            "from the data",
        ),
        "dead_units": Kind(
            "dead units",
            "fault",
            "where the activation is flat no gradient passes, so these units' own weights never "
            "change again; too large a learning rate or a strongly negative bias puts them there",
        ),
        "saturated_units": Kind(
            "saturated units",
            "fault",
            "at its bounds the activation is all but flat, so what is below learns at next to no "
            "rate; too large weights or unscaled inputs drive units there",
        ),
        "linear_layer": Kind(
            "a layer that stays linear",
            "fault",
            "all rows lie on one straight piece of the activation, so the layer computes no more "
            "than a linear one and its depth is of no use",
        ),
        "constant_units": Kind(
            "constant units",
            "fault",
            "a unit that gives every row the same number tells the next layer nothing; its "
            "weights are zero, or its inputs do not vary",
        ),
        "step_activation": Kind(
            "an activation without gradient",
            "fault",
            "the slope of a step is zero wherever it exists, so nothing before it can learn by "
            "gradients",
        ),
        # -- gradients and weights --------------------------------------------------------------
        "vanishing_gradients": Kind(
            "vanishing gradients",
            "fault",
            "every layer multiplies the gradient by its weights and slopes; where these are "
            "below one, little is left for the first layers",
        ),
        "exploding_gradients": Kind(
            "exploding gradients",
            "fault",
            "every layer multiplies the gradient by its weights; where these are above one, a "
            "single step throws the weights away",
        ),
        "never_updated": Kind(
            "weights that never change",
            "fault",
            "no gradient reaches them: they are not used in the output, are cut off by a detach "
            "or a stop_gradient, or are not given to the optimizer",
        ),
        "large_steps": Kind(
            "steps too large for the weights",
            "fault",
            "a step that changes weights by a tenth of their size or more does not follow the "
            "slope of the loss, it jumps over it; about a thousandth is usual",
        ),
        "small_steps": Kind(
            "steps too small for the weights",
            "fault",
            "at this rate a million steps would not change the weights by their own size; about "
            "a thousandth a step is usual",
        ),
        "initial_scale": Kind(
            "weights of the wrong size",
            "fault",
            "the weights' spread should be gain / sqrt(fan in), so that signals keep their size "
            "from layer to layer; below it they fade, above it they blow up",
        ),
        # -- wiring -----------------------------------------------------------------------------
        "probabilities_as_logits": Kind(
            "softmax or sigmoid before a loss that has its own",
            "fault",
            "the loss squashes its input itself; squashed twice, the loss cannot come near zero "
            "and its gradients are small",
        ),
        "logits_as_probabilities": Kind(
            "a loss of probabilities that gets none",
            "fault",
            "the loss takes a logarithm of numbers that may be negative or above one: it is NaN, "
            "or clipped where no gradient passes",
        ),
        "squashed_twice": Kind(
            "softmax or sigmoid twice",
            "fault",
            "what has been squashed into [0, 1] comes out of the second one nearly uniform, and "
            "gradients shrink by both slopes",
        ),
        "softmax_of_one": Kind(
            "a softmax over one unit",
            "fault",
            "one number divided by itself is always 1: the output does not depend on anything",
        ),
        "labels_out_of_range": Kind(
            "labels outside the range of the outputs",
            "fault",
            "the loss looks a class up that does not exist: an error on some devices, NaN or "
            "a silent zero on others",
        ),
        "output_range": Kind(
            "targets that the output's activation cannot reach",
            "fault",
            "an activation on the output of a regression bounds what can be predicted; targets "
            "beyond it are never met, and pull the unit into its flat part",
        ),
        "no_nonlinearity": Kind(
            "no non-linearity between two layers",
            "fault",
            "two linear layers in a row are one linear layer: the second adds weights, and "
            "nothing that the network could compute besides",
        ),
        "selu_initialiser": Kind(
            "SELU without its initialiser",
            "fault",
            "SELU keeps mean 0 and variance 1 only from weights of variance 1 / fan in "
            "(LeCun normal); from others its outputs drift with depth",
        ),
        "selu_company": Kind(
            "SELU with batch normalisation or plain dropout",
            "fault",
            "SELU normalises by itself: a normalisation beside it is work done twice, and "
            "plain dropout changes the mean and variance that it keeps; alpha dropout does not",
        ),
        "bias_before_norm": Kind(
            "a bias before a batch normalisation",
            "note",
            "the normalisation subtracts the mean, and the bias with it: it has no effect and "
            "no gradient, and costs memory",
        ),
        "overwritten": Kind(
            "an in-place operation on what backward needs",
            "fault",
            "the tensor was kept for the backward pass and then changed: backward() stops with "
            '"modified by an inplace operation"',
        ),
        "unscaled_inputs": Kind(
            "inputs of a size that networks do not expect",
            "fault",
            "initial weights are drawn for inputs of mean 0 and spread 1; large ones saturate "
            "the first layer and make its gradients large",
        ),
    }
)


@dataclass(frozen=True)
class Finding:
    """One fault in one place.

    Attributes:
        kind: a key of :data:`KINDS`.
        what: what was seen, with numbers and their units.
        layer: where, as the path of a layer; "" for the model as a whole.
        remedy: what to do: a command or a line of code.
        sure: "certain" follows from the wiring or from exact zeros, "likely" from a measurement
            with a threshold, "possible" from a habit that has exceptions.
        source: ``"model.py:42"`` where the line can be known.
        numbers: what ``what`` says, for machines.
    """

    kind: str
    what: str
    layer: str
    remedy: str
    sure: Sure = "likely"
    source: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return KINDS[self.kind].title

    @property
    def why(self) -> str:
        return KINDS[self.kind].why

    @property
    def severity(self) -> Severity:
        return KINDS[self.kind].severity

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        return {
            "kind": self.kind,
            "title": self.title,
            "severity": self.severity,
            "layer": self.layer,
            "source": self.source,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
            "sure": self.sure,
            "numbers": dict(self.numbers),
        }


def ordered(findings: list[Finding]) -> list[Finding]:
    """Faults before notes, sure ones first, else in the order of ``KINDS``."""
    kinds, sure = list(KINDS), ("certain", "likely", "possible")
    return sorted(
        findings,
        key=lambda f: (f.severity != "fault", sure.index(f.sure), kinds.index(f.kind)),
    )
