"""Claims fleets and watches over their trainers. Runs in the Celery worker; never imports torch.

A fleet trains in a process of its own, forked from a warm standby. While it makes steps, the
supervisor keeps its lease alive; it passes on cancellation and drain, and ends what hangs. The
trainer writes its results itself, with the token of the claim; whatever it did not write, because
it died, the supervisor or the reconciler gives back.
"""

import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from worker.errors import UnavailableError
from worker.failpoints import failpoint
from worker.logs import about_task
from worker.runtime.devices import kind_of_device
from worker.runtime.standby import CANCEL, COMMAND, DRAIN, Message, Standby, TrainerProcess
from worker.settings import ServiceSettings
from worker.storage import fleets, queries, turns, waits
from worker.storage.database import Database, LockedError
from worker.storage.faults import reason_of
from worker.storage.fleets import Lease, StaleToken
from worker.storage.limits import REPORT_SECONDS
from worker.storage.states import State

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
BEAT_SECONDS = (0.5, 1.5)
"""What a heartbeat may take, at the least and at the most; between them, one and a half intervals:
less than what is left of the lease when it is time to give it up."""
STILL_SECONDS = 5.0
"""A trainer that says nothing for so long, while a lock is held that its supervisor needs, is taken
to stand still with it. Its threads are never quiet for longer than ``standby.ALIVE_SECONDS``."""
CLAIM_CANDIDATES = 8
LOOK_SECONDS = 2.0
"""How often a fleet that has had its time looks whether others wait."""
CONCLUDED_SECONDS = 2.0
"""Time in which a trainer whose fleet has ended must say so and end, too."""


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
        self._shares = settings.shares
        self.device = kind_of_device(settings)
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

    def work(self, fleet_id: str | None = None) -> int:
        """Train this fleet if it can be claimed, then whatever else waits; how many there were.

        Without a fleet, whatever waits.
        """
        done = 0
        candidates = self._due() if fleet_id is None else self._before(fleet_id)
        while candidates and not self._draining():
            trained = self._train_one_of(candidates)
            about_task()
            if not trained:
                break
            done += 1
            candidates = self._due()
        return done

    def _due(self) -> list[str]:
        with self._database.read() as session:
            return turns.due(
                session, limit=CLAIM_CANDIDATES, device=self.device, shares=self._shares
            )

    def _before(self, fleet_id: str) -> list[str]:
        """What comes before a fleet that was announced, and that one."""
        with self._database.read() as session:
            return turns.before(
                session, fleet_id, limit=CLAIM_CANDIDATES, device=self.device, shares=self._shares
            )

    def _train_one_of(self, candidates: list[str]) -> bool:
        with self._database.read() as session:
            waiting = queries.claimable(session, candidates, device=self.device)
        if not waiting:
            return False
        # Forked before the claim: the lease need not cover a wait for torch.
        trainer = self._fork()
        try:
            lease = self._claim(waiting)
            if lease is None:
                return False
            about_task(job=lease.job_id, fleet=lease.fleet_id)
            watch = _Watch(self._settings, self._database, lease, trainer)
            logger.info(
                "fleet %s: attempt %d in process %d", lease.fleet_id, lease.attempt, trainer.pid
            )
            trainer.assign(lease)
            failpoint("assigned")
            while watch.goes_on(trainer.receive(POLL_SECONDS), draining=self._draining()):
                continue
        finally:
            trainer.kill()
            trainer.wait()
        watch.settle()
        return True

    def _fork(self) -> TrainerProcess:
        """A trainer; from another standby where this one has died, or is frozen."""
        try:
            return self.warm_up().fork()
        except UnavailableError as error:
            logger.warning("%s; another standby is started", error)
            self.close()
            return self.warm_up().fork()

    def _claim(self, candidates: list[str]) -> Lease | None:
        """The first of the fleets that can be had. One whose job is held by a transaction that does
        not end, of a worker that is frozen, keeps nobody from the others.
        """
        for fleet_id in candidates:
            try:
                with self._database.write() as session:
                    failpoint("claim.before")
                    lease = fleets.claim(
                        session,
                        fleet_id,
                        owner=self.owner,
                        device=self.device,
                        shares=self._shares,
                    )
            except LockedError as error:
                logger.warning("fleet %s: cannot be claimed now: %s", fleet_id, error)
                if self._database.is_sqlite:  # which has one lock, for all
                    return None
                continue
            if lease is not None:
                failpoint("claim.after")
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
        self._device, self._shares = kind_of_device(settings), settings.shares
        now = time.monotonic()
        self._moved_at = self._beat_at = self._heard_at = self._spoke_at = now
        self._steps = 0
        self._yield_at = math.inf
        """When it is to be looked whether others' turn has come: a quantum after the first step,
        so that each attempt gets further, however long it takes to begin."""
        self._kill_at: float | None = None
        self._fenced = False
        self._missed: UnavailableError | None = None
        """Why the last heartbeat was not written, if it was not."""
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
            self._ask_to_stop(DRAIN, now)
        if now - self._moved_at >= self._settings.stall_seconds:
            self._reason = f"no step in {self._settings.stall_seconds:g} s"
            self._fault = self._waiting_for  # if it hangs there, and not in a step
            self._trainer.kill()
        elif now - self._beat_at >= self._settings.heartbeat_seconds and not self._fenced:
            self._beat(now)
        if self._missed is not None and not self._fenced:
            self._end_without_lease(self._missed, time.monotonic())
        if self._kill_at is not None and now >= self._kill_at:
            self._reason = self._reason or "it did not stop when asked"
            self._trainer.kill()
        return True

    def _take(self, message: Message, now: float) -> bool:
        self._spoke_at = now
        match message["event"]:
            case "gone":
                return False
            case "steps" if message["steps"] != self._steps:
                self._steps, self._moved_at = message["steps"], now
                self._yield_at = min(self._yield_at, now + self._settings.quantum_seconds)
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
            self._drained = reason == DRAIN
            self._kill_at = now + self._settings.stop_seconds
            self._trainer.ask_to_stop(reason)

    def _beat(self, now: float) -> None:
        self._beat_at = now
        least, most = BEAT_SECONDS
        within = min(most, max(least, 1.5 * self._settings.heartbeat_seconds))
        try:
            with self._database.write(within=within) as session:
                asked = fleets.heartbeat(session, self._lease)
                yields = asked is None and self._makes_room(session, now)
        except StaleToken:
            # Either the trainer has just concluded, and is about to say so, or the fleet is
            # somebody else's by now, and the process has nothing left to do.
            self._fenced = True
            if self._ended_state() is not None:
                self._kill_at = self._kill_at or now + CONCLUDED_SECONDS
            elif self._outcome is None:
                self._trainer.kill()
            return
        except UnavailableError as error:
            self._missed = error
            self._beat_at = time.monotonic()
            return
        self._missed = None
        self._heard_at = now
        if not self._is_noted:
            self._note()
        if asked is not None:
            # Paused is a drain of this fleet alone: a checkpoint, and it is given back.
            self._ask_to_stop(CANCEL if asked == State.CANCELLED else DRAIN, now)
        elif yields:
            # No harm if it does not: one that has made its last step ends soon, by itself.
            self._trainer.ask_to_stop(DRAIN)

    def _makes_room(self, session: Session, now: float) -> bool:
        """Whether it is to stop for others, whose turn has come."""
        if now < self._yield_at:
            return False
        self._yield_at = now + LOOK_SECONDS
        return turns.make_room(
            session, self._lease.fleet_id, shares=self._shares, device=self._device
        )

    def _end_without_lease(self, error: UnavailableError, now: float) -> None:
        """The lease is not renewed: end the trainer before somebody else has its fleet, and sooner
        if it seems to be what keeps the database.
        """
        longest = self._settings.lease_seconds - 2 * self._settings.heartbeat_seconds
        if isinstance(error, LockedError) and now - self._spoke_at >= STILL_SECONDS:
            self._fault = "the host: it stood still, and held what others wait for in the database"
        elif now - self._heard_at > longest:
            self._fault = reason_of(error)
        else:
            return
        logger.error(
            "fleet %s: lease not renewed: %s: %s", self._lease.fleet_id, self._fault, error
        )
        self._fenced = True
        self._trainer.kill()

    def _note(self) -> None:
        """Show what the trainer waits for, once it is known that the database answers."""
        try:
            with self._database.write(within=BEAT_SECONDS[1]) as session:
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
            with self._database.write(statement=REPORT_SECONDS) as session:
                self._give_back(session, reason, status)
            logger.warning("fleet %s: %s", self._lease.fleet_id, reason)
        except StaleToken:
            ended = self._ended_state()
            if ended is not None:
                logger.info("fleet %s: %s", self._lease.fleet_id, ended)
            else:
                logger.warning("fleet %s: was taken from this worker", self._lease.fleet_id)
        except UnavailableError as error:
            logger.error("fleet %s: %s; its lease runs out", self._lease.fleet_id, error)

    def _ended_state(self) -> str | None:
        """The state in which the fleet has ended, as long as that was by this claim's token."""
        try:
            with self._database.read() as session:
                return queries.ended_state(session, self._lease.fleet_id, self._lease.token)
        except UnavailableError:
            return None

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
