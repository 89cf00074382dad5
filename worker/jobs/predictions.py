"""A prediction of a stored data set is accepted: checked against model and data, then committed.

The version that answers is settled here. What is read of the data set follows from its row and the
version, so that whoever scores a part scores the same rows.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import orjson
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.caller import LOCAL, Caller
from worker.data import (
    Column,
    StoredTable,
    TableInMemory,
    TableParts,
    kinds_to_declare,
    stored_report,
)
from worker.errors import NotFoundError, SpecError
from worker.jobs.table_cache import TableCache, unknown_dataset
from worker.jobs.tables import NOTHING, load_table, stored_reading
from worker.models import Answerable, AnswerSettings, Manifest, read_manifest
from worker.shares import EQUAL, Shares
from worker.spec import Builtin, PredictionSpec, Reading
from worker.storage import datasets, idempotency, models, predictions, quotas
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.predictions import PredictionRows
from worker.storage.states import Kind
from worker.storage.tables import Dataset, ModelVersion

PART_ROWS = 65_536
"""Most rows of a part: what is lost when a worker dies, and what is in memory at a time."""
PART_BYTES = 2**26
"""What a part's cells, features and scores take in memory, about: of wide tables the parts are
smaller."""


@dataclass(frozen=True)
class AcceptedPrediction:
    """What came of a request for a prediction."""

    rows: PredictionRows
    replayed: bool
    """Whether an earlier request with the same key made it."""


class PredictionIntake:
    """Accepts predictions. Whoever rings the workers is to be told afterwards."""

    def __init__(
        self,
        database: Database,
        artefacts: Artefacts,
        tables: TableCache,
        shares: Shares = EQUAL,
    ) -> None:
        self._database, self._artefacts, self._tables = database, artefacts, tables
        self._shares = shares

    def accept_once(
        self, spec: PredictionSpec, key: str | None = None, *, caller: Caller = LOCAL
    ) -> AcceptedPrediction:
        """Accept a prediction, or find the one that its ``Idempotency-Key`` made before; committed
        when this returns. The model need not be in service here, and its weights are not read.

        Raises:
            KeyReused: the key made something else, or from another body.
            NotFoundError: there is no such model, version or data set.
            SpecError: the data set has no column that is to be kept, or the model cannot answer so.
            DataError: it lacks columns that the model needs, or cannot be read as the model's.
        """
        if key is not None and (known := self._known(spec, key, caller)) is not None:
            return known
        self._database.expect_write()
        with self._database.read() as session:
            version = models.resolve(session, spec.model, spec.version, tenant=caller.tenant)
        with self._artefacts.open(version.path) as file:
            manifest = read_manifest(file)
        Answerable.of(manifest, version.position).check(answer_settings(spec))
        columns, ignored, rows = self._about(spec, caller)
        _check_kept(spec, columns)
        said = reading_for(manifest.encoder.columns, columns, ignored)
        if said.columns:
            # Read here as well, so that what cannot be read is said now.
            rows = self._tables.rows_as(spec.dataset, said, tenant=caller.tenant)
        part_rows = rows_of_a_part(manifest, columns)
        try:
            with self._database.write() as session:
                before = None if key is None else _replayed(session, spec, key, caller)
                if before is not None:
                    return before
                quotas.admit_job(session, caller.tenant, self._shares)
                created = _create(session, spec, version, rows, part_rows, caller)
                if key is not None:
                    idempotency.remember(
                        session, key, _digest(spec), created.job.id, tenant=caller.tenant
                    )
                return AcceptedPrediction(created, replayed=False)
        except IntegrityError:
            # PostgreSQL: another request with this key was committed after ours had looked.
            before = None if key is None else self._known(spec, key, caller)
            if before is None:
                raise
            return before

    def _known(self, spec: PredictionSpec, key: str, caller: Caller) -> AcceptedPrediction | None:
        with self._database.read() as session:
            return _replayed(session, spec, key, caller)

    def _about(
        self, spec: PredictionSpec, caller: Caller
    ) -> tuple[Sequence[Column], Collection[str], int]:
        """The columns of the data set, those that its upload ignored, and how many rows it has."""
        if isinstance(spec.dataset, Builtin):
            table, _ = self._tables.get(spec.dataset, tenant=caller.tenant)
            return table.columns, (), table.rows
        with self._database.read() as session:
            dataset = _dataset(session, spec.dataset, caller)
        columns = [
            Column(name=one.name, kind=one.kind, shape=tuple(one.shape))
            for one in stored_report(dataset.columns)
        ]
        return columns, _ignored(dataset), dataset.rows


@contextmanager
def opened(
    artefacts: Artefacts, source: Builtin | Dataset, needed: Sequence[Column]
) -> Iterator[TableParts]:
    """The rows of a data set, its columns of the kinds that a model needs. Where they are, they are
    read part by part from the stored file.

    Raises:
        DataError, SpecError: it does not fit the model.
    """
    if isinstance(source, Dataset):
        with artefacts.open(source.path, source.sha256) as file:
            stored = StoredTable.open(file)
            reading = reading_for(needed, stored.columns, _ignored(source))
            if reading.says_nothing:
                yield stored
                return
    else:
        table, _ = load_table(artefacts, source, NOTHING)
        reading = reading_for(needed, table.columns)
    table, _ = load_table(artefacts, source, reading)
    yield TableInMemory(table)


def reading_for(
    needed: Sequence[Column], present: Sequence[Column], ignored: Collection[str] = ()
) -> Reading:
    """What is to be said of a data set so that its columns are of the model's kinds; nothing where
    they are.

    Raises:
        DataError: it lacks columns, or has images of another shape.
    """
    return Reading(columns=kinds_to_declare(needed, present, ignored))


def rows_of_a_part(manifest: Manifest, present: Sequence[Column]) -> int:
    """How many rows are scored at a time."""
    cells = sum(8 * prod(column.shape) for column in present)
    width = cells + 4 * prod(manifest.shape) + 16 * manifest.outputs
    return max(1, min(PART_ROWS, PART_BYTES // width))


def answer_settings(spec: PredictionSpec) -> AnswerSettings:
    """How the rows are to be answered."""
    return AnswerSettings(
        mc_samples=spec.mc_samples,
        seed=spec.seed,
        calibrated=spec.calibrated,
        coverage=spec.coverage,
        members=spec.members,
    )


def kept_columns(spec: PredictionSpec, present: Sequence[Column]) -> tuple[str, ...]:
    """The columns that stand in the result before the answers."""
    if spec.keep is not None:
        return spec.keep
    return tuple(column.name for column in present if column.kind != "image")


def _check_kept(spec: PredictionSpec, present: Sequence[Column]) -> None:
    kinds = {column.name: column.kind for column in present}
    for position, name in enumerate(spec.keep or ()):
        if name not in kinds:
            raise SpecError(
                f"The data set has no column {name!r} to keep; GET /v1/datasets/{{id}} lists what "
                "it has. Leave `keep` out for all columns, or give [] for the answers alone.",
                code="unknown_column",
                param=f"keep.{position}",
            )
        if kinds[name] == "image":
            raise SpecError(
                f"Column {name!r} holds images, which do not stand in a result; leave it out of "
                "`keep`.",
                code="image_column",
                param=f"keep.{position}",
            )


def _create(
    session: Session,
    spec: PredictionSpec,
    version: ModelVersion,
    rows: int,
    part_rows: int,
    caller: Caller,
) -> PredictionRows:
    dataset_id = None if isinstance(spec.dataset, Builtin) else spec.dataset
    if dataset_id is not None:
        _dataset(session, dataset_id, caller, keep=True)
    models.keep(session, version, spec.model)
    return predictions.add_prediction(
        session,
        spec=spec.model_dump(mode="json"),
        version=version,
        model_name=spec.model,
        rows=rows,
        part_rows=part_rows,
        name=spec.name,
        dataset_id=dataset_id,
        tenant=caller.tenant,
    )


def _dataset(session: Session, dataset_id: str, caller: Caller, *, keep: bool = False) -> Dataset:
    try:
        return datasets.find_dataset(
            session, dataset_id, lock="keep" if keep else None, tenant=caller.tenant
        )
    except NotFoundError as error:
        raise NotFoundError(
            unknown_dataset(dataset_id).message, code="dataset_not_found", param="dataset"
        ) from error


def _ignored(dataset: Dataset) -> Collection[str]:
    """The columns of its file that were declared to be ignored at its upload."""
    columns = stored_reading(dataset).columns
    return {name for name, kind in columns.items() if kind == "ignore"}


def _replayed(
    session: Session, spec: PredictionSpec, key: str, caller: Caller
) -> AcceptedPrediction | None:
    job = idempotency.find(session, key, _digest(spec), kind=Kind.PREDICTION, tenant=caller.tenant)
    if job is None:
        return None
    return AcceptedPrediction(predictions.of_job(session, job), replayed=True)


def _digest(spec: PredictionSpec) -> str:
    """The hash of a body, as it was asked: a later release may have other defaults."""
    document = {"kind": Kind.PREDICTION, **spec.model_dump(mode="json", exclude_unset=True)}
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
