"""What the service can and cannot do now: its parts, looked at in the background.

Whoever asks reads what was last found, so that the answer comes at once whatever hangs. A part that
has not answered for ``PATIENCE_SECONDS`` has failed: that is seen from outside, by the time.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sqlalchemy import make_url, text

from worker.errors import ParsimonyError, UnavailableError
from worker.runtime.doorbell import Doorbell
from worker.settings import ServiceSettings
from worker.storage import workers
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database, without_sql
from worker.storage.workers import Queue, SeenWorker
from worker.text import shortened

LOOK_SECONDS, LOOK_AGAIN_SECONDS = 3.0, 1.0
"""Pause after a part was found well, and after it was not."""
PATIENCE_SECONDS = 5.0
"""Time in which a part must have answered."""
SILENT_SECONDS, SILENT_BEATS = 5.0, 3
"""A worker at work that was not heard of for so long, and for so many heartbeats, is named."""
LEAST_BYTES = 16 * 1024 * 1024
"""Space that the file of a database must have left to grow."""
LONGEST_REASON = 200
FOLDER = "probes"
"""Where files are written among the artefacts, to be removed at once."""

PartName = Literal["database", "artefacts", "workers", "redis"]


@dataclass(frozen=True)
class PartState:
    """What was found of a part."""

    state: Literal["ok", "failed", "unknown"]
    reason: str | None
    """Why it failed."""
    age_seconds: float | None
    """How long ago that was found; none before it was looked at."""


@dataclass(frozen=True)
class Population:
    """The workers, and what waits for them, as they were a while ago."""

    workers: list[SeenWorker]
    queue: Queue
    age_seconds: float


class Readiness:
    """Looks at all parts, each in a thread of its own, from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        artefacts: Artefacts,
        silence: Callable[[], Mapping[str, float]],
    ) -> None:
        """``silence`` says for how long nothing was heard of each running fleet."""
        self._settings, self._database, self._artefacts = settings, database, artefacts
        self._silence = silence
        self._bell = Doorbell(settings)
        self._stopping = threading.Event()
        self._population: tuple[Population, float] | None = None
        self._probes: dict[PartName, _Probe] = {
            "database": _Probe("database", self._look_at_database),
            "artefacts": _Probe("artefacts", self._look_at_artefacts),
            "workers": _Probe("workers", self._look_at_workers),
            "redis": _Probe("redis", self._bell.ping),
        }
        self._started = time.monotonic()

    @property
    def uptime_seconds(self) -> float:
        """How long this process has served."""
        return time.monotonic() - self._started

    def start(self) -> None:
        """Begin to look. The database, which was brought up to date just now, counts as well."""
        self._probes["database"].found(None)
        for probe in self._probes.values():
            probe.start(self._stopping)

    def stop(self) -> None:
        """End. What hangs is left behind: it holds nothing that others need."""
        self._stopping.set()
        for probe in self._probes.values():
            probe.join()
        self._bell.close()

    def parts(self) -> dict[PartName, PartState]:
        """What was last found of each part. Never waits."""
        return {name: probe.state() for name, probe in self._probes.items()}

    def population(self) -> Population | None:
        """The workers and the queue as they were last seen; none before that."""
        if self._population is None:
            return None
        population, seen = self._population
        return replace(population, age_seconds=time.monotonic() - seen)

    def _look_at_database(self) -> None:
        """That it could be written: by its lock and its space, or by its mode. Nothing is."""
        with self._database.write() as session:
            session.connection()  # takes the lock
            if not self._database.is_sqlite:
                modes = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')"
                if session.scalar(text(f"{modes}::bool")):
                    raise UnavailableError("it is read-only")
                return
        file = make_url(self._database.url).database
        if file:
            room = os.statvfs(Path(file).parent)
            if room.f_flag & os.ST_RDONLY:
                raise UnavailableError("its file system is read-only")
            if room.f_bavail * room.f_frsize < LEAST_BYTES:
                raise UnavailableError("its disk is full")

    def _look_at_artefacts(self) -> None:
        """That a file can be written, read and removed."""
        written = self._artefacts.write(FOLDER, {"probe": b"written to be read and removed"})
        self._artefacts.delete(written.path)

    def _look_at_workers(self) -> None:
        """That there is one, and that none has gone silent with a fleet that others wait for."""
        longest = max(SILENT_SECONDS, SILENT_BEATS * self._settings.heartbeat_seconds)
        quiet = {fleet: since for fleet, since in self._silence().items() if since >= longest}
        with self._database.read() as session:
            population = Population(workers.seen(session), workers.queue(session), 0.0)
            silent = workers.silent(session, quiet) if quiet else None
        self._population = population, time.monotonic()
        if reason := workers.missing(population.workers) or silent:
            raise UnavailableError(reason)


class _Probe:
    """One part, looked at again and again."""

    def __init__(self, name: str, look: Callable[[], None]) -> None:
        self._look = look
        self._begun: float | None = None
        """When it was asked, while it has not answered."""
        self._found: tuple[str | None, float] | None = None
        """Why it failed, or nothing; and when that was found."""
        self._thread: threading.Thread | None = None
        self._name = f"probe-{name}"

    def start(self, stopping: threading.Event) -> None:
        """Look until told to stop."""
        self._thread = threading.Thread(
            target=self._run, args=(stopping,), name=self._name, daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        """Wait for its end, if that is near."""
        if self._thread is not None:
            self._thread.join(LOOK_AGAIN_SECONDS)

    def found(self, reason: str | None) -> None:
        """Note what was found just now."""
        self._found = reason, time.monotonic()

    def state(self) -> PartState:
        """What was last found."""
        now, begun, found = time.monotonic(), self._begun, self._found
        if begun is not None and now - begun > PATIENCE_SECONDS:
            return PartState("failed", f"no answer for {now - begun:.0f} s", 0.0)
        if found is None:
            return PartState("unknown", None, None)
        reason, at = found
        return PartState("ok" if reason is None else "failed", reason, round(now - at, 3))

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self._begun = time.monotonic()
            reason = None
            try:
                self._look()
            except Exception as error:
                reason = _said(error)
            self.found(reason)
            self._begun = None
            stopping.wait(LOOK_SECONDS if reason is None else LOOK_AGAIN_SECONDS)


def _said(error: Exception) -> str:
    """An error in a few words, without the paths of this machine."""
    if isinstance(error, ParsimonyError):
        return shortened(error.message, LONGEST_REASON)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return shortened(without_sql(error), LONGEST_REASON)
