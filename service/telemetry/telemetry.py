"""What a scrape is answered with: memory at once, the database within a deadline."""

import asyncio
import time
from collections.abc import Callable, Iterable

from prometheus_client import Metric

from service.serving.residents import Resident
from service.telemetry.board import Board
from service.telemetry.exposition import of_database, of_process, of_work, without_others, written
from service.telemetry.process import LoopLag
from service.telemetry.requests import Requests
from service.threads import in_pool
from worker.storage import counters
from worker.storage.census import Census, census
from worker.storage.counters import Total
from worker.storage.database import Database

FRESH_SECONDS = 1.0
"""What was read of the database is shown again for this long, however often it is asked."""
SHOW_SECONDS = 2.0
"""How old what a scrape tells of the other processes may be."""
DEADLINE_SECONDS = 1.5
"""A scrape is answered without the database after this long."""

Work = tuple[Census, dict[str, Total]]


class Telemetry:
    """Measures this process, and tells of it and of the work."""

    def __init__(
        self,
        requests: Requests,
        database: Database,
        residents: Callable[[], Iterable[Resident]],
        *,
        release: str,
        board: Board,
    ) -> None:
        self._requests, self._database, self._residents = requests, database, residents
        self._release, self._board = release, board
        self._lag = LoopLag()
        self._reading: asyncio.Task[Work] | None = None
        self._work: Work | None = None
        self._read_at = 0.0
        self._took = 0.0
        self._showing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Measure from now on."""
        self._lag.start()
        if self._board.is_shared:
            self._showing = asyncio.create_task(self._show(), name="board")

    def stop(self) -> None:
        """Measure no more."""
        self._lag.stop()
        if self._showing is not None:
            self._showing.cancel()

    async def scrape(self, tenant: str | None = None) -> bytes:
        """All metrics as text; without the state of the work where the database hangs, and, where
        a tenant is given, without what is another's.
        """
        work = await self._current_work()
        processes: Iterable[Metric] = self._board.with_others(self._of_this())
        if tenant is not None:
            processes = without_others(processes, tenant)
        return written(
            [
                *of_database(up=work is not None, seconds=self._took),
                *(of_work(*work) if work is not None else ()),
                *processes,
            ]
        )

    def _of_this(self) -> Iterable[Metric]:
        return of_process(
            str(self._board.number), self._release, self._requests, self._residents(), self._lag
        )

    async def _show(self) -> None:
        """Show the other processes what this one has measured, now and then."""
        while True:
            self._board.show(self._of_this())
            await asyncio.sleep(SHOW_SECONDS)

    async def _current_work(self) -> Work | None:
        """What the database says: one question at a time, and nobody waits for it for long."""
        if self._work is not None and time.monotonic() - self._read_at < FRESH_SECONDS:
            return self._work
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="metrics")
        try:
            return await asyncio.wait_for(asyncio.shield(self._reading), DEADLINE_SECONDS)
        except Exception:
            # Away, locked or frozen: that is what parsimony_database_up says.
            return None

    async def _read(self) -> Work:
        begun = time.monotonic()
        try:
            self._work = await in_pool("metrics", self._ask)
            self._read_at = time.monotonic()
        except Exception:
            self._work = None
            raise
        finally:
            self._took = time.monotonic() - begun
        return self._work

    def _ask(self) -> Work:
        with self._database.read() as session:
            return census(session), dict(counters.totals(session))
