"""Claims fleets and watches over their trainers. Runs in the Celery worker; never imports torch.

A fleet trains in a process of its own, forked from a warm standby. While it makes steps, the
supervisor keeps its lease alive; it passes on cancellation and drain, and ends what hangs. The
trainer writes its results itself, with the token of the claim; whatever it did not write, because
it died, the supervisor or the reconciler gives back.
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from worker.errors import UnavailableError
from worker.runtime.standby import CANCEL, COMMAND, DRAIN, Message, Standby, TrainerProcess
from worker.settings import ServiceSettings
from worker.storage import fleets, queries, waits
from worker.storage.database import Database
from worker.storage.faults import reason_of
from worker.storage.fleets import Lease, StaleToken

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
CLAIM_CANDIDATES = 8


class Supervisor:
    """One at a time in each worker process; ``draining`` says when to stop taking work."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        *,
        draining: Callable[[], bool] = lambda: False,
        on_warm: Callable[[], None] | None = None,
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._settings = settings
        self._database = database
        self._draining = draining
        self._on_warm = on_warm
        self._command = command
        self._standby: Standby | None = None
        self.owner = f"{socket.gethostname()}:{os.getpid()}"

    def warm_up(self) -> Standby:
        """Have torch in memory for the next fleet."""
        if self._standby is not None and not self._standby.is_alive:
            self.close()
        if self._standby is None:
            self._standby = Standby(self._settings, command=self._command, on_ready=self._on_warm)
        return self._standby

    def close(self) -> None:
        """End the standby."""
        standby, self._standby = self._standby, None
        if standby is not None:
            standby.close()

    def work(self, fleet_id: str) -> int:
        """Train this fleet if it can be claimed, then whatever else waits; how many there were."""
        done = 0
        candidates = [fleet_id]
        while candidates and not self._draining():
            if not self._train_one_of(candidates):
                break
            done += 1
            with self._database.read() as session:
                candidates = queries.due(session, limit=CLAIM_CANDIDATES)
        return done

    def _train_one_of(self, candidates: list[str]) -> bool:
        with self._database.read() as session:
            waiting = queries.claimable(session, candidates)
        if not waiting:
            return False
        # Forked before the claim: the lease need not cover a wait for torch.
        trainer = self.warm_up().fork()
        try:
            lease = self._claim(waiting)
            if lease is None:
                return False
            watch = _Watch(self._settings, self._database, lease, trainer)
            logger.info(
                "fleet %s: attempt %d in process %d", lease.fleet_id, lease.attempt, trainer.pid
            )
            trainer.assign(lease)
            while watch.goes_on(trainer.receive(POLL_SECONDS), draining=self._draining()):
                continue
        finally:
            trainer.kill()
            trainer.wait()
        watch.settle()
        return True

    def _claim(self, candidates: list[str]) -> Lease | None:
        for fleet_id in candidates:
            with self._database.write() as session:
                lease = fleets.claim(session, fleet_id, owner=self.owner)
            if lease is not None:
                return lease
        return None


