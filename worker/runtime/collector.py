"""What is kept no longer is removed: as a fleet ends, later by its rows, and by a search for waste.

:func:`clear` removes what a fleet needed while it ran. It runs in the trainer, at its end.

:meth:`Collector.collect` follows rows: jobs that were deleted or have grown too old, checkpoints
and parts of what has ended. Files go before their rows, so that what was interrupted, or done by
two at a time, is simply done again. It runs in the HTTP service.

:meth:`Collector.sweep` looks for files that no row refers to; a person asks for it. Files are
written before their rows, so a file without one may be about to get it. The folders are listed
first and the rows read afterwards, and then:

* Of a job that has not ended, nothing is touched. Only the holder of a current token writes for it,
  and what it wrote may be recorded at any time, after a long outage too.
* Of a job that has ended, nothing can be recorded any more (I3): what no row refers to is waste.
* Of what has no row at all (uploads that were never recorded, and jobs that are gone) only what has
  not been written to for ``orphan_hours``.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from worker.errors import ConflictError, NotFoundError, UnavailableError
from worker.failpoints import failpoint
from worker.runtime.logs import rotate_logs
from worker.settings import ServiceSettings
from worker.storage import audit, curves, deletion, retention
from worker.storage.artefacts import Artefacts, StoredFolder
from worker.storage.database import Database
from worker.storage.fleets import Lease
from worker.storage.progress import job_folder
from worker.storage.retention import References, Spent
from worker.storage.types import utc_now

logger = logging.getLogger(__name__)

TICK_SECONDS = 60.0
AGE_SECONDS = 3600.0
"""How often is looked for what was missed, and for what has grown too old."""
AT_ONCE = 100
STOP_SECONDS = 5.0

Kind = Literal["job", "checkpoints", "parts", "events", "keys", "audit", "orphan"]


@dataclass(frozen=True)
class Removal:
    """Something that was removed, or would be."""

    kind: Kind
    what: str
    """A job's id or a folder; how many, where they have no names."""
    bytes: int = 0


