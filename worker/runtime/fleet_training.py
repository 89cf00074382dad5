"""The core meets storage: one claimed fleet, from its rows to its results.

Imports torch: for trainer processes only.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Literal

import torch

from worker.advice import advise_on_missing_objective
from worker.data import Outline, Prepared, Table, extreme_cell, leave_pages, prepare
from worker.errors import ParsimonyError, UnavailableError
from worker.failpoints import failpoint
from worker.jobs import Appraised, Ended, OngoingJob, finish_fleet, load_table, row_encoder
from worker.models import ModelFile
from worker.results import JobError, TrialResult, score_of
from worker.runtime.appraising import AppraisedJob, OwnTrials, appraise_job
from worker.runtime.checkpoint_writer import CheckpointWriter
from worker.runtime.checkpoints import Checkpoints
from worker.runtime.fleet_rows import read_fleet
from worker.runtime.patience import Interrupted, Patience
from worker.runtime.standby import CANCEL, Channel
from worker.runtime.step_watcher import StepWatcher
from worker.search import Halving, RungValues, boosting, goes_on
from worker.settings import ServiceSettings
from worker.spec import Builtin, JobSpec, Trial
from worker.storage import fleets, queries
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.faults import place_fault
from worker.storage.fleets import Lease, StaleToken
from worker.storage.states import State
from worker.storage.tables import Dataset
from worker.storage.types import utc_now
from worker.training import EpochReport, FleetRun, give_memory_back, threads_for

logger = logging.getLogger(__name__)

RESULT = "fleet.safetensors"
PARTS: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")


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
        patience: Patience | None = None,
        writer: CheckpointWriter | None = None,
    ) -> None:
        self._settings, self._database, self._artefacts = settings, database, artefacts
        self._lease, self._channel = lease, channel
        self._patience = patience or Patience(channel)
        self._checkpoints = Checkpoints(
            database, artefacts, lease, settings.checkpoint_seconds, writer=writer
        )
        self._first_step_at: datetime | None = None
        self._epoch = 0
        self._ongoing: OngoingJob | None = None
        self._objective, self._maximize = "", False
        self._reread: Callable[[], Table] | None = None
        """Reads the data again, which are not kept while they train."""
        self._prepare = partial(prepare)
        self._appraised: AppraisedJob | None = None
        """The job, and its data as those of its trials see them that are no refits."""
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
            return self._run()
        except Interrupted:
            return self._leave()

    def _run(self) -> str:
        try:
            run = self._load()
        except (Interrupted, StaleToken, UnavailableError):
            raise
        except ParsimonyError as error:
            return self.fail(JobError.of(error))
        self._channel.say("loaded")
        failpoint("loaded")
        if run is None:
            return self._carry_on()
        watcher = StepWatcher(run, self._channel, self._mark_first_step)
        watcher.start()
        try:
            for report in run.epochs(interrupted=self._is_asked_to_stop):
                if not self._take(report, run):
                    return self._interrupt(run)
        finally:
            watcher.stop()
        if run.interrupted:
            return self._interrupt(run)
        try:
            self._patience.insist(self._flush)
            return self._finish(run)
        except Interrupted:
            return self._interrupt(run)

    def _load(self) -> FleetRun | None:
        """What is to be trained; nothing where the fleet only carries its job on."""
        rows = self._patience.insist(lambda: read_fleet(self._database, self._lease))
        spec, trials = rows.spec, rows.trials

        def read() -> tuple[Table, str | None]:
            return self._patience.insist(lambda: self._table(spec, rows.dataset))

        table, target = read()
        self._objective, self._maximize = rows.objective, rows.maximize
        self._reread = lambda: read()[0]
        if goes_on(spec):
            self._ongoing = OngoingJob(self._settings, spec, Outline.of(table, spec, target))

        of = (self._settings, self._database, rows.dataset, spec.reading, self._patience.check)
        encode = self._patience.insist(lambda: row_encoder(*of))
        self._prepare = partial(prepare, encode=encode)

        def prepared_anew(*, refit: bool) -> Prepared:
            return self._prepare(read()[0], spec, target, refit=refit)

        self._appraised = AppraisedJob(
            spec,
            self._objective,
            partial(prepared_anew, refit=False),
            partial(prepared_anew, refit=True),
            self._device(),
        )
        if not trials:
            return None
        prepared = self._data(table, spec, target, refit=(refit := trials[0].refit is not None))
        del table  # not kept while it trains
        give_memory_back()
        if not refit:
            self._appraised = replace(self._appraised, prepared=lambda: prepared)
        self.loaded = True

        def build() -> FleetRun:
            rule = self._halving(spec, trials, rows.objective, maximize=rows.maximize)
            run = FleetRun(trials, prepared, self._device(), rule, rows.threshold)
            torch.set_num_threads(self._threads(run))
            return run

        if self._lease.attempt == 1:
            return build()
        resume = self._checkpoints.resume
        run, self._epoch = self._patience.insist(lambda: resume(build, rows.checkpoints))
        return run

    def _table(self, spec: JobSpec, dataset: Dataset | None) -> tuple[Table, str | None]:
        """The data, and the target that the job may leave out."""
        source = spec.dataset if isinstance(spec.dataset, Builtin) else dataset
        if source is None:
            raise RuntimeError("a job names a data set or a built-in one")
        whole_to = self._settings.encoded_from_bytes
        return load_table(self._artefacts, source, spec.reading, whole_to=whole_to)

    def _data(self, table: Table, spec: JobSpec, target: str | None, *, refit: bool) -> Prepared:
        prepared = self._prepare(table, spec, target, refit=refit)
        if refit and spec.search is not None and spec.search.references:
            # Without test rows, boosting is measured as the search was: on validation rows.
            measured = len(prepared.splits[0].test) > 0
            self._boosted = prepared if measured else self._prepare(table, spec, target)
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

        def read(epoch: int) -> RungValues:
            job_id, fleet_id = self._lease.job_id, self._lease.fleet_id
            with self._database.read() as session:
                return queries.rung(session, job_id, epoch, objective, without=fleet_id)

        def elsewhere(epoch: int) -> RungValues:
            return self._patience.insist(lambda: read(epoch))

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

    def _take(self, report: EpochReport, run: FleetRun) -> bool:
        """Keep what an epoch came to; false when asked to stop meanwhile."""
        self._checkpoints.keep(report)
        self._epoch = report.epoch
        # A decision among fleets is kept at once: made again, it might turn out otherwise. Any
        # other checkpoint may be written later, and the fleet trains on without it.
        at_rung = run.halving is not None and report.epoch in run.halving.rungs
        if not at_rung and self._checkpoints.hand_over(run, self._first_step_at):
            return True
        due = at_rung or self._checkpoints.is_due
        try:
            if due or self._checkpoints.wants_flush:
                self._patience.insist(self._flush)
            if at_rung:
                self._patience.insist(lambda: self._checkpoints.save(run, self._epoch))
            elif due:
                self._checkpoints.try_save(run, self._epoch)
        except Interrupted:
            return False
        return True

    def _flush(self) -> None:
        self._checkpoints.flush(self._first_step_at)

    def _interrupt(self, run: FleetRun) -> str:
        """End as asked, between two steps. What the place does not let be kept is done again."""
        cancelled = self._channel.stop_reason == CANCEL
        try:
            self._flush()
            if cancelled:
                return self._cancel(run)
            self._checkpoints.save(run, self._epoch)
        except Exception as error:
            if place_fault(error) is None:
                raise
            logger.warning(
                "fleet %s: stops without its last steps: %s", self._lease.fleet_id, error
            )
        return self._leave()

    def _leave(self) -> str:
        """End as asked, and keep nothing."""
        cancelled = self._channel.stop_reason == CANCEL

        def leave() -> None:
            with self._database.write() as session:
                (fleets.cancel if cancelled else fleets.release)(session, self._lease)

        self._patience.insist(leave, stoppable=False)
        return State.CANCELLED if cancelled else State.QUEUED

    def _carry_on(self) -> str:
        """Plan what follows, having trained nothing."""
        self._patience.insist(
            lambda: finish_fleet(
                self._database,
                self._lease,
                ongoing=self._ongoing,
                appraise=lambda ended: self._appraise(ended, OwnTrials((), None)),
            )
        )
        return State.SUCCEEDED

    def _appraise(self, ended: Ended, own: OwnTrials) -> Appraised | None:
        """Look at the networks of the job, whose last fleet this is."""
        job = self._appraised
        if job is None:
            return None
        return appraise_job(self._database, self._artefacts, self._lease, ended, own, job)

    def _cancel(self, run: FleetRun) -> str:
        """End; trials that had ended before keep what they came to."""
        results: list[TrialResult] = []
        if any(outcome.ended for outcome in run.outcomes):
            results = [
                result if outcome.ended else TrialResult(state="cancelled")
                for result, outcome in zip(run.results(), run.outcomes, strict=True)
            ]
        file = self._write_result(run.result()) if _succeeded(results) else None
        with self._database.write() as session:
            fleets.cancel(session, self._lease, results, file)
        return State.CANCELLED

    def _finish(self, run: FleetRun) -> str:
        give_memory_back(for_good=True)  # what steps took
        results = self._explained(run, run.results())
        leave_pages(run.prepared.x)
        give_memory_back()
        succeeded = _succeeded(results)
        data, threads = self._boosted, self._settings.threads
        boosted = None if data is None else boosting(data, threads=threads)
        models: ModelFile | None = None
        file: fleets.ResultFile | None = None
        if succeeded:
            models = trained = run.result()
            file = self._patience.insist(lambda: self._write_result(trained))
        refit_data = None if run.trials[0].refit is None else run.prepared
        own = OwnTrials(results, models, refit_data, boosted)
        superseded = self._patience.insist(
            lambda: finish_fleet(
                self._database,
                self._lease,
                results=results,
                file=file,
                baseline=None if boosted is None else boosted.baseline,
                ongoing=self._ongoing,
                appraise=lambda ended: self._appraise(ended, own),
            )
        )
        if superseded and file is not None:
            self._artefacts.discard(file.path.rpartition("/")[0])
        return State.SUCCEEDED if succeeded else State.FAILED

    def _explained(self, run: FleetRun, results: Sequence[TrialResult]) -> list[TrialResult]:
        """The results, with the reason added where a trial that competes has no objective.

        A refit has no validation rows, and so no such objective either: it does not compete.
        """
        part = next((part for part in PARTS if self._objective.startswith(f"{part}_")), None)
        table: Table | None = None
        explained: list[TrialResult] = []
        for trial, result in zip(run.trials, results, strict=True):
            value = result.metrics.get(self._objective)
            known = score_of(value, maximize=self._maximize) is not None
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

    def _write_result(self, models: ModelFile) -> fleets.ResultFile:
        folder = f"jobs/{self._lease.job_id}/{self._lease.fleet_id}/result"
        failpoint("result.before")
        written = self._artefacts.write(folder, {RESULT: models.dump()})
        failpoint("result.written")
        entry = written.files[RESULT]
        return fleets.ResultFile(path=written.file(RESULT), sha256=entry.sha256, bytes=entry.bytes)

    def fail(self, error: JobError) -> str:
        """End the fleet with an error that another attempt would only repeat."""
        self._patience.insist(
            lambda: finish_fleet(
                self._database,
                self._lease,
                error=error,
                ongoing=self._ongoing,
                appraise=lambda ended: self._appraise(ended, OwnTrials((), None)),
            ),
            stoppable=False,
        )
        return State.FAILED


def _succeeded(results: Sequence[TrialResult]) -> bool:
    return any(result.state == "succeeded" for result in results)
