"""The keys, in memory: no request waits for the database to be known.

It holds all keys that are not revoked, as their hashes, and follows the database by a number. So
what is revoked anywhere is refused here within `POLL_SECONDS` and the time of one query. A key that
is not known here waits once for a reading, together with all others that ask meanwhile: so a new
key is good at once, and nobody can hammer the database with invented ones.

While the database is out of reach nothing can be revoked by way of this process, and what was known
goes on being good: predictions are answered from memory then, and shall be. Another process may
reach it all the same, so this ends: after ``outage_seconds`` no key is good until it is back.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from service.threads import in_pool
from worker.caller import Caller
from worker.errors import UnavailableError
from worker.storage import keys
from worker.storage.database import Database
from worker.storage.keys import KeyChanges, StoredKey
from worker.storage.types import utc_now

log = logging.getLogger(__name__)

POLL_SECONDS = 0.4
SPACING_SECONDS = 0.05
"""Least time between two readings, however many ask."""
PATIENCE_SECONDS = 1.0
"""How long a request with a key that is not known here waits for a reading."""
NOBODY = (
    StoredKey("", "", bytes(32), frozenset(), None),
    Caller("", None, frozenset()),
)
"""In place of a key that there is not: its hash, which no text has, is compared all the same."""


class KeyRing:
    """All good keys, a moment ago. All is done on the event loop; only reading, in a thread.

    Args:
        database: where they are.
        outage_seconds: how long they are good without it.
        clock: seconds, monotonic.
        now: the present instant.
    """

    def __init__(
        self,
        database: Database,
        outage_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database, self._outage_seconds = database, outage_seconds
        self._clock, self._now = clock, now
        self._keys: dict[str, tuple[StoredKey, Caller]] = {}
        self._revision: int | None = None
        self._confirmed = float("-inf")
        """When the database last said that this is all."""
        self._reading: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Know the keys, and follow them."""
        await self.refresh()
        self._polling = asyncio.create_task(self._follow(), name="keys")

    async def stop(self) -> None:
        """Follow them no more. What is being read is waited for: its thread holds a connection."""
        for task in (self._polling, self._next):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, UnavailableError):
                    await task
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading], timeout=2.0)

    def find(self, text: str) -> Caller | None:
        """Whose key that is, if it is known here and good.

        The hash of all of it is compared, in a time that does not depend on what it is; where there
        is no such key, with another one.

        Raises:
            UnavailableError: keys are not known to be good any more, since the database is away.
        """
        identifier = keys.key_id(text)
        if identifier is None:
            return None
        stored, caller = self._keys.get(identifier, NOBODY)
        if not hmac.compare_digest(keys.digest(text), stored.sha256):
            return None
        if stored.expires_at is not None and stored.expires_at <= self._now():
            return None
        if self._clock() - self._confirmed > self._outage_seconds:
            raise UnavailableError(
                "Keys cannot be checked now: the database was not reached for "
                f"{self._outage_seconds:g} s; try again.",
                code="database_unavailable",
            )
        return caller

    def is_known(self, text: str) -> bool:
        """Whether a reading could tell nothing new of it: it is no key, or its row is here."""
        identifier = keys.key_id(text)
        return identifier is None or identifier in self._keys

    async def look_up(self, text: str) -> Caller | None:
        """Whose key that is; one that is not known here is looked for.

        Raises:
            UnavailableError: it is not known here, and the database cannot be asked.
        """
        if not self.is_known(text):
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self.refresh()
            except TimeoutError as error:
                raise UnavailableError(
                    "This key is not known here, and the database cannot be asked now; try again.",
                    code="database_unavailable",
                ) from error
        return self.find(text)

    async def refresh(self) -> None:
        """Be no older than this call. All who call before a reading begins share it.

        Raises:
            UnavailableError: the database cannot be read; all that was known is known still.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._reading), name="reading keys")
            self._next.add_done_callback(_looked_at)
        await asyncio.shield(self._next)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with suppress(UnavailableError):
                await self.refresh()

    async def _read_after(self, current: asyncio.Task[None] | None) -> None:
        if current is not None and not current.done():
            await asyncio.wait([current])
        await asyncio.sleep(SPACING_SECONDS if current is not None else 0.0)
        # From here on it may miss what is committed: whoever asks now waits for the next.
        self._reading, self._next = self._next, None
        asked = self._clock()
        changes = await in_pool("keys", self._read)
        self._confirmed = asked
        if changes is not None:
            self.take(changes)

    def take(self, changes: KeyChanges) -> None:
        """Know these keys, and no others."""
        self._revision = changes.revision
        self._keys = {key.id: (key, Caller(key.tenant, key.id, key.scopes)) for key in changes.keys}

    def _read(self) -> KeyChanges | None:
        with self._database.read() as session:
            return keys.key_changes(session, self._revision)


def _looked_at(task: asyncio.Task[None]) -> None:
    """Whoever asked may have left: then nobody is told that it failed, which is no fault."""
    if not task.cancelled():
        task.exception()
