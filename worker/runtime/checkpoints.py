"""The epochs and checkpoints of one fleet: stored as it trains, read when it is claimed again.

Imports torch: for trainer processes only.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from worker.errors import UnavailableError
from worker.failpoints import failpoint
from worker.jobs import is_out_of_memory
from worker.runtime.checkpoint_writer import CheckpointWriter, Handed, store_checkpoint
from worker.runtime.patience import pause_before
from worker.storage import progress
from worker.storage.artefacts import ArtefactError, Artefacts, UnreadableError
from worker.storage.database import Database
from worker.storage.faults import place_fault
from worker.storage.fleets import Lease
from worker.storage.tables import Checkpoint
from worker.training import EpochReport, FleetRun, load_state

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
"""Epochs that end faster than this share a commit."""
PAUSE = 10
"""Least time between two checkpoints, in times that the last one took."""


class Checkpoints:
    """Written at most every ``seconds``; after every epoch if that is 0, or as fast as it goes."""

    def __init__(
        self,
        database: Database,
        artefacts: Artefacts,
        lease: Lease,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        writer: CheckpointWriter | None = None,
    ) -> None:
        """With a ``writer``, those after an epoch are written beside the training."""
        self._database, self._artefacts, self._lease = database, artefacts, lease
        self._writer = writer
        self._pending: list[EpochReport] = []
        """Epochs that are not stored."""
        self._flushed_at = 0.0
        self._handed: list[EpochReport] = []
        """Those that the writer has."""
        self._waited = 0.0
        """Seconds for which training stood still for what was handed over last."""
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
            self._postpone(epoch, fault)
            return False
        return True

    def _postpone(self, epoch: int, fault: UnavailableError) -> None:
        if not self._failed:
            logger.warning(
                "fleet %s: checkpoint of epoch %d not written, training goes on: %s",
                self._lease.fleet_id,
                epoch,
                fault,
            )
        self._failed += 1
        self._at = self._clock()

    def save(self, run: FleetRun, epoch: int) -> None:
        """Write one, and forget those that it makes superfluous."""
        began = self._clock()
        handed = Handed(epoch, (), None, run.state(), 0.0)
        store_checkpoint(self._database, self._artefacts, self._lease, handed)
        self._at = self._clock()
        self._took = self._at - began
        self._failed = 0

    def keep(self, report: EpochReport) -> None:
        """What an epoch came to, to be stored with the next flush or checkpoint."""
        self._pending.append(report)

    @property
    def wants_flush(self) -> bool:
        """Whether the last flush was a while ago."""
        return self._clock() - self._flushed_at >= FLUSH_SECONDS

    def flush(self, first_step_at: datetime | None) -> None:
        """Store the epochs that were kept."""
        self._settle()
        if self._pending:
            epochs = [(report.epoch, report.metrics) for report in self._pending]
            with self._database.write() as session:
                progress.record_epochs(session, self._lease, epochs, first_step_at=first_step_at)
            self._pending = []
            failpoint("epochs.after")
        self._flushed_at = self._clock()

    def hand_over(self, run: FleetRun, first_step_at: datetime | None) -> bool:
        """Have the epochs that were kept, and a checkpoint after them, stored beside the training:
        now, or after the next epoch while the one before is under way. False where there is nobody
        to do it, or none is due.
        """
        if self._writer is not None and self._writer.is_busy:
            return True
        self._settle()
        if self._writer is None or not self.is_due:
            return False
        began = self._clock()
        state = run.state()
        epochs = [(report.epoch, report.metrics) for report in self._pending]
        stood = self._waited + self._clock() - began
        self._writer.submit(Handed(epochs[-1][0], epochs, first_step_at, state, stood))
        self._handed, self._pending = self._pending, []
        self._flushed_at = self._clock()
        return True

    def _settle(self) -> None:
        """Wait for what was handed over. What could not be stored is to be stored once more, before
        what came later. Raises ``StaleToken`` when the fleet is somebody else's.
        """
        if self._writer is None or not self._handed:
            return
        handed, self._handed = self._handed, []
        began = self._clock()
        try:
            self._writer.wait()
        except UnavailableError as fault:
            self._postpone(handed[-1].epoch, fault)
            self._pending = [*handed, *self._pending]
        else:
            self._at, self._failed = self._clock(), 0
        self._waited = self._clock() - began

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
