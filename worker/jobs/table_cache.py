"""Tables in memory, so that a job is checked against its data without reading a file again."""

from worker.data import Outline, Table, load_builtin
from worker.errors import NotFoundError, SpecError
from worker.lru import Lru
from worker.spec import Builtin, BuiltinName, DatasetRef, JobSpec
from worker.storage import datasets
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.tables import Dataset

TABLE_BYTES = 400_000_000
"""What the tables that are kept may take in memory."""
OUTLINES = 1024
"""Most outlines kept; each is a few hundred bytes."""
DATA_FIELDS = {"dataset", "target", "task", "split", "preprocessing"}
"""The fields that decide how the data are read and divided."""


class TableCache:
    """The tables that were used last, uploaded and built-in, and what jobs make of them."""

    def __init__(self, database: Database, artefacts: Artefacts) -> None:
        self._database = database
        self._artefacts = artefacts
        self._tables: Lru[str, tuple[Table, str | None]] = Lru(
            TABLE_BYTES, weight=lambda kept: kept[0].nbytes
        )
        self._outlines: Lru[str, Outline] = Lru(OUTLINES)

    def get(self, ref: DatasetRef) -> tuple[Table, str | None]:
        """The table that a job names, and the target that it has of its own.

        Raises:
            SpecError: there is no such data set.
        """
        if isinstance(ref, Builtin):
            return self._tables.get(ref.model_dump_json(), lambda: load_builtin(ref))
        return self._tables.get(ref, lambda: self._uploaded(ref))

    def rows(self, ref: DatasetRef) -> int | None:
        """The rows of a data set, without reading it; none where that is not known.

        Raises:
            SpecError: there is no such data set.
        """
        if isinstance(ref, Builtin):
            return ref.rows if ref.builtin is BuiltinName.CIRCLE else None
        return self._row(ref).rows

    def outline(self, spec: JobSpec) -> Outline:
        """What is known of a job's data once they are checked.

        Raises:
            SpecError: there is no such data set, or the job does not fit it.
            DataError: the data do not allow the job.
        """

        def checked() -> Outline:
            table, default_target = self.get(spec.dataset)
            return Outline.of(table, spec, default_target)

        return self._outlines.get(spec.model_dump_json(include=DATA_FIELDS), checked)

    def forget(self, dataset_id: str) -> None:
        """Drop a data set that was deleted."""
        self._tables.forget(dataset_id)

    def _row(self, dataset_id: str) -> Dataset:
        try:
            with self._database.read() as session:
                return datasets.find_dataset(session, dataset_id)
        except NotFoundError as error:
            raise unknown_dataset(dataset_id) from error

    def _uploaded(self, dataset_id: str) -> tuple[Table, str | None]:
        row = self._row(dataset_id)
        content = self._artefacts.read(row.path, row.sha256)
        return Table.from_parquet(content), row.target


def unknown_dataset(dataset_id: str) -> SpecError:
    """A job names a data set that is not there."""
    return SpecError(
        f"There is no data set {dataset_id}. Upload it with POST /v1/datasets, take one that "
        'GET /v1/datasets lists, or name a built-in one such as {"builtin": "circle"}.',
        code="dataset_not_found",
        param="dataset",
    )
