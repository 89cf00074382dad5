"""What a supervisor and its trainer say to each other: JSON lines over a pair of pipes.

To the trainer: ``{"lease": {…}}`` once, then at most ``{"stop": "cancel" | "drain"}``.
From the trainer: ``{"event": "loaded"}``, ``{"event": "steps", "steps": n}``,
``{"event": "ended", "outcome": …}``, ``{"event": "crashed", "reason": …}``.
"""

import os
import threading
from typing import Any

import orjson

from worker.storage.fleets import Lease

CANCEL, DRAIN = "cancel", "drain"


class Lines:
    """Reads lines from a descriptor, without a lock that a waiting thread would hold at exit."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unread = b""

    @property
    def has_line(self) -> bool:
        """Whether a line can be had without waiting."""
        return b"\n" in self._unread

    def next(self) -> bytes:
        """The next line, waited for; empty at the end."""
        while not self.has_line:
            data = os.read(self._descriptor, 65_536)
            if not data:
                return b""
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line


class Channel:
    """The trainer's end."""

    def __init__(self, reading: int, writing: int) -> None:
        self._lines = Lines(reading)
        self._out = writing
        self._lock = threading.Lock()
        self.stop_reason: str | None = None

    def say(self, event: str, **what: Any) -> None:
        """Send a message."""
        line = orjson.dumps({"event": event, **what}) + b"\n"
        with self._lock:
            os.write(self._out, line)

    def lease(self) -> Lease | None:
        """Wait for the assignment; none when the supervisor is gone."""
        line = self._lines.next()
        return Lease(**orjson.loads(line)["lease"]) if line else None

    def listen(self) -> None:
        """Keep reading from now on: a request to stop sets ``stop_reason``."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()

    def _listen(self) -> None:
        while line := self._lines.next():
            self.stop_reason = str(orjson.loads(line)["stop"])
        # The supervisor is gone. Somebody else will claim the fleet: nothing is left to do here.
        os._exit(1)
