"""Everything beside the HTTP service itself: Redis and a worker, started and stopped as one."""

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import IO, Self

from worker.errors import UnavailableError
from worker.runtime.redis_server import RedisServer
from worker.settings import ServiceSettings
from worker.storage import schema
from worker.storage.database import Database

GRACE_SECONDS = 5.0
"""What a worker may need to end, beyond the time that its trainers are given."""


class Processes:
    """The embedded default: a migrated database, Redis unless one is configured, one worker.

    The children die with this process. ``stop`` drains: running fleets write a checkpoint and wait
    for the next start. Start it in the main thread.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._redis = RedisServer(settings) if settings.embedded_redis else None
        self._worker: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._warm: int | None = None
        self._warm_count = 0

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, while it runs."""
        return None if self._worker is None else self._worker.pid

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
            if self._redis is not None:
                self._redis.start()
            self.start_worker()
        except BaseException:
            self.stop()
            raise

    def start_worker(self) -> None:
        """Start the worker process alone; it logs to ``worker.log`` in the state folder."""
        self._warm, reporting = os.pipe()
        self._warm_count = 0
        log = self._settings.state / "worker.log"
        try:
            with log.open("ab") as stderr:
                self._worker = subprocess.Popen(
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

    def wait_until_warm(self, timeout: float = 60.0) -> None:
        """Wait until each of the worker's standbys has torch in memory."""
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

    def stop(self) -> None:
        """Stop all, the worker first. Returns when nothing runs any more."""
        self.stop_worker()
        if self._redis is not None:
            self._redis.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def stop_worker(self) -> None:
        """Drain the worker; end it by force if it takes longer than its trainers may."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.send_signal(signal.SIGTERM)
            try:
                worker.wait(self._settings.stop_seconds + GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        if self._warm is not None:
            os.close(self._warm)
            self._warm = None

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
