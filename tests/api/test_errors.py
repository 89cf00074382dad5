"""Every mistake is answered with its field and its remedy, as a problem document."""

import json
from typing import Any

import pytest

from tests.api.client import Client

MEMBERS = {"type", "title", "status", "detail", "code", "param"}


def refused(client: Client, **spec: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"dataset": {"builtin": "iris"}, **spec})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem.keys() >= MEMBERS
    assert problem["status"] == 422
    return problem


@pytest.mark.parametrize(
    ("spec", "param", "says"),
    [
        ({"regularization": {"dropout": {"p": 1}}}, "regularization.dropout.p", "below 1, not 1"),
        ({"regularization": {"dropout": {"p": [0.5, 1]}}}, "regularization.dropout.p.1", "below 1"),
        (
            {"regularization": {"l1": {"strength": -1}}},
            "regularization.l1.strength",
            "at least 0, not -1",
        ),
        (
            {"regularization": {"l1": {"strength": "0.1"}}},
            "regularization.l1.strength",
            "without quotes",
        ),
        (
            {"regularization": {"l2": {"strength": True}}},
            "regularization.l2.strength",
            "must be a number, not true",
        ),
        ({"regularization": {"l1": {}}}, "regularization.l1.strength", "is required"),
        ({"regularization": {"drop_out": {}}}, "regularization.drop_out", "did you mean dropout?"),
        ({"network": {"kind": "rnn"}}, "network.kind", "'linear', 'mlp'"),
        ({"network": {"hidden": [5]}}, "network.kind", "linear, mlp, residual_mlp or cnn"),
        ({"dataset": "circle"}, "dataset", 'write {"builtin": "circle"}'),
        ({"network": {"kind": "mlp", "hiden": [5]}}, "network.hiden", "did you mean hidden?"),
        ({"network": {"kind": "mlp", "hidden": [0]}}, "network.hidden.0", "at least 1"),
        (
            {"network": {"kind": "mlp", "activation": "rulu"}},
            "network.activation",
            "'relu'",
        ),
        ({"training": {"epochs": 1.5}}, "training.epochs", "whole number"),
        ({"training": {"optimizer": {"kind": "sgd", "lr": 1}}}, "training.optimizer.lr", "fields"),
        ({"dataset": 5}, "dataset", "must be an object or a string"),
        ({"dataset": "irises"}, "dataset", "goes by its id"),
        ({"dataset": "ds_!"}, "dataset", "pattern"),
        ({"dataset": {"builtin": "circle", "rows": 5}}, "dataset.rows", "at least 20"),
        ({"dataset": {"builtin": "mnist"}}, "dataset.builtin", "'iris'"),
        ({"split": {"validation": 0.6, "test": 0.5}}, "split", "below 1"),
        ({"compare": []}, "compare", "at least 1"),
        ({"compare": [{"name": "a"}, {"name": "a"}]}, "compare", "own name"),
        ({"colour": "red"}, "colour", "is not a field here"),
        (
            {"regularization": {"dropout": "0.5"}},
            "regularization.dropout",
            'must be an object, as {"p": 0.5}, or the number alone, not "0.5"',
        ),
        (
            {"regularization": {"l1": True}},
            "regularization.l1",
            'must be an object, as {"strength": 0.0001}, or the number alone, not true',
        ),
        (
            {"regularization": {"batch_norm": 0.1}},
            "regularization.batch_norm",
            'must be an object, as {"momentum": 0.1}, not 0.1',
        ),
        ({"regularization": {"dropout": 1}}, "regularization.dropout", "below 1, not 1"),
        ({"regularization": {"lookahead": 1.5}}, "regularization.lookahead", "whole number"),
        ({"training": 20}, "training", 'must be an object, as {"epochs": 50}, not 20'),
        ({"epochs": 5}, "epochs", "is not a field here; did you mean training.epochs?"),
        ({"learning_rat": 1}, "learning_rat", "did you mean training.optimizer.learning_rate?"),
        ({"split": {"dropout": 1}}, "split.dropout", "did you mean regularization.dropout?"),
        ({"training": {"repeats": 3}}, "training.repeats", "did you mean repeats?"),
        (
            {"compare": [{"name": "a", "epochs": 1}]},
            "compare.0.epochs",
            "did you mean compare.0.training.epochs?",
        ),
        (
            {"seed": 1},
            "seed",
            "did you mean dataset.seed, split.seed, training.seed or search.seed?",
        ),
        ({"p": 0.5}, "p", "the fields are"),
        ({"regularization": {"L1": 0.1}}, "regularization.L1", "did you mean l1?"),
        ({"name": "x" * 500}, "name", "at most 120 characters, not 500"),
        (
            {
                "network": {"kind": "linear"},
                "training": {"optimizer": {"kind": "solver", "learning_rate": 0.1}},
            },
            "training.optimizer.learning_rate",
            "is not a field here; the fields are iterations, kind, method, tolerance",
        ),
    ],
)
def test_a_field_that_is_wrong_is_named(
    client: Client, spec: dict[str, Any], param: str | None, says: str
) -> None:
    problem = refused(client, **spec)
    assert problem["code"] == "invalid_request"
    assert problem["param"] == param
    assert says in problem["detail"]
    assert problem["errors"][0]["param"] == param
    assert len(problem["errors"]) == 1, problem["errors"]


