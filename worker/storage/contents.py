"""Contents: what a stored file shall hold, its size and its hash."""

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PIECE = 2**22
"""Bytes of an open file that are copied at once."""
ROOM = 2**20
"""Bytes of it that are hashed at once, which stay in the processor's caches."""

Plain = bytes | BinaryIO
"""Bytes, or a file that is open for reading and can be searched."""


@dataclass(frozen=True)
class Entry:
    """Size and hash of one file."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, content: Plain) -> "Entry":
        """Those of a content, which is read for it."""
        pieces = CountedPieces(content)
        for _ in pieces:
            pass
        return pieces.entry


class CountedPieces:
    """A content piece by piece. Who has gone through them, as to write them, has its entry too:
    a large file is read once for both.
    """

    is_linked = False

    def __init__(self, content: Plain) -> None:
        self._content = content
        self._size, self._digest = 0, hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        """The pieces, once."""
        if isinstance(self._content, bytes):
            yield self._counted(self._content)
            return
        self._content.seek(0)
        while piece := self._content.read(PIECE):
            yield self._counted(piece)

    @property
    def entry(self) -> Entry:
        """Size and hash of the pieces so far."""
        return Entry(self._size, self._digest.hexdigest())

    def _counted(self, piece: bytes) -> bytes:
        self._size += len(piece)
        self._digest.update(piece)
        return piece


class SettledFile:
    """A file on a disk of this machine that nobody writes to any more, to be stored as it is.

    A store in the same file system gives it another name instead of copying it, and it is read
    once, for its hash: what is hashed is what is stored. Who has time before calls ``settle``.

    Args:
        file: open for reading; it may have no name yet. Its position is left alone.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()
        self._entry: Entry | None = None
        self._lock = threading.Lock()
        self.is_linked = False
        """Whether it became a file of the store itself."""

    def settle(self) -> Entry:
        """Have it outlive a power failure; its size and hash."""
        with self._lock:
            if self._entry is None:
                os.fsync(self._descriptor)
                size, digest, room = 0, hashlib.sha256(), memoryview(bytearray(ROOM))
                while count := os.preadv(self._descriptor, [room], size):
                    digest.update(room[:count])
                    size += count
                self._entry = Entry(size, digest.hexdigest())
            return self._entry

    @property
    def entry(self) -> Entry:
        """Size and hash."""
        return self.settle()

    def __iter__(self) -> Iterator[bytes]:
        """The file piece by piece."""
        place = 0
        while piece := os.pread(self._descriptor, PIECE, place):
            yield piece
            place += len(piece)

    def link(self, path: Path) -> bool:
        """Give it this name, if that can be: in the same file system, where descriptors have
        names.
        """
        self.settle()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchmod(self._descriptor, 0o600)
            # With the number of a folder, the link of `/proc` is followed, and not linked itself.
            os.link(f"/proc/self/fd/{self._descriptor}", path, src_dir_fd=folder)
        except OSError:
            return False
        finally:
            os.close(folder)
        self.is_linked = True
        return True


Content = Plain | SettledFile
"""What a file shall hold."""
Pieces = CountedPieces | SettledFile


def pieces_of(content: Content) -> Pieces:
    """A content piece by piece, with its entry."""
    return content if isinstance(content, SettledFile) else CountedPieces(content)
