"""What whoever starts processes again has in common: pauses that grow, and how one ended."""

import time

STEADY_SECONDS = 10.0
"""A process that has run for this long is started again at once; else after a pause, which doubles
from the first to the longest."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0


class Pauses:
    """The pause before a process is started again."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def after(self, started: float) -> float:
        """Seconds to wait now that one has ended which started then, on the monotonic clock."""
        if time.monotonic() - started >= STEADY_SECONDS:
            self._next = FIRST_PAUSE
        pause = self._next
        self._next = min(2 * pause, LONGEST_PAUSE)
        return pause


def ending(status: int) -> str:
    """How a process ended, in words."""
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
