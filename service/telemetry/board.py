"""Where the HTTP processes of one port show each other what they have measured.

Each writes its own place in a file that all inherit, every few seconds, and whoever is asked reads
all places: one scrape tells of all processes, whichever answers it.
"""

import os
import time
import zlib
from collections.abc import Iterable, Iterator
from struct import Struct

import orjson
from prometheus_client import Metric

PLACE_BYTES = 4 * 1024 * 1024
_FIRST = 4096
"""Where the places begin: before them are the processes' loads, see fair_listener.py."""
_HEAD = Struct("=QIId")
"""A mark, the length, its checksum, and when it was written on the machine's monotonic clock."""
_MARK = 0x7061727369626F61
STALE_SECONDS = 30.0
"""What was written longer ago is left out: its process hangs, or is gone."""

Family = tuple[str, str, str, list[tuple[str, dict[str, str], float]]]
"""Of metrics: name, what they are, type, samples."""


class Board:
    """One process's place among several, or the only one."""

    def __init__(self, number: int = 0, count: int = 1, descriptor: int | None = None) -> None:
        self.number, self._count, self._descriptor = number, count, descriptor

    @property
    def is_shared(self) -> bool:
        """Whether there are other places."""
        return self._descriptor is not None

    def show(self, families: Iterable[Metric]) -> None:
        """Write this process's metrics; they are left out if they do not fit."""
        if self._descriptor is None:
            return
        shown: list[Family] = [
            (
                family.name,
                family.documentation,
                family.type,
                [(sample.name, sample.labels, sample.value) for sample in family.samples],
            )
            for family in families
        ]
        content = orjson.dumps(shown)
        head = _HEAD.pack(_MARK, len(content), zlib.crc32(content), time.monotonic())
        if len(head) + len(content) <= PLACE_BYTES:
            os.pwrite(self._descriptor, head + content, self._place(self.number))

    def with_others(self, own: Iterable[Metric]) -> list[Metric]:
        """This process's metrics as they are now, and the others' as they last wrote them."""
        families = {family.name: family for family in own}
        for number in range(self._count):
            if self._descriptor is None or number == self.number:
                continue
            for name, what, kind, samples in self._read(self._descriptor, number):
                family = families.setdefault(name, Metric(name, what, kind))
                for sample, labels, value in samples:
                    family.add_sample(sample, labels, value)
        return list(families.values())

    def _place(self, number: int) -> int:
        return _FIRST + number * PLACE_BYTES

    def _read(self, descriptor: int, number: int) -> Iterator[Family]:
        for _ in range(3):  # It may be written at the same moment.
            head = os.pread(descriptor, _HEAD.size, self._place(number))
            if len(head) < _HEAD.size:
                return
            mark, length, checksum, at = _HEAD.unpack(head)
            if mark != _MARK or time.monotonic() - at > STALE_SECONDS:
                return
            content = os.pread(descriptor, length, self._place(number) + _HEAD.size)
            if zlib.crc32(content) == checksum:
                yield from orjson.loads(content)
                return
