"""Callers of MLflow's scoring server and of SageMaker's containers, as they are, over a socket."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.api.client import running
from tests.api.work import QUICK, post, train
from tests.integration.served import serving
from worker.settings import ServiceSettings

COLUMNS = ["x1", "x2"]
CELLS = [[0.5, -0.25], [1.75, 1.5], [-1.0, 0.125]]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = ServiceSettings(state=tmp_path_factory.mktemp("state"))
    with running(settings) as client:
        train(client, post(client, dataset={"builtin": "circle"}, model="circle", training=QUICK))
    with serving(settings) as at:
        yield at


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


@pytest.fixture(scope="module")
def expected(address: str, session: requests.Session) -> list[Any]:
    """What `/v1` answers, by value."""
    answer = session.post(
        f"{address}/v1/models/circle/predict", json={"instances": CELLS}, timeout=30
    )
    return [told["value"] for told in answer.json()["predictions"]]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": COLUMNS, "data": CELLS}},
        {"dataframe_records": [dict(zip(COLUMNS, row, strict=True)) for row in CELLS]},
        {"instances": CELLS},
        {"inputs": {name: [row[place] for row in CELLS] for place, name in enumerate(COLUMNS)}},
    ],
    ids=lambda body: next(iter(body)),
)
def test_mlflow_posts_json(
    address: str, session: requests.Session, expected: list[Any], body: dict[str, Any]
) -> None:
    """The four forms of MLflow's scoring protocol, to the server's root as `mlflow` does."""
    assert session.get(f"{address}/ping", timeout=30).status_code == 200
    answer = session.post(f"{address}/invocations", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": expected}


def test_mlflow_posts_csv(address: str, session: requests.Session, expected: list[Any]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *CELLS])
    answer = session.post(
        f"{address}/invocations",
        data=text.getvalue(),
        headers={"Content-Type": "text/csv; charset=utf-8"},
        timeout=30,
    )
    assert answer.json() == {"predictions": expected}


def test_sagemaker_sends_bytes_and_takes_csv(
    address: str, session: requests.Session, expected: list[Any]
) -> None:
    """As `invoke_endpoint` reaches a container: a body without a header line, a target model."""
    body = "\n".join(",".join(map(str, row)) for row in CELLS)
    headers = {
        "Content-Type": "text/csv; header=absent",
        "Accept": "text/csv",
        "X-Amzn-SageMaker-Target-Model": "circle",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
    }
    answer = session.post(f"{address}/invocations", data=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    told = [row[0] for row in csv.reader(io.StringIO(answer.text))]
    assert told == [json.dumps(value).strip('"') for value in expected]


def test_errors_are_read_as_they_come(address: str, session: requests.Session) -> None:
    answer = session.post(f"{address}/invocations", json={"rows": CELLS}, timeout=30)
    assert answer.status_code == 422
    said = answer.json()
    assert said["error_code"] == "BAD_REQUEST"
    assert "dataframe_split" in said["message"]
