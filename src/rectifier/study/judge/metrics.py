"""How well predictions fit, row by row.

Every metric is one contribution a row. Their mean is the metric on these rows, and their
standard deviation over the square root of the rows is its sampling error: the plain per-row
score where the metric is a mean (accuracy, log loss, MAE), and the metric plus the row's
influence value where it is not (balanced accuracy, ROC AUC, RMSE, R2). So everything that
comes after handles all metrics in one way. The formulas are explained in docs/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rectifier.errors import InputError, UnknownName

LOG_LOSS_CEILING = float(-np.log(np.finfo(np.float64).eps))  # 36.04 nats, as scikit-learn clips
OWN = "training"  # the task of somebody's own training code, which scores for itself
HUGE = 1e100  # differences and squares of such numbers are finite
WILD = 10.0  # a prediction this many times the target's own reach off is an exploded run's


@dataclass(frozen=True)
class Metric:
    """One way of scoring predictions.

    Attributes:
        name: as the user types it.
        task: "classification" or "regression".
        greater_is_better: False for losses.
        unit: "points" (a share, shown x 100), "nats", or "" (R2, or the target's own unit).
        low, high: the values the metric cannot leave.
        row_step: by how much one row's contribution can jump (1 for metrics that count hits, 0
            for smooth ones); what is assumed of unseen rows when no seen row differs at all.
        contributions: ``(y [rows], prediction [rows, outputs], mean=None) -> [rows] float64``,
            in the metric's own orientation, never NaN. Classification: y are class codes
            0..classes-1 and prediction the logits [rows, classes]; a row with a non-finite logit
            counts as all zeros (the first class). Regression: prediction is [rows, 1] or [rows]
            in the target's unit; a non-finite one counts as ``mean`` (give the training rows'
            mean; without it, the mean of ``y``), and one further than ten times the
            target's own reach from its mean is brought back to there, since one exploded row
            would else be all that a study's errors are made of. Raises InputError on
            empty or mismatched shapes.
    """

    name: str
    task: str
    greater_is_better: bool
    unit: str
    low: float
    high: float
    row_step: float
    contributions: Callable[..., np.ndarray]

    @property
    def sign(self) -> float:
        """+1 or -1: what to multiply with so that greater is better."""
        return 1.0 if self.greater_is_better else -1.0


def get_metric(name: str, task: str) -> Metric:
    """The metric of that name; UnknownName if there is none, InputError if not for ``task``.

    Training code that scores for itself (``OWN``) may use any, or ``score`` or ``loss``.
    """
    if task == OWN:
        own = {metric.name: metric for metric in (*METRICS.values(), *_OWN_METRICS)}
        if name not in own:
            raise UnknownName("metric", name, own, hint=f"one of: {', '.join(own)}")
        return replace(own[name], row_step=0.0)  # no rows, so no step
    known = [metric.name for metric in METRICS.values() if metric.task == task]
    if name not in METRICS:
        raise UnknownName("metric", name, METRICS, hint=f"for {task}: {', '.join(known)}")
    metric = METRICS[name]
    if metric.task != task:
        raise InputError(
            f"metric {name!r} is for {metric.task}, this table is {task}; use {', '.join(known)}"
        )
    return metric


def default_metric(task: str) -> Metric:
    """Accuracy for classification, R2 for regression."""
    return METRICS["accuracy" if task == "classification" else "r2"]


def equivalence_margin(metric: Metric, baseline_mean: float) -> float:
    """The difference below which two activations count as equal, in the metric's unit.

    Half a point (0.005) for shares and R2; one per cent of the baseline's mean for log loss,
    RMSE and MAE, which have no scale of their own.
    """
    return 0.005 if metric.high == 1.0 else 0.01 * abs(float(baseline_mean))


def format_value(metric: Metric, value: float) -> str:
    """ "97.2 %", "0.512" (R2), "0.1034 nats", or four figures in the target's unit."""
    if not math.isfinite(value):
        return "-"
    if metric.unit == "points":
        return f"{100 * value:.1f} %"
    text = _plain(value, 3) if metric.name == "r2" else _figures(value, 4)
    return f"{text} {metric.unit}".rstrip()


def format_difference(metric: Metric, value: float, *, sign: bool = True) -> str:
    """ "+2.8 points", "-0.031", "+0.012 nats"; ``sign=False`` gives the size alone."""
    if not math.isfinite(value):
        return "-"
    if metric.unit == "points":
        text, unit = _plain(100 * value, 1), "points"
    else:
        text = _plain(value, 3) if metric.name == "r2" else _figures(value, 3)
        unit = metric.unit
    mark = "" if text.startswith("-") else "+"
    text = mark + text if sign else text.lstrip("-")
    return f"{text} {unit}".rstrip()


