"""Statistics of one model in this process: how often, how large, how long, how strange."""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from worker.results import PredictionWarning

STAGES = ("read", "queue", "compute", "write", "total")
"""What the time of a request goes into: reading it and encoding its rows, waiting to be computed,
being computed with others, writing the answer; and all of it."""
_BUCKETS = 40
"""Of a histogram: bucket b holds what took from 2^(b−1) to 2^b nanoseconds."""
_FOLDED = 1_000
"""Requests after which what was added is counted."""
WINDOW_SECONDS = 60
"""Over which the present pace is measured."""


class Timing:
    """How long something took, as often as it was done."""

    def __init__(self) -> None:
        self._count = self._ns = 0
        self._buckets: NDArray[np.int64] = np.zeros(_BUCKETS, dtype=np.int64)
        self._pending: list[int] = []
        self.add = self._pending.append
        """Once more, in nanoseconds: kept as it is, since this is called for every request."""
        self.extend = self._pending.extend

    def fold(self) -> Self:
        """Count what was added."""
        if self._pending:
            taken = np.array(self._pending, dtype=np.int64)
            self._pending.clear()
            self._count += len(taken)
            self._ns += int(taken.sum())
            places = np.frexp(taken.astype(np.float64))[1].clip(0, _BUCKETS - 1)
            self._buckets += np.bincount(places, minlength=_BUCKETS)
        return self

    @property
    def count(self) -> int:
        """How often."""
        return self.fold()._count

    @property
    def ns(self) -> int:
        """Nanoseconds in all."""
        return self.fold()._ns

    @property
    def mean(self) -> float | None:
        """Seconds; none of nothing."""
        return self.ns / self.count * 1e-9 if self.count else None

    def quantile(self, share: float) -> float | None:
        """Seconds that this share of them stayed below: the middle of a bucket, so within a third;
        none of nothing.
        """
        if not self.count:
            return None
        bucket = int(np.searchsorted(np.cumsum(self._buckets), share * self._count))
        return float(0.75 * 2.0**bucket * 1e-9)


@dataclass
class Statistics:
    """What was counted since the model was loaded."""

    since: float = field(default_factory=time.time)
    requests: int = 0
    """Answered."""
    rows: int = 0
    """Answered."""
    failures: int = 0
    """Requests that could not be answered: their content, or a fault."""
    failed_ns: int = 0
    refused: int = 0
    """Requests that could not have been answered in time."""
    abandoned: int = 0
    """Requests whose client left before their rows were computed."""
    stages: dict[str, Timing] = field(default_factory=lambda: {stage: Timing() for stage in STAGES})
    batches: dict[int, Timing] = field(default_factory=dict)
    """By the number of rows: of each up to 16, then up to the next power of two."""
    warned: dict[tuple[str, str], int] = field(default_factory=dict)
    """(column, code) → rows in which it was met."""
    looked_at: int = 0
    """Rows that were looked at for what is worth a warning."""
    last: float = 0.0
    """When the last request was answered, seconds since 1970."""
    _paces: deque[list[int]] = field(default_factory=lambda: deque(maxlen=WINDOW_SECONDS))
    """[second, requests, rows] of the last seconds in which there were any."""

    def batch(self, rows: int, ns: int, waited: Sequence[int]) -> None:
        """A batch was computed, after each of its requests had waited."""
        size = rows if rows <= 16 else 1 << (rows - 1).bit_length()
        timing = self.batches.get(size)
        if timing is None:
            timing = self.batches[size] = Timing()
        timing.add(ns)
        self.stages["queue"].extend(waited)
        self.stages["compute"].extend([ns] * len(waited))

    def answered(self, rows: int, read_ns: int, write_ns: int, total_ns: int) -> None:
        """A request was answered."""
        self.requests += 1
        self.rows += rows
        stages = self.stages
        stages["read"].add(read_ns)
        stages["write"].add(write_ns)
        stages["total"].add(total_ns)
        if not self.requests % _FOLDED:
            for timing in (*stages.values(), *self.batches.values()):
                timing.fold()
        self.last = now = time.time()
        second = int(now)
        paces = self._paces
        if paces and paces[-1][0] == second:
            pace = paces[-1]
            pace[1] += 1
            pace[2] += rows
        else:
            paces.append([second, 1, rows])

    def failed(self, ns: int) -> None:
        """A request could not be answered."""
        self.failures += 1
        self.failed_ns += ns

    def warn(self, rows: int, warnings: Iterable[PredictionWarning]) -> None:
        """Rows were looked at, and this was found."""
        self.looked_at += rows
        for warning in warnings:
            key = (warning.column, warning.code)
            self.warned[key] = self.warned.get(key, 0) + warning.count

    def pace(self) -> tuple[float, float]:
        """Requests and rows a second, over the last minute or since the model was loaded."""
        now = time.time()
        recent = [pace for pace in self._paces if pace[0] > now - WINDOW_SECONDS]
        seconds = max(1.0, min(WINDOW_SECONDS, now - self.since))
        return sum(p[1] for p in recent) / seconds, sum(p[2] for p in recent) / seconds
