"""Contents: what a stored file shall hold, its size and its hash."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

PIECE = 2**22
"""Bytes of an open file that are copied at once."""

Content = bytes | BinaryIO
"""What a file shall hold: its bytes, or a file that is open for reading and can be searched."""


@dataclass(frozen=True)
class Entry:
    """Size and hash of one file."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, content: Content) -> "Entry":
        """Those of a content, which is read for it."""
        pieces = CountedPieces(content)
        for _ in pieces:
            pass
        return pieces.entry


class CountedPieces:
    """A content piece by piece. Who has gone through them, as to write them, has its entry too:
    a large file is read once for both.
    """

    def __init__(self, content: Content) -> None:
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
