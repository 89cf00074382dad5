"""Networks that answer together over HTTP: chosen as a job ends, registered, served, exported."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.api.client import Client
from tests.api.work import ask, post, score, train
from worker.models import ModelFile, TrainedModel
from worker.spec import Trial
from worker.storage.tables import Job

COMPARE = [
    {"name": "none", "regularization": {}},
    {"name": "dropout", "regularization": {"dropout": {"p": 0.2}}},
    {"name": "norm", "regularization": {"batch_norm": {}, "weight_decay": {"strength": 0.01}}},
]
NETWORK = {"kind": "mlp", "hidden": [8]}
IRIS: dict[str, Any] = {
    "dataset": {"builtin": "iris"},
    "network": NETWORK,
    "split": {"folds": 3, "test": 0.2},
    "compare": COMPARE,
}
ROW = {
    "sepal length (cm)": 5.1,
    "sepal width (cm)": 3.5,
    "petal length (cm)": 1.4,
    "petal width (cm)": 0.2,
}


@pytest.fixture(scope="module")
def job(client: Client) -> dict[str, Any]:
    """A comparison on three folds whose nine networks are served together."""
    job_id = post(client, **IRIS, ensemble={"method": "all"}, model="together")
    ended = train(client, job_id)
    assert ended["state"] == "succeeded", ended["error"]
    return ended


def test_what_is_served_is_told(client: Client, job: dict[str, Any]) -> None:
    assert job["best"]["served"] == "ensemble"
    report = client.get(f"/v1/jobs/{job['id']}/report").json()["appraisal"]
    told = report["ensemble"]
    assert (told["method"], told["networks"]) == ("all", 9)
    assert [one["name"] for one in told["members"]] == ["none", "dropout", "norm"]
    assert [one["weight"] for one in told["members"]] == pytest.approx([1 / 3] * 3)
    assert report["choice"]["chosen"] == "all"
    assert [one["method"] for one in report["choice"]["candidates"]][-3:] == [
        "all",
        "top",
        "greedy",
    ]
    version = client.get("/v1/models/together/versions/1").json()
    assert version["served"] == "ensemble"
    assert version["manifest"]["ensemble"]["networks"] == 9
    for part, of_part in (("validation", "choosing"), ("test", "test")):
        for name, value in told["metrics"][of_part].items():
            assert version["metrics"][f"{part}_{name}"] == value


def test_its_answers_are_the_mean_of_its_networks(client: Client, job: dict[str, Any]) -> None:
    version = client.get("/v1/models/together/versions/1").json()
    answer = client.post("/v1/models/together/predict", json={"instances": [ROW]}).json()
    with client.services.database.read() as session:
        row = session.get_one(Job, job["id"])
        data = client.services.artefacts.read(row.ensemble_path, row.ensemble_sha256)
    assert version["sha256"] == row.ensemble_sha256
    file = ModelFile.load(data)
    assert len(file.manifest.networks) == 9
    model = TrainedModel.load(data, 0)
    members = model.member_scores(model.encode(model.read([ROW]).table))
    odds = np.exp(members[:, 0].astype(float))
    each = odds / odds.sum(axis=1, keepdims=True)
    told = list(answer["predictions"][0]["probabilities"].values())
    assert told == pytest.approx(each.mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_it_is_exported(client: Client, job: dict[str, Any], kind: str) -> None:
    answer = client.get("/v1/models/together/export", params={"format": kind}, timeout=300)
    assert answer.status_code == 200, answer.text
    served = client.post("/v1/models/together/predict", json={"instances": [ROW]}).json()
    expected = list(served["predictions"][0]["probabilities"].values())
    if kind == "safetensors":
        model = TrainedModel.load(answer.content, 0)
        found = model.answer(model.encode(model.read([ROW]).table)).probabilities
    else:
        session = onnxruntime.InferenceSession(answer.content, providers=["CPUExecutionProvider"])
        feeds = {name: np.array([[value]]) for name, value in ROW.items()}
        (found,) = session.run(["probabilities"], feeds)
    assert found is not None
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_it_scores_a_stored_data_set(client: Client, job: dict[str, Any]) -> None:
    uploaded = client.upload(",".join(ROW) + "\n" + ",".join(map(str, ROW.values())) + "\n")
    prediction = ask(client, model="together", dataset=uploaded.json()["id"])
    assert score(client, prediction)["state"] == "succeeded"


def test_its_version_outlives_its_job(client: Client) -> None:
    job_id = post(client, **IRIS, ensemble={"method": "folds"}, model="outlives")
    assert train(client, job_id)["state"] == "succeeded"
    assert client.delete(f"/v1/jobs/{job_id}").status_code in (202, 204)
    answer = client.post("/v1/models/outlives/predict", json={"instances": [ROW]})
    assert answer.status_code == 200, answer.text
    assert client.get("/v1/models/outlives/versions/1").json()["served"] == "ensemble"


@pytest.mark.slow
def test_auto_says_what_it_could_have_served(client: Client) -> None:
    job_id = post(
        client,
        dataset={"builtin": "iris"},
        network=NETWORK,
        split={"folds": 3, "test": 0.2},
        regularization="auto",
        search={"trials": 4},
        training={"epochs": 9},
        model="automatic",
    )
    ended = train(client, job_id)
    assert ended["state"] == "succeeded", ended["error"]
    choice = client.get(f"/v1/jobs/{job_id}/report").json()["appraisal"]["choice"]
    assert choice["by"] == "balanced_log_loss"
    methods = [one["method"] for one in choice["candidates"]]
    assert methods[0] == "unregularized"
    assert choice["chosen"] in methods
    assert client.post("/v1/models/automatic/predict", json={"instances": [ROW]}).status_code == 200


def test_all_refits_of_a_winner_that_answers_by_itself_answer_together(client: Client) -> None:
    job_id = post(
        client,
        **IRIS | {"compare": COMPARE[1:]},
        refit=True,
        repeats=2,
        ensemble={"method": "auto"},
        model="refitted",
    )
    ended = train(client, job_id)
    report = client.get(f"/v1/jobs/{job_id}/report").json()["appraisal"]
    assert report["choice"]["chosen"] == "winner", "the simplest, where 120 rows tell little"
    assert "mean of 2 refits of the winner" in report["choice"]["why"].lower()
    assert report["choice"]["candidates"][0]["networks"] == 2
    assert ended["best"]["served"] == "ensemble"
    (member,) = report["ensemble"]["members"]
    assert member["networks"] == 2
    with client.services.database.read() as session:
        row = session.get_one(Job, job_id)
        data = client.services.artefacts.read(row.ensemble_path, row.ensemble_sha256)
    file = ModelFile.load(data)
    trials = [Trial.model_validate(one) for one in file.manifest.trials]
    seeds = [trial.training.seed for trial in trials]
    assert [one.weight for one in file.manifest.networks] == [0.5, 0.5]
    assert [trial.refit for trial in trials] == [member["configuration"]] * 2
    assert seeds == [seeds[0], seeds[0] + 1]
    answer = client.post("/v1/models/refitted/predict", json={"instances": [ROW]})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("spec", "param"),
    [
        ({"ensemble": {"method": "all"}, "split": {"validation": 0}}, "ensemble"),
        ({"ensemble": {"method": "folds"}}, "ensemble.method"),
        ({"ensemble": {"method": "most"}}, "ensemble.method"),
    ],
)
def test_what_cannot_be_is_refused(client: Client, spec: dict[str, Any], param: str) -> None:
    answer = client.post("/v1/jobs", json={"dataset": {"builtin": "iris"}, **spec})
    assert answer.status_code == 422, answer.text
    assert answer.json()["param"] == param
