"""A table: typed columns of equal length, held column by column.

Decisions:

* A numeric column is float64 with NaN for a missing cell; a categorical one is int32 codes into
  its sorted categories with -1 for a missing cell. An image column is uint8 (pixels from 0 to 255)
  or float32, [N, C, H, W], or [N, C, L] for series; none of its cells is missing. Nothing else
  exists.
* `Column.missing` and `Column.categories` describe the whole table as it was read. `Table.select`
  keeps them, so a selection has the schema of its source and encodes to the same width.
* A file may come in parts, as benchmarks do that fix their test rows: the table has them in order
  and remembers their sizes. Whether a job keeps to them is for the job to say.
* Parquet holds the arrays as they are, codes included, and the schema as JSON in the file's
  metadata: the round trip is lossless, the order of categories included. A cell of an image column
  is its bytes; how many there are says whether they are uint8 or float32.
"""

import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from math import isfinite, prod
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from worker.data.dates import DateOrder
from worker.data.notation import Notation
from worker.errors import DataError
from worker.results import Advice
from worker.schema import Settings

MISSING_CODE = -1
"""The code of a missing cell of a categorical column."""
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?"})
"""The texts that stand for a missing cell of any column, in lower case."""
LARGEST = float(np.finfo(np.float32).max)
"""The largest number a cell may hold: networks compute in float32."""
LONGEST_GUESSED = 200
"""Characters of a name for which one that is near is looked for; no column's name is longer."""
_COLUMNS_KEY = b"parsimony.columns"
_ORIGIN_KEY = b"parsimony.origin"
_GROUP_ROWS, _GROUP_BYTES = 2**17, 2**27
"""What one row group holds at most: rows, and bytes of a column of images."""
_PIXELS: dict[int, Any] = {1: np.uint8, 4: np.float32}
"""The types of image columns by their size in bytes."""


class Column(Settings):
    """Name, kind and categories of one column."""

    name: str
    """The column's name, as in the file's header."""
    kind: Literal["numeric", "categorical", "date", "image"]
    """`numeric`: finite numbers. `categorical`: one of a list of strings. `date`: days since
    1970-01-01, with the time of day as their fraction. `image`: arrays of numbers, all of one
    shape."""
    categories: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Sorted; all that the table held when it was read. Empty unless categorical."""
    declared: bool = False
    """Whether its kind was declared by whoever sent the file, and not worked out from its cells."""
    time_of_day: bool = False
    """Of a date column that a network sees: whether some of its cells have a time of day."""
    missing: Annotated[int, Field(ge=0)] = 0
    """Cells without a value when the table was read."""
    shape: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = ()
    """Of an image column: (C, H, W), or (C, L) for a series. Empty for the other kinds."""
    notation: Notation | None = None
    """How its numbers are written, if not plainly: of a numeric column, and of a categorical one
    most of whose cells are numbers."""
    date_order: DateOrder | None = None
    """Of a date column read from text: the order of its numbers."""
    optional: bool = False
    """Of a model's numeric column: whether a row may lack it. It is missing then."""


Cells = tuple[Column, NDArray[Any]]
"""A column and its values: see `numeric`, `categorical` and `images`."""


class ColumnCounts(Protocol):
    """What was counted of a column, so that its cells need not be looked at: `statistics.py`."""

    @property
    def distinct(self) -> int:
        """How many different values there are."""

    @property
    def minimum(self) -> float | None:
        """The smallest of its numbers, or dates; none without any."""

    @property
    def maximum(self) -> float | None:
        """The largest."""

    @property
    def time_of_day(self) -> bool:
        """Whether some of its dates have a time of day."""

    @property
    def numbers_alike(self) -> int | None:
        """The same for columns that hold the same numbers in every row."""

    @property
    def labels_alike(self) -> int | None:
        """The same for columns each of whose values stands with one value of the others."""

    def silence(self, rows: int, labelled: int) -> Literal["varies", "constant", "empty"] | None:
        """Whether it varies in so many of its rows, whichever they are; none if it depends."""


