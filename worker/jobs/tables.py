"""From a data set and what is said of it to its table: the one way, in the service and in trainers.

A job that says nothing of its data gets the table that was stored at their upload. One that says
something has the uploaded file read again, under what it says over what was said at the upload. The
same bytes under the same reading are the same table, whoever reads them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from worker.data import Table, declare, load_builtin, read_table, read_when_asked
from worker.errors import DataError, SpecError
from worker.spec import Builtin, Reading
from worker.storage.artefacts import Artefacts
from worker.storage.tables import Dataset

ReadFile = Callable[[BinaryIO, str | None, Reading], Table]
"""Reads a file by its name's ending and what is said of it."""
NOTHING = Reading(columns={})
"""What a job says that leaves all to its data set."""


def load_table(
    artefacts: Artefacts,
    source: Builtin | Dataset,
    said: Reading,
    read: ReadFile | None = None,
    *,
    whole_to: int | None = None,
) -> tuple[Table, str | None]:
    """The table, and the target that the data set has of its own; `read` reads an uploaded file,
    `read_table` unless given. Of a stored table that takes more bytes than `whole_to` a column is
    read when it is asked for.

    Raises:
        SpecError: the data set has no file that could be read as the job says.
        DataError: its file cannot be read so.
    """
    if isinstance(source, Builtin):
        _refuse_beyond_columns(
            said,
            "a built-in data set has no file to be read",
            "declare kinds in `columns` alone",
        )
        table, target = load_builtin(source)
        return _declared(table, said), target
    if says_as_stored(source, said):
        return _stored(artefacts, source, whole_to), source.target
    if source.source_path is None:
        _refuse_beyond_columns(
            said,
            f"the file of {source.id} was not kept by the release that it was uploaded to",
            "upload it again, and name the new data set",
        )
        return _declared(_stored(artefacts, source), said), source.target
    with (
        artefacts.open(source.source_path, source.source_sha256) as file,
        blamed_on_data_set(),
    ):
        reading = said.over(stored_reading(source))
        return (read or read_here)(file, source.filename, reading), source.target


def read_here(file: BinaryIO, filename: str | None, reading: Reading) -> Table:
    """The table that a file holds."""
    return read_table(file, filename, reading)


@contextmanager
def blamed_on_data_set() -> Iterator[None]:
    """What is wrong with a file is wrong with a data set: a job sends none, it names one."""
    try:
        yield
    except DataError as error:
        param = "dataset" if error.param == "file" else error.param
        raise DataError(error.message, param=param, code=error.code, **error.extra) from error


def stored_reading(dataset: Dataset) -> Reading:
    """What was said of a data set at its upload; of earlier releases nothing."""
    return NOTHING if dataset.reading is None else Reading.model_validate(dataset.reading)


def says_as_stored(dataset: Dataset, said: Reading) -> bool:
    """Whether the stored table is what a job asks for."""
    if said.says_nothing:
        return True
    stored = stored_reading(dataset)
    return said.over(stored) == stored


def without_unsaid(reading: Reading) -> Mapping[str, object]:
    """A reading as JSON, without what is left open."""
    document = reading.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in document.items() if name != "columns" or value}


def _stored(artefacts: Artefacts, dataset: Dataset, whole_to: int | None = None) -> Table:
    size = 8 * dataset.rows * len(dataset.columns)
    images = any(column["kind"] == "image" for column in dataset.columns)
    if whole_to is None or size <= whole_to or images:
        return Table.from_parquet(artefacts.read(dataset.path, dataset.sha256))
    if artefacts.local_path(dataset.path) is None:
        # Each look at a column would be a request.
        return read_when_asked(BytesIO(artefacts.read(dataset.path, dataset.sha256)))
    return read_when_asked(artefacts.open(dataset.path, dataset.sha256))


def _declared(table: Table, said: Reading) -> Table:
    return declare(table, said.columns) if said.columns else table


def _refuse_beyond_columns(said: Reading, reason: str, remedy: str) -> None:
    beyond = [name for name in without_unsaid(said) if name != "columns"]
    if beyond:
        raise SpecError(
            f"{beyond[0]} cannot be said here: {reason}; {remedy}.",
            code="no_source",
            param=beyond[0],
        )
