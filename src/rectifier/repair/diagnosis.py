"""``diagnose``: what is wrong inside a model, where, why, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rectifier.activation import Activation
from rectifier.errors import InputError
from rectifier.repair.batches import Batch, Batches, batches
from rectifier.repair.findings import Finding, ordered
from rectifier.repair.gradients import Gradients, WeightGradient
from rectifier.repair.passes import Passes, passes_of
from rectifier.repair.rules import learning, units, wiring
from rectifier.repair.rules.task import Targets
from rectifier.repair.rules.units import Watched
from rectifier.repair.sites import Known, Site, library_of, tap
from rectifier.repair.statistics import Limits, SiteStatistics, UnitStatistics, unit_rows
from rectifier.repair.structure import Network

__all__ = ["Diagnosis", "diagnose"]

_GRADIENT_BATCHES = 8  # norms settle fast; a backward pass costs twice a forward one
_MOST_ROWS = 1 << 17  # of a site in one batch: of a large picture's positions every k-th
S = TypeVar("S", bound=UnitStatistics)
_CALLS = 8  # calls of one site in a pass that are told apart; a loop over time is one site


def diagnose(
    model: Any,
    data: Any,
    *,
    target: str | None = None,
    loss: Any = None,
    optimizer: Any = None,
    training: bool | None = None,
    batches: int | None = 50,
    batch_size: int = 256,
    epsilon: float = 1e-3,
) -> Diagnosis:
    """Looks for dead, saturated, badly wired units and for gradients that do not arrive.

    >>> diagnosis = rf.diagnose(model, loader, loss=torch.nn.CrossEntropyLoss())
    >>> diagnosis                        # a table in notebooks; print(diagnosis) in a terminal
    >>> diagnosis.findings[0].what, diagnosis.findings[0].remedy
    >>> diagnosis.report("diagnosis.html")

    Args:
        model: a built Keras model or a ``torch.nn.Module``. It is left as it was: weights,
            statistics of normalisation, gradients, mode and random state.
        data: a DataLoader, ``tf.data.Dataset`` or other iterable of batches ``x``, ``(x, y)`` or
            ``{"name": x}``; an array X or a pair ``(X, y)`` of arrays; a data frame or the path of
            a table (CSV, Parquet, .npz ...), with ``target``.
        target: the column of a table that is predicted.
        loss: what training minimises; without it nothing is said of gradients and targets.
            PyTorch: a module or function ``loss(output, target)``. Keras: what ``compile`` takes;
            a compiled model's own by default.
        optimizer: PyTorch: the model's optimizer, of which one step is measured and taken back.
            Keras: the compiled model's own by default.
        training: True: normalise by the batch, as in training; False: by running statistics;
            None: False, unless a batch normalisation has never seen a batch. Dropout is off in
            PyTorch either way, and in Keras where this is False.
        batches: read at most so many; None reads all.
        batch_size: rows of a batch that arrays and tables are cut into.
        epsilon: a slope |f'(z)| below it counts as none.

    Returns:
        A :class:`Diagnosis` with ``.findings``, ``.table``, ``.to_dict()``, ``.report(path)``.

    Raises:
        InputError: not a model, one that is not built, no batches, or a batch or target that the
            model or the loss does not take; one line.
    """
    framework = library_of(model)
    if batch_size < 1 or (batches is not None and batches < 1):
        raise InputError(f"batch_size and batches start at 1, got {batch_size} and {batches}")
    given = _batches(data, target, batch_size, batches)
    first = next(iter(given), None)
    if first is None:
        raise InputError(f"{given.given}: there is no batch in it; give data with at least one")
    passes = passes_of(model, loss, optimizer, training)
    with passes.untouched():
        network = passes.structure(first)
    targets = Targets(ignored=passes.loss.ignored if passes.loss else None)
    inputs: UnitStatistics | None = None

    def see(batch: Batch) -> None:
        nonlocal inputs
        if batch.y is not None:
            targets.update(_plain(batch.y))
        inputs = _see_inputs(batch, inputs)

    def statistics(activation: Activation | None, units: int) -> SiteStatistics:
        return SiteStatistics(activation, units, Limits(epsilon=epsilon))

    known = Known()
    with passes.untouched():
        watched = watch_sites(model, passes, given, statistics, see, known)
    found = wiring.find(network, passes.loss, targets, framework)
    found += units.find(watched)
    found += units.find_inputs(inputs, network)
    kinds = {f.kind for f in found}
    gradients = None
    cut_off = {"overwritten", "labels_out_of_range", "softmax_of_one"}
    if not kinds & cut_off and passes.has_loss(first):
        with passes.untouched():
            gradients = _gradients(passes, given)
    flat = {f.layer for f in found if f.kind in ("dead_units", "saturated_units")}
    found += learning.find(network, passes.weights(), gradients, flat, framework)
    about = {
        "model": type(model).__name__,
        "framework": framework,
        "data": given.given,
        "rows": targets.rows or None,
        "loss": passes.loss.name if passes.loss else None,
        "mean_loss": gradients.loss if gradients else None,
    }
    unseen = _unseen(known, watched)
    return Diagnosis(ordered(found), watched, gradients, network, about, unseen)


_batches = batches  # the argument of diagnose has the plain name


def watch_sites(
    model: Any,
    passes: Passes,
    given: Iterable[Batch],
    statistics: Callable[[Activation | None, int], S],
    each: Callable[[Batch], None] | None = None,
    known: Known | None = None,
) -> list[Watched[S]]:
    """Streams batches through the model; ``statistics(activation, units)`` of every site.

    Args:
        each: told of every batch that has been passed forward.
        known: see :func:`rectifier.repair.sites.tap`.
    """
    seen: dict[tuple[str, int, int], Watched[S]] = {}
    calls: dict[str, int] = {}

    def receive(site: Site, z: Any, y: Any) -> None:
        axis = passes.unit_axis(site, y)
        rows_y = unit_rows(passes.array(y), axis)
        rows_z = unit_rows(passes.array(z), axis)
        call = calls[site.name] = calls.get(site.name, -1) + 1
        call = 0 if site.how == "inside" else call  # a cell's calls are the steps of one sequence
        key = (site.name, call if call < _CALLS else 0, rows_y.shape[1])
        if key not in seen:
            named = replace(site, name=f"{site.name}#{call + 1}") if call else site
            seen[key] = Watched(named, statistics(site.activation, rows_y.shape[1]))
        step = max(1, -(-len(rows_y) // _MOST_ROWS))
        seen[key].statistics.update(rows_z[::step], rows_y[::step])

    with tap(model, receive, known):
        for batch in given:
            calls.clear()
            passes.forward(batch)
            if each is not None:
                each(batch)
    return list(seen.values())


def _unseen(known: Known, watched: Sequence[Watched[UnitStatistics]]) -> list[tuple[Site, str]]:
    """The sites of which nothing was seen, with the reasons."""
    names = {one.site.name.partition("#")[0] for one in watched}
    layers = {one.site.layer for one in watched if one.site.how == "inside"}
    found = []
    for site in known.found.sites if known.found is not None else ():
        inside = site.how == "inside"
        if site.name.partition("#")[0] in names or (inside and _within(site.layer, layers)):
            continue
        reason = next(
            (r for layer, r in known.unseen.items() if _within(site.layer, {layer})), None
        )
        reason = reason or (site.reachable if inside else None)
        found.append((site, reason or "no batch came by it"))
    return found


def _within(layer: str, layers: set[str]) -> bool:
    """Whether it is one of them or a cell of one."""
    return layer in layers or layer.rpartition("/")[0] in layers


def _see_inputs(batch: Batch, inputs: UnitStatistics | None) -> UnitStatistics | None:
    """Statistics of the first input where it is of real numbers; axis 1 or the last is features."""
    x = next(iter(batch.x.values())) if isinstance(batch.x, dict) else batch.x
    x = _plain(x[0] if isinstance(x, tuple) else x)
    if x.dtype.kind != "f" or x.ndim < 2:
        return inputs
    rows = unit_rows(x.reshape(-1, 1) if x.ndim > 2 else x)
    if inputs is None:
        inputs = UnitStatistics(None, rows.shape[1])
    rows = rows[:: max(1, -(-len(rows) // _MOST_ROWS))]
    inputs.update(rows, rows)
    return inputs


def _plain(value: Any) -> np.ndarray:
    """A framework's array as NumPy."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def _gradients(passes: Passes, given: Batches) -> Gradients:
    records = {w.path: WeightGradient(w) for w in passes.weights() if w.trainable}
    gradients = Gradients(records)
    last = None
    for number, batch in enumerate(given):
        if number == _GRADIENT_BATCHES:
            break
        passes.gradient(batch, gradients)
        last = batch
    if last is not None and np.isfinite(gradients.loss):
        passes.step(last, gradients)
    return gradients


