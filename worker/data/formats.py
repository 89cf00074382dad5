"""Formats: which reader an uploaded file goes to.

Decisions:

* The content decides, not the name: a Parquet file called data.csv is read as Parquet. Text is CSV.
* Pickles are recognized to be refused, and never opened: to read one is to run it. So are .pt, .pkl
  and .joblib by their names, because some of them look like text, and a lone .npy.
* What is recognized but not read gets its own remedy.
* Names of columns and categories hold no control characters, whatever the format.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import BinaryIO

from worker.data.archive import open_archive
from worker.data.declared import declare
from worker.data.delimited import read_csv
from worker.data.drafts import bounded_findings
from worker.data.findings import draft_findings
from worker.data.images import read_images
from worker.data.npz import read_npz
from worker.data.parquet import read_parquet
from worker.data.reading import FileLimits, Source, file_error, unsupported
from worker.data.table import Column, Table
from worker.errors import DataError
from worker.spec import Reading
from worker.text import INVALID_NAME, control_character, shortened

_PICKLED = (
    "it is, or may hold, pickled Python objects, which run code when they are opened; they never "
    "are. Save arrays with numpy.savez_compressed(file, x=x, y=y), tables as CSV or Parquet"
)
_LONE_ARRAY = (
    "one array has no labels. Save features and labels together, with "
    "numpy.savez_compressed(file, x=x, y=y)"
)
_PACKED = "it is compressed. Unpack it first"
_PICTURE = "one image is no data set. Zip folders of images, one folder a class"
_BOOK = "it is a document or spreadsheet. Save the sheet as CSV in UTF-8"

_ENDINGS = {
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".sav"), _PICKLED),
    ".npy": _LONE_ARRAY,
    ".json": "JSON is not read. Save the records as CSV or Parquet",
    ".jsonl": "JSON is not read. Save the records as CSV or Parquet",
    ".arff": "ARFF is not read. Save it as CSV, with a header line",
}
"""By the ending of the file's name, for what its content may not tell."""

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x93NUMPY", _LONE_ARRAY),
    *((b"\x80" + bytes([protocol]), _PICKLED) for protocol in range(2, 6)),
    *((b"\x78" + bytes([level]), _PICKLED) for level in (0x9C, 0xDA)),
    (b"\x1f\x8b", _PACKED),
    (b"BZh", _PACKED),
    (b"\xfd7zXZ\0", _PACKED),
    (b"\x28\xb5\x2f\xfd", _PACKED),
    (b"7z\xbc\xaf\x27\x1c", _PACKED),
    (b"Rar!\x1a\x07", _PACKED),
    (b"\x89PNG\r\n", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"\x89HDF\r\n", "HDF5 is not read. Save its arrays as NPZ, or its tables as Parquet"),
    (b"ARROW1", "Arrow files are not read. Save the table as Parquet"),
    (b"ORC", "ORC is not read. Save the table as Parquet"),
    (b"\xd0\xcf\x11\xe0", _BOOK),
    (b"SQLite format 3", "a database is not read. Export the table as CSV"),
    (b"%PDF-", _BOOK),
)
_PICTURES = (".png", ".jpg", ".jpeg")
_DATA = (
    *(".csv", ".tsv", ".txt", ".dat", ".parquet", ".npz", ".npy", ".json", ".jsonl", ".xlsx"),
    *(".xls", ".arff", ".feather", ".mat", ".zip", ".gz", ".pdf", ".md", ".xml"),
)
"""Endings of files of an archive that are no images."""
_MARKS = ("decimal", "thousands", "separator", "header", "encoding")
"""What a reading says of text alone."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def read_table(
    source: Source, filename: str | None = None, reading: Reading | None = None
) -> Table:
    """Recognize a file, read it and type it.

    Args:
        source: the file as it was received; one that is open stays open.
        filename: the name that the sender gave it; only its ending is looked at.
        reading: what the sender says of it.

    Raises:
        DataError: with code `unsupported_format` if it is none of what is accepted, with code
            `not_a_csv` if what is said is about text and the file is none; else as its reader
            says.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return read_table(file, filename, reading)
    reading = reading or Reading(columns={})
    limits = FileLimits.of(source.seek(0, os.SEEK_END))
    source.seek(0)
    table = _read(source, filename, reading, limits).declared(reading.columns)
    for column in table.columns:
        _check_characters(column)
    return table