@pytest.mark.parametrize("text", ["Infinity", "NaN", "1e999", "-Infinity"])
def test_a_number_that_is_not_finite_is_refused(client: Client, text: str) -> None:
    spec = {"dataset": {"builtin": "iris"}, "regularization": {"l1": {"strength": "HERE"}}}
    body = json.dumps(spec).replace('"HERE"', text)
    answer = client.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["param"] == "regularization.l1.strength"
    assert "finite" in answer.json()["detail"]


def test_all_wrong_fields_are_listed(client: Client) -> None:
    problem = refused(
        client, regularization={"l1": {"strength": -1}, "dropout": {"p": 2}}, repeats=0
    )
    assert [error["param"] for error in problem["errors"]] == [
        "regularization.l1.strength",
        "regularization.dropout.p",
        "repeats",
    ]
    assert "2 more" in problem["detail"]


def test_a_missing_data_set_is_asked_for(client: Client) -> None:
    answer = client.post("/v1/jobs", json={})
    assert (answer.json()["param"], answer.status_code) == ("dataset", 422)


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "The body is required: add it"),
        (b"[]", "The body must be an object, not []"),
        (b"null", "The body must be an object, not null"),
    ],
)
def test_a_body_that_is_no_object_is_refused(client: Client, content: bytes, detail: str) -> None:
    answer = client.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["param"]) == (422, None)
    assert answer.json()["detail"] == detail


def test_what_no_database_could_keep_is_refused(client: Client) -> None:
    assert refused(client, name="a\0b")["code"] == "invalid_text"
    assert client.post(
        "/v1/jobs", json={"dataset": {"builtin": "iris"}, "name": "\\u0000"}
    ).is_success
    assert client.get("/v1/jobs/a%00b").status_code == 400
    assert client.get("/v1/jobs/x/events?after=99999999999999999999").status_code == 422
    assert client.get("/v1/models/x/versions/99999999999999999999").status_code == 422


def test_json_that_is_nested_without_end_is_refused(client: Client) -> None:
    answer = client.post(
        "/v1/jobs", content=b"[" * 200_000, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "too_deep")
    assert "nested more than 64 deep" in answer.json()["detail"]


def test_an_unknown_data_set_is_a_wrong_field(client: Client) -> None:
    problem = refused(client, dataset="ds_000000000000000000000000")
    assert (problem["code"], problem["param"]) == ("dataset_not_found", "dataset")


def test_an_unknown_target_is_answered_with_what_is_near(client: Client) -> None:
    problem = refused(client, target="specis")
    assert (problem["code"], problem["param"]) == ("unknown_column", "target")
    assert "species" in problem["detail"]


def test_a_target_with_one_class_is_refused(client: Client) -> None:
    made = client.upload("x,y\n" + "1,a\n" * 30, target="y").json()["id"]
    problem = refused(client, dataset=made)
    assert (problem["code"], problem["param"]) == ("one_class", "target")


def test_a_data_set_without_a_target_needs_one(client: Client) -> None:
    made = client.upload("x,y\n" + "1,a\n2,b\n" * 30).json()["id"]
    problem = refused(client, dataset=made)
    assert (problem["code"], problem["param"]) == ("no_target", "target")
    assert refused(client, dataset=made, target="z")["code"] == "unknown_column"


def test_a_regression_of_names_is_refused(client: Client) -> None:
    problem = refused(client, task="regression")
    assert (problem["code"], problem["param"]) == ("task_mismatch", "task")


def test_a_configuration_that_contradicts_itself_is_refused(client: Client) -> None:
    problem = refused(
        client,
        network={"kind": "mlp", "hidden": [8, 8]},
        regularization={"dropout": {"p": [0.1, 0.2, 0.3]}},
    )
    assert problem["param"].endswith("regularization.dropout.p")


def test_what_is_no_json_is_malformed(client: Client) -> None:
    answer = client.post(
        "/v1/jobs", content='{"dataset": ', headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert "character 12" in answer.json()["detail"]


def test_json_that_is_not_called_json_is_answered_with_the_header(client: Client) -> None:
    answer = client.post(
        "/v1/jobs", content="{}", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in answer.json()["detail"]


def test_an_unknown_route_is_a_problem(client: Client) -> None:
    answer = client.get("/v1/nothing")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "/v1/nothing" in answer.json()["detail"]


def test_a_method_that_a_route_lacks_names_all_it_has(client: Client) -> None:
    answer = client.put("/v1/datasets/ds_1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, DELETE"


@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("limit=x", "limit"), ("state=done", "state")]
)
def test_a_query_that_is_wrong_is_named(client: Client, query: str, param: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["param"]) == (422, param)


def test_a_cursor_that_is_not_there_is_named(client: Client) -> None:
    answer = client.get("/v1/jobs", params={"after": "job_nowhere"})
    assert (answer.status_code, answer.json()["param"]) == (404, "after")


def test_what_nobody_foresaw_is_a_problem_without_details(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("service.routes.datasets.datasets.dataset_page", fail)
    answer = client.get("/v1/datasets")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
