"""Cells: columns of text on their way to be typed columns.

Decisions:

* Spaces around a cell do not count. A missing cell is empty, or one of the usual markers; weaker
  markers, such as - and None, stand for missing cells among numbers and dates alone, since they are
  good names of categories. Markers that the sender names replace all of these.
* A column is numeric if every cell that is not missing is a number (a column without any value
  too), plainly or in one notation; it is categorical otherwise. `true`/`false` are therefore
  categories, `0`/`1` numbers.
* The decimal mark belongs to the file: a column that settles it settles it for those that do not.
* Text stays text where numbers would lose it: leading zeros, whole numbers beyond 2**53.
* A number that float32 cannot hold (inf included) is refused rather than clipped.
* A column of plain numbers is cast as it stands. Other text is typed once per distinct cell, not
  once per row: the cells are dictionary-encoded.
* Whatever was not plain is told in a finding. What the sender declares is done or refused.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from worker.data import markers, text_findings
from worker.data.dates import find_dates
from worker.data.drafts import Draft
from worker.data.mixture import MOST_NUMERIC_CLASSES, numbers_are_the_rule
from worker.data.notation import (
    DecimalMark,
    Notation,
    Survey,
    Written,
    has_point,
    have_leading_zeros,
    may_hold_numbers,
    plain,
    points_are_ambiguous,
    rounded,
    survey,
)
from worker.data.patterns import among, matches, stand_for_missing, taken
from worker.data.reading import FileLimits, Place, dictionary
from worker.data.side_by_side import side_by_side
from worker.data.table import MISSING, Cells, dates, numeric
from worker.data.text_column import (
    PlainColumn,
    TextColumn,
    TextOrNumbers,
    categorical_cells,
    check_finite,
    check_lengths,
    not_as_declared,
    refuse_numbers,
    weak_markers,
)
from worker.data.tidy import tidied
from worker.spec import ColumnKind, Reading

MOSTLY = 0.8
"""Share of rows from which a column of dates and other texts is found."""
_PLAIN = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_OPPOSITE: dict[str | None, DecimalMark] = {",": ".", ".": ","}


class TextColumns:
    """The columns of text of one file: look at each, then type them all."""

    def __init__(
        self, reading: Reading, limits: FileLimits, place: Place, *, typed: bool = False
    ) -> None:
        """Begin.

        Args:
            reading: what the sender says.
            limits: the longest cell.
            place: where a row is, for errors.
            typed: whether the file says that these columns are texts, so that they stay texts
                unless they are declared otherwise, and only nulls are missing.
        """
        self._reading = reading
        self._limits = limits
        self._place = place
        self._typed = typed
        self._decimal = reading.decimal or _OPPOSITE.get(reading.thousands)
        self._columns: list[TextColumn | PlainColumn] = []
        self._marks: set[DecimalMark] = set()
        self._markers: list[markers.Markers] = []
        self._drafts: list[Draft] = []
        self._tried = False

    def takes_plain(self, name: str) -> bool:
        """Whether a column is to be read as plain numbers if all of its cells are."""
        declared = self._reading.columns.get(name)
        return self._takes_plain(declared) and self._reading.missing is None

    @property
    def is_marked(self) -> bool:
        """Whether the file's decimal mark is known before any column is looked at."""
        return bool(self._decimal)

    def look_at(
        self, columns: Iterable[tuple[str, TextOrNumbers]], size: int, *, tried: bool = False
    ) -> None:
        """Take up columns of strings, `size` bytes in all: each as plain numbers if all of it are,
        which is soon known, unless it was `tried`; else by its distinct strings. Raises as `look`.
        """
        self._tried = tried
        self._columns.extend(side_by_side(self._looked_at, columns, size))

    def look(self, name: str, codes: NDArray[np.int32], distinct: pa.Array) -> None:
        """Take up a column: codes [rows] into distinct strings, below 0 where there is none.

        Raises:
            DataError: a cell is too long.
        """
        self._columns.append(self._looked_up(name, codes, distinct))

    def cells(self) -> Iterator[Cells]:
        """All columns, in the order in which they were looked at; each is let go when it is typed.

        Raises:
            DataError: a number is beyond float32, or a column is not what it was declared to be.
        """
        if self._decimal is None and len(self._marks) == 1:
            (self._decimal,) = self._marks
        self._columns.reverse()
        while self._columns:
            column = self._columns.pop()
            if isinstance(column, PlainColumn):
                yield numeric(column.name, column.values)
                continue
            typed = self._typed_column(column)
            if self._reading.missing is None:
                categorical = typed[0].kind == "categorical"
                self._markers += markers.markers(column, categorical, typed=self._typed)
            yield typed

    def drafts(self) -> list[Draft]:
        """What was found; asked for when all columns are typed."""
        drafts = markers.with_markers(self._drafts, self.markers())
        return drafts + list(markers.marker_findings(self._markers))

    def markers(self) -> list[str]:
        """The texts that were read as missing; asked for when all columns are typed."""
        if self._reading.missing is not None:
            return list(self._reading.missing)
        return markers.used_markers(self._markers)

    # Looking, at several columns at once: all that they share is the set of marks.

    def _looked_at(self, column: tuple[str, TextOrNumbers]) -> TextColumn | PlainColumn:
        name, cells = column
        found = cells if isinstance(cells, PlainColumn) else None
        if found is None and self.takes_plain(name) and not self._tried:
            found = PlainColumn.of(name, cells, self._limits.cell, marked=self.is_marked)
        if found is not None:
            self._marks |= {"."} if found.settles_point else set()
            return found
        return self._looked_up(name, *dictionary(cells))

    def _looked_up(self, name: str, codes: NDArray[np.int32], distinct: pa.Array) -> TextColumn:
        if codes.size and codes.min() < 0:
            # One string more, for the code -1 to index.
            distinct = pa.concat_arrays([distinct, pa.array([""], pa.string())])
            codes = np.where(codes < 0, len(distinct) - 1, codes).astype(np.int32)
        column = TextColumn(name, codes, distinct, self._reading.columns.get(name))
        check_lengths(column, self._place, self._limits.cell)
        plainly = self._takes_plain(column.declared)
        if plainly and self._reading.missing is None and self._as_plain(column):
            return column
        column.texts = tidied(distinct)
        column.missing = self._missing(column.texts)
        column.present = np.flatnonzero(~column.missing)
        if len(column.present) == 0 or column.declared == "categorical":
            return column
        if column.declared != "date":
            if plainly and self._as_plain(column):
                return column
            self._as_written(column)
        if column.values is None and (column.survey is None or not column.survey.fits):
            self._as_dates(column)
        return column

    def _takes_plain(self, declared: ColumnKind | None) -> bool:
        """Whether plain numbers, with their decimal point, are to be looked for."""
        wanted = ("numeric",) if self._typed else (None, "numeric")
        return declared in wanted and self._decimal != ","

    def _missing(self, texts: pa.Array) -> NDArray[np.bool_]:
        if self._reading.missing is not None:
            return stand_for_missing(texts, self._reading.missing)
        return among(texts, {""}) if self._typed else among(texts, MISSING, lower=True)

    def _as_plain(self, column: TextColumn) -> bool:
        """Whether all that is present is a plain number."""
        texts = taken(column.texts, column.present)
        numbers = plain(texts)
        if numbers is None:
            return False
        column.values = np.full(len(column.texts), np.nan)
        column.values[column.present] = numbers
        if self._decimal is None and has_point(texts):
            column.undecided = points_are_ambiguous(texts)
            if not column.undecided:
                self._marks.add(".")
        return True

    def _as_written(self, column: TextColumn) -> None:
        """Look for numbers in other notations; weak markers are left aside, and missing if all the
        others are numbers.
        """
        texts = taken(column.texts, column.present)
        if not may_hold_numbers(texts):
            return
        present, texts, weak = self._without_weak(column.present, texts)
        written = Written(texts)
        if not len(written.places):
            return
        column.written = written
        rows = column.rows()[present]
        column.survey = survey(written, rows, self._decimal, self._reading.thousands)
        column.present = present
        if column.survey.fits and weak:
            column.only_present()
            if self._takes_plain(column.declared) and self._as_plain(column):
                return
        mark = column.survey.settles
        if mark is not None and not written.leading_zeros().any():
            self._marks.add(mark)

    def _as_dates(self, column: TextColumn) -> None:
        """Look for dates, likewise."""
        present = np.flatnonzero(~column.missing)
        present, texts, _ = self._without_weak(present, taken(column.texts, present))
        found = find_dates(texts, compact=column.declared == "date")
        if found is None:
            return
        column.dates = found
        if found.mask.all():
            column.survey, column.present = None, present
            column.only_present()

    def _without_weak(
        self, present: NDArray[np.int64], texts: pa.Array
    ) -> tuple[NDArray[np.int64], pa.Array, bool]:
        """The present texts that are no weak markers, and whether there are such."""
        if self._reading.missing is not None or self._typed:
            return present, texts, False
        weak = weak_markers(texts)
        if not weak.any() or weak.all():
            return present, texts, False
        return present[~weak], taken(texts, np.flatnonzero(~weak)), True

    # Typing.

    def _typed_column(self, column: TextColumn) -> Cells:
        if column.declared == "date":
            return self._date_column(column)
        if column.declared == "categorical":
            return categorical_cells(column)
        if column.missing.all():
            if self._typed and column.declared is None:
                return categorical_cells(column)
            return numeric(column.name, np.full(len(column.codes), np.nan))
        if column.values is not None:
            return self._plain_column(column, column.values)
        found, written = column.survey, column.written
        if found is not None and written is not None:
            notation = found.choose(self._decimal)
            if notation is not None and (not self._typed or column.declared == "numeric"):
                return self._written_column(column, written, notation)
            zeros = self._typed and bool(written.leading_zeros().any())
            if column.declared is None and _mostly_numbers(column, found) and not zeros:
                self._drafts.append(text_findings.nearly_numeric(column, found, self._reading))
                return categorical_cells(column, found.best)
        if column.declared == "numeric":
            refuse_numbers(column, self._place)
        self._find_in_texts(column)
        return categorical_cells(column)

    def _plain_column(self, column: TextColumn, values: NDArray[np.float64]) -> Cells:
        doubted = column.declared is None
        zeros = have_leading_zeros(column.texts) & ~column.missing if doubted else np.zeros(1, bool)
        if zeros.any():
            self._drafts.append(text_findings.leading_zeros(column, zeros))
            return categorical_cells(column)
        check_finite(column, values, self._place)
        large = rounded(column.texts, values) if doubted else zeros
        if large.any():
            self._drafts.append(text_findings.large_integers(column, large))
            return categorical_cells(column)
        if column.undecided and self._decimal == ",":
            notation = Notation(decimal=",", thousands=".")
            texts = taken(column.texts, column.present)
            values = np.full(len(column.texts), np.nan)
            values[column.present] = notation.parse(texts)
            check_finite(column, values, self._place)
            odd = pc.match_substring(texts, ".").to_numpy(zero_copy_only=False)
            return self._in_notation(column, values, notation, odd)
        if column.undecided and self._decimal is None:
            self._drafts.append(text_findings.undecided_point(column))
        return numeric(column.name, values[column.codes])

    def _written_column(self, column: TextColumn, written: Written, notation: Notation) -> Cells:
        zeros = written.leading_zeros()
        if column.declared is None and zeros.any():
            self._drafts.append(text_findings.leading_zeros(column, column.among_texts(zeros)))
            return categorical_cells(column)
        values = np.full(len(column.texts), np.nan)
        values[column.present] = written.parse(notation)
        check_finite(column, values, self._place)
        odd = ~matches(written.texts, _PLAIN)
        if notation.thousands == ".":
            odd |= pc.match_substring(written.texts, ".").to_numpy(zero_copy_only=False)
        if odd.any():
            return self._in_notation(column, values, notation, odd)
        large = rounded(column.texts, values)
        if column.declared is None and large.any():
            self._drafts.append(text_findings.large_integers(column, large))
            return categorical_cells(column)
        return numeric(column.name, values[column.codes])

    def _in_notation(
        self,
        column: TextColumn,
        values: NDArray[np.float64],
        notation: Notation,
        odd: NDArray[np.bool_],
    ) -> Cells:
        """A numeric column whose present texts are not all plain: `odd` are those."""
        self._drafts.append(text_findings.number_format(column, notation, column.among_texts(odd)))
        typed, array = numeric(column.name, values[column.codes])
        return typed.model_copy(update={"notation": notation}), array

    def _date_column(self, column: TextColumn) -> Cells:
        found = column.dates
        if column.missing.all():
            return dates(column.name, np.full(len(column.codes), np.nan))
        if found is None or found.times:
            raise not_as_declared(
                column,
                self._place,
                ~column.missing,
                "not_a_date",
                "a time without a date" if found is not None else "no date",
                "Write dates as 2024-05-31 or 2024-05-31T14:30, and times of day as numbers of "
                "hours; or declare the column as another kind",
            )
        present = np.flatnonzero(~column.missing)
        if not found.mask.all():
            known = self._without_weak(present, taken(column.texts, present))[0]
            column.present = known
            raise not_as_declared(
                column,
                self._place,
                column.among_texts(~found.mask),
                "not_a_date",
                "no date as the others are",
                "Correct the cell, leave it empty, or name its text in `missing`",
            )
        if found.ambiguous:
            raise not_as_declared(
                column,
                self._place,
                ~column.missing,
                "ambiguous_date",
                "a date whose day and month cannot be told apart in any row",
                "Write the year first, as in 2024-05-31",
            )
        values = np.full(len(column.texts), np.nan)
        values[column.present] = found.days
        return dates(column.name, values[column.codes], found.order)

    def _find_in_texts(self, column: TextColumn) -> None:
        """What a column that became categorical might be else."""
        if (found := column.dates) is not None:
            present = np.flatnonzero(~column.missing)
            column.present = self._without_weak(present, taken(column.texts, present))[0]
            if column.share(found.mask) >= MOSTLY:
                self._drafts.append(text_findings.dates_as_categories(column, found))
                return
        units = text_findings.numbers_with_units(column)
        if units is not None:
            self._drafts.append(units)


def _mostly_numbers(column: TextColumn, found: Survey) -> bool:
    """Whether numbers are the rule in it, and texts the exception."""
    if found.fits:
        return True
    mask, numbers = found.any_mask, int(found.any_mask.sum())
    fractions = matches(taken(column.texts, column.present[mask]), "[.,]").any()
    measured = numbers > MOST_NUMERIC_CLASSES or bool(fractions)
    return numbers_are_the_rule(column.share(mask), numbers, len(mask) - numbers, measured=measured)
