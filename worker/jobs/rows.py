"""Which rows a job trained, validated and tested on, and what its trials answer them.

Nothing of it is stored: the division follows from the data set and the job's specification, as it
did for those who trained, and the answers from the models' files. Without the data set there is
neither.

Answers are those of a configuration as it was measured: of one trial, on the rows of its own fold;
or, out of fold, of all folds of one repeat, each on the rows that it did not see. Models are loaded
one at a time, certified, and asked a block of rows at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.caller import LOCAL, Caller
from worker.data import DividedRows, Target, row_blocks
from worker.errors import ConflictError, ModelError, NotFoundError
from worker.jobs.table_cache import TableCache
from worker.lru import Lru
from worker.models import Answers, TrainedModel, certify
from worker.spec import Builtin, JobSpec
from worker.storage import datasets, jobs
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.states import State
from worker.storage.tables import Fleet, Job, TrialRow

AnsweredPart = Literal["train", "validation", "test", "out_of_fold"]
ANSWERED_ROWS = 8_192
"""Rows of a table that are read at a time; those of them that are asked about are answered."""
DIVISIONS_BYTES = 64 * 1024**2
"""What the divisions that were asked for last may take in memory."""


@dataclass(frozen=True, eq=False)
class AnsweredBlock:
    """Some rows, and what one trial answers them: B of them."""

    fold: int | None
    """The trial's."""
    rows: NDArray[np.int64]
    """[B]: their numbers in the uploaded table, from 0."""
    truth: NDArray[Any]
    """[B], as `Target.values` gives it."""
    answers: Answers


@dataclass(frozen=True, eq=False)
class _Asked:
    """One trial, the file of its fleet, and the places of the rows that it is asked about."""

    trial: TrialRow
    path: str
    sha256: str
    fold: int | None
    places: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AnsweredRows:
    """What was asked of a job, and the answers as they are computed."""

    trial: str
    """The id of the trial; out of fold, of the first of them."""
    configuration: int
    target: Target
    count: int
    """Rows that are answered."""
    blocks: Iterator[AnsweredBlock]
    """Fold by fold, in the order of the table."""


class JobRows:
    """Tells the rows of jobs."""

    def __init__(self, database: Database, artefacts: Artefacts, tables: TableCache) -> None:
        self._database, self._artefacts, self._tables = database, artefacts, tables
        self._divided: Lru[str, DividedRows] = Lru(DIVISIONS_BYTES, weight=_bytes)

    def divided(self, job_id: str, *, caller: Caller = LOCAL) -> tuple[JobSpec, DividedRows]:
        """A job's specification, and how its rows were divided.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: its data set was deleted.
        """
        with self._database.read() as session:
            job = jobs.find_job(session, job_id, tenant=caller.tenant)
            spec = self._known(session, job)
        return spec, self._division(job_id, spec, caller)

    def answers(
        self,
        job_id: str,
        part: AnsweredPart,
        trial_id: str | None = None,
        *,
        caller: Caller = LOCAL,
    ) -> AnsweredRows:
        """What a trial answers the rows of a part, or the folds of a configuration together.

        Unless one is given, it is the trial that is served for `test`, and for other parts the
        first trial of the configuration that won.

        Raises:
            NotFoundError: there is no such job or trial.
            ConflictError: the part has no rows, a trial that is needed has no model, or the data
                set was deleted.
        """
        with self._database.read() as session:
            job = jobs.find_job(session, job_id, tenant=caller.tenant)
            spec = self._known(session, job)
            trial = _chosen(session, job, part, trial_id)
            trials = _folds(session, job, spec, trial) if part == "out_of_fold" else [trial]
            fleets = {row.fleet_id: session.get_one(Fleet, row.fleet_id) for row in trials}
        divided = self._division(job_id, spec, caller)
        asked = [_asked(row, fleets[row.fleet_id], divided, part) for row in trials]
        count = sum(len(one.places) for one in asked)
        if not count:
            raise _without_rows(part, spec, trial)
        return AnsweredRows(
            trial=trial.id,
            configuration=trial.configuration,
            target=divided.target,
            count=count,
            blocks=self._blocks(asked, divided, spec, caller),
        )

    def _known(self, session: Session, job: Job) -> JobSpec:
        """The job's specification, whose data set is there."""
        spec = JobSpec.model_validate_json(orjson.dumps(job.spec))
        if not isinstance(spec.dataset, Builtin):
            try:
                datasets.find_dataset(session, spec.dataset, tenant=job.tenant)
            except NotFoundError as error:
                raise ConflictError(
                    f"The data set {spec.dataset} of job {job.id} was deleted, and its rows cannot "
                    "be told without it. Upload it again, and post the job once more on the new "
                    "one: the same rows are divided alike.",
                    code="dataset_deleted",
                    param="id",
                ) from error
        return spec

    def _division(self, job_id: str, spec: JobSpec, caller: Caller) -> DividedRows:
        def divide() -> DividedRows:
            data = self._tables.opened_as(spec.dataset, spec.reading, tenant=caller.tenant)
            with data as (table, default_target):
                return DividedRows.of(table, spec, default_target)

        return self._divided.get(job_id, divide)

    def _blocks(
        self, asked: Sequence[_Asked], divided: DividedRows, spec: JobSpec, caller: Caller
    ) -> Iterator[AnsweredBlock]:
        path, content = "", b""
        data = self._tables.opened_as(spec.dataset, spec.reading, tenant=caller.tenant)
        with data as (table, _):
            for one in asked:
                if one.path != path:  # trials of one fleet stand in one file
                    path, content = one.path, self._artefacts.read(one.path, one.sha256)
                model = _certified(content, one.trial)
                read = {column.name for column in model.encoder.columns}
                read |= {divided.target.column, spec.offset or divided.target.column}
                numbers, first = np.sort(divided.row_numbers[one.places]), 0
                for block in row_blocks(table, tuple(read), numbers, ANSWERED_ROWS):
                    rows = numbers[first : first + block.rows]
                    first += block.rows
                    answers = model.answer(model.encode(block))
                    truth = divided.target.values(block)
                    yield AnsweredBlock(one.fold, rows, truth, answers)


