"""A file of rows in, the same rows with the answers' columns appended out."""

import csv
import gzip
import io
import json
import zlib
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.serving.encodings import Inflater
from tests.api.client import Client
from tests.api.work import QUICK, post, train

LOANS = "/v1/models/loans/predict"
FLATS = "/v1/models/flats/predict"
JOBS = ("skilled", "self; employed", 'the "boss"')
CSV = {"Content-Type": "text/csv"}
LINES = {"Content-Type": "application/x-ndjson"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}


def loan(n: int) -> dict[str, str]:
    return {
        "income": f"{20 + n % 41},5",
        "job": JOBS[n % 3],
        "since": f"2024-{1 + n % 12:02}-03",
        "bought": "ny"[n % 2],
    }


def written(rows: list[dict[str, str]], separator: str = ";", newline: str = "\n") -> str:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, list(rows[0]), delimiter=separator, lineterminator=newline)
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue()


@pytest.fixture(scope="module", autouse=True)
def models(client: Client) -> None:
    """A classifier of a decimal comma, a category and a date; a regression of two numbers."""
    answer = client.upload(
        written([loan(n) for n in range(150)]), target="bought", columns='{"since": "date"}'
    )
    kinds = [column["kind"] for column in answer.json()["columns"]]
    assert kinds == ["numeric", "categorical", "date", "categorical"]
    train(client, post(client, dataset=answer.json()["id"], model="loans", training=QUICK))
    flats = "\n".join(["x1,x2,price", *(f"{n % 13}.25,{n % 7},{n * 1.5}" for n in range(120))])
    made = client.upload(flats, target="price").json()["id"]
    train(client, post(client, dataset=made, model="flats", training=QUICK))


