"""Texts in files that people open in a spreadsheet, which computes what begins as a formula.

A text that begins with ``= + - @``, a tab or an end of line, or their wide forms, gets an
apostrophe before it, by which spreadsheets know a text; one that begins with apostrophes and then
so, one more: whoever takes away the first has what was there. Numbers stay as they are, so that the
classes `-1` and `+1` do. Source: OWASP, CSV Injection.
"""

import csv
import io
import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from worker.data.parquet import is_text

_FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]."
_NUMBER = r"^[+-]?[0-9.,]+([eE][+-]?[0-9]+)?%?$"


def harmless(text: str) -> str:
    """A text that no spreadsheet computes."""
    is_formula = re.match(_FORMULA, text, re.DOTALL) and not re.fullmatch(_NUMBER, text)
    return f"'{text}" if is_formula else text


def harmless_texts(texts: pa.Array) -> pa.Array:
    """Texts that no spreadsheet computes."""
    formula = pc.match_substring_regex(texts, f"(?s){_FORMULA}")
    if not pc.any(formula, min_count=0).as_py():
        return texts
    formula = pc.and_not(formula, pc.match_substring_regex(texts, _NUMBER))
    return pc.if_else(formula, pc.binary_join_element_wise("'", texts, ""), texts)


def harmless_table(table: pa.Table) -> pa.Table:
    """A table whose names and texts no spreadsheet computes."""
    columns = [_harmless_column(column) for column in table.columns]
    return pa.table(columns, names=[harmless(name) for name in table.column_names])


def harmless_line(cells: Iterable[object]) -> str:
    """A line of a CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def _harmless_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if not is_text(column.type):
        return column
    chunks = [harmless_texts(chunk) for chunk in column.cast(pa.string()).chunks]
    return pa.chunked_array(chunks, pa.string())
