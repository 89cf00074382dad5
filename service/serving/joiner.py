"""The joiner of one model: rows of different requests are computed together.

Decisions:

* Requests that came in one turn of the event loop are one batch. What is small is computed at
  once, on the loop, since a thread would cost more than the computing; what is not, in a thread,
  and whatever comes meanwhile is the next batch. So batches are as large as the load is, and
  nobody waits for others to come.
* How long a batch takes is known from those before it. A request that could not be computed in the
  time that its client waits is refused at once, and so the queue is bounded: in rows, by the pace
  of the model.
* What is late when its turn comes, or whose client has left, is dropped before it is computed.
* The rows of one request are taken in parts, each of which waits for its turn like another's.
* The answers of a large batch are written a few at a time, with turns of the event loop between
  them: a refusal, which takes microseconds, does not wait for the answers of a thousand rows.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.errors import BusyError
from service.serving.statistics import Statistics
from worker.models import AnswerRow, Answers, TrainedModel

INLINE_NS = 1_500_000
"""What is expected to take no longer is computed on the event loop."""
BATCH_NS = 50_000_000
"""Rows are joined up to about this time: what comes next waits for half of it on the mean."""
MOST_ROWS = 8_192
"""Rows of a batch, and of a part of a large request."""
DEPTH = 2
"""Batches that are given to threads: while one is computed the next one is ready, so that no thread
waits for an event loop that is busy.
"""
LEAST_ROWS = 64
"""Rows that are joined however long they take."""
WRITING_NS = 1_000_000
"""How long answers of a batch are written in one turn of the event loop."""
PATIENCE_SECONDS = 1.0
"""How long a client waits that does not say so."""
MARGIN = 0.7
"""What is accepted is expected within this part of the time that its client waits: a batch may take
longer than those before it, and what was accepted should not be refused after all.
"""


class Joined:
    """A batch that has been computed."""

    def __init__(self, model: TrainedModel, scores: NDArray[np.float32]) -> None:
        self._model = model
        self.scores = scores
        """[N, O]"""

    @cached_property
    def answers(self) -> Answers:
        """What the scores say."""
        return self._model.read_scores(self.scores)

    def rows(self, place: int, count: int) -> list[AnswerRow]:
        """So many answers as JSON has them. A small batch is told whole, which takes less."""
        if len(self.scores) <= LEAST_ROWS:
            return self._rows[place : place + count]
        return list(self.answers.part(slice(place, place + count)).rows())

    @cached_property
    def _rows(self) -> list[AnswerRow]:
        return list(self.answers.rows())


Deliver = Callable[[Joined, int], None]
"""Takes a batch, and the place of the first of the rows in it that it waited for."""


Rows = NDArray[np.float32] | list[Sequence[float]]
"""Encoded rows ``[N, …]``, or plain ones as they came, which are encoded together."""


@dataclass(eq=False, slots=True)
class _Item:
    """Rows that wait."""

    rows: Rows
    deliver: Deliver
    fail: Callable[[Exception | None], None]
    """Told why they were not computed; nothing where the client has left."""
    begun_ns: int
    until_ns: int
    """When its client waits no longer."""
    gone: Callable[[], object] | None


class Joiner:
    """Takes rows, gives their scores. Used from one event loop."""

    def __init__(
        self, model: TrainedModel, statistics: Statistics, threads: ThreadPoolExecutor | None = None
    ) -> None:
        self._model, self._statistics, self._threads = model, statistics, threads
        self._waiting: deque[_Item] = deque()
        self._queued_rows = 0
        self._row_ns = 0.0
        """Nanoseconds of a row in a batch, of late; 0 before the first one."""
        self._batch_ns = 20_000.0
        """Nanoseconds of a batch beside its rows, about."""
        self._running_rows = 0
        self._is_called = False
        self._in_threads = 0
        """Batches that a thread computes or will at once."""
        self._ended_ns = 0
        """When a thread's last batch ended."""
        self._in_writing = 0
        """Batches of which some are answered and others not yet."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits, is computed or has still to be written."""
        return not (self._waiting or self._in_threads or self._in_writing)

    def expected_ns(self, rows: float) -> float:
        """How long so many rows more would take now, with all that is before them."""
        return self._batch_ns + (self._running_rows + self._queued_rows + rows) * self._row_ns

    def check(self, seconds: float | None = None, rows: int = 0, *, before: float = 0.0) -> None:
        """Refuse what could not be answered in the time that its client waits.

        Where the client does not say how long, its own rows are not counted: however many they
        are, their turn comes within `PATIENCE_SECONDS`. Those before it which are not here yet, but
        on their way, are.

        Raises:
            BusyError: it could not.
        """
        limit = PATIENCE_SECONDS if seconds is None else seconds
        ahead = before + (0 if seconds is None else rows)
        if self.expected_ns(ahead) > limit * MARGIN * 1e9:
            self._statistics.refused += 1
            raise BusyError(
                f"This model has more rows to compute before yours than it can within {limit:g} s. "
                "Try again in a moment, or send fewer rows at a time."
            )

    async def join(
        self,
        features: NDArray[np.float32],
        *,
        seconds: float | None = None,
        gone: Callable[[], bool] | None = None,
    ) -> tuple[Joined, int]:
        """Have at most `MOST_ROWS` rows ``[N, …]`` computed: the batch, and the first row's place.

        Args:
            features: the rows.
            seconds: how long the caller waits at most.
            gone: whether the client has left, asked before the rows are computed.

        Raises:
            BusyError: they cannot be computed in this time.
        """
        future: asyncio.Future[tuple[Joined, int]] = asyncio.get_running_loop().create_future()

        def deliver(joined: Joined, place: int) -> None:
            if not future.done():
                future.set_result((joined, place))

        def fail(error: Exception | None) -> None:
            if error is None:
                future.cancel()
            elif not future.done():
                future.set_exception(error)

        self.add(features, deliver, fail, seconds, lambda: future.done() or (gone and gone()))
        return await future

    def add(
        self,
        rows: Rows,
        deliver: Deliver,
        fail: Callable[[Exception | None], None],
        seconds: float | None = None,
        gone: Callable[[], object] | None = None,
        begun: int | None = None,
    ) -> None:
        """As ``join``, without a task that waits: the batch is delivered, or the error that there
        was, and nothing where the client has left. It has waited since ``begun``, if given.

        Raises:
            BusyError: they cannot be computed in this time.
        """
        self.check(seconds, len(rows))
        if begun is None:
            begun = time.perf_counter_ns()
        until = begun + int((PATIENCE_SECONDS if seconds is None else seconds) * 1e9)
        self._waiting.append(_Item(rows, deliver, fail, begun, until, gone))
        self._queued_rows += len(rows)
        if not (self._is_called or self._in_threads):
            self._call(asyncio.get_running_loop())

    async def scores(
        self,
        features: NDArray[np.float32],
        *,
        seconds: float | None = None,
        gone: Callable[[], bool] | None = None,
    ) -> NDArray[np.float32]:
        """The scores ``[N, O]`` of any number of rows ``[N, …]``; as ``join`` for the rest."""
        parts = []
        begun = time.monotonic()
        self.check(seconds, len(features))
        for first in range(0, len(features), MOST_ROWS):
            part = features[first : first + MOST_ROWS]
            left = None if seconds is None else max(begun + seconds - time.monotonic(), 0.0)
            joined, place = await self.join(part, seconds=left, gone=gone)
            parts.append(joined.scores[place : place + len(part)])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the next batch begun once this turn of the loop has brought what it brings."""
        self._is_called = True
        loop.call_soon(self._begin, loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Compute what waits, as much as one batch takes."""
        self._is_called = False
        items = self._taken()
        if not items:
            return
        begun = time.perf_counter_ns()
        features = self._features(items)
        self._running_rows += len(features)
        expected = self._batch_ns + len(features) * self._row_ns
        if self._threads is not None and not (self._row_ns and expected <= INLINE_NS):
            self._in_threads += 1
            loop.run_in_executor(self._threads, self._compute, loop, items, features)
            if self._waiting and self._in_threads < DEPTH:
                self._begin(loop)
            return
        try:
            joined = Joined(self._model, self._model.forward(features))
            _ = joined.answers
        except Exception as error:
            self._fail(items, len(features), error)
        else:
            self._end(loop, items, joined, begun, time.perf_counter_ns() - begun)
        if self._waiting:
            self._call(loop)

    def _features(self, items: list[_Item]) -> NDArray[np.float32]:
        """The rows of some items, encoded: plain ones that follow each other at once."""
        parts: list[NDArray[np.float32]] = []
        plain: list[Sequence[float]] = []
        for item in items:
            if isinstance(item.rows, list):
                plain += item.rows
                continue
            if plain:
                parts.append(self._encoded(plain))
                plain = []
            parts.append(item.rows)
        if plain:
            parts.append(self._encoded(plain))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _encoded(self, rows: list[Sequence[float]]) -> NDArray[np.float32]:
        reader = self._model.plain
        if reader is None:
            raise ValueError("a model without a reader of plain rows was given some")
        return reader.encode(rows)

    def _taken(self) -> list[_Item]:
        """The items of the next batch, without those that nobody waits for any more."""
        most = MOST_ROWS if not self._row_ns else BATCH_NS / self._row_ns
        most = min(max(most, LEAST_ROWS), MOST_ROWS)
        now = time.perf_counter_ns()
        items: list[_Item] = []
        rows = 0
        while self._waiting and (not items or rows + len(self._waiting[0].rows) <= most):
            item = self._waiting.popleft()
            self._queued_rows -= len(item.rows)
            if item.gone is not None and item.gone():
                self._statistics.abandoned += 1
                item.fail(None)
            elif now > item.until_ns:
                self._statistics.refused += 1
                item.fail(BusyError("These rows were not computed in time; try again in a moment."))
            else:
                items.append(item)
                rows += len(item.rows)
        return items

    def _compute(
        self, loop: asyncio.AbstractEventLoop, items: list[_Item], features: NDArray[np.float32]
    ) -> None:
        """In a thread."""
        begun = time.perf_counter_ns()
        joined: Joined | Exception
        try:
            joined = Joined(self._model, self._model.forward(features))
            _ = joined.answers
        except Exception as error:
            joined = error
        loop.call_soon_threadsafe(self._after, loop, items, len(features), joined, begun)

    def _after(
        self,
        loop: asyncio.AbstractEventLoop,
        items: list[_Item],
        rows: int,
        joined: Joined | Exception,
        begun: int,
    ) -> None:
        """Back on the event loop: a next batch is made ready before this one's answers are written,
        so that some are computed while others are.
        """
        self._in_threads -= 1
        now = time.perf_counter_ns()
        taken, self._ended_ns = now - max(begun, self._ended_ns), now
        if self._waiting and not self._is_called:
            self._begin(loop)
        if isinstance(joined, Exception):
            self._fail(items, rows, joined)
        else:
            self._end(loop, items, joined, begun, taken)

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        items: list[_Item],
        joined: Joined,
        begun: int,
        taken: int,
    ) -> None:
        """Learn from a batch, and deliver it."""
        rows = len(joined.scores)
        self._running_rows -= rows
        self._learn(rows, taken)
        self._statistics.batch(rows, taken, [begun - item.begun_ns for item in items])
        self._in_writing += 1
        self._deliver(loop, iter(items), joined, 0)

    def _deliver(
        self, loop: asyncio.AbstractEventLoop, items: Iterator[_Item], joined: Joined, place: int
    ) -> None:
        """Give answers for some time, and the rest of them in the loop's next turns."""
        until = time.perf_counter_ns() + WRITING_NS
        for item in items:
            item.deliver(joined, place)
            place += len(item.rows)
            if time.perf_counter_ns() > until:
                loop.call_soon(self._deliver, loop, items, joined, place)
                return
        self._in_writing -= 1

    def set_pace(self, batch_ns: float, row_ns: float) -> None:
        """What a batch costs beside its rows, and what a row does, in nanoseconds."""
        self._batch_ns, self._row_ns = batch_ns, row_ns

    def _learn(self, rows: int, taken: int) -> None:
        """So many rows took so many nanoseconds. A small batch says what a batch costs beside its
        rows, a large one what a row does.
        """
        pace = max(taken - self._batch_ns, taken / 8) / rows
        if not self._row_ns:
            self._row_ns = pace
        elif rows >= LEAST_ROWS:
            self._row_ns += 0.2 * (pace - self._row_ns)
        elif rows <= 8:
            alone = min(max(taken - rows * self._row_ns, 0.0), INLINE_NS)
            self._batch_ns += 0.05 * (alone - self._batch_ns)

    def _fail(self, items: list[_Item], rows: int, error: Exception) -> None:
        self._running_rows -= rows
        for item in items:
            item.fail(error)
