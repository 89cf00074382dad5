"""What is wrong with a file of rows is told by its place, before anything of it is answered."""

import io
import signal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.reading.messages import ReaderEnd
from service.reading.reader import Reader
from tests.api.client import Client
from tests.api.work import QUICK, post, train

FLATS = "/v1/models/flats/predict"
CSV = {"Content-Type": "text/csv"}
LINES = {"Content-Type": "application/x-ndjson"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}


@pytest.fixture(scope="module", autouse=True)
def flats(client: Client) -> None:
    """A regression of two numbers."""
    rows = "\n".join(["x1,x2,price", *(f"{n % 13}.25,{n % 7},{n * 1.5}" for n in range(120))])
    made = client.upload(rows, target="price").json()["id"]
    train(client, post(client, dataset=made, model="flats", training=QUICK))


def refused(
    client: Client, url: str, content: Any, headers: dict[str, str] = CSV, status: int = 422
) -> dict[str, Any]:
    content = content.encode() if isinstance(content, str) else content
    answer = client.post(url, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        ("x1,X2\n1,2\n", "missing_column", "'x2'; it has 'X2'"),
        ("a,b\n1,2\n", "missing_column", "header=false"),
        ("x1,x2\n1,2\n1,two\n", "invalid_value", "'two' (line 3)"),
        ("x1,x2\n1,2\n\n\n1,1e99\n", "invalid_value", "(line 5)"),
        ('x1,x2,note\n1,2,"a\nb"\nx,2,\n', "invalid_value", "'x' (line 4)"),
        ("x1,x2\n1,2\n1,2,3\n", "ragged_rows", "Line 3 has 3 cells"),
        ("x1,x2,x1\n1,2,3\n", "duplicate_column", "'x1' stands 2 times"),
        ("", "empty_file", "empty"),
        ("x1,x2\n", "no_rows", "no rows"),
        ('{"x1": 1}', "unsupported_format", "JSON"),
        (b"x1,x2\n1,2\n\xff,2\n", "not_utf8", "line 3"),
        ('x1,x2\n"1,2\n1,2\n', "ragged_rows", "cells"),
    ],
)
def test_a_csv_that_cannot_be_read_is_told_why(
    client: Client, content: Any, code: str, says: str
) -> None:
    told = refused(client, FLATS, content)
    assert told["code"] == code, told
    assert says in told["detail"]


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ('{"x1": 1, "x2": 2}\n\n{"x1": 1}\n', "missing_column", 3),
        ('{"x1": 1, "x2": 2}\n{"x1": 1, "x2": "b"}\n', "invalid_value", 2),
        ('{"x1": 1, "x2": 2}\n{"x1": 1, "x2": 2\n', "invalid_json", 2),
        ('{"x1": 1, "x2": 2},\n', "invalid_json", 1),
    ],
)
def test_a_line_that_cannot_be_read_is_named(
    client: Client, content: str, code: str, line: int
) -> None:
    told = refused(client, FLATS, content, LINES)
    assert (told["code"], told["line"]) == (code, line), told
    assert f"ine {line}" in told["detail"]


def test_parquet_that_cannot_be_read_is_told_why(client: Client) -> None:
    def parquet(**columns: Any) -> bytes:
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        return sink.getvalue()

    assert refused(client, FLATS, b"PAR1junkPAR1", PARQUET)["code"] == "not_parquet"
    assert refused(client, FLATS, parquet(x1=[1.0]), PARQUET)["code"] == "missing_column"
    assert refused(client, FLATS, parquet(x1=[1.0], x2=[True]), PARQUET)["code"] == "kind_mismatch"
    told = refused(client, FLATS, parquet(x1=[1.0, 2.0], x2=["3", "x"]), PARQUET)
    assert "'x' (row 1, counted from 0)" in told["detail"]
    assert refused(client, FLATS, parquet(x1=[], x2=[]), PARQUET)["code"] == "no_rows"


def test_a_file_that_ends_its_reader_is_refused_and_the_next_one_answered(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x1": [1.0] * 9_000, "x2": [2.0] * 9_000}), sink)
    rows = sink.getvalue()
    assert client.post(FLATS, content=rows, headers=PARQUET).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "run", lambda *_: (None, ReaderEnd(status=-signal.SIGKILL)))
        told = refused(client, FLATS, rows, PARQUET)
    assert (told["code"], told["param"]) == ("reading_too_large", "file")
    assert client.post(FLATS, content=rows, headers=PARQUET).status_code == 200
    assert list((client.services.settings.state / "reading").iterdir()) == []


def test_what_is_said_beside_the_file_is_checked(client: Client) -> None:
    rows = "x1,x2\n1,2\n"
    assert refused(client, f"{FLATS}?seperator=,", rows)["param"] == "seperator"
    assert refused(client, f"{FLATS}?header=maybe", rows)["param"] == "header"
    assert refused(client, f"{FLATS}?separator=;&separator=,", rows)["param"] == "separator"
    assert refused(client, f"{FLATS}?header=true", '{"x1": 1}', LINES)["param"] == "header"
    assert refused(client, f"{FLATS}?version=-", rows)["param"] == "version"
    assert refused(client, "/v1/models/nobody/predict", rows, status=404)["code"] == "not_found"
    assert refused(client, f"{FLATS}?version=9", rows, status=404)["param"] == "version"
    headers = {"Content-Type": "application/xml"}
    assert client.post(FLATS, content=rows, headers=headers).status_code == 415
