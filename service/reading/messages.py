"""What the service and a reader say to each other: an order, an answer. One line of JSON each."""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from worker.data import ColumnReport, Listed, TableStatistics
from worker.errors import DataError, ParsimonyError, SpecError
from worker.jobs import Checked, DataOrder
from worker.results import Advice, Understood
from worker.schema import Json, Record
from worker.spec import Reading
from worker.text import shortened

LONGEST_TEXT = 8_000
"""Characters of a message, and of a text in what an error tells besides."""


class Bounds(Record):
    """What one reader may take."""

    memory: int
    """Bytes beyond what it begins with."""
    processor_seconds: int
    """Time of the processor, all threads together."""
    seconds: float
    """Time by the clock."""
    files: int
    """Open files."""
    written: int
    """Bytes of a file that it writes."""
    columns: int = 0
    """Columns that its file may have, if it is text."""


class ReadOrder(Record):
    """What a reader is to do with the file that it is given open."""

    folder: Path
    """Where it writes."""
    filename: str | None
    """What the file is called; its ending is looked at."""
    reading: Reading
    target: str | None
    task: Literal["describe", "table", "rows", "check", "count"]
    """Whether its columns and what was found are wanted, or the table alone; or the rows of a
    Parquet file to predict, as they are; or a job's data checked, or a stored table counted."""
    data: DataOrder | None = None
    """What is to be checked, or counted."""
    bounds: Bounds


class Description(Record):
    """What is known of a table that was read."""

    rows: int
    target: str | None
    columns: list[ColumnReport]
    summary: Listed
    findings: list[Advice]
    understood: Understood | None
    statistics: TableStatistics


class Refusal(Record):
    """Why a file was not read, as the error that it is."""

    kind: Literal["data", "spec"]
    message: str
    code: str
    param: str | None
    extra: Json

    @classmethod
    def of(cls, error: ParsimonyError) -> "Refusal":
        """An error on its way out of a reader."""
        return cls(
            kind="spec" if isinstance(error, SpecError) else "data",
            message=shortened(error.message, LONGEST_TEXT),
            code=error.code,
            param=error.param,
            extra={name: _plain(value) for name, value in error.extra.items()},
        )

    def error(self) -> ParsimonyError:
        """The error."""
        kind = SpecError if self.kind == "spec" else DataError
        return kind(self.message, code=self.code, param=self.param, **self.extra)


class ReadAnswer(Record):
    """What came of an order: one of these, or none where a table alone was wanted."""

    description: Description | None = None
    checked: Checked | None = None
    statistics: TableStatistics | None = None
    refusal: Refusal | None = None
    fault: int | None = None
    """The number of an error of the system, which is not the file's."""
    exhausted: bool = False
    """Whether the memory did not suffice."""
    failed: str | None = None
    """The class of an error that nobody foresaw."""

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(self.model_dump(mode="json")).encode() + b"\n"


class ReaderEnd(Record):
    """How a reader ended."""

    MARK: ClassVar[bytes] = b"end "
    """What such a line begins with; no answer does."""

    status: int
    """Its exit status; negative: the signal that ended it."""
    reason: Literal["memory", "time"] | None = None
    """Why it was ended."""

    def line(self) -> bytes:
        """As it is sent."""
        return self.MARK + self.model_dump_json().encode() + b"\n"


def _plain(value: Any) -> Any:
    """A part of an error as JSON can hold it."""
    if isinstance(value, str):
        return shortened(value, LONGEST_TEXT)
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {shortened(str(key), LONGEST_TEXT): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    known = value is None or isinstance(value, bool | int | float)
    return value if known else shortened(str(value), LONGEST_TEXT)
