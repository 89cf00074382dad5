"""What jobs ask of data sets: their check, which reads no data for most jobs; and tables in memory,
for whoever looks at rows.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from worker.caller import DEFAULT_TENANT
from worker.data import (
    Outline,
    Prepared,
    Table,
    TableStatistics,
    read_when_asked,
    sample,
    synthetic_rows,
)
from worker.errors import NotFoundError, SpecError
from worker.jobs import tables
from worker.jobs.checked import Checked, DataOrder, DataReader, ReaderHere, checked_by_statistics
from worker.jobs.tables import (
    NOTHING,
    blamed_on_data_set,
    load_table,
    says_as_stored,
    stored_reading,
)
from worker.lru import Lru
from worker.search import begins_at_lambda_max
from worker.spec import Builtin, BuiltinName, DatasetRef, JobSpec, Reading
from worker.storage import datasets
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.tables import Dataset

TABLE_BYTES = 400_000_000
"""What the tables that are kept may take in memory."""
OUTLINES = 1024
"""Most outlines kept; each is a few hundred bytes, and the first findings about its data."""
COLUMNS = 10_000
"""Columns of the tables that are kept counted, as jobs have them read; each is a few kB at most."""
DATA_FIELDS = {
    "dataset",
    "target",
    "task",
    "target_missing",
    "positive",
    "sample_weight",
    "offset",
    "split",
    "preprocessing",
    *Reading.model_fields,
}
"""The fields that decide how the data are read, understood and divided."""


class TableCache:
    """The tables that were used last, uploaded and built-in, and what jobs make of them."""

    def __init__(
        self, database: Database, artefacts: Artefacts, *, reader: DataReader | None = None
    ) -> None:
        """Begin; `reader` reads what has to be read, this process unless given."""
        self._database = database
        self._reader = reader or ReaderHere(tables.read_here)
        self._artefacts = artefacts
        self._kept: Lru[tuple[str, str, str], tuple[Table, str | None]] = Lru(
            TABLE_BYTES, weight=lambda kept: kept[0].nbytes
        )
        self._checked: Lru[str, Checked] = Lru(OUTLINES)
        self._counted: Lru[tuple[str, str], TableStatistics] = Lru(
            COLUMNS, weight=lambda counted: len(counted.columns)
        )

    def get(
        self, ref: DatasetRef, said: Reading = NOTHING, *, tenant: str = DEFAULT_TENANT
    ) -> tuple[Table, str | None]:
        """The table of a data set, read as a job says, and the target that it has of its own.

        Raises:
            SpecError: there is no such data set, or no file of it to be read as the job says.
            DataError: its file cannot be read so.
        """
        if isinstance(ref, Builtin):
            name, owner = ref.model_dump_json(), ""
        else:
            name, owner = ref, tenant
        how = "" if said.says_nothing else said.model_dump_json()

        def load() -> tuple[Table, str | None]:
            source = ref if isinstance(ref, Builtin) else self._row(ref, tenant)
            if how and isinstance(source, Dataset) and says_as_stored(source, said):
                return self.get(ref, tenant=tenant)  # one table in memory, under either name
            return load_table(self._artefacts, source, said, self._reader.table)

        return self._kept.get((owner, name, how), load)

    def rows(self, ref: DatasetRef, *, tenant: str = DEFAULT_TENANT) -> int | None:
        """The rows of a data set, without reading it; none where that is not known.

        Raises:
            SpecError: there is no such data set.
        """
        if isinstance(ref, Builtin):
            return ref.rows if ref.builtin is BuiltinName.CIRCLE else None
        return self._row(ref, tenant).rows

    @contextmanager
    def opened(self, dataset_id: str, *, tenant: str = DEFAULT_TENANT) -> Iterator[Table]:
        """The stored table of a data set, of which each column is read when it is asked for, for
        the length of a block; raises as :meth:`get`.
        """
        with self._artefacts.open(self._row(dataset_id, tenant).path) as file:
            yield read_when_asked(file)

    @contextmanager
    def opened_as(
        self, ref: DatasetRef, said: Reading, *, tenant: str = DEFAULT_TENANT
    ) -> Iterator[tuple[Table, str | None]]:
        """What `get` gives, for the length of a block: uploaded data are not in memory as a whole,
        but read as they are asked for.
        """
        row = None if isinstance(ref, Builtin) else self._row(ref, tenant)
        if row is None or (row.source_path is None and not says_as_stored(row, said)):
            yield self.get(ref, said, tenant=tenant)
            return
        with ExitStack() as stack:
            file, reading, stored = stack.enter_context(self._file(row, said, verified=True))
            if stored:
                yield read_when_asked(file), row.target
            else:
                opened = self._reader.opened(file, row.filename, reading)
                yield stack.enter_context(opened), row.target

    def rows_as(self, ref: DatasetRef, said: Reading, *, tenant: str = DEFAULT_TENANT) -> int:
        """The rows of a data set, read as is said; raises as :meth:`get`."""
        if not isinstance(ref, Builtin):
            counted = self._statistics(self._row(ref, tenant), said)
            if counted is not None:
                return counted.rows
        return self.get(ref, said, tenant=tenant)[0].rows

    def outline(self, spec: JobSpec, *, tenant: str = DEFAULT_TENANT) -> Outline:
        """What is known of a job's data once they are checked; raises as :meth:`checked`."""
        return self.checked(spec, tenant=tenant).outline

    def checked(self, spec: JobSpec, *, tenant: str = DEFAULT_TENANT) -> Checked:
        """What is known of a job's data once they are checked, and what was found in them.

        Raises:
            SpecError: there is no such data set, or the job does not fit it.
            DataError: the data do not allow the job.
        """
        loss = None if spec.loss is None else spec.loss.kind  # counts are refused below 0
        path = spec.model_dump_json() if begins_at_lambda_max(spec) else ""
        return self._checked.get(
            f"{tenant} {loss} {path} {spec.model_dump_json(include=DATA_FIELDS)}",
            lambda: self._check(spec, tenant),
        )

    def _check(self, spec: JobSpec, tenant: str) -> Checked:
        if isinstance(spec.dataset, Builtin):
            table, default_target = self.get(spec.dataset, spec.reading, tenant=tenant)
            return Checked.of(table, spec, default_target)
        row = self._row(spec.dataset, tenant)
        statistics = self._statistics(row, spec.reading)
        if statistics is None:
            table, default_target = self.get(spec.dataset, spec.reading, tenant=tenant)
            return Checked.of(table, spec, default_target)
        known = checked_by_statistics(statistics, spec, row.target)
        if known is not None:
            return known
        with self._file(row, spec.reading) as (file, reading, stored):
            order = DataOrder(spec=spec, target=row.target, stored=stored, statistics=statistics)
            return self._reader.checked(file, row.filename, reading, order)

    def sample(
        self, spec: JobSpec, outline: Outline, train: int, held_out: int, *, tenant: str
    ) -> Prepared:
        """So many rows as the job may see them, for measuring its pace; of uploaded data they are
        none of the data set's.
        """
        if not isinstance(spec.dataset, Builtin):
            counted = self._statistics(self._row(spec.dataset, tenant), spec.reading)
            if counted is not None:
                return synthetic_rows(counted, spec, outline, train=train, held_out=held_out)
        table, _ = self.get(spec.dataset, spec.reading, tenant=tenant)
        return sample(table, spec, outline, train=train, held_out=held_out)

    def _statistics(self, row: Dataset, said: Reading) -> TableStatistics | None:
        """What was counted of a data set at its upload, or of its file as a job has it read; none
        where that file was not kept.
        """
        if not says_as_stored(row, said):
            if row.source_path is None:
                return None
            key = (row.id, said.model_dump_json())
            return self._counted.get(key, lambda: self._count(row, said))
        with self._database.read() as session:
            document = datasets.statistics_of(session, row.id)
        if document is not None:
            return TableStatistics.model_validate(document)
        # It is of an earlier release.
        counted = self._count(row, said)
        with self._database.write() as session:
            datasets.keep_statistics(session, row.id, counted.model_dump(mode="json"))
        return counted

    def _count(self, row: Dataset, said: Reading) -> TableStatistics:
        with self._file(row, said) as (file, reading, stored):
            order = DataOrder(target=row.target, stored=stored)
            return self._reader.counted(file, row.filename, reading, order)

    @contextmanager
    def _file(
        self, row: Dataset, said: Reading, *, verified: bool = False
    ) -> Iterator[tuple[BinaryIO, Reading, bool]]:
        """The file that holds a data set as a job has it read, how to read it, and whether it is
        the stored table, which is `verified` if asked.
        """
        if says_as_stored(row, said):
            with self._artefacts.open(row.path, row.sha256 if verified else None) as file:
                yield file, NOTHING, True
            return
        if row.source_path is None:
            raise ValueError(f"the file of {row.id} was not kept")
        with (
            self._artefacts.open(row.source_path, row.source_sha256) as file,
            blamed_on_data_set(),
        ):
            yield file, said.over(stored_reading(row)), False

    def forget(self, dataset_id: str) -> None:
        """Drop a data set that was deleted, however it was read."""
        self._kept.forget_where(lambda key: key[1] == dataset_id)
        self._counted.forget_where(lambda key: key[0] == dataset_id)

    def _row(self, dataset_id: str, tenant: str) -> Dataset:
        try:
            with self._database.read() as session:
                return datasets.find_dataset(session, dataset_id, tenant=tenant)
        except NotFoundError as error:
            raise unknown_dataset(dataset_id) from error


def unknown_dataset(dataset_id: str) -> SpecError:
    """A job names a data set that is not there."""
    return SpecError(
        f"There is no data set {dataset_id}. Upload it with POST /v1/datasets, take one that "
        'GET /v1/datasets lists, or name a built-in one such as {"builtin": "circle"}.',
        code="dataset_not_found",
        param="dataset",
    )
