"""Plain numbers out of text, block by block: what is parsed becomes numbers while it is in the
processor's caches, and the cells of such columns are never in memory as texts all at once.

A column is taken as plain as long as it is so in each block; what is then said of it is what
`PlainColumn` says of all of its cells. A column that turns out to be none is read once more, as
text, from the blocks in which it was: few are, since the first block tells most.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.delimited_text import BLOCK, DelimitedText
from worker.data.notation import has_point, have_leading_zeros, plain, points_are_ambiguous
from worker.data.side_by_side import side_by_side
from worker.data.text_column import EXACT, PlainColumn, TextOrNumbers

FEWEST_ROWS = 2_000
"""Rows in a block from which it is worth looking at each of its columns by itself."""


@dataclass(frozen=True)
class TypedFrame:
    """Columns of a file: plain numbers as such, all others as text."""

    columns: tuple[TextOrNumbers, ...]
    num_rows: int

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of those that are numbers."""
        return tuple(column.name for column in self.columns if isinstance(column, PlainColumn))

    def column(self, place: int) -> TextOrNumbers:
        """One of them."""
        return self.columns[place]


def in_blocks(
    file: DelimitedText,
    names: Sequence[str],
    wanted: Collection[str],
    longest: int,
    *,
    marked: bool,
) -> TypedFrame | None:
    """A file's columns, those of `wanted` as plain numbers if they are; none where the file is not
    read in blocks: it is small, its lines are long, may have breaks within cells, or one of them is
    ragged.

    Args:
        file: the text.
        names: of its columns, in order.
        wanted: the columns that may be numbers.
        longest: characters of a cell at most.
        marked: whether the decimal mark is known, to be a point.
    """
    begin = file.first_row
    if begin is None or len(file.data) < 2 * BLOCK or file.data.find(b'"', begin) >= 0:
        return None
    line = file.data.find(b"\n", begin) - begin
    if line < 0 or BLOCK // (line + 1) < FEWEST_ROWS:
        return None
    blocks = _Blocks(file, len(names), begin, longest, marked=marked)
    try:
        blocks.read([place for place, name in enumerate(names) if name in wanted])
        columns = tuple(blocks.column(place, name) for place, name in enumerate(names))
    except pa.ArrowInvalid:
        return None
    return TypedFrame(columns, sum(blocks.rows))


@dataclass(frozen=True)
class _Numbers:
    """What is to be known of a block's cells in a column of plain numbers."""

    has_point: bool
    settles_point: bool


_Cells: TypeAlias = _Numbers | pa.ChunkedArray


class _Blocks:
    """Whole lines, some megabytes at a time."""

    def __init__(
        self, file: DelimitedText, width: int, begin: int, longest: int, *, marked: bool
    ) -> None:
        self._file, self._width = file, width
        self._longest, self._marked = longest, marked
        self._pieces: list[slice] = []
        data = file.data
        while begin < len(data):
            end = data.find(b"\n", min(begin + BLOCK, len(data))) + 1 or len(data)
            self._pieces.append(slice(begin, end))
            begin = end
        lines = [data.count(b"\n", one.start, one.stop) for one in self._pieces]
        lines[-1] += not data.endswith(b"\n")
        self._first = np.cumsum([0, *lines])
        """The row of each block, if no line is blank."""
        self.rows: list[int] = []
        """How many each has."""
        self._numbers: dict[int, NDArray[np.float64]] = {}
        """The numbers of columns, by their places."""
        self._found: list[list[_Cells]] = []

    def read(self, wanted: Collection[int]) -> None:
        """Parse all of them.

        Raises:
            ArrowInvalid: one is ragged, or has lines that end otherwise.
        """
        size = int(self._first[-1])
        self._numbers = {place: np.empty(size) for place in wanted}
        places = range(len(self._pieces))
        first = self._parsed(0)  # it tells most columns that are none
        rest = side_by_side(self._parsed, places[1:], len(self._file.data))
        for rows, found in (first, *rest):
            self.rows.append(rows)
            self._found.append(found)

    def _parsed(self, number: int) -> tuple[int, list[_Cells]]:
        frame = self._file.parsed_part(self._width, self._pieces[number])
        if frame.num_rows > self._first[number + 1] - self._first[number]:
            raise pa.ArrowInvalid("lines that end otherwise")
        found: list[_Cells] = []
        for place, cells in enumerate(frame.columns):
            numbers = self._numbers.get(place)
            told = None if numbers is None else self._take(cells, numbers[self._first[number] :])
            if told is None:
                self._numbers.pop(place, None)
            found.append(cells if told is None else told)
        return frame.num_rows, found

    def _take(self, cells: pa.ChunkedArray, numbers: NDArray[np.float64]) -> _Numbers | None:
        """Keep the cells of a block, if they are plain numbers that float64 holds."""
        texts = cells.combine_chunks() if cells.num_chunks != 1 else cells.chunk(0)
        if not len(texts):
            return _Numbers(has_point=False, settles_point=False)
        values = plain(texts)
        if values is None or max(values.max(), -values.min()) >= EXACT:
            return None
        if (
            have_leading_zeros(texts).any()
            or pc.max(pc.binary_length(texts)).as_py() > self._longest
        ):
            return None
        numbers[: len(values)] = values
        point = not self._marked and has_point(texts)
        return _Numbers(point, point and not points_are_ambiguous(texts))

    def column(self, place: int, name: str) -> TextOrNumbers:
        """One column, which is let go here."""
        parts = [part[place] for part in self._found]
        for part in self._found:
            part[place] = _Numbers(has_point=False, settles_point=False)
        told = [part for part in parts if isinstance(part, _Numbers)]
        numbers = self._numbers.pop(place, None)
        settles = any(part.settles_point for part in told)
        ambiguous = not settles and not self._marked and any(part.has_point for part in told)
        if numbers is not None and len(told) == len(parts) and not ambiguous:
            return PlainColumn(name, self._without_blanks(numbers), settles)
        return pa.chunked_array(
            [
                chunk
                for piece, part in zip(self._pieces, parts, strict=True)
                for chunk in (
                    self._as_text(piece, place) if isinstance(part, _Numbers) else part
                ).chunks
            ]
        )

    def _as_text(self, piece: slice, place: int) -> pa.ChunkedArray:
        return self._file.parsed_part(self._width, piece, place).column(0)

    def _without_blanks(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The numbers of all blocks, one behind the other, where blank lines left gaps."""
        if sum(self.rows) == len(numbers):
            return numbers
        parts = zip(self._first.tolist(), self.rows, strict=False)
        return np.concatenate([numbers[first : first + count] for first, count in parts])
