"""A table: typed columns of equal length, held column by column.

Decisions:

* A numeric column is float64 with NaN for a missing cell; a categorical one is int32 codes into
  its sorted categories with -1 for a missing cell. Nothing else exists.
* `Column.missing` and `Column.categories` describe the whole table as it was read. `Table.select`
  keeps them, so a selection has the schema of its source and encodes to the same width.
* Parquet holds the arrays as they are, codes included, and the schema as JSON in the file's
  metadata: the round trip is lossless, the order of categories included.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from worker.errors import DataError
from worker.regularization.settings import Settings

MISSING_CODE = -1
_METADATA_KEY = b"parsimony.columns"


class Column(Settings):
    """Name, kind and categories of one column."""

    name: str
    """The column's name, as in the file's header."""
    kind: Literal["numeric", "categorical"]
    """`numeric`: finite numbers. `categorical`: one of a list of strings."""
    categories: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Sorted; all that the table held when it was read. Empty for a numeric column."""
    missing: Annotated[int, Field(ge=0)] = 0
    """Cells without a value when the table was read."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns and their values; arrays are one-dimensional and of `rows` entries."""

    columns: tuple[Column, ...]
    values: Mapping[str, NDArray[Any]]
    rows: int

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit the columns; a mistake of the caller, not of a user."""
        if [column.name for column in self.columns] != list(self.values):
            raise ValueError("columns and values must have the same names, in the same order")
        for name, array in self.values.items():
            if array.shape != (self.rows,):
                raise ValueError(f"column {name!r} has shape {array.shape}, not ({self.rows},)")

    @classmethod
    def of(cls, parts: Iterable[tuple[Column, NDArray[Any]]]) -> Self:
        """A table from pairs of column and values, as `numeric` and `categorical` make them."""
        pairs = list(parts)
        return cls(
            columns=tuple(column for column, _ in pairs),
            values={column.name: values for column, values in pairs},
            rows=len(pairs[0][1]) if pairs else 0,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.values)

    def column(self, name: str, *, param: str | None = None) -> Column:
        """The column of that name.

        Raises:
            DataError: there is none; `param` is the field to blame, the message lists what is near.
        """
        if name in self._by_name:
            return self._by_name[name]
        raise DataError(
            f"There is no column {name!r}. {suggest(name, self.names)}",
            code="unknown_column",
            param=param,
            column=name,
        )

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def select(self, rows: NDArray[np.int64]) -> "Table":
        """These rows, in this order, under the same columns."""
        picked = {name: array[rows] for name, array in self.values.items()}
        return Table(columns=self.columns, values=picked, rows=len(rows))

    def to_parquet(self) -> bytes:
        """The table as one Parquet file, which `from_parquet` reads back without loss."""
        schema = json.dumps([column.model_dump(mode="json") for column in self.columns])
        arrays = [pa.array(self.values[name]) for name in self.names]
        frame = pa.table(arrays, names=list(self.names)) if arrays else pa.table({})
        sink = io.BytesIO()
        pq.write_table(frame.replace_schema_metadata({_METADATA_KEY: schema}), sink)
        return sink.getvalue()

    @classmethod
    def from_parquet(cls, source: Path | bytes) -> Self:
        """Read a file or the bytes that `to_parquet` made.

        Raises:
            DataError: it is not such a file.
        """
        try:
            frame = pq.read_table(io.BytesIO(source) if isinstance(source, bytes) else source)
        except pa.ArrowInvalid as error:
            raise DataError(f"This is not a Parquet file: {error}", code="not_parquet") from error
        schema = (frame.schema.metadata or {}).get(_METADATA_KEY)
        if schema is None:
            raise DataError(
                "This Parquet file does not carry Parsimony's columns; upload the data as CSV.",
                code="not_parquet",
            )
        columns = tuple(Column.model_validate(entry) for entry in json.loads(schema))
        values = {
            column.name: np.asarray(frame.column(position).to_numpy(zero_copy_only=False))
            for position, column in enumerate(columns)
        }
        return cls(columns=columns, values=values, rows=frame.num_rows)


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


def suggest(name: str, known: Sequence[str]) -> str:
    """A sentence that names what `name` may have meant, or what there is."""
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(repr(match) for match in near)}?"
    shown = ", ".join(repr(other) for other in known[:20])
    return f"There are: {shown}{', …' if len(known) > 20 else ''}."
