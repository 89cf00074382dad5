"""A client of few microseconds a request: raw HTTP/1.1 over asyncio, many connections, no library.

It gives the status, the headers that matter and the body of each answer. For load see ``_load.py``.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import cast


def raw(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Answer:
    """What came back."""

    status: int
    """0 if the connection was closed before an answer."""
    retry_after: bool
    body: bytes


GONE = Answer(0, False, b"")


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._received = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future has its answer."""
        assert self.transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            self._close()
            return
        length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        if len(self._received) < end + 4 + length:
            return
        body = bytes(self._received[end + 4 : end + 4 + length])
        self._received.clear()
        self._answer(Answer(int(head[9:12]), b"\r\nretry-after:" in head, body))
        if b"\r\nconnection: close" in head:
            self._close()
        else:
            self._pool.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        self._answer(GONE)

    def _close(self) -> None:
        assert self.transport is not None
        self.transport.close()

    def _answer(self, answer: Answer) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)
        self._waiting = None


class Pool:
    """Connections to one server, opened as they are needed, up to a number."""

    def __init__(self, port: int, most: int) -> None:
        self._port, self._most = port, most
        self._open: set[Connection] = set()
        self._opening = 0
        self.idle: deque[Connection] = deque()

    def lost(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._open.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)

    async def open(self, count: int) -> None:
        """Open some beforehand."""
        for _ in range(count):
            self.idle.append(await self._connect())

    async def ask(self, request: bytes) -> Answer | None:
        """Send a request on a free connection. None if all are in use: this client's limit."""
        if self.idle:
            return await self.idle.pop().send(request)
        if len(self._open) + self._opening >= self._most:
            return None
        self._opening += 1
        try:
            connection = await self._connect()
        except OSError:
            return GONE
        finally:
            self._opening -= 1
        return await connection.send(request)

    def close(self) -> None:
        """Close all."""
        for connection in list(self._open):
            if connection.transport is not None:
                connection.transport.abort()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self), "127.0.0.1", self._port
        )
        self._open.add(connection)
        return connection
