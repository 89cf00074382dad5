"""Connections from a socket that several processes share, each taking no more than its part.

Whoever is awake first would take all that wait: of 32 connections that came at once, one of two
processes took 32. So each writes how many it has where the others see it, and one that has more
than another hesitates.
"""

import asyncio
import mmap
import os
import socket
import struct
import tempfile
from collections.abc import Callable
from typing import Any, Self

HESITATION_SECONDS = 0.005
"""Time that a process which has more connections leaves to those which have fewer."""
PAUSE_SECONDS = 1.0
"""Pause after an error, as when there are no file descriptors left."""
_COUNT = struct.Struct("=i")
GONE = -1


class Loads:
    """How many connections each process has, in memory that all of them see."""

    def __init__(self, descriptor: int, count: int) -> None:
        self.descriptor, self._count = descriptor, count
        self._memory = mmap.mmap(descriptor, count * _COUNT.size)

    @classmethod
    def of(cls, count: int) -> Self:
        """A place for so many processes, of which none runs."""
        with tempfile.TemporaryFile() as file:
            file.write(_COUNT.pack(GONE) * count)
            file.flush()
            return cls(os.dup(file.fileno()), count)

    def set(self, process: int, connections: int) -> None:
        """A process has so many; ``GONE`` if it does not run."""
        _COUNT.pack_into(self._memory, process * _COUNT.size, connections)

    def least(self) -> int:
        """The fewest that a process has which runs."""
        counts = (count for (count,) in _COUNT.iter_unpack(self._memory[:]))
        return min((count for count in counts if count != GONE), default=0)

    def close(self) -> None:
        """Give it up here; others see it still."""
        self._memory.close()
        os.close(self.descriptor)


class CountedConnections(set[Any]):
    """The open connections of a process, told to the others."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._tell = tell

    def add(self, connection: Any) -> None:
        """One more."""
        super().add(connection)
        self._tell(len(self))

    def discard(self, connection: Any) -> None:
        """One less."""
        super().discard(connection)
        self._tell(len(self))


class FairListener:
    """Takes connections on the running event loop until it is closed.

    Args:
        listening: the shared socket.
        connected: makes the protocol of a new connection, which is then in ``connections``.
        connections: the open ones.
        loads: how many the others have.
    """

    def __init__(
        self,
        listening: socket.socket,
        connected: Callable[[], asyncio.Protocol],
        connections: set[Any],
        loads: Loads,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening, self._connected = listening, connected
        self._connections, self._loads = connections, loads
        self._pausing: asyncio.TimerHandle | None = None
        self._arriving: set[asyncio.Task[Any]] = set()
        listening.setblocking(False)
        self._loop.add_reader(listening.fileno(), self._consider)

    def close(self) -> None:
        """Take no more."""
        self._loop.remove_reader(self._listening.fileno())
        if self._pausing is not None:
            self._pausing.cancel()

    async def wait_closed(self) -> None:
        """Wait for those that arrive."""
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _consider(self) -> None:
        if len(self._connections) + len(self._arriving) > self._loads.least():
            self._pause(HESITATION_SECONDS, take=True)
        else:
            self._take()

    def _pause(self, seconds: float, *, take: bool) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._pausing = self._loop.call_later(seconds, self._go_on, take)

    def _go_on(self, take: bool) -> None:
        self._pausing = None
        self._loop.add_reader(self._listening.fileno(), self._consider)
        if take:
            self._take()

    def _take(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was faster, or the client has left
        except OSError:
            self._pause(PAUSE_SECONDS, take=False)
            return
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arriving = asyncio.ensure_future(
            self._loop.connect_accepted_socket(self._connected, connection)
        )
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)
