"""A small load balancer: round robin over what is ready, as those of production do it.

It asks each backend's ``/readyz`` and sends nothing new to one that is not ready or does not
answer. A request that it has sent is not sent again: what a backend loses, the client sees.
"""

import asyncio
import itertools
import re
import threading
from typing import Self

LOOK_SECONDS = 0.1


class Proxy:
    """Listens on a port of this machine, in a thread of its own."""

    def __init__(self) -> None:
        self.ready: list[int] = []
        """The ports of those that get requests now."""
        self._ports: list[int] = []
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def balance(self, *ports: int) -> None:
        """The backends there are from now on."""
        self._ports = list(ports)

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._looking = asyncio.create_task(self._look())
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        self._looking.cancel()
        self._server.close()
        current = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            found = await asyncio.gather(*(self._is_ready(port) for port in self._ports))
            self.ready = [port for port, ready in zip(self._ports, found, strict=True) if ready]
            await asyncio.sleep(LOOK_SECONDS)

    async def _is_ready(self, port: int) -> bool:
        try:
            async with asyncio.timeout(2):
                answer = await _ask(port, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False
        return answer.startswith(b"HTTP/1.1 200 ")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client: its requests one by one, each to the next backend."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = head + await reader.readexactly(_length(head))
                port = self.ready[next(self._turn) % len(self.ready)]
                answer = await _ask(port, request)
                writer.write(re.sub(rb"(?im)^connection: close\r\n", b"", answer))
                await writer.drain()
        except (OSError, IndexError, asyncio.IncompleteReadError):
            return  # the client sees that its connection has ended
        finally:
            writer.close()


async def _ask(port: int, request: bytes) -> bytes:
    """An answer, over a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(_length(head))
    finally:
        writer.close()


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length: *(\d+)", head)
    return 0 if found is None else int(found[1])
