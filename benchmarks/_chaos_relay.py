"""A relay before a server on TCP, which refuses or fails on demand."""

import asyncio
import threading
from contextlib import suppress
from enum import Enum


class Mode(Enum):
    """What a relay does with connections."""

    PASS = "pass"
    REFUSE = "refuse"
    FAIL = "500"


class Relay:
    """Stands between the service and a server on TCP, in a thread; refuses or fails on demand."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.mode = Mode.PASS
        self._started = threading.Event()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait(10)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self, mode: Mode) -> None:
        """Change what happens to connections, those that are open included."""
        self.mode = mode

        def close_all() -> None:
            for writer in list(self._writers):
                writer.transport.abort()

        self._loop.call_soon_threadsafe(close_all)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._started.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.mode is Mode.REFUSE:
                writer.transport.abort()
            elif self.mode is Mode.FAIL:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(
                    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n"
                    b"Connection: close\r\n\r\n"
                )
                await writer.drain()
                writer.close()
            else:
                await self._pass(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers.add(back)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        try:
            await asyncio.gather(copy(reader, back), copy(there, writer))
        finally:
            self._writers.discard(back)
