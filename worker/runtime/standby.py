"""The warm standby and the trainers that it forks, and what a supervisor and a trainer say to each
other.

One process imports torch, once, touches no GPU and runs nothing; for each fleet it forks a trainer.
So a fleet has a process of its own within milliseconds, and its memory goes back when it ends.

A supervisor and its trainer send JSON lines over a pair of pipes. The supervisor's end is a
:class:`TrainerProcess`: ``{"lease": {…}}`` once, then at most ``{"stop": "cancel" | "drain"}``.
The trainer's is a :class:`Channel`: ``{"event": "loaded"}``, ``{"event": "steps", "steps": n}``,
``{"event": "waiting", "for": …, "seconds": …}`` and ``{"event": "going_on"}`` around faults of the
place; once ``{"event": "ended", "outcome": …}``, ``{"event": "crashed", "reason": …}`` or, of one
that its place ended, ``{"event": "displaced", "reason": …}``; and for as long as its threads run,
``{"event": "alive"}``.

Whoever is asked may be frozen: a supervisor waits for none of them without limit. A trainer is
ended by a handle (a pidfd), which its standby opens before anything could reap it, and sends along
with its number: the number alone might be another process's by then.
"""

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from worker.errors import UnavailableError
from worker.schema import Json
from worker.settings import ServiceSettings
from worker.storage.fleets import Lease

logger = logging.getLogger(__name__)

Message = Json
COMMAND = (sys.executable, "-m", "worker.runtime.trainer")
CANCEL, DRAIN = "cancel", "drain"
START_SECONDS = 300.0
"""Time in which a standby has imported torch, from a slow disk too."""
FORK_SECONDS = 10.0
"""A fork takes milliseconds. A standby that needs longer than this is frozen."""
EXIT_SECONDS = 30.0
"""Time in which a trainer that is ending has ended, a large core dump written, and its standby says
so."""
CLOSED_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
ALIVE_SECONDS = 0.5
"""A trainer whose threads run says something at least so often."""


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
        self._replies = Replies(self._control)
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

        Raises ``UnavailableError`` when the standby has died, or is frozen; it is killed then.
        """
        self._waiter.join()
        if not self._is_ready:
            raise _dead()
        reading, their_writing = os.pipe()
        their_reading, writing = os.pipe()
        try:
            socket.send_fds(self._control, [b"f"], [their_reading, their_writing])
            reply = self.reply(FORK_SECONDS)
        except (OSError, UnavailableError) as error:
            os.close(reading)
            os.close(writing)
            raise _dead() from error
        finally:
            os.close(their_reading)
            os.close(their_writing)
        return TrainerProcess(self, reply["pid"], self._replies.descriptor(), reading, writing)

    def reply(self, seconds: float) -> Message:
        """The next thing that the standby says.

        Raises ``UnavailableError`` when it has died, or says nothing in time; it is killed then.
        """
        try:
            line = self._replies.next(seconds)
        except TimeoutError as error:
            logger.error("standby %d has not answered for %g s; it is killed", self.pid, seconds)
            self._process.kill()
            raise _dead() from error
        if not line:
            raise _dead()
        message: Message = orjson.loads(line)
        return message

    def close(self) -> None:
        """End it, and with it the trainer that it may have."""
        self._process.kill()
        try:
            self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            logger.error("standby %d does not end; it is left behind", self.pid)
        self._waiter.join(EXIT_SECONDS)
        self._replies.close()
        self._control.close()

    def _await_ready(self) -> None:
        try:
            self._is_ready = bool(self.reply(START_SECONDS)["ready"])
        except (OSError, UnavailableError):
            return
        if self._on_ready is not None:
            self._on_ready()


class TrainerProcess:
    """One process for one fleet."""

    def __init__(
        self, standby: Standby, pid: int, handle: int | None, reading: int, writing: int
    ) -> None:
        self._standby = standby
        self.pid = pid
        self._handle = handle
        """Its pidfd; none where the system has no such thing."""
        self._reading, self._writing = reading, writing
        # A pipe that a trainer which stands still does not empty is not to stop its supervisor.
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
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
        try:
            line = self._lines.next(timeout)
        except TimeoutError:
            return None
        message: Message = orjson.loads(line) if line else {"event": "gone"}
        return message

    def kill(self) -> None:
        """End it at once."""
        if self._status is None:
            with suppress(ProcessLookupError):
                if self._handle is not None:
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)
                else:
                    os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit status, once it has ended; negative: the signal that ended it.

        It must be ending: where it is not, within ``EXIT_SECONDS``, its standby is killed too.
        """
        if self._status is None:
            try:
                self._status = int(self._standby.reply(EXIT_SECONDS)["status"])
            except UnavailableError:
                # The standby was killed, and its trainer with it.
                self.lost_standby = True
                self._status = -signal.SIGKILL
            os.close(self._reading)
            os.close(self._writing)
            if self._handle is not None:
                os.close(self._handle)
        return self._status

    def _send(self, message: Message) -> None:
        # One that does not read what it is told will be killed for what it does not do.
        with suppress(BrokenPipeError, BlockingIOError):
            os.write(self._writing, orjson.dumps(message) + b"\n")


class Channel:
    """The trainer's end."""

    def __init__(self, reading: int, writing: int) -> None:
        self._lines = Lines(reading)
        self._out = writing
        self._lock = threading.Lock()
        self.stop_reason: str | None = None
        self.descriptors = (reading, writing)

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
        while True:
            try:
                line = self._lines.next(ALIVE_SECONDS)
            except TimeoutError:
                self.say("alive")
                continue
            if not line:
                # The supervisor is gone. Somebody else will claim the fleet: nothing is left here.
                os._exit(1)
            self.stop_reason = str(orjson.loads(line)["stop"])


class Lines:
    """Reads lines from a descriptor, without a lock that a waiting thread would hold at exit."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unread = b""

    def next(self, seconds: float | None = None) -> bytes:
        """The next line, waited for; empty at the end. ``TimeoutError`` if it is not whole by then:
        what has come of it is kept.
        """
        by = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._unread:
            left = None if by is None else max(0.0, by - time.monotonic())
            if not select.select([self._descriptor], [], [], left)[0]:
                raise TimeoutError
            data = self._read()
            if not data:
                return b""
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _read(self) -> bytes:
        return os.read(self._descriptor, 65_536)


class Replies(Lines):
    """Reads a standby's lines from its socket, and keeps the descriptor that came along."""

    def __init__(self, control: socket.socket) -> None:
        super().__init__(control.fileno())
        self._control = control
        self._descriptors: list[int] = []

    def descriptor(self) -> int | None:
        """The descriptor that came last, which is the caller's then; none if none did."""
        return self._descriptors.pop() if self._descriptors else None

    def close(self) -> None:
        """Close what nobody asked for."""
        while (descriptor := self.descriptor()) is not None:
            os.close(descriptor)

    def _read(self) -> bytes:
        data, descriptors, _, _ = socket.recv_fds(self._control, 65_536, 1, CLOSED_ON_EXEC)
        self._descriptors += descriptors
        return data


def _dead() -> UnavailableError:
    return UnavailableError(
        "the standby that trainers are forked from has ended, or was frozen; the worker's log says "
        "which",
        code="no_standby",
    )
