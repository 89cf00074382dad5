"""The process that readers are forked from: ``python -m service.reading.forks SOCKET``.

It has imported all that reading takes, runs one thread, and reads nothing itself. At each request,
the bounds of a reader with a socket and an open file, it forks one, which binds itself, takes an
order from the socket, reads the file, answers and ends. This process looks after the readers: one
that takes too long or grows too much is killed, as is one whose socket was closed at the other end;
of each one's end the socket tells. It ends when the service is gone, and its readers with it.
"""

import ctypes
import gc
import logging
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

from service.reading.messages import Bounds, ReadAnswer, ReaderEnd, ReadOrder
from worker.logs import configure_logs
from worker.runtime.lifeline import die_with_parent
from worker.settings import ServiceSettings, processors

logger = logging.getLogger(__name__)

Work = Callable[[ReadOrder, BinaryIO], ReadAnswer]
LOOK_MS = 50
"""Interval in which running readers are looked after."""
NICE = 10
"""How far readers step back behind what answers requests."""
LONGEST_REQUEST = 4096
THREADS = 4
"""Most threads in which a reader parses, types and counts."""
MANY_COLUMNS = 1_000
"""Columns of a text from which memory is given back piece by piece."""
_MMAP_THRESHOLD, _PIECE = -3, 2**14
"""The parameter of `mallopt`, and the bytes from which pieces go back by themselves."""
PAGE = os.sysconf("SC_PAGE_SIZE")
READY, BEGUN = b"ready\n", b"begun\n"


@dataclass
class _Reader:
    """One that runs."""

    pid: int
    channel: socket.socket
    bounds: Bounds
    resident: int
    """Bytes that it had in memory of its own when it began."""
    until: float
    reason: Literal["memory", "time"] | None = None
    """Why it was ended."""


def main() -> None:
    """Import what reading takes, then fork."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # Ctrl-C is the service's to answer: it lets uploads end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_logs(ServiceSettings())
    import pyarrow

    from service.reading.work import answer_to, warm_up

    # How many it has, not that it starts them: the readers do, of large files.
    pyarrow.set_cpu_count(min(THREADS, processors()))
    with tempfile.TemporaryDirectory() as folder:
        warm_up(Path(folder))

    # What is in memory now is shared with the readers: their collectors need not copy it.
    gc.collect()
    gc.freeze()
    control.sendall(READY)
    Forks(control, answer_to).serve()


class Forks:
    """The readers that run."""

    def __init__(self, control: socket.socket, work: Work) -> None:
        self._control, self._work = control, work
        self._readers: dict[int, _Reader] = {}
        """By the descriptors of their sockets."""
        self._poll = select.poll()
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waking, False)

    def serve(self) -> None:
        """Fork for each request, until there is nobody to ask."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)
        try:
            while True:
                for descriptor, _ in self._poll.poll(LOOK_MS if self._readers else None):
                    if descriptor == self._woken:
                        with suppress(BlockingIOError):
                            os.read(self._woken, 512)
                    elif descriptor != self._control.fileno():
                        self._give_up(descriptor)
                    elif not self._accept():
                        return
                self._bury()
                self._look()
        finally:
            for reader in self._readers.values():
                os.kill(reader.pid, signal.SIGKILL)

    def _accept(self) -> bool:
        """Fork a reader; false when the service is gone."""
        try:
            request, descriptors, _, _ = socket.recv_fds(self._control, LONGEST_REQUEST, 2)
        except ConnectionError:
            return False
        if not request:
            return False
        channel, file = socket.socket(fileno=descriptors[0]), descriptors[1]
        bounds = Bounds.model_validate_json(request)
        with suppress(OSError):  # who asked may have given up
            channel.sendall(BEGUN)
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_reader(me, bounds, channel, file)
        os.close(file)
        until = time.monotonic() + bounds.seconds
        reader = _Reader(pid, channel, bounds, _resident(pid), until)
        self._readers[channel.fileno()] = reader
        self._poll.register(channel, 0)  # that the other end is closed is told in any case
        return True

    def _be_reader(
        self, parent: int, bounds: Bounds, channel: socket.socket, file: int
    ) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(parent)
            for descriptor in (self._control.fileno(), self._woken, self._waking, *self._readers):
                os.close(descriptor)
            limit(bounds)
            with os.fdopen(file, "rb") as opened, channel.makefile("rb") as orders:
                order = orders.readline()
                if order:
                    answer = self._work(ReadOrder.model_validate_json(order), opened)
                    channel.sendall(answer.line())
            status = 0
        except BaseException:
            logger.exception("a reader ends")
        finally:
            os._exit(status)

    def _give_up(self, descriptor: int) -> None:
        """End a reader whose answer nobody waits for."""
        self._poll.unregister(descriptor)
        os.kill(self._readers[descriptor].pid, signal.SIGKILL)

    def _look(self) -> None:
        """End those that take too much."""
        for reader in self._readers.values():
            if time.monotonic() > reader.until:
                reader.reason = "time"
            elif _resident(reader.pid) - reader.resident > reader.bounds.memory:
                reader.reason = "memory"
            else:
                continue
            os.kill(reader.pid, signal.SIGKILL)

    def _bury(self) -> None:
        """Say of those that have ended how they did."""
        for descriptor, reader in list(self._readers.items()):
            pid, status = os.waitpid(reader.pid, os.WNOHANG)
            if pid == 0:
                continue
            del self._readers[descriptor]
            with suppress(KeyError):
                self._poll.unregister(descriptor)
            end = ReaderEnd(status=os.waitstatus_to_exitcode(status), reason=reader.reason)
            reader.channel.setblocking(False)
            with reader.channel, suppress(OSError):  # nobody may wait for it
                reader.channel.sendall(end.line())


def limit(bounds: Bounds) -> None:
    """Bind this process by what its system can hold it to, and let others go before it.

    Memory is what it may write to, as Linux counts it from 4.7 on; address space, which is another
    limit, is reserved in large pieces and hardly used.
    """
    os.nice(NICE)
    limits = {
        resource.RLIMIT_CPU: bounds.processor_seconds,
        resource.RLIMIT_NOFILE: bounds.files,
        resource.RLIMIT_FSIZE: bounds.written,
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform.startswith("linux"):
        limits[resource.RLIMIT_DATA] = _writable() + bounds.memory
        if bounds.columns > MANY_COLUMNS:
            _give_back_pieces()
        # If the machine has no memory left, this process is to go, and not the service.
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    for name, most in limits.items():
        # At its soft limit of time a process is told so; at the hard one it is killed.
        wanted = most + (name == resource.RLIMIT_CPU)
        hard = resource.getrlimit(name)[1]
        hard = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(name, (min(most, hard), hard))


def _give_back_pieces() -> None:
    """Let each piece of memory go back to the system once it is free.

    Arrow reserves a block's bytes for each column, and gives them back when it knows how few it
    takes; small pieces that are kept meanwhile would tear holes that no later column fits in, so
    that memory grew with the square of the columns. For other files that costs time for nothing.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _PIECE)


def _writable() -> int:
    """Bytes that this process may write to."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * PAGE


def _resident(pid: int) -> int:
    """Bytes that a process has in memory of its own; 0 where the system does not say."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * PAGE


if __name__ == "__main__":
    main()
