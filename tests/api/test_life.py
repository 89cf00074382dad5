"""Jobs are paused, resumed, retried and deleted; models outlive them, until they are deleted."""

from typing import Any

import httpx
import pytest

from tests.api.client import Client
from tests.api.work import QUICK, ask, post, score, train
from tests.waiting import until
from worker.storage import fleets, jobs

ROW = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
UNTRAINABLE: dict[str, Any] = {
    "training": {**QUICK, "optimizer": {"kind": "sgd", "learning_rate": 100.0, "momentum": 0.99}}
}


def state(client: Client, job_id: str) -> str:
    found: str = client.get(f"/v1/jobs/{job_id}").json()["state"]
    return found


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    code: str = answer.json()["code"]
    return code


def act(client: Client, job_id: str, verb: str, **options: Any) -> httpx.Response:
    return client.post(f"/v1/jobs/{job_id}/{verb}", **options)


def gone(client: Client, folder: str) -> bool:
    return not client.services.artefacts.folders(folder)


def test_a_job_is_paused_and_resumed(client: Client) -> None:
    job_id = post(client)
    for _ in range(2):
        answer = act(client, job_id, "pause")
        assert (answer.status_code, answer.json()["state"]) == (200, "paused")
    assert client.get("/v1/jobs?state=paused").json()["data"][0]["id"] == job_id
    with client.services.database.write() as session:
        (fleet,) = jobs.fleets(session, job_id)
        assert fleets.claim(session, fleet.id, owner="test") is None
    for _ in range(2):
        assert act(client, job_id, "resume").json()["state"] == "queued"
    assert train(client, job_id)["state"] == "succeeded"
    for verb in ("pause", "resume"):
        assert problem(act(client, job_id, verb), 409) == "job_ended"
    assert problem(act(client, "job_none", "pause"), 404) == "not_found"
    log = [event["type"] for event in client.get(f"/v1/jobs/{job_id}/events").json()["data"]]
    assert log[:4] == ["accepted", "pause_requested", "paused", "resume_requested"]


def test_a_paused_job_is_cancelled(client: Client) -> None:
    job_id = post(client)
    act(client, job_id, "pause")
    assert act(client, job_id, "cancel").json()["state"] == "cancelled"
    assert problem(act(client, job_id, "resume"), 409) == "job_ended"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {
            "repeats": 2,
            "compare": [{"name": "a"}, {"name": "b", "regularization": {"batch_norm": {}}}],
        },
        {"regularization": "auto", "search": {"trials": 4}},
        {
            "network": {"kind": "linear"},
            "search": {"method": "path", "over": "regularization.l1.strength", "points": 3},
        },
    ],
)
def test_a_job_is_retried_as_a_new_one(client: Client, more: dict[str, Any]) -> None:
    before = post(client, name="first", **more)
    assert problem(act(client, before, "retry"), 409) == "job_not_ended"
    old = act(client, before, "cancel").json()
    answer = act(client, before, "retry", headers={"Idempotency-Key": f"again {before}"})
    assert answer.status_code == 202, answer.text
    new = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{new['id']}"
    assert (new["retry_of"], old["retry_of"], new["state"]) == (before, None, "queued")
    same = ("name", "spec", "understood", "advice", "trials", "objective")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    specs = [
        client.get(f"/v1/jobs/{each}?include=resolved").json()["resolved"]
        for each in (before, new["id"])
    ]
    assert specs[0] == specs[1]
    again = act(client, before, "retry", headers={"Idempotency-Key": f"again {before}"})
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["id"] == new["id"]
    assert state(client, before) == "cancelled"
    log = client.get(f"/v1/jobs/{before}/events").json()["data"]
    assert (log[-1]["type"], log[-1]["data"]) == ("retried", {"job": new["id"]})
    if not more:
        assert train(client, new["id"])["state"] == "succeeded"
        assert problem(act(client, new["id"], "retry"), 409) == "job_succeeded"


def test_a_failed_job_is_retried(client: Client) -> None:
    before = train(client, post(client, **UNTRAINABLE))
    assert before["state"] == "failed"
    again = act(client, before["id"], "retry").json()
    assert again["retry_of"] == before["id"]
    assert train(client, again["id"])["error"]["code"] == before["error"]["code"]