def _read(source: BinaryIO, filename: str | None, reading: Reading, limits: FileLimits) -> Table:
    head = source.read(16)
    source.seek(0)
    if head.startswith(b"PAR1"):
        _refuse_marks(reading, "Parquet", *_MARKS)
        return read_parquet(source, limits, reading)
    if head.startswith(_ZIP):
        return _read_zip(source, reading, limits)
    for beginning, reason in _BEGINNINGS:
        if head.startswith(beginning) and not _is_word(beginning, head):
            raise unsupported(reason)
    reason = _ENDINGS.get(PurePath(filename or "").suffix.lower(), "")
    if reason:
        raise unsupported(reason)
    return read_csv(source, limits, reading)


def _check_characters(column: Column) -> None:
    """Refuse control characters in the column's name and in its categories, which are names too."""
    character = control_character(column.name)
    if character is not None:
        raise file_error(
            f"The column {column.name[:40]!r} has the control character {character} in its name. "
            "Rename it.",
            INVALID_NAME,
            column=column.name,
        )
    if control_character("".join(column.categories)) is not None:
        category = next(text for text in column.categories if control_character(text) is not None)
        raise file_error(
            f"Column {column.name!r} holds the text {category[:40]!r}, with the control "
            f"character {control_character(category)}. Categories are names: replace the character "
            "by a space, or leave the column out.",
            INVALID_NAME,
            column=column.name,
        )


def _is_word(beginning: bytes, head: bytes) -> bool:
    """Whether a beginning of plain letters is that of a header line, as in `ORCHARD,y`."""
    text = head.translate(None, b"\r\n\t")
    return beginning.isalnum() and text.isascii() and text.decode().isprintable()


def _read_zip(file: BinaryIO, reading: Reading, limits: FileLimits) -> Table:
    with open_archive(file) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if names and all(name.endswith(".npy") for name in names):
        _refuse_marks(reading, "NPZ", *_MARKS)
        return _with_findings(read_npz(file, limits, reading), reading)
    reason = _reason(names)
    if reason:
        raise unsupported(reason)
    _refuse_marks(reading, "a zip of images", *_MARKS, "missing")
    return _with_findings(read_images(file, limits), reading)


def _refuse_marks(reading: Reading, what: str, *fields: str) -> None:
    """Refuse what is said of text where there is none."""
    for field in fields:
        if getattr(reading, field) is not None:
            raise DataError(
                f"The file is {what}, and `{field}` says how text is read. Leave it out.",
                code="not_a_csv",
                param=field,
            )


def _with_findings(table: Table, reading: Reading) -> Table:
    """The table of a file whose types are its own, as declared, and what is worth knowing of it."""
    declared = declare(table, reading.columns)
    drafts = draft_findings(declared, reading.columns)
    return replace(declared, findings=(*declared.findings, *bounded_findings(drafts)))


def _reason(names: Sequence[str]) -> str:
    """Why an archive with these files is not one of images, where the names tell."""
    if any(name in ("[Content_Types].xml", "mimetype", "Index/Document.iwa") for name in names):
        return _BOOK
    if any(name.endswith((".pkl", ".pickle", ".joblib")) for name in names):
        return _PICKLED
    data = [name for name in names if name.lower().endswith(_DATA)]
    if not data:
        return ""
    if any(name.lower().endswith(_PICTURES) for name in names):
        return (
            f"it holds {shortened(data[0])!r} beside images. The folders name the classes: leave "
            "that file out"
        )
    return "it is a zip archive of data files. Unpack it, and upload one of them"
