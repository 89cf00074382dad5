"""Jobs are checked by what was counted of their data: the service reads no table for them."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from service.reading.messages import ReadAnswer, ReaderEnd, ReadOrder
from service.reading.reader import Reader
from tests.api.client import Client
from worker.data import Table
from worker.storage import datasets
from worker.storage.artefacts import Artefacts

CSV = "who,day,x,z,y\n" + "".join(
    f"p{n % 15},2024-01-{n % 28 + 1:02d},{n * 37 % 101 / 10},{n},{'ab'[n * 7 % 10 > 4]}\n"
    for n in range(120)
)


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What readers were asked to do. Nobody else reads a table."""
    asked: list[str] = []
    run = Reader.run

    def noted(self: Reader, order: ReadOrder, file: int) -> tuple[ReadAnswer | None, ReaderEnd]:
        asked.append(order.task)
        return run(self, order, file)

    def none(*_: Any) -> Table:
        raise AssertionError("a table was read in the service")

    monkeypatch.setattr(Reader, "run", noted)
    monkeypatch.setattr(Table, "from_parquet", none)
    return asked


@pytest.fixture
def uploaded(client: Client, orders: list[str]) -> Iterator[str]:
    made = client.upload(CSV, target="y", columns='{"day": "date"}').json()
    assert orders.pop() == "describe"
    yield made["id"]
    assert client.delete(f"/v1/datasets/{made['id']}").status_code in (204, 409)


def validated(client: Client, dataset: str, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs/validate", json={"dataset": dataset, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_job_is_accepted_without_a_look_at_its_file(
    client: Client, uploaded: str, orders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for read in ("open", "read"):
            patch.setattr(Artefacts, read, None)  # whatever calls it fails
        assert validated(client, uploaded)["understood"]["classes"] == ["a", "b"]
        for fields in ({"split": {"folds": 5}}, {"target": "x", "task": "regression"}):
            assert validated(client, uploaded, **fields)["understood"]["rows"]["used"] == 120
        body = {"dataset": uploaded, "training": {"epochs": 1}}
        job = client.post("/v1/jobs", json=body)
    assert job.status_code == 202, job.text
    assert orders == []
    client.post(f"/v1/jobs/{job.json()['id']}/cancel")


@pytest.mark.parametrize(
    ("fields", "left_out"),
    [
        ({"split": {"groups": "who", "validation": 0.2}}, {"who": "groups"}),
        ({"split": {"order": "day", "validation": 0.2}}, {}),
        ({"sample_weight": "z"}, {"z": "sample_weight"}),
    ],
)
def test_what_rows_decide_is_looked_at_by_a_reader(
    client: Client, uploaded: str, orders: list[str], fields: dict[str, Any], left_out: Any
) -> None:
    assert validated(client, uploaded, **fields)["understood"]["left_out"] == left_out
    assert orders == ["check"]


def test_a_file_that_is_read_otherwise_is_read_once(
    client: Client, uploaded: str, orders: list[str]
) -> None:
    for validation in (0.2, 0.3):
        found = validated(
            client, uploaded, columns={"who": "ignore"}, split={"validation": validation}
        )
        assert found["understood"]["left_out"] == {"who": "ignored"}
    assert orders == ["count"]


def test_a_refusal_names_the_row(client: Client, orders: list[str]) -> None:
    csv = CSV.replace("p3,", ",", 1)
    dataset = client.upload(csv, target="y").json()["id"]
    body = {"dataset": dataset, "split": {"groups": "who", "validation": 0.2}}
    answer = client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["param"]) == (422, "split.groups")
    assert "row 3, counted from 0" in answer.json()["detail"]
    assert orders == ["describe", "check"]


def test_a_data_set_of_before_is_counted_once(
    client: Client, uploaded: str, orders: list[str]
) -> None:
    database = client.services.database
    with database.write() as session:
        before = datasets.statistics_of(session, uploaded)
        session.execute(
            text("UPDATE dataset SET statistics = NULL WHERE id = :id"), {"id": uploaded}
        )
    for folds in (3, 4):
        assert validated(client, uploaded, split={"folds": folds})["trials"] == folds + 1
    assert orders == ["count"]
    with database.read() as session:
        assert datasets.statistics_of(session, uploaded) == before


def test_what_is_shown_of_a_table_is_read_as_far_as_it_is_shown(
    client: Client, uploaded: str, orders: list[str]
) -> None:
    path = f"/v1/datasets/{uploaded}"
    assert client.get(f"{path}/preview", params={"rows": 2}).json()["rows"][1][0] == "p1"
    values = client.get(f"{path}/values", params={"column": "who", "limit": 2}).json()
    assert [(one["value"], one["count"]) for one in values["data"]] == [("p0", 8), ("p1", 8)]
    whole = client.get(path, params={"include": "categories"}).json()["columns"][0]
    assert len(whole["categories"]) == 15
    assert orders == []
