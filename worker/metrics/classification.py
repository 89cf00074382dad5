"""How right the answers and the probabilities of K classifiers are, one number a trial.

Shapes: scores ``[K, n, O]`` (a logit, or one a class), classes y ``[K, n]`` as numbers, confusion
tables ``[K, C, C]`` (true class, answer). All sums run along the rows of one trial, so that a trial
has the same bits in whatever company it is measured. ``positive`` is the number of the positive
class of two.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measured = dict[str, Floats]
"""Metrics by name, ``[K]`` each; NaN where one is not defined."""
Rule = Literal["f1", "balanced"]
"""What a threshold is to be best in: F1, or balanced accuracy."""

BINS = 15
"""Of probabilities, of equal width. Source: Guo et al. 2017, arXiv:1706.04599."""
LARGEST = 16.0
"""Logits beyond ±16 are the same probability to seven digits: no threshold lies between them."""
_TOGETHER = 1_000_000
"""Scores that are sorted at a time: what is remembered of each takes 100 bytes."""
_MAGNITUDE = np.int32(2**31 - 1)


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """part / whole, NaN where ``whole`` is 0."""
    undefined = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=undefined, where=np.asarray(whole) != 0)
    return undefined


def from_confusion(table: NDArray[Any], positive: int = 1) -> Measured:
    """The metrics that follow from how often each class was answered as each."""
    right = np.diagonal(table, axis1=1, axis2=2).astype(np.float64)  # [K, C]
    occurring, answered = table.sum(2), table.sum(1)
    recall = right / np.maximum(occurring, 1)
    occurs = occurring > 0
    classes = np.maximum(occurs.sum(1), 1)
    metrics = {
        "accuracy": ratio(right.sum(1), occurring.sum(1)),
        "balanced_accuracy": recall.sum(1) / classes,
        "classes_predicted": (answered > 0).sum(1).astype(np.float64),
    }
    if table.shape[1] == 2:
        negative = 1 - positive
        hit, missed = right[:, positive], table[:, positive, negative]
        alarm, quiet = table[:, negative, positive], right[:, negative]
        return metrics | {
            "precision": ratio(hit, hit + alarm),
            "recall": ratio(hit, hit + missed),
            "f1": ratio(2 * hit, 2 * hit + alarm + missed),
            "specificity": ratio(quiet, quiet + alarm),
        }
    # Of a class that occurs, F1 is defined; its precision is not where nothing is answered so.
    precision = right / np.maximum(answered, 1)
    f1 = 2 * right / np.maximum(occurring + answered, 1)
    return metrics | {
        "precision": (precision * occurs).sum(1) / classes,
        "recall": metrics["balanced_accuracy"],
        "f1": (f1 * occurs).sum(1) / classes,
    }


def confusion(answers: NDArray[np.int64], y: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often true class t ``[K, t, a]`` was answered by class a; both ``[K, n]``."""
    trials = np.arange(len(y))[:, None]
    cells = (trials * classes + y) * classes + answers
    counts = np.bincount(cells.ravel(), minlength=len(y) * classes * classes)
    return counts.reshape(-1, classes, classes)


def margins(scores: NDArray[Any], positive: int = 1) -> NDArray[Any]:
    """The logit of the positive of two classes, ``[K, n]``."""
    logits = scores[..., 0] if scores.shape[-1] == 1 else scores[..., 1] - scores[..., 0]
    return np.asarray(logits if positive == 1 else -logits)


def final_classification(scores: NDArray[Any], y: NDArray[np.int64], positive: int = 1) -> Measured:
    """The metrics of probabilities and of their order, measured on final weights alone."""
    if not np.isfinite(scores).all():  # of a trial that came to nothing
        scores = np.nan_to_num(scores, nan=0.0, posinf=1e30, neginf=-1e30)
    if scores.shape[-1] > 2:
        return _final_multiclass(scores, y)
    logits = margins(scores, positive)
    truth = y == positive
    p = _sigmoid(logits.astype(np.float64))
    return {
        **_of_order(logits, truth),
        "log_loss": _softplus(np.where(truth, -logits, logits).astype(np.float64)).mean(1),
        "brier": np.square(p - truth).mean(1),
        "ece": calibration_error(p, truth),
    }


def _final_multiclass(scores: NDArray[Any], y: NDArray[np.int64]) -> Measured:
    log_p = log_softmax(scores)
    of_truth = np.take_along_axis(log_p, y[..., None], axis=2)[..., 0]
    answers = scores.argmax(2)
    confidence = np.exp(np.take_along_axis(log_p, answers[..., None], axis=2)[..., 0])
    areas = np.stack([_auc(log_p[..., c], y == c) for c in range(scores.shape[-1])])
    return {
        "auc": areas.mean(0),  # NaN as soon as one class does not occur
        "log_loss": -of_truth.mean(1),
        "ece": calibration_error(confidence, answers == y),
    }


def log_softmax(scores: NDArray[Any]) -> Floats:
    """Scores ``[…, C]`` → logarithms of probabilities."""
    shifted = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def calibration_error(p: Floats, right: NDArray[np.bool_]) -> Floats:
    """Σ_b |Σ_i (p_i − right_i)| / n, i being the rows of bin b; ``[K, n]`` each → ``[K]``."""
    cells = np.arange(len(p))[:, None] * BINS + bin_indices(p)
    sums = np.bincount(cells.ravel(), weights=(p - right).ravel(), minlength=len(p) * BINS)
    return np.asarray(np.abs(sums.reshape(-1, BINS)).sum(1) / p.shape[1])


