"""Rows written back with columns appended: as CSV, as lines of JSON, as Parquet.

What a row had is put out as it came: the line of a CSV or of NDJSON byte by byte, wherever it is
one line; the cells of a CSV as they were written. Numbers that are appended have the fewest digits
that read back as the same bits in their own precision; NaN, which JSON lacks, is null there.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from worker.data.parquet import is_date, is_numeric_type, is_text
from worker.data.reading import file_error
from worker.data.rows.block import Rows
from worker.data.rows.header import DelimitedLayout

Columns = Mapping[str, pa.Array]
"""What is appended to a block, by name: ``[rows]`` each."""
_GROUP_ROWS, _GROUP_BYTES = 65_536, 2**24
"""Of a row group of Parquet: whichever is reached first."""


class RowWriter(Protocol):
    """Writes one file."""

    def write(self, rows: Rows, columns: Columns) -> bytes:
        """A block with columns appended; before the first one what begins the file.

        Raises:
            DataError: the rows have something that the format has no place for.
        """

    def end(self) -> bytes:
        """What ends the file."""


class DelimitedWriter:
    """Writes a CSV: in the layout of the one that was read, or with commas, a header and LF."""

    def __init__(self, names: Sequence[str], layout: DelimitedLayout | None = None) -> None:
        self._layout = layout or DelimitedLayout(",", b"\n", False, b"", tuple(names))
        self._begun = False

    def write(self, rows: Rows, columns: Columns) -> bytes:
        """A block."""
        begin = b"" if self._begun else self._beginning(list(columns))
        self._begun = True
        appended = [self._cells(name, column) for name, column in columns.items()]
        newline = self._layout.newline
        lines = rows.lines("csv")
        if lines is not None:
            ends = self._joined(appended)
            comma = self._layout.separator.encode()
            return begin + b"".join(
                [
                    part
                    for line, end in zip(lines, ends, strict=True)
                    for part in (line, comma, end, newline)
                ]
            )
        table = rows.table()
        kept = [
            self._cells(name, _whole(table.column(at)))
            for at, name in enumerate(table.column_names)
        ]
        joined = self._joined([*kept, *appended])
        return begin + newline.join([*joined, b""])

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def _beginning(self, appended: list[str]) -> bytes:
        layout = self._layout
        begin = b"\xef\xbb\xbf" * layout.marked + layout.preamble
        if layout.header is None:
            return begin
        names = [*layout.header, *appended]
        cells = quoted(pa.array(names, pa.string()), layout.separator).to_pylist()
        return begin + layout.separator.join(cells).encode() + layout.newline

    def _cells(self, name: str, array: pa.Array) -> pa.Array:
        """Cells as texts, in quotation marks where they need them."""
        texts = as_texts(name, array)
        return quoted(texts, self._layout.separator) if is_text(array.type) else texts

    def _joined(self, cells: Sequence[pa.Array]) -> list[bytes]:
        joined = pc.binary_join_element_wise(*cells, self._layout.separator)
        lines: list[bytes] = pc.cast(joined, pa.binary()).to_pylist()
        return lines


class JsonWriter:
    """Writes lines of JSON: the members of an object, then what is appended as further members. A
    row that is no object becomes the member `instance` of one.
    """

    def write(self, rows: Rows, columns: Columns) -> bytes:
        """A block."""
        ends = self._members(columns)
        lines = rows.lines("ndjson")
        if lines is None:
            objects = rows.objects()
            lines = [_dumped(row) for row in objects]
        else:
            for row in rows.objects():
                if isinstance(row, dict) and not row.keys().isdisjoint(columns):
                    _refuse_member(next(name for name in columns if name in row))
        parts: list[bytes] = []
        for line, end in zip(lines, ends, strict=True):
            if line[:1] == b"{":
                begin = line[:-1].rstrip()
                parts += (begin, b"," if len(begin) > 1 else b"", end)
            else:
                parts += (b'{"instance":', line, b",", end)
        return b"".join(parts)

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def _members(self, columns: Columns) -> list[bytes]:
        """What is appended to each row, and the end of its line."""
        parts: list[Any] = []
        for number, (name, column) in enumerate(columns.items()):
            parts += [
                ("," if number else "") + orjson.dumps(name).decode() + ":",
                _as_json(name, column),
            ]
        joined = pc.binary_join_element_wise(*parts, "}\n", "")
        lines: list[bytes] = pc.cast(joined, pa.binary()).to_pylist()
        return lines


class ParquetWriter:
    """Writes Parquet: the columns with their types, then those that are appended."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []

    def write(self, rows: Rows, columns: Columns) -> bytes:
        """A block, or nothing yet where a row group is not full."""
        table = rows.table()
        for name, column in columns.items():
            table = table.append_column(name, column)
        if self._writer is None:
            metadata = {
                key: value
                for key, value in (table.schema.metadata or {}).items()
                if not key.startswith(b"parsimony.")
            }
            self._writer = pq.ParquetWriter(self._sink, table.schema.with_metadata(metadata))
        self._waiting.append(table.replace_schema_metadata(self._writer.schema.metadata))
        held = sum(part.num_rows for part in self._waiting)
        if held >= _GROUP_ROWS or sum(part.nbytes for part in self._waiting) >= _GROUP_BYTES:
            self._flush()
        return self._sink.taken()

    def end(self) -> bytes:
        """The last row group, and the footer."""
        if self._writer is not None:
            self._flush()
            self._writer.close()
        return self._sink.taken()

    def _flush(self) -> None:
        if self._waiting and self._writer is not None:
            group = pa.concat_tables(self._waiting).unify_dictionaries().combine_chunks()
            self._waiting = []
            self._writer.write_table(group, row_group_size=group.num_rows)


