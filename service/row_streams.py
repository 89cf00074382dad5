"""Rows of a job on their way to a client: JSON, CSV or Parquet, a piece at a time."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray
from starlette.requests import Request

from worker.data import (
    DelimitedWriter,
    DividedRows,
    Form,
    ParquetWriter,
    RowWriter,
    harmless_table,
)
from worker.jobs import AnsweredPart, AnsweredRows
from worker.models import answer_columns, true_column
from worker.spec import JobSpec

RowForm = Literal["json", "csv", "parquet"]
ROW_MEDIA_TYPES: dict[RowForm, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
LEADING = ("row", "fold", "truth")
"""The columns before the answers."""


def form_for(request: Request, asked: RowForm | None, among: Sequence[RowForm]) -> RowForm:
    """The form of an answer: what was asked for, else the first that the header Accept names of
    those that there are, else JSON.
    """
    if asked is not None:
        return asked
    ranked: list[tuple[float, int, RowForm]] = []
    for place, entry in enumerate(request.headers.get("accept", "").split(",")):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        for form in among:
            if ROW_MEDIA_TYPES[form].split(";")[0] == kind:
                ranked.append((-_number(weight), place, form))
    return min(ranked)[2] if ranked else "json"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


# --- how rows were divided ------------------------------------------------------------------------


def splits_json(job: str, spec: JobSpec, divided: DividedRows, fold: int | None) -> Iterator[bytes]:
    """The members of a `SplitsView`, array by array; of one fold, if given."""
    numbers, splits = divided.row_numbers, divided.splits
    folded = spec.split.folds is not None
    chosen = splits[fold or 0] if fold is not None or not folded else None
    begin = {
        "object": "splits",
        "job": job,
        "rows": divided.rows,
        "folds_count": len(splits) if folded else 0,
        "repeats": spec.split.repeats,
    }
    yield orjson.dumps(begin)[:-1]
    for part in ("train", "validation"):
        yield f',"{part}":'.encode()
        yield b"null" if chosen is None else _dumped(numbers[getattr(chosen, part)])
    yield b',"test":' + _dumped(numbers[splits[0].test])
    yield b',"unused":' + _dumped(_unused(divided))
    yield b',"folds":['
    listed = [] if not folded else range(len(splits)) if fold is None else [fold]
    for place, number in enumerate(listed):
        split = splits[number]
        about = {
            "fold": number,
            "repeat": number // _in_repeat(spec, divided),
            "name": divided.fold_names[number] if divided.fold_names else None,
            "train_count": len(split.train),
            "validation_count": len(split.validation),
        }
        yield b"," * bool(place) + orjson.dumps(about)[:-1]
        yield b',"validation":' + _dumped(numbers[split.validation]) + b"}"
    yield b"]}"


def splits_csv(spec: JobSpec, divided: DividedRows, fold: int | None) -> Iterator[bytes]:
    """Lines `row,part,fold,repeat`.

    Without folds a line a row. With folds a row stands once a repeat, with the fold that it
    validates; what validates in none has no fold, nor have test rows a repeat. Of one fold, a line
    for each of its rows.
    """
    numbers, splits = divided.row_numbers, divided.splits
    yield b"row,part,fold,repeat\n"
    if fold is not None or spec.split.folds is None:
        split = splits[fold or 0]
        repeat = None if fold is None else fold // _in_repeat(spec, divided)
        for part in ("train", "validation"):
            yield from _lines(numbers[getattr(split, part)], part, fold, repeat)
    else:
        size = _in_repeat(spec, divided)
        for first in range(0, len(splits), size):
            these, repeat = splits[first : first + size], first // size
            for number, split in enumerate(these, start=first):
                yield from _lines(numbers[split.validation], "validation", number, repeat)
            never = _beside(len(numbers), [one.validation for one in these], splits[0].test)
            trained = np.intersect1d(never, these[-1].train, assume_unique=True)
            yield from _lines(numbers[trained], "train", None, repeat)
    yield from _lines(numbers[splits[0].test], "test", None, None)
    yield from _lines(_unused(divided), "unused", None, None)


def _in_repeat(spec: JobSpec, divided: DividedRows) -> int:
    """Folds of one repeat."""
    return max(1, len(divided.splits) // spec.split.repeats)


def _unused(divided: DividedRows) -> NDArray[np.int64]:
    """The numbers of the rows of the table that are in no part."""
    used = np.zeros(divided.rows, dtype=bool)
    for split in divided.splits:
        for places in (split.train, split.validation, split.test):
            used[divided.row_numbers[places]] = True
    return np.flatnonzero(~used)


def _beside(count: int, some: Sequence[NDArray[np.int64]], test: NDArray[np.int64]) -> Any:
    left = np.ones(count, dtype=bool)
    for places in (*some, test):
        left[places] = False
    return np.flatnonzero(left)


def _dumped(numbers: NDArray[np.int64]) -> bytes:
    return orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)


LINES = 65_536
"""Lines that are written at a time."""


def _lines(
    numbers: NDArray[np.int64], part: str, fold: int | None, repeat: int | None
) -> Iterator[bytes]:
    end = f",{part},{'' if fold is None else fold},{'' if repeat is None else repeat}\n"
    for first in range(0, len(numbers), LINES):
        texts = map(str, numbers[first : first + LINES].tolist())
        yield (end.join(texts) + end).encode()


# --- what rows are answered -----------------------------------------------------------------------


def answers_in(form: RowForm, job: str, part: AnsweredPart, found: AnsweredRows) -> Iterator[bytes]:
    """The answers in a form, a block of rows at a time."""
    if form == "json":
        return _answers_json(job, part, found)
    return _answers_table(form, found)


def _answers_json(job: str, part: AnsweredPart, found: AnsweredRows) -> Iterator[bytes]:
    begin = {
        "object": "row_answers",
        "job": job,
        "trial": found.trial,
        "configuration": found.configuration,
        "part": part,
        "count": found.count,
    }
    text = orjson.dumps(begin)[:-1] + b',"data":['
    for block in found.blocks:
        truth: list[Any] = block.truth.tolist()
        if found.target.task != "regression":
            truth = [found.target.classes[number] for number in truth]
        rows = [
            {"row": row, "fold": block.fold, "truth": true, **answer}
            for row, true, answer in zip(
                block.rows.tolist(), truth, block.answers.rows(), strict=True
            )
        ]
        yield text + orjson.dumps(rows)[1:-1]
        text = b","
    yield b"]}"


def _answers_table(form: Literal["csv", "parquet"], found: AnsweredRows) -> Iterator[bytes]:
    writer: RowWriter | None = None
    for block in found.blocks:
        folds = pa.array([block.fold] * len(block.rows), pa.int64())
        leading = (pa.array(block.rows), folds, true_column(found.target, block.truth))
        columns = dict(zip(LEADING, leading, strict=True))
        table = pa.table({**columns, **answer_columns(block.answers, LEADING)})
        if form == "csv":
            table = harmless_table(table)
        if writer is None:
            writer = ParquetWriter() if form == "parquet" else DelimitedWriter(table.column_names)
        yield writer.write(_Told(table), {})
    if writer is not None:
        yield writer.end()


class _Told:
    """Columns, as writers take rows."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def lines(self, form: Form) -> None:
        """None: they come from no file."""

    def objects(self) -> Sequence[Any]:
        """Each row as an object."""
        rows: list[Any] = self._table.to_pylist()
        return rows

    def table(self) -> pa.Table:
        """The columns."""
        return self._table
