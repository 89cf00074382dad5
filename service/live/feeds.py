"""One reader for all that are watched in this process."""

import asyncio
import logging
from collections.abc import Sequence

from service.live.feed import Feed, LoggedLine, logged_line
from service.live.news import News, Seen, news_of
from service.notifier import ChangeNotifier
from service.schemas.jobs import EventView
from service.threads import in_pool
from worker.errors import NotFoundError, ParsimonyError
from worker.logs import Outage
from worker.storage import events, live
from worker.storage.database import Database

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How long epochs may lie in the database before they are sent; lines of the log go sooner."""
PAUSE_SECONDS = 0.03
"""Between two looks, however much happens."""
AGAIN_SECONDS = 2.0
"""What a job waits for depends on others: it is looked at that often, though nothing is new."""
AFTER_FAULT_SECONDS = 1.0
LINES = 500
"""Lines of a log that are read at once for a watcher that has long been away."""


class Feeds:
    """The feeds of all watched jobs, and the task that reads for them.

    However many watch, the database is asked a few times a second what has moved, and of each job
    that has, what is new.
    """

    def __init__(self, database: Database, notifier: ChangeNotifier) -> None:
        self._database, self._notifier = database, notifier
        self._feeds: dict[tuple[str, str], Feed] = {}
        """By tenant and job: a tenant that asks for another's job has a feed of no job."""
        self._wanted = asyncio.Event()
        self._outage = Outage(log, "reading what is watched")
        self.stopping = False

    @property
    def watched(self) -> int:
        """How many jobs are watched."""
        return len(self._feeds)

    async def join(self, job_id: str, tenant: str) -> Feed:
        """The feed of a tenant's job, which has been read; give it back by ``leave``.

        Raises:
            NotFoundError: there is no such job any more.
        """
        feed = self._feeds.get((tenant, job_id))
        if feed is None:
            feed = self._feeds[tenant, job_id] = Feed(job_id, tenant)
        feed.watchers += 1
        try:
            async with feed.reading:
                if not feed.ready:
                    now = asyncio.get_running_loop().time()
                    news, seen = await in_pool("answers", self._first, feed)
                    if news.gone:
                        raise NotFoundError(f"there is no job {job_id}", param="id")
                    feed.add(news, seen, now)
        except BaseException:
            self.leave(feed)
            raise
        if not feed.ended:
            self._wanted.set()
        return feed

    def leave(self, feed: Feed) -> None:
        """One watcher less; nothing is kept of a job that nobody watches."""
        feed.watchers -= 1
        place = feed.tenant, feed.job_id
        if not feed.watchers and self._feeds.get(place) is feed:
            del self._feeds[place]

    def stop(self) -> None:
        """Let nobody watch any longer."""
        self.stopping = True
        for feed in self._feeds.values():
            feed.wake()

    async def lines(self, feed: Feed, after: int, until: int) -> list[LoggedLine]:
        """Lines of a log from the database: the first that there are of a range of ids."""

        def read() -> list[LoggedLine]:
            with self._database.read() as session:
                page = events.event_page(
                    session, feed.job_id, after=after, limit=LINES, tenant=feed.tenant
                )
                return [logged_line(EventView.model_validate(row)) for row in page.items]

        return [line for line in await in_pool("answers", read) if line.id <= until]

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._wanted.wait()
            with self._notifier.subscribed():
                while watched := [f for f in self._feeds.values() if f.ready and not f.ended]:
                    change = self._notifier.next_change()
                    await asyncio.sleep(PAUSE_SECONDS + await self._look(watched))
                    await self._notifier.wait(change, LOOK_SECONDS)
                # Nothing is awaited between the last look at the feeds and this.
                self._wanted.clear()

    async def _look(self, watched: Sequence[Feed]) -> float:
        """Tell what is new of these; seconds to let the database alone for."""
        now = asyncio.get_running_loop().time()
        stale = {f.job_id for f in watched if now - f.checked >= AGAIN_SECONDS}
        try:
            latest = await in_pool("answers", self._news, watched, stale)
        except ParsimonyError as error:
            self._outage.failed(error.message)
            return AFTER_FAULT_SECONDS
        self._outage.worked()
        for feed, news, seen in latest:
            feed.add(news, seen, now)
        return 0.0

    def _first(self, feed: Feed) -> tuple[News, Seen]:
        with self._database.read() as session:
            return news_of(session, feed.job_id, feed.seen, feed.tenant)

    def _news(self, watched: Sequence[Feed], stale: set[str]) -> list[tuple[Feed, News, Seen]]:
        with self._database.read() as session:
            pulses = live.pulses(session, [feed.job_id for feed in watched])
            return [
                (feed, *news_of(session, feed.job_id, feed.seen, feed.tenant))
                for feed in watched
                if feed.job_id in stale or pulses.get(feed.job_id) != feed.seen.pulse
            ]
