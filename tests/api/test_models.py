"""Models and predictions over HTTP."""

from typing import Any

import pytest

from tests.api.client import Client
from tests.api.work import QUICK, post, train

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, None, 4.2, 1.5]]
NAMES = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]


@pytest.fixture(scope="module", autouse=True)
def versions(client: Client) -> list[dict[str, Any]]:
    """Two versions of a model, the second one with dropout and noise."""
    spec = {"training": {**QUICK, "epochs": 20}, "model": "iris"}
    techniques: dict[str, Any] = {"dropout": {"p": 0.5}, "noise": {"input": 0.1}, "batch_norm": {}}
    return [
        train(client, post(client, **spec)),
        train(client, post(client, **spec, regularization=techniques)),
    ]


def predict(client: Client, instances: Any, **query: Any) -> dict[str, Any]:
    answer = client.post("/v1/models/iris/predict", json={"instances": instances}, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_winner_becomes_a_version(client: Client, versions: list[dict[str, Any]]) -> None:
    assert [job["model"] for job in versions] == [
        {"name": "iris", "version": 1},
        {"name": "iris", "version": 2},
    ]
    model = client.get("/v1/models/iris").json()
    assert (model["versions"], model["latest"], model["aliases"]) == ([1, 2], 2, {})
    version = client.get("/v1/models/iris/versions/1").json()
    assert (version["job"], version["version"]) == (versions[0]["id"], 1)
    assert version["metrics"] == versions[0]["best"]["metrics"]
    assert [row["name"] for row in client.get("/v1/models").json()["data"]] == ["iris"]


def test_records_and_arrays_get_the_same_probabilities(client: Client) -> None:
    arrays = predict(client, ROWS)
    records = predict(client, [dict(zip(NAMES, row, strict=True)) for row in ROWS])
    assert arrays == records
    assert (arrays["model"], arrays["version"]) == ("iris", 2)
    for prediction in arrays["predictions"]:
        assert prediction.keys() == {"label", "probabilities"}
        assert sum(prediction["probabilities"].values()) == pytest.approx(1)
        best = max(prediction["probabilities"], key=prediction["probabilities"].__getitem__)
        assert prediction["label"] == best


def test_classes_that_are_whole_numbers_are_answered_as_numbers_too(client: Client) -> None:
    rows = "\n".join(f"{number % 3},{number % 3 + 1}" for number in range(60))
    made = client.upload(f"x,stars\n{rows}\n", target="stars").json()["id"]
    train(client, post(client, dataset=made, model="stars"))
    answer = client.post("/v1/models/stars/predict", json={"instances": [[0], [1], [2]]}).json()
    for prediction in answer["predictions"]:
        assert prediction.keys() == {"label", "probabilities", "value"}
        assert type(prediction["value"]) is int
        assert prediction["label"] == str(prediction["value"])


def test_dropout_and_noise_are_off(client: Client) -> None:
    assert predict(client, ROWS) == predict(client, ROWS)
    alone = [predict(client, [row])["predictions"][0]["probabilities"] for row in ROWS]
    together = [row["probabilities"] for row in predict(client, ROWS)["predictions"]]
    for one, other in zip(alone, together, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_an_alias_chooses_the_version_that_answers(client: Client) -> None:
    before = predict(client, ROWS)
    answer = client.put("/v1/models/iris/aliases/production", json={"version": 1})
    assert (answer.status_code, answer.json()["aliases"]) == (200, {"production": 1})
    assert predict(client, ROWS)["version"] == 1
    assert predict(client, ROWS, version="2") == before
    assert predict(client, ROWS, version="production")["version"] == 1
    client.put("/v1/models/iris/aliases/production", json={"version": 2})
    assert predict(client, ROWS) == before


def test_an_alias_is_deleted_and_the_newest_answers(client: Client) -> None:
    client.put("/v1/models/iris/aliases/production", json={"version": 1})
    client.put("/v1/models/iris/aliases/champion", json={"version": 1})
    assert predict(client, ROWS, version="champion")["version"] == 1
    for alias in ("production", "champion"):
        assert client.delete(f"/v1/models/iris/aliases/{alias}").status_code == 204
        assert predict(client, ROWS)["version"] == 2
    assert client.get("/v1/models/iris").json()["aliases"] == {}
    gone = client.post(
        "/v1/models/iris/predict", json={"instances": ROWS}, params={"version": "champion"}
    )
    assert (gone.status_code, gone.json()["param"]) == (404, "version")
    again = client.delete("/v1/models/iris/aliases/champion")
    assert (again.status_code, again.json()["param"]) == (404, "alias")
    assert "GET /v1/models/iris lists them" in again.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/models/iris/aliases/production", {"version": 9}, 404, "version"),
        ("/v1/models/iris/aliases/production", {"version": "1"}, 422, "version"),
        ("/v1/models/iris/aliases/production", {"version": 1, "versoin": 1}, 422, "versoin"),
        ("/v1/models/iris/aliases/3", {"version": 1}, 422, "alias"),
        ("/v1/models/none/aliases/production", {"version": 1}, 404, "name"),
    ],
)
def test_an_alias_that_cannot_be_set_is_refused(
    client: Client, path: str, body: Any, status: int, param: str
) -> None:
    answer = client.put(path, json=body)
    assert (answer.status_code, answer.json()["param"]) == (status, param)


