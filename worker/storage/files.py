"""Files as they are written: a content with its size and its hash, and a folder that appears whole.

``artefacts`` builds on this, as do ``matrices`` and ``backup``.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from worker.failpoints import failpoint

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


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """What is left of an open file, piece by piece; it is closed in the end."""
    with file:
        while piece := file.read(PIECE):
            yield piece


def write_folder(final: Path, files: Mapping[str, Iterable[bytes]]) -> None:
    """Write files, given piece by piece, and rename their folder into place. ``OSError`` leaves
    nothing behind.
    """
    temporary = final.with_name(f".{final.name}.part")
    parents = _make_folders(final.parent)
    failpoint("file.before")
    temporary.mkdir(mode=0o700)
    try:
        for name, pieces in files.items():
            handle = os.open(temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(temporary)
        failpoint("file.rename")
        temporary.replace(final)
        failpoint("file.renamed")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for parent in [final.parent, *parents]:
        sync_folder(parent)


def _make_folders(folder: Path) -> list[Path]:
    """Create a folder; give back the parents that gained an entry, and so must be synced."""
    touched = []
    missing = folder
    while not missing.exists():
        touched.append(missing.parent)
        missing = missing.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return touched


def sync_folder(folder: Path) -> None:
    """Have what is in a folder, and its name, outlive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