class _Sink(io.RawIOBase):
    """A file that gives away what was written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts = []
        return data


def as_texts(name: str, array: pa.Array) -> pa.Array:
    """Cells as texts, empty where there is none.

    Raises:
        DataError: they are of a type that is not written as text.
    """
    kind = array.type
    if pt.is_dictionary(kind):
        return as_texts(name, pc.cast(array, kind.value_type))
    if not (
        is_text(kind)
        or is_numeric_type(kind)
        or is_date(kind)
        or pt.is_boolean(kind)
        or pt.is_time(kind)
    ):
        raise file_error(
            f"Column {name!r} is of type {kind}, which has no form as text. Ask for Parquet, or "
            "leave the column out.",
            "unsupported_column",
            column=name,
        )
    if pt.is_floating(kind):
        texts = pc.cast(array, pa.string())
        return pc.if_else(pc.is_nan(array), "", pc.fill_null(texts, "")).cast(pa.string())
    return pc.fill_null(pc.cast(array, pa.string()), "")


def quoted(texts: pa.Array, separator: str) -> pa.Array:
    """Texts in quotation marks, where a reader would take them for something else without."""
    needs = pc.match_substring_regex(texts, f'[\\x{{{ord(separator):x}}}"\\r\\n]|^[ \\t]|[ \\t]$')
    if not pc.any(needs, min_count=0).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    marked = pc.binary_join_element_wise('"', doubled, '"', "")
    return pc.if_else(needs, marked, texts)


def _as_json(name: str, array: pa.Array) -> pa.Array:
    kind = array.type
    if pt.is_floating(kind) or pt.is_integer(kind) or pt.is_boolean(kind):
        texts = as_texts(name, array)
        if pt.is_floating(kind):  # A reader takes -0 for a whole number, which has no sign.
            texts = pc.replace_substring_regex(texts, r"^(-?[0-9]+)$", r"\1.0")
        return pc.if_else(pc.equal(texts, ""), "null", texts)
    encoded = pc.dictionary_encode(as_texts(name, array))
    written = [orjson.dumps(text).decode() for text in encoded.dictionary.to_pylist()]
    return pa.array(written, pa.string()).take(encoded.indices)


def _dumped(row: Any) -> bytes:
    return orjson.dumps(row, default=str)


def _whole(cells: pa.ChunkedArray) -> pa.Array:
    return cells.chunk(0) if cells.num_chunks == 1 else pa.concat_arrays(cells.chunks)


def _refuse_member(name: str) -> NoReturn:
    raise file_error(
        f"A later row has a member {name!r}, which is the name of an answer, and which no row of "
        "the first block has. Rename it.",
        "duplicate_column",
        column=name,
    )
