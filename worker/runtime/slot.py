"""What a pool process of a worker does: a supervisor at work in a thread of its own.

The thread is rung for by messages, and looks by itself for what is due while it has nothing to do.
So fleets are found with Redis gone, only later. It lives as long as its process, because the kernel
ends a standby with the thread that started it.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from worker.errors import UnavailableError
from worker.logs import Outage
from worker.runtime.supervisor import Supervisor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Hint:
    """A fleet that a message names, and whether it has been seen to."""

    fleet_id: str
    done: threading.Event = field(default_factory=threading.Event)


class Slot:
    """One supervisor, and the thread that all its work is done in."""

    def __init__(
        self, supervisor: Supervisor, look_seconds: float, draining: Callable[[], bool]
    ) -> None:
        self._supervisor, self._look_seconds, self._draining = supervisor, look_seconds, draining
        self._outage = Outage(logger, "looking for fleets")
        self._hints: list[_Hint] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="slot", daemon=True)

    def start(self) -> None:
        """Warm up, and look for work from now on."""
        self._thread.start()

    def work(self, fleet_id: str) -> None:
        """Have a fleet trained, and then whatever else waits; returns when nothing is left.

        It waits behind what the slot has found by itself, so that whoever gives out messages gives
        the next one to a slot that is free.
        """
        hint = _Hint(fleet_id)
        with self._changed:
            if self._closing:
                return
            self._hints.append(hint)
            self._changed.notify()
        hint.done.wait()

    def close(self) -> None:
        """Wait for the end of what is at work, which is to be draining, and end the standby."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._try(self._supervisor.warm_up)
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._hints or self._closing, self._look_seconds)
                    hints, self._hints = self._hints, []
                    closing = self._closing
                if not closing and not self._draining():
                    for hint in hints:
                        self._try(partial(self._supervisor.work, hint.fleet_id))
                    if not hints:
                        self._try(self._supervisor.work)
                for hint in hints:
                    hint.done.set()
                if closing:
                    return
        finally:
            self._supervisor.close()

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
            self._outage.worked()
        except UnavailableError as error:
            self._outage.failed(error.message)
        except Exception:
            # The next round may succeed; without this thread the process would be of no use.
            logger.exception("supervisor: unexpected error; it goes on")
