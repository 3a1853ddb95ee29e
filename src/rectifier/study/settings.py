"""What a study is asked to do: every choice the user can make, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rectifier import catalog
from rectifier.errors import InputError, UnknownName

FOLDS = 5
NETWORKS = ("mlp", "cnn")
HIDDEN = {"mlp": (64, 64), "cnn": (16, 32)}  # where nothing else is said
ENGINES = ("local", "ray")
TRAINERS = ("auto", "native", "jax")
INTERVALS = ("crossed-corrected", "crossed", "nadeau-bengio")

# Half a decade apart around Adam's usual 1e-3. Not up to 0.1: validation loss likes it on small
# tables (21 of 44 choices on iris and wine), but runs then fail now and then that three tuning
# seeds do not show; on wine tanh fell from 98.0 to 95.5 %, leaky_relu from 96.9 to 95.0 %.
LEARNING_RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


# What a study tries unless told otherwise: the usual ones of the frameworks, so that a study's
# length, and the family over which its claims are corrected, do not grow with the catalogue.
CANDIDATES = (
    *("celu", "elu", "exponential", "gelu", "gelu_tanh", "hard_sigmoid", "hard_swish"),
    *("hard_tanh", "identity", "leaky_relu", "log_sigmoid", "mish", "relu", "relu6", "selu"),
    *("sigmoid", "silu", "sine", "softplus", "softsign", "squareplus", "tanh"),
)
AUTO = "auto"  # stands for as many seeds as the verdict needs
EVERY = "all"  # stands for every activation that could be a candidate


@dataclass(frozen=True)
class Settings:
    """Choices of a study; :meth:`checked` makes errors of impossible ones.

    Attributes:
        activations: candidates as ``get`` reads them; empty means ``CANDIDATES``, ``all`` every
            elementwise one that a gradient can train through.
        baseline: what the others are compared with; added to the candidates if absent.
        metric: a name of ``study.metrics``; None chooses by the task.
        network: ``mlp`` (dense layers), ``cnn`` (convolutions, for pictures) or a function of
            one's own, ``my.py:function``.
        hidden: width of each hidden layer, channels of each convolution; None takes ``HIDDEN``.
        image: height, width and perhaps channels of a row, for ``cnn``; None takes the shape of
            pictures, and of a plain row that it is a square.
        weight_decay: what AdamW takes from every kernel each step, times the learning rate.
        dropout: share of hidden outputs set to 0 in training.
        batch_norm: whether what goes into the activations is normalised over the batch.
        epochs, patience: upper bound, and epochs without improvement before a run stops.
        batch_size: rows a step.
        learning_rates: searched for each activation on validation rows.
        seeds: confirming runs an activation, each one fold of a repeated 5-fold cross-validation.
        until_settled: seeds are doubled, up to eightfold, until the verdict is settled or more
            cannot help (study/looks.py); ``seeds`` is the first look's. ``seeds="auto"`` in
            ``compare``.
        tune_seeds: runs per learning rate, on splits of their own.
        interval: one of ``INTERVALS``; see docs/statistics.md.
        budget: seconds the study should take, or None.
        engine, address: where to train: ``local``, or ``ray`` (docs/cluster.md), on the
            cluster at this address or on one started here.
        trainer: ``native`` (machine code for this processor, needs ``llvmlite``), ``jax``, or
            ``auto``: see :func:`rectifier.study.train.choice.trainer_for`.
        seed: of every random draw.
    """

    activations: tuple[str, ...] = ()
    baseline: str = "relu"
    metric: str | None = None
    network: str = "mlp"
    hidden: tuple[int, ...] | None = None
    image: tuple[int, ...] | None = None
    weight_decay: float = 0.0
    dropout: float = 0.0
    batch_norm: bool = False
    epochs: int = 100
    patience: int = 20
    batch_size: int = 32
    learning_rates: tuple[float, ...] = LEARNING_RATES
    seeds: int = 10
    until_settled: bool = False
    tune_seeds: int = 3
    interval: str = INTERVALS[0]
    budget: float | None = None
    engine: str = "local"
    address: str | None = None
    trainer: str = "auto"
    seed: int = 0

    def checked(self) -> Settings:
        """These settings with activations in canonical spelling, the baseline among them.

        Raises:
            InputError: an impossible choice, in one line.
        """
        for name, low, high in (
            ("epochs", 1, 100_000),
            ("patience", 1, math.inf),
            ("batch_size", 1, math.inf),
            ("seeds", 1, 10_000),
            ("tune_seeds", 1, 10_000),
            ("seed", 0, 2**63),
        ):
            _check_count(name, getattr(self, name), low, high)
        hidden = self.hidden
        if hidden is None:
            hidden = HIDDEN.get(self.network, HIDDEN["mlp"])
        if not hidden:
            raise InputError("hidden needs at least one layer: without one there is no activation")
        for width in hidden:
            _check_count("hidden", width, 1, 16_384)
        self._check_options()
        if not self.learning_rates:
            raise InputError("learning_rates is empty; give at least one")
        for rate in self.learning_rates:
            if not (isinstance(rate, (int, float)) and 0 < rate < math.inf):
                raise InputError(f"a learning rate must be a positive number, got {rate!r}")
        if self.budget is not None and not 0 < self.budget < math.inf:
            raise InputError(f"budget must be a positive time, got {self.budget!r}")
        if ":" not in self.network:  # module:function is a network of one's own
            _check_choice("network", self.network, NETWORKS)
        _check_choice("engine", self.engine, ENGINES)
        if self.address is not None and self.engine != "ray":
            raise InputError(f"address {self.address!r} is a Ray cluster's; add --engine ray")
        _check_choice("trainer", self.trainer, TRAINERS)
        _check_choice("interval", self.interval, INTERVALS)
        baseline = str(_trainable(self.baseline))
        asked = self.activations or CANDIDATES
        every = [n for a in asked for n in (trainable_names() if a == EVERY else [a])]
        wanted = [str(_trainable(a)) for a in every]
        unique = tuple(dict.fromkeys([*wanted, baseline]))
        rates = tuple(dict.fromkeys(sorted(float(r) for r in self.learning_rates)))
        return replace(
            self, activations=unique, baseline=baseline, learning_rates=rates, hidden=hidden
        )

    def _check_options(self) -> None:
        """What only the built-in networks have."""
        for name, high in (("weight_decay", math.inf), ("dropout", 1.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise InputError(f"{name} must be a number of at least 0, got {value!r}")
            if not value < high:
                raise InputError(f"{name} must be less than {high:g}, got {value!r}")
        if not isinstance(self.batch_norm, bool):
            raise InputError(f"batch_norm must be True or False, got {self.batch_norm!r}")
        if self.image is not None:
            if self.network != "cnn":
                raise InputError("image is the shape of pictures; add --network cnn")
            if len(self.image) not in (2, 3):
                raise InputError(
                    f"image is height and width, and channels if there are several: 28x28 or "
                    f"32x32x3, got {'x'.join(map(str, self.image))}"
                )
            for size in self.image:
                _check_count("image", size, 1, 16_384)
        if ":" in self.network:
            usual = Settings()
            for name in ("weight_decay", "dropout", "batch_norm"):
                if getattr(self, name) != getattr(usual, name):
                    raise InputError(f"{name} is for the built-in networks; build it into yours")

    def identity(self, table: str, fingerprint: str) -> dict[str, Any]:
        """What a run's numbers depend on: equal for two studies whose runs may be mixed.

        Which activations, rates and seeds are run does not enter: a later call may ask for more
        of them in the same folder.
        """
        fixed = {"network", "hidden", "image", "weight_decay", "dropout", "batch_norm"}
        fixed |= {"epochs", "patience", "batch_size", "metric", "trainer", "seed"}
        parts = {k: v for k, v in asdict(self).items() if k in fixed}
        return {"table": table, "content": fingerprint, **parts}


def trainable_names() -> list[str]:
    """Every elementwise activation that a gradient can train through, and that is fixed.

    One with learnable parameters may be asked for by name; a study holds them where they are.
    """
    entries = (catalog.get(name) for name in catalog.names())
    return [
        e.name
        for e in entries
        if e.elementwise
        and e.facts.kind != "step"
        and not any(p.learnable or p.drawn for p in e.declared)
    ]


def parse_duration(text: str | float) -> float:
    """Seconds of ``90``, ``"90s"``, ``"5m"``, ``"1h30m"``.

    Raises:
        InputError: anything else.
    """
    import re

    if isinstance(text, (int, float)):
        return float(text)
    match = re.fullmatch(
        r"\s*(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?\s*", text
    )
    if match is None or not any(match.groups()):
        raise InputError(f"cannot read {text!r} as a time; write 90s, 5m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _trainable(activation: Any) -> Any:
    entry = catalog.get(activation)
    if not entry.elementwise:
        raise InputError(
            f"{entry.name} acts along an axis and is for outputs; it cannot be a hidden activation"
        )
    return entry


def _check_count(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        upper = "" if high == math.inf else f" and at most {high:,}"
        raise InputError(f"{name} must be a whole number of at least {low}{upper}, got {value!r}")


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UnknownName(name, value, choices, "one of: " + ", ".join(choices))
