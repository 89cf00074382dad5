"""Differences between configurations on the same rows: what they are, and how sure that is.

A difference d is the mean over R pairs of networks (of one repeat and fold) of what a metric is
with the one configuration less what it is with the other. Two things make it uncertain:

* **The rows.** Each resample of the rows gives a difference; their variance is V_rows. Both
  configurations are measured on the same resample, so that what is hard for both cancels out.
* **The seeds.** Another seed would have trained other networks. Of R ≥ 2 pairs, a two-way layout of
  rows and repeats, the part of the seeds is τ² = max(0, s² − u²)/R: s² is the variance of the
  pairs' differences, u² that which the rows alone would make between them. Of few pairs that may
  be 0 by chance, and of one there is none: so τ² is at least what is known of it from elsewhere,
  from the folds' networks or from how far the metric went from epoch to epoch at the end of
  training.

The interval reaches to each side as far as the percentile of the resampled differences, a, and the
seeds together: t_ν/z · √(a² n/(n − 1) + z²τ²), z = 1.96. V_rows of few rows n and τ² of few repeats
are little known, and ν are Satterthwaite's degrees of freedom; of the rows alone they are n − 1.

Where the rows are those by which the winner was chosen among C configurations, the differences that
chance makes largest are looked at. Then all intervals hold together with 95 %: they are as wide as
the largest of all resampled differences, each in its own standard deviations, asks for.

Sources: Efron & Tibshirani 1993, §16; Owen 2007, Annals of Applied Statistics 1(2) (rows and
repeats); Satterthwaite 1946, Biometrics Bulletin 2(6); Westfall & Young 1993, Romano & Wolf 2005,
Econometrica 73(4) (the largest of several).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from worker.appraisal.resampling import HIGH, LOW, Sampled, ends

Floats = NDArray[np.float64]
Places = Sequence[tuple[int, int | None]]
Z = float(ndtri(HIGH))
_LEAST = 1e-12
"""A deviation that is rounding and no more."""


@dataclass(frozen=True)
class SeedPart:
    """The part of the seeds in one pair's difference, as known from elsewhere."""

    variance: float = 0.0
    """τ², of one pair where it is known from elsewhere."""
    degrees: float = math.inf
    """Of freedom, from which it was estimated."""
    least: float = 1.0
    """Those of the differences that it was estimated from. It is one of them less another, so that
    its own may be near 0; those of its sum with other parts are at least these (Satterthwaite)."""


UNKNOWN = SeedPart()
"""Nothing is known of it: the interval is about rows alone."""


@dataclass(frozen=True, eq=False)
class Paired:
    """One configuration less another in one metric, network by network."""

    each: Floats
    """``[R]``: on all rows."""
    resampled: Floats
    """``[B]``: the mean over the networks, on each resample of the rows."""
    seeds: SeedPart
    """The part of the seeds in the mean."""
    rows: int
    """n: rows, or units of them that were drawn together."""

    @property
    def value(self) -> float:
        """d."""
        return float(self.each.mean())

    @property
    def row_variance(self) -> float:
        """V_rows."""
        known = self.resampled[np.isfinite(self.resampled)]
        return float(known.var()) if len(known) else 0.0

    @property
    def quantile(self) -> float:
        """t_ν: how many standard deviations the interval reaches to each side."""
        rows, seeds = self.row_variance, self.seeds.variance
        known = rows**2 / max(1, self.rows - 1) + seeds**2 / self.seeds.degrees
        if not known:
            return Z
        return float(stdtrit(max((rows + seeds) ** 2 / known, self.seeds.least), HIGH))

    def interval(self, together: float = 1.0) -> tuple[float, float] | None:
        """95 %, ``together`` times as wide; none of a single row, and where the resamples give no
        numbers.
        """
        found = ends(self.resampled)
        if found is None or self.rows < 2 or not math.isfinite(self.value):
            return None
        low, high = found
        value, by_seeds = self.value, Z * math.sqrt(self.seeds.variance)
        wide, few = together * self.quantile / Z, math.sqrt(self.rows / (self.rows - 1))
        below = wide * math.hypot(few * max(0.0, value - low), by_seeds)
        above = wide * math.hypot(few * max(0.0, high - value), by_seeds)
        return value - below, value + above


def paired(
    one: Sampled,
    other: Sampled,
    pairs: Sequence[tuple[int, int]],
    rows: int,
    seeds: SeedPart = UNKNOWN,
) -> Paired:
    """One configuration less the other.

    Args:
        one: a metric of the one,
        other: and of the other, on the same resamples.
        pairs: which networks are compared with which, ``[R]``: those of the same repeat and fold.
        rows: n, of what was drawn.
        seeds: what is known of a single pair's seeds.
    """
    left, right = (list(places) for places in zip(*pairs, strict=True))
    each = one.whole[left] - other.whole[right]
    resampled = one.resampled[:, left] - other.resampled[:, right]  # [B, R]
    middle = resampled.mean(1)
    least = replace(seeds, variance=seeds.variance / len(pairs))
    found = _seeds(each, resampled - middle[:, None]) if len(pairs) > 1 else UNKNOWN
    return Paired(each, middle, found if found.variance > least.variance else least, rows)


