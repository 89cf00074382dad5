"""The errors of a target of which cells or rows cannot be used as they are, with the ways out."""

import json

from worker.data.mixture import SHOWN, Mixture
from worker.data.table import Column
from worker.errors import DataError
from worker.results import Advice
from worker.text import shortened

_NOTATION = (
    'Say how they are written with `decimal` and `thousands`, such as `decimal`: ",", or write '
    "them with a decimal point and no other mark."
)


def stray_text(name: str, mixture: Mixture, finding: Advice | None) -> DataError:
    """A few texts in a column of numbers."""
    row, cell, place, where = _place(mixture, finding)
    texts, more = mixture.texts[:SHOWN], len(mixture.texts) > SHOWN
    first = f"it is {_shown(cell)}" if mixture.text_rows == 1 else f"the first is {_shown(cell)}"
    listed = ", ".join(json.dumps(text[:40], ensure_ascii=False) for text in texts)
    return DataError(
        f"The target {name!r} is a number in {mixture.number_rows:,} of {mixture.rows:,} rows, and "
        f"a text in {mixture.text_rows:,}: {first} ({where}). Correct the file; or set "
        f'`target_missing` to "drop" to leave such rows out; or list {listed}{", …" * more} under '
        f"`missing` to read it as a missing cell; or set `columns` to {declaration(name)} or "
        '`task` to "multiclass" if every different value is a class.',
        code="stray_text_in_target",
        param="target",
        column=name,
        row=row,
        cell=cell,
        rows=mixture.text_rows,
        change={"target_missing": "drop"},
        **place,
    )


def codes_among_numbers(name: str, mixture: Mixture, finding: Advice | None) -> DataError:
    """A few numbers that are written as codes are, in a column of others."""
    row, cell, place, where = _place(mixture, finding)
    numeric = {"columns": {name: "numeric"}}
    return DataError(
        f"The target {name!r} is a number in every row, but {_shown(cell)} ({where}) has leading "
        "zeros, as codes have. Set `columns` to "
        f"{json.dumps(numeric['columns'], ensure_ascii=False)} to read all as numbers, or to "
        f"{declaration(name)} to take them for classes.",
        code="target_not_read",
        param="target",
        column=name,
        row=row,
        cell=cell,
        change=numeric,
        **place,
    )


def not_read(name: str, mixture: Mixture, finding: Advice | None) -> DataError:
    """Numbers that may mean one thing or another."""
    row, cell, place, where = _place(mixture, finding)
    change = {} if finding is None or finding.change is None else {"change": finding.change}
    return _not_certain(
        name, row, cell, where, _NOTATION if finding is None else finding.fix, **place, **change
    )


def rare_texts(name: str, count: int, mixture: Mixture) -> DataError:
    """Texts with digits, nearly as many as rows: amounts, dates or identifiers, but no classes."""
    cell = mixture.categories[int(mixture.codes[mixture.codes >= 0][0])]
    return DataError(
        f"The target {name!r} holds {count:,} different texts in {mixture.rows:,} rows, nearly all "
        f"with digits, such as {_shown(cell)}: too many for classes, and no numbers as they stand. "
        "Write plain numbers; or name another target; or, if each text is a class, set `columns` "
        f'to {declaration(name)} or `task` to "multiclass".',
        code="target_not_read",
        param="target",
        column=name,
        cell=cell,
    )


def unsettled(name: str, row: int, cell: str) -> DataError:
    """Numbers with a comma that may be one of two things, beside texts that are left out."""
    where = f"row {row:,}, counted from 0"
    return _not_certain(name, row, cell, where, _NOTATION, change={"decimal": ","})


def _not_certain(
    name: str, row: int, cell: str, where: str, remedy: str, **more: object
) -> DataError:
    return DataError(
        f"The target {name!r} holds numbers in a notation that is not certain: the first is "
        f"{_shown(cell)} ({where}). {remedy} If every different value is a class, set `columns` to "
        f'{declaration(name)} or `task` to "multiclass".',
        code="target_not_read",
        param="target",
        column=name,
        row=row,
        cell=cell,
        **more,
    )


def _place(mixture: Mixture, finding: Advice | None) -> tuple[int, str, dict[str, int], str]:
    """Row and text of the first cell that is no plain number, its line if that is known, and both
    in words.
    """
    row, cell = mixture.first_text
    evidence = {} if finding is None else finding.evidence
    line = evidence.get("line")
    # What the reader found may be another cell: then its line is none of this one's.
    if not isinstance(line, int) or evidence.get("cell", cell) != cell:
        return row, cell, {}, f"row {row:,}, counted from 0"
    return row, cell, {"line": line}, f"line {line}"


def mostly_without(column: Column, without: int, rows: int) -> DataError:
    """More rows without a target than with one."""
    kept = (
        " If the missing cells are a class of their own, such as NA, say with `missing` which "
        "texts stand for a missing cell."
        if column.kind == "categorical"
        else ""
    )
    return DataError(
        f"{without:,} of {rows:,} rows have no target {column.name!r}, and only {rows - without:,} "
        'could train and validate. Set `target_missing` to "drop" to go on with these, or upload '
        f"them alone.{kept}",
        code="most_rows_have_no_target",
        param="target",
        column=column.name,
        rows=rows,
        without_target=without,
        change={"target_missing": "drop"},
    )


def declaration(name: str) -> str:
    """What `columns` is set to for the column to be categorical, as JSON."""
    return json.dumps({name: "categorical"}, ensure_ascii=False)


def _shown(cell: str) -> str:
    return repr(shortened(cell, 40))
