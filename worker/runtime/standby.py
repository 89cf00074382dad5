"""The warm standby and the trainers that it forks, and what a supervisor and a trainer say to each
other.

One process imports torch, once, touches no GPU and runs nothing; for each fleet it forks a trainer.
So a fleet has a process of its own within milliseconds, and its memory goes back when it ends.

A supervisor and its trainer send JSON lines over a pair of pipes. The supervisor's end is a
:class:`TrainerProcess`: ``{"lease": {…}}`` once, then at most ``{"stop": "cancel" | "drain"}``.
The trainer's is a :class:`Channel`: ``{"event": "loaded"}``, ``{"event": "steps", "steps": n}``,
``{"event": "waiting", "for": …, "seconds": …}`` and ``{"event": "going_on"}`` around faults of the
place; and once ``{"event": "ended", "outcome": …}``, ``{"event": "crashed", "reason": …}`` or, of
one that its place ended, ``{"event": "displaced", "reason": …}``.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import orjson

from worker.errors import UnavailableError
from worker.schema import Json
from worker.settings import ServiceSettings
from worker.storage.fleets import Lease

Message = Json
COMMAND = (sys.executable, "-m", "worker.runtime.trainer")
CANCEL, DRAIN = "cancel", "drain"


class Standby:
    """The process that waits with torch in memory.

    Create it in a thread that lives on: the kernel ends it with the thread that started it.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        command: tuple[str, ...] = COMMAND,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        environment = {
            **os.environ,
            **settings.environment(),
            "OMP_NUM_THREADS": str(settings.threads),
            # Threads that spin while they wait cost twenty times the work they wait for when
            # another process needs the core; measured with two threads on two cores.
            "OMP_WAIT_POLICY": "PASSIVE",
            # Deterministic cuBLAS needs this before the first CUDA call of the process.
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        }
        self._control, theirs = socket.socketpair()
        self._replies = Lines(self._control.fileno())
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(os.getpid()), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._on_ready = on_ready
        self._is_ready = False
        self._waiter = threading.Thread(target=self._await_ready, name="standby", daemon=True)
        self._waiter.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def fork(self) -> "TrainerProcess":
        """A new trainer; waits until torch is imported. One at a time.

        Raises ``UnavailableError`` when the standby has died.
        """
        self._waiter.join()
        if not self._is_ready:
            raise _dead()
        reading, their_writing = os.pipe()
        their_reading, writing = os.pipe()
        try:
            socket.send_fds(self._control, [b"f"], [their_reading, their_writing])
            pid = int(self.reply()["pid"])
        except (OSError, UnavailableError) as error:
            os.close(reading)
            os.close(writing)
            raise _dead() from error
        finally:
            os.close(their_reading)
            os.close(their_writing)
        return TrainerProcess(self, pid, reading, writing)

    def reply(self) -> Message:
        """The next thing that the standby says; ``UnavailableError`` when it has died."""
        line = self._replies.next()
        if not line:
            raise _dead()
        message: Message = orjson.loads(line)
        return message

    def close(self) -> None:
        """End it, and with it the trainer that it may have."""
        self._process.kill()
        self._process.wait()
        self._waiter.join()
        self._control.close()

    def _await_ready(self) -> None:
        try:
            self._is_ready = bool(self.reply()["ready"])
        except (OSError, UnavailableError):
            return
        if self._on_ready is not None:
            self._on_ready()


class TrainerProcess:
    """One process for one fleet."""

    def __init__(self, standby: Standby, pid: int, reading: int, writing: int) -> None:
        self._standby = standby
        self.pid = pid
        self._reading, self._writing = reading, writing
        self._lines = Lines(reading)
        self._status: int | None = None
        self.lost_standby = False
        """Whether it ended because the standby did; known once it was waited for."""

    def assign(self, lease: Lease) -> None:
        """Give it its fleet. If it has died meanwhile, its next message says so."""
        self._send({"lease": vars(lease)})

    def ask_to_stop(self, reason: str) -> None:
        """Ask it to end in good order."""
        self._send({"stop": reason})

    def receive(self, timeout: float) -> Message | None:
        """Its next message; ``{"event": "gone"}`` once it has ended, none after ``timeout``."""
        if not self._lines.has_line and not select.select([self._reading], [], [], timeout)[0]:
            return None
        line = self._lines.next()
        message: Message = orjson.loads(line) if line else {"event": "gone"}
        return message

    def kill(self) -> None:
        """End it at once."""
        if self._status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    def wait(self) -> int:
        """Its exit status, once it has ended; negative: the signal that ended it."""
        if self._status is None:
            try:
                self._status = int(self._standby.reply()["status"])
            except UnavailableError:
                # The standby was killed, and its trainer with it.
                self.lost_standby = True
                self._status = -signal.SIGKILL
            os.close(self._reading)
            os.close(self._writing)
        return self._status

    def _send(self, message: Message) -> None:
        try:
            os.write(self._writing, orjson.dumps(message) + b"\n")
        except BrokenPipeError:
            return


class Channel:
    """The trainer's end."""

    def __init__(self, reading: int, writing: int) -> None:
        self._lines = Lines(reading)
        self._out = writing
        self._lock = threading.Lock()
        self.stop_reason: str | None = None

    def say(self, event: str, **what: Any) -> None:
        """Send a message."""
        line = orjson.dumps({"event": event, **what}) + b"\n"
        with self._lock:
            os.write(self._out, line)

    def lease(self) -> Lease | None:
        """Wait for the assignment; none when the supervisor is gone."""
        line = self._lines.next()
        return Lease(**orjson.loads(line)["lease"]) if line else None

    def listen(self) -> None:
        """Keep reading from now on: a request to stop sets ``stop_reason``."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()

    def _listen(self) -> None:
        while line := self._lines.next():
            self.stop_reason = str(orjson.loads(line)["stop"])
        # The supervisor is gone. Somebody else will claim the fleet: nothing is left to do here.
        os._exit(1)


class Lines:
    """Reads lines from a descriptor, without a lock that a waiting thread would hold at exit."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unread = b""

    @property
    def has_line(self) -> bool:
        """Whether a line can be had without waiting."""
        return b"\n" in self._unread

    def next(self) -> bytes:
        """The next line, waited for; empty at the end."""
        while not self.has_line:
            data = os.read(self._descriptor, 65_536)
            if not data:
                return b""
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line


def _dead() -> UnavailableError:
    return UnavailableError(
        "the standby that trainers are forked from has ended; the worker's log says why",
        code="no_standby",
    )