@pytest.mark.parametrize(
    ("instances", "param"),
    [
        ([], "instances"),
        ([[1.0, 2.0]], "instances.0"),
        ([ROWS[0], [1.0, "wide", 3.0, 4.0]], "instances.1.sepal width (cm)"),
        ([dict.fromkeys(NAMES[:3], 1.0)], "instances.0.petal width (cm)"),
        ([{**dict.fromkeys(NAMES, 1.0), "colour": 1}], "instances.0.colour"),
        ([5], "instances.0"),
    ],
)
def test_an_instance_that_does_not_fit_is_named(client: Client, instances: Any, param: str) -> None:
    answer = client.post("/v1/models/iris/predict", json={"instances": instances})
    assert (answer.status_code, answer.json()["param"]) == (422, param)


def test_a_regression_answers_in_the_targets_unit(client: Client) -> None:
    train(client, post(client, dataset={"builtin": "diabetes"}, model="diabetes"))
    row = [48.0, 1.0, 26.4, 94.0, 189.0, 115.0, 49.0, 4.0, 4.6, 91.0]
    answer = client.post("/v1/models/diabetes/predict", json={"instances": [row]}).json()
    (prediction,) = answer["predictions"]
    assert prediction.keys() == {"value"}
    assert 25 < prediction["value"] < 346


def test_the_certificate_is_served_with_the_model(client: Client) -> None:
    certificate = client.get("/v1/models/iris/certificate").json()
    assert certificate["passed"]
    assert certificate["version"] == 2
    assert all(check["passed"] and check["detail"] for check in certificate["checks"])
    first = client.get("/v1/models/iris/certificate", params={"version": "1"}).json()
    assert first["version"] == 1


def test_a_model_without_a_passed_certificate_is_not_served(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker.models import Certificate
    from worker.models.certificate import Check

    def refuse(model: object) -> Certificate:
        check = Check(name="eval_mode", passed=False, detail="1 module in training mode")
        return Certificate(issued_at="2026-11-23T07:30:00+00:00", passed=False, checks=(check,))

    train(client, post(client, model="refused"))
    monkeypatch.setattr("service.serving.residents.certify", refuse)
    answer = client.post("/v1/models/refused/predict", json={"instances": ROWS})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_certified")
    assert answer.json()["checks"][0]["name"] == "eval_mode"
    assert not client.get("/v1/models/refused/certificate").json()["passed"]


def test_a_damaged_file_is_not_served(client: Client) -> None:
    train(client, post(client, model="damaged"))
    with client.services.database.read() as session:
        from worker.storage import models

        path = client.services.artefacts.local_path(models.resolve(session, "damaged").path)
    assert path is not None
    path.chmod(0o640)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    answer = client.post("/v1/models/damaged/predict", json={"instances": ROWS})
    assert (answer.status_code, answer.json()["code"]) == (500, "artefact_damaged")


@pytest.mark.parametrize("path", ["", "/versions/1", "/certificate"])
def test_an_unknown_model_is_not_found(client: Client, path: str) -> None:
    answer = client.get(f"/v1/models/none{path}")
    assert (answer.status_code, answer.json()["param"]) == (404, "name")
