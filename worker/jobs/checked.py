"""A job's data, checked: what is known of them, and what was found in them.

What was counted at an upload tells it for most jobs. Where it does not, whoever is asked has the
stored table at hand, of which it reads the columns that decide; or the uploaded file, where a job
says how that is to be read.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Protocol, Self

from worker.data import (
    CellsNeededError,
    Outline,
    StoredTable,
    Table,
    TableStatistics,
    more_findings,
    prepare,
    target_findings,
)
from worker.results import Advice
from worker.schema import Record
from worker.search import begins_at_lambda_max, lambda_max
from worker.spec import JobSpec, Reading

MOST_FINDINGS = 50
"""Findings about its data that a job tells."""
OF_FEATURES = {"constant", "empty", "equal_columns", "identifier", "integer_codes"}
"""Findings about a column that a network sees, and nothing to know of one that it predicts, or what
its own errors say."""


@dataclass(frozen=True)
class Checked:
    """What is known of a job's data once they are checked."""

    outline: Outline
    findings: tuple[Advice, ...]
    """What is worth knowing about them: about the target, then about the other columns."""
    lambda_max: float | None = None
    """Of a job that follows a path which begins there: from where on all weights are 0."""

    @classmethod
    def of(cls, table: Table, spec: JobSpec, default_target: str | None) -> Self:
        """Check a job against a table.

        Raises:
            DataError: the data do not allow the job.
        """
        outline = Outline.of(table, spec, default_target)
        largest = None
        if begins_at_lambda_max(spec):
            largest = lambda_max(spec, prepare(table, spec, default_target))
        return cls(outline, findings_about(table, outline.target.column), largest)


class DataOrder(Record):
    """What is to be told of a data set, or of a job's data."""

    target: str | None
    """The data set's own."""
    stored: bool
    """Whether the file is the stored table, and not the file as it was uploaded."""
    spec: JobSpec | None = None
    """The job that is to be checked; none where the table is to be counted."""
    statistics: TableStatistics | None = None
    """What was counted of the table."""


class DataReader(Protocol):
    """Reads the files of data sets. The service has it done in other processes."""

    def table(self, file: BinaryIO, filename: str | None, reading: Reading) -> Table:
        """The table that an uploaded file holds."""

    def opened(
        self, file: BinaryIO, filename: str | None, reading: Reading
    ) -> AbstractContextManager[Table]:
        """The same for the length of a block, in which it is read as it is asked for."""

    def checked(
        self, file: BinaryIO, filename: str | None, reading: Reading, order: DataOrder
    ) -> Checked:
        """A job's data, checked against a file."""

    def counted(
        self, file: BinaryIO, filename: str | None, reading: Reading, order: DataOrder
    ) -> TableStatistics:
        """What is counted of a file's table."""


class ReaderHere:
    """Reads in this process; `read` reads an uploaded file."""

    def __init__(self, read: Callable[[BinaryIO, str | None, Reading], Table]) -> None:
        self._read = read

    def table(self, file: BinaryIO, filename: str | None, reading: Reading) -> Table:
        """As `DataReader.table`."""
        return self._read(file, filename, reading)

    @contextmanager
    def opened(self, file: BinaryIO, filename: str | None, reading: Reading) -> Iterator[Table]:
        """As `DataReader.opened`."""
        yield self._read(file, filename, reading)

    def checked(
        self, file: BinaryIO, filename: str | None, reading: Reading, order: DataOrder
    ) -> Checked:
        """As `DataReader.checked`."""
        return checked_file(file, order, lambda: self._read(file, filename, reading))

    def counted(
        self, file: BinaryIO, filename: str | None, reading: Reading, order: DataOrder
    ) -> TableStatistics:
        """As `DataReader.counted`."""
        return counted_file(file, order, lambda: self._read(file, filename, reading))


def checked_file(file: BinaryIO, order: DataOrder, read: Callable[[], Table]) -> Checked:
    """Check a job's data; `read` reads the file as it was uploaded."""
    if order.spec is None:
        raise ValueError("there is no job to be checked")
    return Checked.of(_table(file, order, read), order.spec, order.target)


def counted_file(file: BinaryIO, order: DataOrder, read: Callable[[], Table]) -> TableStatistics:
    """Count a table; `read` reads the file as it was uploaded."""
    return TableStatistics.of(_table(file, order, read), order.target)


def checked_by_statistics(
    statistics: TableStatistics, spec: JobSpec, default_target: str | None
) -> Checked | None:
    """What is known of a job's data by what was counted of them; none where the cells decide."""
    if begins_at_lambda_max(spec):
        return None
    try:
        table, outline = statistics.outline(spec, default_target)
        return Checked(outline, findings_about(table, outline.target.column))
    except CellsNeededError:
        return None


def findings_about(
    table: Table, target: str | None, most: int = MOST_FINDINGS
) -> tuple[Advice, ...]:
    """What was found in a table's columns: about the target first, then in the order of the file.

    Findings about columns that are ignored are none of it; of many the last one says how many more
    there are.
    """
    there = {None, *table.names}
    found = [
        _not_ignored(finding) if finding.column == target else finding
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


def _not_ignored(finding: Advice) -> Advice:
    """A finding about the target, which cannot be ignored, whatever one does with features."""
    if finding.change != {"columns": {finding.column: "ignore"}}:
        return finding
    fix = "It is the target, and used as it was read. If that is wrong, correct the cells."
    return finding.model_copy(update={"change": None, "fix": fix})


def _table(file: BinaryIO, order: DataOrder, read: Callable[[], Table]) -> Table:
    if not order.stored:
        return read()
    known = () if order.statistics is None else order.statistics.columns
    return StoredTable.open(file).table({one.column.name: one for one in known})
