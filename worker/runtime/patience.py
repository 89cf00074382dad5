"""How a trainer waits out what its place is at fault for, instead of dying of it.

    rows = patience.insist(lambda: read(database))

Pauses grow from half a second to a minute, and there is no end to them. The supervisor is told, so
that it neither takes the trainer for hung nor leaves unsaid what its job waits for; and it may ask
to stop at any time.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from worker.runtime.standby import Channel
from worker.storage.faults import is_collision, place_fault, reason_of

logger = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
POLL_SECONDS = 0.1
MOST_COLLISIONS = 5
"""Transactions that collide that often in a row do not by chance."""


class Interrupted(Exception):  # noqa: N818  (says what happened)
    """It was asked to stop while it waited."""


class Patience:
    """Waits out faults of the place; ``sleep`` waits for so many seconds."""

    def __init__(self, channel: Channel, sleep: Callable[[float], None] = time.sleep) -> None:
        self._channel, self._sleep = channel, sleep

    def insist(self, work: Callable[[], T], *, stoppable: bool = True) -> T:
        """What the work gives, tried again for as long as its place is at fault.

        Raises:
            Interrupted: it was asked to stop. Without ``stoppable`` it goes on until it is killed.
        """
        faults = collisions = 0
        while True:
            try:
                result = work()
            except Exception as error:
                if is_collision(error) and collisions < MOST_COLLISIONS:
                    collisions += 1
                    self._pause(pause_before(collisions), stoppable)
                    continue
                fault = place_fault(error)
                if fault is None:
                    raise
                faults += 1
                if faults == 1:
                    logger.warning("%s; tried again for as long as it lasts", fault)
                seconds = pause_before(faults)
                self._channel.say("waiting", **{"for": reason_of(fault), "seconds": seconds})
            else:
                if faults:
                    self._channel.say("going_on")
                return result
            self._pause(seconds, stoppable)

    def check(self) -> None:
        """Raise ``Interrupted`` if it was asked to stop."""
        if self._channel.stop_reason is not None:
            raise Interrupted

    def _pause(self, seconds: float, stoppable: bool) -> None:
        left = seconds
        while left > 0:
            if stoppable:
                self.check()
            self._sleep(min(left, POLL_SECONDS))
            left -= POLL_SECONDS


def pause_before(attempt: int) -> float:
    """Seconds before so many further attempts."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt - 1, 10))