class _Watch:
    """What is known of one trainer at work."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        lease: Lease,
        trainer: TrainerProcess,
    ) -> None:
        self._settings, self._database = settings, database
        self._lease, self._trainer = lease, trainer
        now = time.monotonic()
        self._moved_at = self._beat_at = self._heard_at = now
        self._steps = 0
        self._kill_at: float | None = None
        self._cancelled = False
        self._fenced = False
        self._outcome: str | None = None
        self._reason: str | None = None
        self._fault: str | None = None
        """What the trainer was lost by, where that was its place's doing and not its own."""
        self._waiting_for: str | None = None
        self._is_noted = True
        """Whether its row says what it waits for."""
        self._drained = False

    def goes_on(self, message: Message | None, *, draining: bool) -> bool:
        """Take in a message, or none, and do what is due; false once the trainer has ended."""
        now = time.monotonic()
        if message is not None and not self._take(message, now):
            return False
        if draining:
            self._drained = True
            self._ask_to_stop(DRAIN, now)
        if now - self._moved_at >= self._settings.stall_seconds:
            self._reason = f"no step in {self._settings.stall_seconds:g} s"
            self._fault = self._waiting_for  # if it hangs there, and not in a step
            self._trainer.kill()
        elif now - self._beat_at >= self._settings.heartbeat_seconds and not self._fenced:
            self._beat(now)
        if self._kill_at is not None and now >= self._kill_at:
            self._reason = self._reason or "it did not stop when asked"
            self._trainer.kill()
        return True

    def _take(self, message: Message, now: float) -> bool:
        match message["event"]:
            case "gone":
                return False
            case "steps" if message["steps"] != self._steps:
                self._steps, self._moved_at = message["steps"], now
            case "loaded":
                self._moved_at = now
            case "waiting":
                # It pauses, and then tries: that may take as long as a step.
                self._moved_at = now + message["seconds"]
                self._is_noted &= self._waiting_for == message["for"]
                self._waiting_for = message["for"]
            case "going_on":
                self._moved_at = now
                self._waiting_for, self._is_noted = None, False
            case "displaced":
                self._fault = message["reason"]
            case "ended":
                self._outcome = message["outcome"]
            case "crashed":
                self._reason = message["reason"]
        return True

    def _ask_to_stop(self, reason: str, now: float) -> None:
        if self._kill_at is None:
            self._kill_at = now + self._settings.stop_seconds
            self._trainer.ask_to_stop(reason)

    def _beat(self, now: float) -> None:
        self._beat_at = now
        try:
            with self._database.write() as session:
                cancel = fleets.heartbeat(session, self._lease)
        except StaleToken:
            # Either the trainer has just concluded, or the fleet is somebody else's by now. The
            # token keeps both apart in the database; here the process has nothing left to do.
            self._fenced = True
            if self._outcome is None:
                self._trainer.kill()
            return
        except UnavailableError as error:
            patience = self._settings.lease_seconds - 2 * self._settings.heartbeat_seconds
            if now - self._heard_at > patience:
                logger.error("fleet %s: lease not renewed in time: %s", self._lease.fleet_id, error)
                self._fenced = True
                self._fault = reason_of(error)
                self._trainer.kill()
            return
        self._heard_at = now
        if not self._is_noted:
            self._note()
        if cancel and not self._cancelled:
            self._cancelled = True
            self._ask_to_stop(CANCEL, now)

    def _note(self) -> None:
        """Show what the trainer waits for, once it is known that the database answers."""
        try:
            with self._database.write() as session:
                job, fleet = fleets.hold(session, self._lease)
                waits.note(session, job, fleet, self._waiting_for)
            self._is_noted = True
        except (StaleToken, UnavailableError) as error:
            logger.info("fleet %s: %s", self._lease.fleet_id, error)  # the next beat sees to it

    def settle(self) -> None:
        """Give the fleet back if its trainer ended without a word, and its token is current."""
        if self._outcome is not None:
            logger.info("fleet %s: %s", self._lease.fleet_id, self._outcome)
            return
        status = self._trainer.wait()
        reason = (
            self._fault
            or self._reason
            or (
                f"its trainer was ended by signal {-status}"
                if status < 0
                else f"its trainer ended with status {status}"
            )
        )
        try:
            with self._database.write() as session:
                self._give_back(session, reason, status)
            logger.warning("fleet %s: %s", self._lease.fleet_id, reason)
        except StaleToken:
            logger.info("fleet %s: was taken over, or had ended", self._lease.fleet_id)
        except UnavailableError as error:
            logger.error("fleet %s: %s; its lease runs out", self._lease.fleet_id, error)

    def _give_back(self, session: Session, reason: str, status: int) -> None:
        """Who was at fault: the worker that stops, its place, or the fleet itself."""
        if self._drained:
            fleets.release(session, self._lease)
        elif self._fault is not None:
            fleets.give_back(session, self._lease, reason)
        elif self._trainer.lost_standby:
            fleets.give_back(session, self._lease, "the host: the process it was forked from ended")
        else:
            fleets.crashed(
                session,
                self._lease,
                reason,
                max_attempts=self._settings.max_attempts,
                retry_seconds=self._settings.retry_seconds,
                killed=self._reason is None and status == -signal.SIGKILL,
            )
