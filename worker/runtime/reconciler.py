"""What was promised and is not happening is started again.

Queued fleets are announced at once when the reconciler is nudged, and again while nobody claims
them, as soon as all announcements have been heard. Running fleets whose ``(token, hb_seq)`` does
not move for ``lease_seconds`` are taken back. All waiting is measured on this process's monotonic
clock: no stored instant is compared, so a clock that jumps expires nothing, and a reconciler that
has just started waits one full lease. Any number of reconcilers may run.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from worker.errors import UnavailableError
from worker.logs import Outage
from worker.settings import ServiceSettings
from worker.storage import fleets, queries, suspects, turns
from worker.storage.database import Database
from worker.storage.limits import REPORT_SECONDS

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
RUNG_AT_ONCE = 64
"""Fleets of each device announced at a time, the most urgent first. Workers that are done look for
more themselves."""


class Bell(Protocol):
    """What rings the workers."""

    def ring(self, fleet_id: str, device: str | None = None) -> None:
        """Announce a fleet to those who have the device that it needs."""

    def is_backed_up(self, device: str | None = None) -> bool:
        """Whether more announcements to them would help nobody."""

    def has_unread(self, device: str | None = None) -> bool:
        """Whether an announcement to them waits to be heard."""

    def close(self) -> None:
        """Give up the connections."""


class Reconciler:
    """One loop; :meth:`tick` is one turn of it, for tests with a clock of their own."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        bell: Bell,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._database = database
        self._bell = bell
        self._clock = clock
        self._bell_outage = Outage(logger, "the doorbell")
        self._database_outage = Outage(logger, "the reconciler's database")
        self._rung: dict[str, float] = {}
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}
        self._silence: dict[str, float] = {}
        self._fell_silent: dict[str, tuple[str, float]] = {}
        """The host of each fleet that was quiet for half a lease, and when it was found so."""
        self._nudged = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def nudge(self) -> None:
        """Look now: something was committed. Cheap, safe from any thread, never blocks."""
        self._nudged.set()

    def silence(self) -> dict[str, float]:
        """For how long nothing was heard of each running fleet, at the last look at the leases."""
        return self._silence

    def start(self) -> None:
        """Run the loop in a thread of its own."""
        self._thread = threading.Thread(target=self._loop, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the loop and wait for it."""
        self._stopping.set()
        self._nudged.set()
        if self._thread is not None:
            self._thread.join()
        self._bell.close()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._nudged.clear()
            try:
                self.tick()
                self._database_outage.worked()
            except UnavailableError as error:
                self._database_outage.failed(error)
            except Exception:
                # The loop is what keeps the promise: it must survive what nobody foresaw.
                logger.exception("reconciler: unexpected error; the loop goes on")
            self._nudged.wait(TICK_SECONDS)

    def tick(self) -> None:
        """Announce what waits, and take back what is not heard of; announce that, too.

        What keeps a fleet from being taken back keeps no other from being announced.
        """
        self._announce()
        if self._take_back():
            self._announce()

    def _take_back(self) -> bool:
        """Take back what is not heard of; whether there was anything."""
        taken_any = False
        now = self._clock()
        with self._database.read() as session:
            running = queries.running(session)
        self._seen = {fleet: seen for fleet, seen in self._seen.items() if fleet in running}
        for fleet, pulse in running.items():
            last = self._seen.get(fleet)
            if last is None or last[0] != pulse:
                self._seen[fleet] = (pulse, now)
        self._silence = {fleet: now - since for fleet, (_, since) in self._seen.items()}
        self._look_for_silence(now)
        for fleet, seconds in list(self._silence.items()):
            if seconds >= self._settings.lease_seconds and self._take(fleet, running[fleet]):
                del self._seen[fleet], self._silence[fleet]
                taken_any = True
        return taken_any

    def _look_for_silence(self, now: float) -> None:
        """Note which hosts fell silent with what: who is lost with others is not blamed for it."""
        lease = self._settings.lease_seconds
        quiet = [fleet for fleet, seconds in self._silence.items() if seconds >= lease / 2]
        if quiet:
            with self._database.read() as session:
                hosts = suspects.hosts(session)
            self._fell_silent |= {f: (hosts[f], now) for f in quiet if f in hosts}
        self._fell_silent = {
            fleet: (host, at) for fleet, (host, at) in self._fell_silent.items() if now - at < lease
        }

    def _witness(self, fleet: str) -> suspects.Witness:
        """What is seen beside a fleet whose lease is lost."""
        quiet = dict(self._fell_silent)
        host, _ = quiet.pop(fleet, (None, 0.0))
        return suspects.Witness(
            alone=host is not None and all(other != host for other, _ in quiet.values()),
            others=any(
                seconds < self._settings.lease_seconds / 2
                for other, seconds in self._silence.items()
                if other != fleet
            ),
            most=self._settings.max_attempts,
        )

    def _take(self, fleet: str, pulse: tuple[int, int]) -> bool:
        """Take one back; false where it cannot be had now: the next turn tries again."""
        try:
            with self._database.write(statement=REPORT_SECONDS) as session:
                taken = fleets.take_back(session, fleet, pulse, witness=self._witness(fleet))
        except UnavailableError as error:
            logger.warning("fleet %s: its lease cannot be taken back: %s", fleet, error)
            return False
        except Exception:
            # One fleet that nobody foresaw keeps no other with a worker that is gone.
            logger.exception("fleet %s: its lease cannot be taken back", fleet)
            return False
        if taken:
            logger.warning("fleet %s: lease taken back, its worker was not heard of", fleet)
        return taken

    def _announce(self) -> None:
        now = self._clock()
        with self._database.read() as session:
            waiting = turns.due_by_device(session, limit=RUNG_AT_ONCE, shares=self._settings.shares)
        self._rung = {fleet: at for fleet, at in self._rung.items() if fleet in waiting}
        again = self._settings.ring_after_seconds
        due = [fleet for fleet in waiting if now - self._rung.get(fleet, -math.inf) >= again]
        if not due:
            return
        try:
            devices = {*waiting.values()}
            full = {device for device in devices if self._bell.is_backed_up(device)}
            # Whoever hears what waits will look for all that is due: no need to repeat it.
            unread = {device for device in devices if self._bell.has_unread(device)}
            for fleet in due:
                device = waiting[fleet]
                if device not in full and not (device in unread and fleet in self._rung):
                    self._bell.ring(fleet, device)
                    self._rung[fleet] = now
            self._bell_outage.worked()
        except Exception as error:
            # Redis is out of reach or frozen. The rows are safe; the next turn tries again.
            self._bell_outage.failed(f"{type(error).__name__}: {error}")
