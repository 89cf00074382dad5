"""From an uploaded file to a stored data set."""

from pathlib import PurePosixPath
from typing import BinaryIO

from service.body_limit import too_large
from service.dependencies import Services
from worker.data import Table, read_table
from worker.errors import DataError
from worker.storage import datasets
from worker.storage.tables import Dataset
from worker.text import INVALID_NAME, control_character

FOLDER = "datasets"
TABLE = "table.parquet"


def store_upload(
    services: Services,
    file: BinaryIO,
    *,
    name: str,
    target: str | None,
    filename: str | None = None,
) -> Dataset:
    """Read, type and keep a file; it is committed when this returns.

    Raises:
        DataError: the file cannot be read as a table, or has no such target.
        TooLargeError: it is larger than the settings allow.
    """
    table = _read(file, services.settings.max_upload_bytes, filename)
    if target is not None:
        table.column(target, param="target")
    manifest = services.artefacts.write(FOLDER, {TABLE: table.to_parquet()})
    entry = manifest.files[TABLE]
    with services.database.write() as session:
        return datasets.add_dataset(
            session,
            name=name,
            target=target or table.target,
            rows=table.rows,
            columns=[column.model_dump(mode="json") for column in table.columns],
            format="parquet",
            bytes=entry.bytes,
            sha256=entry.sha256,
            path=manifest.file(TABLE),
        )


def remove_upload(services: Services, dataset_id: str) -> None:
    """Forget a data set, then remove its file."""
    with services.database.write() as session:
        path = datasets.delete(session, dataset_id).path
    services.tables.forget(dataset_id)
    services.artefacts.delete(str(PurePosixPath(path).parent))


def _read(file: BinaryIO, limit: int, filename: str | None) -> Table:
    file.seek(0, 2)
    if file.tell() > limit:
        raise too_large(limit)
    file.seek(0)
    return read_table(file, filename)


def checked_name(name: str | None, filename: str | None) -> str:
    """The label given, or the file's own name without its ending.

    Raises:
        DataError: it is too long, or holds characters that cannot be shown.
    """
    chosen = (name or PurePosixPath(filename or "").stem or "data").strip()
    character = control_character(chosen)
    if len(chosen) > 120 or character is not None:
        fact = f"it has {len(chosen)}" if character is None else f"it holds {character}"
        raise DataError(
            f"The name must be 1 to 120 characters without control characters; {fact}.",
            code=INVALID_NAME,
            param="name",
        )
    return chosen
