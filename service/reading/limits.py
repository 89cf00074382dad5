"""What a reader may take, by the file that it is given; and the memory that all share.

The reader of a small file may take little, whatever the file unpacks to, so that eight of them fit
side by side. Text is at most some twenty times as large in memory as in its file. What is packed
may be any size, up to what ``FileLimits.of`` lets be decoded, and is held a few times at once.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import BusyError
from service.reading.messages import Bounds
from worker.data import FileLimits

MIB = 2**20
LEAST_MEMORY = 256 * MIB
"""What reading takes whatever is read: tables of encodings, stacks of threads, blocks."""
OF_TEXT, OF_DECODED = 20, 4
"""Times that a file of text, or what is unpacked, is held, with all that is made of it."""
OF_COLUMNS = 32 * 2**10
"""Bytes a column of text takes beside its cells: what is counted and told of it."""
HEAD = 2**18
"""Bytes at the beginning of a file in which its columns are counted."""
OF_ROWS = 1024
"""Bytes a row that it takes to divide the rows of a table, into folds that are dealt repeatedly."""
PROCESSOR_SECONDS, SECONDS_A_MIB = 20, 2
WRITTEN = 4 * 2**30
FILES = 64
PACKED = (b"PAR1", b"PK\x03\x04", b"PK\x05\x06")


def bounds_of(size: int, head: bytes, most: int, rows: int | None = None) -> Bounds:
    """What the reader of a file may take.

    Args:
        size: bytes of the file.
        head: its first bytes, `HEAD` of them, which hold a text's first line.
        most: bytes of memory that all readers have together.
        rows: of a table that was counted, of which a few columns are taken.
    """
    packed = head.startswith(PACKED)
    needed = OF_DECODED * FileLimits.of(size).bytes if packed else OF_TEXT * size
    columns = 0 if packed else _columns(head)
    needed += OF_COLUMNS * columns
    if rows is not None:
        needed = min(needed, OF_ROWS * rows)
    seconds = PROCESSOR_SECONDS + SECONDS_A_MIB * size // MIB
    return Bounds(
        memory=min(most, LEAST_MEMORY + needed),
        processor_seconds=seconds,
        seconds=4.0 * seconds,
        files=FILES,
        written=WRITTEN,
        columns=columns,
    )


def _columns(head: bytes) -> int:
    """How many columns a text's first line may have, up to those that are read."""
    line = head.partition(b"\n")[0]
    return min(FileLimits.columns, 1 + max(map(line.count, (b",", b";", b"\t", b"|"))))


class MemoryShares:
    """The memory that all readers have together, given in the order in which it is asked for.

    Args:
        total: bytes.
        longest: seconds after which whoever waits is refused, if nothing was given back since.
    """

    def __init__(self, total: int, longest: float) -> None:
        self.total = total
        self._free, self._longest = total, longest
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._moved = 0.0

    @contextmanager
    def share(self, size: int) -> Iterator[None]:
        """Have so many bytes, no more than there are in all, for the length of a block.

        Raises:
            BusyError: those that have them do not come to an end.
        """
        size = min(size, self.total)
        self._take(size)
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._moved = time.monotonic()
                self._changed.notify_all()

    def _take(self, size: int) -> None:
        me, since = object(), time.monotonic()
        with self._changed:
            self._waiting.append(me)
            try:
                while self._waiting[0] is not me or self._free < size:
                    left = max(since, self._moved) + self._longest - time.monotonic()
                    if left <= 0:
                        raise BusyError(
                            "the memory for reading uploads is in use, and none of them has come "
                            f"to an end for {self._longest:g} s; try again"
                        )
                    self._changed.wait(left)
                self._free -= size
            finally:
                self._waiting.remove(me)
                self._changed.notify_all()