def sent(client: Client, url: str, content: Any, headers: dict[str, str]) -> httpx.Response:
    content = content.encode() if isinstance(content, str) else content
    answer = client.post(url, content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def refused(
    client: Client, url: str, content: Any, headers: dict[str, str] = CSV, status: int = 422
) -> dict[str, Any]:
    content = content.encode() if isinstance(content, str) else content
    answer = client.post(url, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    return told


def by_json(client: Client, url: str, instances: list[Any]) -> list[dict[str, Any]]:
    answer = client.post(url, json={"instances": instances, "extra": "ignore"})
    assert answer.status_code == 200, answer.text
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


def same_bits(row: dict[str, Any], expected: dict[str, Any]) -> None:
    """The appended columns of a row, as texts or numbers, and an answer in JSON."""
    if "probabilities" not in expected:
        assert float(row["prediction"]) == expected["value"]
        return
    assert str(row["prediction"]) == expected["label"]
    for name, probability in expected["probabilities"].items():
        told = np.float32(row[f"probability_{name}"])
        assert told.tobytes() == np.float32(probability).tobytes()


def test_a_csv_comes_back_with_answers(client: Client) -> None:
    rows = [{"id": f" {n:03}", **loan(n), "note": 'a "b"; c\nd'} for n in range(500)]
    answer = sent(client, LOANS, written(rows), CSV)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["parsimony-model"] == "loans"
    assert answer.headers["parsimony-version"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    back = list(csv.DictReader(io.StringIO(answer.text, newline=""), delimiter=";"))
    appended = ["prediction", "probability_n", "probability_y"]
    assert list(back[0]) == [*rows[0], *appended]
    assert [{name: row[name] for name in rows[0]} for row in back] == rows
    for row, expected in zip(back, by_json(client, LOANS, rows), strict=True):
        same_bits(row, expected)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_come_back_as_they_were(client: Client, newline: str, mark: str) -> None:
    lines = ["x2,id,x1", " 1,007,0.50", "2,,+1e0 ", "3,a b,NA"]
    answer = sent(client, FLATS, mark + newline.join(lines) + newline, CSV)
    assert answer.content.decode().startswith(mark + "x2,id,x1,prediction" + newline)
    back = answer.content.decode().removeprefix(mark).split(newline)
    assert back.pop() == ""
    assert [line.rpartition(",")[0] for line in back] == lines
    rows = [{"x1": "0.5", "x2": 1}, {"x1": 1, "x2": 2}, {"x1": None, "x2": 3}]
    values = [float(line.rpartition(",")[2]) for line in back[1:]]
    assert values == [told["value"] for told in by_json(client, FLATS, rows)]


@pytest.mark.parametrize(
    ("content", "query"),
    [
        ("# made by hand\nx1\tx2\n1.5\t2\n", ""),
        ("sep=|\nx1|x2\n1.5|2\n", ""),
        ("x1 x2\n1.5   2\n", "?separator=space"),
        ("x1;x2\n1,5;2\n", "?decimal=,"),
        ("1.5,2\n", "?header=false"),
        ("x1,x2\n1.5,2".encode("utf-16"), ""),
        ("ü,x1,x2\nß,1.5,2\n".encode("latin-1"), "?encoding=latin-1"),
    ],
)
def test_a_csv_is_read_as_an_upload_is(client: Client, content: Any, query: str) -> None:
    answer = sent(client, FLATS + query, content, CSV)
    (expected,) = by_json(client, FLATS, [{"x1": 1.5, "x2": 2}])
    last = answer.text.rstrip("\n").rpartition("\n")[2]
    separator = next(mark for mark in "\t|; ," if mark in last)
    assert float(last.rpartition(separator)[2]) == expected["value"]
    if query == "?header=false":
        assert answer.text.count("\n") == 1


def test_lines_of_json_come_back_as_they_were(client: Client) -> None:
    lines = ['{"x1": 1.50, "x2": "2", "id": {"a": [1]}}', ' { "x2":2,"x1":1.5 } ', "[1.5, 2]", ""]
    answer = sent(client, FLATS, "\n".join(lines), LINES)
    assert answer.headers["content-type"] == "application/x-ndjson"
    back = answer.text.splitlines()
    assert back[0].startswith('{"x1": 1.50, "x2": "2", "id": {"a": [1]},"prediction":')
    assert back[2].startswith('{"instance":[1.5, 2],"prediction":')
    (expected,) = by_json(client, FLATS, [[1.5, 2]])
    assert [json.loads(line)["prediction"] for line in back] == [expected["value"]] * 3


def test_parquet_comes_back_with_its_types(client: Client) -> None:
    rows = [loan(n) for n in range(300)]
    table = pa.table(
        {
            "since": pa.array([row["since"] for row in rows]).cast(pa.date32()),
            "job": pa.array([row["job"] for row in rows]).dictionary_encode(),
            "income": [float(row["income"].replace(",", ".")) for row in rows],
            "note": [{"deep": [n]} for n in range(300)],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    answer = sent(client, LOANS, sink.getvalue(), PARQUET)
    back = pq.read_table(io.BytesIO(answer.content))
    assert back.select(table.column_names).equals(table)
    appended = back.column_names[4:]
    assert appended == ["prediction", "probability_n", "probability_y"]
    assert back.schema.field("probability_n").type == pa.float32()
    for row, expected in zip(back.to_pylist(), by_json(client, LOANS, rows), strict=True):
        same_bits(row, expected)


def test_what_pandas_stores_beside_its_columns_is_kept(client: Client) -> None:
    columns = {"x1": [1.5, None], "x2": [2, 3], "__index_level_0__": ["a", "b"]}
    table = pa.table(columns).replace_schema_metadata({"pandas": '{"index_columns": []}'})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    answer = sent(client, FLATS, sink.getvalue(), PARQUET)
    back = pq.read_table(io.BytesIO(answer.content))
    assert back.select(table.column_names).equals(table, check_metadata=True)
    instances = [{"x1": 1.5, "x2": 2}, {"x1": None, "x2": 3}]
    expected = [told["value"] for told in by_json(client, FLATS, instances)]
    assert back["prediction"].to_pylist() == expected


@pytest.mark.parametrize("kind", ["csv", "x-ndjson", "vnd.apache.parquet"])
@pytest.mark.parametrize("accept", ["csv", "x-ndjson", "vnd.apache.parquet", "json"])
def test_any_form_becomes_any_other(client: Client, kind: str, accept: str) -> None:
    rows = [{"x1": n + 0.5, "x2": n, "id": f"a,{n}"} for n in range(5)]
    if kind == "csv":
        content: Any = written([{k: str(v) for k, v in row.items()} for row in rows], ",")
    elif kind == "x-ndjson":
        content = "\n".join(map(json.dumps, rows))
    else:
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        content = sink.getvalue()
    kinds = {"csv": "text/csv", "json": "application/json"}
    headers = {
        "Content-Type": kinds.get(kind, f"application/{kind}"),
        "Accept": f"text/html, {kinds.get(accept, f'application/{accept}')};q=0.9, */*;q=0.1",
    }
    answer = sent(client, FLATS, content, headers)
    assert answer.headers["content-type"].startswith(kinds.get(accept, f"application/{accept}"))
    expected = by_json(client, FLATS, rows)
    if accept == "json":
        assert answer.json() == {"predictions": expected, "model": "flats", "version": 1}
        return
    if accept == "csv":
        back: Any = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    elif accept == "x-ndjson":
        back = [json.loads(line) for line in answer.text.splitlines()]
    else:
        back = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    assert [row["id"] for row in back] == [row["id"] for row in rows]
    assert [float(row["x1"]) for row in back] == [row["x1"] for row in rows]
    assert [float(row["prediction"]) for row in back] == [told["value"] for told in expected]


@pytest.mark.parametrize(
    ("name", "kind"), [("rows.csv", "text/csv"), ("rows.CSV", ""), ("rows", "text/csv")]
)
def test_a_form_holds_the_file(client: Client, name: str, kind: str) -> None:
    content = b"x1;x2\n1,5;2\n"
    part = (name, content, kind) if kind else (name, content)
    answer = client.post(
        FLATS, files={"file": part}, data={"decimal": ",", "separator": "semicolon"}
    )
    assert answer.status_code == 200, answer.text
    (expected,) = by_json(client, FLATS, [[1.5, 2]])
    assert answer.text == f"x1;x2;prediction\n1,5;2;{expected['value']!r}\n"


def test_a_form_that_is_none_is_told_why(client: Client) -> None:
    def told(**options: Any) -> tuple[int, Any, str]:
        answer = client.post(FLATS, **options)
        return answer.status_code, answer.json()["param"], answer.json()["detail"]

    file = ("rows.csv", b"x1,x2\n1,2\n", "text/csv")
    assert told(files={"other": file})[:2] == (422, "other")
    assert told(files={"file": file}, data={"seperator": ","})[:2] == (422, "seperator")
    assert told(files={"file": ("rows.xlsx", b"PK", "application/zip")})[0] == 415
    assert told(files=[("file", file), ("file", file)])[:2] == (422, "file")
    behind = told(files=[("file", file), ("decimal", (None, b","))])
    assert behind[:2] == (422, "decimal")
    assert "before it" in behind[2]
    assert told(files={"file": ("rows.csv", b"", "text/csv")})[:2] == (422, "file")
    assert told(files={"score": (None, b"true")})[:2] == (422, "file")
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert told(content=b"junk", headers=headers)[0] == 400
    assert told(content=b"--x\r\n", headers=headers)[0] == 400


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_files_are_compressed_both_ways(client: Client, coding: str) -> None:
    content = "x1,x2\n" + "1.5,2\n" * 3000
    packed = (
        gzip.compress(content.encode()) if coding == "gzip" else zlib.compress(content.encode())
    )
    headers = {**CSV, "Content-Encoding": coding, "Accept-Encoding": coding}
    answer = sent(client, FLATS, packed, headers)
    assert answer.headers["content-encoding"] == coding
    plain = sent(client, FLATS, content, {**CSV, "Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert answer.text == plain.text
    cut = refused(client, FLATS, packed[:-6], headers, status=400)
    assert cut["code"] == "damaged_body"
    headers["Content-Encoding"] = "br"
    assert refused(client, FLATS, packed, headers, status=415)["code"] == (
        "unsupported_content_encoding"
    )


def test_a_bomb_is_not_unpacked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zlib.compress(b"x1,x2\n" + b"1,2\n" * 500_000, 9)
    monkeypatch.setattr(Inflater, "FREE", 2**16)
    headers = {**CSV, "Content-Encoding": "deflate"}
    assert refused(client, FLATS, packed, headers, status=413)["code"] == "too_large"


def test_a_score_is_that_of_the_rows(client: Client) -> None:
    rows = [loan(n) for n in range(200)]
    for n in (3, 50, 120):
        rows[n]["bought"] = ""
    told = sent(client, f"{LOANS}?score=true", written(rows), CSV).json()
    predictions = by_json(client, LOANS, rows)
    known = [n for n in range(200) if rows[n]["bought"]]
    right = [predictions[n]["label"] == rows[n]["bought"] for n in known]
    assert (told["rows"], told["scored"], told["model"]) == (200, 197, "loans")
    assert told["metrics"]["accuracy"] == pytest.approx(np.mean(right))
    p = np.array([predictions[n]["probabilities"][rows[n]["bought"]] for n in known])
    assert told["metrics"]["log_loss"] == pytest.approx(-np.log(p).mean(), rel=1e-5)

    flats: list[dict[str, Any]] = [{"x1": n, "x2": 1, "price": n * 2.5 - 7} for n in range(40)]
    lines = "\n".join(map(json.dumps, flats))
    told = sent(client, f"{FLATS}?score=true", lines, LINES).json()
    values = np.array([prediction["value"] for prediction in by_json(client, FLATS, flats)])
    errors = values - np.array([row["price"] for row in flats])
    assert told["metrics"]["rmse"] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-5)
    assert told["metrics"]["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)


def test_what_cannot_be_scored_is_told_why(client: Client) -> None:
    assert refused(client, f"{FLATS}?score=true", "x1,x2\n1,2\n")["code"] == "missing_column"
    told = refused(client, f"{FLATS}?score=true", "x1,x2,price\n1,2,\n")
    assert told["code"] == "nothing_to_score"
    assert refused(client, f"{FLATS}?score=yes", "x1,x2\n1,2\n")["param"] == "score"


def test_columns_that_answers_would_have_are_kept(client: Client) -> None:
    once = sent(client, FLATS, "x1,x2\n1.5,2\n", CSV).text
    twice = sent(client, FLATS, once, CSV).text
    header, row = twice.splitlines()
    assert header == "x1,x2,prediction,prediction_1"
    assert row.split(",")[2] == row.split(",")[3]


def test_what_is_strange_is_counted(client: Client) -> None:
    url = "/v1/models/flats/statistics"
    before = client.get(url).json()
    sent(client, FLATS, "x1,x2\n" + "1e9,2\n" * 10 + "1,2\n", CSV)
    after = client.get(url).json()
    assert after["requests"] == before["requests"] + 1
    assert after["rows"] == before["rows"] + 11
    drift = {(met["column"], met["code"]): met["rows"] for met in after["drift"]}
    known = {(met["column"], met["code"]): met["rows"] for met in before["drift"]}
    assert drift["x1", "far_outside"] == known.get(("x1", "far_outside"), 0) + 10
