"""What the watchers of one job share: the last frames that were sent, and where each of them is."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import BaseModel

from service.live.curves import joined
from service.live.news import MOST_LOGGED, News, Seen
from service.schemas.jobs import EventView
from service.schemas.live import LiveMetrics

MOST_FRAMES = 512
"""Frames that are kept for watchers that are behind. Who is further behind is cut, and begins again
with the last event that it has seen."""


class LoggedLine(NamedTuple):
    """A line of the log, ready to be sent."""

    id: int
    frame: bytes


def frame(event: str, body: BaseModel, number: int | None = None) -> bytes:
    """One event as text/event-stream has it; with its id, if it is to be resumed from."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: ".encode() + body.model_dump_json().encode() + b"\n\n"


def logged_line(line: EventView) -> LoggedLine:
    """A line of the log as an event."""
    return LoggedLine(line.id, frame("log", line, line.id))


class Feed:
    """One watched job, as its tenant sees it. On the event loop only, but for what reads the news.

    Nobody has a queue: the frames lie here once, and a watcher is a number, that of the next frame
    it has to send. A thousand watchers of a job take no more than a thousand numbers.
    """

    def __init__(self, job_id: str, tenant: str) -> None:
        self.job_id, self.tenant = job_id, tenant
        self.seen = Seen()
        self.watchers = 0
        self.ended = False
        """Nothing follows."""
        self.ready = False
        """Whether the job has been read once."""
        self.reading = asyncio.Lock()
        self.checked = 0.0
        """When it was read, by the clock of the event loop."""
        self._frames: deque[bytes] = deque()
        self._first = 0
        self._changed = asyncio.Event()
        self._log: deque[LoggedLine] = deque(maxlen=MOST_LOGGED)
        self._log_from = 0
        """Lines with a larger id are all in memory."""
        self._state: dict[str, bytes] = {}
        """The last frame of each kind that tells how things are."""
        self._curves: dict[int, LiveMetrics] = {}

    @property
    def position(self) -> int:
        """The number of the next frame that is added."""
        return self._first + len(self._frames)

    @property
    def last_line(self) -> int:
        """The id of the last line of the log that was added; 0 before the first."""
        return self._log[-1].id if self._log else 0

    def add(self, news: News, seen: Seen, now: float) -> None:
        """Tell all watchers what was read at a time, and keep how far that is."""
        self.seen, self.checked = seen, now
        frames: list[bytes] = []
        for line in map(logged_line, news.logged):
            if len(self._log) == MOST_LOGGED:
                self._log_from = self._log[0].id
            self._log.append(line)
            frames.append(line.frame)
        for metrics in news.metrics:
            self._curves[metrics.fleet] = joined(self._curves.get(metrics.fleet), metrics)
            frames.append(frame("metrics", metrics))
        for name, body in (("advice", news.advice), ("job", news.job), ("end", news.end)):
            if body is None:
                continue
            text = frame(name, body)
            if text != self._state.get(name):
                self._state[name] = text
                frames.append(text)
        self.ended = self.ended or news.gone or news.end is not None
        self.ready = True
        self._put(frames)

    def _put(self, frames: Iterable[bytes]) -> None:
        self._frames.extend(frames)
        while len(self._frames) > MOST_FRAMES:
            self._frames.popleft()
            self._first += 1
        self.wake()

    def wake(self) -> None:
        """Have all watchers look."""
        self._changed.set()
        self._changed = asyncio.Event()

    def since(self, position: int) -> bytes | None:
        """The frames from a number on; none for whoever is too far behind."""
        if position < self._first:
            return None
        if position == self.position:
            return b""
        return b"".join(list(self._frames)[position - self._first :])

    def missing(self, after: int) -> bool:
        """Whether lines of the log after this one are no longer in memory."""
        return after < self._log_from

    def greeting(self, after: int) -> bytes:
        """For a new watcher: the lines of the log after one, and how things are."""
        lines = [line.frame for line in self._log if line.id > after]
        curves = [frame("metrics", self._curves[fleet]) for fleet in sorted(self._curves)]
        states = [self._state[name] for name in ("advice", "job", "end") if name in self._state]
        return b"".join((*lines, *curves, *states))

    async def change(self, seconds: float) -> bool:
        """Wait for what is new; whether something is, within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True
