"""Dialect: how a file of delimited text is written: separator, header, quoting, what precedes it.

Decisions:

* A first line `sep=;` names the separator. Lines that begin with # before the header are comments;
  the last of them is the header itself if the line below it is data.
* The separator is the one that splits all lines into the same number of cells, two or more: of
  comma, semicolon, tab and bar. Where several do, the one with more numbers as cells; and it is
  said. Where none does, the one that most lines agree on, so that an error can name the others.
* Where another character splits all lines, such as blanks or a colon, it is proposed, not taken.
* What is no table at all is recognized by how it begins: `lookalikes.py`.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from worker.data.drafts import Draft
from worker.data.quoting import PLAIN, Quoting
from worker.errors import DataError
from worker.spec import Reading
from worker.text import shortened

SEPARATORS = ",;\t|"
"""Those that are taken when they fit."""
_PROPOSED = " \t:^~!&/\x01\x1f§¦"
"""Those that are proposed when they fit."""
_SAMPLE_BYTES, _SAMPLE_LINES = 2**20, 200
_SEP_LINE = re.compile(rb'\s*"?sep=(\t|[^\s"])"?[,;\t|]*(?:\r\n|\n|\r|$)', re.IGNORECASE)
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|$)")


@dataclass(frozen=True)
class Dialect:
    """How a file is written, as far as its beginning tells."""

    separator: str
    start: int
    """The byte at which the header begins, or the first row."""
    line: int
    """The line of that, counted from 1."""
    others: str = ""
    """The other separators that the first lines hold, if this one was not named."""
    quoting: Quoting = PLAIN
    """How its cells are quoted."""
    drafts: tuple[Draft, ...] = ()
    """What is worth knowing about it."""


def find_dialect(data: bytes, reading: Reading) -> Dialect:
    """Separator and beginning of UTF-8 text.

    Raises:
        DataError: it has one column, and another separator would split all of its lines.
    """
    start, line, named = 0, 1, reading.separator
    match = _SEP_LINE.match(data)
    if match:
        start = match.end()
        line += _lines_in(data[:start])
    comments, first = _comments(data, start)
    sample = _sample(data, first)
    if match and named is None:
        mark = match[1].decode(errors="replace")
        # A file that was saved anew may say what was true of another.
        named = mark if max(_widths(sample, mark), default=0) > 1 else None
    separator = named or _chosen(sample)
    quoting = Quoting.of(sample, separator)
    drafts: list[Draft] = []
    if comments:
        last = comments[-1]
        if _is_header(data[last:first].decode(errors="replace"), sample, separator):
            comments, first = comments[:-1], last
            drafts.append(
                Draft(
                    "comment_lines",
                    "The last line that begins with # was taken as the columns' names: the lines "
                    "below it look like data.",
                    "Give a header without #, if these are not the names.",
                    "info",
                )
            )
    if comments:
        line += _lines_in(data[start:first])
        drafts.append(
            Draft(
                "comment_lines",
                f"Lines that begin with #, {len(comments):,} before the header, were skipped as "
                "comments.",
                "Remove the # if one of them holds data.",
                "info",
                evidence={"lines": len(comments)},
            )
        )
    else:
        line += _lines_in(data[start:first])
    if named is None:
        drafts += _doubt(sample, separator)
        _check_one_column(sample, separator)
    if quoting.apostrophes:
        drafts.append(
            Draft(
                "quotes",
                "Names and cells stand in apostrophes, which were taken as quotation marks and are "
                "no part of them.",
                "Write the cells without apostrophes, or in quotation marks.",
                "info",
            )
        )
    others = "".join(mark for mark in SEPARATORS if mark != separator) if named is None else ""
    return Dialect(separator, first, line, others, quoting, tuple(drafts))


def _lines_in(data: bytes) -> int:
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def _comments(data: bytes, start: int) -> tuple[list[int], int]:
    """Where the lines that begin with # begin, and where the first other line does."""
    found = []
    while start < len(data):
        match = _LINE.match(data, start)
        if match is None or match.end() == start:
            break
        if match[0].startswith(b"#"):
            found.append(start)
        elif match[0].strip(b"\r\n"):
            break
        start = match.end()
    else:
        return [], found[0] if found else 0  # Nothing but comments: they are the file.
    return found, start


def _is_header(comment: str, sample: list[str], separator: str) -> bool:
    """Whether the last line that begins with # holds the columns' names."""
    rows = list(islice(split_cells(sample, separator), 20))
    (names,) = islice(split_cells([comment.strip("\r\n")], separator), 1)
    if not rows or len(names) != len(rows[0]) or len(names) < 2:
        return False
    numbers = [[_NUMBER.fullmatch(cell.strip()) is not None for cell in row] for row in rows]
    if len(rows) > 1 and all(len(row) == len(names) for row in rows):
        below = [all(row[place] for row in numbers[1:]) for place in range(len(names))]
        if any(is_number and not numbers[0][place] for place, is_number in enumerate(below)):
            return False  # The first other line is a header: text above numbers.
    return any(numbers[0]) or not comment[1:2].isspace()


