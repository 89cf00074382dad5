"""`/invocations` as MLflow's and SageMaker's clients ask it, with the answers of `/predict`."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.client import Client, running
from tests.api.work import QUICK, post, train
from worker.settings import ServiceSettings

ROWS = [{"x1": 0.5, "x2": -0.25}, {"x1": 1.75, "x2": 1.5}, {"x1": -1.0, "x2": 0.125}]
CELLS = [[row["x1"], row["x2"]] for row in ROWS]
CSV = "x1,x2\n0.5,-0.25\n1.75,1.5\n-1.0,0.125\n"
FORMS: list[dict[str, Any]] = [
    {"dataframe_split": {"index": [0, 1, 2], "columns": ["x1", "x2"], "data": CELLS}},
    {"dataframe_split": {"data": CELLS}},
    {"dataframe_records": [{**row, "id": "a"} for row in ROWS]},
    {"instances": CELLS, "signature_name": "serving_default"},
    {"instances": ROWS},
    {"inputs": {"x1": [0.5, 1.75, -1.0], "x2": [-0.25, 1.5, 0.125]}},
    {"inputs": CELLS, "params": {}},
]


@pytest.fixture(scope="module", autouse=True)
def models(client: Client) -> None:
    """A classifier whose classes are numbers, and one whose classes are words, a comma in one."""
    train(client, post(client, dataset={"builtin": "circle"}, model="circle", training=QUICK))
    rows = "\n".join(f'{n % 7}.5,{n % 3},"{("no", "yes, sir")[n % 2]}"' for n in range(90))
    made = client.upload("x1,x2,y\n" + rows, target="y").json()["id"]
    train(client, post(client, dataset=made, model="words", training=QUICK))


def ask(
    client: Client, content: Any, kind: str = "application/json", model: str = "circle", **more: str
) -> httpx.Response:
    headers = {"Content-Type": kind, "X-Amzn-SageMaker-Target-Model": model, **more}
    body = content if isinstance(content, str | bytes) else json.dumps(content)
    return client.post("/invocations", content=body, headers=headers)


def expected(client: Client, model: str = "circle") -> list[dict[str, Any]]:
    answer = client.post(f"/v1/models/{model}/predict", json={"instances": ROWS})
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_the_answers_of_predict(client: Client, form: dict[str, Any]) -> None:
    answer = ask(client, form)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": [told["value"] for told in expected(client)]}
    assert answer.headers["content-type"] == "application/json"
    told = ask(client, {**form, "params": {"return": "all"}}).json()["predictions"]
    assert told == expected(client)
    told = ask(client, {**form, "params": {"return": "probabilities"}}).json()["predictions"]
    assert told == [list(one["probabilities"].values()) for one in expected(client)]


@pytest.mark.parametrize("header", [True, False])
def test_csv_is_answered_in_json_or_csv(client: Client, header: bool) -> None:
    content = CSV if header else CSV.partition("\n")[2]
    labels = [told["label"] for told in expected(client, "words")]
    answer = ask(client, content, "text/csv", "words")
    assert answer.json() == {"predictions": labels}
    answer = ask(client, content, "text/csv; charset=utf-8", "words", Accept="text/csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    quoted = [f'"{label}"' if "," in label else label for label in labels]
    assert answer.text == "\n".join(quoted) + "\n"
    numbers = [told["value"] for told in expected(client)]
    answer = ask(client, content, "text/csv", Accept="text/csv")
    assert answer.text == "".join(f"{number}\n" for number in numbers)


def test_lines_of_json_are_answered(client: Client) -> None:
    lines = "\n".join(map(json.dumps, ROWS))
    numbers = [told["value"] for told in expected(client)]
    assert ask(client, lines, "application/jsonlines").json() == {"predictions": numbers}
    answer = ask(client, lines, "application/jsonlines", Accept="application/jsonlines")
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"prediction": number} for number in numbers
    ]


def test_bodies_are_compressed_both_ways(client: Client) -> None:
    content = gzip.compress(json.dumps({"instances": CELLS * 400}).encode())
    answer = ask(client, content, **{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    numbers = [told["value"] for told in expected(client)]
    assert answer.json() == {"predictions": numbers * 400}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "must be an object with one of"),
        ({}, "has none of them"),
        ({"instances": CELLS, "inputs": CELLS}, "instances and inputs"),
        ({"instances": CELLS, "data": []}, "is not a field here"),
        ({"columns": ["x1"], "data": [[1]]}, "dataframe_split"),
        ({"instances": []}, "no rows"),
        ({"instances": {"x1": 1}}, "a list of rows"),
        ({"inputs": {"x1": [1], "x2": [1, 2]}}, "different lengths"),
        ({"inputs": {"x1": 1, "x2": 2}}, "one cell a row"),
        ({"dataframe_split": {"columns": ["x1", "x2"], "data": [[1]]}}, "1 cells for 2 columns"),
        ({"dataframe_split": {"columns": ["x1", "x1"], "data": [[1, 2]]}}, "twice"),
        ({"dataframe_split": [1]}, "columns"),
        ({"dataframe_records": [[1, 2]]}, "by column name"),
        ({"dataframe_records": [{"x1": 1}]}, "lacks the column 'x2'"),
        ({"instances": CELLS, "params": {"return": "odds"}}, "must be one of"),
        ({"instances": CELLS, "params": {"temperature": 1}}, "return, mc_samples"),
        ("{]", "not JSON"),
    ],
)
def test_what_cannot_be_read_is_told_why(client: Client, content: Any, says: str) -> None:
    answer = ask(client, content)
    told = answer.json()
    assert answer.status_code in (400, 422), told
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in told["detail"]
    assert told["error_code"] == "BAD_REQUEST"
    assert told["message"] == told["detail"]


def test_other_kinds_of_bodies_are_refused(client: Client) -> None:
    for kind in ("application/x-npy", "text/plain", "multipart/form-data; boundary=x"):
        answer = ask(client, b"1", kind)
        assert (answer.status_code, answer.json()["error_code"]) == (415, "BAD_REQUEST")
        assert "text/csv" in answer.json()["message"]
    assert ask(client, "x1\n1\n", "text/csv").json()["code"] == "missing_column"
    assert ask(client, "1,2,3\n", "text/csv").json()["code"] == "missing_column"


def test_which_model_answers_is_said(client: Client) -> None:
    body = json.dumps(FORMS[2])
    headers = {"Content-Type": "application/json"}
    answer = client.post("/invocations", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "model_not_chosen")
    assert "circle, words" in answer.json()["detail"]
    assert "PARSIMONY_INVOCATIONS_MODEL" in answer.json()["detail"]
    assert ask(client, body, model="circle.tar.gz").status_code == 200
    assert ask(client, body, model="circle/1").status_code == 200
    missing = ask(client, body, model="nobody")
    assert (missing.status_code, missing.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert ask(client, body, model="circle/9").status_code == 404
    assert ask(client, body, model="circle/-").status_code == 404
    assert (
        client.post("/invocations?model=circle", content=body, headers=headers).status_code == 422
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    state = tmp_path_factory.mktemp("alone")
    with running(ServiceSettings(state=state)) as client:
        yield client, state


def test_the_only_model_and_the_one_of_the_setting_answer(alone: tuple[Client, Path]) -> None:
    client, state = alone
    body = {"content": json.dumps(FORMS[2]), "headers": {"Content-Type": "application/json"}}
    assert client.post("/invocations", **body).status_code == 404
    train(client, post(client, dataset={"builtin": "circle"}, model="circle", training=QUICK))
    numbers = client.post("/invocations", **body).json()
    assert numbers == {"predictions": [told["value"] for told in expected(client)]}
    train(client, post(client, dataset={"builtin": "circle"}, model="second", training=QUICK))
    assert ask(client, body["content"], model="second").status_code == 200
    assert client.post("/invocations", **body).status_code == 409
    with running(ServiceSettings(state=state, invocations_model="circle/1")) as other:
        assert other.post("/invocations", **body).json() == numbers


def test_the_questions_that_mlflow_asks_beside(client: Client) -> None:
    assert client.get("/ping").status_code == 200
    assert client.get("/health").json()["status"] in ("ready", "degraded")
    version = client.get("/version")
    assert version.headers["content-type"].startswith("text/plain")
    assert version.text == client.app.version
