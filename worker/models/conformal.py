"""What a model keeps of rows that did not train it: a temperature, and how far its answers lay off.

Split-conformal prediction. Of n such rows the nonconformity r of each is kept, sorted:

============================  ======================================  ============================
answer                        nonconformity of a row                  what coverage 1 − α gives
============================  ======================================  ============================
a class                       1 − p(true class)                       all classes with 1 − p ≤ q
a value                       abs(y − ŷ)                              ŷ − q to ŷ + q
a mean of counts (Poisson)    abs(y − μ)/√μ                           μ − q·√μ, at least 0, to
                                                                      μ + q·√μ
============================  ======================================  ============================

q is the ⌈(n + 1)(1 − α)⌉-th smallest r. If the row that is asked about and the n rows are
exchangeable, its truth lies in the interval or set with probability 1 − α at least, on the mean
over rows and over the n rows that happened to be drawn; not for each kind of row by itself. The
class that the network holds most probable is in every set, which makes none smaller than that.

Source: Papadopoulos, Proedrou, Vovk & Gammerman 2002; Lei et al. 2018, arXiv:1604.04173 (values,
also scaled by an estimate of the spread); Sadinle, Lei & Wasserman 2019, arXiv:1609.00451 (classes)
"""

from dataclasses import dataclass, replace
from math import ceil, isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from worker.errors import ModelError
from worker.models.answers import Answers
from worker.results import Part

MOST_KEPT = 4_096
"""Nonconformities that a model keeps; of more rows as many are drawn, which changes no promise."""
SMALLEST_MEAN = 1e-6
"""Of a count: means below it spread as it does."""
_ROUNDING = 1e-9
"""What (n + 1)(1 − α) may be above a whole number by rounding alone."""

Nonconformity = Literal["probability", "residual", "pearson"]
"""1 − p of the true class; abs(y − ŷ); abs(y − μ)/√μ."""
Floats = NDArray[np.float64]


class CalibrationManifest(BaseModel):
    """What a model file's manifest says of them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    part: Part
    """Which rows they were."""
    rows: int
    """How many there were."""
    kept: int
    """How many nonconformities are kept of them; none where an interval would make no sense."""
    nonconformity: Nonconformity | None
    """How far off an answer lies; none where an interval would make no sense."""
    temperature: float | None
    """What logits are divided by where calibrated probabilities are asked for; none of values."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The same with the nonconformities themselves."""

    calibration: CalibrationManifest
    scores: Floats
    """``[kept]``, ascending."""

    def __post_init__(self) -> None:
        """Refuse what cannot be right.

        Raises:
            ModelError: the file is damaged.
        """
        scores, temperature = self.scores, self.calibration.temperature
        in_order = (
            scores.shape == (self.calibration.kept,)
            and bool(np.isfinite(scores).all())
            and bool((np.diff(scores) >= 0).all())
            and bool((scores >= 0).all())
        )
        positive = temperature is None or (isfinite(temperature) and temperature > 0)
        if not (in_order and positive):
            raise ModelError("What the model file keeps of its validation rows is damaged.")

    def margin(self, coverage: float) -> float:
        """q: how far off the truth lies at most, in so many of all rows."""
        return conformal_quantile(self.scores, coverage)

    def covered(self, answers: Answers, coverage: float) -> Answers:
        """The answers with their intervals or sets."""
        if answers.values is not None:
            return replace(answers, interval=self.interval(answers.values, coverage))
        if answers.probabilities is not None:
            return replace(answers, sets=self.classes(answers.probabilities, coverage))
        return answers

    def interval(self, values: Floats, coverage: float) -> Floats:
        """Values ``[N]`` → lower and upper ends ``[N, 2]``."""
        margin = self.margin(coverage)
        if self.calibration.nonconformity == "pearson":
            reach = margin * np.sqrt(np.maximum(values, SMALLEST_MEAN))
            return np.stack([np.maximum(values - reach, 0.0), values + reach], axis=1)
        return np.stack([values - margin, values + margin], axis=1)

    def classes(self, probabilities: NDArray[np.float32], coverage: float) -> NDArray[np.bool_]:
        """Probabilities ``[N, C]`` → which classes are in the set of each row, ``[N, C]``."""
        sets = 1.0 - probabilities.astype(np.float64) <= self.margin(coverage)
        sets[np.arange(len(sets)), probabilities.argmax(1)] = True
        return sets


def kept_scores(nonconformities: Floats) -> Floats:
    """Those that a model keeps, ascending: all, or as many as it may, drawn among them."""
    if len(nonconformities) > MOST_KEPT:
        drawn = np.random.default_rng(0).permutation(len(nonconformities))[:MOST_KEPT]
        nonconformities = nonconformities[drawn]
    return np.sort(nonconformities)


def conformal_quantile(scores: Floats, coverage: float) -> float:
    """The ⌈(n + 1)·coverage⌉-th smallest of n nonconformities, ascending; infinity where they are
    too few.
    """
    rank = max(1, ceil((len(scores) + 1) * coverage - _ROUNDING))
    return float(scores[rank - 1]) if rank <= len(scores) else float("inf")


def most_coverage(kept: int) -> float:
    """The highest level that so many rows can give."""
    return kept / (kept + 1)


def class_nonconformity(probabilities: NDArray[np.float32], truth: NDArray[np.integer]) -> Floats:
    """Probabilities ``[N, C]`` and class numbers ``[N]`` → 1 − p of the true class, ``[N]``."""
    own = np.take_along_axis(probabilities, truth[:, None].astype(np.int64), axis=1)[:, 0]
    return np.asarray(1.0 - own.astype(np.float64))


def value_nonconformity(values: Floats, truth: Floats, kind: Nonconformity) -> Floats:
    """Values and truth ``[N]``, in the target's own unit → how far off they are, ``[N]``."""
    residuals = np.abs(truth - values)
    if kind == "pearson":
        residuals = residuals / np.sqrt(np.maximum(values, SMALLEST_MEAN))
    return np.asarray(residuals)
