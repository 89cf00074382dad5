"""Tables in memory, so that a job is checked against its data without reading a file again."""

from dataclasses import dataclass

from worker.caller import DEFAULT_TENANT
from worker.data import Outline, Table, more_findings, target_findings
from worker.errors import NotFoundError, SpecError
from worker.jobs.tables import NOTHING, ReadFile, load_table, says_as_stored
from worker.lru import Lru
from worker.results import Advice
from worker.spec import Builtin, BuiltinName, DatasetRef, JobSpec, Reading
from worker.storage import datasets
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.tables import Dataset

TABLE_BYTES = 400_000_000
"""What the tables that are kept may take in memory."""
OUTLINES = 1024
"""Most outlines kept; each is a few hundred bytes, and the first findings about its data."""
MOST_FINDINGS = 50
"""Findings about its data that a job tells."""
OF_FEATURES = {"equal_columns", "identifier", "integer_codes"}
"""Findings about a column that a network sees, and nothing to know of one that it predicts."""
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


@dataclass(frozen=True)
class Checked:
    """What is known of a job's data once they are checked."""

    outline: Outline
    findings: tuple[Advice, ...]
    """What is worth knowing about them: about the target, then about the other columns."""


class TableCache:
    """The tables that were used last, uploaded and built-in, and what jobs make of them."""

    def __init__(
        self, database: Database, artefacts: Artefacts, *, read: ReadFile | None = None
    ) -> None:
        """Begin; `read` is how an uploaded file is read that a job wants read anew."""
        self._database = database
        self._read = read
        self._artefacts = artefacts
        self._kept: Lru[tuple[str, str, str], tuple[Table, str | None]] = Lru(
            TABLE_BYTES, weight=lambda kept: kept[0].nbytes
        )
        self._checked: Lru[str, Checked] = Lru(OUTLINES)

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
            return load_table(self._artefacts, source, said, self._read)

        return self._kept.get((owner, name, how), load)

    def rows(self, ref: DatasetRef, *, tenant: str = DEFAULT_TENANT) -> int | None:
        """The rows of a data set, without reading it; none where that is not known.

        Raises:
            SpecError: there is no such data set.
        """
        if isinstance(ref, Builtin):
            return ref.rows if ref.builtin is BuiltinName.CIRCLE else None
        return self._row(ref, tenant).rows

    def outline(self, spec: JobSpec, *, tenant: str = DEFAULT_TENANT) -> Outline:
        """What is known of a job's data once they are checked; raises as :meth:`checked`."""
        return self.checked(spec, tenant=tenant).outline

    def checked(self, spec: JobSpec, *, tenant: str = DEFAULT_TENANT) -> Checked:
        """What is known of a job's data once they are checked, and what was found in them.

        Raises:
            SpecError: there is no such data set, or the job does not fit it.
            DataError: the data do not allow the job.
        """

        def check() -> Checked:
            table, default_target = self.get(spec.dataset, spec.reading, tenant=tenant)
            outline = Outline.of(table, spec, default_target)
            return Checked(outline, findings_about(table, outline.target.column))

        loss = None if spec.loss is None else spec.loss.kind  # counts are refused below 0
        return self._checked.get(
            f"{tenant} {loss} {spec.model_dump_json(include=DATA_FIELDS)}", check
        )

    def forget(self, dataset_id: str) -> None:
        """Drop a data set that was deleted, however it was read."""
        self._kept.forget_where(lambda key: key[1] == dataset_id)

    def _row(self, dataset_id: str, tenant: str) -> Dataset:
        try:
            with self._database.read() as session:
                return datasets.find_dataset(session, dataset_id, tenant=tenant)
        except NotFoundError as error:
            raise unknown_dataset(dataset_id) from error


def findings_about(
    table: Table, target: str | None, most: int = MOST_FINDINGS
) -> tuple[Advice, ...]:
    """What was found in a table's columns: about the target first, then in the order of the file.

    Findings about columns that are ignored are none of it; of many the last one says how many more
    there are.
    """
    there = {None, *table.names}
    found = [
        finding
        for finding in table.findings
        if finding.column in there
        and not (finding.column == target and finding.code in OF_FEATURES)
    ]
    of_target = [] if target is None else target_findings(table, target)
    # The sort is stable: each half keeps its order.
    found = of_target + sorted(found, key=lambda one: target is None or one.column != target)
    if len(found) <= most:
        return tuple(found)
    fix = "Read the data set's own findings; columns that are ignored have none."
    more = more_findings(len(found) - most + 1, fix)
    return (*found[: most - 1], more)


def unknown_dataset(dataset_id: str) -> SpecError:
    """A job names a data set that is not there."""
    return SpecError(
        f"There is no data set {dataset_id}. Upload it with POST /v1/datasets, take one that "
        'GET /v1/datasets lists, or name a built-in one such as {"builtin": "circle"}.',
        code="dataset_not_found",
        param="dataset",
    )
