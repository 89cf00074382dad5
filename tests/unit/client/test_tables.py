"""Tables in and out: frames, rows and files."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

from parsimony import ParsimonyError, tables

ROWS = [{"zip": "04109", "age": 41, "job": None}, {"zip": "01234", "age": 25, "job": "skilled"}]


def test_a_frame_keeps_types_and_index_there_and_back() -> None:
    frame = pd.DataFrame(ROWS, index=[7, 3])
    file = tables.as_file(frame)
    back = tables.like(file.content, frame)
    pd.testing.assert_frame_equal(back, frame)
    assert file.media_type == tables.PARQUET


def test_rows_are_a_csv_to_upload_and_lines_to_predict() -> None:
    assert tables.as_file(ROWS).content == b"zip,age,job\n04109,41,\n01234,25,skilled\n"
    lines = tables.as_file(ROWS, of_rows=tables.LINES)
    assert tables.like(lines.content, ROWS) == ROWS


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "loans.CSV"
    path.write_bytes(b"a,b\n1,2\n")
    file = tables.as_file(str(path))
    assert (file.name, file.content, file.media_type) == ("loans.CSV", b"a,b\n1,2\n", tables.CSV)
    assert tables.like(b"a,b,prediction\n", path) == b"a,b,prediction\n"


@pytest.mark.parametrize("table", [3, [], ["a"], {"a": [1]}])
def test_what_is_no_table_is_refused_with_what_would_be_one(table: object) -> None:
    with pytest.raises(ParsimonyError, match="DataFrame"):
        tables.as_file(table)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParsimonyError, match=r"nothing\.csv cannot be read: No such file"):
        tables.as_file(tmp_path / "nothing.csv")


def test_a_column_of_two_types_is_named() -> None:
    with pytest.raises(ParsimonyError, match="mixed"):
        tables.as_file(pd.DataFrame({"mixed": [1, "a", object()]}))


def test_without_a_library_of_frames_rows_stay_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "polars"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert tables.frame(ROWS) == ROWS
