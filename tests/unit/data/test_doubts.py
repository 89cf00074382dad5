"""Columns that were read as their cells say, and may mean something else, are told."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest

from worker.data import Table, read_table
from worker.data.resolution import Resolution
from worker.errors import DataError

ROWS = range(60)


def read(name: str, cell: Callable[[int], object]) -> Table:
    lines = [f'"{cell(row)}",{row % 7 / 2},{"ab"[row // 2 % 2]}' for row in ROWS]
    return read_table(BytesIO("\n".join([f"{name},f,y", *lines]).encode()))


def codes(table: Table, name: str) -> set[str]:
    return {finding.code for finding in table.findings if finding.column == name}


@pytest.mark.parametrize(
    ("name", "cell", "code"),
    [
        ("day", lambda row: 20240101 + row % 28, "dates_as_numbers"),
        ("ts", lambda row: 1_700_000_000 + row * 86_411, "dates_as_numbers"),
        ("created_at", lambda row: 1_700_000_000_000 + row * 86_411_123, "dates_as_numbers"),
        ("zip", lambda row: 10_115 + row * 37, "codes_as_numbers"),
        ("home_phone", lambda row: 555_000 + row * 71, "codes_as_numbers"),
        ("PLZ", lambda row: 10_115 + row % 20 * 37, "codes_as_numbers"),
        ("p", lambda row: -999 if row % 6 == 0 else row / 7, "missing_number"),
        ("p", lambda row: 9999 if row % 6 == 0 else row / 7, "missing_number"),
        ("p", lambda row: -1 if row % 6 == 0 else row % 23, "missing_number"),
        ("d", lambda row: f"{row % 28 + 1}. Mai 2024", "dates"),
        ("d", lambda row: f"{row % 28 + 1} de janeiro de 2024", "dates"),
        ("d", lambda row: f"2024-W{row % 52 + 1:02}", "dates"),
        ("d", lambda row: f"2024Q{row % 4 + 1}", "dates"),
        ("d", lambda row: f"Jan-{row % 20 + 10}", "dates"),
        ("d", lambda row: f"2024年{row % 12 + 1}月{row % 28 + 1}日", "dates"),
        ("d", lambda row: f"{row}:{row % 60:02}:30", "dates"),
        ("r", lambda row: f"{row}-{row + 9}", "digits_in_texts"),
        ("r", lambda row: f"{row}/7", "digits_in_texts"),
        ("r", lambda row: f"'{row * 3}'", "number_format"),
        ("r", lambda row: f'=""{row * 3}""', "number_format"),
        ("r", lambda row: f"{row}°30'N", "digits_in_texts"),
        ("r", lambda row: "".join(chr(0xFF10 + int(c)) for c in str(row * 7)), "number_format"),
        ("r", lambda row: f"{row} {('kg', 'g')[row % 2]}", "numbers_with_units"),
        ("idx", lambda row: row * 3, "identifier"),
    ],
)
def test_a_doubt_is_told(name: str, cell: Callable[[int], object], code: str) -> None:
    assert code in codes(read(name, cell), name)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("n", lambda row: 20_240_000 + row * 997),
        ("n", lambda row: 1_700_000_000 + row * 86_411),
        ("n", lambda row: -1 if row % 6 == 0 else -row / 9),
        ("n", lambda row: 99 if row % 6 == 0 else row % 23 * 4),
        ("zipper", lambda row: row * row % 97),
        ("t", lambda row: f"type {row % 4}"),
        ("t", lambda row: f"may {'abc'[row % 3]}"),
        ("t", lambda row: f"{row % 3}{'abcdefg'[row % 7]}"),
        ("t", lambda row: f"{row % 9:03}"),
    ],
)
def test_what_is_plain_is_not_doubted(name: str, cell: Callable[[int], object]) -> None:
    doubts = {"dates_as_numbers", "codes_as_numbers", "missing_number", "dates", "digits_in_texts"}
    assert not codes(read(name, cell), name) & (doubts | {"numbers_with_units"})


@pytest.mark.parametrize("line", ["A,Y", " a , y ", "a,y", '"A","y"'])
def test_a_header_stands_again_in_whatever_case(line: str) -> None:
    rows = [f"{row / 2},{'pq'[row % 2]}" for row in ROWS]
    table = read_table(BytesIO("\n".join(["a,y", *rows[:30], line, *rows[30:]]).encode()))
    assert table.rows == len(rows)
    assert table.column("y").categories == ("p", "q")
    assert "repeated_header" in [finding.code for finding in table.findings]


@pytest.mark.parametrize(
    "other", ["cafe\u0301", "ca\u200bf\u00e9", "CAF\u00c9", "ｃａｆ\u00e9", "ca\ufefff\u00e9"]
)
def test_labels_that_look_alike_are_found(other: str) -> None:
    table = read("c", lambda row: ("caf\u00e9", other, "tea")[row % 3])
    assert "similar_labels" in codes(table, "c")


@pytest.mark.parametrize("text", ["unknown", "pending", "n.v.", "Sin datos"])
def test_numbers_in_few_rows_of_a_target_are_no_classes(text: str) -> None:
    table = read("t", lambda row: text if row % 5 else f"{row / 7:.3f}")
    with pytest.raises(DataError) as caught:
        Resolution.of(table, "t")
    assert caught.value.code in ("stray_text_in_target", "target_not_read")
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        ([f"{row / 7:.2f}" for row in ROWS], "target_not_read"),
        ([f"{row / 7:.2f}".replace(".", ",") for row in ROWS], "target_not_read"),
        (["TBD", *(f"{row / 7:.2f}" for row in ROWS[1:])], "stray_text_in_target"),
        (["0", "1", "2"] * 20, None),
        (["01", "1", "2"] * 20, None),
    ],
)
def test_texts_of_numbers_in_npz(labels: list[str], code: str | None) -> None:
    file = BytesIO()
    np.savez(file, x=np.random.default_rng(1).random((60, 2)), y=np.array(labels))
    file.seek(0)
    table = read_table(file)
    if code is None:
        assert Resolution.of(table, "y").target.task == "multiclass"
        return
    with pytest.raises(DataError) as caught:
        Resolution.of(table, "y")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("| a | y |\n|---|:-:|\n| 1 | 2 |\n", "Markdown"),
        ("- a: 1\n  y: 2\n- a: 2\n  y: 3\n", "YAML"),
        ("---\na: 1\ny: 2\n", "YAML"),
        ("{'a': 1, 'y': 2}\n{'a': 2, 'y': 3}\n", "Python"),
        ("-1 1:0.5 7:1\n+1 2:0.25\n", "svmlight"),
        ("3 qid:1 1:0.5 2:1\n", "svmlight"),
        ("INSERT INTO t VALUES (1, 2);\n", "SQL"),
        ("create table `t` (a int);\n", "SQL"),
        ("md5: abc\nouts:\n- md5: abc\n  path: x\n", "pointer"),
        ("oid sha256:ab12\nsize 5\n", "pointer"),
    ],
)
def test_what_is_no_table_is_named(text: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(BytesIO(text.encode()))
    assert caught.value.code == "unsupported_format"
    assert says in str(caught.value)


def test_a_comment_between_the_rows_is_named() -> None:
    with pytest.raises(DataError, match="comments begin with #"):
        read_table(BytesIO(b"a,y\n1,2\n# a note\n3,4\n"))


@pytest.mark.parametrize(
    "cell",
    [
        lambda row: f"{row / 7:.2f} kg",
        lambda row: f"{row + 1}'{100 + row} net",
        lambda row: f"<{row}.5" if row % 2 else f"{row}.25",
        lambda row: f"2024-01-{row % 28 + 1:02}",
        lambda row: f"{row % 24}:{row:02}",
        lambda row: f"[{row / 7:.2f}]",
    ],
)
def test_a_target_of_rare_texts_with_digits_is_refused(cell: Callable[[int], object]) -> None:
    table = read("t", cell)
    with pytest.raises(DataError) as caught:
        Resolution.of(table, "t")
    assert caught.value.code == "target_not_read"
    for asked in ({"declared": True}, {"task": "multiclass"}):
        assert Resolution.of(table, "t", **asked).target.task == "multiclass"


@pytest.mark.parametrize("classes", [2, 19, 60])
def test_classes_may_hold_digits(classes: int) -> None:
    table = read("t", lambda row: f"class {row % classes}")
    assert len(Resolution.of(table, "t").target.classes) == classes
