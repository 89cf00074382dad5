"""Connections to PostgreSQL whose time limits hold when the server is frozen or out of reach, too.

Such a server cannot keep its own limits, and those of TCP do not help: the kernel of a host whose
processes are stopped goes on acknowledging. So a connection gives up waiting for an answer by its
own clock, and closes itself: what the server will say to it later concerns nobody.
"""

import math
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, TypedDict, TypeVar

import psycopg

from worker.storage.limits import Deadlines, Limits

Result = TypeVar("Result")


class SilentError(psycopg.OperationalError, TimeoutError):
    """The server did not answer in time."""


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that waits for its server no longer than its thread's limits say."""

    deadlines: Deadlines | None = None

    def wait(self, gen: Generator[Any, Any, Result], *args: Any, **options: Any) -> Result:
        """Exchange messages with the server. All that this connection does passes through here."""
        if self.deadlines is None:
            return super().wait(gen, *args, **options)
        try:
            return super().wait(_bounded(gen, self.deadlines), *args, **options)
        except SilentError:
            self.close()
            raise


class ConnectOptions(TypedDict):
    """Parameters of libpq; seconds where it does not say otherwise."""

    options: str
    """Settings of the server, as on its command line."""
    connect_timeout: int
    keepalives: int
    """1: the connection is probed where nothing is sent."""
    keepalives_idle: int
    keepalives_interval: int
    keepalives_count: int
    tcp_user_timeout: int
    """Milliseconds."""


def options(limits: Limits) -> ConnectOptions:
    """What a connection is to ask of its server and of TCP."""
    kept_by_server = {
        "statement_timeout": limits.statement,
        "lock_timeout": limits.lock,
        "idle_in_transaction_session_timeout": limits.idle,
    }
    return {
        "options": " ".join(f"-c {name}={round(1000 * s)}" for name, s in kept_by_server.items()),
        # Later than ours, which is exact.
        "connect_timeout": math.ceil(limits.contact) + 1,
        # A host that is gone is noticed in the middle of an answer, and where nothing is asked.
        "keepalives": 1,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": round(1000 * min(15.0, limits.contact + limits.statement)),
    }


def connect(deadlines: Deadlines, *args: Any, **options: Any) -> LimitedConnection:
    """A connection within the limits.

    It is made in a thread of its own: the driver's least limit is 2 s, and none holds while the
    host's name is looked up. A connection that comes too late is closed.
    """
    made: Future[LimitedConnection] = Future()

    def run() -> None:
        try:
            made.set_result(LimitedConnection.connect(*args, **options))
        except BaseException as error:
            made.set_exception(error)

    seconds = deadlines.connect_by() - time.monotonic()
    if seconds <= 0.0:
        # They were spent on a connection that was thought to work.
        raise SilentError("the server has not answered in time")
    threading.Thread(target=run, name="connect", daemon=True).start()
    try:
        connection = made.result(seconds)
    except TimeoutError as error:
        made.add_done_callback(_close)
        raise SilentError(f"no connection within {seconds:.1f} s") from error
    connection.deadlines = deadlines
    return connection


def _close(made: Future[LimitedConnection]) -> None:
    if made.exception() is None:
        made.result().close()


def _bounded(gen: Generator[Any, Any, Result], deadlines: Deadlines) -> Generator[Any, Any, Result]:
    """The same exchange, given up when nothing has come for too long."""
    heard, until = time.monotonic(), deadlines.answer_by()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            now = time.monotonic()
            if ready:
                heard, until = now, deadlines.answer_by()
            elif now >= until:
                raise SilentError(f"the server has not answered for {now - heard:.1f} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        answer: Result = end.value
        return answer
