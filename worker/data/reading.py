"""Reading: what the readers of all formats share: limits, errors, and names."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.table import suggest
from worker.errors import DataError
from worker.spec import ColumnKind
from worker.text import shortened

Source = Path | BinaryIO
"""A file by its path, or one that is open for reading at its beginning and can be searched."""
Place = Callable[[int], tuple[str, int | None]]
"""From a row's number, counted from 0, to its place in words, ` (line 5)`, and its line, if any."""

ACCEPTED = "CSV in UTF-8, Parquet, NPZ, or a zip of PNG or JPEG images in one folder a class"
LONGEST_NAME = 200
"""Characters of a column's name."""


@dataclass(frozen=True)
class FileLimits:
    """How much one uploaded file may hold."""

    rows: int = 10_000_000
    columns: int = 10_000
    cells: int = 2**28
    """Rows times columns of a Parquet file; as float64, 2 GiB."""
    cell: int = 65_536
    """Characters of one cell; below what Python's CSV reader can still report a line for."""
    bytes: int = 2 * 2**30
    """Of all images together, decoded; of all arrays together, where features count as float64."""
    pixels: int = 2**22
    """Height times width of one image."""
    files: int = 200_000
    """Files of an archive of images."""
    unpacked: int = 2 * 2**30
    """Bytes of all files of such an archive, unpacked."""
    ratio: int = 100
    """Unpacked to packed bytes of one of its files."""

    @classmethod
    def of(cls, size: int) -> Self:
        """The limits of a file of so many bytes: what it unpacks to is bounded by what was sent."""
        decoded = min(cls.bytes, FREE + RATIO * size)
        return cls(cells=min(cls.cells, decoded // 8), bytes=decoded, unpacked=decoded)


FREE = 64 * 2**20
"""Bytes that any file may be decoded to."""
RATIO = 100
"""Bytes decoded a byte sent, beyond those."""
LIMITS = FileLimits()


def file_error(
    message: str,
    code: str,
    *,
    line: int | None = None,
    column: str | None = None,
    array: str | None = None,
    file: str | PurePath | None = None,
) -> DataError:
    """The error of an uploaded file, and the place in it where that is known.

    Args:
        message: what is wrong, where, and what to do about it.
        code: the kind of the error.
        line: a line of a text file, counted from 1.
        column: a column of the table.
        array: an array of an NPZ file.
        file: a file of an archive.
    """
    places = {
        "line": line,
        "column": column,
        "array": array,
        "file": None if file is None else str(file),
    }
    known = {place: value for place, value in places.items() if value is not None}
    return DataError(message, code=code, param="file", **known)


def too_many_rows(rows: int, limits: FileLimits) -> DataError:
    """The error of a file with more rows than `limits` allow."""
    return file_error(
        f"The file has {rows:,} rows; at most {limits.rows:,} are read. Upload a sample of them.",
        "too_many_rows",
    )


def too_large_unpacked(what: str, size: int, most: int, remedy: str) -> DataError:
    """The error of a file that becomes larger than a file of its size may.

    Args:
        what: what takes these bytes, and a verb.
        size: bytes that it would take.
        most: bytes that it may.
        remedy: how it becomes smaller.
    """
    return file_error(
        f"{what} {size / 2**20:,.0f} MiB; at most {most / 2**20:,.0f} are read of a file of this "
        f"size ({FREE // 2**20} MiB and {RATIO} times what was sent, up to "
        f"{FileLimits.bytes / 2**30:.0f} GiB). {remedy} If it is packed very tightly, write it "
        "without compression.",
        "too_large",
    )


def check_names(names: Sequence[str], limits: FileLimits, *, line: int | None = None) -> None:
    """Refuse names of columns that a job could not use.

    `line` is that of the header, in a file of text.

    Raises:
        DataError: there are none, or too many; one is empty, too long, or taken twice.
    """
    if not names:
        raise file_error("The file has no columns.", "no_columns")
    if len(names) > limits.columns:
        raise file_error(
            f"The file has {len(names):,} columns; at most {limits.columns:,} are read.",
            "too_many_columns",
        )
    for position, name in enumerate(names, start=1):
        if not name.strip() or len(name) > LONGEST_NAME:
            raise unusable_name(name, position, line)
    for name, count in Counter(names).items():
        if count > 1:
            raise _repeated_name(name, names, line)


def unusable_name(name: str, position: int, line: int | None) -> DataError:
    """The error of a column whose name is empty or too long; `line` is that of the header."""
    if line is None:
        return file_error(
            f"Column {position} must have a name of 1 to {LONGEST_NAME} characters, not "
            f"{name[:40]!r}{'…' if len(name) > 40 else ''}. Rename it.",
            "invalid_name",
        )
    if not name:
        return file_error(
            f"Column {position} has no name: its cell in the header (line {line}) is empty. "
            "Name every column, or remove the separator that ends each line.",
            "no_header",
            line=line,
        )
    return file_error(
        f"The name of column {position} has {len(name):,} characters; at most "
        f"{LONGEST_NAME} are allowed. Shorten it: {name[:40]!r}…",
        "no_header",
        line=line,
    )


def _repeated_name(name: str, names: Sequence[str], line: int | None) -> DataError:
    if line is None:
        return file_error(
            f"The name {name!r} is that of two columns. Give each column its own name.",
            "duplicate_column",
        )
    positions = [str(position) for position, other in enumerate(names, start=1) if other == name]
    return file_error(
        f"The name {name!r} stands {len(positions)} times in the header (columns "
        f"{', '.join(positions[:10])}). Give each column its own name.",
        "duplicate_column",
        line=line,
        column=name,
    )


def dictionary(texts: pa.ChunkedArray) -> tuple[NDArray[np.int32], pa.Array]:
    """Codes [rows] and the distinct strings that they index."""
    encoded = pc.dictionary_encode(texts).combine_chunks()
    return np.asarray(encoded.indices), encoded.dictionary


def unsupported(reason: str) -> DataError:
    """The error of a file that is recognized, and not read."""
    return file_error(
        f"The file is not read: {reason}. Accepted are {ACCEPTED}.", "unsupported_format"
    )


def check_declared(names: Iterable[str], columns: Mapping[str, ColumnKind]) -> None:
    """Refuse to declare columns that are not there, or to leave none.

    Raises:
        DataError: `param` is `columns`, the message names what is near.
    """
    known = dict.fromkeys(names)
    for name in columns:
        if name not in known:
            raise DataError(
                f"`columns` names {shortened(name)!r}, which is no column. "
                f"{suggest(name, tuple(known))}",
                code="unknown_column",
                param="columns",
                column=name,
            )
    if known and all(columns.get(name) == "ignore" for name in known):
        raise DataError(
            "`columns` ignores all columns; leave one at least.",
            code="no_columns",
            param="columns",
        )
