"""The checkpoints of one fleet: written as it trains, read when it is claimed again.

Imports torch: for trainer processes only.
"""

import logging
import time
from collections.abc import Callable, Sequence

from worker.failpoints import failpoint
from worker.jobs import is_out_of_memory
from worker.runtime.patience import pause_before
from worker.storage import counters, progress
from worker.storage.artefacts import ArtefactError, Artefacts, UnreadableError
from worker.storage.database import Database
from worker.storage.faults import place_fault
from worker.storage.fleets import Lease
from worker.storage.tables import Checkpoint
from worker.training import FleetRun, dump_state, load_state

logger = logging.getLogger(__name__)

PAUSE = 10
"""Least time between two checkpoints, in times that the last one took."""


class Checkpoints:
    """Written at most every ``seconds``, after every epoch if that is 0."""

    def __init__(
        self,
        database: Database,
        artefacts: Artefacts,
        lease: Lease,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._artefacts, self._lease = database, artefacts, lease
        self._seconds, self._clock = seconds, clock
        self._at = clock()
        self._took = 0.0
        self._failed = 0
        """Times in a row that none could be written."""

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next: large ones, which take long, are rarer."""
        pause = max(self._seconds, PAUSE * self._took) if self._seconds else 0.0
        if self._failed:
            pause = max(pause, pause_before(self._failed))
        return self._clock() - self._at >= pause

    def try_save(self, run: FleetRun, epoch: int) -> bool:
        """Write one if the place allows it; false if it does not, and a later one will do."""
        try:
            self.save(run, epoch)
        except Exception as error:
            fault = place_fault(error)
            if fault is None:
                raise
            if not self._failed:
                logger.warning(
                    "fleet %s: checkpoint of epoch %d not written, training goes on: %s",
                    self._lease.fleet_id,
                    epoch,
                    fault,
                )
            self._failed += 1
            self._at = self._clock()
            return False
        return True

    def save(self, run: FleetRun, epoch: int) -> None:
        """Write one, and forget those that it makes superfluous."""
        began = self._clock()
        folder = progress.checkpoints_folder(self._lease.job_id, self._lease.fleet_id)
        written = self._artefacts.write(folder, dump_state(run.state()))
        failpoint("checkpoint.written")
        with self._database.write() as session:
            spare = progress.save_checkpoint(
                session,
                self._lease,
                epoch=epoch,
                path=written.path,
                sha256=written.sha256,
                bytes=written.bytes,
            )
            counters.add(session, counters.CHECKPOINTS, amount=written.bytes)
            took = self._clock() - began
            counters.add(session, counters.CHECKPOINT_SECONDS, amount=took)
        failpoint("checkpoint.referred")
        for path in spare:
            self._artefacts.discard(path)
        self._at = self._clock()
        self._took = self._at - began
        self._failed = 0

    def resume(
        self, build: Callable[[], FleetRun], candidates: Sequence[Checkpoint]
    ) -> tuple[FleetRun, int]:
        """A run from the newest checkpoint that can be taken over, or from the start; its epoch.

        One that is damaged, cannot be read, or is of a form that this release does not know, is
        passed over: the one before serves as well, and without one the fleet begins anew. What was
        recorded beyond is forgotten.
        """
        damaged: list[Checkpoint] = []
        chosen: Checkpoint | None = None
        foreign: str | None = None
        run = build()
        for checkpoint in candidates:
            try:
                foreign = self._restore(run, checkpoint)
                failpoint("resume.read")
            except Exception as error:
                passable = isinstance(error, ArtefactError | UnreadableError | _Unusable)
                if not passable:
                    raise
                logger.warning(
                    "checkpoint %s of epoch %d: %s", checkpoint.id, checkpoint.epoch, error
                )
                damaged.append(checkpoint)
                run = build()  # it may have taken over a part
                continue
            chosen = checkpoint
            break
        with self._database.write() as session:
            progress.rewind(session, self._lease, chosen, damaged=damaged, foreign=foreign)
        return run, 0 if chosen is None else chosen.epoch

    def _restore(self, run: FleetRun, checkpoint: Checkpoint) -> str | None:
        """Take a checkpoint over; in what its environment was another one, if it was."""
        files = self._artefacts.load(checkpoint.path, checkpoint.sha256)
        try:
            state = load_state(files)
            run.restore(state)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise _Unusable(f"{type(error).__name__}: {error}") from error
        return run.environment.differences(state.position.environment)


class _Unusable(Exception):  # noqa: N818  (says what it is)
    """A whole checkpoint that cannot be taken over."""
