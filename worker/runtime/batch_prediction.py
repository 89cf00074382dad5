"""One claimed prediction, from its rows to its result: part by part, then the parts as one file.

A part that is stored is not scored again, whoever did it: a prediction that was interrupted goes on
from there, and its file has the bytes of one that was not. The parts are the same rows in every
attempt, in the same blocks.

Imports torch: for trainer processes only.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from tempfile import TemporaryFile

import orjson
import torch
from sqlalchemy.orm import Session

from worker.errors import ModelError, ParsimonyError, UnavailableError
from worker.jobs import answer_settings, kept_columns, opened
from worker.models import AnswerSettings, TrainedModel, certify
from worker.results import JobError, Metrics
from worker.runtime.patience import Interrupted, Patience
from worker.runtime.scored_table import FILES, Format, ResultWriter, ScoredPart, ScoredTable
from worker.runtime.standby import CANCEL, Channel
from worker.settings import ServiceSettings
from worker.spec import Builtin, PredictionSpec
from worker.storage import datasets, fleets, predictions, retention
from worker.storage.artefacts import ArtefactError, Artefacts, UnreadableError
from worker.storage.database import Database
from worker.storage.fleets import Lease, ResultFile, StaleToken
from worker.storage.predictions import PartFile
from worker.storage.states import State
from worker.storage.tables import ModelVersion

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Work:
    """What is to be scored, and what is done."""

    model: TrainedModel
    table: ScoredTable
    format: Format
    settings: AnswerSettings
    parts: int
    """How many there are."""
    stored: dict[int, PartFile]
    """Those that are done, by number."""


class BatchPrediction:
    """Scores a data set under one lease. :meth:`run` says how it ended."""

    remedy = "split the data set, or give the worker more memory"
    """Where memory is lacking."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        artefacts: Artefacts,
        lease: Lease,
        channel: Channel,
        patience: Patience | None = None,
    ) -> None:
        self._settings, self._database, self._artefacts = settings, database, artefacts
        self._lease, self._channel = lease, channel
        self._patience = patience or Patience(channel)
        self._steps = 0
        self.loaded = False
        """Whether the model is in memory, and the data are at hand."""

    def run(self) -> str:
        """Score to the end, or until asked to stop: the prediction's new state in one word.

        Raises ``StaleToken`` when it is somebody else's. What another attempt would only repeat
        fails it.
        """
        # A trainer flushes tiny numbers to zero, for speed; what serves a model does not.
        torch.set_flush_denormal(False)
        with ExitStack() as stack:
            try:
                work = self._patience.insist(lambda: self._load(stack))
                self.loaded = True
                self._channel.say("loaded")
                for number in range(work.parts):
                    if number not in work.stored:
                        self._score(work, number)
                file, metrics = self._patience.insist(lambda: self._join(work))
            except Interrupted:
                return self._interrupt()
            except (StaleToken, UnavailableError):
                raise
            except ParsimonyError as error:
                return self.fail(JobError.of(error))
        self._conclude(
            lambda session: predictions.store_result(session, self._lease, file, metrics)
        )
        return State.SUCCEEDED

    def fail(self, error: JobError) -> str:
        """End the prediction with an error that another attempt would only repeat."""
        self._conclude(lambda session: fleets.fail(session, self._lease, error))
        return State.FAILED

    def _conclude(self, end: Callable[[Session], object]) -> None:
        def conclude() -> None:
            with self._database.write() as session:
                end(session)

        self._patience.insist(conclude, stoppable=False)
        self._forget_parts()

    def _load(self, stack: ExitStack) -> _Work:
        with self._database.read() as session:
            rows = predictions.held(session, self._lease)
            spec = PredictionSpec.model_validate_json(orjson.dumps(rows.job.spec))
            version = predictions.find_version(session, rows.prediction)
            source = (
                spec.dataset
                if isinstance(spec.dataset, Builtin)
                else datasets.find_dataset(session, spec.dataset, tenant=rows.job.tenant)
            )
            stored = predictions.stored_parts(session, rows.job.id)
        model = self._certified(version, rows.prediction.model_name)
        table = stack.enter_context(opened(self._artefacts, source, model.encoder.columns))
        scored = ScoredTable(
            model,
            table,
            keep=kept_columns(spec, table.columns),
            part_rows=rows.prediction.part_rows,
            as_text=spec.format == "csv",
            on_block=self._step,
            settings=answer_settings(spec),
        )
        return _Work(model, scored, spec.format, answer_settings(spec), rows.fleet.epochs, stored)

    def _certified(self, version: ModelVersion, name: str) -> TrainedModel:
        content = self._artefacts.read(version.path, version.sha256)
        model = TrainedModel.load(content, version.position)
        failed = [check for check in certify(model).checks if not check.passed]
        if failed:
            raise ModelError(
                f"Version {version.version} of model {name!r} did not pass its certificate, and "
                "does not answer: "
                + "; ".join(f"{check.name}: {check.detail}" for check in failed),
                code="not_certified",
                checks=[check.model_dump(mode="json") for check in failed],
            )
        return model

    def _score(self, work: _Work, number: int) -> ScoredPart:
        """Score a part and keep it."""
        part = self._patience.insist(lambda: work.table.part(number))
        folder = predictions.parts_folder(self._lease.job_id)

        def keep() -> PartFile:
            written = self._artefacts.write(folder, part.dump())
            stored = PartFile(part.rows.num_rows, written.path, written.sha256)
            with self._database.write() as session:
                predictions.save_part(session, self._lease, number, stored)
            return stored

        work.stored[number] = self._patience.insist(keep)
        return part

    def _part(self, work: _Work, number: int) -> ScoredPart:
        """A part from its files; scored again where they are damaged."""
        stored = work.stored[number]
        try:
            return ScoredPart.load(self._artefacts.load(stored.path, stored.sha256), work.model)
        except (ArtefactError, UnreadableError) as error:
            logger.warning("prediction %s, part %d: %s", self._lease.job_id, number, error)
            return self._score(work, number)

    def _join(self, work: _Work) -> tuple[ResultFile, Metrics | None]:
        """The parts as one file, and how good the answers are."""
        name = FILES[work.format]
        with TemporaryFile(dir=self._settings.prepare_state()) as file:
            with closing(ResultWriter(file, work.format, work.model, work.settings)) as writer:
                for number in range(work.parts):
                    writer.add(self._part(work, number))
                    self._step()
            written = self._artefacts.write(
                predictions.result_folder(self._lease.job_id), {name: file}
            )
        entry = written.files[name]
        return ResultFile(written.file(name), entry.sha256, entry.bytes), writer.metrics()

    def _step(self) -> None:
        """A block of rows is done."""
        self._steps += 1
        self._channel.say("steps", steps=self._steps)
        if self._channel.stop_reason is not None:
            raise Interrupted

    def _interrupt(self) -> str:
        if self._channel.stop_reason == CANCEL:
            self._conclude(lambda session: fleets.cancel(session, self._lease))
            return State.CANCELLED

        def release() -> None:
            with self._database.write() as session:
                fleets.release(session, self._lease)

        self._patience.insist(release, stoppable=False)
        return State.QUEUED

    def _forget_parts(self) -> None:
        """Remove what nobody needs any more. The prediction has ended, whether this works or not;
        if not, it is found by its rows.
        """
        with suppress(OSError, ParsimonyError):
            self._artefacts.delete(predictions.parts_folder(self._lease.job_id))
            with self._database.write() as session:
                retention.forget_parts(session, self._lease.job_id)