class Diagnosis:
    """What was found in a model.

    Attributes:
        findings: :class:`rectifier.repair.findings.Finding`, faults first; [] is a healthy model.
        sites: site and running statistics of each activation, with arrays per unit.
        gradients: norms per weight, or None without a loss.
        network: the recorded forward pass.
        about: model, framework, data, loss.
        unseen: activation sites that nothing is said of, each with the reason.
    """

    def __init__(
        self,
        findings: list[Finding],
        sites: list[Watched[SiteStatistics]],
        gradients: Gradients | None,
        network: Network,
        about: dict[str, Any],
        unseen: list[tuple[Site, str]],
    ) -> None:
        self.findings = findings
        self.sites = sites
        self.gradients = gradients
        self.network = network
        self.about = about
        self.unseen = unseen

    @property
    def healthy(self) -> bool:
        """Whether no fault was found; notes do not count."""
        return not any(f.severity == "fault" for f in self.findings)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One record a site: shares of units, and spreads, as plain numbers."""
        return [_row(one) for one in self.sites]

    @property
    def table(self) -> Any:
        """:attr:`rows` as a polars frame."""
        from rectifier.report.diagnosis import frame

        return frame(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists, strings and numbers that JSON takes."""
        return _json(
            {
                "about": self.about,
                "healthy": self.healthy,
                "findings": [finding.to_dict() for finding in self.findings],
                "layers": self.rows,
                "histograms": [
                    {"site": o.site.name, "z": _histogram(o, "z"), "y": _histogram(o, "y")}
                    for o in self.sites
                ],
                "unseen": [{"site": s.name, "reason": reason} for s, reason in self.unseen],
                "gradients": self._gradient_rows(),
                "network": [
                    {
                        "layer": s.layer,
                        "operation": s.operation,
                        "role": s.role,
                        "activation": s.activation,
                        "features": s.features,
                        "inputs": list(s.inputs),
                    }
                    for s in self.network.steps
                ],
            }
        )

    def _gradient_rows(self) -> list[dict[str, Any]]:
        if self.gradients is None:
            return []
        return [
            {
                "weight": path,
                "norm": record.norm,
                "size": record.size,
                "effect": self.gradients.effect(path),
                "step_ratio": record.step_ratio,
                "zero_batches": record.zero,
                "batches": record.batches,
            }
            for path, record in self.gradients.weights.items()
        ]

    def json(self) -> str:
        """:meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def report(self, path: str | Path) -> Path:
        """Writes one self-contained HTML page; returns its path."""
        from rectifier.report.diagnosis import page

        path = Path(path)
        try:
            path.write_text(page(self.to_dict()), encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error
        return path

    def _repr_html_(self) -> str:
        from rectifier.report.diagnosis import fragment

        return fragment(self.to_dict())

    def __str__(self) -> str:
        from rectifier.report.diagnosis import text

        return text(self.to_dict())

    def __repr__(self) -> str:
        faults = sum(f.severity == "fault" for f in self.findings)
        return f"<Diagnosis of {self.about['model']}: {faults} faults, {len(self.sites)} sites>"


def _row(one: Watched[SiteStatistics]) -> dict[str, Any]:
    site, seen = one.site, one.statistics
    shares = seen.shares()
    return {
        "site": site.name,
        "layer": site.layer,
        "activation": str(site.activation) if site.activation else site.called,
        "source": site.source,
        "units": seen.units,
        "rows": seen.rows,
        "dead": shares.dead,
        "saturated": shares.saturated,
        "linear": shares.linear,
        "constant": shares.constant,
        "not_finite": shares.nonfinite,
        "sparsity": seen.sparsity,
        "effective_rank": seen.rank.effective(),
        "z_mean": float(seen.z_mean.mean()),
        "z_spread": float(np.sqrt(np.mean(seen.z_sd**2))),
        "y_mean": float(seen.y_mean.mean()),
        "y_spread": float(np.sqrt(np.mean(seen.y_sd**2))),
    }


def _histogram(one: Watched[SiteStatistics], which: str) -> dict[str, Any]:
    seen = one.statistics
    edges, counts = (seen.z_histogram if which == "z" else seen.y_histogram).trimmed()
    return {"edges": edges, "counts": counts}


def _json(value: Any) -> Any:
    """``value`` with None for what is no finite number."""
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
