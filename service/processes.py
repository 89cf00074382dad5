"""Several HTTP processes on one socket: started, watched, started again, stopped.

The parent opens the socket and the children inherit it; the kernel gives each connection to one
that asks for it, so that none waits for a child that is gone. Each child runs the whole service.
Nothing is shared but the socket, the database and the artefacts. The parent never loads torch.
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
from dataclasses import dataclass, field

from service.fair_listener import GONE, Loads
from service.listening import GRACE_SECONDS, Interruption
from worker.errors import UnavailableError
from worker.runtime.restarts import Pauses, ending
from worker.settings import ServiceSettings

logger = logging.getLogger(__name__)

STOP_SECONDS = GRACE_SECONDS + 5.0
"""Time in which processes must have ended after their drain, before they are killed."""
COMMAND = (sys.executable, "-m", "service.api_process")


@dataclass
class _Child:
    """One process, and its end of a pipe: a byte says that it answers, the end that it is gone."""

    number: int
    """Its place among them."""
    process: subprocess.Popen[bytes]
    pipe: int
    started: float = field(default_factory=time.monotonic)
    answers: bool = False


class ApiProcesses:
    """As many HTTP processes as the settings say, on a socket that is open and listens."""

    def __init__(
        self,
        settings: ServiceSettings,
        listening: socket.socket,
        *,
        command: tuple[str, ...] = COMMAND,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._settings, self._listening, self._command = settings, listening, command
        self._on_stop = on_stop
        self._children: list[_Child] = []
        self._due: dict[int, float] = {}
        """When processes are to be started again, by number."""
        self._pauses = Pauses()

    @property
    def pids(self) -> list[int]:
        """Of those that run."""
        return [child.process.pid for child in self._children]

    def serve(self, announce: Callable[[], None]) -> None:
        """Run them until this process is interrupted; announce it once all answer.

        Raises:
            UnavailableError: one of them does not start.
        """
        self._loads = Loads.of(self._settings.processes)
        stop_by: int = signal.SIGTERM
        try:
            for number in range(self._settings.processes):
                self._start(number)
            while not all(child.answers for child in self._children):
                if self._watch():
                    raise UnavailableError(
                        "the HTTP service could not start; the lines above say why"
                    )
            announce()
            while True:
                for ended in self._watch():
                    self._start_again(ended)
        except Interruption as interruption:
            stop_by = interruption.number
            raise
        finally:
            self._stop(stop_by)
            self._loads.close()

    def _start(self, number: int) -> None:
        pipe, reporting = os.pipe()
        shared = (self._listening.fileno(), reporting, self._loads.descriptor)
        try:
            process = subprocess.Popen(
                [*self._command, str(os.getpid()), str(number), *map(str, shared)],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self._settings.environment()},
                pass_fds=shared,
                start_new_session=True,  # Ctrl-C reaches this process, which passes it on
            )
        finally:
            os.close(reporting)
        self._children.append(_Child(number, process, pipe))

    def _watch(self) -> list[_Child]:
        """Wait for what happens next; the children that have ended."""
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number)
        timeout = min((due - now for due in self._due.values()), default=None)
        moved, _, _ = select.select([child.pipe for child in self._children], [], [], timeout)
        ended = []
        for child in [child for child in self._children if child.pipe in moved]:
            if os.read(child.pipe, 1):
                child.answers = True
                continue
            os.close(child.pipe)
            self._children.remove(child)
            child.process.wait()
            self._loads.set(child.number, GONE)
            ended.append(child)
        return ended

    def _start_again(self, ended: _Child) -> None:
        pause = self._pauses.after(ended.started)
        self._due[ended.number] = time.monotonic() + pause
        logger.warning(
            "HTTP process %d %s; another one starts in %g s",
            *(ended.process.pid, ending(ended.process.returncode), pause),
        )

    def _stop(self, number: int) -> None:
        """Pass the signal on, and let the processes end; kill what takes too long.

        A second signal is passed on as well, and has them end without a drain.
        """
        self._signal(number)
        if self._on_stop is not None:
            threading.Thread(target=self._on_stop, name="stopping", daemon=True).start()
        deadline = time.monotonic() + self._settings.drain_seconds + STOP_SECONDS
        while self._children:
            try:
                self._wait(deadline)
            except Interruption as again:
                self._signal(again.number)

    def _signal(self, number: int) -> None:
        for child in self._children:
            child.process.send_signal(number)

    def _wait(self, deadline: float) -> None:
        """Wait for the processes, and close the port once the first has taken its last request."""
        while self._children:
            child = self._children[0]
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            os.close(child.pipe)
            self._children.remove(child)
            self._listening.close()
