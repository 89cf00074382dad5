"""What each worker does for all: it says that it lives, and, one of the first few, takes back what
others have lost.

It runs in the first of a worker's pool processes, which Celery replaces when it dies, and not in
their parent: that one forks, and a connection of SQLite does not survive a fork.
"""

import logging
import os
import random
import socket
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from worker.errors import UnavailableError
from worker.logs import Outage
from worker.runtime.devices import device_of
from worker.runtime.reconciler import Reconciler
from worker.settings import ServiceSettings
from worker.storage import workers
from worker.storage.database import Database
from worker.storage.workers import WorkerEntry

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0


class NoBell:
    """Rings nobody: idle supervisors look for themselves, and the HTTP service rings the others."""

    def ring(self, fleet_id: str, device: str | None = None) -> None:
        """Ring nobody."""

    def is_backed_up(self, device: str | None = None) -> bool:
        """Always: announcements of a worker would help nobody."""
        return True

    def has_unread(self, device: str | None = None) -> bool:
        """As if all had been heard."""
        return False

    def close(self) -> None:
        """There is nothing to give up."""


class Caretaker:
    """A thread that registers a worker, and watches over the leases of all."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        entry: WorkerEntry,
        draining: Callable[[], bool],
    ) -> None:
        self._database, self._entry, self._draining = database, entry, draining
        self._reconciler = Reconciler(settings, database, NoBell())
        self._silence = Outage(logger, "saying that this worker lives")
        self._blindness = Outage(logger, "looking at the leases")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End. The entry stays: others of the worker's processes may be at work."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._try(self._silence, self._beat)
            self._try(self._blindness, self._look)
            # Not in step: many workers may have been started at once.
            self._stopping.wait(BEAT_SECONDS * random.uniform(0.75, 1.25))

    def _beat(self) -> None:
        with self._database.write() as session:
            workers.beat(session, self._entry, draining=self._draining())

    def _look(self) -> None:
        with self._database.read() as session:
            watches = workers.watches(session, self._entry.id)
        if watches:
            self._reconciler.tick()

    def _try(self, outage: Outage, act: Callable[[], None]) -> None:
        try:
            act()
            outage.worked()
        except UnavailableError as error:
            outage.failed(error.message)
        except Exception:
            logger.exception("caretaker: unexpected error; it is tried again")


def entry_of(settings: ServiceSettings) -> WorkerEntry:
    """This process as the registry shall know it."""
    try:
        release = version("parsimony")
    except PackageNotFoundError:
        release = "0"
    return WorkerEntry.new(
        host=socket.gethostname(),
        pid=os.getpid(),
        device=device_of(settings),
        slots=settings.workers,
        threads=settings.threads,
        release=release,
    )
