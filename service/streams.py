"""Files on their way to a client."""

from collections.abc import Iterator
from typing import BinaryIO

from worker.storage.contents import PIECE


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """What is left of an open file, piece by piece; it is closed in the end."""
    with file:
        while piece := file.read(PIECE):
            yield piece
