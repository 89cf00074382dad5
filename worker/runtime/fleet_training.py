"""The core meets storage: one claimed fleet, from its rows to its results.

Imports torch: for trainer processes only.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime

import orjson
import torch

from worker.data.builtin import load_builtin
from worker.data.dataset import Prepared, prepare
from worker.data.table import Table
from worker.errors import ParsimonyError, UnavailableError
from worker.runtime.channel import CANCEL, Channel
from worker.runtime.threads import threads_for
from worker.search.plan import FleetPlan
from worker.settings import ServiceSettings
from worker.spec import Builtin, JobSpec
from worker.storage import datasets, fleets, progress
from worker.storage.artefacts import ArtefactError, Artefacts
from worker.storage.database import Database
from worker.storage.lease import Lease, StaleToken, hold
from worker.storage.states import State
from worker.storage.tables import Checkpoint, Dataset
from worker.storage.types import utc_now
from worker.training import EpochReport, FleetRun, TrainingState
from worker.training.state import dump, load

RESULT = "fleet.safetensors"
FLUSH_SECONDS = 0.2
"""Epochs that end faster than this share a commit."""
REPORT_SECONDS = 0.1
FIRST_STEP_SECONDS = 0.002


class FleetTraining:
    """Trains one fleet under one lease. :meth:`run` says how it ended."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        artefacts: Artefacts,
        lease: Lease,
        channel: Channel,
    ) -> None:
        self._settings, self._database, self._artefacts = settings, database, artefacts
        self._lease, self._channel = lease, channel
        self._pending: list[EpochReport] = []
        self._flushed_at = 0.0
        self._saved_at = time.monotonic()
        self._first_step_at: datetime | None = None
        self._epoch = 0

    def run(self) -> str:
        """Train to the end, or until asked to stop: the fleet's new state in one word.

        Raises ``StaleToken`` when the fleet is somebody else's. An error of the spec or the data
        fails the fleet, for another attempt would only repeat it.
        """
        try:
            run = self._load()
        except (StaleToken, UnavailableError):
            raise
        except ParsimonyError as error:
            return self._fail(error)
        self._channel.say("loaded")
        watcher = _StepWatcher(run, self._channel, self._mark_first_step)
        watcher.start()
        try:
            for report in run.epochs(interrupted=self._is_asked_to_stop):
                self._take(report, run)
        finally:
            watcher.stop()
        self._flush()
        return self._interrupt(run) if run.interrupted else self._finish(run)

    def _load(self) -> FleetRun:
        with self._database.read() as session:
            job, fleet = hold(session, self._lease)
            spec = JobSpec.model_validate_json(orjson.dumps(job.spec))
            plan = FleetPlan.model_validate_json(orjson.dumps(fleet.plan))
            dataset = (
                None
                if isinstance(spec.dataset, Builtin)
                else datasets.get(session, spec.dataset, tenant=job.tenant)
            )
            checkpoints = progress.candidates(session, fleet.id)
        run = FleetRun(plan.trials, self._prepare(spec, dataset), device=self._device())
        torch.set_num_threads(self._threads(run))
        if self._lease.attempt > 1:
            self._resume(run, checkpoints)
        return run

    def _prepare(self, spec: JobSpec, dataset: Dataset | None) -> Prepared:
        if isinstance(spec.dataset, Builtin):
            table, target = load_builtin(spec.dataset)
            return prepare(table, spec, target)
        if dataset is None:
            raise RuntimeError("a job names a data set or a built-in one")
        data = self._artefacts.read(dataset.path, dataset.sha256)
        return prepare(Table.from_parquet(data), spec, dataset.target)

    def _threads(self, run: FleetRun) -> int:
        if run.prepared.x.ndim > 3:
            # Convolutions use each parameter many times: no step of theirs is small.
            return self._settings.threads
        trials, parameters = run.program.parameters.values.shape
        rows = min(run.program.training.batch_size, run.prepared.x.shape[1])
        return threads_for(
            trials=trials, batch_size=rows, parameters=parameters, limit=self._settings.threads
        )

    def _device(self) -> str:
        if self._settings.device != "auto":
            return self._settings.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    def _resume(self, run: FleetRun, checkpoints: list[Checkpoint]) -> None:
        """Restore the newest checkpoint that is whole; forget what lies beyond it."""
        damaged: list[Checkpoint] = []
        chosen: Checkpoint | None = None
        for checkpoint in checkpoints:
            try:
                state = self._read(checkpoint)
            except ArtefactError:
                damaged.append(checkpoint)
                continue
            run.restore(state)
            chosen, self._epoch = checkpoint, checkpoint.epoch
            break
        with self._database.write() as session:
            progress.rewind(session, self._lease, chosen, damaged=damaged)

    def _read(self, checkpoint: Checkpoint) -> TrainingState:
        return load(self._artefacts.load(checkpoint.path, checkpoint.sha256))

    def _is_asked_to_stop(self) -> bool:
        return self._channel.stop_reason is not None

    def _mark_first_step(self) -> None:
        self._first_step_at = utc_now()

    def _take(self, report: EpochReport, run: FleetRun) -> None:
        self._pending.append(report)
        self._epoch = report.epoch
        now = time.monotonic()
        if now - self._flushed_at >= FLUSH_SECONDS:
            self._flush()
            self._flushed_at = now
        if now - self._saved_at >= self._settings.checkpoint_seconds:
            self._flush()
            self._save(run)
            self._saved_at = time.monotonic()

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        with self._database.write() as session:
            progress.record_epochs(
                session,
                self._lease,
                [(report.epoch, report.metrics) for report in pending],
                first_step_at=self._first_step_at,
            )

    def _save(self, run: FleetRun) -> None:
        folder = f"jobs/{self._lease.job_id}/{self._lease.fleet_id}/checkpoints"
        written = self._artefacts.write(folder, dump(run.state()))
        with self._database.write() as session:
            spare = progress.save_checkpoint(
                session,
                self._lease,
                epoch=self._epoch,
                path=written.path,
                sha256=written.sha256,
                bytes=written.bytes,
            )
        for path in spare:
            self._artefacts.delete(path)

    def _interrupt(self, run: FleetRun) -> str:
        if self._channel.stop_reason == CANCEL:
            with self._database.write() as session:
                fleets.cancel(session, self._lease)
            return State.CANCELLED
        self._save(run)
        with self._database.write() as session:
            fleets.release(session, self._lease)
        return State.QUEUED

    def _finish(self, run: FleetRun) -> str:
        outcomes = [
            fleets.Outcome(
                state=result.state,
                metrics=result.metrics,
                epochs=result.epochs,
                best_epoch=result.best_epoch,
                error=result.error,
                advice=result.advice,
                report=result.report,
            )
            for result in run.results()
        ]
        succeeded = any(outcome.state == State.SUCCEEDED for outcome in outcomes)
        result = self._write_result(run) if succeeded else None
        with self._database.write() as session:
            fleets.finish(session, self._lease, outcomes, result)
        return State.SUCCEEDED if succeeded else State.FAILED

    def _write_result(self, run: FleetRun) -> fleets.Result:
        folder = f"jobs/{self._lease.job_id}/{self._lease.fleet_id}/result"
        written = self._artefacts.write(folder, {RESULT: run.result().dump()})
        entry = written.files[RESULT]
        return fleets.Result(path=written.file(RESULT), sha256=entry.sha256, bytes=entry.bytes)

    def _fail(self, error: ParsimonyError) -> str:
        with self._database.write() as session:
            fleets.fail(session, self._lease, error.body())
        return State.FAILED


class _StepWatcher(threading.Thread):
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
