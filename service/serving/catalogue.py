"""What names, versions and aliases mean, in memory: no question waits for the database.

It holds all models, and follows the database by its revision: a poll asks for one number, and reads
the models that changed. All is done on the event loop; only reading is done in a thread.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from service.threads import in_pool
from worker.caller import DEFAULT_TENANT
from worker.errors import UnavailableError
from worker.storage.catalogue import (
    CatalogueChanges,
    CatalogueEntry,
    ModelKey,
    StoredVersion,
    changes_since,
)
from worker.storage.database import Database
from worker.storage.limits import REPORT_SECONDS
from worker.storage.models import PRODUCTION

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
"""What other processes change is known here after this long."""
CLOSE_SECONDS = 2.0
"""How long a reading is waited for in the end."""
SPACING_SECONDS = 0.05
"""Least time between two readings, however many ask. An unknown name waits for one, together with
all others that ask meanwhile: so none is denied that there is, and nobody can hammer the
database."""


@dataclass(frozen=True, slots=True)
class ResolvedVersions:
    """What a name and a selector mean now."""

    entry: CatalogueEntry
    versions: Sequence[StoredVersion]
    """The version that is meant; where the newest is, all of them, the newest first: the first one
    that passes its certificate answers."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A version in the index of models."""

    name: str
    version: int
    state: Literal["READY", "UNAVAILABLE"]
    """READY is what a request would be answered with; it may have to be loaded first."""
    reason: str
    """Why it is unavailable; empty otherwise."""


class Catalogue:
    """The models of the database, a moment ago.

    Args:
        database: where they are.
        changed: told the tenants and names of models that have changed, after they have.
    """

    def __init__(self, database: Database, changed: Callable[[Iterable[ModelKey]], None]) -> None:
        self._database, self._changed = database, changed
        self._entries: dict[ModelKey, CatalogueEntry] = {}
        self._revision: int | None = None
        self._reading: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._begun = float("-inf")
        self._reachable = True

    def entry(self, name: str, tenant: str = DEFAULT_TENANT) -> CatalogueEntry | None:
        """A tenant's model; none that is known."""
        return self._entries.get((tenant, name))

    def entries(self, tenant: str = DEFAULT_TENANT) -> list[CatalogueEntry]:
        """A tenant's models, by name."""
        own = (entry for entry in self._entries.values() if entry.tenant == tenant)
        return sorted(own, key=lambda entry: entry.name)

    def target(
        self, name: str, selector: str | None = None, tenant: str = DEFAULT_TENANT
    ) -> ResolvedVersions | None:
        """What is meant by a model's name and a version's number, an alias or nothing.

        Nothing means ``production`` where that is set, else the newest. None if the model, version
        or alias is not known here.
        """
        entry = self._entries.get((tenant, name))
        if entry is None:
            return None
        number: int | None
        if selector is None:
            number = entry.aliases.get(PRODUCTION)
            if number is None:
                return (
                    ResolvedVersions(entry, tuple(entry.versions.values()))
                    if entry.versions
                    else None
                )
        else:
            number = int(selector) if selector.isdecimal() else entry.aliases.get(selector)
        version = None if number is None else entry.versions.get(number)
        return None if version is None else ResolvedVersions(entry, (version,))

    async def refresh(self) -> None:
        """Be no older than this call. All who call before a reading begins share it.

        Raises:
            UnavailableError: the database cannot be read; all that was known is known still.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._reading), name="catalogue")
            self._next.add_done_callback(_looked_at)
        await asyncio.shield(self._next)

    async def follow(self) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with suppress(UnavailableError):
                await self.refresh()

    async def close(self) -> None:
        """Read no more. What is being read is waited for: its thread holds a connection."""
        if self._next is not None and not self._next.done():
            self._next.cancel()
            await asyncio.wait([self._next])
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading], timeout=CLOSE_SECONDS)

    async def _read_after(self, current: asyncio.Task[None] | None) -> None:
        if current is not None and not current.done():
            await asyncio.wait([current])
        now = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._begun + SPACING_SECONDS - now()))
        # From here on it may miss what is committed: whoever asks now waits for the next.
        self._reading, self._next = self._next, None
        self._begun = now()
        try:
            changes = await in_pool("catalogue", self._read)
        except UnavailableError as error:
            if self._reachable:
                log.warning("the catalogue of models goes on from memory: %s", error.message)
            self._reachable = False
            raise
        self._reachable = True
        if changes is not None:
            self._take(changes)

    def _read(self) -> CatalogueChanges | None:
        # All of them at first, which may be many; then what has changed.
        longest = REPORT_SECONDS if self._revision is None else None
        with self._database.read(statement=longest) as session:
            return changes_since(session, self._revision)

    def _take(self, changes: CatalogueChanges) -> None:
        found = {entry.key: entry for entry in changes.entries}
        names = found.keys() | (self._entries.keys() if changes.complete else set())
        self._entries = found if changes.complete else self._entries | found
        self._revision = changes.revision
        self._changed(names)


def _looked_at(task: asyncio.Task[None]) -> None:
    """Whoever asked may have left: then nobody is told that it failed, which is no fault."""
    if not task.cancelled():
        task.exception()
