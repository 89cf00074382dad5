"""The pulse: wakes waiting requests when the event log grows."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from worker.errors import UnavailableError
from worker.storage.database import Database
from worker.storage.tables import Event

log = logging.getLogger(__name__)

BEAT_SECONDS = 0.025
REST_SECONDS = 1.0


class Pulse:
    """One query for all requests that wait, and none while nobody does.

    Waiting holds no thread: a request awaits an event, and one task asks the database whether
    anything was logged. Rows of PostgreSQL may become visible out of order, so a waiter looks
    for itself at least once a second.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners = 0
        self._wanted = asyncio.Event()
        self._beat = asyncio.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep the pulse going."""
        self._listeners += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._wanted.clear()

    def next(self) -> asyncio.Event:
        """The next beat. Take it before reading, so that no change falls between."""
        return self._beat

    async def wait(self, beat: asyncio.Event, seconds: float) -> None:
        """Wait for a beat, or for so long, a second at most."""
        try:
            async with asyncio.timeout(min(seconds, REST_SECONDS)):
                await beat.wait()
        except TimeoutError:
            return

    async def run(self) -> None:
        """Watch the log until cancelled."""
        seen: int | None = None
        while True:
            await self._wanted.wait()
            pause = BEAT_SECONDS
            try:
                latest = await run_in_threadpool(self._latest)
            except UnavailableError as error:
                log.warning("the event log cannot be read: %s", error.message)
                latest, pause = seen, REST_SECONDS
            if latest != seen:
                seen = latest
                self._beat.set()
                self._beat = asyncio.Event()
            await asyncio.sleep(pause)

    def _latest(self) -> int | None:
        with self._database.read() as session:
            return session.scalar(select(func.max(Event.id)))
