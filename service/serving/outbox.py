"""The outbox: what of an answer has been made and not yet been sent.

Decisions:

* Nothing is sent until `HELD` bytes are there, or all: up to then an error can still be answered by
  its own status.
* Many clients send the whole of a request before they read any of the answer, and would wait for
  ever if the answer had to be read for the request to go on. So what the client does not take is
  kept: in memory first, then in a temporary file, and only when that is full does the request wait.
"""

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from service.threads import in_pool

HELD = 4 * 2**20
_IN_MEMORY = 8 * 2**20
_PIECE = 2**18


class Outbox:
    """A queue of bytes with one writer and one reader, in one event loop."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Begin.

        Args:
            folder: where the temporary file is; it has no name there.
            most_bytes: the most that it holds.
        """
        self._folder, self._most = folder, most_bytes
        self._pieces: deque[bytes] = deque()
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        self._written = self._read = 0
        """Bytes of the file, those written and those read again."""
        self._all = False
        self._begun = False
        self._changed = asyncio.Condition()

    async def put(self, data: bytes) -> None:
        """Add to the answer; waits while the outbox is full."""
        if not data:
            return
        async with self._changed:
            await self._changed.wait_for(lambda: self._written - self._read < self._most)
            if self._written == self._read and self._in_memory + len(data) <= _IN_MEMORY:
                self._pieces.append(data)
                self._in_memory += len(data)
            else:
                await in_pool("answers", self._keep, data)
            self._changed.notify_all()

    async def finish(self) -> None:
        """Say that this is all."""
        async with self._changed:
            self._all = True
            self._changed.notify_all()

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is to be sent, in order, until all of it is."""
        while True:
            async with self._changed:
                await self._changed.wait_for(self._is_due)
                self._begun = True
                if self._pieces:
                    piece = self._pieces.popleft()
                    self._in_memory -= len(piece)
                elif self._read < self._written:
                    piece = await in_pool("answers", self._kept)
                else:
                    return
                self._changed.notify_all()
            yield piece

    def close(self) -> None:
        """Let the temporary file go."""
        if self._file is not None:
            self._file.close()

    def _is_due(self) -> bool:
        waiting = self._in_memory + self._written - self._read
        return self._all or waiting > (0 if self._begun else HELD)

    def _keep(self, data: bytes) -> None:
        if self._file is None:
            # Longer than a `with` would have it: until the answer has been sent.
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        self._file.seek(self._written)
        self._file.write(data)
        self._written += len(data)

    def _kept(self) -> bytes:
        assert self._file is not None
        self._file.seek(self._read)
        piece = self._file.read(min(_PIECE, self._written - self._read))
        self._read += len(piece)
        if self._read == self._written:
            self._file.seek(0)
            self._file.truncate()
            self._read = self._written = 0
        return piece
