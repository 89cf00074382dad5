"""Metrics of some networks on rows, and on resamples of these rows: the bootstrap, as products.

A resample of N rows draws N of them with replacement: a vector of counts. A metric that is a mean
over rows is then a product of the matrix of counts ``[B, N]`` with what rows came to ``[N, R]``;
all metrics here are made of such means, but for the AUC, which is one over pairs of rows. The same
resamples serve all configurations, so that their differences are paired.

What is drawn are units: rows, or what stays together, such as all rows of one patient. The spread
of resamples of few units is too small twice over: by √((n − 1)/n), and as 1.96 is to Student's
quantile. Intervals are widened by both (``wider``); of a single unit there is none.

Sources: Efron 1979, Annals of Statistics 7(1); Davison & Hinkley 1997, §3.8 (clusters); Hesterberg
2015, The American Statistician 69(4) (few rows).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit
from threadpoolctl import ThreadpoolController

from worker.appraisal.rows import RowScores
from worker.metrics import margins

Floats = NDArray[np.float64]

RESAMPLES, FEWEST = 1_000, 200
"""How many resamples there are, and of very many rows, whose intervals are narrow."""
MOST_DRAWS = 10_000_000
"""Rows that are drawn for all resamples, beyond which there are fewer of them."""
CELLS = 2**21
"""Counts that are held as floating-point numbers at a time."""
MOST_CLASSES = 200
"""Classes beyond which there is no balanced accuracy: each class is a product of its own."""
LOW, HIGH = 0.025, 0.975
"""The quantiles between which an interval lies."""


def wider(units: int) -> float:
    """How many times as far from the value as the resamples' percentiles an interval reaches.

    >>> [round(wider(n), 2) for n in (2, 3, 10, 100)]
    [9.17, 2.69, 1.22, 1.02]
    """
    if units < 2:
        return float("inf")
    return float(np.sqrt(units / (units - 1)) * stdtrit(units - 1, HIGH) / ndtri(HIGH))


@dataclass(frozen=True, eq=False)
class Sampled:
    """A metric of R networks: on all rows ``[R]``, on each of B resamples ``[B, R]``, and on the
    rows that each resample left out ``[B]``, their mean. NaN where it is not defined.
    """

    whole: Floats
    resampled: Floats
    unseen: Floats

    @property
    def value(self) -> float:
        """On all rows, the mean over the networks."""
        return float(self.whole.mean())

    def interval(self, units: int) -> tuple[float, float] | None:
        """The 95 % interval of that mean over other rows of the same kind, of so many units."""
        found = ends(self.resampled.mean(1))
        if found is None or units < 2:
            return None
        low, high = found
        value, times = self.value, wider(units)
        return value - times * max(0.0, value - low), value + times * max(0.0, high - value)


def ends(values: Floats) -> tuple[float, float] | None:
    """The quantiles between which 95 % of the values lie that are finite; none without any."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.quantile(known, (LOW, HIGH))
    return float(low), float(high)