class UnreadCells(Mapping[str, NDArray[Any]]):
    """The values of columns that are had when they are asked for, one by one."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns and their values; arrays are [rows], those of image columns [rows, *shape]."""

    columns: tuple[Column, ...]
    values: Mapping[str, NDArray[Any]]
    rows: int
    target: str | None = None
    """The column that holds the labels, where the file's layout says so."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """The parts that the file came in and their sizes, in the order of the rows: `train`,
    `validation`, `test`. Empty if it came as one."""
    findings: tuple[Advice, ...] = ()
    """What is worth knowing about how its cells were read."""
    ignored: tuple[str, ...] = ()
    """The columns that the file has besides, and that were declared to be ignored."""
    counts: Mapping[str, ColumnCounts] = field(default_factory=dict)
    """What is known of its columns without their cells, if it was counted before."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit the columns; a mistake of the caller, not of a user."""
        if [column.name for column in self.columns] != list(self.values):
            raise ValueError("columns and values must have the same names, in the same order")
        # What is read when it is asked for is not asked for here.
        read = () if isinstance(self.values, UnreadCells) else self.values.values()
        for column, array in zip(self.columns, read, strict=False):
            expected = (self.rows, *column.shape)
            if array.shape != expected:
                raise ValueError(f"column {column.name!r} has shape {array.shape}, not {expected}")
        if self.parts and sum(self.parts.values()) != self.rows:
            raise ValueError(f"the parts {self.parts} do not make {self.rows} rows")

    @classmethod
    def of(
        cls,
        cells: Iterable[Cells],
        *,
        target: str | None = None,
        parts: Mapping[str, int] | None = None,
        findings: Iterable[Advice] = (),
        ignored: Iterable[str] = (),
    ) -> Self:
        """A table from pairs of column and values."""
        pairs = list(cells)
        return cls(
            columns=tuple(column for column, _ in pairs),
            values={column.name: values for column, values in pairs},
            rows=len(pairs[0][1]) if pairs else 0,
            target=target,
            parts=parts or {},
            findings=tuple(findings),
            ignored=tuple(ignored),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.values)

    @property
    def nbytes(self) -> int:
        """What the values take in memory."""
        return sum(array.nbytes for array in self.values.values())

    def column(self, name: str, *, param: str | None = None) -> Column:
        """The column of that name.

        Raises:
            DataError: there is none; `param` is the field to blame, the message lists what is near.
        """
        if name in self._by_name:
            return self._by_name[name]
        known = f"There is no column {name!r}. {suggest(name, self.names)}"
        ignored = (
            f"Column {name!r} was declared to be ignored. Leave it out of `columns`, or declare it "
            "as another kind."
        )
        raise DataError(
            ignored if name in self.ignored else known,
            code="unknown_column",
            param=param,
            column=name,
        )

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def declared(self, names: Collection[str]) -> "Table":
        """The same table, in which the kinds of these columns are known to have been declared."""
        columns = tuple(
            column.model_copy(update={"declared": True}) if column.name in names else column
            for column in self.columns
        )
        return replace(self, columns=columns)

    def select(self, rows: NDArray[np.int64]) -> "Table":
        """These rows, in this order, under the same columns; they are no parts of a file."""
        picked = {name: array[rows] for name, array in self.values.items()}
        return Table(columns=self.columns, values=picked, rows=len(rows), target=self.target)

    def to_parquet(self) -> bytes:
        """The table as one Parquet file, which `from_parquet` reads back without loss."""
        sink = io.BytesIO()
        self.write_parquet(sink)
        return sink.getvalue()

    def write_parquet(self, target: Path | BinaryIO) -> None:
        """Write that file."""
        metadata = {
            _COLUMNS_KEY: json.dumps([column.model_dump(mode="json") for column in self.columns]),
            _ORIGIN_KEY: json.dumps(
                {
                    "target": self.target,
                    "parts": dict(self.parts),
                    "ignored": self.ignored,
                    "findings": [finding.model_dump(mode="json") for finding in self.findings],
                }
            ),
        }
        arrays = [_to_arrow(column, self.values[column.name]) for column in self.columns]
        frame = pa.table(arrays, names=list(self.names)) if arrays else pa.table({})
        codes = [column.name for column in self.columns if column.kind == "categorical"]
        widest = max(
            (array.nbytes // max(self.rows, 1) for array in self.values.values()), default=1
        )
        pq.write_table(
            frame.replace_schema_metadata(metadata),
            target,
            row_group_size=min(_GROUP_ROWS, max(1, _GROUP_BYTES // max(widest, 1))),
            # Numbers mostly differ: a dictionary of them would cost the most of the time.
            use_dictionary=codes,
            compression="lz4",
            write_statistics=False,
        )

    @classmethod
    def from_parquet(cls, source: Path | bytes) -> Self:
        """Read a file or the bytes that `to_parquet` made.

        Raises:
            DataError: it is not such a file.
        """
        try:
            frame = pq.read_table(io.BytesIO(source) if isinstance(source, bytes) else source)
        except pa.ArrowInvalid as error:
            raise DataError("This is not a Parquet file.", code="not_parquet") from error
        values = {
            column.name: from_arrow(column, frame.column(position))
            for position, column in enumerate(stored_columns(frame.schema))
        }
        return cls.stored(frame.schema, values, frame.num_rows)

    @classmethod
    def stored(
        cls,
        schema: pa.Schema,
        values: Mapping[str, NDArray[Any]],
        rows: int,
        counts: Mapping[str, ColumnCounts] | None = None,
    ) -> Self:
        """The table of a file that `to_parquet` made, by its schema; `values` are its cells."""
        origin = json.loads((schema.metadata or {}).get(_ORIGIN_KEY, b"{}"))
        return cls(
            columns=stored_columns(schema),
            values=values,
            rows=rows,
            target=origin.get("target"),
            parts=origin.get("parts", {}),
            findings=tuple(Advice.model_validate(entry) for entry in origin.get("findings", ())),
            ignored=tuple(origin.get("ignored", ())),
            counts=counts or {},
        )


def _to_arrow(column: Column, values: NDArray[Any]) -> pa.Array:
    if column.kind != "image":
        return pa.array(values)
    kind = pa.binary(prod(column.shape) * values.itemsize)
    return pa.Array.from_buffers(
        kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )


def stored_columns(schema: pa.Schema) -> tuple[Column, ...]:
    """The columns of a file that `Table.to_parquet` made.

    Raises:
        DataError: it is not such a file.
    """
    metadata = schema.metadata or {}
    if _COLUMNS_KEY not in metadata:
        raise DataError(
            "This Parquet file does not carry Parsimony's columns; upload it as a data set.",
            code="not_parquet",
        )
    return tuple(Column.model_validate(entry) for entry in json.loads(metadata[_COLUMNS_KEY]))


def from_arrow(column: Column, cells: pa.ChunkedArray) -> NDArray[Any]:
    """The values of a column of such a file."""
    if column.kind != "image":
        return np.asarray(cells.to_numpy(zero_copy_only=False))
    size = prod(column.shape)
    dtype = _PIXELS[cells.type.byte_width // size]
    values = np.empty((len(cells), size), dtype=dtype)
    at = 0
    for chunk in cells.chunks:
        first = chunk.offset * size
        flat = np.frombuffer(chunk.buffers()[1], dtype=dtype)
        values[at : at + len(chunk)] = flat[first : first + len(chunk) * size].reshape(-1, size)
        at += len(chunk)
    return values.reshape(len(cells), *column.shape)


def numeric(name: str, values: ArrayLike) -> tuple[Column, NDArray[np.float64]]:
    """A numeric column and its values; NaN is missing."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    missing = int(np.isnan(array).sum())
    return Column(name=name, kind="numeric", missing=missing), array


def categorical(
    name: str, labels: Sequence[str], codes: ArrayLike
) -> tuple[Column, NDArray[np.int32]]:
    """A categorical column and its values, from codes into distinct `labels`; below 0 is missing.

    The labels need not be sorted, nor all be used: the column lists those in use, sorted.
    """
    given = np.asarray(codes, dtype=np.int64)
    used = np.flatnonzero(np.bincount(given[given >= 0], minlength=len(labels)))
    order = sorted(used.tolist(), key=lambda code: labels[code])
    # One entry more than there are labels: code -1 indexes it from the end.
    renumbered = np.full(len(labels) + 1, MISSING_CODE, dtype=np.int32)
    renumbered[order] = np.arange(len(order), dtype=np.int32)
    array = renumbered[np.maximum(given, MISSING_CODE)]
    column = Column(
        name=name,
        kind="categorical",
        categories=tuple(labels[code] for code in order),
        missing=int((array == MISSING_CODE).sum()),
    )
    return column, array


def dates(
    name: str, days: ArrayLike, order: DateOrder | None = None
) -> tuple[Column, NDArray[np.float64]]:
    """A date column and its values, days since 1970-01-01; NaN is missing."""
    column, array = numeric(name, days)
    return column.model_copy(update={"kind": "date", "date_order": order}), array


def images(name: str, values: NDArray[Any]) -> Cells:
    """An image column and its values, uint8 or float32, [N, C, H, W], or [N, C, L] for series."""
    array = np.ascontiguousarray(values, dtype=np.uint8 if values.dtype == np.uint8 else np.float32)
    return Column(name=name, kind="image", shape=array.shape[1:]), array


def label_of(value: float) -> str:
    """A number as the name of a class or a category: without a needless fraction, without loss."""
    return str(int(value)) if isfinite(value) and value.is_integer() else repr(value)


def is_missing(text: str) -> bool:
    """Whether this text stands for a missing cell."""
    return text.strip().lower() in MISSING


def suggest(name: str, known: Sequence[str]) -> str:
    """A sentence that names what `name` may have meant, or what there is."""
    near = get_close_matches(name, known, n=3, cutoff=0.6) if len(name) <= LONGEST_GUESSED else ()
    if near:
        return f"Did you mean {' or '.join(repr(match) for match in near)}?"
    shown = ", ".join(repr(other) for other in known[:20])
    return f"There are: {shown}{', …' if len(known) > 20 else ''}."
