"""From a data set and what is said of it to its table."""

from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import pytest

from worker.data import Table, read_table
from worker.data.table import numeric
from worker.errors import DataError, SpecError
from worker.jobs import tables
from worker.jobs.checked import MOST_FINDINGS, findings_about
from worker.jobs.table_cache import DATA_FIELDS, TableCache
from worker.jobs.tables import load_table, says_as_stored
from worker.results import Advice
from worker.spec import Builtin, JobSpec, Reading
from worker.storage import datasets
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.tables import Dataset

CSV = b"x,y\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n7,a\n8,b\n9,a\n10,b\n"
STORED: dict[str, Any] = {"columns": {"x": "numeric"}, "decimal": "."}


def said(**fields: Any) -> Reading:
    return Reading.model_validate(fields)


def finding(column: str | None, code: str = "odd") -> Advice:
    return Advice(
        severity="info",
        code=code,
        field=None,
        column=column,
        message="It is odd.",
        evidence={},
        fix="Look at it.",
    )


@pytest.fixture
def artefacts() -> Artefacts:
    return Artefacts("memory://tables")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, str | None, Reading]]:
    """What readers were asked; they answer a table with one more row for each question."""
    questions: list[tuple[bytes, str | None, Reading]] = []

    def read(source: BinaryIO, filename: str | None, reading: Reading) -> Table:
        questions.append((source.read(), filename, reading))
        return Table.of([numeric("x", np.arange(len(questions)))])

    monkeypatch.setattr(tables, "read_table", read)
    return questions


def upload(database: Database, artefacts: Artefacts, *, kept: bool = True) -> Dataset:
    table = replace(read_table(BytesIO(CSV)), findings=(finding("x"), finding("gone")))
    files = artefacts.write("datasets", {"table.parquet": table.to_parquet(), "source": CSV})
    source = files.files["source"]
    with database.write() as session:
        return datasets.add_dataset(
            session,
            name="n",
            target="y",
            rows=table.rows,
            columns=[],
            format="parquet",
            bytes=1,
            sha256=files.files["table.parquet"].sha256,
            path=files.file("table.parquet"),
            source=datasets.SourceFile(
                files.file("source"), source.sha256, source.bytes, "a.csv", STORED
            )
            if kept
            else None,
        )


@pytest.mark.parametrize(
    "fields",
    [{}, {"columns": {"x": "numeric"}}, {"decimal": "."}, STORED],
)
def test_a_job_that_says_nothing_new_uses_the_stored_table(
    database: Database, artefacts: Artefacts, asked: list[Any], fields: dict[str, Any]
) -> None:
    row = upload(database, artefacts)
    assert says_as_stored(row, said(**fields))
    table, target = load_table(artefacts, row, said(**fields))
    assert (table.names, table.rows, target) == (("x", "y"), 10, "y")
    assert [one.column for one in table.findings] == ["x", "gone"]
    assert asked == []


@pytest.mark.parametrize(
    ("fields", "merged"),
    [
        ({"decimal": ","}, {"columns": {"x": "numeric"}, "decimal": ","}),
        ({"header": False}, {**STORED, "header": False}),
        ({"missing": []}, {**STORED, "missing": []}),
        ({"columns": {"x": "ignore"}}, {**STORED, "columns": {"x": "ignore"}}),
        ({"columns": {"y": "date"}}, {**STORED, "columns": {"x": "numeric", "y": "date"}}),
    ],
)
def test_a_job_that_says_more_has_the_file_read_again(
    database: Database,
    artefacts: Artefacts,
    asked: list[Any],
    fields: dict[str, Any],
    merged: dict[str, Any],
) -> None:
    row = upload(database, artefacts)
    table, target = load_table(artefacts, row, said(**fields))
    assert (table.rows, target) == (1, "y")
    assert asked == [(CSV, "a.csv", said(**merged))]


def test_a_file_that_cannot_be_read_so_blames_the_data_set(
    database: Database, artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> Table:
        raise DataError("No.", code="ragged_rows", param="file", line=3)

    monkeypatch.setattr(tables, "read_table", refuse)
    with pytest.raises(DataError) as caught:
        load_table(artefacts, upload(database, artefacts), said(header=False))
    assert (caught.value.param, caught.value.extra) == ("dataset", {"line": 3})


def test_without_the_file_kinds_alone_can_be_declared(
    database: Database, artefacts: Artefacts, asked: list[Any]
) -> None:
    row = upload(database, artefacts, kept=False)
    table, _ = load_table(artefacts, row, said(columns={"x": "ignore"}))
    assert table.names == ("y",)
    for fields in ({"decimal": ","}, {"missing": ["-"], "columns": {"x": "ignore"}}):
        with pytest.raises(SpecError, match="upload it again") as caught:
            load_table(artefacts, row, said(**fields))
        assert caught.value.param == next(iter(fields))
    assert asked == []


def test_of_built_in_data_kinds_alone_can_be_declared(artefacts: Artefacts) -> None:
    circle = Builtin.model_validate({"builtin": "circle", "rows": 20})
    table, target = load_table(artefacts, circle, said(columns={"x1": "ignore"}))
    assert (table.names, target) == (("x2", "outside"), "outside")
    with pytest.raises(SpecError, match="no file") as caught:
        load_table(artefacts, circle, said(encoding="latin-1"))
    assert caught.value.param == "encoding"


def test_each_reading_is_kept_and_all_are_forgotten(
    database: Database, artefacts: Artefacts, asked: list[Any]
) -> None:
    row = upload(database, artefacts)
    cache = TableCache(database, artefacts)
    first, _ = cache.get(row.id, said(header=False))
    assert cache.get(row.id, said(header=False))[0] is first
    assert cache.get(row.id, said(decimal="."))[0] is cache.get(row.id)[0]
    assert cache.get(row.id, said(header=True))[0] is not first
    assert len(asked) == 2
    cache.forget(row.id)
    cache.get(row.id, said(header=False))
    assert len(asked) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"columns": {"x": "ignore"}},
        {"decimal": ","},
        {"thousands": ","},
        {"missing": ["-"]},
        {"separator": ";"},
        {"header": False},
        {"encoding": "latin-1"},
        {"target_missing": "drop"},
        {"positive": "b"},
        {"task": "multiclass"},
    ],
)
def test_each_field_that_decides_has_an_outline_of_its_own(fields: dict[str, Any]) -> None:
    body = {"dataset": "ds_12345678"}
    plain, other = (JobSpec.model_validate(each) for each in (body, body | fields))
    assert plain.model_dump(include=DATA_FIELDS) != other.model_dump(include=DATA_FIELDS)


def test_findings_about_the_target_come_first_and_those_about_what_is_ignored_not_at_all() -> None:
    found = [finding("x"), finding("gone"), finding(None), finding("y")]
    table = Table.of([numeric("x", [1, 1, 2]), numeric("y", [1, 2, 1])], findings=found)
    assert [one.column for one in findings_about(table, "y")] == ["y", "x", None]
    assert [one.column for one in findings_about(table, None)] == ["x", None, "y"]


def test_of_many_findings_the_last_says_how_many_more() -> None:
    found = [finding("x")] * 1000
    told = findings_about(Table.of([numeric("x", [1.0])], findings=found), "x")
    assert len(told) == MOST_FINDINGS
    assert told[-1].message.startswith(f"There are {1000 - MOST_FINDINGS + 1} more findings")