def _sample(data: bytes, start: int) -> list[str]:
    """The first lines, whole unless the first of them is very long."""
    piece = data[start : start + _SAMPLE_BYTES]
    if start + len(piece) < len(data):
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        piece = piece[: end + 1] if end > 0 else piece
    text = piece.decode(errors="ignore")
    return text.splitlines(keepends=True) if "\x85" not in text else re.split(r"(?<=\n)", text)


def split_cells(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    """The cells of lines that are not blank; blanks as a separator count once, however many."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            if cells:
                yield [cell for cell in cells if cell] if separator == " " else cells
    except csv.Error:
        return


def _widths(sample: list[str], separator: str) -> list[int]:
    return [len(cells) for cells in islice(split_cells(sample, separator), _SAMPLE_LINES)]


def _is_consistent(widths: list[int]) -> bool:
    return bool(widths) and widths[0] > 1 and len(set(widths)) == 1


def _chosen(sample: list[str]) -> str:
    widths = {mark: _widths(sample, mark) for mark in SEPARATORS}
    consistent = [mark for mark in SEPARATORS if _is_consistent(widths[mark])]
    if consistent:
        return max(consistent, key=lambda mark: _numbers(sample, mark))
    # None splits all lines: that of the header on which most of them agree, by far.
    agreeing = {
        mark: sum(width == found[0] for width in found) / len(found)
        for mark, found in widths.items()
        if found and found[0] > 1
    }
    if agreeing:
        return max(agreeing, key=lambda mark: round(agreeing[mark], 1))
    # A header of one cell, such as a title: what splits the lines below it.
    below = {mark: Counter(found[1:]).most_common(1) for mark, found in widths.items()}
    return max(
        SEPARATORS,
        key=lambda mark: below[mark][0][1] if below[mark] and below[mark][0][0] > 1 else 0,
    )


def _numbers(sample: list[str], separator: str) -> float:
    """The share of cells below the first line that are numbers, in any notation, or empty."""
    cells = [cell for row in islice(split_cells(sample, separator), 1, 30) for cell in row]
    held = [cell for cell in cells if _NUMBER.fullmatch(cell.strip()) or not cell.strip()]
    return round(len(held) / max(len(cells), 1), 3)


_NUMBER = re.compile(r"[+-]?[0-9.,' ]*[0-9](?:[eE][+-]?[0-9]+)?")


def _doubt(sample: list[str], separator: str) -> list[Draft]:
    """A finding, if another separator splits all lines too."""
    others = [
        mark for mark in SEPARATORS if mark != separator and _is_consistent(_widths(sample, mark))
    ]
    if not others or not _is_consistent(_widths(sample, separator)):
        return []
    return [
        Draft(
            "separator",
            f"Both {separator!r} and {others[0]!r} split all lines into equal numbers of cells; "
            f"{separator!r} was taken.",
            f"Set `separator` to {others[0]!r} if it is that.",
            evidence={"separator": separator, "others": others},
            change={"separator": others[0]},
        )
    ]


def _check_one_column(sample: list[str], separator: str) -> None:
    """Refuse one column of cells that another separator splits, all alike."""
    widths = _widths(sample, separator)
    if len(widths) < 2 or set(widths) != {1}:
        return
    for mark in _PROPOSED:
        found = _widths(sample, mark)
        if _is_consistent(found):
            first = next(split_cells(sample, mark), [])
            shown = ", ".join(repr(shortened(cell, 20)) for cell in first[:5])
            name = {" ": "a blank", "\t": "a tab"}.get(mark, repr(mark))
            raise DataError(
                f"The file has one column, but {name} splits every line into {found[0]} cells "
                f"({shown}). Set `separator` to {mark!r} if it is that; to ',' if one column is "
                "right.",
                code="one_column",
                param="separator",
                separator=mark,
            )


def collapsed(data: bytes) -> bytes:
    """Text with blanks as its separator, as often as they stand, with one between two cells."""

    def one(match: re.Match[bytes]) -> bytes:
        return match[0] if match[0].startswith(b'"') else b" "

    pattern = rb'"(?:[^"]|"")*"|[ \t]+' if b'"' in data else rb"[ \t]+"
    joined = re.sub(pattern, one if b'"' in data else b" ", data)
    return re.sub(rb"(?m)^ | (?=\r|$)", b"", joined)
