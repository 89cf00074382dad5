"""A load generator that knows its own lag: raw HTTP/1.1 over epoll, one thread, many connections.

Requests begin at given moments, whether or not earlier ones were answered. Of each, four moments
are kept: when it was due, when it was given to the kernel, when the last byte of its answer reached
this machine's kernel (its own timestamp, ``SO_TIMESTAMPNS``), and when this client noticed it. From
due to noticed is what a user of this client waits; nothing can hide in it. From sent to arrived is
what the server and the kernel took of it; the rest is this client, which shares the processors with
the server and comes late when those are busy.
"""

import math
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TIMESTAMPS = 35
"""``SO_TIMESTAMPNS``: when the kernel received what is read; Python does not name it."""
_STAMP = struct.Struct("=qq")
_ANCILLARY = socket.CMSG_SPACE(_STAMP.size)
_ROOM = 256 * 1024
PATIENCE_SECONDS = 60.0
"""What is not answered this long after the last request of an open loop counts as lost."""
GRAIN = 0.001
"""Seconds: epoll waits for whole milliseconds, so requests are sent up to one late."""
EVENTS = 64
"""Answers that are read before requests that are due meanwhile are sent."""


@dataclass(slots=True)
class Asked:
    """One request; its moments are nanoseconds of the system's clock."""

    due: int
    sent: int = 0
    """0 if all connections of this client were in use."""
    arrived: int = 0
    noticed: int = 0
    status: int = 0
    """0 if the connection was closed before there was an answer."""
    retry_after: bool = False

    @property
    def seconds(self) -> float:
        """From when it was due until its answer was noticed."""
        return (self.noticed - self.due) * 1e-9

    @property
    def of_server(self) -> float:
        """The part of it that is not this client's: from the kernel to the kernel."""
        return (self.arrived - self.sent) * 1e-9

    @property
    def behind(self) -> float:
        """By how much it was sent too late."""
        return (self.sent - self.due) * 1e-9

    @property
    def unnoticed(self) -> float:
        """How long its answer lay in the kernel."""
        return (self.noticed - self.arrived) * 1e-9


class _Connection:
    """One connection; one request at a time."""

    __slots__ = ("asked", "head", "is_held_up", "left", "socket", "unsent")

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, TIMESTAMPS, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        self.asked: Asked | None = None
        self.unsent = b""
        self.is_held_up = False
        """Whether the kernel did not take all of the request yet."""
        self.head = b""
        """What came of an answer whose head is not whole."""
        self.left = -1
        """Bytes of the body that are still to come; -1 before the head is here."""


