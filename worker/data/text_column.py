"""A column of text, as it is looked at before it is typed."""

from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data.dates import Dates
from worker.data.notation import (
    Notation,
    Survey,
    Written,
    has_point,
    have_leading_zeros,
    plain,
    points_are_ambiguous,
)
from worker.data.patterns import among, taken
from worker.data.reading import Place, file_error
from worker.data.table import LARGEST, MISSING_CODE, Cells, categorical
from worker.errors import DataError
from worker.spec import ColumnKind
from worker.text import shortened

_WEAK_WORDS = (
    "- -- --- – — . .. ... … none nil n.a. n.a n/d n.d. <na> (null) \\n nat missing (missing) "
    "#null! #div/0! #value! #ref! #num! #name?"
)
WEAK = frozenset(_WEAK_WORDS.split()) | {"not available", "no data", "#n/a n/a"}
"""What stands for a missing cell among numbers and dates, in lower case."""


EXACT = 2.0**53
"""Up to here a float64 holds each whole number."""


@dataclass
class TextColumn:
    """One column: rows of codes into its distinct texts."""

    name: str
    codes: NDArray[np.int32]
    texts: pa.Array
    """Distinct, trimmed; two may be equal now."""
    declared: ColumnKind | None = None
    """What the sender says that it is."""
    missing: NDArray[np.bool_] = field(init=False)
    """Which of the texts stand for a missing cell: [texts]."""
    present: NDArray[np.int64] = field(init=False)
    """The texts that `values`, `survey` and `dates` are about."""
    values: NDArray[np.float64] | None = None
    """Plain numbers, NaN where missing: [texts]; none if a text is no plain number."""
    undecided: bool = False
    """Whether each point of the plain numbers may separate thousands."""
    written: Written | None = None
    """The present texts, looked at as numbers in other notations."""
    survey: Survey | None = None
    """In which notations they are numbers."""
    dates: Dates | None = None
    """What they are as dates, if some are."""

    def __post_init__(self) -> None:
        """Begin with nothing missing."""
        self.missing = np.zeros(len(self.texts), dtype=bool)
        self.present = np.arange(len(self.texts))

    def only_present(self) -> None:
        """Let all other texts stand for missing cells."""
        self.missing = np.ones(len(self.texts), dtype=bool)
        self.missing[self.present] = False

    def rows(self) -> NDArray[np.int64]:
        """How many rows hold each text."""
        return np.bincount(self.codes, minlength=len(self.texts))

    def first_row(self, mask: NDArray[np.bool_]) -> int:
        """The first row with one of these texts."""
        return int(np.argmax(mask[self.codes]))

    def among_texts(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask over the present texts as one over all: [texts]."""
        held = np.zeros(len(self.texts), dtype=bool)
        held[self.present[mask]] = True
        return held

    def share(self, mask: NDArray[np.bool_]) -> float:
        """The share of the present rows that hold one of these present texts."""
        rows = self.rows()[self.present]
        return float(rows[mask].sum() / max(rows.sum(), 1))

    def cell(self, row: int) -> str:
        """The text of a row."""
        return str(self.texts[int(self.codes[row])].as_py())


@dataclass(frozen=True)
class PlainColumn:
    """A column of plain numbers in which nothing is missing, and of which nothing is to be said."""

    name: str
    values: NDArray[np.float64]
    settles_point: bool
    """Whether it has points that can only be decimal marks."""

    @classmethod
    def of(
        cls, name: str, cells: pa.ChunkedArray, longest: int, *, marked: bool
    ) -> "PlainColumn | None":
        """The column of these texts, if it is such a one; found by casting them as they stand.

        `marked` is whether the decimal mark is known, to be a point.
        """
        texts = cells.combine_chunks() if len(cells) else cells
        if isinstance(texts, pa.ChunkedArray):
            return None  # Empty, or more than 2 GiB.
        values = plain(texts)
        if values is None or np.abs(values).max() >= EXACT or have_leading_zeros(texts).any():
            return None
        if pc.max(pc.binary_length(texts)).as_py() > longest:
            return None
        settles = not marked and has_point(texts)
        if settles and points_are_ambiguous(texts):
            return None
        return cls(name, values, settles)


TextOrNumbers: TypeAlias = pa.ChunkedArray | PlainColumn
"""A column's cells as texts, or as the plain numbers that all of them are."""


def weak_markers(texts: pa.Array) -> NDArray[np.bool_]:
    """Which texts stand for a missing cell among numbers and dates: [texts]."""
    return among(texts, WEAK, lower=True)


def categorical_cells(column: TextColumn, notation: Notation | None = None) -> Cells:
    """The column as a categorical one, which remembers how most of its cells are written.

    Cells that differ in surrounding spaces only are one category: number them anew.
    """
    present = np.flatnonzero(~column.missing)
    places: dict[str, int] = {}
    texts = taken(column.texts, present).to_pylist()
    renumbered = np.full(len(column.texts), MISSING_CODE, dtype=np.int64)
    renumbered[present] = [places.setdefault(text, len(places)) for text in texts]
    typed, array = categorical(column.name, list(places), renumbered[column.codes])
    if notation is None or notation == Notation():
        return typed, array
    return typed.model_copy(update={"notation": notation}), array


def check_lengths(column: TextColumn, place: Place, most: int) -> None:
    """Refuse cells of more characters than `most`.

    Raises:
        DataError: there is one.
    """
    texts = column.texts
    if texts.nbytes <= most or (pc.max(pc.binary_length(texts)).as_py() or 0) <= most:
        return
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    if lengths.max() <= most:
        return
    words, line = place(column.first_row(lengths > most))
    raise file_error(
        f"Column {column.name!r} holds a cell of {lengths.max():,} characters{words}; at most "
        f"{most:,} are read. Is a quotation mark left open? Free text is not a feature.",
        "cell_too_long",
        column=column.name,
        line=line,
    )


def not_as_declared(
    column: TextColumn,
    place: Place,
    mask: NDArray[np.bool_],
    code: str,
    fact: str,
    remedy: str,
) -> DataError:
    """The error of a column that is not what it is declared to be: its first row with one of the
    texts in `mask`.
    """
    row = column.first_row(mask)
    words, line = place(row)
    cell = shortened(column.cell(row))
    known = {"row": row} if line is None else {"line": line}
    return DataError(
        f"Column {column.name!r} was declared {column.declared}, but holds {cell!r}{words}, "
        f"which is {fact}. {remedy}.",
        code=code,
        param="columns",
        column=column.name,
        cell=cell,
        **known,
    )


def refuse_numbers(column: TextColumn, place: Place) -> NoReturn:
    """The column was declared numeric and is not."""
    found, mask, fact = column.survey, ~column.missing, "no number"
    remedy = "Correct the cell, leave it empty, or name its text in `missing`"
    if found is not None and found.fits:
        fact = "a number whose mark may be a decimal or a thousands mark"
        remedy = "Set `decimal` or `thousands`"
    elif found is not None:
        odd = ~found.best_mask
        mask = column.among_texts(odd)
        if found.any_mask[odd].any():
            fact = "no number as the others are written"
            remedy = "Write all numbers in one way, and set `decimal` or `thousands`"
    raise not_as_declared(column, place, mask, "not_a_number", fact, remedy)


def check_finite(column: TextColumn, values: NDArray[np.float64], place: Place) -> None:
    """Refuse numbers, [texts], that float32 cannot hold.

    Raises:
        DataError: there is one; the first row with it is named.
    """
    too_large = np.abs(values) > LARGEST
    if too_large.any():
        row = column.first_row(too_large)
        words, line = place(row)
        cell = shortened(column.cell(row))
        raise file_error(
            f"Column {column.name!r} holds {cell!r}{words}, which is not a finite number of "
            f"magnitude up to {LARGEST:.3g}. Correct the cell, leave it empty, or name its text in "
            "`missing` if it stands for a missing one.",
            "not_finite",
            column=column.name,
            line=line,
        )
