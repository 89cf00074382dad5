"""A file that is read in blocks is the same table, with the same findings and errors."""

import random

import numpy as np
import pytest

from worker.data import delimited, plain_blocks
from worker.data.delimited import parse_csv
from worker.data.reading import FileLimits
from worker.data.table import Table
from worker.errors import DataError
from worker.spec import Reading

ROWS = 40
ORDINARY = ["1.5", "-2.25", "0.125", "3e2", "+4", ".5", "7."]
CELLS = {
    "ordinary": ORDINARY,
    "whole": ["1", "-2", "0", "30"],
    "thousands, perhaps": ["1.234", "5.678", "12"],
    "exponents": ["1e5", "2", "3"],
    "missing": ["1", "", "NA", "2.5"],
    "beyond": ["9007199254740993", "1"],
    "not numbers": ["nan", "no", "information", "1"],
    "zeros": ["007", "1"],
    "blanks": [" 1", "2 ", "3"],
    "texts": ["red", "green"],
    "commas": ["1;5", "2"],
    "dates": ["2024-05-31", "2024-06-01"],
}


def file(
    *columns: list[str], header: str | None = None, end: str = "\n", last: str = "\n"
) -> bytes:
    """Columns as CSV."""
    names = header or ",".join(f"c{number}" for number in range(len(columns)))
    rows = [",".join(cells) for cells in zip(*columns, strict=True)]
    return (end.join([names, *rows]) + last).encode()


def late(kind: str, at: int) -> list[str]:
    """Ordinary numbers, but for one cell of another kind."""
    cells = [ORDINARY[row % 7] for row in range(ROWS)]
    cells[at] = CELLS[kind][0]
    return cells


def all_of(kind: str, seed: int = 0) -> list[str]:
    """Cells of a kind, in any order."""
    return random.Random(seed).choices(CELLS[kind], k=ROWS)


MIXED = file(*(all_of(kind) for kind in CELLS))
FILES = {
    "each kind": MIXED,
    "each kind behind others": file(*(late(kind, ROWS - 1) for kind in CELLS)),
    "each kind in the middle": file(*(late(kind, ROWS // 2) for kind in CELLS)),
    "thousands that are settled late": file(
        [*all_of("thousands, perhaps")[:-1], "1.2"], all_of("whole")
    ),
    "thousands that are not": file(all_of("thousands, perhaps"), all_of("whole")),
    "thousands beside exponents": file(
        [*all_of("thousands, perhaps")[:-1], "1e5"], all_of("whole")
    ),
    "a quoted header": file(all_of("ordinary"), all_of("whole"), header='"a","b"'),
    "a header in two lines": file(all_of("ordinary"), all_of("whole"), header='"a\nb","b"'),
    "a header of numbers": file(all_of("ordinary"), all_of("whole"), header="0,1"),
    "a header again": file(
        [*all_of("ordinary")[:-1], "a"], [*all_of("whole")[:-1], "b"], header="a,b"
    ),
    "numbers again": file(
        ["1.5", *all_of("ordinary")[:-1]], ["2", *all_of("whole")[1:]], header="1,2"
    ),
    "an index": file([str(row) for row in range(ROWS)], all_of("ordinary"), header=",b"),
    "no index": file(["1"] * ROWS, all_of("ordinary"), header=",b"),
    "blank lines": file(all_of("ordinary"), all_of("whole")).replace(b"\n3e2", b"\n\n\n3e2"),
    "of Windows": file(all_of("ordinary"), all_of("texts"), end="\r\n"),
    "of an old Macintosh": file(all_of("ordinary"), all_of("whole"), end="\r"),
    "of both": file(all_of("ordinary"), all_of("whole")).replace(b"\n3e2", b"\r3e2"),
    "no last line end": file(all_of("ordinary"), all_of("whole"), last=""),
    "a ragged line": file(all_of("ordinary"), all_of("whole")).replace(b"\n3e2", b"\n1,3e2", 1),
    "a quoted cell": file(all_of("ordinary"), [*all_of("texts")[:-1], '"a,\nb"']),
    "an infinite cell": file([*all_of("ordinary")[:-1], "inf"], all_of("whole")),
    "a long cell": file([*all_of("ordinary")[:-1], "1" * 40], all_of("whole")),
}
READINGS = {
    "nothing": Reading(columns={}),
    "kinds": Reading(columns={"c0": "categorical", "c1": "ignore", "c8": "numeric"}),
    "marks": Reading(columns={}, missing=("1", "NA")),
    "a comma": Reading(columns={}, decimal=","),
    "a point": Reading(columns={}, decimal="."),
    "no header": Reading(columns={}, header=False),
}


def read(data: bytes, reading: Reading) -> Table | str:
    """The table, or the error."""
    try:
        return parse_csv(data, FileLimits(cell=30), reading)
    except DataError as error:
        return f"{error.code} {error.message} {error.extra}"


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("name", FILES)
def test_the_same_table(monkeypatch: pytest.MonkeyPatch, name: str, reading: str) -> None:
    whole = read(FILES[name], READINGS[reading])
    monkeypatch.setattr(plain_blocks, "BLOCK", 64)
    monkeypatch.setattr(plain_blocks, "FEWEST_ROWS", 1)
    blocks = read(FILES[name], READINGS[reading])
    if isinstance(whole, str) or isinstance(blocks, str):
        assert blocks == whole
        return
    assert blocks.columns == whole.columns
    assert blocks.findings == whole.findings
    for column in whole.names:
        np.testing.assert_array_equal(blocks.values[column], whole.values[column])


def test_plain_numbers_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_blocks, "BLOCK", 64)
    monkeypatch.setattr(plain_blocks, "FEWEST_ROWS", 1)
    seen: list[tuple[str, ...]] = []
    in_blocks = plain_blocks.in_blocks

    def watched(*args: object, **kwargs: object) -> plain_blocks.TypedFrame | None:
        frame = in_blocks(*args, **kwargs)  # type: ignore[arg-type]
        seen.append(() if frame is None else frame.numbers)
        return frame

    monkeypatch.setattr(delimited, "in_blocks", watched)
    parse_csv(FILES["each kind"])
    assert seen == [("c0", "c1", "c3")]
