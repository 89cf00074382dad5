"""The core meets storage: one claimed fleet, from its rows to its results.

Imports torch: for trainer processes only.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import orjson
import torch
from sqlalchemy.orm import Session

from worker.advice import advise_on_missing_objective
from worker.data import Outline, Prepared, Table, extreme_cell, prepare
from worker.errors import ParsimonyError, UnavailableError
from worker.jobs import OngoingJob, finish_fleet, load_table, load_trials
from worker.results import Baseline, JobError, TrialResult, score_of
from worker.runtime.checkpoints import Checkpoints
from worker.runtime.standby import CANCEL, Channel
from worker.search import Halving, RungValues, boosting, goes_on
from worker.settings import ServiceSettings
from worker.spec import Builtin, JobSpec, Trial
from worker.statistics import mean
from worker.storage import datasets, fleets, progress, queries
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.fleets import Lease, StaleToken, hold
from worker.storage.states import State
from worker.storage.tables import Dataset
from worker.storage.types import utc_now
from worker.training import EpochReport, FleetRun, Threshold, threads_for

RESULT = "fleet.safetensors"
PARTS: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")
FLUSH_SECONDS = 0.2
"""Epochs that end faster than this share a commit."""
REPORT_SECONDS = 0.1
FIRST_STEP_SECONDS = 0.002
"""How often the supervisor is told of steps, and how often the first one is looked for."""


class FleetTraining:
    """Trains one fleet under one lease. :meth:`run` says how it ended."""

    remedy = "post fewer trials, a smaller batch_size or a smaller network"
    """Where memory is lacking."""

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
        self._checkpoints = Checkpoints(database, artefacts, lease, settings.checkpoint_seconds)
        self._first_step_at: datetime | None = None
        self._epoch = 0
        self._ongoing: OngoingJob | None = None
        self._objective, self._maximize = "", False
        self._reread: Callable[[], Table] | None = None
        """Reads the data again, which are not kept while they train."""
        self._boosted: Prepared | None = None
        """What gradient boosting is to be measured on, beside a winner that is refitted."""
        self.loaded = False
        """Whether its data are in memory: what is asked for now, its trials ask for."""

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
            return self.fail(JobError.of(error))
        self._channel.say("loaded")
        if run is None:
            return self._carry_on()
        watcher = StepWatcher(run, self._channel, self._mark_first_step)
        watcher.start()
        try:
            for report in run.epochs(interrupted=self._is_asked_to_stop):
                self._take(report, run)
        finally:
            watcher.stop()
        self._flush()
        return self._interrupt(run) if run.interrupted else self._finish(run)

    def _load(self) -> FleetRun | None:
        """What is to be trained; nothing where the fleet only carries its job on."""
        with self._database.read() as session:
            job, fleet = hold(session, self._lease)
            objective, maximize = job.objective, job.maximize
            spec = JobSpec.model_validate_json(orjson.dumps(job.spec))
            trials = load_trials(session, fleet.id)
            dataset = (
                None
                if isinstance(spec.dataset, Builtin)
                else datasets.find_dataset(session, spec.dataset, tenant=job.tenant)
            )
            checkpoints = progress.candidates(session, fleet.id)
            threshold = _threshold(session, job.id, spec, trials)
        table, target = self._table(spec, dataset)
        self._objective, self._maximize = objective, maximize
        self._reread = lambda: self._table(spec, dataset)[0]
        if goes_on(spec):
            self._ongoing = OngoingJob(self._settings, spec, Outline.of(table, spec, target))
        if not trials:
            return None
        prepared = self._prepare(table, spec, target, refit=trials[0].refit is not None)
        self.loaded = True
        rule = self._halving(spec, trials, objective, maximize=maximize)
        run = FleetRun(trials, prepared, self._device(), rule, threshold)
        torch.set_num_threads(self._threads(run))
        if self._lease.attempt > 1:
            self._epoch = self._checkpoints.resume(run, checkpoints)
        return run

    def _table(self, spec: JobSpec, dataset: Dataset | None) -> tuple[Table, str | None]:
        """The data, and the target that the job may leave out."""
        source = spec.dataset if isinstance(spec.dataset, Builtin) else dataset
        if source is None:
            raise RuntimeError("a job names a data set or a built-in one")
        return load_table(self._artefacts, source, spec.reading)

    def _prepare(self, table: Table, spec: JobSpec, target: str | None, *, refit: bool) -> Prepared:
        prepared = prepare(table, spec, target, refit=refit)
        if refit and spec.search is not None and spec.search.references:
            # Without test rows, boosting is measured as the search was: on validation rows.
            measured = len(prepared.splits[0].test) > 0
            self._boosted = prepared if measured else prepare(table, spec, target)
        return prepared

    def _halving(
        self, spec: JobSpec, trials: Sequence[Trial], objective: str, *, maximize: bool
    ) -> Halving | None:
        """The rule by which configurations leave this fleet; none unless the job asks for it.

        Each rung reads what the other fleets have recorded there. Refits train to their end.
        """
        search = spec.search
        if search is None or search.method != "halving" or trials[0].refit is not None:
            return None

        def elsewhere(epoch: int) -> RungValues:
            job_id, fleet_id = self._lease.job_id, self._lease.fleet_id
            with self._database.read() as session:
                return queries.rung(session, job_id, epoch, objective, without=fleet_id)

        return Halving(
            [trial.configuration for trial in trials],
            epochs=trials[0].training.epochs,
            min_epochs=search.min_epochs,
            eta=search.eta,
            objective=objective,
            maximize=maximize,
            elsewhere=elsewhere,
        )

    def _threads(self, run: FleetRun) -> int:
        if run.prepared.x.ndim > 3:
            # Convolutions use each parameter many times: no step of theirs is small.
            return self._settings.threads
        trials, parameters = len(run.members), run.engine.parameters.count
        rows = min(run.engine.training.batch_size, run.prepared.x.shape[1])
        return threads_for(
            trials=trials, batch_size=rows, parameters=parameters, limit=self._settings.threads
        )

    def _device(self) -> str:
        if self._settings.device != "auto":
            return self._settings.device
        return "cuda" if torch.cuda.is_available() else "cpu"

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
        # A decision among fleets is kept at once: made again, it might turn out otherwise.
        at_rung = run.halving is not None and report.epoch in run.halving.rungs
        if at_rung or self._checkpoints.is_due:
            self._flush()
            self._checkpoints.save(run, self._epoch)

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

    def _interrupt(self, run: FleetRun) -> str:
        if self._channel.stop_reason == CANCEL:
            return self._cancel(run)
        self._checkpoints.save(run, self._epoch)
        with self._database.write() as session:
            fleets.release(session, self._lease)
        return State.QUEUED

    def _carry_on(self) -> str:
        """Plan what follows, having trained nothing."""
        finish_fleet(self._database, self._lease, ongoing=self._ongoing)
        return State.SUCCEEDED

    def _cancel(self, run: FleetRun) -> str:
        """End; trials that had ended before keep what they came to."""
        results: list[TrialResult] = []
        if any(outcome.ended for outcome in run.outcomes):
            results = [
                result if outcome.ended else TrialResult(state="cancelled")
                for result, outcome in zip(run.results(), run.outcomes, strict=True)
            ]
        file = self._write_result(run) if _succeeded(results) else None
        with self._database.write() as session:
            fleets.cancel(session, self._lease, results, file)
        return State.CANCELLED

    def _finish(self, run: FleetRun) -> str:
        results = self._explained(run, run.results())
        succeeded = _succeeded(results)
        baseline: Baseline | None = None
        if self._boosted is not None:
            baseline = boosting(self._boosted, threads=self._settings.threads)
        finish_fleet(
            self._database,
            self._lease,
            results=results,
            file=self._write_result(run) if succeeded else None,
            baseline=baseline,
            ongoing=self._ongoing,
        )
        return State.SUCCEEDED if succeeded else State.FAILED

    def _explained(self, run: FleetRun, results: Sequence[TrialResult]) -> list[TrialResult]:
        """The results, with the reason added where a trial that competes has no objective.

        A refit has no validation rows, and so no such objective either: it does not compete.
        """
        part = next((part for part in PARTS if self._objective.startswith(f"{part}_")), None)
        table: Table | None = None
        explained: list[TrialResult] = []
        for trial, result in zip(run.trials, results, strict=True):
            objective = result.metrics.get(self._objective)
            known = score_of(objective, maximize=self._maximize) is not None
            if known or result.state != "succeeded" or trial.refit is not None:
                explained.append(result)
                continue
            if table is None and self._reread is not None:
                table = self._reread()
            cell = None
            if table is not None and part is not None:
                cell = extreme_cell(table, run.prepared, part, trial.fold or 0)
            finding = advise_on_missing_objective(trial.name, self._objective, cell)
            explained.append(result.model_copy(update={"advice": [*result.advice, finding]}))
        return explained

    def _write_result(self, run: FleetRun) -> fleets.ResultFile:
        folder = f"jobs/{self._lease.job_id}/{self._lease.fleet_id}/result"
        written = self._artefacts.write(folder, {RESULT: run.result().dump()})
        entry = written.files[RESULT]
        return fleets.ResultFile(path=written.file(RESULT), sha256=entry.sha256, bytes=entry.bytes)

    def fail(self, error: JobError) -> str:
        """End the fleet with an error that another attempt would only repeat."""
        finish_fleet(self._database, self._lease, error=error, ongoing=self._ongoing)
        return State.FAILED


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


def _threshold(
    session: Session, job_id: str, spec: JobSpec, trials: Sequence[Trial]
) -> Threshold | None:
    """The threshold that a job asks for. A refit has no rows to choose it on: it takes the mean of
    those that were chosen for its configuration, on the validation rows of each repeat and fold.
    """
    refitted = [trial.refit for trial in trials if trial.refit is not None]
    if not isinstance(spec.threshold, str) or not refitted:
        return spec.threshold
    chosen = queries.final_metric(session, job_id, "threshold", refitted)
    return [mean(chosen.get(number, [0.5])) for number in refitted]


def _succeeded(results: Sequence[TrialResult]) -> bool:
    return any(result.state == "succeeded" for result in results)
