"""What a served model keeps of rows that did not train it, and how good that is on other rows.

Temperature and nonconformities are fitted on the rows that may choose: validation rows or, of a
cross-validation, those of all folds. They are measured on the test rows; without any, each fifth of
the rows that fitted is measured by what the other four give.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from worker.appraisal.calibration import fit_temperature
from worker.data import Target
from worker.metrics import final_classification
from worker.models import (
    Calibrated,
    CalibrationManifest,
    Nonconformity,
    class_nonconformity,
    class_probabilities,
    kept_scores,
    most_coverage,
    value_nonconformity,
)
from worker.results import CoverageReport, Part, Scaling, UncertaintyReport
from worker.spec import LossSpec, PoissonLoss, QuantileLoss

LEVELS = (0.8, 0.9, 0.95)
"""Levels of which it is told how often the truth was covered."""
GROUPS = 5
"""Groups of rows, each measured by what the others fit, where there are no test rows."""
FEWEST = 10
"""Rows from which on something is fitted."""
MOST_FITTED, FEWEST_FITTED = 2**15, 200
"""Scores that a temperature is fitted on at most, about, and rows at least: each is looked at some
hundred times."""
_TAIL = 0.025

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CalibrationRows:
    """What a model says of N rows that did not train it."""

    part: Part
    answers: NDArray[Any]
    """``[N, O]``: scores of classes, float32; ``[N]``: values, in the target's own unit."""
    truth: NDArray[Any]
    """``[N]``: class numbers, or values."""
    weights: Floats | None = None
    """``[N]``: what each row counts; none where all count the same."""

    def __len__(self) -> int:
        return len(self.truth)

    def some(self, rows: NDArray[np.bool_]) -> "CalibrationRows":
        """Some of them."""
        weights = None if self.weights is None else self.weights[rows]
        return CalibrationRows(self.part, self.answers[rows], self.truth[rows], weights)


_Measured = tuple[CalibrationRows, Calibrated]
"""Rows, and what they are measured by."""


@dataclass(frozen=True, eq=False)
class AppraisedUncertainty:
    """What a model keeps, and what is told of it."""

    kept: Calibrated
    report: UncertaintyReport


def appraise_uncertainty(
    target: Target,
    loss: LossSpec | None,
    fitting: CalibrationRows,
    test: CalibrationRows | None,
    *,
    notes: Sequence[str] = (),
    trial: str | None = None,
) -> AppraisedUncertainty | None:
    """Fit temperature and nonconformities, and measure both; none of few rows, or where an answer
    is no finite number.

    Args:
        target: what is predicted.
        loss: the data loss, where it is not the task's own.
        fitting: the rows that may choose.
        test: the test rows, if there are any.
        notes: what is to be said beside the numbers.
        trial: the trial that is served, if it is one.
    """
    if len(fitting) < FEWEST or not np.isfinite(fitting.answers).all():
        return None
    if test is not None and (not len(test) or not np.isfinite(test.answers).all()):
        test = None
    how = _How(target, _nonconformity(target, loss))
    temperature, of_others = how.temperatures(fitting)
    kept = how.kept(fitting, temperature)
    measured = [(test, kept)] if test is not None else list(how.crossed(fitting, of_others))
    rows = fitting if test is None else test
    report = UncertaintyReport(
        trial=trial,
        fitted=fitting.part,
        fitted_rows=len(fitting),
        measured=rows.part,
        measured_rows=len(rows),
        scaling=how.scaling(kept, measured),
        coverage=how.coverage(measured),
        notes=list(notes),
    )
    return AppraisedUncertainty(kept, report)


def _nonconformity(target: Target, loss: LossSpec | None) -> Nonconformity | None:
    if target.task != "regression":
        return "probability"
    if isinstance(loss, QuantileLoss):
        return None
    return "pearson" if isinstance(loss, PoissonLoss) else "residual"