def bin_indices(p: Floats) -> NDArray[np.int64]:
    """The bin of each probability; the last includes 1."""
    return np.minimum((p * BINS).astype(np.int64), BINS - 1)


def _of_order(logits: NDArray[Any], truth: NDArray[np.bool_]) -> Measured:
    """AUC and average precision."""
    auc, precision = np.empty(len(logits)), np.empty(len(logits))
    for some in _some(logits):
        ranked = ThresholdCounts(logits[some], truth[some])
        auc[some], precision[some] = ranked.auc(), ranked.average_precision()
    return {"auc": auc, "average_precision": precision}


def _auc(scores: NDArray[Any], truth: NDArray[np.bool_]) -> Floats:
    return np.concatenate(
        [ThresholdCounts(scores[some], truth[some]).auc() for some in _some(scores)]
    )


def _some(scores: NDArray[Any]) -> Iterator[slice]:
    """A few trials at a time."""
    size = max(1, _TOGETHER // max(1, scores.shape[1]))
    for start in range(0, len(scores), size):
        yield slice(start, start + size)


class ThresholdCounts:
    """The rows of each trial by falling score, with what is above each: ``[K, n]`` each.

    Rows of equal score are one step: only the last of them is an ``edge``, at which the counts are
    those of a threshold. Scores count to seven digits, which are all that a network has.
    """

    def __init__(self, scores: NDArray[Any], truth: NDArray[np.bool_]) -> None:
        # Sorting one whole number a row, the label its last bit, is several times as fast as
        # sorting the numbers of rows; float32 as whole numbers are in order but for the sign.
        bits = (scores.astype(np.float32) + np.float32(0)).view(np.int32)
        ordered = bits ^ ((bits >> 31) & _MAGNITUDE)
        keys = (ordered.astype(np.int64) << 1) | truth
        keys.sort(axis=1)
        keys = keys[:, ::-1]
        self._ordered = keys >> 1
        self.hits = np.cumsum(keys & 1, axis=1)
        """Positive rows down to this one."""
        self.alarms = np.arange(1, keys.shape[1] + 1) - self.hits
        """Negative rows down to this one."""
        self.edge = np.ones(keys.shape, dtype=bool)
        self.edge[:, :-1] = self._ordered[:, 1:] != self._ordered[:, :-1]
        self.positives, self.negatives = self.hits[:, -1], self.alarms[:, -1]

    @property
    def scores(self) -> Floats:
        """The scores, falling."""
        ordered = self._ordered.astype(np.int32)
        return (ordered ^ ((ordered >> 31) & _MAGNITUDE)).view(np.float32).astype(np.float64)

    def _steps(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Counts at this edge and at the one before it; both 0 where there is no edge."""
        here = np.where(self.edge, counts, 0)
        before = np.zeros_like(here)
        np.maximum.accumulate(here[:, :-1], axis=1, out=before[:, 1:])
        return here, np.where(self.edge, before, 0)

    def auc(self) -> Floats:
        """Area under the ROC curve by trapezia, in whole numbers until the last division."""
        hits, hits_before = self._steps(self.hits)
        alarms, alarms_before = self._steps(self.alarms)
        doubled = ((alarms - alarms_before) * (hits + hits_before)).sum(1)
        return ratio(doubled, 2 * self.positives * self.negatives)

    def average_precision(self) -> Floats:
        """Σ (R_i − R_{i−1})·P_i over the edges."""
        hits, before = self._steps(self.hits)
        gained = (hits - before) * (self.hits / (self.hits + self.alarms))
        return ratio(gained.sum(1), self.positives)

    def best_threshold(self, rule: Rule) -> Floats:
        """The probability from which to answer as positive, ``[K]``; NaN where one class occurs.

        Half way, as logits, between two scores of rows; of several that are as good, the one next
        to one half.
        """
        hits, alarms = self.hits, self.alarms
        positives, negatives = self.positives[:, None], self.negatives[:, None]
        if rule == "f1":
            quality = ratio(2 * hits, hits + alarms + positives)
        else:
            quality = ratio(hits, positives) + ratio(negatives - alarms, negatives)
        quality = np.where(self.edge, quality, -1.0)
        scores = self.scores
        below = np.concatenate([scores[:, 1:], scores[:, -1:] - 2.0], axis=1)
        cuts = (scores + below) / 2
        best = quality >= quality.max(axis=1, keepdims=True)
        chosen = np.where(best, np.abs(cuts), np.inf).argmin(1)
        thresholds = _sigmoid(np.take_along_axis(cuts, chosen[:, None], axis=1)[:, 0])
        return np.where((self.positives > 0) & (self.negatives > 0), thresholds, np.nan)


def choose_threshold(logits: NDArray[Any], truth: NDArray[np.bool_], rule: Rule) -> Floats:
    """The threshold of each trial by its rows, ``[K]``; NaN where they are all of one class.

    Shapes: the logit of the positive class and whether it is the true one, ``[K, n]``.
    """
    clipped = np.clip(np.nan_to_num(logits), -LARGEST, LARGEST)
    return np.concatenate(
        [
            ThresholdCounts(clipped[some], truth[some]).best_threshold(rule)
            for some in _some(clipped)
        ]
    )


def _sigmoid(logits: Floats) -> Floats:
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1 / (1 + small), small / (1 + small)))


def _softplus(values: Floats) -> Floats:
    """log(1 + eᵛ), without overflow."""
    return np.asarray(np.maximum(values, 0) + np.log1p(np.exp(-np.abs(values))))