class Generator:
    """Asks one server the same again and again.

    Args:
        port: of the server, on this machine.
        request: as it goes over the wire.
        most: connections at once.
    """

    def __init__(self, port: int, request: bytes, most: int) -> None:
        self._port, self._request, self._most = port, request, most
        self._epoll = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._room = bytearray(_ROOM)
        self._view = [memoryview(self._room)]

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open.values():
            connection.socket.close()
        self._open.clear()
        self._idle.clear()
        self._epoll.close()

    def open_loop(self, offsets: list[float]) -> list[Asked]:
        """Send requests at their moments, in seconds from now; all of them, answered or not."""
        start = time.time_ns() + 100_000_000
        asked = [Asked(start + int(offset * 1e9)) for offset in offsets]
        waiting = iter(asked)
        following = next(waiting, None)
        end = asked[-1].due + int(PATIENCE_SECONDS * 1e9) if asked else 0
        while following is not None or len(self._idle) < len(self._open):
            now = time.time_ns()
            if now > end:
                break
            while following is not None and following.due <= now:
                self._ask(following)
                following = next(waiting, None)
            left = GRAIN * 50 if following is None else (following.due - time.time_ns()) * 1e-9
            self._read(left)
        return asked

    def closed_loop(self, width: int, seconds: float) -> list[Asked]:
        """Some clients, each of which sends the next request when it has its answer."""
        end = time.time_ns() + int(seconds * 1e9)
        asked: list[Asked] = []

        def ask(_: Asked | None = None) -> None:
            if (now := time.time_ns()) < end:
                asked.append(one := Asked(now))
                self._ask(one)

        for _ in range(width):
            ask()
        while len(self._idle) < len(self._open):
            self._read(GRAIN * 50, ask)
        return asked

    def _ask(self, asked: Asked) -> None:
        """Send a request on a free connection, if there is one or may be one more."""
        if self._idle:
            connection = self._idle.pop()
        elif len(self._open) < self._most:
            connection = _Connection(self._port)
            self._open[connection.socket.fileno()] = connection
            self._epoll.register(connection.socket.fileno(), select.EPOLLIN)
        else:
            return
        connection.asked, connection.unsent = asked, self._request
        asked.sent = time.time_ns()
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        try:
            connection.unsent = connection.unsent[connection.socket.send(connection.unsent) :]
        except BlockingIOError:  # not connected yet, or its buffer is full
            pass
        except OSError:
            self._lose(connection)
            return
        if bool(connection.unsent) is not connection.is_held_up:
            connection.is_held_up = not connection.is_held_up
            events = select.EPOLLIN | (select.EPOLLOUT if connection.is_held_up else 0)
            self._epoll.modify(connection.socket.fileno(), events)

    def _read(self, seconds: float, answered: Callable[[Asked], None] | None = None) -> None:
        """Wait for answers, no longer than some seconds, and read those that are here."""
        # Rounded up, so that it does not spin, which would take a processor from the server.
        wait = math.ceil(max(seconds, 0.0) / GRAIN) * GRAIN
        for descriptor, events in self._epoll.poll(wait, EVENTS):
            connection = self._open[descriptor]
            if events & select.EPOLLOUT:
                self._send(connection)
            if events & ~select.EPOLLOUT:
                asked = self._receive(connection)
                if asked is not None and answered is not None:
                    answered(asked)

    def _receive(self, connection: _Connection) -> Asked | None:
        """Read what came; the request, if that is all of its answer."""
        try:
            size, ancillary, _, _ = connection.socket.recvmsg_into(self._view, _ANCILLARY)
        except BlockingIOError:
            return None
        except OSError:
            size = 0
        if not size:
            return self._lose(connection)
        asked = connection.asked
        if asked is None:
            return self._lose(connection)  # an answer that nobody asked for
        if connection.left < 0:
            head, found, body = (connection.head + self._room[:size]).partition(b"\r\n\r\n")
            if not found:
                connection.head = bytes(head)
                return None
            head = head.lower() + b"\r\n"
            length = head.find(b"\r\ncontent-length:")
            if length < 0:
                return self._lose(connection)
            connection.left = int(head[length + 17 :].split(b"\r\n", 1)[0]) - len(body)
            connection.head = b"close" if b"\r\nconnection: close\r\n" in head else b""
            asked.status, asked.retry_after = int(head[9:12]), b"\r\nretry-after:" in head
        else:
            connection.left -= size
        if connection.left > 0:
            return None
        closing, connection.left, connection.head = connection.head == b"close", -1, b""
        asked.noticed = time.time_ns()
        asked.arrived = next(_stamps(ancillary), asked.noticed)
        connection.asked = None
        if closing:
            self._forget(connection)
        else:
            self._idle.append(connection)
        return asked

    def _lose(self, connection: _Connection) -> Asked | None:
        """It was closed; whoever waited for an answer gets none."""
        self._forget(connection)
        asked, connection.asked = connection.asked, None
        if asked is not None:
            asked.status, asked.arrived = 0, time.time_ns()
            asked.noticed = asked.arrived
        return asked

    def _forget(self, connection: _Connection) -> None:
        del self._open[connection.socket.fileno()]
        if connection in self._idle:
            self._idle.remove(connection)
        connection.socket.close()


def _stamps(ancillary: list[tuple[int, int, bytes]]) -> Iterator[int]:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, TIMESTAMPS):
            seconds, nanoseconds = _STAMP.unpack(data[: _STAMP.size])
            yield seconds * 1_000_000_000 + nanoseconds