def _bytes(divided: DividedRows) -> int:
    """What a division takes, beside the table, which is kept elsewhere."""
    parts = [part for one in divided.splits for part in (one.train, one.validation, one.test)]
    return divided.row_numbers.nbytes + sum(part.nbytes for part in parts)


def _chosen(session: Session, job: Job, part: AnsweredPart, trial_id: str | None) -> TrialRow:
    if trial_id is not None:
        return jobs.trial(session, job, trial_id, param="trial")
    if job.best is None:
        raise ConflictError(
            f"job {job.id} is {job.state}, and no trial of it has succeeded; GET /v1/jobs/{{id}} "
            "with Prefer: wait=60 answers when it has ended",
            code="no_winner",
            param="id",
        )
    if part == "test":
        return session.get_one(TrialRow, job.best.trial)
    measured = session.scalar(
        select(TrialRow)
        .where(TrialRow.job_id == job.id, TrialRow.configuration == job.best.configuration)
        .order_by(TrialRow.repeat, TrialRow.fold)
        .limit(1)
    )
    return measured or session.get_one(TrialRow, job.best.trial)


def _folds(session: Session, job: Job, spec: JobSpec, trial: TrialRow) -> list[TrialRow]:
    """The trials of all folds of a trial's configuration and repeat."""
    if trial.fold is None:
        fact = f"trial {trial.id} trains once more on all of them"
        if spec.split.folds is None:
            fact = f"job {job.id} has no folds"
        raise ConflictError(
            f"{fact}, so no row is answered out of fold; set split.folds in a new job, or ask for "
            "part=validation or part=test",
            code="no_folds",
            param="part",
        )
    return list(
        session.scalars(
            select(TrialRow)
            .where(
                TrialRow.job_id == job.id,
                TrialRow.configuration == trial.configuration,
                TrialRow.repeat == trial.repeat,
            )
            .order_by(TrialRow.fold)
        )
    )


def _asked(row: TrialRow, fleet: Fleet, divided: DividedRows, part: AnsweredPart) -> _Asked:
    if row.state != State.SUCCEEDED or fleet.result_path is None or fleet.result_sha256 is None:
        raise ConflictError(
            f"trial {row.id} ({row.name}) is {row.state}, and has no model to answer; name another "
            "one by `trial`, or wait until the job has ended",
            code="no_model",
            param="trial",
        )
    split = divided.split(row.fold, refit=_is_refit(row))
    held_out = part if part != "out_of_fold" else "validation"
    places: NDArray[np.int64] = getattr(split, held_out)
    return _Asked(row, fleet.result_path, fleet.result_sha256, row.fold, places)


def _is_refit(row: TrialRow) -> bool:
    return row.settings.get("refit") is not None


def _without_rows(part: AnsweredPart, spec: JobSpec, trial: TrialRow) -> ConflictError:
    remedies = {
        "test": "set split.test above 0 (0.2 is usual) in a new job",
        "validation": "set split.validation above 0, or split.folds, in a new job",
    }
    remedy = remedies.get(part, "ask for another part")
    if part == "test" and spec.split.rows is not None:
        remedy = "name some in split.rows.test in a new job"
    if part == "validation" and _is_refit(trial):
        remedy = "name another trial, since this one trains on the validation rows as well"
    return ConflictError(f"There are no {part} rows; {remedy}.", code="no_rows", param="part")


def _certified(content: bytes, row: TrialRow) -> TrainedModel:
    model = TrainedModel.load(content, row.position)
    failed = [check for check in certify(model).checks if not check.passed]
    if failed:
        raise ModelError(
            f"Trial {row.id} did not pass its certificate, and does not answer: "
            + "; ".join(f"{check.name}: {check.detail}" for check in failed),
            code="not_certified",
            checks=[check.model_dump(mode="json") for check in failed],
        )
    return model