def _plain(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0.0 into 0.0


def _figures(value: float, figures: int) -> str:
    if value == 0 or not 1e-4 <= abs(value) < 1e9:
        return f"{value + 0.0:.{figures}g}"
    return _plain(value, max(0, figures - 1 - math.floor(math.log10(abs(value)))))


# --- classification -------------------------------------------------------------------------


def _logits(y: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes, logits = np.asarray(y), np.asarray(prediction, dtype=np.float64)
    if logits.ndim != 2 or codes.shape != logits.shape[:1] or not len(codes):
        raise InputError(f"predictions of shape {logits.shape} do not fit {codes.shape} labels")
    finite = np.isfinite(logits).all(axis=1, keepdims=True)
    return codes.astype(np.int64), np.clip(np.where(finite, logits, 0.0), -HUGE, HUGE)


def _accuracy(y: np.ndarray, prediction: np.ndarray, mean: float | None = None) -> np.ndarray:
    codes, logits = _logits(y, prediction)
    return (logits.argmax(axis=1) == codes).astype(np.float64)


def _balanced_accuracy(
    y: np.ndarray, prediction: np.ndarray, mean: float | None = None
) -> np.ndarray:
    # The mean of the recalls of the classes present in y; absent classes have no recall.
    codes, logits = _logits(y, prediction)
    hit = (logits.argmax(axis=1) == codes).astype(np.float64)
    _, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    recall = np.bincount(place, weights=hit) / counts
    weight = len(codes) / (len(counts) * counts)
    return recall.mean() + weight[place] * (hit - recall[place])


def _log_loss(y: np.ndarray, prediction: np.ndarray, mean: float | None = None) -> np.ndarray:
    from scipy.special import logsumexp  # here: SciPy takes long to come, and accuracy needs none

    codes, logits = _logits(y, prediction)
    logits = logits - logits.max(axis=1, keepdims=True)  # else 1e300 - (-1e300) loses the rest
    loss = logsumexp(logits, axis=1) - logits[np.arange(len(codes)), codes]
    return np.clip(loss, 0.0, LOG_LOSS_CEILING)


def _roc_auc(y: np.ndarray, prediction: np.ndarray, mean: float | None = None) -> np.ndarray:
    # Two classes: the area for the second one. More: each class against the rest, averaged over
    # the classes that have rows on both sides. Where none has, 0.5: nothing could be ranked.
    codes, logits = _logits(y, prediction)
    classes = range(logits.shape[1]) if logits.shape[1] != 2 else (1,)
    areas = [
        _placements(codes == code, _log_odds(logits, code))
        for code in classes
        if 0 < np.count_nonzero(codes == code) < len(codes)
    ]
    return np.mean(areas, axis=0) if areas else np.full(len(codes), 0.5)


def _log_odds(logits: np.ndarray, code: int) -> np.ndarray:
    from scipy.special import logsumexp

    # Ranks as the class's probability does, without the ties that rounding to 1.0 would make.
    return logits[:, code] - logsumexp(np.delete(logits, code, axis=1), axis=1)


def _placements(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    # DeLong, DeLong and Clarke-Pearson (1988): the share of the other side that a row beats.
    count = np.where(positive, np.count_nonzero(positive), np.count_nonzero(~positive))
    own = np.empty(len(score))
    own[positive], own[~positive] = rankdata(score[positive]), rankdata(score[~positive])
    below = (rankdata(score) - own) / (len(score) - count)
    placement = np.where(positive, below, 1.0 - below)
    area = placement[positive].mean()
    return area + len(score) / count * (placement - area)


# --- regression -----------------------------------------------------------------------------


def _errors(
    y: np.ndarray, prediction: np.ndarray, mean: float | None
) -> tuple[np.ndarray, np.ndarray]:
    target = np.asarray(y, dtype=np.float64)
    guess = np.asarray(prediction, dtype=np.float64)
    guess = guess[:, 0] if guess.ndim == 2 and guess.shape[1] == 1 else guess
    if target.ndim != 1 or guess.shape != target.shape or not len(target):
        raise InputError(f"predictions of shape {guess.shape} do not fit {target.shape} values")
    centre = target.mean()
    guess = np.where(np.isfinite(guess), guess, centre if mean is None else mean)
    guess = np.clip(guess, -HUGE, HUGE)
    reach = WILD * np.abs(target - centre).max()
    if reach > 0:  # squares of unbounded guesses would leave float32, and with it the journal
        guess = np.clip(guess, centre - reach, centre + reach)
    return target, target - guess


def _rmse(y: np.ndarray, prediction: np.ndarray, mean: float | None = None) -> np.ndarray:
    square = _errors(y, prediction, mean)[1] ** 2
    rmse = math.sqrt(square.mean())
    return rmse + (square - square.mean()) / (2 * rmse) if rmse > 0 else np.zeros(len(square))


def _mae(y: np.ndarray, prediction: np.ndarray, mean: float | None = None) -> np.ndarray:
    return np.abs(_errors(y, prediction, mean)[1])


def _r2(y: np.ndarray, prediction: np.ndarray, mean: float | None = None) -> np.ndarray:
    # With a target that does not vary: 1 when every prediction is exact, else 0.
    target, error = _errors(y, prediction, mean)
    square, spread = error**2, (target - target.mean()) ** 2
    total = spread.mean()
    if total == 0:
        return np.full(len(target), float(not square.any()))
    ratio = square.mean() / total
    return 1 - ratio - (square / total - ratio) + ratio * (spread / total - 1)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "classification", True, "points", 0.0, 1.0, 1.0, _accuracy),
        Metric(
            "balanced_accuracy", "classification", True, "points", 0.0, 1.0, 1.0, _balanced_accuracy
        ),
        Metric("log_loss", "classification", False, "nats", 0.0, math.inf, 0.0, _log_loss),
        Metric("roc_auc", "classification", True, "points", 0.0, 1.0, 1.0, _roc_auc),
        Metric("rmse", "regression", False, "", 0.0, math.inf, 0.0, _rmse),
        Metric("mae", "regression", False, "", 0.0, math.inf, 0.0, _mae),
        Metric("r2", "regression", True, "", -math.inf, 1.0, 0.0, _r2),
    )
}


def _no_rows(y: np.ndarray, prediction: np.ndarray, mean: float | None = None) -> np.ndarray:
    raise TypeError("scores of somebody's own training code are not made from rows")


_OWN_METRICS = (
    Metric("score", OWN, True, "", -math.inf, math.inf, 0.0, _no_rows),
    Metric("loss", OWN, False, "", -math.inf, math.inf, 0.0, _no_rows),
)
