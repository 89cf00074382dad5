"""Encoding a job's rows: what is to be encoded, how it is known again, and where it may be kept.

`EncodingPlan` says all that decides an encoded matrix, and makes it block by block, so that who
keeps it may have it in memory or in a file. Beside the table itself its `fingerprint` is all that
the matrix depends on: what has the same one, of the same table, is the same bits.
"""

import hashlib
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from worker.data.encoder import Encoder, EncoderSchema
from worker.data.inputs import sample_shape
from worker.data.parts import row_blocks
from worker.data.roles import Offset
from worker.data.table import Column, Table
from worker.spec import Preprocessing

VERSION = 1
"""Of what is computed here: another one where the same rows would be encoded to other bits."""
BLOCK_ROWS = 2**16
"""Rows of the table that are encoded at a time."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """The rows of all splits, encoded."""

    encoders: tuple[Encoder, ...]
    """One for each split, fitted on its training rows."""
    x: NDArray[np.float32]
    """[S, N, *shape], perhaps not to be written to."""


@dataclass(frozen=True, eq=False)
class EncodingPlan:
    """What is to be encoded: N rows of a table, once for each of S splits."""

    table: Table
    columns: tuple[Column, ...]
    """The features."""
    rows: NDArray[np.int64]
    """[N]: their numbers in the table, ascending."""
    train: tuple[NDArray[np.int64], ...]
    """Of each split the rows that it is fitted on, as places in `rows`."""
    preprocessing: Preprocessing
    left_out: tuple[str, ...] = ()
    """As `EncoderSchema.left_out`."""
    offsets: tuple[Offset, ...] | None = None
    """Of each split: a column that its encoder knows, but that is no feature."""

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the matrix: [S, N, *shape]."""
        return (len(self.train), len(self.rows), *sample_shape(self.columns))

    @property
    def nbytes(self) -> int:
        """What the matrix takes."""
        return prod(self.shape) * np.dtype(np.float32).itemsize

    @property
    def fingerprint(self) -> str:
        """A hash of all that the matrix depends on beside the table's values."""
        found = hashlib.sha256(f"{VERSION} {np.__version__} {self.left_out}".encode())
        for column in self.columns:
            found.update(column.model_dump_json().encode())
        found.update(self.preprocessing.model_dump_json().encode())
        found.update(repr(self.offsets).encode())
        for rows in (self.rows, *self.train):
            found.update(f" {len(rows)} ".encode())
            found.update(np.ascontiguousarray(rows).data)
        return found.hexdigest()

    def fit(self) -> tuple[Encoder, ...]:
        """The encoders of the splits."""
        whole = len(self.rows) == self.table.rows
        return Encoder.fit_each(
            self.table,
            [column.name for column in self.columns],
            self.train if whole else [self.rows[places] for places in self.train],
            self.preprocessing,
            self.left_out,
            self.offsets,
        )

    def blocks(self, encoders: Sequence[Encoder]) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
        """The matrix piece by piece: a split, the first row, and some rows of it, which are written
        over by the next ones.
        """
        space = np.empty((BLOCK_ROWS, *self.shape[2:]), dtype=np.float32)
        for first, block in self._tables():
            for split, encoder in enumerate(encoders):
                rows = space[: block.rows]
                _encode(encoder, block, rows)
                yield split, first, rows

    def in_memory(self) -> Encoded:
        """Encode into memory."""
        encoders = self.fit()
        x = np.empty(self.shape, dtype=np.float32)
        for first, block in self._tables():
            for encoder, matrix in zip(encoders, x, strict=True):
                _encode(encoder, block, matrix[first : first + block.rows])
        return Encoded(encoders, x)

    def _tables(self) -> Iterator[tuple[int, Table]]:
        names = [column.name for column in self.columns]
        if self.offsets is not None:
            names.append(self.offsets[0].column.name)
        first = 0
        for block in row_blocks(self.table, names, self.rows, BLOCK_ROWS):
            yield first, block
            first += block.rows


def _encode(encoder: Encoder, block: Table, out: NDArray[np.float32]) -> None:
    if encoder.offset:
        out[...] = encoder.transform(block)[..., :-1]
    else:
        encoder.transform(block, out=out)


def dump_encoders(encoders: Sequence[Encoder]) -> dict[str, bytes]:
    """The encoders of one plan as files."""
    arrays = {
        f"{number}.{name}": array
        for number, encoder in enumerate(encoders)
        for name, array in encoder.constants().items()
    }
    schema = encoders[0].schema().model_dump_json()
    return {_SCHEMA: schema.encode(), _CONSTANTS: safetensors.numpy.save(arrays)}


def load_encoders(files: Mapping[str, bytes]) -> tuple[Encoder, ...]:
    """What was dumped.

    Raises:
        ModelError: it is something else.
    """
    schema = EncoderSchema.model_validate_json(files[_SCHEMA])
    constants: dict[int, dict[str, NDArray[np.float64]]] = {}
    for name, array in safetensors.numpy.load(files[_CONSTANTS]).items():
        number, _, constant = name.partition(".")
        constants.setdefault(int(number), {})[constant] = array
    return tuple(Encoder.load(schema, constants[number]) for number in sorted(constants))


_SCHEMA, _CONSTANTS = "schema.json", "constants.safetensors"


def leave_pages(x: NDArray[np.float32]) -> None:
    """Leave a matrix that is looked at no more as a whole to the system's cache: its pages count as
    this process's own until it does, and come back as they are needed. Others are not touched.
    """
    base: object = x
    while isinstance(base, np.ndarray):
        base = base.base
    pages = base.obj if isinstance(base, memoryview) else base
    if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