class Collector:
    """Removes what is kept no longer."""

    def __init__(self, settings: ServiceSettings, database: Database, artefacts: Artefacts) -> None:
        self._settings, self._database, self._artefacts = settings, database, artefacts
        self._nudged = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._aged_at: float | None = None

    def nudge(self) -> None:
        """Look now: something has ended, or was deleted. Cheap, from any thread."""
        self._nudged.set()

    def start(self) -> None:
        """Collect in a thread of its own."""
        self._thread = threading.Thread(target=self._loop, name="collector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Collect no more. What cannot be waited for is done again another time."""
        self._stopping.set()
        self._nudged.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._nudged.clear()
            try:
                self._tick()
            except UnavailableError as error:
                logger.warning("collector: %s", error)
            except Exception:
                # Whatever nobody foresaw: it is no reason to keep all that comes after it.
                logger.exception("collector: unexpected error; it is tried again")
            self._nudged.wait(TICK_SECONDS)

    def _tick(self) -> None:
        now = time.monotonic()
        aged = self._aged_at is None or now - self._aged_at >= AGE_SECONDS
        for removal in self.collect(aged=aged):
            logger.info("removed %s %s: %d bytes", removal.kind, removal.what, removal.bytes)
            if self._stopping.is_set():
                return
        if aged:
            self._aged_at = now
        rotate_logs(self._settings)

    def collect(
        self, *, aged: bool = True, dry_run: bool = False, now: datetime | None = None
    ) -> Iterator[Removal]:
        """Remove what rows say may go, and what has grown too old; tell of each afterwards.

        Raises ``UnavailableError`` where a part cannot be reached; what was removed until then is.
        """
        if aged:
            yield from self._aged(now or utc_now(), dry_run)
        yield from self._deleted_jobs(dry_run)
        yield from self._spent(dry_run)
        if not dry_run:
            for fleet_id in pack_curves(self._database):
                logger.debug("packed the curves of fleet %s", fleet_id)

    def _aged(self, now: datetime, dry_run: bool) -> Iterator[Removal]:
        keep = self._settings
        if keep.keep_jobs_days is not None:
            yield from self._old_jobs(now - timedelta(days=keep.keep_jobs_days), dry_run)
        if keep.keep_events_days is not None:
            yield from self._old_events(now - timedelta(days=keep.keep_events_days), dry_run)
        before = now - timedelta(days=keep.keep_keys_days)
        with self._database.read() as session:
            count = retention.old_keys(session, before)
        if count:
            if not dry_run:
                with self._database.write() as session:
                    count = retention.forget_keys(session, before)
            yield Removal("keys", f"{count} keys")
        before = now - timedelta(days=keep.keep_audit_days)
        with self._database.read() as session:
            count = audit.old_lines(session, before)
        if count:
            if not dry_run:
                with self._database.write() as session:
                    count = audit.forget_lines(session, before)
            yield Removal("audit", f"{count} lines")

    def _old_jobs(self, before: datetime, dry_run: bool) -> Iterator[Removal]:
        while True:
            with self._database.read() as session:
                limit = None if dry_run else AT_ONCE
                old = retention.ended_before(session, before, limit=limit)
            for job_id, kind, tenant in old:
                if dry_run:
                    yield self._job_removal(job_id)
                    continue
                with suppress(NotFoundError), self._database.write() as session:
                    deletion.delete_job(session, job_id, kind=kind, tenant=tenant)
            if dry_run or not old:
                return
            yield from self._deleted_jobs(dry_run)

    def _old_events(self, before: datetime, dry_run: bool) -> Iterator[Removal]:
        while True:
            with self._database.read() as session:
                limit = None if dry_run else AT_ONCE
                jobs = retention.jobs_with_old_events(session, before, limit=limit)
            if not jobs:
                return
            if not dry_run:
                with self._database.write() as session:
                    retention.forget_events(session, jobs)
            yield Removal("events", f"logs of {len(jobs)} jobs")
            if dry_run:
                return

    def _deleted_jobs(self, dry_run: bool) -> Iterator[Removal]:
        while True:
            with self._database.read() as session:
                deleted = deletion.deleted_jobs(session, limit=None if dry_run else AT_ONCE)
            for job_id in deleted:
                removal = self._job_removal(job_id)
                if not dry_run:
                    self._remove_job(job_id)
                yield removal
            if dry_run or not deleted:
                return

    def _job_removal(self, job_id: str) -> Removal:
        with self._database.read() as session:
            folders = deletion.folders_of(session, job_id)
        size = sum(one.bytes for folder in folders for one in self._artefacts.folders(folder))
        return Removal("job", job_id, size)

    def _remove_job(self, job_id: str) -> None:
        with self._database.read() as session:
            folders = deletion.folders_of(session, job_id)
        failpoint("gc.before")
        for folder in folders:
            self._artefacts.delete(folder)
        failpoint("gc.files")
        while True:
            with self._database.write() as session:
                more = deletion.remove_rows(session, job_id)
                needed = deletion.needed_by_version(session, job_id)
            if not more:
                break
        if not needed:
            # The version, if there was one, was deleted in between, and left its file to the job.
            self._artefacts.delete(job_folder(job_id))

    def _spent(self, dry_run: bool) -> Iterator[Removal]:
        while True:
            with self._database.read() as session:
                limit = None if dry_run else AT_ONCE
                checkpoints = retention.spent_checkpoints(session, limit=limit)
                parts = retention.spent_parts(session, limit=limit)
            for spent in checkpoints:
                if not dry_run:
                    drop_checkpoints(self._database, self._artefacts, spent)
                yield Removal("checkpoints", spent.folder, spent.bytes or 0)
            for spent in parts:
                size = self._size(spent)
                if not dry_run:
                    self._artefacts.delete(spent.folder)
                    with self._database.write() as session:
                        retention.forget_parts(session, spent.owner)
                yield Removal("parts", spent.folder, size)
            if dry_run or not (checkpoints or parts):
                return

    def _size(self, spent: Spent) -> int:
        return sum(one.bytes for one in self._artefacts.folders(spent.folder))

    def sweep(
        self, *, dry_run: bool = False, force: bool = False, now: datetime | None = None
    ) -> Iterator[Removal]:
        """Remove files that no row refers to; tell of each afterwards.

        Raises ``ConflictError`` where the database refers to nothing in the store, unless forced:
        it is rather another's store than full of waste.
        """
        listed = self._artefacts.folders()
        with self._database.read() as session:
            rows = retention.references(session)
        before = (now or utc_now()) - timedelta(hours=self._settings.orphan_hours)
        waste = [folder for folder in listed if _is_waste(folder, rows, before)]
        ours = any(folder.path in rows.paths for folder in listed)
        if waste and not ours and not force:
            raise ConflictError(
                f"the database refers to none of the {len(listed)} folders in the store: see that "
                "PARSIMONY_DATABASE_URL and PARSIMONY_ARTEFACTS_URL belong together; if they do, "
                "--force removes what is not referred to",
                code="foreign_store",
            )
        for folder in sorted(waste, key=lambda one: one.path):
            if not dry_run:
                self._artefacts.delete(folder.path)
                self._artefacts.prune(folder.path)
            yield Removal("orphan", folder.path, folder.bytes)


def _is_waste(folder: StoredFolder, rows: References, before: datetime) -> bool:
    if folder.path in rows.paths:
        return False
    room, _, rest = folder.path.partition("/")
    owner = rest.partition("/")[0] if room in ("jobs", "predictions") else None
    if owner in rows.working:
        return False
    if owner in rows.known:
        return True
    return folder.modified is not None and folder.modified < before


def clear(database: Database, artefacts: Artefacts, lease: Lease) -> None:
    """Clear up after a fleet that has ended: its checkpoints, and its job's curves if that ended.

    Raises ``UnavailableError`` where the place does not allow it now; the collector finds it.
    """
    with database.read() as session:
        spent = retention.spent_checkpoints(session, limit=1, fleet_id=lease.fleet_id)
    for checkpoints in spent:
        drop_checkpoints(database, artefacts, checkpoints)
    for _ in pack_curves(database, lease.job_id):
        continue


def drop_checkpoints(database: Database, artefacts: Artefacts, spent: Spent) -> None:
    """Remove checkpoints, files first."""
    artefacts.delete(spent.folder)
    with database.write() as session:
        retention.forget_checkpoints(session, spent.owner)


def pack_curves(database: Database, job_id: str | None = None) -> Iterator[str]:
    """Pack the curves of jobs that have ended; tell of each fleet afterwards."""
    with database.read() as session:
        fleets = curves.unpacked(session, limit=None, job_id=job_id)
    for fleet_id in fleets:
        with database.read() as session:
            rows = curves.rows(session, fleet_id)
        if rows:  # else somebody else has packed them meanwhile
            packed = curves.pack(rows)
            with database.write() as session:
                curves.replace(session, fleet_id, packed)
            yield fleet_id
