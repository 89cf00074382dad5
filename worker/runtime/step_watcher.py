"""Tells the supervisor that a fleet trains.

Imports torch: for trainer processes only.
"""

import threading
from collections.abc import Callable

from worker.runtime.standby import Channel
from worker.training import FleetRun

REPORT_SECONDS = 0.1
FIRST_STEP_SECONDS = 0.002
"""How often the supervisor is told of steps, and how often the first one is looked for."""


class StepWatcher(threading.Thread):
    """Tells the supervisor how many steps were made, and notes the first one."""

    def __init__(self, run: FleetRun, channel: Channel, on_first: Callable[[], None]) -> None:
        super().__init__(name="steps", daemon=True)
        self._run, self._channel, self._on_first = run, channel, on_first
        self._stopping = threading.Event()

    def run(self) -> None:
        """Watch the counter; it is read often until the first step, and seldom after it."""
        before = self._run.steps
        while self._run.steps == before:
            if self._stopping.wait(FIRST_STEP_SECONDS):
                break
        if self._run.steps != before:
            self._on_first()
        while True:
            self._channel.say("steps", steps=self._run.steps)
            if self._stopping.wait(REPORT_SECONDS):
                return

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self.join()
