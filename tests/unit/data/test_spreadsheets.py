import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.data.spreadsheets import harmless, harmless_line, harmless_table

BEGINNINGS = "=+-@\t\r\n＝＋－＠"
AS_THEY_ARE = [
    "",
    "-",
    "+",
    "-1",
    "+1",
    "-1.5e-3",
    "+1,000.5",
    "-5%",
    "a=b",
    "'quoted'",
    " =x",
    "'",
]


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_numbers_and_plain_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text
    assert told([text]) == [text]


@given(st.text(alphabet=f"{BEGINNINGS}'1e,.a|!", max_size=6))
def test_no_cell_is_a_formula_and_each_can_be_had_back(text: str) -> None:
    made = harmless(text)
    assert told([text]) == [made]
    if made == text:
        assert len(text) < 2 or text[0] not in BEGINNINGS or not set(text) - set("+-0123456789.,e%")
    else:
        assert made == f"'{text}"
        assert text.lstrip("'")[0] in BEGINNINGS


@given(st.lists(st.text(alphabet=f"{BEGINNINGS}'1a", max_size=5), unique=True, max_size=9))
def test_different_texts_stay_different(texts: list[str]) -> None:
    assert len(set(map(harmless, texts))) == len(texts)


def test_names_and_all_kinds_of_texts_are_seen_to() -> None:
    text = "=HYPERLINK(1)"
    arrays = [pa.array([text, None]).cast(kind) for kind in (pa.large_string(), pa.string_view())]
    arrays += [pa.array([text, None]).dictionary_encode(), pa.array([-1, 2])]
    table = harmless_table(pa.table(arrays, names=["@a", "b", "c", "d"]))
    assert table.column_names == ["'@a", "b", "c", "d"]
    assert [table[name].to_pylist()[0] for name in table.column_names] == [f"'{text}"] * 3 + [-1]
    assert table["b"].to_pylist()[1] is None


def test_a_line_is_one_of_csv() -> None:
    line = harmless_line(["=1", -2, "a,b", None])
    assert list(csv.reader(io.StringIO(line))) == [["'=1", "-2", "a,b", ""]]


def told(texts: list[str]) -> list[str]:
    made: list[str] = harmless_table(pa.table({"a": texts}))["a"].to_pylist()
    return made
