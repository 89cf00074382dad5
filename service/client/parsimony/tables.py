"""Tables in and out: data frames of pandas or polars where they are, files, and plain rows.

Neither library is imported before a frame of it is met or wanted.
"""

import csv
import importlib.util
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from parsimony.errors import ParsimonyError

Frame: TypeAlias = Any
"""A pandas or polars data frame, or a list of dicts where neither is installed. This package is
typed without them, so that it can be used without them."""
Row = Mapping[str, object]
Rows: TypeAlias = Any
"""What may be uploaded and predicted: a frame, a list of dicts, or the path of a file."""

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
LINES = "application/x-ndjson"
_BY_ENDING = {
    **dict.fromkeys((".jsonl", ".ndjson"), LINES),
    **dict.fromkeys((".parquet", ".pq"), PARQUET),
    **dict.fromkeys((".npz", ".zip"), "application/octet-stream"),
}
"""Any other file is text; that of an upload is told by its content."""


@dataclass(frozen=True)
class TableFile:
    """A table as it is sent."""

    name: str
    content: bytes
    media_type: str


def library_of(rows: Rows) -> str | None:
    """``pandas`` or ``polars``, of whose frames this is one."""
    return next(
        (
            name
            for name in ("pandas", "polars")
            if (library := sys.modules.get(name)) is not None
            and isinstance(rows, getattr(library, "DataFrame", ()))
        ),
        None,
    )


def as_file(rows: Rows, *, of_rows: str = CSV) -> TableFile:
    """A table as a file: frames as Parquet, which keeps their types, files as they are.

    Args:
        rows: the table.
        of_rows: the form of rows that are neither: `text/csv` or lines of JSON.

    Raises:
        ParsimonyError: it is none of these, or a frame cannot be written.
    """
    if isinstance(rows, (str, Path)):
        return _file_at(Path(rows))
    library = library_of(rows)
    if library is not None:
        return TableFile("table.parquet", _parquet(rows, library), PARQUET)
    if isinstance(rows, Sequence) and rows and all(isinstance(row, Mapping) for row in rows):
        if of_rows == LINES:
            text = "".join(json.dumps(dict(row), default=str) + "\n" for row in rows)
            return TableFile("table.jsonl", text.encode(), LINES)
        return TableFile("table.csv", _csv(rows), CSV)
    raise ParsimonyError(
        "give a pandas or polars DataFrame, a list of dicts, or the path of a file, "
        f"not {type(rows).__name__}",
        code="not_a_table",
    )


def _file_at(path: Path) -> TableFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ParsimonyError(
            f"{path} cannot be read: {error.strerror}; give the path of a CSV, Parquet, NPZ or zip "
            "file",
            code="no_file",
        ) from error
    media_type = _BY_ENDING.get(path.suffix.lower(), CSV)
    return TableFile(path.name, content, media_type)


def _parquet(frame: Frame, library: str) -> bytes:
    file = io.BytesIO()
    try:
        if library == "pandas":
            frame.to_parquet(file, index=False)
        else:
            frame.write_parquet(file)
    except (ValueError, TypeError, ImportError) as error:
        # pyarrow's errors are ValueErrors or TypeErrors; it names the column.
        raise ParsimonyError(
            f"the frame cannot be written as Parquet: {error}; give each column one type, for "
            "example by .astype(str)",
            code="not_a_table",
        ) from error
    return file.getvalue()


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def like(content: bytes, rows: Rows) -> Frame:
    """What came back for a table, as that was given: a frame of its library, rows, or a file."""
    library = library_of(rows)
    if library == "pandas":
        import pandas as pd

        frame = pd.read_parquet(io.BytesIO(content))
        frame.index = rows.index
        return frame
    if library == "polars":
        import polars as pl

        return pl.read_parquet(io.BytesIO(content))
    if isinstance(rows, (str, Path)):
        return content
    return [json.loads(line) for line in content.splitlines()]


def frame(rows: Sequence[Row]) -> Frame:
    """Rows as a frame of the library that the program uses, else of one that is installed; where
    there is none, the rows.
    """
    loaded = [name for name in ("pandas", "polars") if name in sys.modules]
    libraries = loaded or [
        n for n in ("pandas", "polars") if importlib.util.find_spec(n) is not None
    ]
    if not libraries:
        return [dict(row) for row in rows]
    if libraries[0] == "pandas":
        import pandas as pd

        return pd.DataFrame([dict(row) for row in rows])
    import polars as pl

    return pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)
