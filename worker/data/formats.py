"""Formats: which reader an uploaded file goes to.

Decisions:

* The content decides, not the name: a Parquet file called data.csv is read as Parquet. Text is CSV.
* Pickles are recognized to be refused, and never opened: to read one is to run it. So are .pt, .pkl
  and .joblib by their names, because some of them look like text, and a lone .npy.
* What is recognized but not read gets its own remedy.
* Names of columns and categories hold no control characters, whatever the format.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

from worker.data.archive import open_archive
from worker.data.delimited import read_csv
from worker.data.images import read_images
from worker.data.npz import read_npz
from worker.data.parquet import read_parquet
from worker.data.reading import Source, file_error
from worker.data.table import Column, Table
from worker.errors import DataError
from worker.spec import Reading
from worker.text import INVALID_NAME, control_character

ACCEPTED = "CSV in UTF-8, Parquet, NPZ, or a zip of PNG or JPEG images in one folder a class"

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
        DataError: with code `unsupported_format` if it is none of what is accepted; else as its
            reader says.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return read_table(file, filename, reading)
    table = _read(source, filename)
    for column in table.columns:
        _check_characters(column)
    return table


def _read(source: BinaryIO, filename: str | None) -> Table:
    head = source.read(16)
    source.seek(0)
    if head.startswith(b"PAR1"):
        return read_parquet(source)
    if head.startswith(_ZIP):
        return _read_zip(source)
    for beginning, reason in _BEGINNINGS:
        if head.startswith(beginning) and not _is_word(beginning, head):
            raise _unsupported(reason)
    reason = _ENDINGS.get(PurePath(filename or "").suffix.lower(), "")
    if reason:
        raise _unsupported(reason)
    return read_csv(source)


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


def _read_zip(file: BinaryIO) -> Table:
    with open_archive(file) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if names and all(name.endswith(".npy") for name in names):
        return read_npz(file)
    reason = _reason(names)
    if reason:
        raise _unsupported(reason)
    return read_images(file)


def _reason(names: Sequence[str]) -> str:
    """Why an archive with these files is not one of images, where the names tell."""
    if "[Content_Types].xml" in names or "mimetype" in names:
        return _BOOK
    if any(name.endswith((".pkl", ".pickle", ".joblib")) for name in names):
        return _PICKLED
    if any(name.lower().endswith((".csv", ".parquet", ".npz", ".npy")) for name in names):
        return "it is a zip archive of data files. Unpack it, and upload one of them"
    return ""


def _unsupported(reason: str) -> DataError:
    return file_error(
        f"The file is not read: {reason}. Accepted are {ACCEPTED}.", "unsupported_format"
    )