@dataclass(frozen=True, eq=False)
class _How:
    """How rows of one job are measured."""

    target: Target
    nonconformity: Nonconformity | None

    def kept(self, rows: CalibrationRows, temperature: float | None) -> Calibrated:
        """What a model keeps of rows."""
        scores = self._scores(rows)
        return Calibrated(
            CalibrationManifest(
                part=rows.part,
                rows=len(rows),
                kept=len(scores),
                nonconformity=self.nonconformity,
                temperature=temperature,
            ),
            scores,
        )

    def crossed(
        self, rows: CalibrationRows, temperatures: Sequence[float | None]
    ) -> Iterator[_Measured]:
        """Each group of the rows, and what the others give; ``temperatures`` by group."""
        groups = _groups(rows)
        for group, temperature in enumerate(temperatures):
            own = groups == group
            yield rows.some(own), self.kept(rows.some(~own), temperature)

    def scaling(self, kept: Calibrated, measured: Sequence[_Measured]) -> Scaling | None:
        """Log loss and calibration error, before and after."""
        if kept.calibration.temperature is None:
            return None
        truth = np.concatenate([rows.truth for rows, _ in measured])
        before = np.concatenate([rows.answers for rows, _ in measured])
        after = np.concatenate([_scaled(rows, one) for rows, one in measured])
        (loss_before, ece_before), (loss_after, ece_after) = (
            self._errors(scores, truth) for scores in (before, after)
        )
        return Scaling(
            temperature=kept.calibration.temperature,
            log_loss_before=loss_before,
            log_loss_after=loss_after,
            ece_before=ece_before,
            ece_after=ece_after,
        )

    def coverage(self, measured: Sequence[_Measured]) -> list[CoverageReport]:
        """How often the truth was covered, by level; of those that all rows can give."""
        if self.nonconformity is None:
            return []
        most = min(most_coverage(kept.calibration.kept) for _, kept in measured)
        return [self._covered(level, measured) for level in LEVELS if level <= most]

    def _covered(self, level: float, measured: Sequence[_Measured]) -> CoverageReport:
        inside, sizes = [], []
        for rows, kept in measured:
            if self.target.task == "regression":
                low, high = kept.interval(rows.answers, level).T
                inside.append((low <= rows.truth) & (rows.truth <= high))
                sizes.append(high - low)
            else:
                sets = kept.classes(self._probabilities(rows), level)
                inside.append(sets[np.arange(len(sets)), rows.truth.astype(np.int64)])
                sizes.append(sets.sum(axis=1).astype(np.float64))
        covered = np.concatenate(inside)
        low, high = binomial_interval(int(covered.sum()), len(covered))
        return CoverageReport(
            level=level,
            covered=float(covered.mean()),
            low=low,
            high=high,
            size=float(np.concatenate(sizes).mean()),
        )

    def _scores(self, rows: CalibrationRows) -> Floats:
        if self.nonconformity is None:
            return np.empty(0)
        if self.nonconformity == "probability":
            return kept_scores(class_nonconformity(self._probabilities(rows), rows.truth))
        return kept_scores(value_nonconformity(rows.answers, rows.truth, self.nonconformity))

    def _probabilities(self, rows: CalibrationRows) -> NDArray[np.float32]:
        return class_probabilities(self.target.task, rows.answers)

    def temperatures(self, rows: CalibrationRows) -> tuple[float | None, Sequence[float | None]]:
        """The fitted one, and for each group that of the others. All are 1 where on each group, by
        what the others fit, there is no lesser loss.
        """
        if self.target.task == "regression":
            return None, [None] * GROUPS
        # As in `crossed`: of those that are drawn none fits for its own group.
        drawn, groups = _drawn(rows), _groups(rows)
        rows, groups = rows.some(drawn), groups[drawn]
        after = rows.answers.astype(np.float64)
        of_others = []
        for group in range(GROUPS):
            own = groups == group
            of_others.append(_fitted(rows.some(~own)))
            after[own] /= of_others[-1]
        truth = rows.truth.astype(np.int64)
        weights = np.ones(len(rows)) if rows.weights is None else rows.weights

        def loss(scores: NDArray[Any]) -> float:
            log_p = _log_p(self.target, scores, truth)
            return float(-(weights * log_p).sum())

        if loss(after) < loss(rows.answers):
            return _fitted(rows), of_others
        return 1.0, [1.0] * GROUPS

    def _errors(self, scores: NDArray[Any], truth: NDArray[Any]) -> tuple[float, float]:
        positive = self.target.positive_number
        found = final_classification(
            scores[None], truth[None].astype(np.int64), 1 if positive is None else positive
        )
        return float(found["log_loss"][0]), float(found["ece"][0])


def _drawn(rows: CalibrationRows) -> NDArray[np.bool_]:
    """``[N]``: of very many scores those of some rows."""
    most = max(FEWEST_FITTED, MOST_FITTED // rows.answers.shape[1])
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[np.random.default_rng(0).permutation(len(rows))[:most]] = True
    return chosen


def _fitted(rows: CalibrationRows) -> float:
    return fit_temperature(rows.answers, rows.truth.astype(np.int64), rows.weights)


def _scaled(rows: CalibrationRows, kept: Calibrated) -> NDArray[np.float32]:
    return np.asarray(rows.answers / np.float32(kept.calibration.temperature or 1.0))


def _log_p(target: Target, scores: NDArray[Any], truth: NDArray[np.int64]) -> Floats:
    logits = scores.astype(np.float64)
    if target.task == "binary":
        sides = np.where(truth == 1, -logits[:, 0], logits[:, 0])
        return np.asarray(-np.logaddexp(0.0, sides))
    logits -= logits.max(axis=1, keepdims=True)
    own = logits[np.arange(len(truth)), truth]
    return np.asarray(own - np.log(np.exp(logits).sum(axis=1)))


def _groups(rows: CalibrationRows) -> NDArray[np.int64]:
    """``[N]``: rows in five groups, of each class or height alike."""
    groups = np.empty(len(rows), dtype=np.int64)
    groups[np.argsort(rows.truth, kind="stable")] = np.arange(len(rows)) % GROUPS
    return groups


def binomial_interval(hits: int, count: int) -> tuple[float, float]:
    """Between which shares that lies of which ``hits`` of ``count`` were seen, with 95 %.

    Source: Clopper & Pearson 1934, Biometrika 26(4).
    """
    low = float(betaincinv(hits, count - hits + 1, _TAIL)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - _TAIL)) if hits < count else 1.0
    return low, high
