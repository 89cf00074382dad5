"""The checkpoints of one fleet: written as it trains, read when it is claimed again.

Imports torch: for trainer processes only.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from worker.errors import UnavailableError
from worker.failpoints import failpoint
from worker.jobs import is_out_of_memory
from worker.runtime.checkpoint_writer import CheckpointWriter, Handed, store
from worker.runtime.patience import pause_before
from worker.storage import progress
from worker.storage.artefacts import ArtefactError, Artefacts, UnreadableError
from worker.storage.database import Database
from worker.storage.faults import place_fault
from worker.storage.fleets import Lease
from worker.storage.tables import Checkpoint
from worker.training import EpochReport, FleetRun, dump_state, load_state

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
        writer: CheckpointWriter | None = None,
    ) -> None:
        """With a ``writer``, those after an epoch are written beside the training."""
        self._database, self._artefacts, self._lease = database, artefacts, lease
        self._writer = writer
        self._handed: Sequence[EpochReport] = ()
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
        handed = Handed(epoch, (), None, dump_state(run.state()), 0.0)
        store(self._database, self._artefacts, self._lease, handed)
        self._at = self._clock()
        self._took = self._at - began
        self._failed = 0

    def hand_over(
        self, run: FleetRun, reports: Sequence[EpochReport], first_step_at: datetime | None
    ) -> bool:
        """Have one written beside the training, with what the epochs before it came to; false where
        there is nobody to do it, or it is not due. Call :meth:`settle` before.
        """
        if self._writer is None or not self.is_due:
            return False
        began = self._clock()
        files = dump_state(run.state())
        epochs = [(report.epoch, report.metrics) for report in reports]
        stood = self._waited + self._clock() - began
        self._writer.submit(Handed(reports[-1].epoch, epochs, first_step_at, files, stood))
        self._handed = tuple(reports)
        return True

    def settle(self) -> Sequence[EpochReport]:
        """Wait for what was handed over; the epochs that could not be stored, if any.

        Raises ``StaleToken`` when the fleet is somebody else's.
        """
        handed, self._handed = self._handed, ()
        if self._writer is None or not handed:
            return ()
        began = self._clock()
        try:
            self._writer.wait()
        except UnavailableError as fault:
            self._postpone(handed[-1].epoch, fault)
            return handed
        self._at, self._failed = self._clock(), 0
        self._waited = self._at - began
        return ()

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