class Resamples:
    """B resamples of N rows, drawn from a seed.

    Where folds are repeated a row of the table is several of the N, and a group has several rows:
    these are drawn together, for they say little more than one of them.
    """

    def __init__(
        self, rows: int, seed: int = 0, *, numbers: NDArray[np.int64] | None = None
    ) -> None:
        """Draw from N rows, or from the units that their ``numbers`` ``[N]`` are of."""
        self._places: NDArray[np.int64] | None = None
        if numbers is not None:
            different, self._places = np.unique(numbers, return_inverse=True)
            rows = len(different)
        count = min(RESAMPLES, max(FEWEST, MOST_DRAWS // max(1, rows)))
        rng = np.random.default_rng(seed)
        self._counts = np.empty((count, rows), dtype=np.uint8)
        self._size = max(1, CELLS // max(1, rows))
        for some in self._blocks():
            height = some.stop - some.start
            drawn = rng.integers(rows, size=(height, rows)) + rows * np.arange(height)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=height * rows)
            self._counts[some] = np.minimum(counts, 255).reshape(height, rows)

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def units(self) -> int:
        """What is drawn from: rows, unless some are drawn together."""
        return self._counts.shape[1]

    @property
    def rows(self) -> int:
        """N."""
        return self._counts.shape[1] if self._places is None else len(self._places)

    def _blocks(self) -> Iterator[slice]:
        for first in range(0, len(self), self._size):
            yield slice(first, min(first + self._size, len(self)))

    def blocks(self) -> Iterator[tuple[slice, Floats, Floats]]:
        """Which resamples, how often each has each row, and which rows it left out (1) or not (0);
        ``[b, N]`` each.
        """
        for some in self._blocks():
            counts = self._counts[some]
            if self._places is not None:
                counts = counts[:, self._places]
            yield some, counts.astype(np.float64), (counts == 0) * 1.0


class RowMetrics:
    """What each row came to with R networks, from which metrics on any of the rows follow."""

    def __init__(self, scores: RowScores, *, auc: bool = False, further: str = "") -> None:
        """Begin.

        Args:
            scores: of the rows.
            auc: whether it is to be measured too, by a product with all pairs of rows.
            further: one more metric, `f1` or `mae`, if it is known here.
        """
        self.losses = scores.losses()  # [R, N]
        self._weights = scores.held.weights
        self._further = further
        self._errors: Floats | None = None
        self._truth = np.asarray(scores.held.truth)
        self._right: Floats | None = None
        self._classes: list[NDArray[np.int64]] = []
        self._positive: NDArray[np.bool_] | None = None
        self._above: list[NDArray[np.float32]] = []
        if scores.task == "regression":
            self._errors = scores.errors()
            self._truth = self._truth - self._truth.mean()
            return
        self._right = scores.right().astype(np.float64)
        count = len(scores.held.target.classes)
        if count <= MOST_CLASSES:
            by_class = (np.flatnonzero(self._truth == number) for number in range(count))
            self._classes = [rows for rows in by_class if len(rows)]
        if count == 2:
            number = scores.held.target.positive_number
            positive = 1 if number is None else number
            self._positive = self._truth == positive
            if auc:
                logits = margins(scores.scores, positive)
                self._above = [above(one, self._positive) for one in logits]

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that are measured, the loss first."""
        return tuple(self.measure(np.ones((1, self.losses.shape[1]))))

    def measure(self, weights: Floats) -> dict[str, Floats]:
        """Each metric ``[B, R]`` on rows that count as often as the weights ``[B, N]`` say."""
        with np.errstate(invalid="ignore", divide="ignore"):
            # Answers are right or wrong by the row; losses and errors count what the rows count.
            counting = weights if self._weights is None else weights * self._weights
            total = counting.sum(1)[:, None]
            found = {"loss": counting @ self.losses.T / total}
            if self._errors is not None:
                return found | self._of_values(self._errors, counting, total)
            if self._right is not None:
                found |= self._of_answers(self._right, weights, weights.sum(1)[:, None])
        return found

    def _of_answers(self, right: Floats, weights: Floats, total: Floats) -> dict[str, Floats]:
        found = {"accuracy": weights @ right.T / total}
        if self._classes:
            recalls, occurring = np.zeros_like(found["accuracy"]), np.zeros_like(total)
            for rows in self._classes:
                some = weights[:, rows]
                count = some.sum(1)[:, None]
                recalls += np.where(count > 0, some @ right[:, rows].T / count, 0.0)
                occurring += count > 0
            found["balanced_accuracy"] = recalls / occurring
        if self._above:
            found["auc"] = self._areas(weights)
        if self._further == "f1" and self._positive is not None:
            positives = weights[:, self._positive]
            hits = positives @ right[:, self._positive].T
            missed = positives.sum(1)[:, None] - hits
            negatives = weights[:, ~self._positive]
            alarms = negatives.sum(1)[:, None] - negatives @ right[:, ~self._positive].T
            found["f1"] = 2 * hits / (2 * hits + alarms + missed)
        return found

    def _of_values(self, errors: Floats, weights: Floats, total: Floats) -> dict[str, Floats]:
        squares = weights @ errors.T / total
        mean = weights @ self._truth[:, None] / total
        variance = weights @ np.square(self._truth)[:, None] / total - np.square(mean)
        apart = np.where(variance > 0, variance, np.nan)
        found = {"rmse": np.sqrt(squares), "r2": 1 - squares / apart}
        if self._further == "mae":
            found["mae"] = weights @ np.sqrt(errors).T / total
        return found

    def _areas(self, weights: Floats) -> Floats:
        """P(s₊ > s₋) + P(s₊ = s₋)/2, rows counting as the weights say."""
        areas = np.empty((len(weights), len(self._above)))
        if self._positive is None:
            return areas
        positives, negatives = weights[:, self._positive], weights[:, ~self._positive]
        pairs = positives.sum(1) * negatives.sum(1)
        few = positives.astype(np.float32)  # counts
        for number, above in enumerate(self._above):
            areas[:, number] = ((few @ above) * negatives).sum(1) / np.where(pairs, pairs, np.nan)
        return areas


def above(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """``[n₊, n₋]``: 1 where the positive row scores higher than the negative one, ½ where alike."""
    ours, others = scores[positive][:, None], scores[~positive]
    return np.asarray((ours > others) + np.float32(0.5) * (ours == others))


@cache
def _libraries() -> ThreadpoolController:
    """Those that compute products."""
    return ThreadpoolController()


def resampled_metrics(
    metrics: RowMetrics, resamples: Resamples, *, unseen: bool = True
) -> dict[str, Sampled]:
    """Each metric on all rows, on each resample, and on what it left out, unless nobody asks."""
    # The products are small: further threads would wait for each other longer than they compute.
    with _libraries().limit(limits=1, user_api="blas"):
        whole = metrics.measure(np.ones((1, resamples.rows)))
        shape = (len(resamples), len(metrics.losses))
        found = {
            name: Sampled(values[0], np.empty(shape), np.full(shape[0], np.nan))
            for name, values in whole.items()
        }
        for some, counts, left_out in resamples.blocks():
            for name, values in metrics.measure(counts).items():
                found[name].resampled[some] = values
            if unseen:
                for name, values in metrics.measure(left_out).items():
                    found[name].unseen[some] = values.mean(1)
    return found