def _seeds(each: Floats, apart: Floats) -> SeedPart:
    """τ² of R pairs, from what they are on all rows and how far the resamples take them apart."""
    count = len(each)
    between = float(each.var(ddof=1))
    defined = np.isfinite(apart).all(1)
    if not defined.any() or not math.isfinite(between):
        return UNKNOWN
    by_rows = float(apart[defined].var(0).mean()) * count / (count - 1)
    variance = max(0.0, between - by_rows) / count
    if not variance:
        return UNKNOWN
    # Of the estimate between − by_rows, whose first part is the little known one.
    degrees = (count - 1) * (variance * count / between) ** 2
    return SeedPart(variance, degrees, count - 1)


def fold_seeds(one: Floats, other: Floats, fold: NDArray[np.int64]) -> SeedPart:
    """τ² from a cross-validation without repeats: each fold has networks of its own.

    Args:
        one: ``[N]``, the losses of rows by the one configuration,
        other: and by the other.
        fold: ``[N]``, the fold of each row.
    """
    each = one - other
    parts = [each[fold == number] for number in np.unique(fold)]
    if len(parts) < 2 or min(map(len, parts)) < 2:
        return UNKNOWN
    between = float(np.var([part.mean() for part in parts], ddof=1))
    within = float(np.mean([part.var(ddof=1) / len(part) for part in parts]))
    variance = max(0.0, between - within) / len(parts)
    if not variance:
        return UNKNOWN
    degrees = (len(parts) - 1) * (variance * len(parts) / between) ** 2
    return SeedPart(variance, degrees, len(parts) - 1)


def common(one: Places, other: Places) -> list[tuple[int, int]]:
    """The numbers of the networks of both that have one repeat and fold."""
    second = {place: number for number, place in enumerate(other)}
    return [(number, second[place]) for number, place in enumerate(one) if place in second]


def together(
    whole: Floats, resampled: Floats, *, looked_at: int = 1, chosen_from: int = 1
) -> float:
    """How many times as wide intervals are that hold together for all of D differences.

    The 95 % quantile of the largest |d_b − d|/sd over the differences, by that of a single one. If
    they are some of more differences that were chosen from, the number of independent ones that
    this largest amounts to grows in proportion (Šidák 1967).

    Args:
        whole: ``[D]``, the differences on all rows,
        resampled: ``[B, D]``, and on each resample.
        looked_at: configurations that these are of,
        chosen_from: out of so many.
    """
    defined = np.isfinite(resampled).all(0)
    apart = np.abs(resampled[:, defined] - whole[defined])
    deviations = resampled[:, defined].std(0)
    varies = deviations > _LEAST * (1.0 + np.abs(whole[defined]))
    if varies.sum() < 2:
        return 1.0
    largest = (apart[:, varies] / deviations[varies]).max(1)
    limit = max(Z, float(np.quantile(largest, HIGH - LOW)))
    if chosen_from > looked_at:
        beyond = 2 * float(ndtr(-limit))
        independent = math.log(HIGH - LOW) / math.log1p(-beyond)
        share = -math.expm1(math.log(HIGH - LOW) / (independent * chosen_from / looked_at))
        limit = float(-ndtri(share / 2))
    return limit / Z


def corrected(
    chooses: Sequence[Sampled], measured: Sequence[Sampled], *, maximize: bool
) -> tuple[float, float, float] | None:
    """What the best of C configurations comes to on rows that did not choose it: value and 95 %.

    On each resample the best is chosen, and measured on the rows that the resample left out; the
    mean over resamples is what a winner comes to, and the quantiles are its interval.

    Args:
        chooses: of each configuration the metric that chooses,
        measured: and that which is asked for.
        maximize: whether more of the first is better.

    Source: Tsamardinos, Greasidou & Borboudakis 2018, Machine Learning 107 (BBC-CV).
    """
    by = np.stack([one.resampled.mean(1) for one in chooses], axis=1)  # [B, C]
    worst = -np.inf if maximize else np.inf
    by = np.where(np.isnan(by), worst, by)
    best = by.argmax(1) if maximize else by.argmin(1)
    unseen = np.stack([one.unseen for one in measured], axis=1)
    values = np.take_along_axis(unseen, best[:, None], axis=1)[:, 0]
    found = ends(values)
    if found is None:
        return None
    return float(values[np.isfinite(values)].mean()), *found
