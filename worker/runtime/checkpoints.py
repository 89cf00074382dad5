"""The checkpoints of one fleet: written as it trains, read when it is claimed again.

Imports torch: for trainer processes only.
"""

import time
from collections.abc import Sequence

from worker.storage import counters, progress
from worker.storage.artefacts import ArtefactError, Artefacts
from worker.storage.database import Database
from worker.storage.fleets import Lease
from worker.storage.tables import Checkpoint
from worker.training import FleetRun, dump_state, load_state

PAUSE = 10
"""Least time between two checkpoints, in times that the last one took."""


class Checkpoints:
    """Written at most every ``seconds``, after every epoch if that is 0."""

    def __init__(
        self, database: Database, artefacts: Artefacts, lease: Lease, seconds: float
    ) -> None:
        self._database, self._artefacts, self._lease = database, artefacts, lease
        self._seconds = seconds
        self._at = time.monotonic()
        self._took = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next: large ones, which take long, are rarer."""
        pause = max(self._seconds, PAUSE * self._took) if self._seconds else 0.0
        return time.monotonic() - self._at >= pause

    def save(self, run: FleetRun, epoch: int) -> None:
        """Write one, and forget those that it makes superfluous."""
        began = time.monotonic()
        folder = progress.checkpoints_folder(self._lease.job_id, self._lease.fleet_id)
        written = self._artefacts.write(folder, dump_state(run.state()))
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
            took = time.monotonic() - began
            counters.add(session, counters.CHECKPOINT_SECONDS, amount=took)
        for path in spare:
            self._artefacts.delete(path)
        self._at = time.monotonic()
        self._took = self._at - began

    def resume(self, run: FleetRun, candidates: Sequence[Checkpoint]) -> int:
        """Restore the newest that is whole, and forget what lies beyond it; its epoch, or 0."""
        damaged: list[Checkpoint] = []
        chosen: Checkpoint | None = None
        for checkpoint in candidates:
            try:
                files = self._artefacts.load(checkpoint.path, checkpoint.sha256)
            except ArtefactError:
                damaged.append(checkpoint)
                continue
            run.restore(load_state(files))
            chosen = checkpoint
            break
        with self._database.write() as session:
            progress.rewind(session, self._lease, chosen, damaged=damaged)
        return 0 if chosen is None else chosen.epoch
