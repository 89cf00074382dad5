"""The head of delimited text whose columns are known: its layout, and where each of them stands."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from worker.data.category_index import Guesses
from worker.data.delimited import INDEX
from worker.data.dialect import SEPARATORS, Dialect, find_dialect
from worker.data.quoting import PLAIN, Quoting
from worker.data.reading import LIMITS, file_error
from worker.data.rows.ends import first_record
from worker.data.tidy import tidy
from worker.errors import DataError
from worker.spec import Reading


@dataclass(frozen=True)
class DelimitedLayout:
    """How a file is written, for whoever writes it again."""

    separator: str
    newline: bytes
    marked: bool
    """Whether it began with the byte-order mark of UTF-8."""
    preamble: bytes
    """What stood before the header."""
    header: tuple[str, ...] | None
    """The header's cells as they are written; none where it has no header."""


@dataclass(frozen=True)
class Head:
    """The first lines of a file, understood."""

    layout: DelimitedLayout
    names: Sequence[str]
    """One a cell of a row, each once."""
    places: dict[str, int]
    """Where the cells that are needed stand in a row."""
    end: int
    """The byte at which the rows begin."""
    quoting: Quoting = PLAIN
    """How the cells are quoted."""


def read_head(
    head: bytes,
    wanted: Sequence[str],
    reading: Reading,
    *,
    target: str | None,
    positional: bool,
    marked: bool,
) -> Head:
    """Understand the first lines, which are whole.

    Args:
        head: the lines.
        wanted: the columns that must be there.
        reading: what the sender says of the file.
        target: a column that may be there.
        positional: whether a first line that names none of the columns is a row, if it has as many
            cells as there are columns.
        marked: whether a byte-order mark stood before.

    Raises:
        DataError: a column is missing, or is there twice.
    """
    dialect, cells, end = _understood(head, wanted, reading)
    names = [tidy(cell) for cell in cells]
    if len(names) > 1 and not names[0] and INDEX not in names:
        names[0] = INDEX
    is_row = reading.header is False or (
        reading.header is None
        and positional
        and len(names) == len(wanted)
        and not set(names) & set(wanted)
    )
    newline = (
        b"\r\n" if b"\r\n" in head else b"\r" if b"\n" not in head and b"\r" in head else b"\n"
    )
    layout = DelimitedLayout(
        dialect.separator,
        newline,
        marked,
        head[: dialect.start],
        None if is_row else tuple(cells),
    )
    if is_row:
        _check_width(len(names), wanted)
        places = {name: place for place, name in enumerate(wanted)}
        return Head(layout, wanted, places, dialect.start, dialect.quoting)
    needed = [*wanted, *([target] if target in names and target not in wanted else [])]
    _check_names(names, wanted, needed, dialect)
    places = {name: names.index(name) for name in needed}
    return Head(layout, _distinct(names), places, end, dialect.quoting)


def _understood(
    head: bytes, wanted: Sequence[str], reading: Reading
) -> tuple[Dialect, list[str], int]:
    """The dialect, the cells of the first line, and the byte behind it."""
    for mark in [reading.separator] if reading.separator else SEPARATORS:
        dialect = _dialect(head, reading, mark)
        cells, end = _first_record(head, dialect)
        if set(wanted) <= set(map(tidy, cells)):
            return dialect, cells, end
    try:
        dialect = _dialect(head, reading, reading.separator)
    except DataError:  # Only one column, where another separator would make several.
        if len(wanted) > 1:
            raise
        dialect = _dialect(head, reading, ",")
    return (dialect, *_first_record(head, dialect))


def _first_record(head: bytes, dialect: Dialect) -> tuple[list[str], int]:
    """The cells of the first line, and the byte behind it."""
    if dialect.quoting.apostrophes:
        head = head.replace(b"'", b'"')  # As long as before.
    return first_record(head, dialect.start, dialect.separator)


def _dialect(head: bytes, reading: Reading, separator: str | None) -> Dialect:
    return find_dialect(head, reading.model_copy(update={"separator": separator}))


def _check_width(width: int, wanted: Sequence[str]) -> None:
    if width == len(wanted):
        return
    shown = ", ".join(wanted[:20]) + (", …" if len(wanted) > 20 else "")
    raise file_error(
        f"The rows have {width} cells and no header; the model takes {len(wanted)}, in this order: "
        f"{shown}. Give these, or a header line with the columns' names.",
        "missing_column",
    )


def _check_names(
    names: Sequence[str], wanted: Sequence[str], needed: Sequence[str], dialect: Dialect
) -> None:
    counts = Counter(names)
    for name in needed:
        if counts[name] > 1:
            raise file_error(
                f"The name {name!r} stands {counts[name]} times in the header; it is needed once. "
                "Rename the others.",
                "duplicate_column",
                line=dialect.line,
                column=name,
            )
    absent = [name for name in wanted if name not in counts]
    if not absent:
        return
    meant = Guesses().nearest(sorted(set(names) - set(wanted)), absent[0])
    given = "" if meant is None else f"; it has {meant!r}"
    others = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
    header = (
        " If the file has no header, say header=false: its cells then stand in the order of the "
        "model's columns."
        if len(absent) == len(wanted)
        else ""
    )
    raise file_error(
        f"The file lacks the column {absent[0]!r}{others}{given}. Add it; its cells may be empty "
        f"where the value is not known.{header} The separator was taken to be "
        f"{dialect.separator!r}; say `separator` if it is another.",
        "missing_column",
        column=absent[0],
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, those that stand again or are empty with a number behind."""
    if len(names) > LIMITS.columns:
        raise file_error(
            f"The file has {len(names):,} columns; at most {LIMITS.columns:,} are read.",
            "too_many_columns",
        )
    used: set[str] = set()
    known = set(names)
    distinct = []
    for place, name in enumerate(names, start=1):
        free, number = name or f"column{place}", 1
        while free in used or (free != name and free in known):
            free, number = f"{name or 'column'}_{number}", number + 1
        used.add(free)
        distinct.append(free)
    return distinct
