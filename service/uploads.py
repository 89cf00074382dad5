"""From an uploaded file to a stored data set: its table, the file itself, and what was found.

The file is read by a process of its own (``service/reading``); this one stores what comes of it. In
the file system of the store it is given a name there, and not copied.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from service.body_limit import too_large
from service.dependencies import Services
from worker.caller import Caller
from worker.errors import DataError, QuotaError
from worker.jobs import matrices_in, without_unsaid
from worker.spec import Reading
from worker.storage import datasets, quotas
from worker.storage.contents import Content, SettledFile
from worker.storage.tables import Dataset
from worker.text import INVALID_NAME, control_character, shortened

FOLDER = "datasets"
TABLE = "table.parquet"
SOURCE = "source"
LONGEST_FILENAME = 255
LARGE = 2**22
"""Bytes of a file from which it is worth a thread to have it written while it is read."""


@dataclass(frozen=True)
class Upload:
    """What was sent: a file, and what the form says of it."""

    file: BinaryIO
    filename: str | None
    name: str
    target: str | None
    reading: Reading


def store_upload(services: Services, caller: Caller, upload: Upload) -> Dataset:
    """Have a file read and typed, and keep it; it is committed when this returns.

    Raises:
        DataError: the file cannot be read as a table, or has no such target.
        TooLargeError: it is larger than the settings allow.
        QuotaError: the tenant has as much as it may.
    """
    shares = services.settings.shares
    with services.database.read() as session:  # before any of it is read
        quotas.admit_dataset(session, caller.tenant, shares)
    _check_size(upload.file, services.settings.max_upload_bytes)
    reading = (upload.file, upload.filename, upload.reading, upload.target)
    with _settling(upload.file) as source, services.reader.described(*reading) as (found, table):
        manifest = services.artefacts.write(FOLDER, {TABLE: SettledFile(table), SOURCE: source})
    stored, sent = manifest.files[TABLE], manifest.files[SOURCE]
    try:
        with services.database.write() as session:
            quotas.admit_dataset(session, caller.tenant, shares, stored.bytes + sent.bytes)
            return datasets.add_dataset(
                session,
                name=upload.name,
                target=found.target,
                rows=found.rows,
                columns=[column.model_dump(mode="json") for column in found.columns],
                summary=found.summary.model_dump(mode="json"),
                format="parquet",
                bytes=stored.bytes,
                sha256=stored.sha256,
                path=manifest.file(TABLE),
                source=datasets.SourceFile(
                    path=manifest.file(SOURCE),
                    sha256=sent.sha256,
                    bytes=sent.bytes,
                    filename=_kept_name(upload.filename),
                    reading=dict(without_unsaid(upload.reading)),
                ),
                findings=found.findings,
                understood=found.understood,
                statistics=found.statistics.model_dump(mode="json"),
                tenant=caller.tenant,
            )
    except QuotaError:
        services.artefacts.discard(str(PurePosixPath(manifest.file(TABLE)).parent))
        raise


def remove_upload(services: Services, caller: Caller, dataset_id: str) -> None:
    """Forget a data set, then remove its files."""
    with services.database.write() as session:
        path = datasets.delete(session, dataset_id, tenant=caller.tenant).path
    services.tables.forget(dataset_id)
    matrices_in(services.settings.state, services.settings.encoded_bytes).forget(dataset_id)
    services.artefacts.discard(str(PurePosixPath(path).parent))


@contextmanager
def _settling(file: BinaryIO) -> Iterator[Content]:
    """A file to be stored; that of a large one it is written and hashed meanwhile."""
    try:
        settled = SettledFile(file)
    except OSError:  # it is none of the system's
        yield file
        return
    if os.fstat(file.fileno()).st_size < LARGE:
        yield settled
        return
    with ThreadPoolExecutor(1, thread_name_prefix="settling") as pool:
        pool.submit(settled.settle)  # what goes wrong there does so again when it is stored
        yield settled


def _check_size(file: BinaryIO, limit: int) -> None:
    if file.seek(0, os.SEEK_END) > limit:
        raise too_large(limit)


def _kept_name(filename: str | None) -> str | None:
    """The file's own name, without folders and what cannot be kept; its ending tells its format."""
    name = PurePosixPath((filename or "").replace("\\", "/")).name
    return shortened(name[-LONGEST_FILENAME:], LONGEST_FILENAME) or None


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
