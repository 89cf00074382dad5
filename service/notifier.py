"""Wakes waiting requests when the event log grows."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select

from service.threads import in_pool
from worker.errors import UnavailableError
from worker.logs import Outage
from worker.storage.database import Database
from worker.storage.tables import Event

log = logging.getLogger(__name__)

POLL_SECONDS = 0.025
LONGEST_WAIT_SECONDS = 1.0


class ChangeNotifier:
    """One query for all requests that wait, and none while nobody does.

    Waiting holds no thread: a request awaits an event, and one task asks the database whether
    anything was logged. Rows of PostgreSQL may become visible out of order, so a waiter looks
    for itself at least once a second.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._outage = Outage(log, "reading the event log")
        self._subscribers = 0
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()

    @contextmanager
    def subscribed(self) -> Iterator[None]:
        """Poll the log for as long as this context is open."""
        self._subscribers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._subscribers -= 1
            if not self._subscribers:
                self._wanted.clear()

    def next_change(self) -> asyncio.Event:
        """Set when the log grows. Take it before reading, so that no change falls between."""
        return self._changed

    async def wait(self, change: asyncio.Event, seconds: float) -> None:
        """Wait for a change, at most ``seconds`` and never longer than a second."""
        try:
            async with asyncio.timeout(min(seconds, LONGEST_WAIT_SECONDS)):
                await change.wait()
        except TimeoutError:
            return

    def wake(self) -> None:
        """Have all that wait look now. On the event loop."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Poll the log until cancelled."""
        seen: int | None = None
        while True:
            await self._wanted.wait()
            pause = POLL_SECONDS
            try:
                latest = await in_pool("health", self._latest)
                self._outage.worked()
            except UnavailableError as error:
                self._outage.failed(error.message)
                latest, pause = seen, LONGEST_WAIT_SECONDS
            if latest != seen:
                seen = latest
                self.wake()
            await asyncio.sleep(pause)

    def _latest(self) -> int | None:
        with self._database.read() as session:
            return session.scalar(select(func.max(Event.id)))
