"""Everything beside the HTTP service itself: Redis and a worker, started, watched, and stopped."""

import fcntl
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Protocol, Self

from worker.errors import UnavailableError
from worker.runtime.redis_server import RedisServer
from worker.runtime.restarts import Pauses, ending
from worker.settings import ServiceSettings
from worker.storage import schema
from worker.storage.database import Database

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""What a worker may need to end, beyond the time that its trainers are given."""
LOOK_SECONDS = 0.1
"""Interval in which children are looked after."""


class Processes:
    """The embedded default: a migrated database, Redis unless one is configured, one worker.

    What ends by itself is started again. The children die with this process. ``stop`` drains:
    running fleets write a checkpoint and wait for the next start.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._redis = RedisServer(settings) if settings.embedded_redis else None
        self._worker = WorkerProcess(settings)
        parts: list[tuple[str, _Part]] = [("the worker", self._worker)]
        if self._redis is not None:
            parts.insert(0, ("redis-server", self._redis))
        self._keeper = _Keeper(parts)
        self._lock: IO[str] | None = None

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, while it runs."""
        return self._worker.pid

    @property
    def redis_pid(self) -> int | None:
        """Process id of the embedded Redis, while it runs."""
        return None if self._redis is None else self._redis.pid

    def start(self) -> None:
        """Start all; ``UnavailableError`` when a part does not start. Standbys are not awaited."""
        self._lock_state()
        try:
            database = Database(self._settings.database_url)
            schema.make_ready(database, patience=self._settings.migration_seconds)
            database.close()
            self._keeper.start()
        except BaseException:
            self.stop()
            raise

    def wait_until_warm(self, timeout: float = 60.0) -> None:
        """Wait until each of the worker's standbys has torch in memory."""
        self._worker.wait_until_warm(timeout)

    def ask_to_stop(self) -> None:
        """Let the worker drain from now on; :meth:`stop` waits for it."""
        self._keeper.let_go()
        self._worker.ask_to_stop()

    def stop(self) -> None:
        """Stop all, the worker first. Returns when nothing runs any more."""
        self._keeper.let_go()
        self.stop_worker()
        if self._redis is not None:
            self._redis.stop()
        self._keeper.join()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def stop_worker(self) -> None:
        """Drain the worker; end it by force if it takes longer than its trainers may."""
        self._keeper.let_go()
        self._worker.stop()

    def _lock_state(self) -> None:
        lock = (self._settings.prepare_state() / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise UnavailableError(
                f"another parsimony runs on {self._settings.state}; stop it, or give --state",
                code="state_in_use",
            ) from error
        self._lock = lock

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class WorkerProcess:
    """The worker, a child of this process; it logs to ``worker.log`` in the state folder."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._warm: int | None = None
        self._warm_count = 0

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> None:
        """Start it. Its standbys are not awaited."""
        self._forget_warmth()
        self._warm, reporting = os.pipe()
        self._warm_count = 0
        log = self._settings.state / "worker.log"
        try:
            with log.open("ab") as stderr:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "worker.runtime"),
                        *("--parent", str(os.getpid()), "--warm-fd", str(reporting)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=stderr,
                    stderr=stderr,
                    env={**os.environ, **self._settings.environment()},
                    pass_fds=[reporting],
                    start_new_session=True,
                )
        finally:
            os.close(reporting)

    def ended(self) -> int | None:
        """Its exit status, once it has ended by itself."""
        process = self._process
        return None if process is None else process.poll()

    def wait_until_warm(self, timeout: float) -> None:
        """Wait until each of its standbys has torch in memory."""
        deadline = time.monotonic() + timeout
        while self._warm is not None and self._warm_count < self._settings.workers:
            ready, _, _ = select.select([self._warm], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._warm, 64) if ready else b""
            if not data:
                raise UnavailableError(
                    f"the worker did not start; see {self._settings.state / 'worker.log'}",
                    code="worker_not_started",
                )
            self._warm_count += len(data)

    def ask_to_stop(self) -> None:
        """Let it drain from now on."""
        process = self._process
        if process is not None:
            process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Drain it; end it by force if it takes longer than its trainers may."""
        self.ask_to_stop()
        process, self._process = self._process, None
        if process is not None:
            try:
                process.wait(self._settings.stop_seconds + GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._forget_warmth()

    def _forget_warmth(self) -> None:
        if self._warm is not None:
            os.close(self._warm)
            self._warm = None


class _Part(Protocol):
    """A child process that is kept running."""

    @property
    def pid(self) -> int | None:
        """Its process id, once it was started."""

    def start(self) -> None:
        """Start it, or start it again."""

    def ended(self) -> int | None:
        """Its exit status, once it has ended."""


class _Keeper:
    """Starts parts in their order, and again what has ended, until it lets them go.

    All is started in one thread, which lives on: the kernel ends a child with the thread that
    started it.
    """

    def __init__(self, parts: list[tuple[str, _Part]]) -> None:
        self._parts = [_Kept(name, part) for name, part in parts]
        self._letting_go = threading.Event()
        self._may_end = threading.Event()
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Start all; raises what keeps one from starting."""
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            raise self._error

    def let_go(self) -> None:
        """Start nothing from now on. The thread stays for as long as what it has started."""
        self._letting_go.set()
        with self._starting:  # what is being started just now is there to be stopped
            return

    def join(self) -> None:
        """End the thread, once all that it has started has ended."""
        self._may_end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            for kept in self._parts:
                self._start(kept.start)
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()
        while self._error is None and not self._letting_go.wait(LOOK_SECONDS):
            for kept in self._parts:
                self._start(kept.look)
        self._may_end.wait()

    def _start(self, act: Callable[[], None]) -> None:
        with self._starting:
            if not self._letting_go.is_set():
                act()


class _Kept:
    """A part, and when it is to be started again."""

    def __init__(self, name: str, part: _Part) -> None:
        self._name, self._part = name, part
        self._pauses = Pauses()
        self._started = 0.0
        self._due: float | None = None

    def start(self) -> None:
        """Start it now."""
        self._due, self._started = None, time.monotonic()
        self._part.start()

    def look(self) -> None:
        """Start it if it is to be started; note it if it has ended."""
        if self._due is None:
            status = self._part.ended()
            if status is not None:
                self._wait(f"{self._name} (process {self._part.pid}) {ending(status)}")
        elif time.monotonic() >= self._due:
            try:
                self.start()
            except (UnavailableError, OSError) as error:
                self._wait(f"{self._name} does not start: {error}")

    def _wait(self, what: str) -> None:
        pause = self._pauses.after(self._started)
        self._due = time.monotonic() + pause
        logger.warning("%s; another one starts in %g s", what, pause)
