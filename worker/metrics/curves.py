"""The curves of one classifier on some rows, thinned to what a chart can show."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.metrics.classification import (
    BINS,
    Floats,
    ThresholdCounts,
    bin_indices,
    confusion,
    log_softmax,
    margins,
)
from worker.results import Calibration, PartCurves, PrecisionRecallCurve, RocCurve

POINTS = 100
"""Most points of a curve: of more, so many of them, spread evenly along it."""
MOST_CLASSES = 100
"""Most classes of a confusion matrix that is kept."""


def part_curves(
    scores: NDArray[Any], y: NDArray[np.int64], answers: NDArray[np.int64], positive: int = 1
) -> PartCurves:
    """The curves of one trial.

    Args:
        scores: ``[n, O]``: a logit, or one score a class.
        y: the true classes, ``[n]``.
        answers: the classes that are answered, ``[n]``.
        positive: the number of the positive class of two.
    """
    classes = max(2, scores.shape[1])
    matrix = confusion(answers[None], y[None], classes)[0] if classes <= MOST_CLASSES else None
    roc: RocCurve | None = None
    pr: PrecisionRecallCurve | None = None
    if classes == 2:
        logits, right = margins(scores, positive), y == positive
        p = _probability(logits.astype(np.float64))
        roc, pr = _curves(logits, right)
    else:
        p, right = np.exp(log_softmax(scores).max(1)), answers == y
    return PartCurves(
        rows=len(y),
        confusion=None if matrix is None else matrix.tolist(),
        roc=roc,
        pr=pr,
        calibration=_calibration(p, right),
    )


def _curves(
    logits: NDArray[Any], truth: NDArray[np.bool_]
) -> tuple[RocCurve | None, PrecisionRecallCurve | None]:
    ranked = ThresholdCounts(logits[None], truth[None])
    edge = ranked.edge[0]
    hits, alarms = ranked.hits[0][edge], ranked.alarms[0][edge]
    positives, negatives = int(ranked.positives[0]), int(ranked.negatives[0])
    thresholds = _probability(ranked.scores[0][edge])
    if not positives:
        return None, None
    few = _thinned(hits.astype(np.float64))
    pr = PrecisionRecallCurve(
        recall=_rounded(hits[few] / positives),
        precision=_rounded(hits[few] / (hits[few] + alarms[few])),
        threshold=_rounded(thresholds[few]),
    )
    if not negatives:
        return None, pr
    tpr, fpr = hits / positives, alarms / negatives
    few = _thinned(tpr + fpr, POINTS - 1)
    roc = RocCurve(
        fpr=[0.0, *_rounded(fpr[few])],
        tpr=[0.0, *_rounded(tpr[few])],
        threshold=[None, *_rounded(thresholds[few])],
    )
    return roc, pr


def _thinned(along: Floats, most: int = POINTS) -> NDArray[np.int64]:
    """At most so many points of a curve, spread evenly along it; the first and the last stay.

    ``along``: how far along the curve each point lies, which never falls.
    """
    if len(along) <= most:
        return np.arange(len(along))
    even = np.linspace(along[0], along[-1], most)
    chosen = np.minimum(np.searchsorted(along, even), len(along) - 1)
    chosen[0], chosen[-1] = 0, len(along) - 1
    return np.unique(chosen)


def _calibration(p: Floats, right: NDArray[np.bool_]) -> Calibration:
    cells = bin_indices(p)
    rows = np.bincount(cells, minlength=BINS)
    some = rows > 0
    sums, hits = (np.bincount(cells, weights=w, minlength=BINS)[some] for w in (p, right))
    return Calibration(
        probability=_rounded(sums / rows[some]),
        frequency=_rounded(hits / rows[some]),
        rows=rows[some].tolist(),
    )


def _probability(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -700, 700))))


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]
