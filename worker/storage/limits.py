"""How long the database may take, by who asks; and how many may wait for one that is silent.

A limit that a server keeps (a statement's, a lock's) holds as long as that server works. For one
that is frozen or out of reach the client keeps the same limits by its own clock.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from worker.errors import UnavailableError

ANSWER_SECONDS = 0.2
"""Time in which a server that works says that a statement took too long."""


@dataclass(frozen=True)
class Limits:
    """The limits of a process, in seconds, and how many connections it may have."""

    contact: float
    """Until a connection is at hand that is known to work: from the pool, or new."""
    statement: float
    """Of one statement, with all that it waits for."""
    lock: float
    """Until a row is free; under SQLite, until the database is free to be written."""
    idle: float
    """After which the server ends a transaction of which it hears no more: a process that was
    frozen inside of one keeps its locks no longer."""
    kept: int
    """Connections that are kept open."""
    connections: int
    """Most connections at once."""
    pause: float = 0.0
    """For so long after it was silent, the database is not asked again: whoever has waited in the
    meantime is not to wait once more."""


SERVICE = Limits(contact=1.0, statement=1.4, lock=1.2, idle=5.0, kept=8, connections=32, pause=0.5)
"""Of the HTTP service: a request is answered or refused within 2 s. There is a connection for each
thread that may want one (``service.threads.SIZES``), so that none waits for another's."""
WORKER = Limits(contact=2.0, statement=5.0, lock=1.0, idle=5.0, kept=2, connections=8)
"""Of what watches: supervisors and reconcilers. They wait for no row, and come again soon."""
TRAINER = Limits(contact=10.0, statement=60.0, lock=10.0, idle=10.0, kept=1, connections=4)
"""Of trainers, which have time, and results to store. Idle, it is less than a lease: who takes the
fleet of a frozen trainer over finds its rows free."""
MIGRATION = Limits(contact=10.0, statement=3600.0, lock=600.0, idle=0.0, kept=1, connections=2)
"""Of a change of the schema, for which several processes may wait that start together."""
REPORT_SECONDS = 30.0
"""For statements that read, write or remove all trials of a job: there may be 100,000."""


class Deadlines(threading.local):
    """Until when each thread waits, by the monotonic clock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._statement = limits.statement
        self._until = self._contact = math.inf

    @contextmanager
    def transaction(self, within: float | None, statement: float | None) -> Iterator[None]:
        """A transaction, all of it ``within`` so many seconds; its statements within others than
        usual.
        """
        before = self._until, self._statement
        if within is not None:
            self._until = min(self._until, time.monotonic() + within)
        if statement is not None:
            self._statement = statement
        try:
            yield
        finally:
            self._until, self._statement = before

    @contextmanager
    def contact(self) -> Iterator[None]:
        """Until a connection is at hand."""
        before, self._contact = self._contact, time.monotonic() + self._limits.contact
        try:
            yield
        finally:
            self._contact = before

    def answer_by(self) -> float:
        """When the server must have answered what it is asked now."""
        by_itself = time.monotonic() + self._statement + ANSWER_SECONDS
        return min(by_itself, self._contact, self._until)

    def connect_by(self) -> float:
        """When a connection that is made now must be made."""
        return min(time.monotonic() + self._limits.contact, self._contact, self._until)

    def lock_milliseconds(self) -> int:
        """How long SQLite may wait for its write lock."""
        seconds = min(self._limits.lock, self._until - time.monotonic())
        return max(0, int(1000 * seconds))


class CircuitBreaker:
    """Whether the database was silent when it was asked last. Then, after a pause, one thread asks,
    and all others are told at once.

    So a crowd of requests costs the wait of one, and the first answer ends the outage.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._lock = threading.Lock()
        self._reason: str | None = None
        self._ask_at = 0.0
        self._is_asking = False

    def begin(self, reason: str) -> None:
        """It was silent just now."""
        with self._lock:
            self._reason = reason
            self._ask_at = time.monotonic() + self._pause

    def check(self) -> None:
        """``UnavailableError`` where, in an outage, it is not to be asked now."""
        with self._lock:
            self._refuse()

    def _refuse(self) -> None:
        waits = self._is_asking or time.monotonic() < self._ask_at
        if self._reason is not None and waits:
            raise unavailable(self._reason)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Try to reach it; raises as :meth:`check`."""
        with self._lock:
            self._refuse()
            mine = self._reason is not None
            self._is_asking |= mine
        try:
            yield
            with self._lock:
                self._reason = None
        finally:
            if mine:
                with self._lock:
                    self._is_asking = False
                    self._ask_at = time.monotonic() + self._pause


def unavailable(reason: str, kind: type[UnavailableError] = UnavailableError) -> UnavailableError:
    """The error of a database that cannot be used now."""
    return kind(
        f"the database cannot be used now ({reason}); try again", code="database_unavailable"
    )
