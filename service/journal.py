"""What happens to jobs, told in the terminal of `parsimony up`: the lines of their logs.

Whoever started everything with one command looks there, and workers write to a file.
"""

import logging
import threading
from types import TracebackType
from typing import Self

from worker.errors import UnavailableError
from worker.logs import Outage
from worker.settings import ServiceSettings
from worker.storage import events
from worker.storage.database import Database

log = logging.getLogger("parsimony.jobs")

LOOK_SECONDS = 1.0
STOP_SECONDS = 5.0
"""The end of a start waits so long for a database that does not answer."""
AT_ONCE = 200
"""Lines of one look; of more the rest comes with the next."""
LEVELS = {"debug": logging.DEBUG, "warning": logging.WARNING, "error": logging.ERROR}


class JobJournal:
    """Tells what is logged of any job, for the length of a block; :meth:`tell` is one look."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._database = Database(settings.database_url)
        self._outage = Outage(log, "reading the logs of jobs")
        self._told: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join(STOP_SECONDS)
        self._database.close()

    def tell(self) -> None:
        """Write what was logged since the last look; at the first one, nothing that is older."""
        with self._database.read() as session:
            if self._told is None:
                self._told = events.last_logged(session)
                return
            lines = events.logged_after(session, self._told, limit=AT_ONCE)
        for line in lines:
            level = LEVELS.get(line.level, logging.INFO)
            log.log(level, "%s", line.message, extra={"job": line.job_id})
            self._told = line.id

    def _run(self) -> None:
        while True:
            try:
                self.tell()
                self._outage.worked()
            except UnavailableError as error:
                self._outage.failed(error.message)
            if self._stopping.wait(LOOK_SECONDS):
                return
