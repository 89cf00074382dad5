"""The upload's answer is a report; the file is kept; a job may have it read in another way."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import pytest

from service.reading.messages import ReadAnswer, ReaderEnd, ReadOrder
from service.reading.reader import Reader
from service.reading.work import answer_to
from tests.api.client import Client
from tests.api.work import QUICK, post, train
from worker.data import Column, Table, declare, read_table
from worker.results import Advice
from worker.spec import Reading
from worker.storage.datasets import find_dataset

CSV = "zip,day,y\n" + "".join(f"{n % 4},{n},{'ab'[n % 2]}\n" for n in range(40))


def reader(source: BinaryIO, filename: str | None = None, reading: Reading | None = None) -> Table:
    """A reader that leaves columns out, and finds each column that begins with z."""
    table = declare(read_table(source, filename), reading.columns if reading else {})
    found = [
        Advice(
            severity="warning",
            code="doubtful",
            field="columns",
            column=name,
            message=f"{name} is doubtful.",
            evidence={},
            fix="Declare it.",
            change={"columns": {name: "categorical"}},
        )
        for name in table.names
        if name.startswith("z")
    ]
    return replace(table, findings=tuple(found))


def read_here(patch: pytest.MonkeyPatch, function: Callable[..., Table]) -> None:
    """Have uploads read by a function, in this process."""

    def run(self: Reader, order: ReadOrder, file: int) -> tuple[ReadAnswer, ReaderEnd]:
        with os.fdopen(os.dup(file), "rb") as opened:
            return answer_to(order, opened), ReaderEnd(status=0)

    patch.setattr("service.reading.work.read_table", function)
    patch.setattr(Reader, "run", run)


@pytest.fixture
def finding(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    read_here(monkeypatch, reader)
    monkeypatch.setattr("worker.jobs.tables.read_table", reader)
    return


@pytest.mark.usefixtures("finding")
def test_an_upload_is_answered_with_what_was_read_found_and_understood(client: Client) -> None:
    made = client.upload(CSV, target="y", columns='{"day": "ignore"}', decimal=".").json()
    assert [column["name"] for column in made["columns"]] == ["zip", "y"]
    assert made["columns_count"] == 2
    assert [(one["code"], one["column"]) for one in made["findings"]] == [("doubtful", "zip")]
    assert made["findings"][0]["change"] == {"columns": {"zip": "categorical"}}
    assert made["understood"]["task"] == "binary"
    assert (made["understood"]["target"], made["understood"]["classes"]) == ("y", ["a", "b"])
    assert made["reading"]["columns"] == {"day": "ignore"}
    assert (made["reading"]["decimal"], made["reading"]["header"]) == (".", None)
    assert made["source"] == {
        "filename": "data.csv",
        "bytes": len(CSV),
        "sha256": hashlib.sha256(CSV.encode()).hexdigest(),
    }
    assert client.get(f"/v1/datasets/{made['id']}").json() == made
    (listed,) = client.get("/v1/datasets", params={"limit": 1}).json()["data"]
    assert (listed["findings_count"], listed["columns_count"]) == (1, 2)


@pytest.mark.usefixtures("finding")
def test_a_target_that_is_ignored_is_refused(client: Client) -> None:
    answer = client.upload(CSV, target="y", columns='{"y": "ignore"}')
    assert (answer.status_code, answer.json()["param"]) == (422, "target")
    assert "ignored" in answer.json()["detail"]


@pytest.mark.usefixtures("finding")
def test_a_job_overrules_what_was_said_at_upload(client: Client) -> None:
    made = client.upload(CSV, target="y", columns='{"day": "ignore"}').json()["id"]
    body = {"dataset": made, "training": QUICK}
    plain = client.post("/v1/jobs/validate", json=body).json()
    assert plain["advice"][0]["code"] == "doubtful"
    both = client.post("/v1/jobs/validate", json={**body, "columns": {"day": "numeric"}}).json()
    assert both["parameters"] > plain["parameters"]
    other = client.post("/v1/jobs/validate", json={**body, "columns": {"zip": "ignore"}})
    assert other.json()["code"] == "no_features"
    job = post(client, **body, columns={"day": "numeric", "zip": "ignore"}, model="overruled")
    ended = train(client, job)
    assert (ended["state"], ended["understood"]["target"]) == ("succeeded", "y")
    assert "doubtful" not in [one["code"] for one in ended["advice"]]
    version = client.get("/v1/models/overruled/versions/1").json()
    assert version["understood"] == ended["understood"]
    path = "/v1/models/overruled/predict"
    assert client.post(path, json={"instances": [{"day": 3}]}).status_code == 200


@pytest.mark.usefixtures("finding")
def test_the_findings_about_the_data_come_first_in_a_jobs_advice(client: Client) -> None:
    made = client.upload(CSV, target="y").json()["id"]
    job = client.post("/v1/jobs", json={"dataset": made, "training": QUICK}).json()
    validated = client.post("/v1/jobs/validate", json={"dataset": made, "training": QUICK}).json()
    assert job["advice"][0]["code"] == "doubtful"
    assert len(job["advice"]) > 1
    assert (validated["advice"], validated["understood"]) == (job["advice"], job["understood"])
    assert client.get(f"/v1/jobs/{job['id']}").json()["understood"] == job["understood"]


@pytest.mark.parametrize(
    ("cells", "code"),
    [(["a"] * 6, "one_class"), ([""] * 6, "empty_target"), (["7"] * 6, "one_class")],
)
def test_a_target_that_cannot_be_learned_is_a_finding(
    client: Client, cells: list[str], code: str
) -> None:
    csv = "x,y\n" + "".join(f"{number},{cell}\n" for number, cell in enumerate(cells))
    made = client.upload(csv, target="y")
    assert made.status_code == 201
    found = made.json()["findings"][0]
    assert (made.json()["understood"], found["code"], found["column"]) == (None, code, "y")
    assert client.post("/v1/jobs", json={"dataset": made.json()["id"]}).json()["code"] == code


def test_a_declaration_of_many_columns_fits_a_form(client: Client) -> None:
    """All columns that a table may have; what is longer is refused in words."""
    many = json.dumps({f"column {number}": "ignore" for number in range(10_000)})
    assert client.upload(CSV, columns=many).status_code in (201, 422)
    answer = client.upload(CSV, columns=" " * 2**20 + "{}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert "1024KB" in answer.json()["detail"]


def test_without_a_target_nothing_is_understood(client: Client) -> None:
    assert client.upload(CSV).json()["understood"] is None


@pytest.mark.parametrize(
    ("form", "param", "code"),
    [
        ({"target": "z"}, "target", "unknown_column"),
        ({"types": "x"}, "types", "unknown_field"),
        ({"taget": "y"}, "taget", "unknown_field"),
        ({"colums": "{}"}, "colums", "unknown_field"),
        ({"separator": ""}, "separator", "invalid_request"),
        ({"missing": ""}, "missing", "invalid_request"),
        ({"columns": "zip"}, "columns", "invalid_request"),
        ({"columns": '{"zip": "text"}'}, "columns.zip", "invalid_request"),
        ({"header": "maybe"}, "header", "invalid_request"),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused(
    client: Client, form: dict[str, str], param: str, code: str
) -> None:
    answer = client.upload(CSV, **form)
    assert answer.status_code == 422
    assert (answer.json()["param"], answer.json()["code"]) == (param, code)


def test_the_nearest_field_is_named(client: Client) -> None:
    for wrong, right in {
        "taget": "target",
        "seperator": "separator",
        "decimals": "decimal",
    }.items():
        assert f"did you mean {right}?" in client.upload(CSV, **{wrong: "y"}).json()["detail"]


def test_the_file_itself_is_kept_and_deleted_with_the_data_set(client: Client) -> None:
    made = client.upload("\ufeff" + CSV).json()["id"]
    services = client.services
    with services.database.read() as session:
        row = find_dataset(session, made)
    assert row.source_path is not None
    kept = services.artefacts.read(row.source_path, row.source_sha256)
    assert kept == ("\ufeff" + CSV).encode()
    client.delete(f"/v1/datasets/{made}")
    file = services.artefacts.local_path(row.source_path)
    assert file is not None
    assert not file.parent.exists()


def test_what_only_a_file_can_tell_is_refused_of_built_in_data(client: Client) -> None:
    body: dict[str, Any] = {"dataset": {"builtin": "circle"}, "decimal": ","}
    for path in ("/v1/jobs", "/v1/jobs/validate"):
        problem = client.post(path, json=body).json()
        assert (problem["status"], problem["code"], problem["param"]) == (
            422,
            "no_source",
            "decimal",
        )


def test_a_preview_shows_the_first_rows(client: Client) -> None:
    made = client.upload("age,job\n41,skilled\n,unskilled\n2.5,NA\n").json()["id"]
    path = f"/v1/datasets/{made}/preview"
    shown = client.get(path).json()
    assert shown["columns"] == [
        {"name": "age", "kind": "numeric", "shape": []},
        {"name": "job", "kind": "categorical", "shape": []},
    ]
    assert shown["rows"] == [[41, "skilled"], [None, "unskilled"], [2.5, None]]
    assert (shown["object"], shown["rows_count"]) == ("preview", 3)
    assert client.get(path, params={"rows": 1}).json()["rows"] == [[41, "skilled"]]
    for rows in (0, 101, "x"):
        assert client.get(path, params={"rows": rows}).json()["param"] == "rows"
    assert client.get("/v1/datasets/ds_nowhere/preview").status_code == 404


def test_a_preview_of_images_has_their_shape(client: Client) -> None:
    sink = BytesIO()
    np.savez(sink, x=np.zeros((6, 4, 5), np.uint8), y=np.arange(6) % 2)
    made = client.post("/v1/datasets", files={"file": ("i.npz", sink.getvalue())}).json()
    assert made["understood"]["task"] == "binary"
    shown = client.get(f"/v1/datasets/{made['id']}/preview", params={"rows": 2}).json()
    assert shown["columns"][0] == {"name": "image", "kind": "image", "shape": [1, 4, 5]}
    assert shown["rows"] == [[None, 0], [None, 1]]


def test_values_come_in_pages_with_their_counts(client: Client) -> None:
    words = [f"w{number % 7}" for number in range(30)]
    csv = "x,w,y\n" + "".join(f"{n},{word},{'ab'[n % 2]}\n" for n, word in enumerate(words))
    made = client.upload(csv, target="y").json()["id"]
    path, seen, after = f"/v1/datasets/{made}/values", {}, 0
    while True:
        page = client.get(path, params={"column": "w", "limit": 3, "after": after}).json()
        seen |= {one["value"]: one["count"] for one in page["data"]}
        after = page["data"][-1]["id"]
        if not page["has_more"]:
            break
    assert seen == {word: words.count(word) for word in sorted(set(words))}
    assert [one["value"] for one in client.get(path).json()["data"]] == ["a", "b"]
    assert client.get(path, params={"column": "x"}).json()["data"] == []
    assert client.get(path, params={"column": "v"}).json()["code"] == "unknown_column"
    bare = client.upload(csv).json()["id"]
    assert client.get(f"/v1/datasets/{bare}/values").json()["data"]


def test_dates_are_shown_as_dates(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def dated(*args: object) -> Table:
        return Table.of([(Column(name="d", kind="date", missing=1), np.array([0.0, np.nan, 31.0]))])

    read_here(monkeypatch, dated)
    made = client.upload("d\n1\n").json()
    (column,) = made["columns"]
    assert (column["minimum"], column["mean"], column["maximum"]) == (
        "1970-01-01",
        "1970-01-16T12:00:00",
        "1970-02-01",
    )
    rows = client.get(f"/v1/datasets/{made['id']}/preview").json()["rows"]
    assert rows == [["1970-01-01"], [None], ["1970-02-01"]]


def test_a_large_form_lies_in_the_state_folder_while_it_comes_in(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own folder, often memory, is not used; without a name, nothing can be left."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    made = client.upload("x,y\n" + "1.25,a\n2.5,b\n" * 150_000, target="y")
    assert made.status_code == 201, made.text
    assert made.json()["rows"] == 300_000
    forms = client.services.settings.state / "forms"
    assert forms.stat().st_mode & 0o777 == 0o700
    assert list(forms.iterdir()) == []
