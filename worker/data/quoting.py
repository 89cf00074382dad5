"""Quoting: quotation marks as other programs write them, rewritten to those of RFC 4180.

Decisions:

* Blanks between a separator and a quotation mark do not count: `1, "a, b"` has two cells.
* Where all names in the header stand in apostrophes and no other cell holds one inside, as SQL and
  Weka write them, they are the quotation marks.
* Where whole lines stand in quotation marks, as spreadsheets write lines that were pasted into one
  column, the file is refused: the marks inside were doubled, or not.

What is rewritten keeps its lines, so that errors name those of the file.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

from worker.data.reading import file_error

_LOOKED_AT = 200
"""Lines in which quotation marks are looked for."""


@dataclass(frozen=True)
class Quoting:
    """How cells are quoted, beside the usual way."""

    spaced: bool = False
    """Whether blanks stand before quotation marks."""
    apostrophes: bool = False
    """Whether the quotation marks are apostrophes."""

    @classmethod
    def of(cls, sample: Sequence[str], separator: str) -> "Quoting":
        """How the first lines are quoted.

        Raises:
            DataError: whole lines stand in quotation marks.
        """
        lines = [line for line in sample[:_LOOKED_AT] if line.strip()]
        text = "".join(lines)
        if '"' not in text:
            return cls(apostrophes="'" in text and _in_apostrophes(lines, separator))
        _check_lines(lines)
        return cls(spaced=separator != " " and _is_spaced(lines, separator))

    def rewritten(self, data: bytes, separator: str) -> bytes:
        """The text, quoted in the usual way."""
        if self.apostrophes and b'"' not in data:
            data = data.replace(b"'", b'"')
        if not self.spaced:
            return data
        return _blanks(separator).sub(_without_blanks, data)


PLAIN = Quoting()
"""The usual way."""


def _in_apostrophes(lines: Sequence[str], separator: str) -> bool:
    rows = list(csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE))
    if len(rows) < 2 or not all(map(_is_quoted, map(str.strip, rows[0]))):
        return False
    split = list(csv.reader(lines, delimiter=separator, quotechar="'"))
    return len({len(row) for row in split}) == 1 and all(
        "'" not in cell or _is_quoted(cell.strip()) for row in rows for cell in row
    )


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == "'" and "'" not in cell[1:-1].replace("''", "")


def _is_spaced(lines: Sequence[str], separator: str) -> bool:
    pattern = re.compile(rf'{re.escape(separator)}[ \t]+"')
    if not any(map(pattern.search, lines)):
        return False
    given = csv.reader(lines, delimiter=separator)
    if not any(cell[:1] == " " and cell.lstrip()[:1] == '"' for row in given for cell in row):
        return False  # They stand inside of quoted cells.
    tight = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return len({len(row) for row in islice(tight, _LOOKED_AT - 1)}) == 1


@cache
def _blanks(separator: str) -> re.Pattern[bytes]:
    mark = re.escape(separator).encode()
    return re.compile(rb'"(?:[^"]|"")*"|(?:' + mark + rb'|(?m:^))[ \t]+(?=")')


def _without_blanks(match: re.Match[bytes]) -> bytes:
    text = match[0]
    return text if text[:1] == b'"' else text.rstrip(b" \t") if text.strip() else b""


def _check_lines(lines: Sequence[str]) -> None:
    """Refuse lines that stand in quotation marks as a whole, below a header that may not."""
    below = [line.strip() for line in lines[1:]]
    if len(below) < 2 or not all(line[0] == line[-1] == '"' and len(line) > 1 for line in below):
        return
    for separator in ",;\t|":
        if any(len(row) != 1 for row in csv.reader(below, delimiter=separator)):
            return
        bare = [line[1:-1].replace('""', '"') for line in below]
        # A header of one name is that of a column of texts, or of numbers with a decimal comma.
        bare.append(lines[0].strip().strip('"'))
        widths = {len(row) for row in csv.reader(bare, delimiter=separator)}
        if len(widths) == 1 and min(widths) > 1:
            raise file_error(
                f"Each line stands in quotation marks as a whole (line 2: {below[0][:20]!r}), "
                "so that it is one cell. Remove the marks around the lines, and write those "
                "inside once where they are doubled.",
                "one_column",
                line=2,
            )
