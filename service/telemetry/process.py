"""This process: its memory, its descriptors, its processor time, how late its event loop is."""

import asyncio
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from service.telemetry.requests import Histogram

LOOK_SECONDS = 0.5
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ProcessState:
    """What this process takes now."""

    resident_bytes: int | None
    open_descriptors: int | None
    """None of both where the system has no ``/proc``."""
    max_descriptors: int
    cpu_seconds: float

    @classmethod
    def now(cls) -> "ProcessState":
        """Look."""
        resident = descriptors = None
        try:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
            descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        except OSError:
            pass
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(resident, descriptors, limit, time.process_time())


class LoopLag:
    """How much later than asked the event loop comes to a task: what every request waits, too."""

    def __init__(self) -> None:
        self.histogram = Histogram()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure until told to stop, twice a second."""
        loop = asyncio.get_running_loop()
        due = loop.time() + LOOK_SECONDS

        def look() -> None:
            self.histogram.add(max(0, int((loop.time() - due) * 1e9)))
            self.start()

        self._timer = loop.call_at(due, look)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