def test_an_ended_job_is_deleted_with_all_that_it_has(client: Client) -> None:
    key = {"Idempotency-Key": "of a job that is deleted"}
    body = {"dataset": {"builtin": "iris"}, "training": QUICK}
    job_id = client.post("/v1/jobs", json=body, headers=key).json()["id"]
    assert problem(client.delete(f"/v1/jobs/{job_id}"), 409) == "job_not_ended"
    train(client, job_id)
    assert not gone(client, f"jobs/{job_id}")
    answer = client.delete(f"/v1/jobs/{job_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    for path in ("", "/trials", "/metrics", "/events", "/report"):
        assert client.get(f"/v1/jobs/{job_id}{path}").status_code == 404
    assert problem(client.delete(f"/v1/jobs/{job_id}"), 404) == "not_found"
    until(lambda: gone(client, f"jobs/{job_id}"))
    made = client.post("/v1/jobs", json=body, headers=key)
    assert made.json()["id"] != job_id
    assert "Idempotent-Replayed" not in made.headers


def test_a_model_answers_as_before_when_its_job_is_deleted(client: Client) -> None:
    job = train(client, post(client, model="outlives", regularization={"l1": {"strength": 0.01}}))
    path = "/v1/models/outlives"
    before = client.get(f"{path}/versions/1").json()
    answers = client.post(f"{path}/predict", json=ROW).json()
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    list(client.services.collector.collect())
    assert client.get(f"{path}/versions/1").json() == before
    assert before["network"] is not None
    client.portal.call(client.services.serving.unload, "outlives")
    client.portal.call(client.services.serving.load, "outlives")
    assert client.post(f"{path}/predict", json=ROW).json() == answers
    assert client.get(f"{path}/export").status_code == 200
    assert not gone(client, f"jobs/{job['id']}")
    assert client.delete(f"{path}/versions/1").status_code == 204
    assert gone(client, f"jobs/{job['id']}")


def test_a_deleted_version_answers_no_more(client: Client) -> None:
    path = "/v1/models/versions"
    for seed in range(3):
        train(client, post(client, model="versions", training={**QUICK, "seed": seed}))
    assert client.post(f"{path}/predict", json=ROW).json()["version"] == 3
    assert client.post(f"{path}/predict?version=2", json=ROW).status_code == 200
    client.put(f"{path}/aliases/production", json={"version": 2})
    assert problem(client.delete(f"{path}/versions/2"), 409) == "version_has_alias"
    assert client.delete(f"{path}/versions/3").status_code == 204
    assert problem(client.post(f"{path}/predict?version=3", json=ROW), 404) == "not_found"
    assert problem(client.delete(f"{path}/versions/3"), 404) == "not_found"
    assert problem(client.delete(f"{path}/versions/production"), 422) == "invalid_request"
    client.put(f"{path}/aliases/production", json={"version": 1})
    assert client.delete(f"{path}/versions/2").status_code == 204
    assert client.post(f"{path}/predict", json=ROW).json()["version"] == 1
    assert client.get(path).json()["versions"] == [1]
    held = [one.version for one in client.services.serving.residents() if one.name == "versions"]
    assert held == [1]


def test_without_a_version_the_newest_that_is_left_answers(client: Client) -> None:
    path = "/v1/models/newest"
    for seed in range(2):
        train(client, post(client, model="newest", training={**QUICK, "seed": seed}))
    assert client.post(f"{path}/predict", json=ROW).json()["version"] == 2
    client.delete(f"{path}/versions/2")
    assert client.post(f"{path}/predict", json=ROW).json()["version"] == 1
    job = train(client, post(client, model="newest"))
    assert job["model"]["version"] == 3


def test_a_deleted_model_answers_no_more_and_its_name_is_free(client: Client) -> None:
    path = "/v1/models/brief"
    job = train(client, post(client, model="brief"))
    client.put(f"{path}/aliases/production", json={"version": 1})
    assert client.post(f"{path}/predict", json=ROW).status_code == 200
    assert client.delete(path).status_code == 204
    assert problem(client.post(f"{path}/predict", json=ROW), 404) == "not_found"
    assert client.post("/v2/models/brief/infer", json={"inputs": []}).status_code == 404
    assert problem(client.get(path), 404) == "not_found"
    assert problem(client.delete(path), 404) == "not_found"
    assert state(client, job["id"]) == "succeeded"
    assert not gone(client, f"jobs/{job['id']}")
    seeded = train(client, post(client, model="brief", training={**QUICK, "seed": 5}))
    assert seeded["model"]["version"] == 1
    assert client.post(f"{path}/predict", json=ROW).json()["version"] == 1


def test_a_prediction_is_deleted_with_its_result(client: Client) -> None:
    train(client, post(client, model="scores"))
    prediction = ask(client, model="scores", dataset={"builtin": "iris"}, format="csv")
    path = f"/v1/predictions/{prediction}"
    assert problem(client.delete(path), 409) == "job_not_ended"
    assert problem(client.delete("/v1/models/scores"), 409) == "model_in_use"
    assert score(client, prediction)["state"] == "succeeded"
    assert problem(client.delete(f"/v1/jobs/{prediction}"), 404) == "not_found"
    assert client.delete(path).status_code == 204
    assert problem(client.get(path), 404) == "not_found"
    until(lambda: gone(client, f"predictions/{prediction}"))


@pytest.mark.parametrize("what", ["pause", "resume", "retry", "cancel"])
def test_what_changes_a_job_wants_its_id(client: Client, what: str) -> None:
    post(client)
    answer = client.post(f"/v1/jobs/latest/{what}")
    assert answer.status_code == 404
    assert "give the id" in answer.json()["detail"]
